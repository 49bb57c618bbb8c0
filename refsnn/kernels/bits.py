"""Spikes as bits, and the lists of events made from them.

uint8[T, B, H, W, bytes]: the spikes of a pixel's channels lie side by side, channel c in bit c % 8 of byte c // 8, filled up
with zeros to a multiple of sixteen channels. A signal is a map of one row; features are the channels of a map of one pixel.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, njit, types
from numba.extending import intrinsic

from refsnn.kernels.fan_in import as_map
from refsnn.kernels.vectors import Arguments, load, splat, store

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
    spikes = np.unpackbits(bits, axis=-1, count=shape[0], bitorder="little").view(np.bool_)
    return np.ascontiguousarray(np.moveaxis(spikes, -1, 2)).reshape(*bits.shape[:2], *shape)


def count(bits: Array, per_pixel: Array) -> Array:
    """Sum over spikes of per_pixel[y, x] (int64): int64[T, B]. With ones that is the number of spikes."""
    steps, samples, height, width, n_bytes = bits.shape
    totals = _count(np.ascontiguousarray(bits).ravel(), n_bytes, np.ascontiguousarray(per_pixel).ravel())
    return totals.reshape(steps, samples)


@njit(cache=True, nogil=True)
def _count(bits, n_bytes, per_pixel):  # type: ignore[no-untyped-def]
    totals = np.zeros(len(bits) // (n_bytes * len(per_pixel)), np.int64)
    for i in range(len(totals)):
        total = 0
        for pixel in range(len(per_pixel)):
            start = (i * len(per_pixel) + pixel) * n_bytes
            spikes = 0
            for byte in range(start, start + n_bytes, 2):
                spikes += ones(word_of_2(bits, byte))
            total += spikes * per_pixel[pixel]
        totals[i] = total
    return totals


def _word_in_registers(n_bytes: int) -> Callable[..., Any]:
    @intrinsic
    def word(typing, bits, byte):
        signature = types.int64(bits, byte)

        def generate(context, builder, _, values):
            given = Arguments(context, builder, signature, values)
            kind = ir.IntType(8 * n_bytes)
            loaded = builder.load(builder.bitcast(builder.gep(given.pointer(0), [given.number(1)]), kind.as_pointer()))
            loaded.align = 1
            return loaded if n_bytes == 8 else builder.zext(loaded, ir.IntType(64))

        return signature, generate

    return word


def _ones_in_registers() -> Callable[..., Any]:
    @intrinsic
    def ones(typing, word):
        return types.int64(types.int64), lambda context, builder, signature, values: builder.ctpop(values[0])

    return ones


def _spell_in_registers() -> Callable[..., Any]:
    @intrinsic
    def spell(typing, index, at, base, positions, byte):
        """index[at ..] = base + position of each set bit of the byte; writes eight numbers whatever the byte."""
        signature = types.void(index, at, base, positions, byte)

        def generate(context, builder, _, values):
            given = Arguments(context, builder, signature, values)
            at, base, byte = (given.number(k) for k in (1, 2, 4))
            place = builder.mul(byte, byte.type(8))
            found = load(builder, given.pointer(3), place, ir.VectorType(ir.IntType(8), 8))
            wide = builder.zext(found, ir.VectorType(ir.IntType(32), 8))
            shifted = builder.add(wide, splat(builder, builder.trunc(base, ir.IntType(32)), 8))
            store(builder, shifted, given.pointer(0), at)
            return context.get_dummy_value()

        return signature, generate

    return spell


def _word_in_python(n_bytes: int) -> Callable[..., Any]:
    return lambda bits, byte: int.from_bytes(bits[byte : byte + n_bytes].tobytes(), "little")


if getattr(config, "DISABLE_JIT", 0):
    word_of_8, word_of_4, word_of_2 = (_word_in_python(n_bytes) for n_bytes in (8, 4, 2))

    def ones(word: int) -> int:
        return word.bit_count()

    def spell(index, at, base, positions, byte):
        index[at : at + 8] = base + positions[8 * byte : 8 * byte + 8].astype(np.int64)

else:
    word_of_8, word_of_4, word_of_2 = (_word_in_registers(n_bytes) for n_bytes in (8, 4, 2))
    ones, spell = _ones_in_registers(), _spell_in_registers()


@njit(cache=True, nogil=True)
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
