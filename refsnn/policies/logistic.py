"""Logistic regression with a ridge: strictly convex, so there is one answer and Newton's method finds it."""

from typing import Any

import numpy as np
from scipy.special import expit

from refsnn.errors import SpecError

Array = np.ndarray[Any, Any]
RIDGE = 1e-3
STEPS = 100  # of Newton's method; a handful are taken
SMALL = 1e-10  # largest entry of the gradient at which it has arrived


def fitted(x: Array, target: Array, ridge: float = RIDGE) -> tuple[tuple[float, ...], float]:
    """(weights, bias) for features float64[F, M] and targets bool[M]. With z the features scaled to mean 0 and deviation 1,

        minimise  mean_m ln(1 + exp(-s[m] (b + w . z[:, m])))  +  ridge / 2 * (|w|^2 + b^2),    s = +1 or -1

    and the weights are those for x itself. A feature that does not vary has weight 0. The same numbers in every run.
    """
    if not ridge > 0:
        raise SpecError(f"ridge is {ridge!r}; it has to be above 0, or separable samples have no finite weights")
    mean, deviation = x.mean(1), x.std(1)
    # what varies by rounding only does not vary
    varies = deviation > 1e-12 * np.maximum(1.0, np.abs(mean))
    z = np.where(varies[:, None], (x - mean[:, None]) / np.where(varies, deviation, 1.0)[:, None], 0.0)
    w = _minimum(np.concatenate([z, np.ones((1, x.shape[1]))]), np.where(target, 1.0, -1.0), ridge)
    weights = np.where(varies, w[:-1] / np.where(varies, deviation, 1.0), 0.0)
    return tuple(float(each) for each in weights), float(w[-1] - weights @ mean)


def _minimum(z: Array, sign: Array, ridge: float) -> Array:
    def loss(w: Array) -> float:
        return float(np.logaddexp(0.0, -sign * (w @ z)).mean() + ridge / 2 * (w @ w))

    w = np.zeros(len(z))
    for _ in range(STEPS):
        p = expit(w @ z)
        gradient = z @ (p - (sign > 0)) / len(sign) + ridge * w
        if np.abs(gradient).max() < SMALL:
            break
        curvature = (z * (p * (1 - p))) @ z.T / len(sign) + ridge * np.eye(len(w))
        step = np.linalg.solve(curvature, gradient)
        now, share = loss(w), 1.0
        while share > 1e-8 and loss(w - share * step) > now - 0.25 * share * float(gradient @ step):
            share /= 2
        w = w - share * step
    return w
