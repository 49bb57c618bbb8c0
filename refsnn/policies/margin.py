"""Top-K cutoff: stop when the two largest outputs are far enough apart, by a threshold of its own for every step."""

from dataclasses import dataclass, replace
from math import ceil, inf
from typing import ClassVar

import numpy as np

from refsnn.errors import SpecError
from refsnn.policies.readout import (
    Array,
    IntArray,
    Limits,
    checked,
    checked_epsilon,
    checked_labels,
    correct_from_here_on,
    first_exceeding,
    limit_for_each_step,
)
from refsnn.policies.work import ONE, THRESHOLD, TOP_TWO, PolicyWork

BINS = 100  # of the published calibration


def margin(readout: Array) -> Array:
    """Gap between the two largest summed outputs at every step.

        margin[t, n] = top1(readout[t, n]) - top2(readout[t, n])

    readout: float[T, N, K], summed over steps 1..t     returns float[T, N]
    Wu et al., "Optimising Event-Driven Spiking Neural Network with Regularisation and Cutoff", 2023.
    """
    top = np.partition(readout, -2)
    return top[..., -1] - top[..., -2]


@dataclass(frozen=True)
class TopK:
    """Stop at the first step t whose margin exceeds thresholds[t - 1]; the last one is never needed."""

    name: ClassVar[str] = "top-2 margin"
    thresholds: tuple[float, ...]
    calibrated_classes: int | None = None  # K of the calibration; a readout of another number is refused

    def __post_init__(self) -> None:
        if not self.thresholds or np.isnan(self.thresholds).any():
            raise SpecError(f"TopK: thresholds are {self.thresholds!r}; give one number for each step")

    def exit_step(self, readout: Array) -> IntArray:
        readout = checked(readout, "TopK", self.calibrated_steps, self.calibrated_classes)
        return first_exceeding(self.score(readout), self.thresholds)

    def score(self, readout: Array) -> Array:
        return margin(readout)

    @property
    def calibrated_steps(self) -> int:
        return len(self.thresholds)

    @property
    def limits(self) -> tuple[float, ...]:
        return self.thresholds

    def at(self, limits: Limits) -> "TopK":
        return replace(self, thresholds=limit_for_each_step(limits, self.calibrated_steps, "TopK"))

    @property
    def work(self) -> PolicyWork:
        return TOP_TWO + PolicyWork(adds=ONE) + THRESHOLD

    @classmethod
    def calibrate(cls, readout: Array, labels: Array, *, epsilon: float = 0.01, compat: bool = False) -> "TopK":
        """Thresholds from a calibration split: for each step the smallest b at which, of the samples whose margin is
        over b, a share of at least 1 - epsilon is right from that step on.

        A share of epsilon cannot be seen in fewer than 1/epsilon samples, so that many have to be over b (all of them
        if there are fewer); where no b will do, the step never stops. b runs over the margins that occur.
        compat: the published procedure instead: 100 equidistant b from 0 to the largest margin of all steps, first
        crossing, however few samples are over it; the hundredth counts as certain. Numbers are those of the readout's
        own format, as there: b, and the share that is right, are float32 numbers for a float32 readout.
        """
        readout = checked(readout, "TopK")
        labels = checked_labels(labels, readout, "TopK")
        checked_epsilon(epsilon, "TopK")
        gap, right = margin(readout), correct_from_here_on(readout, labels)
        if compat:
            return cls(_published_thresholds(gap, right, epsilon), readout.shape[2])
        thresholds = tuple(_smallest_certain(g, r, epsilon) for g, r in zip(gap, right, strict=True))
        return cls(thresholds, readout.shape[2])


def _smallest_certain(gap: Array, right: Array, epsilon: float) -> float:
    """The smallest observed margin (or 0) over which enough samples lie and enough of them are right; else infinity."""
    enough = min(len(gap), ceil(1 / epsilon)) if epsilon else len(gap)
    order = np.argsort(gap, kind="stable")
    sorted_gap = gap[order].astype(np.float64)
    right_above = np.concatenate([np.cumsum(right[order][::-1])[::-1], [0]])  # right ones among order[i:]
    candidates = np.concatenate([[0.0], np.unique(sorted_gap)])
    first_above = np.searchsorted(sorted_gap, candidates, side="right")
    n_above = len(gap) - first_above
    certain = (n_above >= enough) & (right_above[first_above] >= (1 - epsilon) * n_above)
    return float(candidates[certain.argmax()]) if certain.any() else inf


def _published_thresholds(gap: Array, right: Array, epsilon: float) -> tuple[float, ...]:
    number = gap.dtype.type if gap.dtype.kind == "f" else np.float64
    beta = np.arange(BINS).astype(number) * (gap.max() / number(BINS))
    above = gap[None] > beta[:, None, None]
    with np.errstate(invalid="ignore"):  # no sample over b: 0/0 is NaN, which no comparison accepts
        confidence = ((above & right).sum(-1) / above.sum(-1)).astype(number)
    confidence[-1] = 1.0
    return tuple(float(b) for b in beta[(confidence >= number(1 - epsilon)).argmax(0)])
