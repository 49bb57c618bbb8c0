"""Protobuf as ONNX uses it, read by a table of its messages: every length is compared with the bytes that are there.

The table is that of onnx.proto (ONNX 1.23, Apache-2.0). What no weights or graph need (documentation, metadata, annotations) is
stepped over; what would hide weights (subgraphs, functions, training, sparse tensors) is kept as bytes, never entered. So
nesting is as deep as the table, and no message is made of bytes that nobody asked about.
"""

import struct
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from refsnn.formats.model_file import Source
from refsnn.formats.refusals import refuse

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types; 3 and 4, groups, ONNX has never used
COPY = "copy or export the file again"
# kind of a field -> wire types that it may have; a message's name stands for itself
KINDS = {
    "int": (VARINT,),
    "float": (FIXED32,),
    "text": (BYTES,),
    "bytes": (BYTES,),
    "skip": (BYTES,),
    "varints": (VARINT, BYTES),
    "floats": (FIXED32, BYTES),
    "doubles": (FIXED64, BYTES),
}
Field = tuple[str, str, bool]  # name, kind, whether it may come more than once


def _fields(text: str) -> dict[int, Field]:
    rows = (row.split() for row in text.split(","))
    return {int(number): (name, kind.rstrip("*"), kind.endswith("*")) for number, name, kind in rows}


MESSAGES: Mapping[str, Mapping[int, Field]] = {
    "model": _fields(
        "1 ir_version int, 2 producer_name text, 3 producer_version text, 4 domain text, 5 model_version int, "
        "6 doc_string skip, 7 graph graph, 8 opset_import opset*, 14 metadata_props skip*, 20 training_info bytes*, "
        "25 functions bytes*, 26 configuration skip*"
    ),
    "opset": _fields("1 domain text, 2 version int"),
    "graph": _fields(
        "1 node node*, 2 name text, 5 initializer tensor*, 10 doc_string skip, 11 input value*, 12 output value*, "
        "13 value_info skip*, 14 quantization_annotation skip*, 15 sparse_initializer bytes*, 16 metadata_props skip*"
    ),
    "node": _fields(
        "1 input text*, 2 output text*, 3 name text, 4 op_type text, 5 attribute attribute*, 6 doc_string skip, "
        "7 domain text, 8 overload text, 9 metadata_props skip*, 10 device_configurations skip*"
    ),
    "attribute": _fields(
        "1 name text, 2 f float, 3 i int, 4 s bytes, 5 t tensor, 6 g bytes, 7 floats floats, 8 ints varints, "
        "9 strings bytes*, 10 tensors bytes*, 11 graphs bytes*, 13 doc_string skip, 14 tp bytes, 15 type_protos bytes*, "
        "20 type int, 21 ref_attr_name text, 22 sparse_tensor bytes, 23 sparse_tensors bytes*"
    ),
    "tensor": _fields(
        "1 dims varints, 2 data_type int, 3 segment bytes, 4 float_data floats, 5 int32_data varints, "
        "6 string_data bytes*, 7 int64_data varints, 8 name text, 9 raw_data bytes, 10 double_data doubles, "
        "11 uint64_data varints, 12 doc_string skip, 13 external_data entry*, 14 data_location int, "
        "16 metadata_props skip*"
    ),
    "entry": _fields("1 key text, 2 value text"),
    "value": _fields("1 name text, 2 type type, 3 doc_string skip, 4 metadata_props skip*"),
    "type": _fields(
        "1 tensor_type tensor_type, 4 sequence_type bytes, 5 map_type bytes, 6 denotation skip, 7 opaque_type bytes, "
        "8 sparse_tensor_type bytes, 9 optional_type bytes"
    ),
    "tensor_type": _fields("1 elem_type int, 2 shape shape"),
    "shape": _fields("1 dim dim*"),
    "dim": _fields("1 dim_value int, 2 dim_param text, 3 denotation skip"),
}


class Wire:
    """The bytes of one file, and how many more fields may be read from them."""

    def __init__(self, source: Source) -> None:
        self.source, self.content = source, source.content
        self._fields_left = source.limits.parts

    def message(self, name: str, start: int = 0, end: int | None = None) -> dict[str, Any]:
        """Its fields by name. One that may come often is a list; numbers that may come often are one buffer, as in the file."""
        end = len(self.content) if end is None else end
        found: dict[str, Any] = {}
        at = start
        while at < end:
            number, wire, after = self._tag(name, at, end)
            self._fields_left -= 1
            if self._fields_left < 0:
                refuse("nesting", self.source.path, "", f"over {self.source.limits.parts} fields",
                       "raise Limits.parts if you trust the file")  # fmt: skip
            if number not in MESSAGES[name] or wire not in KINDS.get(MESSAGES[name][number][1], (BYTES,)):
                self._damaged(name, at, f"field {number} of wire type {wire}, which ONNX has not")
            field, kind, many = MESSAGES[name][number]
            first, last = self._extent(name, wire, after, end)
            at = last
            if kind == "skip":
                continue
            value = self._value(kind, wire, first, last)
            if kind in ("varints", "floats", "doubles"):
                # packed or one by one, as the writer liked: both are legal, also mixed
                found[field] = value if field not in found else b"".join((found[field], value))
            elif many:
                found.setdefault(field, []).append(value)
            elif field in found:
                refuse("duplicate-name", self.source.path, "", f"{name} at byte {start} has two of {field}: readers may "
                       "take either, or both", COPY)  # fmt: skip
            else:
                found[field] = value
        return found

    def _tag(self, name: str, at: int, end: int) -> tuple[int, int, int]:
        tag, after = self._varint(name, at, end)
        return tag >> 3, tag & 7, after

    def _extent(self, name: str, wire: int, at: int, end: int) -> tuple[int, int]:
        """Where a field's bytes begin and end."""
        if wire == VARINT:
            return at, self._varint(name, at, end)[1]
        size = {FIXED64: 8, FIXED32: 4}.get(wire, 0)
        if wire == BYTES:
            size, at = self._varint(name, at, end)
        if size > end - at:
            code = "truncated" if end == len(self.content) else "size-lie"
            refuse(
                code, self.source.path, "", f"{name} declares {size} bytes at byte {at}, but {end - at} are there", COPY
            )
        return at, at + size

    def _value(self, kind: str, wire: int, first: int, last: int) -> Any:
        """What is between; a view of the file wherever it stays bytes."""
        match kind:
            case "int":
                number = self._varint(kind, first, last)[0]
                return number - (1 << 64) if number >> 63 else number
            case "float":
                return struct.unpack_from("<f", self.content, first)[0]
            case "text":
                try:
                    return str(self.content[first:last], "utf-8")
                except UnicodeDecodeError:
                    self._damaged("a text", first, "no UTF-8")
            case "bytes" | "varints" | "floats" | "doubles":
                return self.content[first:last]
        return self.message(kind, first, last)

    def _varint(self, name: str, at: int, end: int) -> tuple[int, int]:  # noqa: RET503, _damaged does not return
        """The number, below 2^64, and where it ends."""
        number = shift = 0
        while at < end and shift < 64:
            byte = self.content[at]
            number |= (byte & 127) << shift
            at, shift = at + 1, shift + 7
            if byte < 128 and number >> 64 == 0:
                return number, at
            if byte < 128:
                break
        if at >= end == len(self.content):
            refuse("truncated", self.source.path, "", f"the file ends within {name} at byte {at}", COPY)
        self._damaged(name, at, "a number without end")

    def _damaged(self, name: str, at: int, what: str) -> NoReturn:
        refuse(
            "damaged", self.source.path, "", f"{name} at byte {at}: {what}", "export it again, with ONNX 1.23 or older"
        )


def count_varints(buffer: Any) -> int:
    """How many numbers the bytes hold."""
    return int((np.frombuffer(buffer, np.uint8) < 128).sum())


def varints(buffer: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The numbers as int64 (unsigned ones wrap); a ValueError where the bytes are none."""
    data = np.frombuffer(buffer, np.uint8)
    last = np.flatnonzero(data < 128)
    if len(data) and (not len(last) or last[-1] != len(data) - 1):
        raise ValueError("a number without end")
    first = np.concatenate([[0], last[:-1] + 1]) if len(last) else last
    lengths = last - first + 1
    if len(lengths) and lengths.max() > 10:
        raise ValueError("a number of over 10 bytes")
    numbers = np.zeros(len(last), np.uint64)
    for i in range(int(lengths.max(initial=0))):
        has = lengths > i
        numbers[has] |= (data[first[has] + i] & np.uint8(127)).astype(np.uint64) << np.uint64(7 * i)
    return numbers.view(np.int64)


def encoded(name: str, fields: Mapping[str, Any]) -> bytes:
    """The bytes of a message, its fields by number; those that are not given are left out."""
    return b"".join(
        _tagged(number, kind, value)
        for number, (field, kind, many) in sorted(MESSAGES[name].items())
        if field in fields
        for value in (fields[field] if many else [fields[field]])
    )


def _tagged(number: int, kind: str, value: Any) -> bytes:
    match kind:
        case "int":
            return _number(number << 3 | VARINT) + _number(value)
        case "float":
            return _number(number << 3 | FIXED32) + struct.pack("<f", value)
        case "text":
            content = value.encode()
        case "bytes":
            content = value
        case "varints":
            content = b"".join(map(_number, value))
        case _:
            content = encoded(kind, value)
    return _number(number << 3 | BYTES) + _number(len(content)) + content


def _number(value: int) -> bytes:
    value, made = value % (1 << 64), []
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes([*made, value])
