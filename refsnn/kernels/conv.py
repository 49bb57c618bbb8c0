"""Conv2d, and Conv1d as an image of one row: ordered sums over kernel row, kernel column, input channel, then the bias."""

from typing import Any

import numpy as np
from numba import njit

from refsnn.kernels.accumulate import add_rows, lanes_of, rows
from refsnn.kernels.linear import weights
from refsnn.layers import Conv, Conv1d

Array = np.ndarray[Any, Any]


def naive(layer: Conv, x: Array) -> Array:
    if isinstance(layer, Conv1d):
        return naive(layer.as_conv2d, x[:, :, None])[:, :, 0]
    weight, bias = weights(layer, x.dtype)
    outputs, per_group, kernel_rows, kernel_columns = weight.shape
    _, rows, columns = layer.output_shape(x.shape[1:])
    (pad_y, pad_x), (step_y, step_x), (gap_y, gap_x) = layer.padding, layer.stride, layer.dilation
    padded = np.pad(x, ((0, 0), (0, 0), (pad_y, pad_y), (pad_x, pad_x)))
    grouped = padded.reshape(len(x), layer.groups, per_group, *padded.shape[2:])
    weight = weight.reshape(layer.groups, outputs // layer.groups, *weight.shape[1:])
    total = np.zeros((len(x), layer.groups, outputs // layer.groups, rows, columns), x.dtype)
    for ky in range(kernel_rows):
        for kx in range(kernel_columns):
            read_rows = slice(ky * gap_y, ky * gap_y + step_y * (rows - 1) + 1, step_y)
            read_columns = slice(kx * gap_x, kx * gap_x + step_x * (columns - 1) + 1, step_x)
            for c in range(per_group):
                values = grouped[:, :, None, c, read_rows, read_columns]
                total = total + weight[:, :, c, ky, kx, None, None] * values
    return total.reshape(len(x), outputs, rows, columns) + bias[:, None, None]


def fast(layer: Conv, x: Array) -> Array:
    if isinstance(layer, Conv1d):
        return fast(layer.as_conv2d, x[:, :, None])[:, :, 0]
    weight, bias = weights(layer, x.dtype)
    outputs, per_group = weight.shape[:2]
    grouped = weight.reshape(layer.groups, outputs // layer.groups, per_group, *weight.shape[2:])
    taps = grouped.transpose(0, 3, 4, 2, 1)  # [group, ky, kx, channel in group, output in group]
    shape = layer.output_shape(x.shape[1:])
    return _fast(
        rows(taps.reshape(-1, taps.shape[-1])), lanes_of(x.dtype), bias, np.ascontiguousarray(x), taps.shape[1:4],
        layer.stride, layer.padding, layer.dilation, layer.groups, shape,
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _fast(weight, lanes, bias, x, kernel, stride, padding, dilation, groups, shape):  # type: ignore[no-untyped-def]
    tall, wide, per_group = kernel
    per_kernel = tall * wide * per_group
    width = len(weight) // (groups * per_kernel)
    side_by_side = shape[0] // groups
    result = np.empty((len(x), shape[0], shape[1], shape[2]), x.dtype)
    line = np.empty(shape[2] * width, x.dtype)  # the sums of one line of pixels, outputs side by side
    pixels = x.shape[2] * x.shape[3]
    index = np.empty(pixels * per_group, np.int32)
    value = np.empty(pixels * per_group, x.dtype)
    first = np.empty(pixels + 1, np.int64)
    for b in range(len(x)):
        for g in range(groups):
            _list_events(x[b], g * per_group, per_group, index, value, first)
            for oy in range(shape[1]):
                line[:] = 0
                for ky in range(tall):
                    iy = oy * stride[0] + ky * dilation[0] - padding[0]
                    if 0 <= iy < x.shape[2]:
                        base = g * per_kernel + ky * wide * per_group
                        taps = wide, per_group, stride[1], padding[1], dilation[1]
                        events = index, value, first
                        _add_line(line, weight, width, lanes, events, iy * x.shape[3], x.shape[3], shape[2], base, taps)
                for o in range(side_by_side):
                    for ox in range(shape[2]):
                        result[b, g * side_by_side + o, oy, ox] = line[ox * width + o] + bias[g * side_by_side + o]
    return result


@njit(cache=True, nogil=True)
def _list_events(x, channel, per_group, index, value, first):  # type: ignore[no-untyped-def]
    """The nonzero inputs line by line, in a line by column and then channel: index = column * per_group + channel.

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
            for i in range(column * per_group, (column + 1) * per_group):
                index[count] = i
                value[count] = line[i]
                count += line[i] != 0
    first[x.shape[1] * x.shape[2]] = count


@njit(cache=True, nogil=True)
def _add_line(line, weight, width, lanes, events, pixel, columns, outputs, base, taps):  # type: ignore[no-untyped-def]
    """Adds one kernel row's taps to a line of outputs; without dilation a row of taps is one run of events."""
    index, value, first = events
    wide, per_group, stride, padding, dilation = taps
    for ox in range(outputs):
        left = ox * stride - padding
        at = ox * width
        if dilation == 1:
            start, stop = max(left, 0), min(left + wide, columns)
            if start < stop:
                run = first[pixel + start], first[pixel + stop]
                add_rows(line, at, weight, width, lanes, index, value, run[0], run[1], base - left * per_group)
        else:
            for kx in range(wide):
                column = left + kx * dilation
                if 0 <= column < columns:
                    run = first[pixel + column], first[pixel + column + 1]
                    add_rows(
                        line, at, weight, width, lanes, index, value, run[0], run[1], base + (kx - column) * per_group
                    )
