"""npz and npy files: arrays of numbers, each declared size compared with the bytes that are there.

The header of an array is a Python literal. numpy evaluates it; here its one form is matched, so that none of the ways to
exhaust a parser is open.
"""

import re

import numpy as np

from refsnn.formats import archive
from refsnn.formats.arrays import change, check_truths, dense, nbytes
from refsnn.formats.model_file import Array, Format, ModelFile, Note, Source
from refsnn.formats.refusals import refuse

MAGIC = b"\x93NUMPY"
HEADER_LIMIT = 10_000  # bytes of a .npy header; numpy's own limit
ENTRY = re.compile(
    r"""\s*['"](?:(descr)['"]\s*:\s*['"]([^'"]{1,20})['"]|(fortran_order)['"]\s*:\s*(True|False)|"""
    r"""(shape)['"]\s*:\s*\(([\d,\s]*)\))\s*(?:,|$)"""
)
SIZES = re.compile(r"\s*(?:\d{1,20}\s*,\s*)*(?:\d{1,20}\s*)?")
NUMBER = re.compile(r"[<>|=]?(?:b1|[iu][1248]|f[248]|[SU][1-9]\d{0,8})")
NATIVE = "<" if np.little_endian else ">"
SAVE = "save it with numpy.savez"
LAST_CHARACTER = 0x10FFFF
ALONE = "array"  # what the one array of a .npy file is called


def read(source: Source) -> ModelFile:
    """The arrays of an npz file under their names, or the one array of an npy file as 'array'."""
    if source.content[:6] == MAGIC:
        array, notes = _array(source.content, ALONE, source)
        return ModelFile(source.path, Format.NPY, {ALONE: array}, notes=notes)
    members = archive.members(source)
    for name, member in members.items():  # before anything is unpacked
        _header(archive.head(member, HEADER_LIMIT + 12), member.size, _plain(name), source)
    archive.verify(members, source)
    tensors: dict[str, Array] = {}
    changes: list[Note] = []
    for name, member in members.items():
        tensors[_plain(name)], notes = _array(archive.unpacked(member), _plain(name), source)
        changes += notes
    return ModelFile(source.path, Format.NPZ, tensors, notes=tuple(changes))


def _plain(member: str) -> str:
    return member.removesuffix(".npy")


def _array(content: memoryview, name: str, source: Source) -> tuple[Array, tuple[Note, ...]]:
    dtype, fortran, shape, start = _header(bytes(content[: HEADER_LIMIT + 12]), len(content), name, source)
    if (
        dtype[1] == "U"
        and start < len(content)
        and np.frombuffer(content[start:], f"{dtype[0]}u4").max() > LAST_CHARACTER
    ):
        refuse("damaged", source.path, name, "a character that Unicode does not have", "save it again")
    array = dense(content[start:], dtype, shape, fortran)
    check_truths(array, name, source)
    return array, change(name, dtype)


def _header(head: bytes, size: int, name: str, source: Source) -> tuple[str, bool, tuple[int, ...], int]:
    """(dtype, column-major, shape, where the numbers begin) of an array of `size` bytes that begins with `head`."""
    path = source.path
    if head[:6] != MAGIC or len(head) < 10 or head[6:8] not in (b"\x01\x00", b"\x02\x00", b"\x03\x00"):
        refuse("damaged", path, name, "not a .npy array: it begins like no version 1 to 3", SAVE)
    width = 2 if head[6] == 1 else 4
    length = int.from_bytes(head[8 : 8 + width], "little")
    if length > HEADER_LIMIT:
        refuse("too-large", path, name, f"not a .npy array: a header of {length} bytes, at most {HEADER_LIMIT}", SAVE)
    start = 8 + width + length
    if start > len(head):
        refuse("truncated", path, name, f"not a .npy array: a header of {length} bytes that are not there", SAVE)
    text = head[8 + width : start].decode("latin-1")
    if re.search(r"""['"]descr['"]\s*:\s*\[""", text):
        refuse("unsupported-type", path, name, "holds records, which are not read", "save each field as its own array")
    fields = _fields(text)
    if set(fields) != {"descr", "fortran_order", "shape"} or not SIZES.fullmatch(fields["shape"]):
        refuse("damaged", path, name, f"not a .npy array: a header of {text[:60]!r}", SAVE)
    dtype = fields["descr"]
    if dtype.strip("|") == "O":
        refuse("unsupported-type", path, name, "holds Python objects, which are not read", "save numbers")
    if not NUMBER.fullmatch(dtype):
        refuse("unsupported-type", path, name, f"has dtype {dtype!r}, which is not read", "save it as float32")
    dtype = dtype.replace("=", NATIVE) if dtype[0] in "<>|=" else NATIVE + dtype
    shape = tuple(int(number) for number in re.findall(r"\d+", fields["shape"]))
    declared, present = nbytes(shape, dtype, name, source), size - start
    if declared != present:
        refuse(
            "size-lie", path, name, f"declares {declared} bytes of numbers, but {present} are there", "save it again"
        )
    return dtype, fields["fortran_order"] == "True", shape, start


def _fields(text: str) -> dict[str, str]:
    """The entries of the header's literal, each once; {} where it is anything else."""
    inner = text.strip()
    if not (inner.startswith("{") and inner.endswith("}")):
        return {}
    found: dict[str, str] = {}
    at, inner = 0, inner[1:-1].rstrip()
    while at < len(inner):
        entry = ENTRY.match(inner, at)
        if entry is None:
            return {}
        key, value = (group for group in entry.groups() if group is not None)
        if key in found:
            return {}
        found[key], at = value, entry.end()
    return found
