"""Linear: ordered sums over the inputs, then the bias.

With a pool in front (and a Flatten between them) the sums go over the pool's inputs: channel, then row y of the pooled map, row
in the window, column x of the pooled map, column in the window, each input worth what worth() of fan_in.py says.
"""

from typing import Any

import numpy as np

from refsnn.kernels.compiling import compiled
from refsnn.kernels.fan_in import SummingPool, flattened, worth
from refsnn.kernels.pool import places
from refsnn.kernels.rows import Each, rows, unchanged, weights
from refsnn.kernels.runs import OUTPUTS, sum_part
from refsnn.layers import Linear

Array = np.ndarray[Any, Any]


def naive(layer: Linear, x: Array, pool: SummingPool | None = None, each: Each = unchanged) -> Array:
    """current[b, o] = ((0 + w[o, 0]*x[b, 0]) + w[o, 1]*x[b, 1] + ...) + bias[o]; `each` is done to every partial sum."""
    weight, bias = weights(layer, x.dtype)
    total = np.zeros((len(x), len(weight)), x.dtype)
    if pool is None:
        for i in range(weight.shape[1]):
            total = each(total + weight[:, i] * x[:, i, None])
        return each(total + bias)
    window = places(pool, worth(x, pool, x.shape[1:]))
    _, channels, height, width = window[0][0].shape
    for c in range(channels):
        for y in range(height):
            for line in window:
                for column in range(width):
                    for read in line:
                        tap = weight[:, (c * height + y) * width + column]
                        total = each(total + tap * read[:, c, y, column, None])
    return each(total + bias)


def fast(layer: Linear, x: Array, pool: SummingPool | None = None) -> Array:
    weight, bias = weights(layer, x.dtype)
    row = np.arange(weight.shape[1], dtype=np.int32)
    if pool is not None:
        pixel, pooled = flattened(x.shape[1:], pool)
        row = np.add.outer(row[:: len(row) // x.shape[1]], pooled).ravel().astype(np.int32)
        x = worth(x, pool, x.shape[1:]).reshape(*x.shape[:2], -1)[:, :, pixel].reshape(len(x), -1)
    result = np.empty((len(x), len(bias)), x.dtype)
    _fast(np.ascontiguousarray(x), row, rows(weight.T[None], bias, OUTPUTS[0]), result)
    return result


@compiled
def _fast(x, row, rows, result):  # type: ignore[no-untyped-def]
    index, value = np.empty(x.shape[1], np.int32), np.empty(x.shape[1], x.dtype)
    first, runs = np.zeros(2, np.int32), np.array([0, 1, 0])  # one run of one pixel
    current = np.empty(rows.stride, x.dtype)
    for b in range(len(x)):
        count = 0
        for i in range(x.shape[1]):
            index[count] = row[i]
            value[count] = x[b, i]
            count += x[b, i] != 0
        first[1] = count
        for part in rows.parts:
            sum_part((1, 1, 1), part, rows, (index, value, first), 0, 1, runs, current)
            for o in range(part[2], part[3]):
                result[b, o] = current[o - part[2]] + rows.bias[o]
