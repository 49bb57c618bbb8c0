"""A file's bytes, read once into one buffer that all arrays are views of.

Not mapped: a mapped file that another program changes would change weights that have been checked, and one that it
shortens would kill the process.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from typing import Any

import numpy as np

CHUNK = 8 << 20  # bytes for one thread at a time; smaller files are read by one
THREADS = 4  # more add nothing: the memory is the bound


def file_bytes(file: FileIO, size: int) -> memoryview:
    """The first `size` bytes, read-only; EOFError where the file has become shorter.

    np.empty asks the system for large pages, which halves the time that reading takes; threads share the rest.
    """
    content = memoryview(np.empty(size, np.uint8))  # type: ignore[arg-type]
    if size <= CHUNK or not hasattr(os, "preadv"):
        file.seek(0)
        _filled(file.readinto, content)
        return content.toreadonly()

    def fill(start: int) -> None:
        end = min(start + CHUNK, size)
        _filled(lambda rest: os.preadv(file.fileno(), [rest], end - len(rest)), content[start:end])

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(fill, range(0, size, CHUNK)))
    return content.toreadonly()


def _filled(read_into: Any, rest: memoryview) -> None:
    while len(rest):
        count = read_into(rest)
        if not count:
            raise EOFError
        rest = rest[count:]
