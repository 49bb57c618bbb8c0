"""Bytes as arrays: views where numpy can use them as they stand, exact copies elsewhere."""

from math import prod
from typing import Any

import numpy as np

from refsnn.formats.model_file import Array, Note, Source
from refsnn.formats.refusals import refuse

BFLOAT16 = "<bfloat16"  # not a numpy type: its bits are the upper half of a float32's
MOST_DIMENSIONS = 64  # of numpy
MOST_BYTES = 1 << 62
NATIVE = "<" if np.little_endian else ">"


def itemsize(dtype: str) -> int:
    """Bytes of one number; dtype: numpy's name with its byte order first, or BFLOAT16."""
    return _stored(dtype).itemsize


def nbytes(shape: tuple[int, ...], dtype: str, name: str, source: Source) -> int:
    """Bytes of an array of this shape; a LoadError where no array can have it."""
    if len(shape) > MOST_DIMENSIONS or any(size < 0 for size in shape):
        refuse("damaged", source.path, name, f"a shape of {len(shape)} dimensions, {list(shape[:8])}", "save it again")
    if prod(size for size in shape if size) * itemsize(dtype) > MOST_BYTES:
        refuse("size-lie", source.path, name, f"a shape of {list(shape[:8])}, more than any memory", "save it again")
    return prod(shape) * itemsize(dtype)


def dense(content: memoryview, dtype: str, shape: tuple[int, ...], fortran: bool = False) -> Array:
    """A read-only array in row-major (fortran: column-major) order of exactly these bytes."""
    strides = [itemsize(dtype)] * len(shape)
    for i in range(1, len(shape)):
        before, at = (i - 1, i) if fortran else (len(shape) - i, len(shape) - i - 1)
        strides[at] = strides[before] * max(shape[before], 1)
    return strided(content, dtype, shape, tuple(strides))


def strided(
    content: memoryview, dtype: str, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0
) -> Array:
    """A read-only array of some of these bytes, `strides` and `offset` in bytes; bfloat16 raised to float32."""
    stored = _stored(dtype)
    if not prod(shape):
        array: Array = np.empty(shape, stored)
    else:
        array = np.ndarray(shape, stored, content, offset, strides)
    if _is_bfloat16(dtype):
        array = np.asarray(array.astype(np.uint32) << 16, np.uint32).view(np.float32)
    elif not array.flags.aligned or not stored.isnative:
        array = array.astype(stored.newbyteorder("="), order="K")
    array.flags.writeable = False
    return array


def check_truths(array: Array, name: str, source: Source) -> None:
    """A LoadError where a truth value is neither 0 nor 1: what numpy does with such a byte is not defined."""
    if array.dtype == np.bool_ and array.size and array.view(np.uint8).max() > 1:
        refuse("damaged", source.path, name, "a truth value that is neither 0 nor 1", "save it again")


def change(name: str, dtype: str) -> tuple[Note, ...]:
    """What reading does to the kind of its numbers; nothing is lost in either case."""
    if _is_bfloat16(dtype):
        return (Note(name, "bfloat16, raised to float32", ignored=False),)
    if dtype[0] == (">" if NATIVE == "<" else "<") and itemsize(dtype) > 1:
        return (Note(name, "stored in the other byte order, swapped", ignored=False),)
    return ()


def _stored(dtype: str) -> np.dtype[Any]:
    return np.dtype(f"{dtype[0]}u2" if _is_bfloat16(dtype) else dtype)


def _is_bfloat16(dtype: str) -> bool:
    return dtype[1:] == BFLOAT16[1:]
