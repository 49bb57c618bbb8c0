"""From bits to lists of events: whose weight rows are added, in the order of the sums."""

from typing import Any, NamedTuple

import numpy as np

from refsnn.kernels.bits import SPELLED, list_row
from refsnn.kernels.compiling import compiled

Array = np.ndarray[Any, Any]


class Listing(NamedTuple):
    """How bits become events: index = offset[x] + channel in its group; or, where `first` is not empty, by places.

    Flatten puts channels outermost and bits have them innermost: channel c of pixel p has the places
    c * per_channel + rank[first[p] .. first[p + 1] - 1] in the order, and place i meets weight row row[i].
    """

    offset: Array
    groups: int
    per_group: int  # channels
    first: Array
    rank: Array
    row: Array
    per_channel: int
    samples: int  # so many are listed before their rows are walked


@compiled
def buffers(bits, listing):  # type: ignore[no-untyped-def]
    """Room for event indices, and for where the events of each pixel begin."""
    steps, _, height, width, n_bytes = bits.shape
    if len(listing.first) > 0:
        pixels, events = 1, len(listing.row)
    else:
        pixels, events = height * width, height * width * listing.groups * listing.per_group
    # the spikes of one map are written behind the events before they are put in order
    index = np.empty(listing.samples * steps * events + height * width * n_bytes * 8 + SPELLED, np.int32)
    return index, np.empty(listing.samples * listing.groups * steps * pixels + 1, np.int32), pixels


@compiled
def list_events(bits, start, stop, listing, index, first):  # type: ignore[no-untyped-def]
    """The events of some samples by sample, group, step, pixel, channel; first[pixel] is where a pixel's begin."""
    steps, samples, height, width, n_bytes = bits.shape
    flat = bits.reshape(-1)
    offset, order = listing.offset, np.zeros(-(-len(listing.row) // 16) * 2, np.uint8)
    begins = np.empty(len(listing.first), np.int32)
    count = 0
    place = 0
    for b in range(start, stop):
        for group in range(listing.groups):
            for t in range(steps):
                byte = (t * samples + b) * height * width * n_bytes
                if len(listing.first) > 0:
                    first[place] = count
                    place += 1
                    count = _list_in_order(flat, byte, n_bytes, listing, order, begins, index, count)
                    continue
                for _ in range(height):
                    if listing.groups == 1:
                        count = list_row(flat, byte, n_bytes, offset, index, count, first, place)
                    else:
                        count = _list_group(flat, byte, n_bytes, offset, index, count, first, place, group, listing)
                    byte += width * n_bytes
                    place += width
    first[place] = count


@compiled
def _list_group(bits, byte, n_bytes, offset, index, count, first, place, group, listing):  # type: ignore[no-untyped-def]
    """As list_row, for the spikes in one group of channels."""
    begin = group * listing.per_group
    for x in range(len(offset)):
        first[place + x] = count
        for c in range(begin, begin + listing.per_group):
            if bits[byte + c // 8] >> (c % 8) & 1:
                index[count] = offset[x] + c - begin
                count += 1
        byte += n_bytes
    return count


@compiled
def _list_in_order(bits, byte, n_bytes, listing, order, begins, index, count):  # type: ignore[no-untyped-def]
    """The weight rows that a map's spikes meet, in the order of places: sorted by setting bits and reading them again."""
    first, rank, row, per_channel = listing.first, listing.rank, listing.row, listing.per_channel
    begins[-1] = list_row(bits, byte, n_bytes, listing.offset, index, count, begins, 0)
    for pixel in range(len(first) - 1):
        for i in range(begins[pixel], begins[pixel + 1]):
            for r in range(first[pixel], first[pixel + 1]):
                place = index[i] * per_channel + rank[r]
                order[place >> 3] |= np.uint8(1 << (place & 7))
    stop = list_row(order, 0, len(order), listing.offset[:1], index, count, begins, 0)
    order[:] = 0
    for i in range(count, stop):
        index[i] = row[index[i]]
    return stop
