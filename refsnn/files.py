"""Whole files or none: bytes reach their name only after all of them are on disk."""

import os
import tempfile
from pathlib import Path

from refsnn.errors import FormatError


def write_atomic(path: str | os.PathLike[str], content: bytes) -> None:
    """Replace the file at `path` by `content`; an interruption leaves the old file or the new one, nothing between."""
    target = Path(path)
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise FormatError(
            f"{target}: cannot write: {error.strerror}; name a folder that exists and is writable"
        ) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp makes private files; ours are ordinary ones
        os.replace(temporary, target)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise FormatError(f"{target}: cannot write: {error.strerror}; free some space or name another file") from error
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The whole file; a `FormatError` that names it when it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise FormatError(f"{path}: cannot read: {error.strerror}; name a file that exists") from error
