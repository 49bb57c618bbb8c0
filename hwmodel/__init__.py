"""hwmodel: what a run costs on a chip described in YAML, from the activity that refsnn saw; nothing is simulated here."""

from hwmodel.chip import ChipSpec as ChipSpec
from hwmodel.library import chip_names as chip_names
from hwmodel.library import load_chip as load_chip
from hwmodel.model import estimate as estimate
from hwmodel.model import estimate_all as estimate_all
from hwmodel.placement import place as place
from hwmodel.report import CostReport as CostReport
from hwmodel.tradeoff import PolicyScore as PolicyScore
from hwmodel.tradeoff import pareto as pareto
from hwmodel.tradeoff import score as score
from hwmodel.tradeoff import scores as scores
