"""Good files that end early: at every boundary of their structure, and one byte before it."""

import pickletools
import struct
from itertools import pairwise

from hostile import valid
from hostile.cases import case

ENDS = (
    "truncated",
    "damaged",
    "size-lie",
    "empty",
    "unknown-format",
    "expansion",
    "executable",
    "overlap",
    "unsupported-node",
    "not-a-model",
)


def zip_boundaries(content):
    """Starts of records, of names and of data."""
    for sign, fixed in ((b"PK\x03\x04", 30), (b"PK\x01\x02", 46), (b"PK\x05\x06", 22)):
        at = content.find(sign)
        while at >= 0:
            yield from (at, at + 4, at + fixed)
            if sign == b"PK\x03\x04":
                name, extra = struct.unpack_from("<HH", content, at + 26)
                yield at + fixed + name + extra
            at = content.find(sign, at + 1)


def protobuf_boundaries(content, start=0, end=None, depth=0):
    """Starts and ends of fields, and of the fields within."""
    end = len(content) if end is None else end
    at = start
    while at < end:
        yield at
        key = content[at]
        at += 1
        if key & 7 == 0:
            while content[at] & 128:
                at += 1
            at += 1
        elif key & 7 == 2:
            size = shift = 0
            while True:
                byte = content[at]
                size |= (byte & 127) << shift
                shift, at = shift + 7, at + 1
                if byte < 128:
                    break
            if depth < 2 and key >> 3 in (1, 5, 7) and size > 8:
                yield from protobuf_boundaries(content, at, at + size, depth + 1)
            at += size
        else:
            return


def opcode_boundaries(content):
    """After each opcode of the five pickles, and around the storage's count."""
    at = 0
    for part in valid.legacy_parts():
        yield from (at + position for _, _, position in pickletools.genops(part))
        at += len(part)
        yield at
    yield from (at + 8, at + 9)


def boundaries(suffix, content):
    match suffix:
        case "npz" | "pt" | "keras":
            found = zip_boundaries(content)
        case "npy":
            found = iter((6, 7, 8, 9, 10, 11, len(content) - 17, len(content) - 16, len(content) - 1))
        case "safetensors":
            length = struct.unpack_from("<Q", content)[0]
            found = iter((1, 7, 8, 9, 8 + length // 2, 7 + length, 8 + length, 24 + length, 39 + length))
        case "legacy.pt":
            found = opcode_boundaries(content)
        case "onnx":
            found = protobuf_boundaries(content)
        case "mat":
            # where the first matrix ends, a shorter file is a good one
            found = (
                at
                for at in range(0, len(content), 8)
                if at not in (128, 128 + 8 + struct.unpack_from("<I", content, 132)[0])
            )
        case "msgpack":
            found = iter(range(1, len(content), 3))
        case _:  # HDF5: each is a process, so a few
            found = iter((9, 48, 96, *(len(content) * part // 4 for part in range(1, 4)), len(content) - 1))
    return sorted({at for at in found if 0 < at < len(content)})


def cases():
    for suffix, make in valid.FILES.items():
        content = make()
        for at in boundaries(suffix, content):
            yield case(f"truncated/{at:05}.{suffix}", content[:at], *ENDS)
    for suffix in ("pt", "npz", "safetensors", "onnx"):
        content = valid.FILES[suffix]()
        cuts = boundaries(suffix, content)
        first, last = next(pairwise(cuts[len(cuts) // 2 :]))
        yield case(
            f"truncated/from-the-middle.{suffix}",
            content[:first] + content[last:],
            *ENDS,
            "duplicate-name",
            "nesting",
            "too-large",
        )
