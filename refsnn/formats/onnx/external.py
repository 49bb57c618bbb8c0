"""Tensors that an ONNX file keeps in other files: refused, unless a folder is named, and then nothing outside it is opened.

Every part of a location is opened from the folder on, one after the other, and none may be a link (also not a hard link: the
other name of the file may be outside). After the ONNX project's ExternalDataSecurity notes, CVE-2022-25882, CVE-2024-27318,
CVE-2026-27489 and CVE-2026-34445.
"""

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from refsnn.formats.model_file import Source
from refsnn.formats.refusals import refuse

KEYS = ("location", "offset", "length", "checksum")
REMEDY = "save the model in one file: onnx.save(model, path, save_as_external_data=False)"
HASHED = 1 << 20  # bytes that are hashed at once


def no_external(source: Source) -> Any:
    """What reads no external tensor."""

    def refused(name: str, tensor: Mapping[str, Any], needed: int) -> bytes:
        entries = {entry.get("key"): entry.get("value") for entry in tensor.get("external_data", [])}
        refuse("outside-file", source.path, name, f"its numbers are in another file, {entries.get('location')!r}",
               f"{REMEDY}, or allow it with --external-data FOLDER, Limits(external_data=folder)")  # fmt: skip

    return refused


def contained(source: Source, folder: Path) -> Any:
    """What reads tensors from the folder's files; no two may share bytes, so all of them are no larger than the files."""
    taken: dict[tuple[int, int], list[tuple[int, int]]] = {}

    def read(name: str, tensor: Mapping[str, Any], needed: int) -> bytes:
        entries = _entries(source, name, tensor)
        handle = _opened(source, name, folder, entries["location"])
        try:
            return _part(source, name, handle, entries, needed, taken)
        except OSError as error:
            refuse("unreadable", source.path, name, f"external data: {error.strerror}", REMEDY)
        finally:
            os.close(handle)

    return read


def _entries(source: Source, name: str, tensor: Mapping[str, Any]) -> dict[str, str]:
    """The keys that external data may have, each once."""
    entries: dict[str, str] = {}
    for entry in tensor.get("external_data", []):
        key = entry.get("key", "")
        if key not in KEYS or key in entries:
            refuse("damaged", source.path, name, f"external data with the key {key!r}{' twice' if key in entries else ''}",
                   f"expected each of {', '.join(KEYS)} at most once")  # fmt: skip
        entries[key] = entry.get("value", "")
    for key in ("offset", "length"):
        if not re.fullmatch("[0-9]{1,18}", entries.get(key, "0")):
            refuse(
                "damaged", source.path, name, f"external data with {key} {entries[key]!r}", "expected a whole number"
            )
    if tensor.get("data_location", 0) != 1 or not entries.get("location") or len(tensor.get("raw_data", b"")):
        refuse("damaged", source.path, name, "external data without a location, or beside numbers in the file", REMEDY)
    return entries


def _opened(source: Source, name: str, folder: Path, location: str) -> int:
    """A descriptor of the file, opened part by part from the folder."""
    parts = location.split("/")
    unsafe = "\\" in location or "\0" in location or ":" in location or any(part in ("", "..") for part in parts)
    if unsafe or not hasattr(os, "O_NOFOLLOW"):
        refuse(
            "outside-file",
            source.path,
            name,
            f"external data at {location!r}: no plain path below the folder",
            REMEDY,
        )
    handle = -1
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        for i, part in enumerate(parts):
            kind = os.O_DIRECTORY if i < len(parts) - 1 else os.O_NONBLOCK  # a FIFO must not make us wait
            inner = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | kind, dir_fd=handle)
            os.close(handle)
            handle = inner
        found = os.fstat(handle)
    except OSError as error:
        if handle >= 0:
            os.close(handle)
        refuse("outside-file", source.path, name, f"external data at {location!r} is not a file of the folder: {error.strerror}",
               f"links are not followed; {REMEDY}")  # fmt: skip
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        os.close(handle)
        what = "has another name (a hard link)" if stat.S_ISREG(found.st_mode) else "is no ordinary file"
        refuse("outside-file", source.path, name, f"external data at {location!r} {what}", f"copy it; or {REMEDY}")
    return handle


def _part(
    source: Source, name: str, handle: int, entries: Mapping[str, str], needed: int,
    taken: dict[tuple[int, int], list[tuple[int, int]]],
) -> bytes:  # fmt: skip
    """The tensor's bytes, after everything that is said about them was compared with the file."""
    found = os.fstat(handle)
    offset = int(entries.get("offset", 0))
    length = int(entries.get("length", found.st_size - offset))
    if not 0 <= offset <= found.st_size or not 0 <= length <= found.st_size - offset or length != needed:
        refuse("size-lie", source.path, name, f"needs {needed} bytes and declares {length} from {offset}, but the external "
               f"file has {found.st_size}", REMEDY)  # fmt: skip
    ranges = taken.setdefault((found.st_dev, found.st_ino), [])
    if any(first < offset + length and offset < last for first, last in ranges):
        refuse("overlap", source.path, name, "shares external bytes with another tensor", REMEDY)
    ranges.append((offset, offset + length))
    if found.st_size > source.limits.file_bytes:
        refuse("too-large", source.path, name, f"external data of {found.st_size} bytes", "raise Limits.file_bytes")
    if "checksum" in entries:
        _check_sum(source, name, handle, found.st_size, entries["checksum"])
    content = os.pread(handle, length, offset)
    while len(content) < length:  # Linux reads 2 GiB at most at once
        more = os.pread(handle, length - len(content), offset + len(content))
        if not more:
            refuse("truncated", source.path, name, "the external file became shorter while it was read", REMEDY)
        content += more
    return content


def _check_sum(source: Source, name: str, handle: int, size: int, expected: str) -> None:
    """SHA-1 of the whole file, as ONNX's external data has it: against damage, not against forgery."""
    digest = hashlib.sha1(usedforsecurity=False)
    for start in range(0, size, HASHED):
        digest.update(os.pread(handle, HASHED, start))
    if digest.hexdigest() != expected.lower():
        refuse(
            "damaged",
            source.path,
            name,
            f"checksum {expected!r}, but the external file's is {digest.hexdigest()}",
            REMEDY,
        )
