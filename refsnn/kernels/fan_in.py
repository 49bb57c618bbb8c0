"""Which inputs an output adds up, in which order: tables that the loops read, pools in front included.

A pool that reads spikes in front of a weight layer is fan-in: the weight layer adds the pool's input spikes, in the order
(ky, py, kx, px, c) for a convolution and (c, y, py, x, px) for Linear behind Flatten, each worth value / area (AvgPool2d) or
value (SumPool2d). Strides, paddings, dilations and pools of any kind are entries of these tables; no loop knows of them.
"""

from math import prod
from typing import Any, NamedTuple

import numpy as np

from refsnn.layers import AvgPool2d, Conv2d, GlobalAvgPool2d, Linear, Shape, SumPool2d, WeightLayer

Array = np.ndarray[Any, Any]
SummingPool = AvgPool2d | SumPool2d | GlobalAvgPool2d
_EVERY_PIXEL = SumPool2d(kernel=(1, 1))  # no pool


class Windows(NamedTuple):
    """The inputs of output (oy, ox), as runs of pixels that lie side by side in a row of the input.

    Runs go by kernel row (and pool row) i, then j: pixels column_start[ox, j] up to column_stop[ox, j] of input row
    row[oy, i], if that is not -1. An event of channel c at column x meets
    weight row row_tap[oy, i] + column_tap[ox, j] + offset[x] + c, rows in the order (ky, kx, c).
    """

    row: Array
    row_tap: Array
    column_start: Array
    column_stop: Array
    column_tap: Array
    offset: Array


def windows(layer: Conv2d, shape: Shape, pool: SummingPool | None = None) -> Windows:
    """The tables of a convolution that reads a map of this shape, or its pool does."""
    before = summing(pool, shape) or _EVERY_PIXEL
    _, rows, columns = layer.output_shape(before.output_shape(shape))
    _, per_group, _, wide = layer.weight.shape
    row, ky = _reads(layer, before, shape, rows, 0)
    column, kx = _reads(layer, before, shape, columns, 1)
    offset = np.zeros(shape[2], np.int64)
    start, stop = column, np.where(column < 0, column, column + 1)
    tap = np.broadcast_to(kx * per_group, column.shape)
    if layer.dilation[1] == 1 and before.strides[1] == before.kernel[1] and before.padding[1] == 0:
        # the kernel's columns are one run: event rows count from the map's left edge, the tap moves them to the kernel's
        left = np.arange(columns)[:, None] * layer.stride[1] - layer.padding[1]
        width = before.output_shape(shape)[2]
        start, stop = (np.clip(edge, 0, width) * before.kernel[1] for edge in (left, left + wide))
        tap, offset = -left * per_group, np.arange(shape[2]) // before.kernel[1] * per_group
    row_tap = np.broadcast_to(ky * wide * per_group, row.shape)
    return Windows(*(np.ascontiguousarray(table, np.int64) for table in (row, row_tap, start, stop, tap, offset)))


def _reads(layer: Conv2d, pool: AvgPool2d | SumPool2d, shape: Shape, outputs: int, axis: int) -> tuple[Array, Array]:
    """Along one axis: the coordinates [outputs, reads] that each output reads, -1 where it reads none; each read's kernel tap."""
    inside = pool.output_shape(shape)[1 + axis]
    pooled = np.add.outer(
        np.arange(outputs) * layer.stride[axis] - layer.padding[axis],
        np.arange(layer.weight.shape[2 + axis]) * layer.dilation[axis],
    )
    read = pooled[:, :, None] * pool.strides[axis] - pool.padding[axis] + np.arange(pool.kernel[axis])
    exists = ((pooled >= 0) & (pooled < inside))[:, :, None] & (read >= 0) & (read < shape[1 + axis])
    taps = np.repeat(np.arange(layer.weight.shape[2 + axis]), pool.kernel[axis])
    return np.where(exists, read, -1).reshape(outputs, -1), taps


def flattened(shape: Shape, pool: SummingPool | None) -> tuple[Array, Array]:
    """For one channel, what Flatten behind a pool reads, in order: pixel of the map, pixel of the pooled map."""
    before = summing(pool, shape) or _EVERY_PIXEL
    _, rows, columns = before.output_shape(shape)
    y, row = _windows_read(before, shape, rows, 0)
    x, column = _windows_read(before, shape, columns, 1)
    return np.add.outer(row * shape[2], column).ravel(), np.add.outer(y * columns, x).ravel()


def _windows_read(pool: AvgPool2d | SumPool2d, shape: Shape, count: int, axis: int) -> tuple[Array, Array]:
    read = np.add.outer(np.arange(count) * pool.strides[axis] - pool.padding[axis], np.arange(pool.kernel[axis]))
    exists = (read >= 0) & (read < shape[1 + axis])
    return np.nonzero(exists)[0], read[exists]


def summing(pool: SummingPool | None, shape: Shape) -> AvgPool2d | SumPool2d | None:
    """The pool with its windows spelled out."""
    return pool.as_pool(shape) if isinstance(pool, GlobalAvgPool2d) else pool


def worth(value: Any, pool: SummingPool | None, shape: Shape) -> Any:
    """What events of this value (a number or an array, of a numpy dtype) are worth behind the pool: rounded once."""
    before = summing(pool, shape)
    return value / value.dtype.type(prod(before.kernel)) if isinstance(before, AvgPool2d) else value


def fan_out(layer: WeightLayer, shape: Shape, pool: SummingPool | None = None) -> Array:
    """How many accumulates an event of each pixel causes: int64[height, width], for all channels alike.

    A spike counts once for each window of the pool that it reaches, with what the pooled pixel causes.
    """
    before = summing(pool, shape)
    read = shape if before is None else before.output_shape(shape)
    pixels = as_map(read)[1:]
    if isinstance(layer, Linear):
        per_pooled = np.full(pixels, len(layer.weight), np.int64)
    else:
        per_pooled = np.ascontiguousarray(layer.fan_out(read)[0]).reshape(pixels)
    if before is None:
        return per_pooled
    return _through(before, shape, per_pooled)


def reached(shape: Shape, pool: SummingPool) -> Array:
    """How many windows of the pool each pixel lies in: int64[height, width]."""
    before = summing(pool, shape) or _EVERY_PIXEL
    return _through(before, shape, np.ones(before.output_shape(shape)[1:], np.int64))


def _through(pool: AvgPool2d | SumPool2d, shape: Shape, per_pooled: Array) -> Array:
    pixel, pooled = flattened(shape, pool)
    total = np.zeros(shape[1] * shape[2], np.int64)
    np.add.at(total, pixel, per_pooled.ravel()[pooled])
    return total.reshape(shape[1:])


def as_map(shape: Shape) -> tuple[int, int, int]:
    """Channels, height and width of any shape: a signal is a map of one row, features are channels of one pixel."""
    return (shape[0], *(1, 1, *shape[1:])[-2:])  # type: ignore[return-value]
