"""The inner loop of a 3 x 3 convolution with stride 1: each event is added to the nine outputs that it reaches.

Events go by rows, columns, channels, and every output meets them in its own order (ky, kx, c). What a row of the input adds:

    lines[ky][x + 2 - kx, o] += weight[c, ky, kx, o]    for the events (x, c) of the row in their order

The sums of three columns of the three lines stay in registers while the events of a column go by.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

from refsnn.kernels.vectors import Arguments, element, load, loop, store, widened

OUTPUTS = (64, 32, 16)  # that one call can serve
SUMS_BYTES = 128  # of sums side by side, at most: nine times as many fill 18 of the 32 registers of AVX-512
TAPS = 3  # in each direction


def _in_registers(outputs: int) -> Callable[..., Any]:
    @intrinsic
    def spread_row(typing, lines, to, weight, place, index, first, run):
        """Adds the events of one row of the input to the lines that they reach.

        to: where the sums for kernel row 0 come from, where those for kernel rows 0, 1, 2 go (and come from), each a line of
            columns + 2 times so many outputs
        place: where the block's weight rows begin
        run: the row's first pixel (in `first`), pixels in a column, columns
        """
        signature = types.void(lines, to, weight, place, index, first, run)

        def generate(context, builder, _, values):
            if outputs * lines.dtype.bitwidth // 8 > SUMS_BYTES:
                return context.get_dummy_value()  # no plan asks for it
            given = Arguments(context, builder, signature, values)
            totals, weights, indices, firsts = (given.pointer(k) for k in (0, 2, 4, 5))
            (source, *places), place = given.numbers(1), given.number(3)
            pixel, per_column, columns = given.numbers(6)
            sources = [source, *places[1:]]
            integer = place.type
            number = context.get_value_type(lines.dtype)
            sums = ir.VectorType(number, outputs)
            row = ir.VectorType(context.get_value_type(weight.dtype), outputs)
            add = builder.add if isinstance(number, ir.IntType) else builder.fadd
            origin = builder.gep(weights, [place])

            def at(line, column, ahead):
                column = builder.add(column, integer(ahead))
                return builder.add(line, builder.mul(column, integer(outputs)))

            def column(x, carried):
                # carried[2 * ky + j] is column x + j of line ky; the third column enters here
                before = []
                for ky in range(TAPS):
                    before += [*carried[2 * ky : 2 * ky + 2], load(builder, totals, at(sources[ky], x, 2), sums)]
                begin = builder.add(pixel, builder.mul(x, per_column))
                start = builder.sext(element(builder, firsts, begin), integer)
                stop = builder.sext(element(builder, firsts, builder.add(begin, per_column)), integer)

                def event(e, carried):
                    channel = builder.sext(element(builder, indices, e), integer)
                    rows = builder.mul(channel, integer(TAPS * TAPS * outputs))
                    after = []
                    for ky in range(TAPS):
                        for j in range(TAPS):
                            tap = builder.add(rows, integer((ky * TAPS + TAPS - 1 - j) * outputs))
                            loaded = widened(builder, load(builder, origin, tap, row), sums)
                            after.append(add(carried[TAPS * ky + j], loaded))
                    return after

                after = loop(builder, start, stop, before, event)
                for ky in range(TAPS):
                    store(builder, after[TAPS * ky], totals, at(places[ky], x, 0))
                return [after[TAPS * ky + j] for ky in range(TAPS) for j in (1, 2)]

            zero = integer(0)
            carried = [load(builder, totals, at(sources[ky], zero, j), sums) for ky in range(TAPS) for j in (0, 1)]
            carried = loop(builder, zero, columns, carried, column)
            for ky in range(TAPS):
                for j in (0, 1):
                    store(builder, carried[2 * ky + j], totals, at(places[ky], columns, j))
            return context.get_dummy_value()

        return signature, generate

    return spread_row


def _in_python(outputs: int) -> Callable[..., Any]:
    """The same loop without a compiler, for runs with NUMBA_DISABLE_JIT=1."""

    def spread_row(lines, to, weight, place, index, first, run):
        pixel, per_column, columns = run
        length = (columns + 2) * outputs
        lines[to[1] : to[1] + length] = lines[to[0] : to[0] + length]
        for x in range(columns):
            begin = pixel + x * per_column
            for e in range(first[begin], first[begin + per_column]):
                for ky, line in enumerate(to[1:]):
                    for kx in range(TAPS):
                        at = line + (x + TAPS - 1 - kx) * outputs
                        row = place + ((index[e] * TAPS + ky) * TAPS + kx) * outputs
                        lines[at : at + outputs] += weight[row : row + outputs]

    return spread_row


_loop = _in_python if getattr(config, "DISABLE_JIT", 0) else _in_registers
spread_64, spread_32, spread_16 = (_loop(outputs) for outputs in OUTPUTS)
