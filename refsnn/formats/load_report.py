"""What became of each tensor of a file, and of each parameter that the file does not hold."""

from dataclasses import dataclass
from enum import Enum

from refsnn.formats.refusals import refuse


class Fate(Enum):
    """What can become of a tensor or parameter."""

    MAPPED = "mapped"  # a tensor became a parameter
    IGNORED = "ignored"  # a tensor became nothing
    DEFAULTED = "defaulted"  # a parameter has its usual value, which the file does not say
    GUESSED = "guessed"  # a parameter or layer was inferred from names or shapes


@dataclass(frozen=True)
class Entry:
    """One line of the report."""

    fate: Fate
    name: str  # of the tensor; of the parameter where no tensor is
    what: str  # mapped: the parameter it became; otherwise why
    shape: tuple[int, ...] | None = None
    dtype: str | None = None


@dataclass(frozen=True)
class LoadReport:
    """Every tensor of the file once, and every parameter that was not in it."""

    path: str
    format: str
    entries: tuple[Entry, ...]

    def of(self, fate: Fate) -> tuple[Entry, ...]:
        """The entries with this fate, in order."""
        return tuple(entry for entry in self.entries if entry.fate is fate)

    def require_all_mapped(self) -> None:
        """A LoadError with code `strict` unless every entry is MAPPED."""
        for entry in self.entries:
            if entry.fate is not Fate.MAPPED:
                more = len(self.entries) - len(self.of(Fate.MAPPED)) - 1
                refuse(
                    "strict", self.path, entry.name,
                    f"{entry.fate.value}: {entry.what}{f' (and {more} more)' if more else ''}",
                    "map it in the spec, or load without --strict",
                )  # fmt: skip
