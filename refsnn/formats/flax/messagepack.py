"""MessagePack as plain data. https://github.com/msgpack/msgpack/blob/master/spec.md

Read here and not with the package of that name: byte strings stay views of the file, and no declared length allocates.
"""

import struct
from collections.abc import Callable
from typing import Any

from refsnn.formats.model_file import Source
from refsnn.formats.refusals import refuse

AGAIN = "copy or save the file again"
NUMBERS = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
           0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}  # fmt: skip
CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
# first byte -> (kind, struct format of its length)
LENGTHS = {
    **{0xC4 + i: ("bytes", form) for i, form in enumerate((">B", ">H", ">I"))},
    **{0xC7 + i: ("extension", form) for i, form in enumerate((">B", ">H", ">I"))},
    **{0xD9 + i: ("text", form) for i, form in enumerate((">B", ">H", ">I"))},
    **{0xDC + i: ("list", form) for i, form in enumerate((">H", ">I"))},
    **{0xDE + i: ("dict", form) for i, form in enumerate((">H", ">I"))},
}
SMALL = ((0x80, 0x8F, "dict"), (0x90, 0x9F, "list"), (0xA0, 0xBF, "text"))
FIXED_EXTENSIONS = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}

Extension = Callable[[int, memoryview], Any]


def unpacked(content: memoryview, extension: Extension, source: Source, place: str = "") -> Any:
    """The one value that these bytes are; `extension` makes a value of a type number and its bytes."""
    reader = _Reader(content, extension, source, place)
    value = reader.value(0)
    if reader.at != len(content):
        refuse("damaged", source.path, place, f"goes on behind its value, which ends at byte {reader.at}", AGAIN)
    return value


class _Reader:
    """One pass over the bytes."""

    def __init__(self, content: memoryview, extension: Extension, source: Source, place: str) -> None:
        self.content, self.extension, self.source, self.place = content, extension, source, place
        self.at = 0
        self.left = source.limits.parts  # values that may still follow

    def take(self, count: int) -> memoryview:
        if count > len(self.content) - self.at:
            refuse("truncated", self.source.path, self.place,
                   f"declares {count} bytes at byte {self.at}, but {len(self.content) - self.at} are there", AGAIN)  # fmt: skip
        self.at += count
        return self.content[self.at - count : self.at]

    def value(self, depth: int) -> Any:
        self.left -= 1
        if self.left < 0 or depth > self.source.limits.depth:
            refuse("nesting", self.source.path, self.place, "more values, or nested deeper, than any model",
                   "save one flat dict of arrays")  # fmt: skip
        begin, code = self.at, self.take(1)[0]
        if code < 0x80 or code >= 0xE0:
            return code if code < 0x80 else code - 256
        if code in CONSTANTS:
            return CONSTANTS[code]
        if code in NUMBERS:
            return struct.unpack(NUMBERS[code], self.take(struct.calcsize(NUMBERS[code])))[0]
        if code in FIXED_EXTENSIONS:
            return self.extended(FIXED_EXTENSIONS[code])
        for low, high, kind in SMALL:
            if low <= code <= high:
                return self.counted(kind, code - low, depth)
        if code not in LENGTHS:
            refuse(
                "damaged",
                self.source.path,
                self.place,
                f"byte 0x{code:02x} at {begin}, which MessagePack never uses",
                AGAIN,
            )
        kind, form = LENGTHS[code]
        return self.counted(kind, struct.unpack(form, self.take(struct.calcsize(form)))[0], depth)

    def counted(self, kind: str, count: int, depth: int) -> Any:
        if kind == "bytes":
            return self.take(count)
        if kind == "extension":
            return self.extended(count)
        if kind == "text":
            return self.text(count)
        if kind == "list":
            return [self.value(depth + 1) for _ in range(count)]
        found: dict[Any, Any] = {}
        for _ in range(count):
            key = self.value(depth + 1)
            if not isinstance(key, str | int):
                refuse("damaged", self.source.path, self.place, "a key that is neither text nor a whole number", AGAIN)
            if key in found:
                refuse(
                    "duplicate-name",
                    self.source.path,
                    str(key),
                    "two values have this key; readers may take either",
                    AGAIN,
                )
            found[key] = self.value(depth + 1)
        return found

    def extended(self, count: int) -> Any:
        kind = int.from_bytes(self.take(1), "big", signed=True)
        return self.extension(kind, self.take(count))

    def text(self, count: int) -> str:
        if count > self.source.limits.header_bytes:
            refuse(
                "too-large", self.source.path, self.place, f"a text of {count} bytes", "save one flat dict of arrays"
            )
        try:
            return str(self.take(count), "utf-8")
        except UnicodeDecodeError:
            refuse("damaged", self.source.path, self.place, f"a text before byte {self.at} that is not UTF-8", AGAIN)
