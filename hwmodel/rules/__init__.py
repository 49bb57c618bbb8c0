"""Other tools' counting and pricing rules, each as exact as the tool: one run under many rules, and why they differ."""

from hwmodel.rules.base import Rule as Rule
from hwmodel.rules.comparison import Comparison as Comparison
from hwmodel.rules.comparison import compare as compare
from hwmodel.rules.evidence import Evidence as Evidence
from hwmodel.rules.library import load as load
from hwmodel.rules.library import names as names
from hwmodel.rules.report import Row as Row
from hwmodel.rules.report import RuleReport as RuleReport
