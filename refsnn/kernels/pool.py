"""Pools: ordered sums over window row, window column, divided once for a mean; or the largest value."""

from typing import Any

import numpy as np

from refsnn.kernels.compiling import compiled
from refsnn.layers import AvgPool2d, GlobalAvgPool2d, MaxMode, MaxPool2d, Pool, SumPool2d

Array = np.ndarray[Any, Any]
Windowed = AvgPool2d | SumPool2d | MaxPool2d


def naive(layer: Pool, x: Array) -> Array:
    windowed = _windowed(layer, x)
    return windows(windowed, x) / _divisor(windowed, x)


def fast(layer: Pool, x: Array) -> Array:
    windowed = _windowed(layer, x)
    largest = isinstance(windowed, MaxPool2d)
    return _fast(
        np.ascontiguousarray(x), _divisor(windowed, x), x.dtype.type(-np.inf if largest else 0), largest,
        windowed.kernel, windowed.strides, windowed.padding, windowed.output_shape(x.shape[1:]),
    )  # fmt: skip


@compiled
def _fast(x, divisor, start, largest, kernel, stride, padding, shape):  # type: ignore[no-untyped-def]
    result = np.full((len(x), *shape), start)
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
                                if not largest:
                                    result[b, c, oy, ox] += x[b, c, iy, ix]
                                elif x[b, c, iy, ix] > result[b, c, oy, ox]:
                                    result[b, c, oy, ox] = x[b, c, iy, ix]
                    result[b, c, oy, ox] /= divisor
    return result


def windows(layer: Windowed, x: Array) -> Array:
    """Sum, or for MaxPool2d the largest, of each window of x [B, C, H, W]."""
    _, rows, columns = layer.output_shape(x.shape[1:])
    (pad_y, pad_x), (step_y, step_x) = layer.padding, layer.strides
    largest = isinstance(layer, MaxPool2d)
    outside = -np.inf if largest else 0
    padded = np.pad(x, ((0, 0), (0, 0), (pad_y, pad_y), (pad_x, pad_x)), constant_values=outside)
    total = np.full((*x.shape[:2], rows, columns), outside, x.dtype)
    for ky in range(layer.kernel[0]):
        for kx in range(layer.kernel[1]):
            read_rows = slice(ky, ky + step_y * (rows - 1) + 1, step_y)
            read_columns = slice(kx, kx + step_x * (columns - 1) + 1, step_x)
            values = padded[:, :, read_rows, read_columns]
            # of equals the first stays, so that 0.0 and -0.0 are the same in both twins
            total = np.where(values > total, values, total) if largest else total + values
    return total


def places(layer: Pool, x: Array) -> list[list[Array]]:
    """[row in the window][column in the window]: what stands there in every window of x [B, C, H, W]; 0 in the padding."""
    windowed = _windowed(layer, x)
    _, rows, columns = windowed.output_shape(x.shape[1:])
    (pad_y, pad_x), (step_y, step_x) = windowed.padding, windowed.strides
    padded = np.pad(x, ((0, 0), (0, 0), (pad_y, pad_y), (pad_x, pad_x)))
    return [
        [
            padded[:, :, py : py + step_y * (rows - 1) + 1 : step_y, px : px + step_x * (columns - 1) + 1 : step_x]
            for px in range(windowed.kernel[1])
        ]
        for py in range(windowed.kernel[0])
    ]


def spikes_behind(layer: Pool, spikes: Array) -> Array:
    """How many of the spikes [B, C, H, W], whole numbers, stand behind each sum or mean."""
    return windows(_windowed(layer, spikes), spikes)


def follow(layer: MaxPool2d, values: Array, spikes: Array, so_far: Array | None) -> tuple[Array, Array, Array]:
    """MaxPool2d that follows spike counts: what it gives [T, B, ...], whether that is a spike, and the counts after the last step
    [B, C, H, W]. Whole numbers: nothing to reorder.
    """
    counts = np.zeros(spikes.shape[1:], np.int64) if so_far is None else so_far
    _, rows, columns = layer.output_shape(spikes.shape[2:])
    flat = np.arange(spikes.shape[3] * spikes.shape[4]).reshape(spikes.shape[3:])
    winners = np.empty((*spikes.shape[:3], rows, columns), np.int64)
    given = np.zeros(winners.shape, values.dtype)
    for t in range(len(spikes)):
        before, counts = counts, counts + (spikes[t] != 0)
        most = np.full(winners.shape[1:], -1)
        largest_before, whose, fires = most.copy(), most.copy(), np.zeros(most.shape, np.bool_)
        for window in _taps(layer, rows, columns):
            here, spiking = _tap(counts, window, -1), _tap(spikes[t] != 0, window, False)
            leads = here > most  # of equals the first; where the largest count grows, all that have it spiked
            most, fires = np.where(leads, here, most), np.where(leads, spiking, fires)
            whose = np.where(leads, _tap(np.broadcast_to(flat, counts.shape), window, -1), whose)
            largest_before = np.maximum(largest_before, _tap(before, window, -1))
        if layer.mode is MaxMode.COUNT:
            fires = most > largest_before
        winners[t] = np.where(fires, whose, -1)
        index = np.maximum(winners[t], 0).reshape(*winners.shape[1:3], -1)
        worth = np.take_along_axis(values[t].reshape(*values.shape[1:3], -1), index, -1).reshape(winners.shape[1:])
        given[t] = np.where(fires, worth, given[t])
    return given, winners >= 0, counts


def _taps(layer: MaxPool2d, rows: int, columns: int) -> list[tuple[Array, Array]]:
    """Input rows and columns under each position in the window, row by row."""
    (pad_y, pad_x), (step_y, step_x) = layer.padding, layer.strides
    return [
        (np.arange(rows) * step_y + ky - pad_y, np.arange(columns) * step_x + kx - pad_x)
        for ky in range(layer.kernel[0])
        for kx in range(layer.kernel[1])
    ]


def _tap(x: Array, window: tuple[Array, Array], outside: Any) -> Array:
    """X [B, C, H, W] under one position of all windows; `outside` in the padding."""
    y, column = window
    inside = ((y >= 0) & (y < x.shape[2]))[:, None] & ((column >= 0) & (column < x.shape[3]))
    picked = x[:, :, np.clip(y, 0, x.shape[2] - 1)][..., np.clip(column, 0, x.shape[3] - 1)]
    return np.where(inside, picked, outside)


def _windowed(layer: Pool, x: Array) -> Windowed:
    return layer.as_pool(x.shape[1:]) if isinstance(layer, GlobalAvgPool2d) else layer


def _divisor(layer: Windowed, x: Array) -> Any:
    """Window size for a mean; 1, which changes no bit, for the others."""
    return x.dtype.type(layer.kernel[0] * layer.kernel[1] if isinstance(layer, AvgPool2d) else 1)
