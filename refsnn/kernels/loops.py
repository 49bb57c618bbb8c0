"""The compiled loops over samples, pixels and steps: list the events, sum their weight rows, let the neurons fire.

A sample goes through the layer as a whole, so that its events and the buffers here stay in the caches; nothing but spikes,
counts and potentials leaves. Outputs come in parts of up to 64 channels whose weight rows lie together: a part is finished for a
whole sample (for Linear a few) before the next one is begun, because its rows are read again for every pixel and step.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from refsnn.kernels.bits import list_pixel, list_word, word_of_2
from refsnn.kernels.fire import LANES, fire
from refsnn.kernels.runs import sum_16, sum_32, sum_64

Array = np.ndarray[Any, Any]


class Rows(NamedTuple):
    """Weight rows, each event's amplitude multiplied in, and how the outputs are divided into blocks and parts."""

    weight: Array  # block after block, [rows, outputs of the block]
    bias: Array  # [outputs, filled up]
    blocks: Array  # int64[blocks, 4]: group, first output, outputs summed side by side, where its rows begin
    parts: Array  # int64[parts, 4]: first block, behind the last block, first output (a multiple of 16), behind the last
    stride: int  # outputs of the widest part, filled up


class Listing(NamedTuple):
    """How bits become events: index = offset[x] + channel; or, where `row` is not empty, by places in an order.

    Flatten puts channels outermost and bits have them innermost: channel c of pixel p has the places
    c * per_channel + rank[first[p] .. first[p + 1] - 1], and place i meets weight row row[i].
    """

    offset: Array
    groups: int
    per_group: int
    first: Array
    rank: Array
    row: Array
    per_channel: int
    samples: int  # so many are listed before their rows are walked


@njit(cache=True, nogil=True)
def fire_sums(bits, listing, windows, rows, numbers, choices, words, counts, residual):  # type: ignore[no-untyped-def]
    """Weight layer and neurons: fills words [T, B, H, W, channels / 16] of spikes, counts and potentials [B, C, H, W]."""
    steps, samples, height, width = words.shape[:4]
    index, first, runs, current = _buffers(bits, listing, windows, rows)
    v = np.empty(width * rows.stride, residual.dtype)
    fired = np.empty(width * rows.stride, np.int32)
    for start in range(0, samples, listing.samples):
        stop = min(start + listing.samples, samples)
        _list_events(bits, start, stop, listing, index, first)
        for part in rows.parts:
            for b in range(start, stop):
                for oy in range(height):
                    v[:] = numbers[5]
                    fired[:] = 0
                    for ox in range(width):
                        n_runs = _runs(windows, bits.shape[3], oy, ox, runs)
                        _sum_part(steps, b - start, part, rows, index, first, runs, n_runs, listing.groups, current)
                        word = ((b * height + oy) * width + ox) * words.shape[4]
                        _fire_part(
                            steps, current, 0, rows.stride, rows.bias, part, v, fired, ox * rows.stride, words, word,
                            numbers, choices,
                        )  # fmt: skip
                    _write_line(counts, residual, b, oy, part, fired, v, rows.stride)


@njit(cache=True, nogil=True)
def sums(bits, listing, windows, rows, result):  # type: ignore[no-untyped-def]
    """Weight layer alone: fills the currents [T, B, H, W, C]."""
    steps, samples, height, width = result.shape[:4]
    index, first, runs, current = _buffers(bits, listing, windows, rows)
    for start in range(0, samples, listing.samples):
        stop = min(start + listing.samples, samples)
        _list_events(bits, start, stop, listing, index, first)
        for part in rows.parts:
            for b in range(start, stop):
                for oy in range(height):
                    for ox in range(width):
                        n_runs = _runs(windows, bits.shape[3], oy, ox, runs)
                        _sum_part(steps, b - start, part, rows, index, first, runs, n_runs, listing.groups, current)
                        for t in range(steps):
                            for o in range(part[2], part[3]):
                                result[t, b, oy, ox, o] = current[t * rows.stride + o - part[2]] + rows.bias[o]


@njit(cache=True, nogil=True)
def fire_currents(current, bias, part, numbers, choices, words, counts, residual):  # type: ignore[no-untyped-def]
    """Neurons alone: currents [T or 1, B * H * W * C, filled up] of which a single one serves every step."""
    steps, samples, height, width = words.shape[:4]
    channels = counts.shape[1]
    stride = words.shape[4] * LANES
    v = np.empty(width * stride, residual.dtype)
    fired = np.empty(width * stride, np.int32)
    flat = current.reshape(-1)
    apart = current.shape[1] if len(current) > 1 else 0
    for b in range(samples):
        for oy in range(height):
            v[:] = numbers[5]
            fired[:] = 0
            for ox in range(width):
                pixel = (b * height + oy) * width + ox
                _fire_part(
                    steps, flat, pixel * channels, apart, bias, part, v, fired, ox * stride, words,
                    pixel * words.shape[4], numbers, choices,
                )  # fmt: skip
            _write_line(counts, residual, b, oy, part, fired, v, stride)


@njit(cache=True, nogil=True)
def _buffers(bits, listing, windows, rows):  # type: ignore[no-untyped-def]
    """Event indices, where each pixel's begin, the runs of one output pixel and its currents at every step."""
    steps, _, height, width, _ = bits.shape
    if len(listing.first) > 0:
        pixels, events = 1, len(listing.row)
    else:
        pixels, events = height * width, height * width * listing.groups * listing.per_group
    index = np.empty(listing.samples * steps * events + listing.per_group, np.int32)
    first = np.empty(listing.samples * listing.groups * steps * pixels + 1, np.int32)
    runs = np.empty(3 * windows.row.shape[1] * windows.column_start.shape[1], np.int64)
    # a block may be wider than what is left of its part: what it writes there is zeros or is written over
    return index, first, runs, np.empty(steps * rows.stride + 64, rows.bias.dtype)


@njit(cache=True, nogil=True)
def _list_events(bits, start, stop, listing, index, first):  # type: ignore[no-untyped-def]
    """The events by sample, group, step, pixel, channel; first[pixel] is where a pixel's begin."""
    steps, samples, height, width, n_bytes = bits.shape
    flat = bits.reshape(-1)
    order = np.zeros(-(-len(listing.row) // 16) * 2, np.uint8)
    count = 0
    place = 0
    for b in range(start, stop):
        for group in range(listing.groups):
            for t in range(steps):
                byte = (t * samples + b) * height * width * n_bytes
                if len(listing.first) > 0:
                    first[place] = count
                    place += 1
                    count = _list_in_order(flat, byte, n_bytes, listing, order, index, count)
                    continue
                for _ in range(height):
                    for x in range(width):
                        first[place] = count
                        place += 1
                        if listing.groups == 1:
                            count = list_pixel(flat, byte, n_bytes, listing.offset[x], index, count)
                        else:
                            count = _list_group(flat, byte, group, listing, listing.offset[x], index, count)
                        byte += n_bytes
    first[place] = count


@njit(cache=True, nogil=True)
def _list_group(bits, byte, group, listing, base, index, count):  # type: ignore[no-untyped-def]
    """The spikes of one pixel in one group of channels."""
    channel = group * listing.per_group
    for c in range(channel, channel + listing.per_group):
        if bits[byte + c // 8] >> (c % 8) & 1:
            index[count] = base + c - channel
            count += 1
    return count


@njit(cache=True, nogil=True)
def _list_in_order(bits, byte, n_bytes, listing, order, index, count):  # type: ignore[no-untyped-def]
    """The weight rows that a map's spikes meet, in the order of places: sorted by setting bits and reading them again."""
    pixels = len(listing.first) - 1
    spikes = index[count:]  # room for the channels of a pixel, before anything is written there for good
    for pixel in range(pixels):
        found = list_pixel(bits, byte + pixel * n_bytes, n_bytes, 0, spikes, 0)
        for i in range(found):
            for r in range(listing.first[pixel], listing.first[pixel + 1]):
                place = spikes[i] * listing.per_channel + listing.rank[r]
                order[place >> 3] |= np.uint8(1 << (place & 7))
    begin = count
    for byte in range(0, len(order), 2):
        count = list_word(word_of_2(order, byte), 8 * byte, index, count)
    order[:] = 0
    for i in range(begin, count):
        index[i] = listing.row[index[i]]
    return count


@njit(cache=True, nogil=True)
def _runs(windows, width, oy, ox, runs):  # type: ignore[no-untyped-def]
    """The runs of one output pixel: (first pixel, behind the last pixel, weight row), as many as are returned."""
    n_runs = 0
    for i in range(windows.row.shape[1]):
        y = windows.row[oy, i]
        if y < 0:
            continue
        for j in range(windows.column_start.shape[1]):
            start, stop = windows.column_start[ox, j], windows.column_stop[ox, j]
            if start < stop:
                runs[3 * n_runs] = y * width + start
                runs[3 * n_runs + 1] = y * width + stop
                runs[3 * n_runs + 2] = windows.row_tap[oy, i] + windows.column_tap[ox, j]
                n_runs += 1
    return n_runs


@njit(cache=True, nogil=True)
def _sum_part(steps, sample, part, rows, index, first, runs, n_runs, groups, current):  # type: ignore[no-untyped-def]
    """Sums of one output pixel at every step, all blocks of a part: current[t * rows.stride ..]."""
    pixels = (len(first) - 1) // groups
    pixels //= steps
    for block in range(part[0], part[1]):
        group, output, wide, place = rows.blocks[block]
        at = output - part[2]
        shift = (sample * groups + group) * steps * pixels
        for t in range(steps):
            if wide == 64:
                sum_64(current, at + t * rows.stride, rows.weight, place, index, first, shift + t * pixels, runs, n_runs)
            elif wide == 32:
                sum_32(current, at + t * rows.stride, rows.weight, place, index, first, shift + t * pixels, runs, n_runs)
            else:
                sum_16(current, at + t * rows.stride, rows.weight, place, index, first, shift + t * pixels, runs, n_runs)


@njit(cache=True, nogil=True)
def _fire_part(steps, current, at, apart, bias, part, v, fired, to, words, word, numbers, choices):  # type: ignore[no-untyped-def]
    """All steps of the neurons of one pixel and part, sixteen at a time."""
    between_steps = words.shape[1] * words.shape[2] * words.shape[3] * words.shape[4]
    flat = words.reshape(-1)
    for channel in range(part[2], part[3], LANES):
        k = channel - part[2]
        valid = (1 << min(LANES, part[3] - channel)) - 1
        fire(
            steps, current, at + k, apart, bias, channel, v, fired, to + k, flat, word + channel // LANES, between_steps,
            valid, numbers, choices,
        )  # fmt: skip


@njit(cache=True, nogil=True)
def _write_line(counts, residual, b, oy, part, fired, v, stride):  # type: ignore[no-untyped-def]
    """From channels last in the buffers to channels first."""
    for o in range(part[2], part[3]):
        for ox in range(counts.shape[3]):
            counts[b, o, oy, ox] = fired[ox * stride + o - part[2]]
            residual[b, o, oy, ox] = v[ox * stride + o - part[2]]
