"""hwmodel: what a run costs on a chip described in YAML, from the activity that refsnn saw; nothing is simulated here."""

from hwmodel.chip import ChipSpec as ChipSpec
from hwmodel.chip import chip_names as chip_names
from hwmodel.chip import load_chip as load_chip
from hwmodel.model import estimate as estimate
from hwmodel.report import CostReport as CostReport
from hwmodel.tradeoff import PolicyScore as PolicyScore
from hwmodel.tradeoff import pareto as pareto
from hwmodel.tradeoff import score as score
