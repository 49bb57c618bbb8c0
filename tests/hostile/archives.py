"""Zip archives that are bombs, that overlap, that say two things, or whose names lead elsewhere."""

import struct

from hostile import opcodes as op
from hostile import valid, wires, zips
from hostile.cases import case
from hostile.zips import DEFLATED, Member, archive

GOOD = Member(b"a.npy", valid.npy())
LIES = ("damaged", "truncated", "size-lie")


def bombs():
    big = wires.npy(wires.described(shape=f"({64 << 20},)"))
    # a stored block of the header, then zeros: what it declares is what it holds
    packed = b"\x00" + struct.pack("<HH", len(big), len(big) ^ 0xFFFF) + big + zips.zeros_deflated(256)
    flat = Member(b"a.npy", b"", DEFLATED, packed=packed, size=len(big) + (256 << 20))
    yield case("zip/bomb.npz", archive(flat), "expansion")
    zeros = zips.zeros_deflated(64)
    lied = Member(b"a.npy", b"", DEFLATED, packed=zeros, size=100)
    yield case("zip/bomb-declared-small.npz", archive(lied), *LIES, "expansion")
    huge = Member(b"a.npy", b"", DEFLATED, packed=zeros, size=0xFFFFFFF0)
    yield case("zip/declared-huge.npz", archive(huge), "expansion", *LIES)
    first = Member(b"0.npy", b"", DEFLATED, packed=zips.zeros_deflated(20), size=20 << 20)
    many = (
        first,
        *(Member(f"{i}.npy".encode(), b"", DEFLATED, packed=first.packed, size=20 << 20, at=0) for i in range(1, 500)),
    )
    yield case("zip/many-on-one.npz", archive(*many), "overlap", "expansion", *LIES)
    # each member's data runs through all later headers and ends in the last one's: David Fifield's "quoted" bomb, stored
    step, count = 30 + len(b"000.npy"), 200
    end = step * count + len(GOOD.data)
    sizes = [end - step * (index + 1) for index in range(count - 1)]
    quoted = [
        Member(f"{i:03}.npy".encode(), b"", packed=b"", size=size, packed_size=size, crc=0)
        for i, size in enumerate(sizes)
    ]
    yield case("zip/quoted.npz", archive(*quoted, Member(b"199.npy", GOOD.data)), "overlap", "expansion", *LIES)
    stored = Member(b"a.npy", b"", packed=b"x" * 10, size=1 << 30)
    yield case("zip/stored-declares-more.npz", archive(stored), *LIES, "expansion")
    nested = archive(Member(b"a.npy", archive(flat)))
    yield case("zip/nested.npz", nested, *LIES)
    entries = archive(GOOD, *(Member(b"%06d.npy" % i, b"", at=0) for i in range(110_000)))
    yield case("zip/hundred-thousand-names.npz", entries, "nesting", "too-large", "overlap", "damaged")


def lies():
    good = archive(GOOD)
    yield case("zip/two-directories.npz", good + good, *LIES, "duplicate-name", "overlap")
    yield case("zip/comment-with-directory.npz", archive(GOOD, comment=good), *LIES, "duplicate-name", "overlap")
    yield case("zip/after-the-end.npz", good + b"x" * 70_000, *LIES)
    yield case("zip/directory-beyond.npz", archive(GOOD, directory_at=1 << 30), *LIES)
    yield case(
        "zip/other-local-name.npz", archive(Member(b"a.npy", GOOD.data, local_name=b"b.npy")), *LIES, "duplicate-name"
    )
    yield case("zip/other-local-storage.pt", archive(*(
        Member(m.name, m.data, local_name=m.name.replace(b"/0", b"/1")) for m in zips.torch_members(op.state_dict()))), *LIES, "duplicate-name")  # fmt: skip
    yield case("zip/twice.npz", archive(GOOD, GOOD), "duplicate-name")
    yield case(
        "zip/twice-data-pkl.pt",
        archive(*zips.torch_members(op.state_dict()), zips.torch_members(op.state_dict())[0]),
        "duplicate-name",
    )
    upper = (GOOD, Member(b"a", GOOD.data))
    yield case("zip/twice-after-the-suffix.npz", archive(*upper), "duplicate-name", "unknown-format")
    yield case("zip/bad-crc.npz", archive(Member(b"a.npy", GOOD.data, crc=0)), *LIES)
    yield case("zip/encrypted.npz", archive(Member(b"a.npy", GOOD.data, flags=1)), *LIES, "packing")
    for method in (1, 9, 12, 14, 93, 99):
        yield case(f"zip/method-{method}.npz", archive(Member(b"a.npy", GOOD.data, method=method)), *LIES, "packing")
    yield case("zip/not-deflate.npz", archive(Member(b"a.npy", GOOD.data, DEFLATED, packed=b"\xff" * 99)), *LIES)
    extra = struct.pack("<HHQQQ", 1, 24, 1 << 60, 1 << 60, 0)
    yield case(
        "zip/zip64-huge.npz",
        archive(Member(b"a.npy", b"", size=0xFFFFFFFF, packed_size=0xFFFFFFFF, packed=b"", extra=extra)),
        *LIES,
        "expansion",
        "too-large",
    )
    yield case("zip/no-members.npz", archive(), "unknown-format", "damaged")


def names():
    for index, name in enumerate((
        b"../../x.npy", b"/etc/x.npy", b"..\\x.npy", b"C:\\x.npy", b"a/../../x.npy", b"x\x00.npy", b"\\\\host\\x.npy", b"..",
    )):  # fmt: skip
        yield case(
            f"zip/name-{index}.npz", archive(Member(name, GOOD.data)), "unsafe-name", "unknown-format", "damaged"
        )
        root = name.removesuffix(b".npy").decode()
        if b"\x00" not in name:
            yield case(f"zip/root-{index}.pt", zips.torch_zip(op.state_dict(), root=root), "unsafe-name", "damaged")


def cases():
    yield from bombs()
    yield from lies()
    yield from names()
