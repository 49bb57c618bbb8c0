"""safetensors files: a length, a JSON header, and the tensors' bytes without holes.

Read here and not with the package of that name, which copies every tensor and knows fewer reasons; tests compare both.
"""

import json
from types import MappingProxyType
from typing import Any

from refsnn.formats.arrays import BFLOAT16, change, check_truths, dense, nbytes
from refsnn.formats.model_file import Array, Format, ModelFile, Note, Source
from refsnn.formats.refusals import refuse

DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": BFLOAT16, "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip
KEYS = {"dtype", "shape", "data_offsets"}
METADATA = "__metadata__"
# most of these characters in a header, times Limits.parts: what each makes of memory is many times its one byte
MARKS = {b"{": 1, b"[": 2, b",": 8}
AGAIN = "copy or save the file again"


def read(source: Source) -> ModelFile:
    """The tensors under their names, as views of the file; its metadata are the attributes."""
    header, start = _header(source)
    metadata = header.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        refuse("damaged", source.path, METADATA, "not a mapping of text to text", AGAIN)
    data = source.content[start:]
    tensors: dict[str, Array] = {}
    notes: list[Note] = []
    places = []
    for name, entry in header.items():
        dtype, shape, begin, end = _entry(name, entry, source)
        places.append((begin, end, name))
        size = nbytes(shape, dtype, name, source)
        if end > len(data):
            refuse("truncated", source.path, name, f"ends at byte {end} of {len(data)} that are there", AGAIN)
        if end - begin != size:
            refuse("size-lie", source.path, name, f"a shape of {size} bytes that has {end - begin}", AGAIN)
        tensors[name] = dense(data[begin:end], dtype, shape)
        check_truths(tensors[name], name, source)
        notes += change(name, dtype)
    _without_holes(places, len(data), source)
    return ModelFile(source.path, Format.SAFETENSORS, tensors, MappingProxyType(metadata), tuple(notes))


def _header(source: Source) -> tuple[dict[str, Any], int]:
    """The JSON header, and where the numbers begin."""
    content, path, limits = source.content, source.path, source.limits
    length = int.from_bytes(content[:8], "little")
    if length > limits.header_bytes:
        refuse("too-large", path, "", f"a header of {length} bytes, at most {limits.header_bytes} are read", AGAIN)
    if 8 + length > len(content):
        refuse("truncated", path, "", f"a header of {length} bytes in a file of {len(content)}", AGAIN)
    raw = bytes(content[8 : 8 + length])
    for mark, most in MARKS.items():
        if raw.count(mark) > most * limits.parts:
            refuse("nesting", path, "", f"more than {most * limits.parts} {mark.decode()!r} in the header", AGAIN)
    try:
        header = json.loads(raw.decode(), object_pairs_hook=_once, parse_float=_none, parse_constant=_none)
    except _Twice as error:
        refuse("duplicate-name", path, str(error), "stands twice in the header; readers may take either", AGAIN)
    except (ValueError, RecursionError) as error:
        refuse("damaged", path, "", f"a header that is no JSON of safetensors: {error}", AGAIN)
    if not isinstance(header, dict):
        refuse("damaged", path, "", "a header that is no JSON object", AGAIN)
    return header, 8 + length


class _Twice(Exception):
    """A key that an object of the header has twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(next(name for name in found if names.count(name) > 1))
    return found


def _none(text: str) -> None:
    raise ValueError(f"the number {text[:40]}, which no header has")


def _entry(name: str, entry: Any, source: Source) -> tuple[str, tuple[int, ...], int, int]:
    """(dtype, shape, begin, end), each of the right kind."""
    if not isinstance(entry, dict) or set(entry) != KEYS or not isinstance(entry["dtype"], str):
        refuse("damaged", source.path, name, "not described by dtype, shape and data_offsets", AGAIN)
    if entry["dtype"] not in DTYPES:
        refuse("unsupported-type", source.path, name, f"has dtype {entry['dtype']}; read are {', '.join(DTYPES)}",
               "save it as F32")  # fmt: skip
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not _are_counts(shape) or not _are_counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        refuse("damaged", source.path, name, "a shape or data_offsets that are no counts", AGAIN)
    return DTYPES[entry["dtype"]], tuple(shape), *offsets


def _are_counts(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(type(number) is int and 0 <= number < 1 << 63 for number in numbers)


def _without_holes(places: list[tuple[int, int, str]], size: int, source: Source) -> None:
    at = 0
    for begin, end, name in sorted(places):
        if begin != at:
            what = "shares bytes with another tensor" if begin < at else f"leaves bytes {at} to {begin} to no tensor"
            refuse("overlap", source.path, name, what, AGAIN)
        at = end
    if at != size:
        refuse("overlap", source.path, "", f"bytes {at} to {size} belong to no tensor", AGAIN)
