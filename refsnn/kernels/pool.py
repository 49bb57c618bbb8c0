"""AvgPool2d: ordered sums over window row, window column, divided by the window's size."""

from typing import Any

import numpy as np
from numba import njit

from refsnn.layers import AvgPool2d

Array = np.ndarray[Any, Any]


def naive(layer: AvgPool2d, x: Array) -> Array:
    return window_sum(layer, x) / _area(layer, x)


def window_sum(layer: AvgPool2d, x: Array) -> Array:
    """Sum of each window of x [B, C, H, W]; also counts the spikes that reach it when x is a spike train."""
    _, rows, columns = layer.output_shape(x.shape[1:])
    (pad_y, pad_x), (step_y, step_x) = layer.padding, layer.strides
    padded = np.pad(x, ((0, 0), (0, 0), (pad_y, pad_y), (pad_x, pad_x)))
    total = np.zeros((*x.shape[:2], rows, columns), x.dtype)
    for ky in range(layer.kernel[0]):
        for kx in range(layer.kernel[1]):
            total = total + padded[:, :, ky : ky + step_y * (rows - 1) + 1 : step_y,
                                   kx : kx + step_x * (columns - 1) + 1 : step_x]  # fmt: skip
    return total


def fast(layer: AvgPool2d, x: Array) -> Array:
    shape = layer.output_shape(x.shape[1:])
    x = np.ascontiguousarray(x)
    return _fast(x, _area(layer, x), layer.kernel, layer.strides, layer.padding, shape)


@njit(cache=True, nogil=True)
def _fast(x, area, kernel, stride, padding, shape):  # type: ignore[no-untyped-def]
    result = np.zeros((len(x), *shape), x.dtype)
    for b in range(len(x)):
        for c in range(shape[0]):
            for oy in range(shape[1]):
                for ox in range(shape[2]):
                    for ky in range(kernel[0]):
                        iy = oy * stride[0] + ky - padding[0]
                        if iy < 0 or iy >= x.shape[2]:
                            continue
                        for kx in range(kernel[1]):
                            ix = ox * stride[1] + kx - padding[1]
                            if 0 <= ix < x.shape[3]:
                                result[b, c, oy, ox] += x[b, c, iy, ix]
                    result[b, c, oy, ox] /= area
    return result


def _area(layer: AvgPool2d, x: Array) -> Any:
    return x.dtype.type(layer.kernel[0] * layer.kernel[1])
