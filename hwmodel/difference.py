"""Two cost reports beside each other: what changed, row by row."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refsnn.errors import FormatError

SCHEMA = "refsnn.cost/1"
TOTALS = ("chip", "energy_per_inference_j", "latency_per_inference_s", "is_lower_bound")
Key = tuple[str, str, str]  # node, component, action


@dataclass(frozen=True, kw_only=True)
class Change:
    """A row of either report, per inference; None where a report has no such row, or no price for it."""

    node: str
    component: str
    action: str
    count: tuple[float | None, float | None]
    energy_j: tuple[float | None, float | None]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """From one report to another, per inference."""

    chips: tuple[str, str]
    energy_j: tuple[float, float]
    latency_s: tuple[float, float]
    is_lower_bound: tuple[bool, bool]
    changes: tuple[Change, ...]  # rows that differ, the largest difference of energy first

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.changes) or self.energy_j[0] != self.energy_j[1] or self.latency_s[0] != self.latency_s[1]


def diff(before: Mapping[str, Any], after: Mapping[str, Any]) -> Difference:
    """What changed between two reports as plain data (CostReport.as_data())."""
    missing = [key for key in TOTALS for report in (before, after) if key not in report]
    if missing:
        raise FormatError(f"a cost report lacks {missing[0]!r}; write it anew with 'refsnn cost --format json'")
    old, new = _rows(before), _rows(after)
    changes = [
        Change(
            node=key[0], component=key[1], action=key[2],
            count=(_per(old.get(key), "count"), _per(new.get(key), "count")),
            energy_j=(_per(old.get(key), "energy_j"), _per(new.get(key), "energy_j")),
        )
        for key in dict.fromkeys([*old, *new])
    ]  # fmt: skip
    changed = [c for c in changes if c.count[0] != c.count[1] or c.energy_j[0] != c.energy_j[1]]
    changed.sort(key=lambda c: -abs((c.energy_j[1] or 0.0) - (c.energy_j[0] or 0.0)))
    return Difference(
        chips=(before["chip"], after["chip"]),
        energy_j=(before["energy_per_inference_j"], after["energy_per_inference_j"]),
        latency_s=(before["latency_per_inference_s"], after["latency_per_inference_s"]),
        is_lower_bound=(before["is_lower_bound"], after["is_lower_bound"]),
        changes=tuple(changed),
    )


def read_reports(path: str | Path) -> list[dict[str, Any]]:
    """The reports in a file that `refsnn cost --format json` wrote."""
    try:
        data = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise FormatError(f"{path}: cannot read: {error.strerror}; name a file that exists") from error
    except ValueError as error:
        raise FormatError(f"{path}: not JSON ({error}); 'refsnn cost --format json -o FILE' writes one") from error
    found = data.get("schema") if isinstance(data, dict) else None
    if found != SCHEMA:
        raise FormatError(f"{path}: schema is {found!r}, expected {SCHEMA!r}: what 'refsnn cost --format json' writes")
    reports = data.get("reports")
    if not isinstance(reports, Sequence) or not all(isinstance(report, dict) for report in reports):
        raise FormatError(f"{path}: no list of reports; 'refsnn cost --format json -o FILE' writes one")
    return list(reports)


def diff_files(before: str | Path, after: str | Path) -> list[Difference]:
    """Report by report, in the files' order; a FormatError where the files do not hold equally many."""
    old, new = read_reports(before), read_reports(after)
    if len(old) != len(new):
        raise FormatError(
            f"{before} has {len(old)} reports, {after} has {len(new)}; price the same number of chips in both"
        )
    return [diff(a, b) for a, b in zip(old, new, strict=True)]


def grew(found: Difference, percent: float) -> bool:
    """Whether energy or latency grew by more than so many percent."""
    return any(now > then * (1 + percent / 100) for then, now in (found.energy_j, found.latency_s))


def _rows(report: Mapping[str, Any]) -> dict[Key, dict[str, Any]]:
    try:
        n = report["samples"]
        return {
            (row["node"], row["component"], row["action"]): {
                "count": row["count"] / n,
                "energy_j": None if row["energy_j"] is None else row["energy_j"] / n,
            }
            for row in report["rows"]
        }
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise FormatError(f"a cost report lacks {error}; write it anew with 'refsnn cost --format json'") from error


def _per(row: dict[str, Any] | None, name: str) -> float | None:
    return None if row is None else row[name]
