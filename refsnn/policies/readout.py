"""What all policies share: checks of a readout, the first step whose score exceeds its threshold, correctness by step."""

from typing import Any, Protocol, Self

import numpy as np

from refsnn.arithmetic import finite
from refsnn.errors import ShapeError, SpecError
from refsnn.policies.work import PolicyWork

Array = np.ndarray[Any, Any]
IntArray = np.ndarray[Any, np.dtype[np.int64]]
Limits = float | tuple[float, ...]  # one threshold for all steps, or one for each


class Policy(Protocol):
    """When each sample stops, from the prefix of its readout, and what deciding takes."""

    @property
    def name(self) -> str: ...
    @property
    def work(self) -> PolicyWork: ...
    def exit_step(self, readout: Array) -> IntArray: ...


class ScorePolicy(Policy, Protocol):
    """A policy that stops at the first step whose score exceeds a limit: what thresholds can be chosen for."""

    @property
    def limits(self) -> Limits: ...
    @property
    def calibrated_steps(self) -> int | None: ...
    @property
    def calibrated_classes(self) -> int | None: ...
    def score(self, readout: Array) -> Array:
        """float[T, N], from a checked readout."""
        ...

    def at(self, limits: Limits) -> Self:
        """The same score with other limits."""
        ...


def checked(
    readout: Array, policy: str, calibrated_steps: int | None = None, calibrated_classes: int | None = None
) -> Array:
    """The readout [T, N, K], or what is wrong with it."""
    readout = np.asarray(readout)
    if readout.ndim != 3 or not readout.size or readout.dtype.kind not in "fiu":
        raise ShapeError(f"{policy}: expected a readout [steps, samples, classes], got shape {list(readout.shape)}")
    if readout.shape[2] < 2:
        raise ShapeError(f"{policy}: a readout of one class leaves nothing to decide; it takes two or more")
    if calibrated_steps is not None and len(readout) != calibrated_steps:
        raise ShapeError(
            f"{policy}: calibrated for T = {calibrated_steps}, but this readout has {len(readout)} steps; "
            "calibrate it on a run of the same length"
        )
    if calibrated_classes is not None and readout.shape[2] != calibrated_classes:
        raise ShapeError(
            f"{policy}: calibrated for {calibrated_classes} classes, but this readout has {readout.shape[2]}; "
            "calibrate it on a run of the same network"
        )
    return finite(f"{policy}: readout", readout)


def checked_labels(labels: Array, readout: Array, policy: str) -> Array:
    """The labels [N], or what is wrong with them."""
    labels = np.asarray(labels)
    if labels.shape != readout.shape[1:2] or labels.dtype.kind not in "iu":
        raise ShapeError(
            f"{policy}: expected {readout.shape[1]} whole-number labels, got shape {list(labels.shape)}, {labels.dtype}"
        )
    if ((labels < 0) | (labels >= readout.shape[2])).any():
        n = int(np.argmax((labels < 0) | (labels >= readout.shape[2])))
        raise ShapeError(f"{policy}: labels[{n}] is {labels[n]}, but the readout has classes 0..{readout.shape[2] - 1}")
    return labels


def checked_epsilon(epsilon: float, policy: str) -> float:
    if not 0 <= epsilon < 1:
        raise SpecError(f"{policy}: epsilon is {epsilon!r}; it is a share of samples, from 0 to below 1")
    return epsilon


def one_limit(limits: Limits, policy: str) -> float:
    """The threshold of a policy that has one."""
    if isinstance(limits, tuple):
        raise SpecError(f"{policy}: limits are {limits!r}; it has one threshold for all steps")
    return float(limits)


def limit_for_each_step(limits: Limits, steps: int, policy: str) -> tuple[float, ...]:
    """The thresholds of a policy that has one for each step."""
    if not isinstance(limits, tuple) or len(limits) != steps:
        raise SpecError(f"{policy}: limits are {limits!r}; it has a threshold for each of {steps} steps")
    return limits


def first_exceeding(score: Array, thresholds: Any) -> IntArray:
    """Min {t : score[t, n] > thresholds[t]}, or T: the step (1..T) at which each sample stops. NaN never exceeds."""
    passed = np.asarray(score) > np.broadcast_to(np.asarray(thresholds, np.float64), len(score))[:, None]
    passed[-1] = True
    return passed.argmax(0).astype(np.int64) + 1


def correct(readout: Array, labels: Array) -> Array:
    """bool[T, N]: whether the decision after step t is the label."""
    return readout.argmax(-1) == labels


def correct_from_here_on(readout: Array, labels: Array) -> Array:
    """bool[T, N]: whether the decision is the label after step t and every later one."""
    return np.logical_and.accumulate(correct(readout, labels)[::-1], axis=0)[::-1]


def accuracy_at(readout: Array, labels: Array, exit_step: Array) -> float:
    """Share of samples whose decision at their own exit step is the label."""
    return float(correct(readout, labels)[exit_step - 1, np.arange(len(labels))].mean())
