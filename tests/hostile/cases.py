"""What a hostile file is: a name, its bytes, and why it may be refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from refsnn.formats.refusals import CODES

OPENED = "opened"  # among the codes: the file is odd and harmless, so that a reader may also take it

# errors of ours that have no code: of specs, and of networks that graphs turn out to be
UNCODED = ("SpecError", "FormatError", "ShapeError", "UnsupportedLayerError")
ANY = frozenset((OPENED, *CODES, *UNCODED))  # of a file that is damaged at random


@dataclass(frozen=True)
class Case:
    """A file that must be refused, and the codes that say so rightly."""

    name: str  # "torch/gadget-os-system.pt": a folder for each kind of trick, a suffix that users give such files
    content: bytes = field(repr=False)
    codes: frozenset[str]
    beside: Mapping[str, bytes | str] = field(
        default_factory=dict
    )  # files next to it; a str is a symbolic link's target


def case(name, content, *codes, beside=None):
    """A Case; the codes that go without saying are none."""
    assert codes, name
    return Case(name, bytes(content), frozenset(codes), beside or {})
