"""Adding weight rows of active inputs, in their order, side by side for many outputs: the inner loop of every weight layer.

    total[o] = total[o] + weight[base + index[e], o] * value[e]   for e = start .. stop-1, in this order, o = 0 .. width-1

The sums of up to eight vectors of 64 bytes stay in registers while the events go by. Each product is rounded before it is
added: the instructions carry no flag that would let LLVM contract or reorder them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, njit, types
from numba.extending import intrinsic

Array = np.ndarray[Any, Any]
VECTOR_BYTES = 64


def lanes_of(dtype: np.dtype[Any]) -> int:
    """Numbers in a vector."""
    return VECTOR_BYTES // dtype.itemsize


def rows(weight: Array) -> Array:
    """The weight rows [inputs, outputs] one after the other, each filled up with zeros to whole vectors."""
    lanes = lanes_of(weight.dtype)
    filled = np.zeros((len(weight), -(-weight.shape[1] // lanes) * lanes), weight.dtype)
    filled[:, : weight.shape[1]] = weight
    return filled.ravel()


def _in_registers(vectors: int) -> Callable[..., Any]:
    """The loop over events for so many vectors."""

    @intrinsic
    def accumulate(typing, total, at, weight, column, width, index, value, start, stop, base):
        signature = types.void(total, at, weight, column, width, index, value, start, stop, base)
        scalar = types.float32 if total.dtype == types.float32 else types.float64
        lanes = VECTOR_BYTES * 8 // scalar.bitwidth

        def generate(context, builder, _, arguments):
            def pointer(position):
                return context.make_array(signature.args[position])(context, builder, arguments[position]).data

            def number(position):
                return context.cast(builder, arguments[position], signature.args[position], types.intp)

            totals, weights, indices, values = (pointer(position) for position in (0, 2, 5, 6))
            at, column, width, start, stop, base = (number(position) for position in (1, 3, 4, 7, 8, 9))
            vector = ir.VectorType(context.get_value_type(scalar), lanes)

            def vector_at(array, place, k):
                element = builder.gep(array, [builder.add(place, ir.Constant(place.type, k * lanes))])
                return builder.bitcast(element, vector.as_pointer())

            def load(array, place, k):
                loaded = builder.load(vector_at(array, place, k))
                loaded.align = scalar.bitwidth // 8  # rows may begin anywhere
                return loaded

            before = [load(totals, at, k) for k in range(vectors)]
            entry = builder.block
            head, body, done = (builder.append_basic_block(name) for name in ("events", "event", "done"))
            builder.branch(head)
            builder.position_at_end(head)
            event = builder.phi(start.type)
            sums = [builder.phi(vector) for _ in range(vectors)]
            builder.cbranch(builder.icmp_signed("<", event, stop), body, done)
            builder.position_at_end(body)
            row = builder.add(base, builder.sext(builder.load(builder.gep(indices, [event])), start.type))
            place = builder.add(builder.mul(row, width), column)
            lane0 = builder.insert_element(
                ir.Constant(vector, ir.Undefined),
                builder.load(builder.gep(values, [event])),
                ir.Constant(ir.IntType(32), 0),
            )
            mask = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
            worth = builder.shuffle_vector(lane0, ir.Constant(vector, ir.Undefined), mask)
            after = [builder.fadd(sums[k], builder.fmul(load(weights, place, k), worth)) for k in range(vectors)]
            following = builder.add(event, ir.Constant(event.type, 1))
            builder.branch(head)
            for phi, first, later in zip([event, *sums], [start, *before], [following, *after], strict=True):
                phi.add_incoming(first, entry)
                phi.add_incoming(later, body)
            builder.position_at_end(done)
            for k in range(vectors):
                builder.store(sums[k], vector_at(totals, at, k)).align = scalar.bitwidth // 8
            return context.get_dummy_value()

        return signature, generate

    return accumulate


def _in_python(vectors: int) -> Callable[..., Any]:
    """The same loop without a compiler, for runs with NUMBA_DISABLE_JIT=1."""

    def accumulate(total, at, weight, column, width, index, value, start, stop, base):
        lanes = VECTOR_BYTES // total.itemsize * vectors
        for e in range(start, stop):
            place = (base + index[e]) * width + column
            total[at : at + lanes] += weight[place : place + lanes] * value[e]

    return accumulate


_loop = _in_python if getattr(config, "DISABLE_JIT", 0) else _in_registers
_add_1, _add_2, _add_4, _add_8 = (_loop(vectors) for vectors in (1, 2, 4, 8))


@njit(cache=True, nogil=True)
def add_rows(total, at, weight, width, lanes, index, value, start, stop, base):
    """Adds the events' rows of `width` to total[at : at + width]; width is a multiple of `lanes`, the numbers in a vector.

    Only comparisons and additions here: a division would take longer than most runs of events.
    """
    column = 0
    while column + 8 * lanes <= width:
        _add_8(total, at + column, weight, column, width, index, value, start, stop, base)
        column += 8 * lanes
    if column + 4 * lanes <= width:
        _add_4(total, at + column, weight, column, width, index, value, start, stop, base)
        column += 4 * lanes
    if column + 2 * lanes <= width:
        _add_2(total, at + column, weight, column, width, index, value, start, stop, base)
        column += 2 * lanes
    if column + lanes <= width:
        _add_1(total, at + column, weight, column, width, index, value, start, stop, base)
