"""One run under many rules, side by side, and why they differ."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hwmodel.rules.base import Rule, Says
from hwmodel.rules.evidence import NO_EVIDENCE, Evidence
from hwmodel.rules.library import load
from hwmodel.rules.library import names as all_names
from hwmodel.rules.report import RuleReport
from hwmodel.units import readable
from refsnn.errors import CapacityError, SpecError
from refsnn.trace import Activity

SHOWN = 3  # counts of a tool that has no prices
COLUMNS = ("synapses", "neurons", "memory", "static", "time", "borders")


@dataclass(frozen=True)
class Line:
    """One rule's view of the run."""

    rule: str
    says: Says
    report: RuleReport | None  # None: it could not be priced
    reason: str  # why not; empty where it was
    ratio: float | None  # of its energy to that of the first rule that has one

    @property
    def charge(self) -> str:
        """What it charges per inference, and how long it takes; counts of tools that have no prices."""
        if self.report is None:
            return "-"
        report, parts = self.report, []
        if report.energy_per_inference_j is not None:
            parts.append(readable(report.energy_per_inference_j, "J"))
        if report.latency_per_inference_s is not None:
            parts.append(readable(report.latency_per_inference_s, "s"))
        if report.energy_per_inference_j is None and report.latency_s is None:
            counts = {name: report.per_inference(name) for name in report.totals()}
            parts += [f"{count:,.1f} {name}" for name, count in counts.items() if count][:SHOWN]
        return ", ".join(parts)


@dataclass(frozen=True)
class Comparison:
    """The rules in the order in which they were named."""

    lines: tuple[Line, ...]

    def __getitem__(self, rule: str) -> Line:
        for line in self.lines:
            if line.rule == rule:
                return line
        raise SpecError(f"rule {rule!r} was not compared; known: {', '.join(line.rule for line in self.lines)}")

    def as_data(self) -> list[dict[str, Any]]:
        """Plain data for JSON."""
        return [
            {"rule": line.rule, **asdict(line.says), "ratio": line.ratio, "reason": line.reason,
             "report": None if line.report is None else line.report.as_data()}
            for line in self.lines
        ]  # fmt: skip

    def table(self) -> list[list[str]]:
        """Heading and rows: rule, what is charged per inference, ratio, and what it counts."""
        rows = [["rule", "per inference", "ratio", *COLUMNS]]
        for line in self.lines:
            ratio = "" if line.ratio is None else f"{line.ratio:.3g}"
            rows.append([line.rule, line.charge, ratio, *(getattr(line.says, column) for column in COLUMNS)])
        return rows

    def __str__(self) -> str:
        return "\n".join([*_aligned([row[:3] for row in self.table()]), "", *self._why(), *self._notes()])

    def _why(self) -> list[str]:
        """What each tool counts, once for rules that differ in prices alone."""
        found: dict[Says, list[str]] = {}
        for line in self.lines:
            found.setdefault(line.says, []).append(line.rule)
        text = []
        for says, rules in found.items():
            text.append(_together(rules))
            text += [f"  {column:<10}{getattr(says, column)}" for column in COLUMNS]
        return text

    def _notes(self) -> list[str]:
        found: dict[str, list[str]] = {}
        for line in self.lines:
            for note in [f"not priced: {line.reason}"] if line.report is None else line.report.notes:
                found.setdefault(note, []).append(line.rule)
        return [f"note: {note} ({_together(rules)})" for note, rules in found.items()]


def _together(rules: list[str]) -> str:
    """syops, lemaire: iconip_int8, iconip_int16"""
    families: dict[str, list[str]] = {}
    for rule in rules:
        family, _, variant = rule.partition(":")
        families.setdefault(family, []).append(variant)
    return ", ".join(f"{family}: {', '.join(names)}" if any(names) else family for family, names in families.items())


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def compare(
    activity: Activity, names: Sequence[str | Rule] | None = None, evidence: Evidence = NO_EVIDENCE
) -> Comparison:
    """The run under each of these rules (all packaged ones unless named); a rule that lacks evidence says what it lacks."""
    priced: list[tuple[Rule, RuleReport | None, str]] = []
    for name in all_names() if names is None else names:
        rule = name if isinstance(name, Rule) else load(name)
        try:
            priced.append((rule, rule.price(activity, evidence), ""))
        except (SpecError, CapacityError) as error:
            priced.append((rule, None, str(error)))
    energies = [report.energy_j for _, report, _ in priced if report is not None and report.energy_j]
    lines = []
    for rule, report, reason in priced:
        ratio = (
            report.energy_j / energies[0] if report is not None and report.energy_j is not None and energies else None
        )
        lines.append(Line(rule.name, rule.counts, report, reason, ratio))
    return Comparison(tuple(lines))
