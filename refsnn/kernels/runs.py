"""The inner loop on spikes: weight rows of events added in their order, side by side for 16, 32 or 64 outputs.

    sum[o] = 0 + weight[base + index[e], o] + ...   for the events e of each run, run after run, o = 0 .. outputs-1

Every event of a source has the same value, so the rows come multiplied already and rounded: an addition per event and output is
left, and the sums stay in registers through all runs.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

from refsnn.kernels.vectors import Arguments, element, load, loop, store, widened

OUTPUTS = (64, 32, 16)  # how many outputs one call adds up; 64 floats fill four registers of AVX-512


def _in_registers(outputs: int) -> Callable[..., Any]:
    @intrinsic
    def sum_runs(typing, total, to, weight, place, index, first, pixel, runs, count):
        """The sums of one output pixel at every step.

        to: how many steps, where the sums of the first go, how far it is to the next
        place: where the block's weight rows begin
        pixel: the input's first pixel (in `first`) at the first step, how far it is to the next step
        runs: first pixel, pixel behind the last, weight row `base`, for each of `count` runs
        """
        signature = types.void(total, to, weight, place, index, first, pixel, runs, count)

        def generate(context, builder, _, values):
            given = Arguments(context, builder, signature, values)
            totals, weights, indices, firsts, table = (given.pointer(position) for position in (0, 2, 4, 5, 7))
            (steps, at, apart), (pixel, pixels) = given.numbers(1), given.numbers(6)
            place, count = given.number(3), given.number(8)
            integer = at.type
            number = context.get_value_type(total.dtype)
            sums = ir.VectorType(number, outputs)
            row = ir.VectorType(context.get_value_type(weight.dtype), outputs)
            add = builder.add if isinstance(number, ir.IntType) else builder.fadd

            def step(t, _):
                shift = builder.add(pixel, builder.mul(t, pixels))

                def run(r, carried):
                    entry = builder.mul(r, integer(3))
                    begin, end, base = (element(builder, table, builder.add(entry, integer(k))) for k in range(3))
                    start, stop = (
                        builder.sext(element(builder, firsts, builder.add(shift, edge)), integer)
                        for edge in (begin, end)
                    )
                    origin = builder.gep(weights, [builder.add(place, builder.mul(base, integer(outputs)))])

                    def event(e, carried):
                        row_at = builder.mul(builder.sext(element(builder, indices, e), integer), integer(outputs))
                        return [add(carried[0], widened(builder, load(builder, origin, row_at, row), sums))]

                    return loop(builder, start, stop, carried, event)

                zero = ir.Constant(sums, [0] * outputs)
                (result,) = loop(builder, integer(0), count, [zero], run)
                store(builder, result, totals, builder.add(at, builder.mul(t, apart)))
                return []

            loop(builder, integer(0), steps, [], step)
            return context.get_dummy_value()

        return signature, generate

    return sum_runs


def _in_python(outputs: int) -> Callable[..., Any]:
    """The same loop without a compiler, for runs with NUMBA_DISABLE_JIT=1."""

    def sum_runs(total, to, weight, place, index, first, pixel, runs, count):
        for t in range(to[0]):
            shift, sums = pixel[0] + t * pixel[1], np.zeros(outputs, total.dtype)
            for r in range(count):
                begin, end, base = runs[3 * r : 3 * r + 3]
                for e in range(first[shift + begin], first[shift + end]):
                    row = place + (base + index[e]) * outputs
                    sums += weight[row : row + outputs]
            total[to[1] + t * to[2] : to[1] + t * to[2] + outputs] = sums

    return sum_runs


_loop = _in_python if getattr(config, "DISABLE_JIT", 0) else _in_registers
sum_64, sum_32, sum_16 = (_loop(outputs) for outputs in OUTPUTS)
