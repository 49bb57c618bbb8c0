"""Confidence intervals of shares and means, each with what it assumes."""

from typing import Any

import numpy as np
from scipy.special import betaincinv, ndtri

from refsnn.errors import ShapeError, SpecError

Array = np.ndarray[Any, Any]


def checked_delta(delta: float, where: str) -> float:
    if not 0 < delta < 1:
        raise SpecError(f"{where}: delta is {delta!r}; it is how often the claim may be wrong, above 0 and below 1")
    return delta


def upper_share(successes: int, n: int, delta: float) -> float:
    """The largest share under which at most so many successes in n independent draws have probability delta or more."""
    return 1.0 if successes >= n else float(betaincinv(successes + 1, n - successes, 1 - delta))


def lower_share(successes: int, n: int, delta: float) -> float:
    """The smallest share under which at least so many successes in n independent draws have probability delta or more."""
    return 0.0 if successes <= 0 else float(betaincinv(successes, n - successes + 1, delta))


def interval_of_share(successes: int, n: int, delta: float = 0.05) -> tuple[float, float]:
    """(low, high) that holds the share (an accuracy, say) with probability 1 - delta or more: Clopper and Pearson, 1934.

    Assumes n independent draws, nothing else; each end is missed with probability delta / 2 at most.
    """
    checked_delta(delta, "interval_of_share")
    if n < 1 or not 0 <= successes <= n:
        raise SpecError(f"interval_of_share: {successes!r} successes of {n!r}; expected 0 to n of one or more")
    return lower_share(successes, n, delta / 2), upper_share(successes, n, delta / 2)


def interval_of_mean(values: Array, delta: float, low: Any, high: Any) -> tuple[Array, Array]:
    """(lower, upper) [...] that hold the means with probability 1 - delta or more, each; values: float[..., N].

        mean -+ (sqrt(2 V L / n) + 7 (high - low) L / (3 (n - 1))),   V = sample variance, L = ln(4 / delta)

    Assumes n independent draws between low and high (numbers, or one for each mean), nothing else: steps lie between 1
    and T, an energy between 0 and the dearest that a sample can cost. Never beyond low and high; all of it for fewer than
    two draws. Maurer and Pontil, "Empirical Bernstein Bounds and Sample Variance Penalization", COLT 2009, theorem 4.
    """
    values = _checked(values, delta, "interval_of_mean")
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    outside = (values < low[..., None]) | (values > high[..., None])
    if outside.any():
        where = tuple(int(i) for i in np.argwhere(outside)[0])
        raise SpecError(f"interval_of_mean: {values[where]} at index {list(where)} is not between low and high")
    n = values.shape[-1]
    mean = values.mean(-1)
    if n < 2:
        return np.broadcast_to(low, mean.shape), np.broadcast_to(high, mean.shape)
    level = np.log(4 / delta)
    reach = np.sqrt(2 * values.var(-1, ddof=1) * level / n) + 7 * (high - low) * level / (3 * (n - 1))
    return np.maximum(mean - reach, low), np.minimum(mean + reach, high)


def normal_interval_of_mean(values: Array, delta: float = 0.05) -> tuple[Array, Array]:
    """(lower, upper) [...]: mean -+ z sqrt(V / n), z the normal quantile at 1 - delta / 2; values: float[..., N], N over 1.

    Assumes that the mean is normally distributed, which it is only in the limit of many samples: about 1 - delta, narrower
    than interval_of_mean, without a proof. For values without a known range.
    """
    values = _checked(values, delta, "normal_interval_of_mean")
    if values.shape[-1] < 2:
        raise ShapeError("normal_interval_of_mean: one value has no spread; give two or more, or take interval_of_mean")
    reach = ndtri(1 - delta / 2) * np.sqrt(values.var(-1, ddof=1) / values.shape[-1])
    return values.mean(-1) - reach, values.mean(-1) + reach


def _checked(values: Array, delta: float, where: str) -> Array:
    checked_delta(delta, where)
    values = np.asarray(values, np.float64)
    if not values.ndim or not values.size:
        raise ShapeError(f"{where}: values have shape {list(values.shape)}; give one or more for each mean")
    if not np.isfinite(values).all():
        raise SpecError(f"{where}: the values are not all finite; a mean with one of these has no interval")
    return values
