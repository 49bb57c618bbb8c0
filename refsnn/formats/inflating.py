"""Packed bytes unpacked piece by piece, so that no declared size is believed before it was counted."""

import zlib
from collections.abc import Iterator

PACKED_STEP, PIECE = 1 << 16, 1 << 20  # bytes put in, and got out at most, at a time
RAW, WRAPPED = -15, 15  # window bits: a deflate stream as zip holds it; with zlib's header and checksum


def pieces(packed: memoryview, size: int, window: int) -> Iterator[bytes]:
    """The unpacked bytes in order; ValueError or zlib.error unless they are exactly `size`, and all of `packed`.

    Small steps, because zlib copies what it has not read yet at each call.
    """
    engine, left = zlib.decompressobj(window), size
    for start in range(0, len(packed), PACKED_STEP):
        waiting: memoryview | bytes = packed[start : start + PACKED_STEP]
        last = start + PACKED_STEP >= len(packed)
        while not engine.eof:
            piece = engine.decompress(waiting, min(left + 1, PIECE))
            left -= len(piece)
            if left < 0:
                raise ValueError(f"unpacks to more than the {size} bytes that it declares")
            yield piece
            waiting = engine.unconsumed_tail
            if not waiting and not piece:
                break
        if engine.eof and (engine.unused_data or not last):
            raise ValueError("goes on behind its packed bytes")
    if not engine.eof or left:
        raise ValueError(f"ends before the {size} bytes that it declares")


def inflated(packed: memoryview, size: int, window: int) -> memoryview:
    """All of them; memory grows with what was really unpacked."""
    unpacked = bytearray()
    for piece in pieces(packed, size, window):
        unpacked += piece
    return memoryview(unpacked).toreadonly()


def beginning(packed: memoryview, size: int, window: int, wanted: int) -> bytes:
    """The first `wanted` unpacked bytes, fewer where there are no more."""
    return zlib.decompressobj(window).decompress(packed[: 2 * wanted + PACKED_STEP], min(wanted, size) or 1)
