"""What the model asks of counts per core; refsnn.core_activity measures them."""

from typing import Protocol

from refsnn.trace import IntArray


class PerCore(Protocol):
    """Counts of a run on each core of a placement."""

    def has(self, node: str, base: str) -> bool:
        """Whether this count of the node is known for each of its group's cores."""

    def of(self, node: str, base: str) -> IntArray:
        """The count: int64[cores, T, N]."""
