"""Linear: ordered sums over the inputs, then the bias.

With a pool in front (and a Flatten between them) the sums go over the pool's inputs: channel, then row y of the pooled map, row
in the window, column x of the pooled map, column in the window, each input worth what worth() of fan_in.py says.
"""

from typing import Any

import numpy as np
from numba import njit

from refsnn.kernels.accumulate import add_rows, lanes_of, rows
from refsnn.kernels.fan_in import SummingPool, flattened, worth
from refsnn.kernels.pool import places
from refsnn.layers import Linear

Array = np.ndarray[Any, Any]


def naive(layer: Linear, x: Array, pool: SummingPool | None = None) -> Array:
    """current[b, o] = ((0 + w[o, 0]*x[b, 0]) + w[o, 1]*x[b, 1] + ...) + bias[o]."""
    weight, bias = weights(layer, x.dtype)
    total = np.zeros((len(x), len(weight)), x.dtype)
    if pool is None:
        for i in range(weight.shape[1]):
            total = total + weight[:, i] * x[:, i, None]
        return total + bias
    window = places(pool, worth(x, pool, x.shape[1:]))
    _, channels, rows, columns = window[0][0].shape
    for c in range(channels):
        for y in range(rows):
            for line in window:
                for column in range(columns):
                    for read in line:
                        tap = weight[:, (c * rows + y) * columns + column]
                        total = total + tap * read[:, c, y, column, None]
    return total + bias


def fast(layer: Linear, x: Array, pool: SummingPool | None = None) -> Array:
    weight, bias = weights(layer, x.dtype)
    row = np.arange(weight.shape[1], dtype=np.int32)
    if pool is not None:
        pixel, pooled = flattened(x.shape[1:], pool)
        row = np.add.outer(row[:: len(row) // x.shape[1]], pooled).ravel().astype(np.int32)
        x = worth(x, pool, x.shape[1:]).reshape(*x.shape[:2], -1)[:, :, pixel].reshape(len(x), -1)
    return _fast(rows(weight.T), lanes_of(x.dtype), bias, np.ascontiguousarray(x), row)


@njit(cache=True, nogil=True)
def _fast(weight, lanes, bias, x, row):  # type: ignore[no-untyped-def]
    result = np.empty((len(x), len(bias)), x.dtype)
    width = -(-len(bias) // lanes) * lanes
    total = np.empty(width, x.dtype)
    index = np.empty(x.shape[1], np.int32)
    value = np.empty(x.shape[1], x.dtype)
    for b in range(len(x)):
        count = 0
        for i in range(x.shape[1]):
            index[count] = row[i]
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
