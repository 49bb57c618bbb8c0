"""Linear: ordered sums over the inputs, then the bias."""

from typing import Any

import numpy as np
from numba import njit

from refsnn.kernels.accumulate import add_rows, lanes_of, rows
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
    return _fast(rows(weight.T), lanes_of(x.dtype), bias, np.ascontiguousarray(x))


@njit(cache=True, nogil=True)
def _fast(weight, lanes, bias, x):  # type: ignore[no-untyped-def]
    result = np.empty((len(x), len(bias)), x.dtype)
    width = len(weight) // x.shape[1]
    total = np.empty(width, x.dtype)
    index = np.empty(x.shape[1], np.int32)
    value = np.empty(x.shape[1], x.dtype)
    for b in range(len(x)):
        count = 0
        for i in range(x.shape[1]):
            index[count] = i
            value[count] = x[b, i]
            count += x[b, i] != 0
        total[:] = 0
        add_rows(total, 0, weight, width, lanes, index, value, 0, count, 0)
        for o in range(len(bias)):
            result[b, o] = total[o] + bias[o]
    return result


def weights(layer: Any, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Weight and bias in the state's dtype; a missing bias is zero, which changes no bit of a sum that starts from zero."""
    bias = np.zeros(len(layer.weight), dtype) if layer.bias is None else layer.bias.astype(dtype)
    return layer.weight.astype(dtype), bias
