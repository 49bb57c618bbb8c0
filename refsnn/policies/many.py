"""One score against thousands of thresholds: when every sample would stop, and what all of them together would lose."""

from collections.abc import Sequence

import numpy as np

from refsnn.errors import ShapeError
from refsnn.policies.readout import Array, IntArray, first_exceeding


def exit_steps(score: Array, thresholds: Array | Sequence[float]) -> IntArray:
    """Exit steps int64[M, N]: for each of the thresholds min {t : score[t, n] > threshold}, or T.

    score: float[T, N]; NaN exceeds nothing     thresholds: float[M] for all steps alike, or float[M, T]
    The same threshold for all steps: a sample stops by step t iff its largest score so far exceeds it, so that every
    (t, n) splits the sorted thresholds in two, O(T N log M + M N); otherwise one threshold after the other, O(M T N).
    """
    score, thresholds = _checked(score, thresholds)
    if thresholds.ndim == 2:
        return np.array([first_exceeding(score, each) for each in thresholds], np.int64).reshape(-1, score.shape[1])
    order = np.argsort(thresholds, kind="stable")
    split = _split(score, thresholds[order])
    m, n = len(thresholds), score.shape[1]
    # going_on[i, j]: at how many steps before the last sample j goes on under the sorted threshold i, but not under i - 1
    going_on = np.bincount((split * n + np.arange(n)).ravel(), minlength=(m + 1) * n).reshape(m + 1, n)[:m]
    stops = np.empty((m, n), np.int64)
    stops[order] = going_on.cumsum(axis=0) + 1
    return stops


def many_losses(score: Array, thresholds: Array | Sequence[float], losses: Array) -> Array:
    """Sums over the samples [M]: for each of the thresholds what the samples lose at the steps where it stops them.

        total[m] = sum_n losses[tau(m, n), n]

    losses: bool, int or float [T, N], what sample n loses if it stops after step t. Whole numbers give int64, exactly.
    No M x N numbers are held where the thresholds are the same for all steps.
    """
    score, thresholds = _checked(score, thresholds)
    losses = np.asarray(losses)
    if losses.shape != score.shape:
        raise ShapeError(f"losses have shape {list(losses.shape)}, the scores {list(score.shape)}; give one for each")
    losses = losses.astype(np.float64 if losses.dtype.kind == "f" else np.int64)
    if thresholds.ndim == 2:
        samples = np.arange(score.shape[1])
        stops = (first_exceeding(score, each) for each in thresholds)
        return np.array([losses[each - 1, samples].sum() for each in stops], losses.dtype)
    order = np.argsort(thresholds, kind="stable")
    split = _split(score, thresholds[order])
    # a sample stops at t under the sorted thresholds from split[t - 1] up to, not including, split[t]
    first = np.concatenate([np.zeros((1, score.shape[1]), np.int64), split])
    change = np.zeros(len(thresholds) + 1, losses.dtype)
    np.add.at(change, first, losses)
    np.subtract.at(change, split, losses[:-1])
    total = np.empty(len(thresholds), losses.dtype)
    total[order] = change[:-1].cumsum()
    return total


def _split(score: Array, ascending: Array) -> IntArray:
    """int64[T - 1, N]: how many of the thresholds have been exceeded by step t (before the last)."""
    with np.errstate(invalid="ignore"):
        most = np.fmax.accumulate(score[:-1], axis=0)
    most = np.where(np.isnan(most), -np.inf, most)
    return np.searchsorted(ascending, most, side="left").astype(np.int64)


def _checked(score: Array, thresholds: Array | Sequence[float]) -> tuple[Array, Array]:
    score, thresholds = np.asarray(score, np.float64), np.asarray(thresholds, np.float64)
    if score.ndim != 2 or not score.size:
        raise ShapeError(f"scores have shape {list(score.shape)}; expected [steps, samples]")
    if thresholds.ndim not in (1, 2) or thresholds.shape[1:] not in ((), score.shape[:1]):
        raise ShapeError(
            f"thresholds have shape {list(thresholds.shape)}; expected [thresholds] or [thresholds, {len(score)} steps]"
        )
    return score, thresholds
