"""The directory of a zip archive, read strictly: what two readers could take differently is refused.

zipfile is lenient there (which of two directories, whose name of two, members that share bytes), and copies what it reads.
"""

import struct
from dataclasses import dataclass
from itertools import pairwise

from refsnn.formats.model_file import Source
from refsnn.formats.refusals import refuse

END, END64, LOCATOR64 = struct.Struct("<4s4H2IH"), struct.Struct("<4sQ2H2I4Q"), struct.Struct("<4sIQI")
ENTRY, LOCAL = struct.Struct("<4s6H3I5H2I"), struct.Struct("<4s5H3I2H")
STORED, DEFLATED = 0, 8
ENCRYPTED, UTF8 = 0x2041, 0x800  # flags
AGAIN = "copy or save the file again"
SAVE = "unpack it and pack it again without compression"


@dataclass(frozen=True, slots=True)
class Member:
    """One file of the archive."""

    name: str
    packed: memoryview
    size: int  # of the unpacked bytes, as declared
    crc: int
    deflated: bool


def names(source: Source) -> list[str]:
    """The members' names in the directory's order, each once."""
    return [entry[0] for entry in _entries(source)[0]]


def members(source: Source) -> dict[str, Member]:
    """The archive's files by name, in the directory's order; sizes and places are checked, contents are not."""
    found: dict[str, Member] = {}
    places = []
    entries, limit = _entries(source)
    for name, raw, method, crc, size, packed, offset in entries:
        begin = _data_start(source, offset, raw, name, limit)
        if packed > limit - begin:
            refuse("truncated", source.path, name,
                   f"declares {packed} bytes at byte {begin}, behind the members' end {limit}", AGAIN)  # fmt: skip
        if method == STORED and packed != size:
            refuse("size-lie", source.path, name, f"{packed} bytes stored as they are that declare to be {size}", AGAIN)
        found[name] = Member(name, source.content[begin : begin + packed], size, crc, method == DEFLATED)
        places.append((offset, begin + packed, name))
    _check_sizes(source, found, places)
    return found


def _entries(source: Source) -> tuple[list[tuple[str, bytes, int, int, int, int, int]], int]:
    """[(name, its bytes, method, checksum, size, packed size, where it begins)], and where the directory begins."""
    content, path = source.content, source.path
    count, start, end = _directory(source)
    if count > source.limits.parts:
        refuse("nesting", path, "", f"{count} members, at most {source.limits.parts} are read", SAVE)
    entries, seen, at = [], set(), start
    for _ in range(count):
        if at + ENTRY.size > end or bytes(content[at : at + 4]) != b"PK\x01\x02":
            refuse("damaged", path, "", f"the zip directory breaks off at byte {at}", AGAIN)
        words = ENTRY.unpack_from(content, at)
        flags, method, crc, packed, size, name_length, extra, comment, offset = (*words[3:5], *words[7:13], words[-1])
        at += ENTRY.size + name_length + extra + comment
        raw = bytes(content[at - comment - extra - name_length : at - comment - extra])
        name = _name(raw, flags, source)
        if name in seen:
            refuse("duplicate-name", path, name, "two members have this name; readers may take either", SAVE)
        if flags & ENCRYPTED or method not in (STORED, DEFLATED):
            what = "encrypted" if flags & ENCRYPTED else f"packed by method {method}"
            refuse("packing", path, name, f"{what}, which is not read", SAVE)
        if 0xFFFFFFFF in (size, packed, offset):
            fields = bytes(content[at - comment - extra : at - comment])
            size, packed, offset = _wide(fields, size, packed, offset, name, source)
        seen.add(name)
        entries.append((name, raw, method, crc, size, packed, offset))
    if at != end:
        refuse("damaged", path, "", f"the zip directory ends at byte {at}, its end record stands at {end}", AGAIN)
    return entries, start


def _directory(source: Source) -> tuple[int, int, int]:
    """(number of members, where the directory begins, where it ends)."""
    content, path = source.content, source.path
    tail = bytes(content[-(END.size + 0xFFFF) :])
    place = tail.rfind(b"PK\x05\x06")
    at = len(content) - len(tail) + place
    if place < 0 or at + END.size > len(content):
        refuse("truncated", path, "", "begins like a zip file, but has no directory at its end", AGAIN)
    _, disk, first, here, count, size, start, comment = END.unpack_from(content, at)
    narrow, end = (count, size, start), at
    if at >= LOCATOR64.size and bytes(content[at - LOCATOR64.size : at - LOCATOR64.size + 4]) == b"PK\x06\x07":
        end = LOCATOR64.unpack_from(content, at - LOCATOR64.size)[2]
        if end + END64.size > at or bytes(content[end : end + 4]) != b"PK\x06\x06":
            refuse("damaged", path, "", "its zip64 end record is not where it is said to be", AGAIN)
        *_, disk, first, here, count, size, start = END64.unpack_from(content, end)
        limits = (0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
        if any(a not in (b, top) for a, b, top in zip(narrow, (count, size, start), limits, strict=True)):
            refuse("damaged", path, "", "its two end records contradict each other", AGAIN)
    if disk or first or here != count or start + size != end or at + END.size + comment != len(content):
        refuse("damaged", path, "", "the zip directory is not where its end record says", AGAIN)
    return count, start, end


def _name(raw: bytes, flags: int, source: Source) -> str:
    try:
        name = raw.decode("utf-8" if flags & UTF8 else "cp437")
    except UnicodeDecodeError:
        refuse("damaged", source.path, repr(raw[:40]), "a member's name that is not UTF-8", AGAIN)
    parts = name.replace("\\", "/").split("/")
    if not parts[0] or ".." in parts or "\0" in name or name[1:2] == ":":
        refuse("unsafe-name", source.path, name, "a member whose name leads out of the archive", SAVE)
    return name


def _wide(fields: bytes, size: int, packed: int, offset: int, name: str, source: Source) -> list[int]:
    """The three numbers, from the zip64 field where they do not fit 32 bits."""
    numbers = [size, packed, offset]
    saturated = [i for i, number in enumerate(numbers) if number == 0xFFFFFFFF]
    at = 0
    while at + 4 <= len(fields):
        kind, length = struct.unpack_from("<2H", fields, at)
        if kind == 1 and length >= 8 * len(saturated) and at + 4 + length <= len(fields):
            for i, number in zip(saturated, struct.unpack_from(f"<{len(saturated)}Q", fields, at + 4), strict=True):
                numbers[i] = number
            return numbers
        at += 4 + length
    return refuse("damaged", source.path, name, "its zip64 field is missing", AGAIN)


def _data_start(source: Source, offset: int, raw: bytes, name: str, limit: int) -> int:
    content = source.content
    if offset + LOCAL.size > limit or bytes(content[offset : offset + 4]) != b"PK\x03\x04":
        refuse("damaged", source.path, name, f"no member begins at byte {offset}", AGAIN)
    *_, name_length, extra = LOCAL.unpack_from(content, offset)
    begin: int = offset + LOCAL.size + name_length + extra
    if bytes(content[offset + LOCAL.size : offset + LOCAL.size + name_length]) != raw or begin > limit:
        refuse("damaged", source.path, name, "has another name where it begins than in the directory", AGAIN)
    return begin


def _check_sizes(source: Source, found: dict[str, Member], places: list[tuple[int, int, str]]) -> None:
    places.sort()
    for (_, end, _), (begin, _, name) in pairwise(places):
        if begin < end:
            refuse("overlap", source.path, name, "shares bytes with the member before it", SAVE)
    limits = source.limits
    for member in found.values():
        if member.size > limits.expanded(len(member.packed)):
            refuse("expansion", source.path, member.name,
                   f"{len(member.packed)} bytes that unpack to {member.size}", SAVE)  # fmt: skip
    total = sum(member.size for member in found.values())
    if total > limits.expanded(len(source.content)):
        refuse("expansion", source.path, "", f"{len(source.content)} bytes that unpack to {total}", SAVE)
