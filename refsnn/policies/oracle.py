"""Bounds that no policy can beat, because they know the labels; and mean exit steps by which networks are compared."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from refsnn.policies.readout import (
    Array,
    IntArray,
    checked,
    checked_labels,
    correct,
    correct_from_here_on,
    first_exceeding,
)
from refsnn.policies.work import NO_WORK, PolicyWork


def optimal_cutoff(readout: Array, labels: Array) -> IntArray:
    """Optimal cutoff time (OCT) int64[N]: the first step from which on every decision is right; T if there is none.

        oct[n] = min {t : argmax readout[s, n] = labels[n] for s = t..T}

    Wu et al., "Optimising Event-Driven Spiking Neural Network with Regularisation and Cutoff", 2023.
    """
    return first_exceeding(correct_from_here_on(*_checked(readout, labels, "optimal_cutoff")).astype(np.float64), 0.5)


def first_right(readout: Array, labels: Array) -> IntArray:
    """int64[N]: the first step whose decision is right, whatever comes later; T if there is none."""
    return first_exceeding(correct(*_checked(readout, labels, "first_right")).astype(np.float64), 0.5)


def empirical_aet(readout: Array, labels: Array) -> float:
    """Mean of first_right: the empirical average earliest time of Li et al., "SEENN", NeurIPS 2023."""
    return float(first_right(readout, labels).mean())


def theoretical_aet(readout: Array, labels: Array) -> float:
    """Average earliest time if nobody who was right became wrong again, from the accuracies of the steps alone.

        (C[1] + sum_{t=2..T} t (C[t] - C[t-1]) + T (N - C[T])) / N  =  T - (C[1] + ... + C[T-1]) / N

    C[t]: how many of the N samples are decided rightly after step t. Li et al., "SEENN", NeurIPS 2023.
    empirical_aet <= theoretical_aet <= mean of optimal_cutoff, with equality where no right decision is lost again.
    """
    right = correct(*_checked(readout, labels, "theoretical_aet"))
    return len(right) - int(right[:-1].sum()) / right.shape[1]


@dataclass(frozen=True, eq=False)
class Oracle:
    """Stop at the optimal cutoff time: the accuracy at T, at the fewest steps. Wu et al., 2023."""

    name: ClassVar[str] = "oracle"
    labels: Array

    def exit_step(self, readout: Array) -> IntArray:
        return optimal_cutoff(*_checked(readout, self.labels, "Oracle"))

    @property
    def work(self) -> PolicyWork:
        """Nothing: a bound, not a policy."""
        return NO_WORK


@dataclass(frozen=True, eq=False)
class OracleEmpirical:
    """Stop at the first right decision: right wherever any step is, so its accuracy is at least the one at every step."""

    name: ClassVar[str] = "oracle (first right)"
    labels: Array

    def exit_step(self, readout: Array) -> IntArray:
        return first_right(*_checked(readout, self.labels, "OracleEmpirical"))

    @property
    def work(self) -> PolicyWork:
        """Nothing: a bound, not a policy."""
        return NO_WORK


def _checked(readout: Array, labels: Array, name: str) -> tuple[Array, Array]:
    readout = checked(readout, name)
    return readout, checked_labels(labels, readout, name)
