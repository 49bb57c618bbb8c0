"""Bits of a word: reading it from bytes, counting the bits that are set, spelling out where they are."""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

from refsnn.kernels.vectors import Arguments, load, splat, store


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

    def spell(index: Any, at: int, base: int, positions: Any, byte: int) -> None:
        index[at : at + 8] = base + positions[8 * byte : 8 * byte + 8].astype(np.int64)

else:
    word_of_8, word_of_4, word_of_2 = (_word_in_registers(n_bytes) for n_bytes in (8, 4, 2))
    ones, spell = _ones_in_registers(), _spell_in_registers()
