"""Whole files or none: bytes reach their name only after all of them are on disk."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from refsnn.errors import FormatError


def write_atomic(path: str | os.PathLike[str], content: bytes) -> None:
    """Replace the file at `path` by `content`; an interruption leaves the old file or the new one, nothing between."""
    write_together({Path(path): content})


def write_together(files: Mapping[Path, bytes]) -> None:
    """Replace each file by its content; none is touched before the bytes of all of them are on disk."""
    staged: dict[Path, str] = {}
    try:
        for target, content in files.items():
            staged[target] = _staged(target, content)
        for target, temporary in staged.items():
            os.replace(temporary, target)
    except OSError as error:
        raise FormatError(
            f"{target}: cannot write: {error.strerror}; name a folder that exists, with space left"
        ) from error
    finally:
        for temporary in staged.values():
            Path(temporary).unlink(missing_ok=True)


def _staged(target: Path, content: bytes) -> str:
    """A file beside the target with all of the content on disk; gone again if that fails."""
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp makes private files; ours are ordinary ones
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return temporary


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The whole file; a `FormatError` that names it when it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise FormatError(f"{path}: cannot read: {error.strerror}; name a file that exists") from error
