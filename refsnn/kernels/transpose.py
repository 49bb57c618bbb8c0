"""From channels last to channels first, sixteen pixels and sixteen channels at a time, in registers."""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

from refsnn.kernels.vectors import Arguments, load, store, widened

TILE = 16


def _in_registers() -> Callable[..., Any]:
    @intrinsic
    def transpose(typing, source, from_, target, to):
        """target[to[0] + c * to[1] + p] = source[from_[0] + p * from_[1] + c] for p, c = 0 .. 15."""
        signature = types.void(source, from_, target, to)

        def generate(context, builder, _, values):
            given = Arguments(context, builder, signature, values)
            read, written = given.pointer(0), given.pointer(2)
            (start, per_pixel), (place, per_channel) = given.numbers(1), given.numbers(3)
            integer = start.type
            row = ir.VectorType(context.get_value_type(source.dtype), TILE)
            wide = ir.VectorType(context.get_value_type(target.dtype), TILE)
            lines = [
                load(builder, read, builder.add(start, builder.mul(per_pixel, integer(p))), row) for p in range(TILE)
            ]
            # blocks of 8 by 8 change places across the diagonal, then blocks of 4, 2, 1 inside them
            for size in (8, 4, 2, 1):
                for p in range(TILE):
                    if p & size == 0:
                        lines[p], lines[p + size] = _exchanged(builder, lines[p], lines[p + size], size)
            for c, line in enumerate(lines):
                at = builder.add(place, builder.mul(per_channel, integer(c)))
                store(builder, widened(builder, line, wide), written, at)
            return context.get_dummy_value()

        return signature, generate

    return transpose


def _exchanged(builder: Any, upper: Any, lower: Any, size: int) -> tuple[Any, Any]:
    """Two rows of blocks after the upper right and the lower left block changed places."""
    left = [lane if lane & size == 0 else TILE + lane - size for lane in range(TILE)]
    right = [lane + size if lane & size == 0 else TILE + lane for lane in range(TILE)]
    masks = (ir.Constant(ir.VectorType(ir.IntType(32), TILE), lanes) for lanes in (left, right))
    above, below = (builder.shuffle_vector(upper, lower, mask) for mask in masks)
    return above, below


def _in_python() -> Callable[..., Any]:
    """The same without a compiler, for runs with NUMBA_DISABLE_JIT=1."""

    def transpose(source, from_, target, to):
        for p in range(TILE):
            for c in range(TILE):
                target[to[0] + c * to[1] + p] = source[from_[0] + p * from_[1] + c]

    return transpose


transpose = _in_python() if getattr(config, "DISABLE_JIT", 0) else _in_registers()
