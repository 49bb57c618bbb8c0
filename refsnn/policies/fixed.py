"""Everybody runs the same number of steps."""

from dataclasses import dataclass

import numpy as np

from refsnn.errors import SpecError
from refsnn.policies.readout import Array, IntArray, checked
from refsnn.policies.work import NO_WORK, PolicyWork


@dataclass(frozen=True)
class Fixed:
    """Stop after `steps` steps."""

    steps: int

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise SpecError(f"Fixed: steps is {self.steps!r}; a run has at least 1")

    @property
    def name(self) -> str:
        return f"fixed {self.steps}"

    @property
    def work(self) -> PolicyWork:
        """Nothing: it is known beforehand."""
        return NO_WORK

    def exit_step(self, readout: Array) -> IntArray:
        readout = checked(readout, "Fixed")
        if self.steps > len(readout):
            raise SpecError(f"Fixed: stops after {self.steps} steps, but this readout has {len(readout)}; run longer")
        return np.full(readout.shape[1], self.steps, np.int64)
