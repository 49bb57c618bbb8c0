"""Conv2d, and Conv1d as an image of one row: ordered sums over kernel row, kernel column, input channel, then the bias.

With a pool in front that adds up (AvgPool2d, SumPool2d, GlobalAvgPool2d as a pool), the sums go over the pool's inputs: kernel
row, window row, kernel column, window column, input channel, each input worth what worth() of fan_in.py says.
"""

from typing import Any

import numpy as np
from numba import njit

from refsnn.kernels.accumulate import add_rows, lanes_of, rows
from refsnn.kernels.fan_in import SummingPool, summing, windows, worth
from refsnn.kernels.linear import weights
from refsnn.kernels.pool import places
from refsnn.layers import Conv, Conv1d

Array = np.ndarray[Any, Any]


def naive(layer: Conv, x: Array, pool: SummingPool | None = None) -> Array:
    if isinstance(layer, Conv1d):
        return naive(layer.as_conv2d, x[:, :, None])[:, :, 0]
    weight, bias = weights(layer, x.dtype)
    outputs, per_group, kernel_rows, kernel_columns = weight.shape
    worths = worth(x, pool, x.shape[1:])
    window = [[worths]] if pool is None else places(pool, worths)  # [py][px], each a map that the kernel goes over
    _, rows, columns = layer.output_shape(window[0][0].shape[1:])
    (pad_y, pad_x), (step_y, step_x), (gap_y, gap_x) = layer.padding, layer.stride, layer.dilation
    pads = ((0, 0), (0, 0), (pad_y, pad_y), (pad_x, pad_x))
    grouped = [[_by_group(np.pad(read, pads), layer.groups) for read in line] for line in window]
    weight = weight.reshape(layer.groups, outputs // layer.groups, *weight.shape[1:])
    total = np.zeros((len(x), layer.groups, outputs // layer.groups, rows, columns), x.dtype)
    for ky in range(kernel_rows):
        for line in grouped:
            for kx in range(kernel_columns):
                for read in line:
                    read_rows = slice(ky * gap_y, ky * gap_y + step_y * (rows - 1) + 1, step_y)
                    read_columns = slice(kx * gap_x, kx * gap_x + step_x * (columns - 1) + 1, step_x)
                    for c in range(per_group):
                        values = read[:, :, None, c, read_rows, read_columns]
                        total = total + weight[:, :, c, ky, kx, None, None] * values
    return total.reshape(len(x), outputs, rows, columns) + bias[:, None, None]


def _by_group(x: Array, groups: int) -> Array:
    return x.reshape(len(x), groups, -1, *x.shape[2:])


def fast(layer: Conv, x: Array, pool: SummingPool | None = None) -> Array:
    """In memory the channels of a pixel lie side by side."""
    if isinstance(layer, Conv1d):
        return fast(layer.as_conv2d, x[:, :, None])[:, :, 0]
    weight, bias = weights(layer, x.dtype)
    outputs, per_group = weight.shape[:2]
    grouped = weight.reshape(layer.groups, outputs // layer.groups, per_group, *weight.shape[2:])
    taps = grouped.transpose(0, 3, 4, 2, 1)  # [group, ky, kx, channel in group, output in group]
    before = summing(pool, x.shape[1:])
    _, height, width = layer.output_shape(x.shape[1:] if before is None else before.output_shape(x.shape[1:]))
    result = np.empty((len(x), height, width, outputs), x.dtype)
    _fast(
        rows(taps.reshape(-1, taps.shape[-1])), lanes_of(x.dtype), bias,
        np.ascontiguousarray(worth(x, pool, x.shape[1:])), windows(layer, x.shape[1:], pool), layer.groups, result,
    )  # fmt: skip
    return np.moveaxis(result, -1, 1)


@njit(cache=True, nogil=True)
def _fast(weight, lanes, bias, x, table, groups, result):  # type: ignore[no-untyped-def]
    samples, height, columns, outputs = result.shape
    per_group, side_by_side = x.shape[1] // groups, outputs // groups
    width = -(-side_by_side // lanes) * lanes
    per_kernel = len(weight) // (groups * width)
    line = np.empty(columns * width, x.dtype)  # the sums of one line of pixels, outputs side by side
    pixels = x.shape[2] * x.shape[3]
    index = np.empty(pixels * per_group, np.int32)
    value = np.empty(pixels * per_group, x.dtype)
    first = np.empty(pixels + 1, np.int64)
    for b in range(samples):
        for g in range(groups):
            _list_events(x[b], g * per_group, per_group, table.offset, index, value, first)
            for oy in range(height):
                line[:] = 0
                for i in range(table.row.shape[1]):
                    if table.row[oy, i] >= 0:
                        pixel, base = table.row[oy, i] * x.shape[3], g * per_kernel + table.row_tap[oy, i]
                        _add_line(line, weight, width, lanes, (index, value, first), pixel, base, table)
                for ox in range(columns):
                    for o in range(side_by_side):
                        channel = g * side_by_side + o
                        result[b, oy, ox, channel] = line[ox * width + o] + bias[channel]


@njit(cache=True, nogil=True)
def _list_events(x, channel, per_group, offset, index, value, first):  # type: ignore[no-untyped-def]
    """The nonzero inputs line by line, in a line by column and then channel: index = offset[column] + channel in the group.

    first[pixel] is where the pixel's events begin.
    """
    count = 0
    line = np.empty(x.shape[2] * per_group, x.dtype)
    for y in range(x.shape[1]):
        for c in range(per_group):
            for column in range(x.shape[2]):
                line[column * per_group + c] = x[channel + c, y, column]
        for column in range(x.shape[2]):
            first[y * x.shape[2] + column] = count
            for c in range(per_group):
                index[count] = offset[column] + c
                value[count] = line[column * per_group + c]
                count += value[count] != 0
    first[x.shape[1] * x.shape[2]] = count


@njit(cache=True, nogil=True)
def _add_line(line, weight, width, lanes, events, pixel, base, table):  # type: ignore[no-untyped-def]
    """Adds one row of the input, as one row of the kernel meets it, to a line of outputs."""
    index, value, first = events
    for ox in range(table.column_start.shape[0]):
        for j in range(table.column_start.shape[1]):
            start, stop = table.column_start[ox, j], table.column_stop[ox, j]
            if start < stop:
                add_rows(
                    line, ox * width, weight, width, lanes, index, value, first[pixel + start], first[pixel + stop],
                    base + table.column_tap[ox, j],
                )  # fmt: skip
