"""MATLAB v5 files (save -v6, -v7): arrays of numbers, by MathWorks' "MAT-File Format".

Read here and not with scipy, which allocates what a file declares, unpacks without a bound, and builds MATLAB's objects;
numbers need a tenth of that. Tests compare both. Arrays keep MATLAB's shape, which has at least two sizes.
"""

import struct
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np

from refsnn.formats.arrays import change, dense, itemsize, nbytes
from refsnn.formats.matlab.elements import AGAIN, COMPRESSED, element, text, unpacked
from refsnn.formats.model_file import Array, Format, ModelFile, Note, Source
from refsnn.formats.refusals import refuse

HEADER = 128  # bytes
MATRIX = 14
COMPLEX, LOGICAL = 0x800, 0x200  # flags of a matrix
CHARACTERS = 4
# class of a matrix -> numpy's type of its numbers
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
REFUSED = {
    1: "a cell array", 2: "a struct", 3: "an object", 5: "a sparse matrix", 16: "a function handle", 17: "an object"
}  # fmt: skip
# type of an element -> numpy's type in which its numbers are stored; smaller than the class's where they all fit
TYPES = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8", 16: "u1", 17: "u2", 18: "u4"
}  # fmt: skip


def read(source: Source) -> ModelFile:
    """The numeric arrays under their names; texts go to the attributes."""
    order = {b"IM": "<", b"MI": ">"}.get(bytes(source.content[126:128]), "")
    if not order or source.content[125 if order == "<" else 124] != 1:
        refuse("damaged", source.path, "", "no header of version 1 of MATLAB v5", AGAIN)
    tensors: dict[str, Array] = {}
    texts: dict[str, Any] = {}
    notes: list[Note] = []
    left = source.limits.expanded(len(source.content))
    rest = source.content[HEADER:]
    while len(rest):
        found, rest = element(rest, order, "", source)
        if found.kind == COMPRESSED:
            found = unpacked(found.content, order, left, source)
        left -= len(found.content)
        if found.kind != MATRIX:
            refuse("damaged", source.path, "", f"an element of type {found.kind} where a matrix is expected", AGAIN)
        name, value, stored = _matrix(found.content, order, left, source)
        left -= value.nbytes if isinstance(value, np.ndarray) else 0
        if name in tensors or name in texts:
            refuse("duplicate-name", source.path, name, "two variables have this name", AGAIN)
        if len(tensors) + len(texts) >= source.limits.parts:
            refuse("nesting", source.path, "", f"more than {source.limits.parts} variables", AGAIN)
        if isinstance(value, np.ndarray):
            tensors[name] = value
            notes += change(name, stored)
        else:
            texts[name] = value
    if not tensors:
        refuse("empty", source.path, "", "no matrix of numbers in it", "save the weights as matrices")
    return ModelFile(source.path, Format.MAT5, tensors, MappingProxyType(texts), tuple(notes))


def _matrix(
    content: memoryview, order: str, left: int, source: Source
) -> tuple[str, Array | str | tuple[str, ...], str]:
    """(name, array or text, numpy's type of the stored numbers)."""
    flags, rest = element(content, order, "", source)
    sizes, rest = element(rest, order, "", source)
    if flags.kind != 6 or len(flags.content) != 8 or sizes.kind not in (5, 6) or len(sizes.content) % 4:
        refuse("damaged", source.path, "", "a matrix that does not begin with flags and sizes", AGAIN)
    (word,) = struct.unpack_from(f"{order}I", flags.content)
    kind = word & 0xFF
    shape = struct.unpack(f"{order}{len(sizes.content) // 4}i", sizes.content)
    if kind == 17:  # an opaque object, whose elements stand in another order
        refuse("unsupported-type", source.path, "", "holds an object, which is not read", "save arrays of numbers")
    label, rest = element(rest, order, "", source)
    name = text(label, order, "", source)
    if not name.isascii():
        refuse("damaged", source.path, name, "a name that MATLAB does not allow", AGAIN)
    if kind in REFUSED or kind not in {*CLASSES, CHARACTERS}:
        remedy = "save its fields: save(name, '-struct', 's', '-v7')" if kind == 2 else "save it as arrays of numbers"
        refuse(
            "unsupported-type", source.path, name, f"{REFUSED.get(kind, f'class {kind}')}, which is not read", remedy
        )
    if word & COMPLEX:
        refuse(
            "unsupported-type", source.path, name, "complex numbers, which are not read", "save real and imaginary part"
        )
    numbers, rest = element(rest, order, name, source)
    if len(rest):
        refuse("damaged", source.path, name, f"{len(rest)} bytes behind its numbers", AGAIN)
    if kind == CHARACTERS:
        return name, _rows(text(numbers, order, name, source), shape, source), ""
    if numbers.kind not in TYPES:
        refuse("damaged", source.path, name, f"numbers of type {numbers.kind}", AGAIN)
    stored, wanted = f"{order}{TYPES[numbers.kind]}", "?" if word & LOGICAL else CLASSES[kind]
    size = nbytes(shape, stored, name, source)
    if size != len(numbers.content):
        refuse("size-lie", source.path, name, f"a shape of {size} bytes that has {len(numbers.content)}", AGAIN)
    if prod(shape) * itemsize(f"={wanted}") > left:
        refuse("expansion", source.path, name, f"unpacks to {prod(shape)} numbers", "save fewer, or with -v6")
    return name, _widened(dense(numbers.content, stored, shape, fortran=True), wanted), stored


def _widened(array: Array, wanted: str) -> Array:
    """The numbers in their class's type: MATLAB stores a double that is a small integer as one."""
    if array.dtype != np.dtype(wanted):
        array = array != 0 if wanted == "?" else array.astype(wanted)
        array.flags.writeable = False
    return array


def _rows(whole: str, shape: tuple[int, ...], source: Source) -> str | tuple[str, ...]:
    """A text; of a matrix of characters, its rows, which are stored column by column."""
    if len(shape) != 2 or shape[0] < 2 or prod(shape) != len(whole) or shape[0] > source.limits.parts:
        return whole
    return tuple(whole[row :: shape[0]] for row in range(shape[0]))
