"""What policies with one threshold for all steps have in common, whatever their score is."""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, Literal, Self

import numpy as np

from refsnn.errors import SpecError
from refsnn.policies.readout import Array, IntArray, Limits, checked, first_exceeding, one_limit

Accumulate = Literal["sum", "mean"]


class OneThreshold(ABC):
    """Stop at the first step whose score, between 0 and 1, exceeds the threshold; infinity stops nobody early.

    The fields stand in the dataclasses that inherit from this, each in its own order.
    """

    threshold: float
    accumulate: Accumulate
    temperature: float
    calibrated_steps: int | None  # T of the calibration; a readout of another length is refused
    calibrated_classes: int | None  # its K; likewise

    def __post_init__(self) -> None:
        check_softmax(self)

    @abstractmethod
    def score(self, readout: Array) -> Array:
        """float[T, N], from a checked readout."""

    def exit_step(self, readout: Array) -> IntArray:
        readout = checked(readout, type(self).__name__, self.calibrated_steps, self.calibrated_classes)
        return first_exceeding(self.score(readout), self.threshold)

    @property
    def limits(self) -> float:
        return self.threshold

    def at(self, limits: Limits) -> Self:
        changed: Any = self  # a dataclass, of which mypy sees the common part only
        made: Self = replace(changed, threshold=one_limit(limits, type(self).__name__))
        return made


def check_softmax(policy: Any) -> None:
    """Refuse an accumulate, temperature or threshold that means nothing."""
    name = type(policy).__name__
    if policy.accumulate not in ("sum", "mean"):
        raise SpecError(f"{name}: accumulate is {policy.accumulate!r}; it is 'sum' or 'mean'")
    if not policy.temperature > 0:
        raise SpecError(f"{name}: temperature is {policy.temperature!r}; it has to be above 0")
    threshold = getattr(policy, "threshold", 0.0)
    if not (0 <= threshold <= 1 or threshold == np.inf):
        raise SpecError(f"{name}: threshold is {threshold!r}; scores lie between 0 and 1 (infinity: never stop early)")
