"""Thresholds for activations that have none of their own, from what they give on calibration samples.

Every rule sees a layer's activations as a set of numbers: neither the order of the samples nor how they were put together
changes a threshold.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from refsnn.arithmetic import Float64
from refsnn.errors import NothingCompared, SpecError, UnsupportedLayerError
from refsnn.layers import ReLU
from refsnn.network import Network
from refsnn.source import forward

Array = np.ndarray[Any, Any]
CHUNK = 64  # samples that are computed at once
GRID = 128  # thresholds that ErrorBalance compares: as many equal parts of the largest activation


@dataclass(frozen=True)
class MaxBalance:
    """The largest activation: nothing is clipped. Diehl et al., "Fast-classifying, high-accuracy spiking deep networks", 2015."""

    per_channel: bool = False

    def threshold(self, values: Array, _v_init: float) -> float:
        return float(values[-1])


@dataclass(frozen=True)
class PercentileBalance:
    """The percentile of all activations, those of 0 included: numpy's, method "linear".

    What lies above it is clipped; what lies below it is quantised the finer for that. Rueckauer et al., "Conversion of
    continuous-valued deep networks to efficient event-driven networks for image classification", 2017.
    """

    percentile: float
    per_channel: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.percentile, bool) or not 0 < self.percentile <= 100:
            raise SpecError(f"PercentileBalance: percentile {self.percentile!r}: expected a number over 0, at most 100")

    def threshold(self, values: Array, _v_init: float) -> float:
        return float(np.percentile(values, self.percentile, method="linear"))


@dataclass(frozen=True)
class ErrorBalance:
    """Of 128 equal parts of the largest activation the one under which the T-step quantiser errs least.

    The quantiser is theta * clip(floor(a * T / theta + v_init), 0, T) / T, its error the mean of (a - quantiser(a))^2 over
    the activations a; of equal errors the smaller threshold. After Li et al., "A free lunch from ANN: towards efficient,
    accurate spiking neural networks calibration", 2021.
    """

    steps: int  # T
    per_channel: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 1:
            raise SpecError(f"ErrorBalance: steps {self.steps!r}: expected a whole number of at least 1")

    def threshold(self, values: Array, v_init: float) -> float:
        candidates = values[-1] * np.arange(1, GRID + 1) / GRID
        if not values[-1] > 0:
            return 0.0
        errors = [((values - quantised(values, theta, self.steps, v_init)) ** 2).sum() for theta in candidates]
        return float(candidates[int(np.argmin(errors))])


Balance = MaxBalance | PercentileBalance | ErrorBalance


def quantised(values: Array, threshold: Any, steps: int, v_init: float) -> Array:
    """What an IF neuron gives for an activation: threshold / T for each spike."""
    return threshold * quantised_count(values, threshold, steps, v_init) / steps


def quantised_count(values: Array, threshold: Any, steps: int, v_init: Any) -> Array:
    """clip(floor(values * T / threshold + v_init), 0, T); v_init is a share of the threshold."""
    return np.clip(np.floor(values * steps / threshold + v_init), 0, steps)


def thresholds(network: Network, x: Array, balance: Balance, v_init: float) -> dict[str, Any]:
    """ReLU node -> its threshold, float64: one number, or one per channel, from calibration samples x [N, *input_shape].

    A channel without a threshold above 0 takes its layer's. Raises UnsupportedLayerError for a layer without one.
    """
    made: dict[str, Any] = {}
    for name, values in activations(network, x).items():
        if not isinstance(network[name].layer, ReLU):
            continue
        # in ascending order, so that no sum depends on the order of the samples
        whole = balance.threshold(np.sort(values, axis=None), v_init)
        if not whole > 0:
            raise UnsupportedLayerError(
                f"{name}: {balance} gives a threshold of {whole:g} on {len(x)} calibration samples (largest activation "
                f"{values.max():g}); calibrate on samples that this layer answers, or balance otherwise"
            )
        if not balance.per_channel:
            made[name] = whole
            continue
        channels = np.sort(np.moveaxis(values, 1, 0).reshape(values.shape[1], -1), axis=1)
        each = np.array([balance.threshold(channel, v_init) for channel in channels])
        made[name] = np.where(each > 0, each, whole)
    return made


def activations(network: Network, x: Array) -> Mapping[str, Array]:
    """Activation node -> its output for all samples, float64 [N, *shape]."""
    if not len(x):
        raise NothingCompared("calibration: no samples; give at least one")
    parts = [
        forward(network, x[start : start + CHUNK], arithmetic=Float64()).activations
        for start in range(0, len(x), CHUNK)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
