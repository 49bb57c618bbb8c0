"""The end of every sum: the bias is added, and the current goes where it belongs."""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

from refsnn.kernels.rows import LANES
from refsnn.kernels.vectors import Arguments, element, load, loop, store


def _in_registers() -> Callable[..., Any]:
    @intrinsic
    def add_bias(typing, size, sums, from_, bias, result, to):
        """Sum + bias for so many outputs of each pixel at every step.

        size: pixels, steps, outputs
        from_: where the sums of the first pixel and step begin, how far it is to the next pixel and to the next step
        to: the same of the result; the bias of the first output
        """
        signature = types.void(size, sums, from_, bias, result, to)

        def generate(context, builder, _, values):
            given = Arguments(context, builder, signature, values)
            read, biases, written = (given.pointer(k) for k in (1, 3, 4))
            (pixels, steps, outputs), places = given.numbers(0), (given.numbers(2), given.numbers(5)[:3])
            channel = given.numbers(5)[3]
            integer = steps.type
            number = context.get_value_type(sums.dtype)
            vector = ir.VectorType(number, LANES)
            add = builder.add if isinstance(number, ir.IntType) else builder.fadd
            vectors = builder.sdiv(outputs, integer(LANES))

            def pixel(p, _):
                def step(t, _):
                    at, place = (
                        builder.add(builder.add(begin, builder.mul(p, per_pixel)), builder.mul(t, per_step))
                        for begin, per_pixel, per_step in places
                    )

                    def many(k, _):
                        o = builder.mul(k, integer(LANES))
                        total = load(builder, read, builder.add(at, o), vector)
                        total = add(total, load(builder, biases, builder.add(channel, o), vector))
                        store(builder, total, written, builder.add(place, o))
                        return []

                    def one(o, _):
                        total = element(builder, read, builder.add(at, o))
                        total = add(total, element(builder, biases, builder.add(channel, o)))
                        store(builder, total, written, builder.add(place, o))
                        return []

                    loop(builder, integer(0), vectors, [], many)
                    return loop(builder, builder.mul(vectors, integer(LANES)), outputs, [], one)

                return loop(builder, integer(0), steps, [], step)

            loop(builder, integer(0), pixels, [], pixel)
            return context.get_dummy_value()

        return signature, generate

    return add_bias


def _in_python() -> Callable[..., Any]:
    """The same loops without a compiler, for runs with NUMBA_DISABLE_JIT=1."""

    def add_bias(size, sums, from_, bias, result, to):
        for p, t in np.ndindex(*size[:2]):
            at, place = (begin[0] + p * begin[1] + t * begin[2] for begin in (from_, to))
            result[place : place + size[2]] = sums[at : at + size[2]] + bias[to[3] : to[3] + size[2]]

    return add_bias


add_bias = _in_python() if getattr(config, "DISABLE_JIT", 0) else _in_registers()
