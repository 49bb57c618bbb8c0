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
    stated: bool = False  # the spec itself says that the tensor is ignored


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
        """A LoadError with code `strict` unless every entry is MAPPED, or ignored because the spec says so."""
        for entry in self.open:
            more = len(self.open) - 1
            refuse(
                "strict", self.path, entry.name,
                f"{entry.fate.value}: {entry.what}{f' (and {more} more)' if more else ''}",
                "say it in the spec, or load without --strict",
            )  # fmt: skip

    @property
    def open(self) -> tuple[Entry, ...]:
        """What a user should look at: everything that is neither mapped nor stated."""
        return tuple(entry for entry in self.entries if entry.fate is not Fate.MAPPED and not entry.stated)

    @property
    def summary(self) -> str:
        """One line on what a user should look at, or nothing: '1 ignored, 3 defaulted'."""
        counts = ((sum(entry.fate is fate for entry in self.open), fate.value) for fate in Fate)
        return ", ".join(f"{count} {fate}" for count, fate in counts if count)
