"""A learned gate: a logistic regression on what a step shows of a sample's certainty."""

from dataclasses import dataclass, replace
from math import inf, isfinite
from typing import ClassVar

import numpy as np
from scipy.special import expit

from refsnn.errors import SpecError
from refsnn.policies.certainty import (
    certainty,
    confidence,
    probabilities,
    riskiest,
)
from refsnn.policies.logistic import RIDGE, fitted
from refsnn.policies.margin import margin
from refsnn.policies.patience import run_length
from refsnn.policies.readout import (
    Array,
    checked,
    checked_labels,
    correct_from_here_on,
)
from refsnn.policies.threshold import Accumulate, OneThreshold
from refsnn.policies.work import ENTROPY, EXPONENTIALS, ONE, RUN_LENGTH, THRESHOLD, TOP_TWO, Count, PolicyWork, scaling

FEATURES = ("confidence", "margin", "certainty", "run length", "step")


def features(readout: Array, accumulate: Accumulate, temperature: float) -> Array:
    """float64[5, T, N]: softmax confidence, margin of the sum, 1 - H / ln K, length of the run of equal decisions, t."""
    p = probabilities(readout, accumulate, temperature)
    gap = margin(readout)
    step = np.broadcast_to(np.arange(1.0, len(readout) + 1)[:, None], gap.shape)
    return np.stack([confidence(p), gap, certainty(p), run_length(readout), step]).astype(np.float64)


@dataclass(frozen=True)
class Gate(OneThreshold):
    """Stop at the first step whose gate exceeds the threshold.

        gate[t, n] = 1 / (1 + exp(-(bias + sum_i weights[i] * features[i, t, n])))

    It estimates how likely it is that going on would change nothing. The weights are for the features as they are.
    """

    name: ClassVar[str] = "gate"
    weights: tuple[float, ...]  # in the order of FEATURES
    bias: float
    threshold: float
    accumulate: Accumulate = "sum"
    temperature: float = 1.0
    calibrated_steps: int | None = None
    calibrated_classes: int | None = None

    def __post_init__(self) -> None:
        if len(self.weights) != len(FEATURES) or not all(map(isfinite, (*self.weights, self.bias))):
            raise SpecError(
                f"Gate: weights are {self.weights!r}, bias {self.bias!r}; give finite numbers, a weight for each of "
                f"{', '.join(FEATURES)}"
            )
        super().__post_init__()

    def score(self, readout: Array) -> Array:
        total = np.full(readout.shape[:2], self.bias)
        for weight, feature in zip(self.weights, features(readout, self.accumulate, self.temperature), strict=True):
            total = total + weight * feature  # not @: the same bits whatever else is in the batch
        return expit(total)

    @property
    def work(self) -> PolicyWork:
        """The largest two give the decision, too; confidence is 1 / Z; the logistic is undone in the threshold."""
        linear = PolicyWork(multiplies=Count(0, 5), adds=Count(0, 5), table_reads=Count(0, 6))
        shown = TOP_TWO + PolicyWork(adds=ONE) + EXPONENTIALS + PolicyWork(divisions=ONE) + ENTROPY + RUN_LENGTH
        return scaling(self.accumulate, self.temperature) + shown + linear + THRESHOLD

    @classmethod
    def fit(cls, readout: Array, labels: Array | None = None, *, accumulate: Accumulate = "sum", temperature: float = 1.0,
            ridge: float = RIDGE) -> "Gate":  # fmt: skip
        """A gate for its target on all samples and steps before the last, with a threshold that stops nobody early.

        The target is: the decision now is the one after step T; with labels: it is right from here on.
        """
        readout = checked(readout, "Gate")
        decision = readout.argmax(-1)
        if labels is None:
            target = decision == decision[-1]
        else:
            target = correct_from_here_on(readout, checked_labels(labels, readout, "Gate"))
        before = slice(max(1, len(readout) - 1))
        x = features(readout, accumulate, temperature)[:, before].reshape(len(FEATURES), -1)
        weights, bias = fitted(x, target[before].ravel(), ridge)
        return cls(weights, bias, inf, accumulate, temperature, len(readout), readout.shape[2])

    @classmethod
    def calibrate(cls, readout: Array, labels: Array, *, epsilon: float = 0.01, accumulate: Accumulate = "sum",
                  temperature: float = 1.0) -> "Gate":  # fmt: skip
        """Weights for being right from here on and the riskiest threshold, both from this split; see riskiest."""
        gate = cls.fit(readout, labels, accumulate=accumulate, temperature=temperature)
        return replace(gate, threshold=riskiest(gate, readout, labels, epsilon))
