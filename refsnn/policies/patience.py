"""Patience: stop when the decision has been the same for long enough."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from refsnn.errors import SpecError
from refsnn.policies.readout import (
    Array,
    IntArray,
    Limits,
    accuracy_at,
    checked,
    checked_epsilon,
    checked_labels,
    first_exceeding,
    one_limit,
)
from refsnn.policies.work import ARGMAX, RUN_LENGTH, THRESHOLD, PolicyWork


def run_length(readout: Array) -> Array:
    """float64[T, N]: for how many steps up to this one the decision has been the one of this step; at least 1."""
    decision = readout.argmax(-1)
    step = np.arange(len(decision))[:, None]
    changed = np.concatenate([np.ones((1, decision.shape[1]), bool), decision[1:] != decision[:-1]])
    began = np.maximum.accumulate(np.where(changed, step, 0), axis=0)
    return (step - began + 1).astype(np.float64)


@dataclass(frozen=True)
class Patience:
    """Stop at the first step after `equal` consecutive steps with the same decision; equal = 1 stops at once.

    Zhou et al., "BERT Loses Patience: Fast and Robust Inference with Early Exit", NeurIPS 2020 (there for layers).
    """

    name: ClassVar[str] = "patience"
    equal: int
    calibrated_steps: int | None = None
    calibrated_classes: int | None = None

    def __post_init__(self) -> None:
        if self.equal < 1:
            raise SpecError(f"Patience: equal is {self.equal!r}; it takes 1 or more steps with the same decision")

    def score(self, readout: Array) -> Array:
        return run_length(readout)

    def exit_step(self, readout: Array) -> IntArray:
        readout = checked(readout, "Patience", self.calibrated_steps, self.calibrated_classes)
        return first_exceeding(self.score(readout), self.limits)

    @property
    def limits(self) -> float:
        return float(self.equal - 1)

    def at(self, limits: Limits) -> "Patience":
        limit = one_limit(limits, "Patience")
        if not limit.is_integer():
            raise SpecError(f"Patience: the limit is {limit!r}; a run of equal decisions has a whole length")
        return replace(self, equal=int(limit) + 1)

    @property
    def work(self) -> PolicyWork:
        return ARGMAX + RUN_LENGTH + THRESHOLD

    @classmethod
    def calibrate(cls, readout: Array, labels: Array, *, epsilon: float = 0.01) -> "Patience":
        """The least patience before the first, from T down, that loses more than `epsilon` of the accuracy at T."""
        readout = checked(readout, "Patience")
        labels = checked_labels(labels, readout, "Patience")
        checked_epsilon(epsilon, "Patience")
        steps, score = len(readout), run_length(readout)
        allowed = accuracy_at(readout, labels, np.full(len(labels), steps)) - epsilon
        chosen = steps
        while chosen > 1 and accuracy_at(readout, labels, first_exceeding(score, chosen - 2)) >= allowed:
            chosen -= 1
        return cls(chosen, steps, readout.shape[2])
