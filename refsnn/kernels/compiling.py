"""`compiled`: Numba's njit with a cache on disk that several processes may fill at once.

Numba numbers the files of compiled code by what its index lists. Two processes that compile the same
function for different types at the same time therefore choose the same number, and the index may keep one's
types with the other's code: a later run ends in a TypeError, or worse. Here a file's name is a digest of
what is in it, so that such a race can only lose an entry, which is compiled again
(https://github.com/numba/numba/issues/4807 and 10128). The digest covers every source a kernel may inline
from, which Numba's own time stamp of one file does not see.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from numba import config, njit
from numba.core.caching import FunctionCache, IndexDataCacheFile

KERNELS = Path(__file__).parent
INLINED = KERNELS.parent / "dynamics.py", KERNELS.parent / "fixed.py"  # the equations are compiled into the kernels


def compiled(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """The function compiled at its first call with the GIL released, and kept on disk for later processes.

    Where nothing can be written (a read-only image without a home) each process compiles for itself.
    """
    if function is None:
        return lambda given: compiled(given, **options)
    dispatcher = njit(nogil=True, **options)(function)
    if not config.DISABLE_JIT:  # type: ignore[attr-defined]
        with suppress(RuntimeError):  # numba: no locator available
            dispatcher._cache = _Cache(function)
    return dispatcher


class _CacheFile(IndexDataCacheFile):
    def save(self, key: Any, data: Any) -> None:
        overloads = self._load_index()
        digest = hashlib.sha256(repr((self._source_stamp, key)).encode()).digest()
        name = self._data_name(int.from_bytes(digest[:12]))
        self._save_data(name, data)  # the code first: an index never names a file that is not there yet
        self._save_index(overloads | {key: name})


class _Cache(FunctionCache):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        own = hashlib.sha256(Path(function.__code__.co_filename).read_bytes()).hexdigest()
        self._cache_file = _CacheFile(self._cache_path, self._impl.filename_base, (_kernel_sources(), own))


@cache
def _kernel_sources() -> str:
    digest = hashlib.sha256()
    for path in (*sorted(KERNELS.glob("*.py")), *INLINED):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
