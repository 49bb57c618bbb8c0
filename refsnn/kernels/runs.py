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

from refsnn.kernels.vectors import Arguments, element, load, loop, store

OUTPUTS = (64, 32, 16)  # how many outputs one call adds up; 64 floats fill four registers of AVX-512


def _in_registers(outputs: int) -> Callable[..., Any]:
    @intrinsic
    def sum_runs(typing, total, at, weight, place, index, first, shift, runs, count):
        signature = types.void(total, at, weight, place, index, first, shift, runs, count)

        def generate(context, builder, _, values):
            given = Arguments(context, builder, signature, values)
            totals, weights, indices, firsts, table = (given.pointer(position) for position in (0, 2, 4, 5, 7))
            at, place, shift, count = (given.number(position) for position in (1, 3, 6, 8))
            number = context.get_value_type(total.dtype)
            sums = ir.VectorType(number, outputs)
            row = ir.VectorType(context.get_value_type(weight.dtype), outputs)
            add = builder.add if isinstance(number, ir.IntType) else builder.fadd
            wide = ir.Constant(at.type, outputs)

            def added(r, carried):
                begin, end, base = (
                    element(builder, table, builder.add(builder.mul(r, ir.Constant(r.type, 3)), ir.Constant(r.type, k)))
                    for k in range(3)
                )
                start, stop = (
                    builder.sext(element(builder, firsts, builder.add(shift, pixel)), at.type) for pixel in (begin, end)
                )
                origin = builder.gep(weights, [builder.add(place, builder.mul(base, wide))])

                def event(e, carried):
                    position = builder.mul(builder.sext(element(builder, indices, e), at.type), wide)
                    loaded = load(builder, origin, position, row)
                    if loaded.type != sums:
                        loaded = builder.sext(loaded, sums)
                    return [add(carried[0], loaded)]

                return loop(builder, start, stop, carried, event)

            zero = ir.Constant(sums, [0] * outputs)
            (result,) = loop(builder, ir.Constant(at.type, 0), count, [zero], added)
            store(builder, result, totals, at)
            return context.get_dummy_value()

        return signature, generate

    return sum_runs


def _in_python(outputs: int) -> Callable[..., Any]:
    """The same loop without a compiler, for runs with NUMBA_DISABLE_JIT=1."""

    def sum_runs(total, at, weight, place, index, first, shift, runs, count):
        sums = np.zeros(outputs, total.dtype)
        for r in range(count):
            begin, end, base = runs[3 * r : 3 * r + 3]
            for e in range(first[shift + begin], first[shift + end]):
                row = place + (base + index[e]) * outputs
                sums += weight[row : row + outputs]
        total[at : at + outputs] = sums

    return sum_runs


_loop = _in_python if getattr(config, "DISABLE_JIT", 0) else _in_registers
sum_64, sum_32, sum_16 = (_loop(outputs) for outputs in OUTPUTS)
