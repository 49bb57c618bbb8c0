"""One failure of one law, in the words of whoever has to find its cause."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What differs first, and where; steps count from 1, samples and indices from 0."""

    law: str  # what should have held
    node: str
    step: int | None  # None where the law speaks of the whole run
    sample: int | None
    index: tuple[int, ...] | None  # of the neuron within the node's shape
    expected: Any
    actual: Any
    tolerance: float = 0.0
    cause: str = ""

    @property
    def place(self) -> str:
        """Where: layer, step, sample, neuron, as far as they are known."""
        parts = [f"layer {self.node}"]
        parts += [] if self.step is None else [f"step {self.step}"]
        parts += [] if self.sample is None else [f"sample {self.sample}"]
        parts += [] if self.index is None else [f"neuron {list(self.index)}"]
        return ", ".join(parts)

    @property
    def difference(self) -> str:
        """What: law, expected and found value, cause."""
        cause = f" ({self.cause})" if self.cause else ""
        return f"{self.law}: expected {self.expected}, got {self.actual}{cause}"

    def __str__(self) -> str:
        return f"{self.place}: {self.difference}"
