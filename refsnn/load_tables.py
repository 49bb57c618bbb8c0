"""Load reports and scans as tables and as plain data."""

from collections.abc import Sequence
from typing import Any

from refsnn.formats.load_report import Entry, Fate, LoadReport
from refsnn.formats.refusals import shown
from refsnn.formats.scanning import Scanned, scan_rows
from refsnn.tables import Table


def report_table(report: LoadReport) -> Table:
    """A row for each tensor of the file and each parameter that was not in it; what wants a look comes first."""
    first = sorted(report.entries, key=lambda entry: (entry not in report.open, list(Fate).index(entry.fate)))
    counts = ", ".join(f"{len(report.of(fate))} {fate.value}" for fate in Fate)
    return Table(
        title=f"{shown(report.path)}: {report.format}, {counts}",
        columns=("fate", "tensor or parameter", "shape", "dtype", "became, or why"),
        rows=[_row(entry) for entry in first],
    )


def _row(entry: Entry) -> list[str]:
    shape = "" if entry.shape is None else "x".join(map(str, entry.shape)) or "scalar"
    return [entry.fate.value, shown(entry.name), shape, entry.dtype or "", shown(entry.what, 300)]


def report_data(report: LoadReport) -> dict[str, Any]:
    """The report as JSON has it."""
    entries = [
        {
            "fate": entry.fate.value,
            "name": entry.name,
            "what": entry.what,
            "shape": None if entry.shape is None else list(entry.shape),
            "dtype": entry.dtype,
            "stated": entry.stated,
        }
        for entry in report.entries
    ]
    return {"path": report.path, "format": report.format, "summary": report.summary, "entries": entries}


def scan_table(files: Sequence[Scanned]) -> Table:
    """A row for each file."""
    refused = sum(not one.accepted for one in files)
    return Table(
        title=f"scan: {len(files)} files, {refused} refused; nothing of them was run",
        columns=("result", "file", "what was read, or why not"),
        rows=scan_rows(files),
    )
