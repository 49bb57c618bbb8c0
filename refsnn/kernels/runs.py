"""The inner loop of every weight layer: weight rows of events added in their order, side by side for many outputs.

    sum[o] = 0 + weight[base + index[e], o] * value[e] + ...   for the events e of each run, run after run, o = 0 .. outputs-1

The sums of 16, 32 or 64 outputs stay in registers through all runs. Each product is rounded before it is added: the
instructions carry no flag that would let LLVM contract or reorder them. Spikes of one source are all worth the same, so their
rows come multiplied already and rounded; then there is no `value`, and an addition per event and output is left.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

from refsnn.kernels.compiling import compiled
from refsnn.kernels.vectors import Arguments, element, load, loop, splat, store, widened

OUTPUTS = (64, 32, 16)  # how many outputs one call adds up; 64 floats fill four registers of AVX-512


def _in_registers(outputs: int) -> Callable[..., Any]:
    @intrinsic
    def sum_runs(typing, size, total, to, weight, place, events, from_, runs):
        """The sums of a line of outputs at every step.

        size: pixels in the line, steps, runs of a pixel
        to: where the sums of the first pixel and step go, how far it is to the next pixel and to the next step
        place: where the block's weight rows begin
        events: index, value or None, and `first`: where the events of each of the input's pixels begin
        from_: the input's first pixel (in `first`) at the first step, how far it is to the next step
        runs: first pixel, pixel behind the last, weight row `base`, for each run of each pixel
        """
        signature = types.void(size, total, to, weight, place, events, from_, runs)

        def generate(context, builder, _, values):
            given = Arguments(context, builder, signature, values)
            totals, weights, table = (given.pointer(position) for position in (1, 3, 7))
            indices, worths, firsts = given.pointers(5)
            (pixels, steps, count), (at, per_pixel, per_step) = given.numbers(0), given.numbers(2)
            place, (pixel, per_map) = given.number(4), given.numbers(6)
            integer = at.type
            number = context.get_value_type(total.dtype)
            sums = ir.VectorType(number, outputs)
            row = ir.VectorType(context.get_value_type(weight.dtype), outputs)
            add = builder.add if isinstance(number, ir.IntType) else builder.fadd

            def output(p, _):
                def step(t, _):
                    shift = builder.add(pixel, builder.mul(t, per_map))

                    def run(r, carried):
                        entry = builder.mul(builder.add(builder.mul(p, count), r), integer(3))
                        begin, end, base = (element(builder, table, builder.add(entry, integer(k))) for k in range(3))
                        start, stop = (
                            builder.sext(element(builder, firsts, builder.add(shift, edge)), integer)
                            for edge in (begin, end)
                        )
                        origin = builder.gep(weights, [builder.add(place, builder.mul(base, integer(outputs)))])

                        def event(e, carried):
                            row_at = builder.mul(builder.sext(element(builder, indices, e), integer), integer(outputs))
                            term = widened(builder, load(builder, origin, row_at, row), sums)
                            if worths is not None:
                                term = builder.fmul(term, splat(builder, element(builder, worths, e), outputs))
                            return [add(carried[0], term)]

                        return loop(builder, start, stop, carried, event)

                    (result,) = loop(builder, integer(0), count, [ir.Constant(sums, [0] * outputs)], run)
                    store(builder, result, totals, builder.add(begins, builder.mul(t, per_step)))
                    return []

                begins = builder.add(at, builder.mul(p, per_pixel))
                return loop(builder, integer(0), steps, [], step)

            loop(builder, integer(0), pixels, [], output)
            return context.get_dummy_value()

        return signature, generate

    return sum_runs


def _in_python(outputs: int) -> Callable[..., Any]:
    """The same loop without a compiler, for runs with NUMBA_DISABLE_JIT=1."""

    def sum_runs(size, total, to, weight, place, events, from_, runs):
        (pixels, steps, count), (index, value, first) = size, events
        for p, t in np.ndindex(pixels, steps):
            shift, sums = from_[0] + t * from_[1], np.zeros(outputs, total.dtype)
            for r in range(p * count, (p + 1) * count):
                begin, end, base = runs[3 * r : 3 * r + 3]
                for e in range(first[shift + begin], first[shift + end]):
                    row = place + (base + index[e]) * outputs
                    sums += weight[row : row + outputs] * (1 if value is None else value[e])
            at = to[0] + p * to[1] + t * to[2]
            total[at : at + outputs] = sums

    return sum_runs


_loop = _in_python if getattr(config, "DISABLE_JIT", 0) else _in_registers
sum_64, sum_32, sum_16 = (_loop(outputs) for outputs in OUTPUTS)


@compiled
def line_runs(windows, width, oy, runs):
    """Writes the runs of a line of outputs that read a map so wide; returns how many each has, some of them perhaps empty."""
    count = 0
    for i in range(windows.row.shape[1]):
        count += windows.row[oy, i] >= 0
    columns, segments = windows.column_start.shape
    at = 0
    for ox in range(columns):
        for i in range(windows.row.shape[1]):
            y = windows.row[oy, i]
            if y >= 0:
                for j in range(segments):
                    runs[at] = y * width + max(windows.column_start[ox, j], 0)
                    runs[at + 1] = y * width + max(windows.column_stop[ox, j], 0)
                    runs[at + 2] = windows.row_tap[oy, i] + windows.column_tap[ox, j]
                    at += 3
    return count * segments


@compiled
def sum_part(size, part, rows, events, shift, pixels, runs, current):
    """Sums of a line of outputs, all blocks of a part: current[(ox * steps + t) * rows.stride ..].

    shift: where the sample begins in events' `first`, which goes by group, step and `pixels` of a map
    """
    _, steps, _ = size
    for block in range(part[0], part[1]):
        group, wide, place = rows.blocks[block, 0], rows.blocks[block, 2], rows.blocks[block, 3]
        to = rows.blocks[block, 1] - part[2], steps * rows.stride, rows.stride
        from_ = shift + group * steps * pixels, pixels
        if wide == 64:
            sum_64(size, current, to, rows.weight, place, events, from_, runs)
        elif wide == 32:
            sum_32(size, current, to, rows.weight, place, events, from_, runs)
        else:
            sum_16(size, current, to, rows.weight, place, events, from_, runs)
