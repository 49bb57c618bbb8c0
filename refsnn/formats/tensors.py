"""A weights or data file as named arrays: safetensors and npz, told apart by their content."""

import io
import struct
import zipfile
import zlib
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors

from refsnn.errors import FormatError
from refsnn.files import read_bytes

Tensors = dict[str, np.ndarray[Any, Any]]
# what zipfile, zlib and numpy's header parser raise on damaged bytes
DAMAGED = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error, EOFError, OSError, NotImplementedError),
    *(RuntimeError, ValueError, TypeError, KeyError, OverflowError, SyntaxError),
)
HEADER_LIMIT = 10_000  # bytes of a .npy header; numpy's own limit


def read_tensors(path: str | Path) -> Tensors:
    """Every array of the file; a FormatError says what is wrong with it."""
    content = read_bytes(path)
    if content[:4] == b"PK\x03\x04":
        return _npz(content, str(path))
    if len(content) > 8 and content[8:9] == b"{":
        return _safetensors(content, str(path))
    if not content:
        raise FormatError(f"{path}: the file is empty; expected safetensors or npz")
    raise FormatError(
        f"{path}: begins with {content[:4]!r}, which is neither safetensors nor npz; save it as one of them"
    )


def _safetensors(content: bytes, path: str) -> Tensors:
    try:
        return load_safetensors(content)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"{path}: not readable as safetensors: {error}; copy or save the file again") from error


def _npz(content: bytes, path: str) -> Tensors:
    """np.load, but only after every array's declared size was compared with the bytes that are there."""
    tensors = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if any(name.endswith("data.pkl") for name in archive.namelist()):
                raise FormatError(
                    f"{path}: a PyTorch file, which is not read yet; save the weights where you have PyTorch: "
                    "safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"
                )
            for item in archive.infolist():
                name = item.filename.removesuffix(".npy")
                if name in tensors:
                    raise FormatError(f"{path}: two arrays are called {name!r}; names must differ")
                with archive.open(item) as member:
                    tensors[name] = _npy(member, item.file_size, f"{path}: {name}")
    except DAMAGED as error:
        raise FormatError(f"{path}: not readable as npz: {error}; copy or save the file again") from error
    return tensors


def _npy(member: Any, size: int, where: str) -> np.ndarray[Any, Any]:
    try:
        version = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(member, max_header_size=HEADER_LIMIT)
    except ValueError as error:
        raise FormatError(f"{where}: not a .npy array: {error}; save it with numpy.savez") from error
    if dtype.hasobject:
        raise FormatError(f"{where}: holds Python objects, which are not read; save numbers")
    declared, present = prod(shape) * dtype.itemsize, size - member.tell()
    if declared != present:
        raise FormatError(f"{where}: declares {declared} bytes of numbers, but {present} are there; save it again")
    values = np.frombuffer(member.read(declared), dtype)
    return values.reshape(shape[::-1]).T if fortran else values.reshape(shape)
