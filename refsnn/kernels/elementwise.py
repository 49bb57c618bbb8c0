"""What has no sums over an axis: Add, Flatten, Concat, Scale, BatchNorm, QCFS, ReLU."""

from typing import Any

import numpy as np

from refsnn import dynamics
from refsnn.layers import QCFS, Add, BatchNorm, Concat, Flatten, ReLU, Scale
from refsnn.neurons import spread

Array = np.ndarray[Any, Any]


def add(layer: Add, *inputs: Array) -> Array:
    """Input after input, number by number: nothing that a loop could reorder. NumPy keeps the inputs' order in memory."""
    total = inputs[0]
    for x in inputs[1:]:
        total = total + x
    return total


def flatten(layer: Flatten, x: Array) -> Array:
    return x.reshape(len(x), -1)


def concat(layer: Concat, *inputs: Array) -> Array:
    return np.concatenate(inputs, axis=1)


def scale(layer: Scale, x: Array) -> Array:
    return dynamics.scaled(x, x.dtype.type(layer.factor))


def batch_norm(layer: BatchNorm, x: Array) -> Array:
    shape = (-1, *[1] * (x.ndim - 2))
    weight, bias, mean, var = (
        a.astype(x.dtype).reshape(shape) for a in (layer.weight, layer.bias, layer.mean, layer.var)
    )
    deviation = np.sqrt(var + x.dtype.type(layer.eps))
    return dynamics.normalised(x, mean, deviation, weight, bias)


def relu(layer: ReLU, x: Array) -> Array:
    return np.where(x > 0, x, x.dtype.type(0))


def qcfs(layer: QCFS, x: Array) -> Array:
    return qcfs_value(layer, qcfs_level(layer, x))


def qcfs_value(layer: QCFS, level: Array) -> Array:
    """What the levels are worth."""
    return dynamics.level_value(level, _threshold(layer, level), level.dtype.type(layer.levels))


def qcfs_level(layer: QCFS, x: Array) -> Array:
    """0..levels, as whole numbers in x's dtype."""
    number = x.dtype.type
    level = dynamics.quantised_level(x, _threshold(layer, x), number(layer.levels), number(0.5))
    return np.clip(level, number(0), number(layer.levels))


def _threshold(layer: QCFS, x: Array) -> Array:
    return np.asarray(spread(layer.threshold, x.shape[1:])).astype(x.dtype)
