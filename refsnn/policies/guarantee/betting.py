"""The bound of Waudby-Smith and Ramdas: whoever bets that the risk is small grows rich if it is."""

from dataclasses import dataclass
from math import log
from typing import Any, ClassVar

import numpy as np

from refsnn.policies.guarantee.risks import Risk

Array = np.ndarray[Any, Any]
HALVINGS = 50
SEED = 0  # of the order in which the samples are bet on


def log_wealth(x: Array, mean: float, delta: float) -> Array:
    """Ln of the wealth after every bet that the mean of x is below `mean`: float64[N], for x between 0 and 1, one after another.

        wealth[i] = prod_{j <= i} (1 - nu[j] (x[j] - mean))
        nu[j] = min(1, sqrt(2 ln(1 / delta) / (n sigma2[j - 1]))),   sigma2[0] = 1/4
        sigma2[j] = (1/4 + sum_{i <= j} (x[i] - mu[i])^2) / (j + 1),   mu[j] = (1/2 + sum_{i <= j} x[i]) / (j + 1)

    If the mean is `mean` or larger, the wealth is a supermartingale and exceeds 1 / delta ever with probability delta at
    most. "Estimating means of bounded random variables by betting", JRSS B, 2024.
    """
    x = np.asarray(x, np.float64)
    count = np.arange(2, len(x) + 2)
    mu = (0.5 + x.cumsum()) / count
    sigma2 = np.concatenate([[0.25], ((0.25 + ((x - mu) ** 2).cumsum()) / count)[:-1]])
    nu = np.minimum(np.sqrt(2 * log(1 / delta) / (len(x) * sigma2)), 1.0)
    return np.log1p(-nu * (x - mean)).cumsum()


def upper_mean(x: Array, delta: float) -> float:
    """The smallest mean that the bets refute, within 2^-50; 1 if there is none.

    The true mean is below it with probability 1 - delta or more.
    """
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if _refuted(x, middle, delta) else (middle, high)
    return high


def _refuted(x: Array, mean: float, delta: float) -> bool:
    return bool(log_wealth(x, mean, delta).max() >= log(1 / delta))


@dataclass(frozen=True)
class WSR:
    """Risk at most epsilon with probability 1 - delta: accepted if the bets refute every mean from epsilon on.

    The samples are bet on in an order drawn with a fixed seed: a file sorted by class is in no random order.
    """

    name: ClassVar[str] = "WSR"
    risks: ClassVar[tuple[Risk, ...]] = ("consistency", "harm")
    in_expectation: ClassVar[bool] = False

    def seen(self, losses: Array) -> Array:
        return losses[:, np.random.default_rng(SEED).permutation(losses.shape[1])]

    def accepts(self, losses: Array, epsilon: float, delta: float) -> bool:
        return _refuted(losses, epsilon, delta)
