"""Linear: ordered sums over the inputs, then the bias."""

from typing import Any

import numpy as np
from numba import njit

from refsnn.layers import Linear

Array = np.ndarray[Any, Any]


def naive(layer: Linear, x: Array) -> Array:
    """current[b, o] = ((0 + w[o, 0]*x[b, 0]) + w[o, 1]*x[b, 1] + ...) + bias[o]."""
    weight, bias = weights(layer, x.dtype)
    total = np.zeros((len(x), len(weight)), x.dtype)
    for i in range(weight.shape[1]):
        total = total + weight[:, i] * x[:, i, None]
    return total + bias


def fast(layer: Linear, x: Array) -> Array:
    weight, bias = weights(layer, x.dtype)
    return _fast(np.ascontiguousarray(weight.T), bias, np.ascontiguousarray(x))


@njit(cache=True, nogil=True)
def _fast(weight, bias, x):  # type: ignore[no-untyped-def]
    total = np.zeros((len(x), weight.shape[1]), x.dtype)
    for b in range(len(x)):
        for i in range(weight.shape[0]):
            value = x[b, i]
            if value != 0:
                for o in range(weight.shape[1]):
                    total[b, o] += weight[i, o] * value
        for o in range(weight.shape[1]):
            total[b, o] += bias[o]
    return total


def weights(layer: Any, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Weight and bias in the state's dtype; a missing bias is zero, which changes no bit of a sum that starts from zero."""
    bias = np.zeros(len(layer.weight), dtype) if layer.bias is None else layer.bias.astype(dtype)
    return layer.weight.astype(dtype), bias
