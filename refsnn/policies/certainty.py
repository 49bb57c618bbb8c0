"""SEENN-I and DT-SNN: stop when the softmax of the readout is certain enough."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from scipy.special import entr, softmax

from refsnn.policies.many import many_losses
from refsnn.policies.readout import (
    Array,
    accuracy_at,
    checked,
    checked_epsilon,
    checked_labels,
    correct,
)
from refsnn.policies.threshold import Accumulate, OneThreshold
from refsnn.policies.work import ARGMAX, ENTROPY, EXPONENTIALS, ONE, THRESHOLD, PolicyWork, scaling

GRID = 200  # thresholds tried by calibrate


def scaled(readout: Array, accumulate: Accumulate, temperature: float) -> Array:
    """The summed readout, or its mean over the steps so far, divided by the temperature: float64[T, N, K]."""
    steps = np.arange(1, len(readout) + 1).reshape(-1, 1, 1)
    return readout.astype(np.float64) / (steps if accumulate == "mean" else 1) / temperature


def probabilities(readout: Array, accumulate: Accumulate, temperature: float) -> Array:
    """softmax(y / temperature) of y = the summed readout, or its mean over the steps so far: float64[T, N, K].

    The papers take the mean, their code the sum, which sharpens with every step; thresholds do not carry over.
    """
    return softmax(scaled(readout, accumulate, temperature), axis=-1)


def confidence(p: Array) -> Array:
    """max_k p[t, n, k]."""
    return p.max(-1)


def certainty(p: Array) -> Array:
    """1 - H(p) / ln K, with H the entropy over the K classes; never below 0, where rounding would put equal classes."""
    return np.maximum(1 - entr(p).sum(-1) / np.log(p.shape[-1]), 0.0)


@dataclass(frozen=True)
class _Softmax(OneThreshold):
    """A threshold on what the softmax says."""

    threshold: float
    accumulate: Accumulate = "sum"
    temperature: float = 1.0
    calibrated_steps: int | None = None
    calibrated_classes: int | None = None

    @classmethod
    def calibrate(cls, readout: Array, labels: Array, *, epsilon: float = 0.01, accumulate: Accumulate = "sum",
                  temperature: float = 1.0) -> Self:  # fmt: skip
        """The riskiest threshold that costs at most `epsilon` of accuracy on a calibration split; see riskiest."""
        readout = checked(readout, cls.__name__)
        draft = cls(1.0, accumulate, temperature, len(readout), readout.shape[2])
        return replace(draft, threshold=riskiest(draft, readout, labels, epsilon))


class Confidence(_Softmax):
    """Stop at the first step whose largest softmax probability exceeds the threshold.

    Li et al., "SEENN: Towards Temporal Spiking Early-Exit Neural Networks", NeurIPS 2023 (SEENN-I).
    """

    name: ClassVar[str] = "confidence"

    def score(self, readout: Array) -> Array:
        return confidence(probabilities(readout, self.accumulate, self.temperature))

    @property
    def work(self) -> PolicyWork:
        """1 / Z is the largest probability."""
        return (
            scaling(self.accumulate, self.temperature) + ARGMAX + EXPONENTIALS + PolicyWork(divisions=ONE) + THRESHOLD
        )


class Entropy(_Softmax):
    """Stop at the first step where 1 - H/ln K exceeds the threshold.

    Li et al., "Input-Aware Dynamic Timestep Spiking Neural Networks for Efficient In-Memory Computing" (DT-SNN), DAC 2023.
    """

    name: ClassVar[str] = "entropy"

    def score(self, readout: Array) -> Array:
        return certainty(probabilities(readout, self.accumulate, self.temperature))

    @property
    def work(self) -> PolicyWork:
        """The threshold is one on H, (1 - threshold) ln K."""
        return scaling(self.accumulate, self.temperature) + ARGMAX + EXPONENTIALS + ENTROPY + THRESHOLD


def riskiest(policy: OneThreshold, readout: Array, labels: Array, epsilon: float) -> float:
    """Thresholds are tried from safe to risky; the last one before the first that loses more than `epsilon` of the
    accuracy at T is taken. They are quantiles of the scores that occur. An estimate, not a guarantee.
    """
    name = type(policy).__name__
    readout = checked(readout, name)
    labels = checked_labels(labels, readout, name)
    checked_epsilon(epsilon, name)
    score = policy.score(readout)
    allowed = accuracy_at(readout, labels, np.full(len(labels), len(readout))) - epsilon
    chosen = 1.0  # no score exceeds it
    grid = np.quantile(score[:-1], np.linspace(1, 0, GRID)) if len(score) > 1 else np.empty(0)
    right = many_losses(score, grid, correct(readout, labels))
    for threshold, accuracy in zip(grid, right / len(labels), strict=True):
        if accuracy < allowed:
            break
        chosen = float(threshold)
    return chosen
