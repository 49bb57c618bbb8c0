"""The bound no policy can beat: it knows the labels."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from refsnn.policies.readout import Array, IntArray, checked, checked_labels, correct_from_here_on, first_exceeding


@dataclass(frozen=True, eq=False)
class Oracle:
    """Stop at the first step from which on every decision is right (optimal cutoff time); T if there is none.

    Its accuracy is the accuracy at T, at the fewest steps. Wu et al., 2023.
    """

    name: ClassVar[str] = "oracle"
    labels: Array

    def exit_step(self, readout: Array) -> IntArray:
        readout = checked(readout, "Oracle")
        right = correct_from_here_on(readout, checked_labels(self.labels, readout, "Oracle"))
        return first_exceeding(right.astype(np.float64), 0.5)
