"""ONNX tensors as arrays: declared dimensions, in Python's whole numbers, compared with the bytes before any array is made."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from refsnn.formats.model_file import Array, Note, Source
from refsnn.formats.onnx.wire import COPY, count_varints, varints
from refsnn.formats.refusals import refuse

BFLOAT16 = 16
# data_type -> dtype of the bytes, and the field in which numbers may stand in place of raw_data
TYPES: dict[int, tuple[str, str]] = {
    1: ("<f4", "float_data"), 2: ("|u1", "int32_data"), 3: ("|i1", "int32_data"), 4: ("<u2", "int32_data"),
    5: ("<i2", "int32_data"), 6: ("<i4", "int32_data"), 7: ("<i8", "int64_data"), 9: ("|b1", "int32_data"),
    10: ("<f2", "int32_data"), 11: ("<f8", "double_data"), 12: ("<u4", "uint64_data"), 13: ("<u8", "uint64_data"),
    BFLOAT16: ("<u2", "int32_data"),
}  # fmt: skip
OTHERS = {
    0: "no type", 8: "texts", 14: "complex64", 15: "complex128", 17: "float8e4m3fn", 18: "float8e4m3fnuz", 19: "float8e5m2",
    20: "float8e5m2fnuz", 21: "uint4", 22: "int4", 23: "float4e2m1", 24: "float8e8m0", 25: "uint2", 26: "int2",
}  # fmt: skip
FIELDS = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")
EXTERNAL = 1  # data_location
VARINTS = (
    1 << 21
)  # numbers that a tensor may hold as varints, which unpack to eight times their bytes; raw_data has no such limit
MOST = 1 << 40  # numbers
External = Callable[[str, dict[str, Any], int], Any]  # name, tensor, bytes needed -> the bytes


def array(source: Source, name: str, tensor: dict[str, Any], external: External) -> tuple[Array, Note | None]:
    """The tensor's numbers, a view of the file where they are raw; and a note where they are not as the file has them."""
    number = tensor.get("data_type", 0)
    if number not in TYPES or "string_data" in tensor:
        kind = OTHERS.get(8 if "string_data" in tensor else number, f"data_type {number}")
        refuse("unsupported-type", source.path, name, f"a tensor of {kind}, which is not read", "export it as float32")
    if "segment" in tensor:
        refuse("unsupported-type", source.path, name, "a segment of a tensor", "export whole tensors")
    dtype, typed = np.dtype(TYPES[number][0]), TYPES[number][1]
    shape = _shape(source, name, tensor)
    needed = prod(shape) * dtype.itemsize
    if not needed and prod(max(size, 1) for size in shape) > MOST:  # numpy counts so
        refuse("size-lie", source.path, name, f"{list(shape)}, which no memory holds", COPY)
    given = [field for field in ("raw_data", *FIELDS) if len(tensor.get(field, b""))]
    if len(given) + (tensor.get("data_location", 0) == EXTERNAL) > 1 or any(
        f not in ("raw_data", typed) for f in given
    ):
        refuse("damaged", source.path, name, f"{dtype.name} with numbers in {' and '.join(given)}", COPY)
    if tensor.get("data_location", 0) == EXTERNAL or tensor.get("external_data"):
        content = external(name, tensor, needed)
    elif given in ([], ["raw_data"]) or typed in ("float_data", "double_data"):
        content = tensor[given[0]] if given else b""
    else:
        return _from_varints(source, name, tensor[typed], dtype, shape, number)
    if len(content) != needed:
        refuse("size-lie", source.path, name, f"{list(shape)} of {dtype.name} declares {needed} bytes of numbers, but "
               f"{len(content)} are there", COPY)  # fmt: skip
    if dtype == np.bool_ and np.frombuffer(content, np.uint8).max(initial=0) > 1:
        refuse("damaged", source.path, name, "a truth value that is neither 0 nor 1", COPY)
    return _raised(name, np.frombuffer(content, dtype).reshape(shape), number)


def _shape(source: Source, name: str, tensor: dict[str, Any]) -> tuple[int, ...]:
    try:
        shape = tuple(int(size) for size in varints(tensor.get("dims", b"")))
    except ValueError as error:
        refuse("damaged", source.path, name, f"dims: {error}", COPY)
    if len(shape) > 8 or any(size < 0 for size in shape):
        refuse("damaged", source.path, name, f"dims {list(shape[:9])}: expected up to 8 sizes of 0 or more", COPY)
    return shape


def _from_varints(
    source: Source, name: str, buffer: Any, dtype: np.dtype[Any], shape: tuple[int, ...], number: int
) -> tuple[Array, Note | None]:
    """Small numbers as the varints that typed fields hold; halves as their bits."""
    count = count_varints(buffer)
    if count > VARINTS:
        refuse("too-large", source.path, name, f"{count} numbers of variable length, at most {VARINTS} are read",
               "export it with raw_data")  # fmt: skip
    if count != prod(shape):
        refuse(
            "size-lie", source.path, name, f"{list(shape)} declares {prod(shape)} numbers, but {count} are there", COPY
        )
    try:
        numbers = varints(buffer)
    except ValueError as error:
        refuse("damaged", source.path, name, str(error), COPY)
    bits = np.dtype(f"<u{dtype.itemsize}") if dtype.kind in "fb" else dtype
    held = numbers.astype(bits)
    if (held.astype(np.int64) != numbers).any() or (dtype.kind == "b" and (held > 1).any()):
        refuse("damaged", source.path, name, f"a number that {dtype.name} cannot hold", COPY)
    held.flags.writeable = False
    return _raised(name, held.view(dtype).reshape(shape), number)


def _raised(name: str, values: Array, number: int) -> tuple[Array, Note | None]:
    """bfloat16 as float32, which holds every one of them; anything else as it is."""
    if number != BFLOAT16:
        return values, None
    wide = (values.astype(np.uint32) << np.uint32(16)).view(np.float32)
    wide.flags.writeable = False
    return wide, Note(name, "bfloat16 raised to float32, without rounding", ignored=False)
