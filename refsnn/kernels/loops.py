"""The compiled loops over samples, pixels and steps: list the events, sum their weight rows, let the neurons fire.

A sample goes through the layer as a whole, so that its events and the buffers here stay in the caches; nothing but spikes,
counts and potentials leaves. Outputs come in parts whose weight rows lie together: a part is finished for a whole sample (for
Linear a few) before the next one is begun, because its rows are read again for every pixel and step.
"""

from typing import Any, NamedTuple

import numpy as np

from refsnn.kernels.compiling import compiled
from refsnn.kernels.listing import buffers, list_events
from refsnn.kernels.rows import LANES
from refsnn.kernels.runs import line_runs, sum_part
from refsnn.kernels.spread import spread_16, spread_32, spread_64
from refsnn.kernels.target import finish_line, line_of_neurons
from refsnn.kernels.vectors import CACHE_LINE

Array = np.ndarray[Any, Any]


class Reach(NamedTuple):
    """Which outputs an event of a 3 x 3 convolution with stride 1 reaches, or of a pool in front of it."""

    rows: int  # of the map that the convolution reads
    columns: int
    per_row: int  # pool window
    per_column: int
    pad_y: int
    pad_x: int


@compiled
def gather(bits, listing, windows, rows, target):  # type: ignore[no-untyped-def]
    """Output by output: each adds up the rows of its events."""
    steps, samples = bits.shape[:2]
    index, first, pixels = buffers(bits, listing)
    runs = np.empty(3 * target.width * windows.row.shape[1] * windows.column_start.shape[1], np.int64)
    current = np.empty(target.width * steps * rows.stride, rows.bias.dtype)
    places = 0, steps * rows.stride, rows.stride
    neurons = line_of_neurons(rows.stride, target)
    for start in range(0, samples, listing.samples):
        stop = min(start + listing.samples, samples)
        list_events(bits, start, stop, listing, index, first)
        for part in rows.parts:
            for b in range(start, stop):
                shift = (b - start) * listing.groups * steps * pixels
                for oy in range(target.height):
                    size = target.width, steps, line_runs(windows, bits.shape[3], oy, runs)
                    sum_part(size, part, rows, (index, None, first), shift, pixels, runs, current)
                    finish_line(current, places, rows.bias, part, neurons, target, b, oy)


@compiled
def spread(bits, listing, reach, rows, target):  # type: ignore[no-untyped-def]
    """Event by event: each is added to the outputs that it reaches, in three lines that are under way."""
    steps, samples, _, map_width, _ = bits.shape
    index, first, pixels = buffers(bits, listing)
    silent = 3 * steps * (reach.columns + 2) * rows.stride  # where a line of zeros lies, in which the others begin
    lines = np.zeros(silent + (reach.columns + 2) * rows.stride + CACHE_LINE, rows.bias.dtype)
    lines = lines[-(lines.ctypes.data // lines.itemsize) % (CACHE_LINE // lines.itemsize) :]
    neurons = line_of_neurons(rows.stride, target)
    for b in range(samples):
        list_events(bits, b, b + 1, listing, index, first)
        for part in rows.parts:
            wide, place = rows.blocks[part[0], 2], rows.blocks[part[0], 3]
            apart = (reach.columns + 2) * wide  # from step to step
            lines[: 2 * steps * apart] = 0
            for y in range(reach.rows + 2):
                if y < reach.rows:
                    for t in range(steps):
                        # kernel row 0 of the line two below, 1 of the next, 2 of this one
                        below, next_, this = (y + 2) % 3 * steps + t, (y + 1) % 3 * steps + t, y % 3 * steps + t
                        for row in range(y * reach.per_row, (y + 1) * reach.per_row):
                            begin = silent if row == y * reach.per_row else below * apart
                            to = begin, below * apart, next_ * apart, this * apart
                            pixel = t * pixels + row * map_width
                            run = pixel, reach.per_column, reach.columns
                            if wide == 64:
                                spread_64(lines, to, rows.weight, place, index, first, run)
                            elif wide == 32:
                                spread_32(lines, to, rows.weight, place, index, first, run)
                            else:
                                spread_16(lines, to, rows.weight, place, index, first, run)
                line, oy = y % 3 * steps * apart, y + reach.pad_y - 2
                if 0 <= oy < target.height:
                    places = line + (2 - reach.pad_x) * wide, wide, apart
                    finish_line(lines, places, rows.bias, part, neurons, target, b, oy)


@compiled
def fire_currents(current, bias, part, target):  # type: ignore[no-untyped-def]
    """Neurons alone: currents [T or 1, B * H * W * C, filled up] of which a single one serves every step."""
    neurons = line_of_neurons(-(-target.channels // LANES) * LANES, target)
    flat = current.reshape(-1)
    apart = current.shape[1] if len(current) > 1 else 0
    for b in range(target.samples):
        for oy in range(target.height):
            places = (b * target.height + oy) * target.width * target.channels, target.channels, apart
            finish_line(flat, places, bias, part, neurons, target, b, oy)
