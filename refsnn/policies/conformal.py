"""SpikeCP: stop when the set of classes that cannot be ruled out is small enough; the set holds the label as often as asked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, inf
from typing import ClassVar

import numpy as np
from scipy.special import log_softmax

from refsnn.errors import SpecError
from refsnn.policies.certainty import scaled
from refsnn.policies.readout import (
    Array,
    IntArray,
    Limits,
    checked,
    checked_labels,
    first_exceeding,
    limit_for_each_step,
)
from refsnn.policies.threshold import Accumulate, check_softmax
from refsnn.policies.work import ARGMAX, EACH, EXPONENTIALS, ONE, THRESHOLD, Count, PolicyWork, scaling


def nonconformity(readout: Array, accumulate: Accumulate, temperature: float) -> Array:
    """-ln softmax(y / temperature)[k]: how badly class k fits after step t, float64[T, N, K]."""
    return -log_softmax(scaled(readout, accumulate, temperature), axis=-1)


def conformal_quantile(scores: Array, alpha: float | Fraction) -> float:
    """The ceil((1 - alpha) (n + 1))-th smallest of n scores; infinity where there are not as many.

    A further exchangeable score is at most this with probability at least 1 - alpha. alpha counts as the decimal number it
    is written as: 0.1 is 1/10.
    """
    rank = ceil((1 - _exact(alpha)) * (len(scores) + 1))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else inf


@dataclass(frozen=True)
class SpikeCP:
    """Stop at the first checkpoint whose prediction set has at most `largest` classes.

        set[t, n] = {k : -ln softmax(y[t, n] / temperature)[k] <= quantiles[t]}

    At the exit step, forced or not, the set of a calibrated policy holds the label with probability at least 1 - alpha, over
    calibration and new samples together: each of the C checkpoints, the last of which is step T, fails with at most alpha / C
    (Bonferroni). That is about the set, not about the decision. The paper's variant by Simes has no proof and is not
    offered. Chen, Park and Simeone, "Knowing When to Stop: Delay-Adaptive Spiking Neural Network Classifiers with
    Reliability Guarantees", 2023.
    """

    name: ClassVar[str] = "prediction set"
    quantiles: tuple[float, ...]  # one for each checkpoint
    checkpoints: tuple[int, ...]  # steps, ascending; the last is T
    alpha: float | None = None  # how often the set may miss the label; None: the quantiles promise nothing
    largest: int = 1
    accumulate: Accumulate = "sum"
    temperature: float = 1.0
    calibrated_classes: int | None = None

    def __post_init__(self) -> None:
        check_checkpoints(self.checkpoints, self.checkpoints[-1] if self.checkpoints else 1)
        if len(self.quantiles) != len(self.checkpoints) or np.isnan(self.quantiles).any():
            raise SpecError(f"SpikeCP: quantiles are {self.quantiles!r}; give one number for each checkpoint")
        if self.alpha is not None:
            check_alpha(self.alpha)
        if self.largest < 0:
            raise SpecError(f"SpikeCP: largest is {self.largest!r}; a set has 0 or more classes")
        check_softmax(self)

    def sets(self, readout: Array) -> Array:
        """bool[C, N, K]: which classes are in the set at each checkpoint."""
        at = [t - 1 for t in self.checkpoints]
        fits = nonconformity(readout, self.accumulate, self.temperature)[at]
        return fits <= np.asarray(self.quantiles)[:, None, None]

    def prediction_set(self, readout: Array) -> Array:
        """bool[N, K]: each sample's set at its exit step, which is a checkpoint."""
        readout = checked(readout, "SpikeCP", self.calibrated_steps, self.calibrated_classes)
        which = np.searchsorted(self.checkpoints, self.exit_step(readout))
        return self.sets(readout)[which, np.arange(readout.shape[1])]

    def score(self, readout: Array) -> Array:
        """How badly the class fits that would make the set too large; it has at most `largest` iff that is over the quantile."""
        if self.largest >= readout.shape[2]:
            raise SpecError(
                f"SpikeCP: largest is {self.largest} for {readout.shape[2]} classes; every set is as small, so give less"
            )
        return np.partition(nonconformity(readout, self.accumulate, self.temperature), self.largest)[..., self.largest]

    def exit_step(self, readout: Array) -> IntArray:
        readout = checked(readout, "SpikeCP", self.calibrated_steps, self.calibrated_classes)
        return first_exceeding(self.score(readout), self.limits)

    @property
    def samples_needed(self) -> int | None:
        """The fewest calibration samples whose quantiles are finite: C / alpha - 1; None where nothing is promised."""
        return None if self.alpha is None else ceil(len(self.checkpoints) / _exact(self.alpha)) - 1

    @property
    def calibrated_steps(self) -> int:
        return self.checkpoints[-1]

    @property
    def limits(self) -> tuple[float, ...]:
        """The quantiles; infinity between the checkpoints."""
        quantile = dict(zip(self.checkpoints, self.quantiles, strict=True))
        return tuple(quantile.get(t, inf) for t in range(1, self.calibrated_steps + 1))

    def at(self, limits: Limits) -> "SpikeCP":
        limits = limit_for_each_step(limits, self.calibrated_steps, "SpikeCP")
        return replace(self, quantiles=tuple(limits[t - 1] for t in self.checkpoints), alpha=None)

    @property
    def work(self) -> PolicyWork:
        """Class k is in the set where a_k >= ln Z - quantile: one logarithm, one subtraction, K compares, and K counted."""
        sets = PolicyWork(logarithms=ONE, compares=EACH, adds=Count(1, 1), table_reads=ONE)
        return scaling(self.accumulate, self.temperature) + ARGMAX + EXPONENTIALS + sets + THRESHOLD

    @classmethod
    def calibrate(cls, readout: Array, labels: Array, *, alpha: float = 0.1, checkpoints: Sequence[int] | None = None,
                  largest: int = 1, accumulate: Accumulate = "sum", temperature: float = 1.0) -> "SpikeCP":  # fmt: skip
        """Quantiles of the labels' scores; checkpoints: every step unless given. Fewer than C / alpha - 1 samples give
        infinite quantiles, under which the set is everything and nobody stops early.
        """
        readout = checked(readout, "SpikeCP")
        labels = checked_labels(labels, readout, "SpikeCP")
        check_alpha(alpha)
        steps = tuple(range(1, len(readout) + 1)) if checkpoints is None else tuple(checkpoints)
        check_checkpoints(steps, len(readout))
        fits = nonconformity(readout, accumulate, temperature)
        of_label = np.take_along_axis(fits, np.broadcast_to(labels[None, :, None], (*fits.shape[:2], 1)), -1)[..., 0]
        quantiles = tuple(conformal_quantile(of_label[t - 1], _exact(alpha) / len(steps)) for t in steps)
        return cls(quantiles, steps, alpha, largest, accumulate, temperature, readout.shape[2])


def check_checkpoints(checkpoints: tuple[int, ...], steps: int) -> None:
    ascending = list(checkpoints) == sorted(set(checkpoints))
    if not checkpoints or not ascending or checkpoints[0] < 1 or checkpoints[-1] != steps:
        raise SpecError(
            f"SpikeCP: checkpoints are {checkpoints!r}; give ascending steps from 1 on, the last of them T = {steps}, where "
            "everybody stops"
        )


def check_alpha(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise SpecError(f"SpikeCP: alpha is {alpha!r}; it is how often the set may miss the label, above 0 and below 1")


def _exact(number: float | Fraction) -> Fraction:
    return number if isinstance(number, Fraction) else Fraction(repr(float(number)))
