"""Zip archives written record by record: every field can lie."""

import struct
import zlib
from dataclasses import dataclass

STORED, DEFLATED = 0, 8


@dataclass(frozen=True)
class Member:
    """One member: what stands in the central directory, and what in its local header where that differs."""

    name: bytes
    data: bytes
    method: int = STORED
    flags: int = 0
    packed: bytes | None = None  # the stored bytes; made from `data` where not given
    crc: int | None = None
    size: int | None = None  # declared unpacked size
    packed_size: int | None = None  # declared packed size
    local_name: bytes | None = None
    at: int | None = None  # offset of another member's local header, instead of one of its own
    extra: bytes = b""

    def stored(self):
        if self.packed is not None:
            return self.packed
        return deflated(self.data) if self.method == DEFLATED else self.data

    def numbers(self):
        """crc, packed size, unpacked size: as the headers declare them."""
        packed = len(self.stored()) if self.packed_size is None else self.packed_size
        return (
            zlib.crc32(self.data) if self.crc is None else self.crc, packed,
            len(self.data) if self.size is None else self.size,
        )  # fmt: skip


def deflated(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def zeros_deflated(mebibytes):
    """A deflate stream of that many MiB of zeros, about a thousandth of it long: one MiB, flushed to a byte, again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    # after a full flush no match reaches back, so that the block can be repeated
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * mebibytes + packer.flush()


def archive(*members, entries=None, directory_at=None, comment=b"", prefix=b""):
    """The bytes of a zip file; `entries` and `directory_at` are what the end record claims."""
    body, central = bytearray(prefix), bytearray()
    for member in members:
        offset = len(body) if member.at is None else member.at
        crc, packed, size = member.numbers()
        shared = struct.pack("<HHHHHIII", 20, member.flags, member.method, 0, 33, crc, packed, size)
        if member.at is None:
            local = member.name if member.local_name is None else member.local_name
            body += b"PK\x03\x04" + shared + struct.pack("<HH", len(local), 0) + local + member.stored()
        central += b"PK\x01\x02" + struct.pack("<H", 20) + shared
        central += struct.pack("<HHHHHII", len(member.name), len(member.extra), 0, 0, 0, 0, offset)
        central += member.name + member.extra
    count = len(members) if entries is None else entries
    start = len(body) if directory_at is None else directory_at
    end = struct.pack("<HHHHIIH", 0, 0, count & 0xFFFF, count & 0xFFFF, len(central), start, len(comment))
    return bytes(body + central + b"PK\x05\x06" + end + comment)


def torch_members(pickled, root="archive", storages=None, byteorder=b"little"):
    """The members of a torch.save file."""
    storages = {"0": struct.pack("<4f", 1, 2, 3, 4)} if storages is None else storages
    return (
        Member(f"{root}/data.pkl".encode(), pickled),
        Member(f"{root}/byteorder".encode(), byteorder),
        *(Member(f"{root}/data/{key}".encode(), content) for key, content in storages.items()),
        Member(f"{root}/version".encode(), b"3\n"),
    )


def torch_zip(pickled, **how):
    return archive(*torch_members(pickled, **how))
