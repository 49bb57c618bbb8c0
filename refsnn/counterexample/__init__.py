"""The smallest input, network and number of steps for which a conversion is not exact: found, shrunk, told, kept."""

from refsnn.counterexample.case import Case as Case
