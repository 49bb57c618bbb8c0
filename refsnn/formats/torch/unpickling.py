"""Pickles as inert data: an interpreter of the opcodes that plain data need, which never imports or calls what they name.

A pickle is a program for a stack machine. This one knows numbers, text, containers, the memo, and `Grammar`: which
globals may be named, and what a call of one means here. Any other opcode or name ends the reading.
"""

import pickletools
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from refsnn.formats.model_file import Source
from refsnn.formats.torch.stack_machine import DICT_COST, ITEM_COST, STATE_DICT, StackMachine

PROTOCOLS = range(2, 6)
OPERATIONS = 10  # times Limits.parts
LONGEST_NAME = 1_000  # bytes of a global's module or name

# opcode -> struct format of its argument; "s" after a count: that many bytes follow
FIXED = {0x80: "<B", 0x95: "<Q", 0x4B: "<B", 0x4D: "<H", 0x4A: "<i", 0x47: ">d",
         0x71: "<B", 0x72: "<I", 0x68: "<B", 0x6A: "<I"}  # fmt: skip
COUNTED = {0x8A: "<B", 0x58: "<I", 0x8C: "<B", 0x8D: "<Q", 0x43: "<B", 0x42: "<I", 0x8E: "<Q", 0x96: "<Q",
           0x55: "<B", 0x54: "<i"}  # fmt: skip
TEXT = (0x58, 0x8C, 0x8D, 0x55, 0x54)  # the last two: Python 2's str, which PyTorch takes for UTF-8 as well
CONSTANTS: Mapping[int, Any] = {0x4E: None, 0x88: True, 0x89: False, 0x29: ()}


@dataclass(frozen=True, slots=True)
class Global:
    """A name that a pickle asks for, as two words and nothing else."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True)
class Grammar:
    """What the names of a pickle mean: `named` gives a description of a Global or refuses it, `called` what a call of
    a description with arguments gives, `built` what giving it a state leaves, `stored` what a persistent id stands for.
    A ValueError or TypeError of these means that the pickle is damaged."""  # noqa: D209

    named: Callable[[Global], Any]
    called: Callable[[Any, tuple[Any, ...]], Any]
    built: Callable[[Any, Any], Any]
    stored: Callable[[Any], Any]


def unpickled(content: memoryview, place: str, grammar: Grammar, source: Source) -> tuple[Any, int]:
    """(the value, where its pickle ends); nothing behind Limits.header_bytes is looked at."""
    machine = _Machine(bytes(content[: source.limits.header_bytes]), place, grammar, source)
    try:
        return machine.run(), machine.at
    except (ValueError, TypeError, IndexError, KeyError, OverflowError) as error:
        machine.fail("damaged", f"cannot be read at byte {machine.begin}: {error}", "copy or save the file again")


class _Machine(StackMachine):
    """One run over one pickle."""

    def __init__(self, content: bytes, place: str, grammar: Grammar, source: Source) -> None:
        super().__init__(content, place, source)
        self.grammar = grammar

    def run(self) -> Any:
        for _ in range(OPERATIONS * self.source.limits.parts):
            self.begin = self.at
            code = self.take(1)[0]
            if code == 0x2E:  # STOP
                (value,) = self.stack
                return value
            if code in CONSTANTS:
                self.push(CONSTANTS[code], 8)
            elif code in FIXED:
                size = struct.calcsize(FIXED[code])
                self.number(code, struct.unpack(FIXED[code], self.take(size))[0])
            elif code in COUNTED:
                size = struct.calcsize(COUNTED[code])
                self.counted(code, self.take(struct.unpack(COUNTED[code], self.take(size))[0]))
            elif code in ACTIONS:
                ACTIONS[code](self)
            else:
                named = next((opcode.name for opcode in pickletools.opcodes if opcode.code == chr(code)), hex(code))
                self.fail(
                    "executable", f"opcode {named} at byte {self.begin}, which plain data do not need", STATE_DICT
                )
        return self.fail("nesting", "more operations than the description of any model", STATE_DICT)

    def number(self, code: int, number: Any) -> None:
        if code == 0x80 and number not in PROTOCOLS:
            self.fail("damaged", f"pickle protocol {number}; 2 to 5 are read", "save it again with a newer PyTorch")
        elif code in (0x71, 0x72):
            self.put(number)
        elif code in (0x68, 0x6A):
            self.push(self.memo[number], 8)
        elif code not in (0x80, 0x95):
            self.push(number, 40)

    def counted(self, code: int, raw: bytes) -> None:
        if code == 0x8A:
            self.push(int.from_bytes(raw, "little", signed=True), 40 + len(raw))
        elif code in TEXT:
            self.push(str(raw, "utf-8"), 60 + (len(raw) if raw.isascii() else 4 * len(raw)))
        else:
            self.push(raw, 60 + len(raw))

    def name(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str:
            raise TypeError("a global whose name is no text")
        self.push(self.grammar.named(Global(module, name)), 120)

    def line(self) -> str:
        end = self.content.find(b"\n", self.at, self.at + LONGEST_NAME)
        if end < 0:
            raise ValueError("a global whose name does not end")
        return self.take(end + 1 - self.at)[:-1].decode("utf-8")

    def call(self) -> None:
        target, arguments = self.last(2)
        if type(arguments) is not tuple:
            raise TypeError("arguments that are no tuple")
        for argument in arguments:  # which the result may be a copy of
            if isinstance(argument, list | tuple | dict | str | bytes):
                self.spend(len(argument) * (4 if isinstance(argument, str | bytes) else ITEM_COST))
        self.push(self.grammar.called(target, arguments), 500)

    def build(self) -> None:
        target, state = self.last(2)
        self.push(self.grammar.built(target, state), 8)


ACTIONS: Mapping[int, Callable[[_Machine], None]] = {
    ord("("): lambda m: m.mark(),
    ord("}"): lambda m: m.push({}, DICT_COST),
    ord("]"): lambda m: m.push([], DICT_COST),
    0x8F: lambda m: m.push([], DICT_COST),  # EMPTY_SET: a list, so that nothing is hashed
    ord("t"): lambda m: m.tuple(m.popped()),
    0x85: lambda m: m.tuple(m.last(1)),
    0x86: lambda m: m.tuple(m.last(2)),
    0x87: lambda m: m.tuple(m.last(3)),
    0x91: lambda m: m.tuple(m.popped()),  # FROZENSET
    ord("a"): lambda m: m.extend(m.last(1)),
    ord("e"): lambda m: m.extend(m.popped()),
    0x90: lambda m: m.extend(m.popped()),  # ADDITEMS
    ord("s"): lambda m: m.set(m.last(2)),
    ord("u"): lambda m: m.set(m.popped()),
    0x94: lambda m: m.put(len(m.memo)),  # MEMOIZE
    ord("c"): lambda m: m.name(m.line(), m.line()),
    0x93: lambda m: m.name(*m.last(2)),  # STACK_GLOBAL
    ord("R"): lambda m: m.call(),
    ord("b"): lambda m: m.build(),
    ord("Q"): lambda m: m.push(m.grammar.stored(m.last(1)[0]), 200),
}
