"""npz and npy files: arrays of numbers, each declared size compared with the bytes that are there."""

import struct
import zipfile
import zlib
from math import prod
from typing import Any, BinaryIO

import numpy as np

from refsnn.formats.memory_file import MemoryFile
from refsnn.formats.model_file import Array, Format, ModelFile, Source
from refsnn.formats.refusals import refuse

# what zipfile, zlib and numpy's header parser raise on damaged bytes
DAMAGED = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error, EOFError, OSError, NotImplementedError),
    *(RuntimeError, ValueError, TypeError, KeyError, OverflowError, SyntaxError),
)
HEADER_LIMIT = 10_000  # bytes of a .npy header; numpy's own limit


def read(source: Source) -> ModelFile:
    """The arrays of an npz file under their names, or the one array of an npy file as 'array'."""
    if bytes(source.content[:6]) == b"\x93NUMPY":
        array = _npy(MemoryFile(source.content), len(source.content), source, "")  # type: ignore[arg-type]
        return ModelFile(source.path, Format.NPY, {"array": array})
    tensors: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(MemoryFile(source.content)) as archive:
            for item in archive.infolist():
                name = item.filename.removesuffix(".npy")
                if item.file_size > source.limits.expanded(item.compress_size):
                    refuse("expansion", source.path, name, f"{item.compress_size} bytes that unpack to {item.file_size}",
                           "save it uncompressed, with numpy.savez")  # fmt: skip
                with archive.open(item) as member:
                    tensors[name] = _npy(member, item.file_size, source, name)  # type: ignore[arg-type]
    except DAMAGED as error:
        refuse("damaged", source.path, "", f"not readable as npz: {error}", "copy or save the file again")
    return ModelFile(source.path, Format.NPZ, tensors)


def _npy(member: BinaryIO, size: int, source: Source, name: str) -> np.ndarray[Any, Any]:
    path = source.path
    try:
        version = np.lib.format.read_magic(member)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = header(member, max_header_size=HEADER_LIMIT)
    except ValueError as error:
        refuse("damaged", path, name, f"not a .npy array: {error}", "save it with numpy.savez")
    if dtype.hasobject:
        refuse("unsupported-type", path, name, "holds Python objects, which are not read", "save numbers")
    declared, present = prod(shape) * dtype.itemsize, size - member.tell()
    if declared != present:
        refuse(
            "size-lie", path, name, f"declares {declared} bytes of numbers, but {present} are there", "save it again"
        )
    values = np.frombuffer(member.read(declared), dtype)
    return values.reshape(shape[::-1]).T if fortran else values.reshape(shape)
