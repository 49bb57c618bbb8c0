"""Flax msgpack and MATLAB files that lie."""

import struct
import zlib

from hostile.cases import OPENED, case
from hostile.valid import FOUR
from hostile.wires import compressed, element, flax, m_array, m_bytes, m_ext, m_int, m_map, m_text, mat, matrix

LIES = ("damaged", "truncated", "size-lie", "too-large", "nesting", "expansion")
OTHER = ("unsupported-type", "executable", *LIES)


def msgpacks():
    """name, bytes, codes."""
    for kind in (0, 2, 4, 7, 99, -1):
        yield f"ext-{kind}", flax(evil=m_ext(kind, FOUR)), OTHER
    yield "ext-pickle", flax(evil=m_ext(5, b"\x80\x02cos\nsystem\n.")), OTHER
    yield "ext-longer", flax(evil=m_ext(1, FOUR, size=1 << 31)), LIES
    yield "bin-longer", flax(evil=m_bytes(FOUR, size=0xFFFFFFFF)), LIES
    yield "array-count", flax(evil=b"\xdd\xff\xff\xff\xff"), LIES
    yield "map-count", flax(evil=b"\xdf\xff\xff\xff\xff"), LIES
    yield "array-of-nils", b"\x81\xa6params\xdd" + struct.pack(">I", 4_000_000) + b"\xc0" * 4_000_000, LIES
    yield "deep-arrays", flax(evil=b"\x91" * 100_000 + b"\xc0"), LIES
    yield "deep-maps", flax(evil=b"\x81\xa1a" * 100_000 + b"\xc0"), LIES
    yield "deep-exts", flax(evil=m_ext(1, m_ext(1, m_ext(1, FOUR)))), OTHER
    yield "never-used", flax(evil=b"\xc1"), LIES
    yield "after", flax() + b"\xc0", LIES
    yield "two", flax() + flax(), LIES
    yield "key-twice", b"\x82" + m_text("a") + m_array() + m_text("a") + m_array(), ("duplicate-name", *LIES)
    yield "key-number", b"\x81\x01" + m_array(), (*OTHER, OPENED)
    yield "key-map", b"\x81\x80" + m_array(), OTHER
    yield "key-bytes", b"\x81" + m_bytes(b"a") + m_array(), OTHER
    yield "not-utf8", b"\x81\xa2\xff\xfe" + m_array(), LIES
    yield "dtype-object", flax(evil=m_array((2,), "object", bytes(16))), OTHER
    yield "dtype-O", flax(evil=m_array((2,), "O", bytes(16))), OTHER
    yield "dtype-unknown", flax(evil=m_array((2,), "float33", bytes(16))), OTHER
    yield "dtype-structured", flax(evil=m_array((2,), "f4,f4", bytes(16))), OTHER
    yield "dtype-void", flax(evil=m_array((2,), "V2147483647", bytes(16))), OTHER
    yield "dtype-number", flax(evil=m_ext(1, b"\x93\x91\x04\x05" + m_bytes(FOUR))), OTHER
    yield "shape-negative", flax(evil=m_array((-2, -2))), LIES
    yield "shape-more", flax(evil=m_array((1 << 40,))), LIES
    yield "shape-overflow", flax(evil=m_array((1 << 62, 4), data=b"")), LIES
    yield "shape-zero-times-huge", flax(evil=m_array((0, 1 << 62, 1 << 62), data=b"")), LIES
    yield "shape-text", flax(evil=m_ext(1, b"\x93" + m_text("22") + m_text("float32") + m_bytes(FOUR))), OTHER
    yield (
        "shape-floats",
        flax(evil=m_ext(1, b"\x93\x91\xcb" + struct.pack(">d", 4.0) + m_text("float32") + m_bytes(FOUR))),
        OTHER,
    )
    yield "ext-after", flax(evil=m_ext(1, b"\x93\x91\x04" + m_text("float32") + m_bytes(FOUR) + b"\xc0")), LIES
    yield "ext-of-two", flax(evil=m_ext(1, b"\x92\x91\x04" + m_text("float32"))), OTHER
    chunks = m_map(
        __msgpack_chunked_array__=b"\xc3", shape=m_map(**{"0": m_int(1 << 40)}), chunks=m_map(**{"0": m_array((4,))})
    )
    yield "chunked-huge", flax(evil=chunks), LIES
    few = m_map(__msgpack_chunked_array__=b"\xc3", shape=m_map(**{"0": m_int(4)}), chunks=m_map())
    yield "chunked-none", flax(evil=few), LIES
    yield "scalar-huge", flax(evil=m_ext(3, b"\x93\x91" + m_int(1 << 40) + m_text("float32") + m_bytes(FOUR))), OTHER
    yield (
        "many-keys",
        b"\xde\xff\xff" + b"".join(b"\xa5%05d\xc0" % i for i in range(65_535)) + b"",
        ("nesting", "unsupported-type", "unknown-format", *LIES),
    )


def mats():
    """name, bytes, codes."""
    yield "size-more", mat(matrix(dims=(200, 200))), LIES
    yield "size-less", mat(matrix(dims=(1, 1))), LIES
    yield "dims-negative", mat(matrix(dims=(-2, -2))), LIES
    yield "dims-overflow", mat(matrix(dims=(1 << 16, 1 << 16, 1 << 16, 1 << 16))), LIES
    yield "dims-many", mat(matrix(dims=(1,) * 70, values=bytes(8))), LIES
    yield "dims-one", mat(matrix(dims=(4,))), (*LIES, OPENED)
    yield "element-longer", mat(element(14, bytes(64), size=0xFFFFFFF0)), LIES
    yield "element-unknown", mat(element(77, bytes(64))), OTHER
    yield "element-none", mat(matrix(), element(0, b"")), OTHER
    yield "inner-longer", mat(matrix(parts=element(9, bytes(32), size=1 << 30))), LIES
    yield "inner-text", mat(matrix(parts=element(16, bytes(32)))), OTHER
    yield "compressed-bomb", mat(struct.pack("<II", 15, len(zlib_zeros())) + zlib_zeros()), LIES
    yield "compressed-lie", mat(compressed(matrix())[:-5]), LIES
    yield "compressed-not-zlib", mat(struct.pack("<II", 15, 40) + b"\xff" * 40), LIES
    yield "compressed-twice", mat(compressed(compressed(matrix()))), OTHER
    yield "compressed-after", mat(compressed(matrix() + matrix("b"))), (*OTHER, "overlap")
    for name, kind in (
        ("cell", 1),
        ("struct", 2),
        ("object", 3),
        ("sparse", 5),
        ("function", 16),
        ("opaque", 17),
        ("class-0", 0),
        ("class-99", 99),
    ):
        yield name, mat(matrix(kind=kind)), OTHER
    yield "complex", mat(matrix(flags=0x08)), OTHER
    deep = matrix()
    for _ in range(2_000):
        deep = matrix(kind=1, dims=(1, 1), parts=deep)
    yield "deep-cells", mat(deep), OTHER
    yield "twice", mat(matrix(), matrix()), ("duplicate-name", *LIES)
    yield "name-empty", mat(matrix("")), (*OTHER, "unsafe-name", OPENED)
    yield (
        "name-longer",
        mat(element(14, element(6, bytes(8)) + element(5, bytes(8)) + element(1, b"w" * 8, size=1 << 20))),
        OTHER,
    )
    yield "big-endian", mat(matrix()).replace(b"\x00\x01IM", b"\x01\x00MI"), OTHER
    yield "version-9", mat(matrix()).replace(b"\x00\x01IM", b"\x09\x00IM"), OTHER
    yield "endian-lie", mat(matrix()).replace(b"\x00\x01IM", b"\x00\x01XX"), OTHER
    yield (
        "small-element-lie",
        mat(element(14, element(6, struct.pack("<II", 6, 0)) + b"\x05\x00\xff\xff" + bytes(4))),
        OTHER,
    )
    yield "no-matrices", mat(), (*OTHER, "empty")
    yield "subsystem", mat(matrix("", kind=17)), OTHER


def zlib_zeros():
    """64 MiB of zeros as zlib packs them."""
    packer = zlib.compressobj(9)
    block = b"".join((packer.compress(bytes(1 << 20)), packer.flush(zlib.Z_FULL_FLUSH)))
    return block + block[2:] * 63


def cases():
    for name, content, codes in msgpacks():
        yield case(f"msgpack/{name}.msgpack", content, *codes)
    for name, content, codes in mats():
        yield case(f"mat/{name}.mat", content, *codes)
