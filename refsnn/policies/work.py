"""What deciding takes: operations for each step and sample, from which a chip's prices give a policy's own cost."""

from dataclasses import dataclass, fields
from typing import Literal


@dataclass(frozen=True)
class Count:
    """per_class * K + constant operations, for a readout of K classes."""

    per_class: int = 0
    constant: int = 0

    def of(self, classes: int) -> int:
        return self.per_class * classes + self.constant

    def __add__(self, other: "Count") -> "Count":
        return Count(self.per_class + other.per_class, self.constant + other.constant)


NONE, ONE, EACH = Count(), Count(0, 1), Count(1, 0)


@dataclass(frozen=True, kw_only=True)
class PolicyWork:
    """Operations for one sample in one step in which it is decided whether to stop, in the worst case.

    That is every step up to the sample's exit step, without step T, where everybody stops. What a sample takes when it has
    stopped - K - 1 compares for its decision - is the same for every policy and not part of this. Nothing is shared between
    samples; the summed readout is there already; the K numbers of a step are held while it is decided.
    """

    compares: Count = NONE
    adds: Count = NONE  # and subtractions
    multiplies: Count = NONE
    exponentials: Count = NONE
    logarithms: Count = NONE
    divisions: Count = NONE
    table_reads: Count = NONE  # thresholds, weights and factors, constant from sample to sample
    state_reads: Count = NONE  # words kept from the step before
    state_writes: Count = NONE  # words kept for the next step
    reads_readout: bool = False  # whether the K words of the readout have to reach the policy in every such step

    def counts(self, classes: int) -> dict[str, int]:
        """Every operation's number for a readout of so many classes."""
        return {one.name: getattr(self, one.name).of(classes) for one in fields(self) if one.name != "reads_readout"}

    def __add__(self, other: "PolicyWork") -> "PolicyWork":
        both = {
            one.name: getattr(self, one.name) + getattr(other, one.name)
            for one in fields(self)
            if one.name != "reads_readout"
        }
        return PolicyWork(**both, reads_readout=self.reads_readout or other.reads_readout)


NO_WORK = PolicyWork()
THRESHOLD = PolicyWork(compares=ONE, table_reads=ONE)  # a score against its threshold
ARGMAX = PolicyWork(compares=Count(1, -1), reads_readout=True)  # each class after the first against the largest so far
# the first two against each other; each further one against the second largest and, where it is larger, the largest
TOP_TWO = PolicyWork(compares=Count(2, -3), reads_readout=True)
# a_k = y_k - max y, the largest being known; e_k = exp(a_k); Z = sum e_k: K subtractions, K exponentials, K - 1 additions
EXPONENTIALS = PolicyWork(adds=Count(2, -1), exponentials=EACH, reads_readout=True)
# H = ln Z - (sum a_k e_k) / Z: K products, K - 1 additions, and the sum over Z from ln Z
ENTROPY = PolicyWork(multiplies=EACH, adds=Count(1, 0), logarithms=ONE, divisions=ONE)
# is this decision the one before; the run's length plus one; both are kept for the next step
RUN_LENGTH = PolicyWork(compares=ONE, adds=ONE, state_reads=Count(0, 2), state_writes=Count(0, 2))


def scaling(accumulate: Literal["sum", "mean"], temperature: float) -> PolicyWork:
    """Each output times 1 / (t * temperature), from a table over t, or times 1 / temperature; nothing where that is 1."""
    if accumulate == "mean":
        return PolicyWork(multiplies=EACH, table_reads=ONE)
    return NO_WORK if temperature == 1 else PolicyWork(multiplies=EACH, table_reads=ONE)
