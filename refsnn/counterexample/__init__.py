"""The smallest input, network and number of steps for which a conversion is not exact: found, shrunk, told, kept."""

from refsnn.counterexample.case import Case as Case
from refsnn.counterexample.case import Disagreement as Disagreement
from refsnn.counterexample.files import load_case as load_case
from refsnn.counterexample.files import save_case as save_case
from refsnn.counterexample.searching import Found as Found
from refsnn.counterexample.searching import search as search
from refsnn.counterexample.telling import History as History
from refsnn.counterexample.telling import cause as cause
from refsnn.counterexample.telling import history as history
