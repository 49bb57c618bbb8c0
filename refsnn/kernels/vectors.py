"""What the LLVM-built inner loops share: arguments, vectors in memory, and numbers that turn operators into instructions."""

from typing import Any

from llvmlite import ir
from numba import types

CACHE_LINE = 64  # bytes


class Arguments:
    """The arguments of an intrinsic, by position."""

    def __init__(self, context: Any, builder: Any, signature: Any, values: Any) -> None:
        self._context, self._builder, self._types, self._values = context, builder, signature.args, values

    def pointer(self, position: int) -> Any:
        """Where the array's numbers begin."""
        make = self._context.make_array(self._types[position])
        return make(self._context, self._builder, self._values[position]).data

    def pointers(self, position: int) -> list[Any]:
        """Where the numbers of each array of a tuple begin; None for a None."""
        found = []
        for k, one in enumerate(self._types[position]):
            value = self._builder.extract_value(self._values[position], k)
            is_none = isinstance(one, types.NoneType)
            found.append(None if is_none else self._context.make_array(one)(self._context, self._builder, value).data)
        return found

    def numbers(self, position: int) -> list[Any]:
        """The whole numbers of a tuple."""
        kind = self._types[position]
        return [
            self._context.cast(self._builder, self._builder.extract_value(self._values[position], k), one, types.intp)
            for k, one in enumerate(kind)
        ]

    def number(self, position: int) -> Any:
        """A whole number as wide as a pointer."""
        return self._context.cast(self._builder, self._values[position], self._types[position], types.intp)


class Lanes:
    """A vector in a register. An equation of `dynamics`, called with these, becomes its instructions."""

    def __init__(self, builder: Any, value: Any) -> None:
        self._builder, self.value = builder, value

    def __add__(self, other: "Lanes") -> "Lanes":
        return Lanes(self._builder, self._builder.fadd(self.value, other.value))

    def __sub__(self, other: "Lanes") -> "Lanes":
        return Lanes(self._builder, self._builder.fsub(self.value, other.value))

    def __mul__(self, other: "Lanes") -> "Lanes":
        return Lanes(self._builder, self._builder.fmul(self.value, other.value))

    def __ge__(self, other: "Lanes") -> Any:
        return self._builder.fcmp_ordered(">=", self.value, other.value)

    def __gt__(self, other: "Lanes") -> Any:
        return self._builder.fcmp_ordered(">", self.value, other.value)


def element(builder: Any, array: Any, place: Any) -> Any:
    """array[place]."""
    return builder.load(builder.gep(array, [place]))


def load(builder: Any, array: Any, place: Any, vector: Any) -> Any:
    """The vector that begins at array[place]; rows may begin anywhere."""
    loaded = builder.load(builder.bitcast(builder.gep(array, [place]), vector.as_pointer()))
    loaded.align = 1
    return loaded


def store(builder: Any, value: Any, array: Any, place: Any) -> None:
    builder.store(value, builder.bitcast(builder.gep(array, [place]), value.type.as_pointer())).align = 1


def widened(builder: Any, value: Any, vector: Any) -> Any:
    """Whole numbers narrower than the sums that they are added to, as wide as those; anything else as it is."""
    return value if value.type == vector else builder.sext(value, vector)


def splat(builder: Any, number: Any, lanes: int) -> Any:
    """The number in every lane."""
    vector = ir.VectorType(number.type, lanes)
    lane0 = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    return builder.shuffle_vector(lane0, ir.Constant(vector, ir.Undefined), mask)


def loop(builder: Any, start: Any, stop: Any, carried: list[Any], body: Any) -> list[Any]:
    """For i = start .. stop-1: carried = body(i, carried); what is carried stays in registers."""
    entry = builder.block
    head, inside, done = (builder.append_basic_block(name) for name in ("head", "inside", "done"))
    builder.branch(head)
    builder.position_at_end(head)
    i = builder.phi(start.type)
    phis = [builder.phi(value.type) for value in carried]
    builder.cbranch(builder.icmp_signed("<", i, stop), inside, done)
    builder.position_at_end(inside)
    later = body(i, phis)
    following = builder.add(i, ir.Constant(i.type, 1))
    last = builder.block  # the body may have added blocks
    _not_unrolled(builder, builder.branch(head))
    for phi, first, after in zip([i, *phis], [start, *carried], [following, *later], strict=True):
        phi.add_incoming(first, entry)
        phi.add_incoming(after, last)
    builder.position_at_end(done)
    return phis


def _not_unrolled(builder: Any, branch: Any) -> None:
    """Most loops here take few turns; unrolled by LLVM they would end in a second loop for what is left over."""
    module = builder.module
    disable = module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")])
    node = ir.values.MDValue(module, [disable], name=str(len(module.metadata)))
    node.operands = (node, disable)  # a loop's metadata names itself, so that no two loops share it
    branch.set_metadata("llvm.loop", node)
