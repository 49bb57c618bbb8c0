"""Conv2d, and Conv1d as an image of one row: ordered sums over kernel row, kernel column, input channel, then the bias."""

from typing import Any

import numpy as np
from numba import njit

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
    rows_first = np.ascontiguousarray(weight.transpose(2, 3, 1, 0))  # [ky, kx, channel in group, output]
    shape = layer.output_shape(x.shape[1:])
    return _fast(
        rows_first, bias, np.ascontiguousarray(x), layer.stride, layer.padding, layer.dilation, layer.groups, shape
    )


@njit(cache=True, nogil=True)
def _fast(weight, bias, x, stride, padding, dilation, groups, shape):  # type: ignore[no-untyped-def]
    kernel_rows, kernel_columns, per_group, outputs = weight.shape
    wide = outputs // groups
    result = np.empty((len(x), outputs, shape[1], shape[2]), x.dtype)
    total = np.empty(outputs, x.dtype)
    for b in range(len(x)):
        for oy in range(shape[1]):
            for ox in range(shape[2]):
                total[:] = 0
                for ky in range(kernel_rows):
                    iy = oy * stride[0] + ky * dilation[0] - padding[0]
                    if iy < 0 or iy >= x.shape[2]:
                        continue
                    for kx in range(kernel_columns):
                        ix = ox * stride[1] + kx * dilation[1] - padding[1]
                        if ix < 0 or ix >= x.shape[3]:
                            continue
                        for c in range(x.shape[1]):
                            value = x[b, c, iy, ix]
                            if value != 0:
                                first = c // per_group * wide
                                for o in range(first, first + wide):
                                    total[o] += weight[ky, kx, c % per_group, o] * value
                for o in range(outputs):
                    result[b, o, oy, ox] = total[o] + bias[o]
    return result
