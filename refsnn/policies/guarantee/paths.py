"""Paths of policies from safe to risky, fixed beforehand or fitted on a split of their own."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from math import inf
from typing import Any

import numpy as np
from scipy.special import expit

from refsnn.errors import ShapeError, SpecError, did_you_mean
from refsnn.policies.certainty import Confidence, Entropy
from refsnn.policies.conformal import SpikeCP
from refsnn.policies.dynamic import DynamicConfidence
from refsnn.policies.gate import Gate
from refsnn.policies.many import exit_steps
from refsnn.policies.margin import TopK
from refsnn.policies.patience import Patience
from refsnn.policies.readout import Array, IntArray, Limits, ScorePolicy, checked, checked_labels
from refsnn.policies.threshold import Accumulate

# thresholds of probabilities: from 1 - 1e-13 to 0.02 in equal steps of the log odds, then 0
PROBABILITIES = (*(float(p) for p in expit(np.arange(30.0, -4.1, -0.2))), 0.0)
BETWEEN = 10  # parts of the way between thresholds fitted with neighbouring ones of the following
EPSILONS = (0.0, *(float(e) for e in np.logspace(-4, np.log10(0.5), 60)))  # of the Top-K calibration
ALPHAS = tuple(float(a) for a in np.logspace(-3, np.log10(0.95), 60))  # of SpikeCP's


@dataclass(frozen=True)
class Path:
    """One score with limits from safe to risky; the first stops nobody early. It must not depend on what certifies it."""

    base: ScorePolicy
    limits: tuple[Limits, ...]  # all numbers, descending, or all tuples of T numbers; the first infinite
    steps: int  # T
    fitted_on: str | None = None  # digest of the readout that it was fitted on

    def __post_init__(self) -> None:
        shapes = {len(limit) if isinstance(limit, tuple) else 0 for limit in self.limits}
        if shapes not in ({0}, {self.steps}) or np.isnan(np.asarray(self.limits)).any():
            raise SpecError(f"path {self.name!r}: give one number for each policy, or {self.steps} numbers for each")
        if np.min(self.limits[0]) < inf:
            raise SpecError(
                f"path {self.name!r}: the first limit is {self.limits[0]!r}; it is infinite: nobody stops early"
            )
        if shapes == {0} and (np.diff(np.nan_to_num(self.limits)) >= 0).any():
            raise SpecError(f"path {self.name!r}: a smaller limit is a riskier one; give them in descending order")

    @property
    def name(self) -> str:
        return self.base.name

    def __len__(self) -> int:
        return len(self.limits)

    def policy(self, index: int) -> ScorePolicy | None:
        """The policy there; None for the first, which runs all steps."""
        return self.base.at(self.limits[index]) if index else None

    def rule(self, index: int) -> str:
        """When it stops, in words."""
        limit = self.limits[index]
        if isinstance(limit, tuple):
            return f"{self.name} with thresholds {index} of {len(self) - 1}"
        if isinstance(self.base, Patience):
            return f"{self.name} of {limit + 1:.0f}"
        if 0.9999 < limit < 1:  # in six digits it would be 1
            return f"{self.name} > 1 - {1 - limit:.3g}"
        return f"{self.name} > {limit:.6g}"

    def exit_steps(self, readout: Array) -> IntArray:
        """int64[M, N]: where each policy of the path stops each sample."""
        readout = checked(readout, "certify")
        if len(readout) != self.steps:
            raise ShapeError(
                f"certify: path {self.name!r} is for T = {self.steps}, but this readout has {len(readout)} steps; make a "
                "path for this length, or run as long"
            )
        readout = checked(readout, f"certify: path {self.name!r}", None, self.base.calibrated_classes)
        return exit_steps(self.base.score(readout), np.asarray(self.limits, np.float64))


def digest(readout: Array) -> str:
    """SHA-256 of a readout's shape, format and numbers."""
    described = f"{readout.shape} {readout.dtype.str} ".encode()
    return sha256(described + np.ascontiguousarray(readout).tobytes()).hexdigest()


def path(kind: str, steps: int | None = None, *, fit: Array | None = None, labels: Array | None = None,
         accumulate: Accumulate = "sum", temperature: float = 1.0) -> Path:  # fmt: skip
    """A path for runs of so many steps.

    "confidence", "entropy": a fixed grid of thresholds; "patience": from T - 1 equal decisions down to 1.
    The others are fitted on the readout `fit` of samples that are used for nothing else: "margin" takes the thresholds of
    every step as a function of Top-K's epsilon, "spikecp" the quantiles of every step as a function of alpha (sets of one
    class at most), "dynamic" the temperature of DynamicConfidence, "gate" its weights. Without labels the decisions after
    step T stand for them.
    """
    if kind not in KINDS:
        raise SpecError(f"path: kind is {kind!r}{did_you_mean(kind, list(KINDS))}")
    if fit is None:
        if kind not in FIXED:
            raise SpecError(
                f"path {kind!r}: it is fitted; give fit=, the readout of samples that are used for nothing else"
            )
        if steps is None or steps < 1:
            raise SpecError(f"path {kind!r}: steps is {steps!r}; give the number of steps of a run, 1 or more")
        return FIXED[kind](steps, accumulate, temperature)
    fit = checked(fit, f"path {kind!r}", steps)
    if kind in FIXED:
        return FIXED[kind](len(fit), accumulate, temperature)
    labels = fit[-1].argmax(-1) if labels is None else checked_labels(labels, fit, f"path {kind!r}")
    base, limits = FITTED[kind](fit, labels, accumulate, temperature)
    return Path(base, limits, len(fit), digest(fit))


def _refined(base: ScorePolicy, fit: Array, found: list[tuple[float, ...]]) -> tuple[ScorePolicy, tuple[Limits, ...]]:
    """A path along thresholds of every step, from never on, with nine more on the line between neighbours.

    Infinite thresholds lie at the largest score of the fit there. The last step stops everybody, whatever its threshold.
    """
    never = np.full(len(fit), inf)
    most = base.score(fit).max(1)
    corners = [np.where(limits == inf, most, limits) for limits in (never, *map(np.asarray, found))]
    shares = np.arange(1, BETWEEN + 1)[:, None] / BETWEEN
    between = [low + shares * (high - low) for low, high in pairwise(corners)]
    limits = np.minimum.accumulate(np.concatenate([never[None], corners[0][None], *between]), axis=0)
    limits[:, -1] = inf
    return base, tuple(dict.fromkeys(map(tuple, limits.tolist())))


def _margin(fit: Array, labels: Array, *_: Any) -> tuple[ScorePolicy, tuple[Limits, ...]]:
    found = [TopK.calibrate(fit, labels, epsilon=epsilon).thresholds for epsilon in EPSILONS]
    return _refined(TopK((inf,) * len(fit), fit.shape[2]), fit, found)


def _dynamic(fit: Array, labels: Array, accumulate: Accumulate, _: float) -> tuple[ScorePolicy, tuple[Limits, ...]]:
    return DynamicConfidence.fit(fit, labels, accumulate=accumulate), (inf, *PROBABILITIES)


def _gate(fit: Array, labels: Array, accumulate: Accumulate, temperature: float) -> tuple[Gate, tuple[Limits, ...]]:
    return Gate.fit(fit, labels, accumulate=accumulate, temperature=temperature), (inf, *PROBABILITIES)


def _sets(
    fit: Array, labels: Array, accumulate: Accumulate, temperature: float
) -> tuple[ScorePolicy, tuple[Limits, ...]]:
    found = [
        SpikeCP.calibrate(fit, labels, alpha=alpha, accumulate=accumulate, temperature=temperature) for alpha in ALPHAS
    ]
    return _refined(found[0].at((inf,) * len(fit)), fit, [policy.limits for policy in found])


FIXED: dict[str, Callable[[int, Accumulate, float], Path]] = {
    "confidence": lambda steps, a, tau: Path(Confidence(inf, a, tau, steps), (inf, *PROBABILITIES), steps),
    "entropy": lambda steps, a, tau: Path(Entropy(inf, a, tau, steps), (inf, *PROBABILITIES), steps),
    "patience": lambda steps, *_: Path(Patience(steps, steps), (inf, *map(float, range(steps - 2, -1, -1))), steps),
}
FITTED: dict[str, Callable[[Array, Array, Accumulate, float], tuple[ScorePolicy, tuple[Limits, ...]]]] = {
    "margin": _margin, "dynamic": _dynamic, "gate": _gate, "spikecp": _sets,
}  # fmt: skip
KINDS = (*FIXED, *FITTED)
