"""Why a model file is refused: one code for each reason, one place that makes the errors."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NoReturn

from refsnn.errors import LoadError

# code -> what it means; docs/formats.md, `refsnn scan` and SARIF rules are made from it
CODES: Mapping[str, str] = MappingProxyType(
    {
        "unreadable": "the file cannot be opened",
        "empty": "the file has no bytes",
        "too-large": "the file, or what it declares, is over a limit",
        "unknown-format": "its first bytes belong to no format that is known here",
        "not-a-model": "something else under a model's name: a web page, a Git LFS pointer, an archive",
        "no-light-reader": "a known format that only its own framework reads; convert it there",
        "missing-extra": "a known format whose reader is an optional dependency that is not installed",
        "damaged": "bytes that break the format's own rules",
        "truncated": "the file ends before what it declares",
        "size-lie": "a declared size and the bytes that are there differ",
        "expansion": "a small file that unpacks to an enormous one",
        "packing": "compressed or encrypted in a way that is not read",
        "overlap": "two tensors share bytes, or bytes belong to none",
        "duplicate-name": "two parts have one name, so that readers may differ in which they take",
        "nesting": "nested deeper, or with more parts, than any model",
        "cycle": "a part that contains itself",
        "executable": "it asks for a function or class to be called that plain weights do not need",
        "outside-file": "it points to data outside the file",
        "unsafe-name": "a name that is a path out of the archive",
        "unsupported-type": "numbers of a kind that is not read: objects, quantised, sparse, complex",
        "unsupported-node": "an operator, layer or neuron that no network of ours says exactly",
        "not-finite": "NaN or infinity among the weights",
        "missing-semantics": "what changes results and is not in the file was not given",
        "unconfirmed": "a guess that nobody has confirmed",
        "strict": "something was ignored, defaulted or guessed although --strict was given",
        "no-layers": "a weights file that names no layers was given without a spec",
    }
)
SHOWN = 120  # characters of a name from a file that a message repeats
REASON = 500  # of a whole reason


def refuse(code: str, path: str, place: str, reason: str, remedy: str) -> NoReturn:
    """Raise the LoadError."""
    raise refusal(code, path, place, reason, remedy)


def refusal(code: str, path: str, place: str, reason: str, remedy: str) -> LoadError:
    """The LoadError; place and reason may hold text from the file, which is made harmless here."""
    assert code in CODES, code
    return LoadError(code, path, shown(place), shown(reason, REASON), remedy)


def shown(text: object, limit: int = SHOWN) -> str:
    r"""Text from a file as a message may repeat it: one line, control characters as \x1b, not too long."""
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text)[: limit + 1])
    return plain if len(plain) <= limit else plain[:limit] + "…"
