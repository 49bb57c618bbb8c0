"""Conv2d, and Conv1d as an image of one row: ordered sums over kernel row, kernel column, input channel, then the bias.

With a pool in front that adds up (AvgPool2d, SumPool2d, GlobalAvgPool2d as a pool), the sums go over the pool's inputs: kernel
row, window row, kernel column, window column, input channel, each input worth what worth() of fan_in.py says.
"""

from typing import Any

import numpy as np

from refsnn.kernels.bias import add_bias
from refsnn.kernels.compiling import compiled
from refsnn.kernels.fan_in import SummingPool, summing, windows, worth
from refsnn.kernels.pool import places
from refsnn.kernels.rows import Each, rows, unchanged, weights
from refsnn.kernels.runs import OUTPUTS, line_runs, sum_part
from refsnn.layers import Conv, Conv1d

Array = np.ndarray[Any, Any]


def naive(layer: Conv, x: Array, pool: SummingPool | None = None, each: Each = unchanged) -> Array:
    """The sums term by term; `each` is done to every partial sum."""
    if isinstance(layer, Conv1d):
        return naive(layer.as_conv2d, x[:, :, None], None, each)[:, :, 0]
    weight, bias = weights(layer, x.dtype)
    outputs, per_group, kernel_rows, kernel_columns = weight.shape
    worths = worth(x, pool, x.shape[1:])
    window = [[worths]] if pool is None else places(pool, worths)  # [py][px], each a map that the kernel goes over
    _, height, width = layer.output_shape(window[0][0].shape[1:])
    (pad_y, pad_x), (step_y, step_x), (gap_y, gap_x) = layer.padding, layer.stride, layer.dilation
    pads = ((0, 0), (0, 0), (pad_y, pad_y), (pad_x, pad_x))
    grouped = [[_by_group(np.pad(read, pads), layer.groups) for read in line] for line in window]
    weight = weight.reshape(layer.groups, outputs // layer.groups, *weight.shape[1:])
    total = np.zeros((len(x), layer.groups, outputs // layer.groups, height, width), x.dtype)
    for ky in range(kernel_rows):
        for line in grouped:
            for kx in range(kernel_columns):
                for read in line:
                    read_rows = slice(ky * gap_y, ky * gap_y + step_y * (height - 1) + 1, step_y)
                    read_columns = slice(kx * gap_x, kx * gap_x + step_x * (width - 1) + 1, step_x)
                    for c in range(per_group):
                        values = read[:, :, None, c, read_rows, read_columns]
                        total = each(total + weight[:, :, c, ky, kx, None, None] * values)
    return each(total.reshape(len(x), outputs, height, width) + bias[:, None, None])


def _by_group(x: Array, groups: int) -> Array:
    return x.reshape(len(x), groups, -1, *x.shape[2:])


def fast(layer: Conv, x: Array, pool: SummingPool | None = None) -> Array:
    """In memory the channels of a pixel lie side by side."""
    if isinstance(layer, Conv1d):
        return fast(layer.as_conv2d, x[:, :, None])[:, :, 0]
    weight, bias = weights(layer, x.dtype)
    by_group = weight.reshape(layer.groups, -1, *weight.shape[1:]).transpose(0, 3, 4, 2, 1)
    taps = by_group.reshape(
        layer.groups, -1, by_group.shape[-1]
    )  # [group, (ky, kx, channel in group), output in group]
    before = summing(pool, x.shape[1:])
    _, height, width = layer.output_shape(x.shape[1:] if before is None else before.output_shape(x.shape[1:]))
    result = np.empty((len(x), height, width, len(bias)), x.dtype)
    worths, table = np.ascontiguousarray(worth(x, pool, x.shape[1:])), windows(layer, x.shape[1:], pool)
    _fast(worths, table, rows(taps, bias, OUTPUTS[0]), layer.groups, result)
    return np.moveaxis(result, -1, 1)


@compiled
def _fast(x, table, rows, groups, result):  # type: ignore[no-untyped-def]
    samples, height, width, outputs = result.shape
    flat = result.reshape(-1)
    pixels = x.shape[2] * x.shape[3]
    index, value = np.empty(x[0].size, np.int32), np.empty(x[0].size, x.dtype)
    first = np.empty(groups * pixels + 1, np.int32)
    runs = np.empty(3 * width * table.row.shape[1] * table.column_start.shape[1], np.int64)
    current = np.empty(width * rows.stride, x.dtype)  # the sums of one line of pixels, outputs side by side
    for b in range(samples):
        _list_events(x[b], groups, table.offset, index, value, first)
        for part in rows.parts:
            for oy in range(height):
                size = width, 1, line_runs(table, x.shape[3], oy, runs)
                sum_part(size, part, rows, (index, value, first), 0, pixels, runs, current)
                to = (b * height + oy) * width * outputs + part[2], outputs, 0, part[2]
                add_bias((width, 1, part[3] - part[2]), current, (0, rows.stride, 0), rows.bias, flat, to)


@compiled
def _list_events(x, groups, offset, index, value, first):  # type: ignore[no-untyped-def]
    """The nonzero inputs by group, line, column, channel: index = offset[column] + channel in the group.

    first[pixel] is where the pixel's events begin.
    """
    count = 0
    per_group = len(x) // groups
    place = 0
    for group in range(groups):
        for y in range(x.shape[1]):
            for column in range(x.shape[2]):
                first[place] = count
                place += 1
                for c in range(per_group):
                    worth = x[group * per_group + c, y, column]
                    index[count] = offset[column] + c
                    value[count] = worth
                    count += worth != 0
    first[place] = count
