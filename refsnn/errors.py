"""Ways to fail. Every message says where, what was found and what would do; `exit_code` is what the command returns."""

from difflib import get_close_matches
from typing import Any


class RefSNNError(Exception):
    """Base of everything that is the input's fault, not a bug."""

    exit_code = 2


class SpecError(RefSNNError):
    """A spec file, option or argument says something that has no meaning."""


class FormatError(RefSNNError):
    """A file is missing, damaged, or holds values that no network can have."""

    exit_code = 3


class LoadError(FormatError):
    """A model file that is refused: what is wrong with it (`code`), where (`place`), why, and what would do.

    code: one of refsnn.formats.refusals.CODES, the same word in `refsnn scan` and in a CI log.
    """

    def __init__(self, code: str, path: str, place: str, reason: str, remedy: str) -> None:
        super().__init__(f"{path}: {place + ': ' if place else ''}{reason}; {remedy}")
        self.code, self.path, self.place, self.reason, self.remedy = code, path, place, reason, remedy

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.code, self.path, self.place, self.reason, self.remedy)


class ShapeError(RefSNNError):
    """Arrays that meet do not fit each other."""

    exit_code = 3


class UnsupportedLayerError(RefSNNError):
    """A layer that cannot be said exactly; it is refused, never approximated."""

    exit_code = 3


class CapacityError(RefSNNError):
    """The chip cannot hold the network."""

    exit_code = 3


class VerificationFailed(RefSNNError):
    """Two things that should be equal are not."""

    exit_code = 1


class GoldenError(RefSNNError):
    """A golden file is missing, stale (recorded for another network or input) or tampered with."""

    exit_code = 4


class NothingCompared(RefSNNError):
    """A comparison over no samples, no steps or no nodes, which must not pass."""

    exit_code = 5


def did_you_mean(word: str, known: list[str]) -> str:
    """'; did you mean 'x'?' or, with nothing near, the list of what is known."""
    near = get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"
