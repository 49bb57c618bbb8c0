"""Flax's msgpack files (flax.serialization.to_bytes, msgpack_serialize): nested dicts of arrays.

An array is the extension 1, or 3 where it is a scalar, which holds MessagePack again: (shape, dtype's name, bytes). One
above 2^30 bytes is a dict of flat chunks. Kernels are stored as Flax has them: (in, out) and (height, width, in, out).
"""

from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import Any

from refsnn.formats.arrays import BFLOAT16, change, check_truths, dense, itemsize, nbytes
from refsnn.formats.flattening import flattened
from refsnn.formats.flax.messagepack import AGAIN, unpacked
from refsnn.formats.model_file import Array, Format, ModelFile, Note, Source
from refsnn.formats.refusals import refuse

ARRAY, COMPLEX, SCALAR = 1, 2, 3
CHUNKED = "__msgpack_chunked_array__"
DTYPES = {
    "float64": "<f8", "float32": "<f4", "float16": "<f2", "bfloat16": BFLOAT16, "int64": "<i8", "int32": "<i4", "int16": "<i2",
    "int8": "|i1", "uint64": "<u8", "uint32": "<u4", "uint16": "<u2", "uint8": "|u1", "bool": "|b1",
}  # fmt: skip
ROOT = "array"  # what a file that is one bare array calls it here


@dataclass(frozen=True, slots=True)
class Stored:
    """An array as the file holds it: in one piece, or in chunks."""

    dtype: str
    shape: tuple[int, ...]
    chunks: tuple[memoryview, ...]


def read(source: Source) -> ModelFile:
    """The arrays under the names of their keys, joined with dots; whatever else is plain goes to the attributes."""
    value = unpacked(source.content, lambda kind, content: _extension(kind, content, source), source)
    if not isinstance(value, dict):
        refuse("damaged", source.path, "", "MessagePack, but no dict of arrays as Flax saves", AGAIN)
    stored, attributes = flattened(_joined(value, source), ROOT, lambda leaf: isinstance(leaf, Stored), source)
    if not stored:
        refuse("not-a-model", source.path, "", "MessagePack without an array", "name the file that holds the weights")
    tensors: dict[str, Array] = {}
    notes: list[Note] = []
    for name, array in stored.items():
        size = nbytes(array.shape, array.dtype, name, source)
        present = sum(len(chunk) for chunk in array.chunks)
        if size != present:
            refuse("size-lie", source.path, name, f"a shape of {size} bytes that has {present}", AGAIN)
        content = array.chunks[0] if len(array.chunks) == 1 else memoryview(b"".join(array.chunks))
        tensors[name] = dense(content, array.dtype, array.shape)
        check_truths(tensors[name], name, source)
        notes += change(name, array.dtype)
    return ModelFile(source.path, Format.FLAX, tensors, MappingProxyType(attributes), tuple(notes))


def _extension(kind: int, content: memoryview, source: Source) -> Stored:
    if kind == COMPLEX:
        refuse("unsupported-type", source.path, "", "holds a complex number, which is not read", "save real numbers")
    if kind not in (ARRAY, SCALAR):
        refuse("unsupported-type", source.path, "", f"holds an extension of type {kind}; 1 and 3 are Flax's", AGAIN)
    described = unpacked(content, lambda kind, _: _inner(kind, source), source)
    if not isinstance(described, list) or len(described) != 3:
        refuse("damaged", source.path, "", "an array that is not (shape, dtype, bytes)", AGAIN)
    shape, dtype, numbers = described
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        refuse("damaged", source.path, "", "an array whose shape is no list of counts", AGAIN)
    dtype = str(dtype, "latin-1") if isinstance(dtype, memoryview) else dtype
    if not isinstance(dtype, str) or dtype not in DTYPES:
        what = dtype if isinstance(dtype, str) else "no text"
        refuse("unsupported-type", source.path, "", f"holds an array of dtype {what}; read are {', '.join(DTYPES)}",
               "save it as float32")  # fmt: skip
    if not isinstance(numbers, memoryview):
        refuse("damaged", source.path, "", "an array whose numbers are no bytes", AGAIN)
    return Stored(DTYPES[dtype], tuple(shape), (numbers,))


def _inner(kind: int, source: Source) -> Any:
    refuse("damaged", source.path, "", f"an array within which an extension of type {kind} stands", AGAIN)


def _joined(value: Any, source: Source) -> Any:
    """The value with each dict of chunks made one array, and bytes as bytes."""
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, list):
        return [_joined(item, source) for item in value]
    if not isinstance(value, dict):
        return value
    if CHUNKED not in value:
        return {key: _joined(item, source) for key, item in value.items()}
    shape, chunks = _numbered(value.get("shape")), _numbered(value.get("chunks"))
    if not chunks or not all(isinstance(size, int) and size >= 0 for size in shape):
        refuse("damaged", source.path, CHUNKED, "not a shape and chunks", AGAIN)
    if not all(isinstance(chunk, Stored) and chunk.dtype == chunks[0].dtype for chunk in chunks):
        refuse("damaged", source.path, CHUNKED, "chunks that are not arrays of one dtype", AGAIN)
    for chunk in chunks:
        if len(chunk.shape) != 1 or prod(chunk.shape) * itemsize(chunk.dtype) != len(chunk.chunks[0]):
            refuse("size-lie", source.path, CHUNKED, "a chunk that is not as long as it says", AGAIN)
    return Stored(chunks[0].dtype, shape, tuple(chunk.chunks[0] for chunk in chunks))


def _numbered(items: Any) -> tuple[Any, ...]:
    """The items of {'0': .., '1': ..} in order; () where the keys are others."""
    if not isinstance(items, dict) or set(items) != {str(i) for i in range(len(items))}:
        return ()
    return tuple(items[str(i)] for i in range(len(items)))
