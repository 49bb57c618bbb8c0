"""Elements of a MATLAB v5 file: tagged runs of bytes, packed ones, and texts."""

import struct
import zlib
from dataclasses import dataclass

from refsnn.formats.inflating import WRAPPED, inflated, pieces
from refsnn.formats.model_file import Source
from refsnn.formats.refusals import refuse

AGAIN = "copy or save the file again"
TAG = 8  # bytes
COMPRESSED = 15
TEXTS = {16: "utf-8", 17: "utf-16", 18: "utf-32", 1: "latin-1", 2: "latin-1", 4: "utf-16"}


@dataclass(frozen=True, slots=True)
class Element:
    """A tagged run of bytes."""

    kind: int
    content: memoryview


def element(content: memoryview, order: str, place: str, source: Source) -> tuple[Element, memoryview]:
    """The first element, and what follows its padding. Up to four bytes stand within the tag itself."""
    if len(content) < TAG:
        refuse("truncated", source.path, place, f"{len(content)} bytes where an element begins", AGAIN)
    kind, size = struct.unpack_from(f"{order}2I", content)
    start = TAG
    if kind >> 16:
        kind, size, start = kind & 0xFFFF, kind >> 16, 4
        if size > 4:
            refuse("damaged", source.path, place, f"a short element of {size} bytes", AGAIN)
    if size > len(content) - start:
        refuse("truncated", source.path, place, f"declares {size} bytes, but {len(content) - start} are there", AGAIN)
    end = TAG if start == 4 else start + size
    padded = end if kind == COMPRESSED else -(-end // 8) * 8
    return Element(kind, content[start : start + size]), content[padded:]


def unpacked(packed: memoryview, order: str, left: int, source: Source) -> Element:
    """The matrix in a compressed element, whose own tag says how many bytes it has."""
    try:
        head = zlib.decompressobj().decompress(packed[:1024], TAG)
        kind, size = struct.unpack(f"{order}2I", head)
        if TAG + size > min(left, source.limits.expanded(len(packed))):
            refuse("expansion", source.path, "", f"{len(packed)} bytes that unpack to {size}", "save it with -v6")
        for _ in pieces(packed, TAG + size, WRAPPED):  # once without keeping anything: a lie costs no memory
            pass
        return Element(kind, inflated(packed, TAG + size, WRAPPED)[TAG:])
    except (zlib.error, ValueError, struct.error) as error:
        refuse("damaged", source.path, "", f"a compressed element that does not unpack: {error}", AGAIN)


def text(characters: Element, order: str, name: str, source: Source) -> str:
    if len(characters.content) > source.limits.header_bytes:
        refuse("too-large", source.path, name, f"a text of {len(characters.content)} bytes", "save arrays of numbers")
    try:
        encoding = TEXTS[characters.kind]
        return bytes(characters.content).decode(
            encoding + {"<": "-le", ">": "-be"}[order] * (encoding[-2:] in ("16", "32"))
        )
    except (KeyError, UnicodeDecodeError):
        refuse("damaged", source.path, name, "characters in no encoding of MATLAB", AGAIN)
