"""Whether files are what a model file should be, without running anything of them; as plain data and as SARIF."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from refsnn.errors import LoadError
from refsnn.formats.limits import Limits
from refsnn.formats.opening import open_model
from refsnn.formats.refusals import CODES, shown

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
# refused, but for want of a reader, not because something is wrong with the file
HARMLESS = ("no-light-reader", "missing-extra", "unreadable", "too-large")


@dataclass(frozen=True)
class Scanned:
    """A file that was accepted (no code), or why not."""

    path: str
    format: str | None  # None: refused
    tensors: int | None
    code: str | None = None
    place: str = ""
    reason: str = ""
    remedy: str = ""

    @property
    def accepted(self) -> bool:
        return self.code is None


def scan(path: str | Path, limits: Limits = Limits()) -> Scanned:
    """What open_model makes of the file."""
    try:
        model = open_model(path, limits)
    except LoadError as error:
        return Scanned(str(path), None, None, error.code, error.place, error.reason, error.remedy)
    return Scanned(str(path), model.format.value, len(model.tensors))


def scan_data(files: Iterable[Scanned]) -> dict[str, Any]:
    """The result as JSON has it."""
    rows = [{**asdict(one), "accepted": one.accepted} for one in files]
    return {"refused": sum(not row["accepted"] for row in rows), "files": rows}


def sarif(files: Iterable[Scanned], version: str) -> dict[str, Any]:
    """The refusals as a SARIF 2.1.0 log, each code a rule.

    OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0", 2020
    """
    rules = [
        {
            "id": code,
            "shortDescription": {"text": meaning},
            "defaultConfiguration": {"level": _level(code)},
        }
        for code, meaning in CODES.items()
    ]
    driver = {"name": "refsnn scan", "semanticVersion": version, "rules": rules}
    run: Mapping[str, Any] = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True}],
        "results": [_result(one) for one in files if one.code is not None],
    }
    return {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}


def _level(code: str) -> str:
    return "warning" if code in HARMLESS else "error"


def _result(one: Scanned) -> dict[str, Any]:
    assert one.code is not None
    location: dict[str, Any] = {"physicalLocation": {"artifactLocation": {"uri": _uri(one.path)}}}
    if one.place:
        location["logicalLocations"] = [{"name": one.place}]
    place = f"{one.place}: " if one.place else ""
    return {
        "ruleId": one.code,
        "ruleIndex": list(CODES).index(one.code),
        "level": _level(one.code),
        "message": {"text": f"{place}{one.reason}; {one.remedy}"},
        "locations": [location],
    }


def _uri(path: str) -> str:
    """The path as a URI; a relative one stays relative, to where the command ran."""
    return Path(path).as_uri() if Path(path).is_absolute() else quote(Path(path).as_posix())


def scan_rows(files: Iterable[Scanned]) -> list[list[str]]:
    """A row for each file: what was found, its name, and what was read or why not."""
    return [
        ["ok", shown(one.path), f"{one.format}, {one.tensors} tensors"]
        if one.accepted
        else [one.code or "", shown(one.path), f"{one.place + ': ' if one.place else ''}{one.reason}; {one.remedy}"]
        for one in files
    ]
