"""Dynamic Confidence: a softmax whose temperature fits the labels, and one threshold from the front of accuracy and steps."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from scipy.special import softmax

from refsnn.policies.certainty import (
    Confidence,
    confidence,
    probabilities,
    scaled,
)
from refsnn.policies.many import many_losses
from refsnn.policies.readout import (
    Array,
    checked,
    checked_epsilon,
    checked_labels,
    correct,
)
from refsnn.policies.threshold import Accumulate, OneThreshold
from refsnn.policies.work import PolicyWork

THRESHOLDS = 1000  # tried for the front
COLDEST, HOTTEST = -20.0, 20.0  # log2 of the temperatures that a fit may give
HALVINGS = 30  # of that range: the temperature to eight digits


def fitted_temperature(readout: Array, labels: Array, accumulate: Accumulate = "sum") -> float:
    """The temperature under which the labels are likeliest, over all steps: 2^-20 to 2^20, nearest to the minimum of

        NLL(temperature) = - sum_{t, n} ln softmax(y[t, n] / temperature)[labels[n]]

    It is convex in 1 / temperature, whose derivative - expected minus labelled output - is followed by halving.
    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    readout = checked(readout, "fitted_temperature")
    labels = checked_labels(labels, readout, "fitted_temperature")
    y = scaled(readout, accumulate, 1.0)
    y = y - y.max(-1, keepdims=True)
    labelled = np.take_along_axis(y, np.broadcast_to(labels[None, :, None], (*y.shape[:2], 1)), -1).sum()
    cold, hot = COLDEST, HOTTEST
    for _ in range(HALVINGS):
        middle = (cold + hot) / 2
        expected = (softmax(y / 2**middle, axis=-1) * y).sum()
        cold, hot = (middle, hot) if expected > labelled else (cold, middle)
    return float(2**cold)


def front(score: Array, readout: Array, labels: Array, *, tried: int = THRESHOLDS) -> tuple[Array, Array, Array]:
    """(thresholds, accuracy, mean steps) [P] of what no other threshold beats in both, from fewest to most steps.

    The thresholds tried are quantiles of the scores before the last step, and infinity.
    """
    before = score[:-1] if len(score) > 1 else score
    thresholds = np.unique(np.concatenate([np.quantile(before, np.linspace(0, 1, tried)), [np.inf]]))[::-1]
    right = many_losses(score, thresholds, correct(readout, labels))
    taken = many_losses(score, thresholds, np.broadcast_to(np.arange(1, len(score) + 1)[:, None], score.shape))
    # thresholds under which as many steps are taken stop every sample at the same step: the highest of them stays
    taken, first = np.unique(taken, return_index=True)
    right = right[first]
    most_before = np.maximum.accumulate(np.concatenate([[-1], right[:-1]]))
    best = np.flatnonzero(right > most_before)
    return thresholds[first[best]], right[best] / len(labels), taken[best] / len(labels)


@dataclass(frozen=True)
class DynamicConfidence(OneThreshold):
    """Stop at the first step whose largest softmax probability, at a fitted temperature, exceeds the threshold.

    Li, Jones and Furber, "Unleashing the Potential of Spiking Neural Networks with Dynamic Confidence", ICCV 2023.
    """

    name: ClassVar[str] = "dynamic confidence"
    threshold: float
    accumulate: Accumulate = "sum"
    temperature: float = 1.0
    calibrated_steps: int | None = None
    calibrated_classes: int | None = None

    def score(self, readout: Array) -> Array:
        return confidence(probabilities(readout, self.accumulate, self.temperature))

    @property
    def work(self) -> PolicyWork:
        return Confidence(self.threshold, self.accumulate, self.temperature).work

    @classmethod
    def fit(cls, readout: Array, labels: Array, *, accumulate: Accumulate = "sum") -> "DynamicConfidence":
        """The temperature, with a threshold that stops nobody early."""
        temperature = fitted_temperature(readout, labels, accumulate)
        return cls(np.inf, accumulate, temperature, len(readout), np.shape(readout)[2])

    @classmethod
    def calibrate(cls, readout: Array, labels: Array, *, epsilon: float = 0.01,
                  accumulate: Accumulate = "sum") -> "DynamicConfidence":  # fmt: skip
        """Temperature and threshold from the same split: of the front's thresholds the one with the fewest steps that loses
        at most `epsilon` of the accuracy at T. An estimate, not a guarantee.
        """
        checked_epsilon(epsilon, "DynamicConfidence")
        readout = checked(readout, "DynamicConfidence")
        fitted = cls.fit(readout, checked_labels(labels, readout, "DynamicConfidence"), accumulate=accumulate)
        thresholds, accuracy, _ = front(fitted.score(readout), readout, np.asarray(labels))
        allowed = float(correct(readout, labels)[-1].mean()) - epsilon
        return replace(fitted, threshold=float(thresholds[(accuracy >= allowed).argmax()]))
