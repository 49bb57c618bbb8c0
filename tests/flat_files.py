"""safetensors, npy, MessagePack and MATLAB files made by hand, also wrong ones."""

import io
import json
import struct
import zipfile
import zlib

import numpy as np


def safetensors(header, data=b""):
    """header: a dict, or the text of one."""
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def npy(descr="'<f4'", fortran="False", shape="(2,)", data=b"\0" * 8, header=None, version=1):
    text = (
        f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}" if header is None else header
    ).encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text + data


def npz(members, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as packed:
        for name, content in members.items():
            packed.writestr(zipfile.ZipInfo(name), content, compression)  # without the hour: the same bytes each time
    return buffer.getvalue()


class Packed(bytes):
    """MessagePack of one value."""


def packed(x):
    """MessagePack of plain data and of arrays as Flax packs them; Packed stays as it is."""
    if isinstance(x, Packed):
        return x
    if x is None or isinstance(x, bool):
        return Packed({None: b"\xc0", False: b"\xc2", True: b"\xc3"}[x])
    if isinstance(x, int):
        return Packed(b"\xd3" + struct.pack(">q", x))
    if isinstance(x, float):
        return Packed(b"\xcb" + struct.pack(">d", x))
    if isinstance(x, str):
        return Packed(b"\xdb" + struct.pack(">I", len(x.encode())) + x.encode())
    if isinstance(x, bytes):
        return Packed(b"\xc6" + struct.pack(">I", len(x)) + x)
    if isinstance(x, list | tuple):
        return Packed(b"\xdd" + struct.pack(">I", len(x)) + b"".join(map(packed, x)))
    if isinstance(x, dict):
        pairs = b"".join(packed(k) + packed(v) for k, v in x.items())
        return Packed((bytes([0x80 + len(x)]) if len(x) < 16 else b"\xde" + struct.pack(">H", len(x))) + pairs)
    return extension(1 if isinstance(x, np.ndarray) else 3, packed((x.shape, x.dtype.name, x.tobytes())))


def extension(kind, content):
    return Packed(b"\xc9" + struct.pack(">Ib", len(content), kind) + content)


def mat(*elements, order="<"):
    return (
        b"MATLAB 5.0 MAT-file".ljust(124)
        + struct.pack(f"{order}H", 0x100)
        + (b"IM" if order == "<" else b"MI")
        + b"".join(elements)
    )


def element(kind, content, order="<"):
    return struct.pack(f"{order}2I", kind, len(content)) + content + b"\0" * (-len(content) % 8)


def matrix(name, kind, shape, numbers, stored=9, flags=0, order="<"):
    """A MATLAB matrix of a class, with numbers stored in an element's type."""
    return element(14, b"".join((
        element(6, struct.pack(f"{order}2I", kind | flags, 0), order),
        element(5, struct.pack(f"{order}{len(shape)}i", *shape), order),
        element(1, name.encode(), order),
        element(stored, numbers, order),
    )), order)  # fmt: skip


def compressed(matrix_element):
    content = zlib.compress(matrix_element)
    return struct.pack("<2I", 15, len(content)) + content
