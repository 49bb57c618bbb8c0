"""Members of a zip archive: views of the file's bytes where they are stored as they are, unpacked once verified elsewhere."""

import zlib
from concurrent.futures import ThreadPoolExecutor

from refsnn.formats.inflating import RAW, beginning, inflated, pieces
from refsnn.formats.model_file import Source
from refsnn.formats.refusals import refuse
from refsnn.formats.zip_directory import AGAIN, Member
from refsnn.formats.zip_directory import members as members

THREADS = 4
LARGE = 1 << 20  # bytes of a member that is worth a thread's while


def verify(found: dict[str, Member], source: Source) -> None:
    """Every member unpacks to what it declares and has its checksum, or a LoadError; nothing unpacked is kept."""
    large = [member for member in found.values() if len(member.packed) >= LARGE]
    with ThreadPoolExecutor(THREADS) as threads:  # zlib leaves the interpreter to others while it works
        problems = dict(zip((member.name for member in large), threads.map(_problem, large), strict=True))
    for name, member in found.items():
        problem = problems[name] if name in problems else _problem(member)
        if problem:
            refuse("damaged", source.path, name, problem, AGAIN)


def unpacked(member: Member) -> memoryview:
    """The content of a member that was verified: a view of the file where it is stored as it is."""
    return inflated(member.packed, member.size, RAW) if member.deflated else member.packed


def head(member: Member, wanted: int) -> bytes:
    """The first bytes of a member; b'' where they do not unpack."""
    try:
        return beginning(member.packed, member.size, RAW, wanted) if member.deflated else bytes(member.packed[:wanted])
    except zlib.error:
        return b""


def _problem(member: Member) -> str:
    crc = 0
    try:
        for piece in pieces(member.packed, member.size, RAW) if member.deflated else (member.packed,):
            crc = zlib.crc32(piece, crc)
    except (zlib.error, ValueError) as error:
        return str(error)
    return "" if crc == member.crc else f"its checksum is {crc:08x}, and {member.crc:08x} is written beside it"
