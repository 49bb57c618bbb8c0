"""Protobuf, msgpack, safetensors, npy and MATLAB files, field by field."""

import json
import struct
import zlib

FOUR, SIX, DOUBLES = struct.pack("<4f", 1, 2, 3, 4), struct.pack("<6f", *range(6)), struct.pack("<4d", 1, 2, 3, 4)


# protobuf ---------------------------------------------------------------------------------------------------------------
def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def whole(field, value):
    return varint(field << 3) + varint(value)


def chunk(field, content):
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


def shape_of(*dims):
    return b"".join(chunk(1, whole(1, dim)) for dim in dims)


def value_info(name, *dims, kind=1):
    return chunk(1, name) + chunk(2, chunk(1, whole(1, kind) + chunk(2, shape_of(*dims))))


def weights(name="w", dims=(2, 3), kind=1, raw=SIX, rest=b""):
    """A TensorProto."""
    body = b"".join(whole(1, dim) for dim in dims) + whole(2, kind) + chunk(8, name)
    return body + (b"" if raw is None else chunk(9, raw)) + rest


def node(kind, inputs, outputs, rest=b"", name="n"):
    """A NodeProto."""
    ends = b"".join(chunk(1, i) for i in inputs) + b"".join(chunk(2, o) for o in outputs)
    return ends + chunk(3, name) + chunk(4, kind) + rest


def gemm():
    return node("Gemm", ["x", "w"], ["y"], chunk(5, chunk(1, "transB") + whole(3, 1) + whole(20, 2)))


def graph(nodes=None, initializers=None, rest=b""):
    """A GraphProto: one Gemm of three inputs and two outputs, unless told otherwise."""
    nodes = (gemm(),) if nodes is None else nodes
    initializers = (weights(),) if initializers is None else initializers
    body = b"".join(chunk(1, n) for n in nodes) + chunk(2, "g") + b"".join(chunk(5, i) for i in initializers)
    return body + chunk(11, value_info("x", 1, 3)) + chunk(12, value_info("y", 1, 2)) + rest


def onnx(graph_=None, rest=b""):
    """A ModelProto; the graph stands last, so that a file cut anywhere lacks some of it."""
    opset = chunk(8, chunk(1, "") + whole(2, 17))
    return whole(1, 8) + chunk(2, "refsnn tests") + opset + rest + chunk(7, graph() if graph_ is None else graph_)


def external(**pairs):
    """The fields of a TensorProto whose numbers are in another file."""
    return b"".join(chunk(13, chunk(1, key) + chunk(2, value)) for key, value in pairs.items()) + whole(14, 1)


# msgpack ----------------------------------------------------------------------------------------------------------------
def m_text(value):
    data = value.encode()
    return bytes([0xA0 | len(data)]) + data if len(data) < 32 else b"\xd9" + bytes([len(data)]) + data


def m_map(**items):
    return bytes([0x80 | len(items)]) + b"".join(m_text(key) + item for key, item in items.items())


def m_bytes(data, size=None):
    return b"\xc6" + struct.pack(">I", len(data) if size is None else size) + data


def m_ext(kind, data, size=None):
    return b"\xc9" + struct.pack(">Ib", len(data) if size is None else size, kind) + data


def m_int(value):
    return bytes([value]) if 0 <= value < 128 else b"\xd3" + struct.pack(">q", value)


def m_array(shape=(2, 2), dtype="float32", data=FOUR):
    """Flax's ext type 1: (shape, name of the dtype, bytes)."""
    dims = bytes([0x90 | len(shape)]) + b"".join(map(m_int, shape))
    return m_ext(1, b"\x93" + dims + m_text(dtype) + m_bytes(data))


def flax(**items):
    """The bytes of flax.serialization.to_bytes of a tree with one Dense layer, and the items beside its kernel."""
    return m_map(params=m_map(Dense_0=m_map(kernel=m_array(), **items)))


# safetensors ------------------------------------------------------------------------------------------------------------
def safetensors(header, body=b"", length=None):
    """`header`: a dict, or text that stands as it is."""
    data = (header if isinstance(header, str) else json.dumps(header)).encode()
    return struct.pack("<Q", len(data) if length is None else length) + data + body


def entry(dtype="F32", shape=(2, 2), offsets=(0, 16)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


# numpy ------------------------------------------------------------------------------------------------------------------
def npy(header, body=b"", version=1, length=None):
    """`header` is the text that describes the array."""
    data = header.encode() + b"\n"
    size = len(data) if length is None else length
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", size) + data + body


def described(descr="'<f4'", shape="(4,)", order="False"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


# MATLAB v5 --------------------------------------------------------------------------------------------------------------
def element(kind, data, size=None):
    """Type, size, data padded to eight bytes."""
    return struct.pack("<II", kind, len(data) if size is None else size) + data + bytes(-len(data) % 8)


def matrix(name="w", dims=(2, 2), kind=6, values=DOUBLES, flags=0, parts=None):
    """A miMATRIX: flags, dims, name, then the numbers, or `parts` in their stead."""
    head = element(6, struct.pack("<II", kind | flags << 8, 0)) + element(5, struct.pack(f"<{len(dims)}i", *dims))
    return element(14, head + element(1, name.encode()) + (element(9, values) if parts is None else parts))


def mat(*elements):
    return (
        b"MATLAB 5.0 MAT-file, refsnn tests".ljust(116)
        + bytes(8)
        + struct.pack("<H", 0x0100)
        + b"IM"
        + b"".join(elements)
    )


def compressed(data):
    """A miCOMPRESSED element, which is not padded."""
    packed = zlib.compress(data, 9)
    return struct.pack("<II", 15, len(packed)) + packed
