"""Spikes as bits, and the lists of events made from them.

uint8[T, B, H, W, bytes]: the spikes of a pixel's channels lie side by side, channel c in bit c % 8 of byte c // 8, filled up
with zeros to a multiple of sixteen channels. A signal is a map of one row; features are the channels of a map of one pixel.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from refsnn.kernels.compiling import compiled
from refsnn.kernels.fan_in import as_map
from refsnn.kernels.words import ones, spell, word_of_2, word_of_4, word_of_8

Array = np.ndarray[Any, Any]
# uint8[256 * 8]: for each byte the positions of its set bits in ascending order, then zeros
POSITIONS = np.array([[*[k for k in range(8) if byte >> k & 1], *[0] * 8][:8] for byte in range(256)], np.uint8).ravel()
SPELLED = 8  # numbers that list_row may write behind the last event


def bytes_per_pixel(channels: int) -> int:
    return 2 * -(-channels // 16)


def pack(spikes: Array) -> Array:
    """The bits of spikes bool[T, B, *shape]."""
    channels, height, width = as_map(spikes.shape[2:])
    last = np.moveaxis(spikes.reshape(*spikes.shape[:2], channels, height, width), 2, -1)
    packed = np.zeros((*last.shape[:-1], bytes_per_pixel(channels)), np.uint8)
    packed[..., : -(-channels // 8)] = np.packbits(last, axis=-1, bitorder="little")
    return packed


def unpack(bits: Array, shape: tuple[int, ...]) -> Array:
    """The spikes bool[T, B, *shape] of bits."""
    return np.ascontiguousarray(np.moveaxis(unpack_channels_last(bits, shape), -1, 2)).reshape(*bits.shape[:2], *shape)


def unpack_channels_last(bits: Array, shape: tuple[int, ...]) -> Array:
    """The spikes bool[T, B, H, W, channels] of bits."""
    return np.unpackbits(bits, axis=-1, count=shape[0], bitorder="little").view(np.bool_)


def count(bits: Array, per_pixel: Array) -> Array:
    """Sum over spikes of per_pixel[y, x] (int64): int64[T, B]. With ones that is the number of spikes."""
    totals = _count(np.ascontiguousarray(bits).ravel(), bits.shape[-1], np.ascontiguousarray(per_pixel).ravel())
    return totals.reshape(bits.shape[:2])


@dataclass(frozen=True, eq=False)
class Bits:
    """Bits to be looked at one spike at a time: bits[t, n, *index]."""

    bits: Array

    def __len__(self) -> int:
        return len(self.bits)

    def __getitem__(self, place: tuple[int, ...]) -> int:
        t, n, channel, *pixel = place
        y, x = (0, 0, *pixel)[-2:]
        return int(self.bits[t, n, y, x, channel // 8]) >> channel % 8 & 1


def set_train(bits: Array, n: int, index: tuple[int, ...], train: Array) -> bool:
    """Makes bool[T] the spikes of one neuron; whether that changed any."""
    channel, *pixel = index
    y, x = (0, 0, *pixel)[-2:]
    before = bits[:, n, y, x, channel // 8]
    mask = np.uint8(1 << channel % 8)
    after = np.where(train, before | mask, before & ~mask)
    changed = bool((after != before).any())
    bits[:, n, y, x, channel // 8] = after
    return changed


@compiled
def _count(bits, n_bytes, per_pixel):  # type: ignore[no-untyped-def]
    totals = np.zeros(len(bits) // (n_bytes * len(per_pixel)), np.int64)
    for i in range(len(totals)):
        total = 0
        for pixel in range(len(per_pixel)):
            start = (i * len(per_pixel) + pixel) * n_bytes
            spikes = 0
            wide = n_bytes // 8 * 8
            for byte in range(start, start + wide, 8):
                spikes += ones(word_of_8(bits, byte))
            for byte in range(start + wide, start + n_bytes, 2):
                spikes += ones(word_of_2(bits, byte))
            total += spikes * per_pixel[pixel]
        totals[i] = total
    return totals


@compiled
def list_row(bits, byte, n_bytes, offset, index, count, first, place):  # type: ignore[no-untyped-def]
    """Writes offset[x] + channel of each spike of a row of pixels, and where each pixel's begin; returns how many there are now.

    One function, no smaller ones inside: what Numba does for arrays in a call takes longer than a pixel.
    """
    for x in range(len(offset)):
        first[place + x] = count
        base = offset[x]
        stop = byte + n_bytes
        while byte < stop:
            if byte + 8 <= stop:
                word, read = word_of_8(bits, byte), 8
            elif byte + 4 <= stop:
                word, read = word_of_4(bits, byte), 4
            else:
                word, read = word_of_2(bits, byte), 2
            if word != 0:
                for k in range(read):
                    channels = word >> 8 * k & 255
                    spell(index, count, base + 8 * k, POSITIONS, channels)
                    count += ones(channels)
            byte += read
            base += 8 * read
    return count
