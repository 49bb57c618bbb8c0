"""PyTorch files made from opcodes, without PyTorch: each function gives bytes that leave one value on a pickle's stack."""

import io
import struct
import zipfile

PROTOCOL_2 = b"\x80\x02"
MAGIC = PROTOCOL_2 + b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
MACHINE = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}


class Opcodes(bytes):
    """Bytes that push one value."""


def value(x):
    """Opcodes of protocol 2 for plain data; Opcodes stay as they are."""
    if isinstance(x, Opcodes):
        return x
    if x is None or isinstance(x, bool):
        return Opcodes({None: b"N", True: b"\x88", False: b"\x89"}[x])
    if isinstance(x, int):
        if -(2**31) <= x < 2**31:
            return Opcodes(b"J" + struct.pack("<i", x))
        raw = x.to_bytes(x.bit_length() // 8 + 1, "little", signed=True)
        return Opcodes(b"\x8a" + bytes([len(raw)]) + raw)
    if isinstance(x, float):
        return Opcodes(b"G" + struct.pack(">d", x))
    if isinstance(x, str):
        return Opcodes(b"X" + struct.pack("<I", len(x.encode())) + x.encode())
    if isinstance(x, tuple):
        return Opcodes(b"(" + b"".join(map(value, x)) + b"t")
    if isinstance(x, list):
        return Opcodes(b"](" + b"".join(map(value, x)) + b"e")
    return Opcodes(b"}(" + b"".join(value(k) + value(v) for k, v in x.items()) + b"u")


def named(module, name):
    return Opcodes(f"c{module}\n{name}\n".encode())


def called(function, *arguments):
    return Opcodes(function + value(arguments) + b"R")


def storage(key, kind, count, *view, device="cpu"):
    """The persistent id ('storage', type, key, device, count), in a legacy stream with a view."""
    return Opcodes(value(("storage", named("torch", f"{kind}Storage"), key, device, count, *view)) + b"Q")


def tensor(stored, shape, strides=None, offset=0):
    """_rebuild_tensor_v2 of a storage; without strides in row-major order."""
    if strides is None:
        strides, step = [], 1
        for size in reversed(shape):
            strides.insert(0, step)
            step *= size
    hooks = called(named("collections", "OrderedDict"))
    return called(
        named("torch._utils", "_rebuild_tensor_v2"), stored, offset, tuple(shape), tuple(strides), False, hooks
    )


def pickled(x):
    return PROTOCOL_2 + value(x) + b"."


def archive(x, storages=(), root="archive", byteorder="little", extra=(), compression=zipfile.ZIP_STORED):
    """A .pt file: x, plain data with Opcodes among them (or whole pickled bytes), and storages by key."""
    buffer = io.BytesIO()
    prefix = f"{root}/" if root else ""
    with zipfile.ZipFile(buffer, "w", compression) as packed:
        packed.writestr(f"{prefix}data.pkl", x if type(x) is bytes else pickled(x))
        if byteorder:
            packed.writestr(f"{prefix}byteorder", byteorder)
        for key, content in dict(storages).items():
            packed.writestr(f"{prefix}data/{key}", content)
        for name, content in dict(extra).items():
            packed.writestr(f"{prefix}{name}", content)
    return buffer.getvalue()


def legacy(x, storages=(), machine=MACHINE):
    """A stream of before 1.6; storages: (key, count, content), as they are written in order."""
    keys = [key for key, _, _ in storages]
    numbers = b"".join(struct.pack("<q", count) + content for _, count, content in storages)
    return MAGIC + pickled(1001) + pickled(machine) + pickled(x) + pickled(keys) + numbers
