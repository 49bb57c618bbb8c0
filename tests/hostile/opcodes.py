"""Pickles written opcode by opcode, so that nothing here has to be an object that pickle would agree to write.

Each function gives bytes; a pickle is their sum, ended by STOP.
"""

import struct

STOP, MARK, REDUCE, BUILD, TUPLE, DICT, LIST = b".", b"(", b"R", b"b", b"t", b"d", b"l"
EMPTY_TUPLE, EMPTY_LIST, EMPTY_DICT, TUPLE1, TUPLE2, TUPLE3 = b")", b"]", b"}", b"\x85", b"\x86", b"\x87"
APPEND, APPENDS, SETITEM, SETITEMS, POP, DUP = b"a", b"e", b"s", b"u", b"0", b"2"
NONE, TRUE, FALSE, OBJ, NEWOBJ, NEWOBJ_EX = b"N", b"\x88", b"\x89", b"o", b"\x81", b"\x92"
BINPERSID, STACK_GLOBAL, MEMOIZE = b"Q", b"\x93", b"\x94"


def proto(number=2):
    return b"\x80" + bytes([number])


def named(module, name):
    """GLOBAL: the thing `name` of the module."""
    return f"c{module}\n{name}\n".encode()


def text(value):
    """BINUNICODE."""
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def short(value):
    """SHORT_BINUNICODE, of protocol 4."""
    data = value.encode()
    return b"\x8c" + bytes([len(data)]) + data


def stacked(module, name):
    """STACK_GLOBAL of two texts."""
    return short(module) + short(name) + STACK_GLOBAL


def number(value):
    """The shortest of BININT1, BININT and LONG1 that holds it."""
    if 0 <= value < 256:
        return b"K" + bytes([value])
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    size = value.bit_length() // 8 + 1
    return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)


def put(index):
    return b"q" + bytes([index])


def get(index):
    return b"h" + bytes([index])


def of(*items):
    """A tuple of what the items push."""
    return MARK + b"".join(items) + TUPLE


def calling(function, *arguments):
    """What `function`, an opcode sequence, returns for the arguments."""
    return function + of(*arguments) + REDUCE


ORDERED = named("collections", "OrderedDict")
EMPTY_ORDERED = ORDERED + EMPTY_TUPLE + REDUCE


def mapping(**items):
    """An OrderedDict of what the items push, as torch.save writes state dicts."""
    return EMPTY_ORDERED + MARK + b"".join(text(key) + item for key, item in items.items()) + SETITEMS


def storage(key="0", numel=4, kind="FloatStorage", location="cpu"):
    """What the persistent id of a storage gives."""
    return of(text("storage"), named("torch", kind), text(key), text(location), number(numel)) + BINPERSID


def tensor(size=(2, 2), stride=(2, 1), offset=0, stored=None):
    """A tensor that looks on a storage."""
    return calling(
        named("torch._utils", "_rebuild_tensor_v2"), storage() if stored is None else stored, number(offset),
        of(*map(number, size)), of(*map(number, stride)), FALSE, EMPTY_ORDERED,
    )  # fmt: skip


def state_dict(item=b"", version=2):
    """A state dict with one good tensor, and beside it `item` (opcodes that push one value)."""
    extra = {"evil": item} if item else {}
    return proto(version) + mapping(weight=tensor(), **extra) + STOP
