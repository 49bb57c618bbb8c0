"""Timeloop and Accelergy: an energy reference table times the counts that a mapping gives. It prices counts, not an activity."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from hwmodel.rules.base import CONFIG, Energy, Rule, charged
from hwmodel.rules.evidence import Evidence
from hwmodel.rules.report import Row, RuleReport
from refsnn.errors import SpecError, did_you_mean
from refsnn.trace import Activity


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Part:
    """A level of the hierarchy: prices of its actions, each on `block` numbers at once."""

    actions: Annotated[dict[str, Energy], Field(min_length=1)]
    block: int = 1
    leak: Energy | None = None  # of one instance in one cycle; the reference output charges none to the multipliers


@dataclass(frozen=True, kw_only=True)
class LevelCounts:
    """What one level did: numbers per used instance, by action."""

    level: str
    instances: int  # used
    numbers: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Timeloop(Rule):
    """E = sum over levels of used instances * (sum over actions of numbers / block * E_action + cycles * E_leak)."""

    levels: Annotated[dict[str, Part], Field(min_length=1)]

    def price_counts(self, counts: Sequence[LevelCounts], *, cycles: int) -> RuleReport:
        """What the counts of one mapping cost."""
        rows: list[Row] = []
        for done in counts:
            level = self._level(done.level)
            for action, numbers in done.numbers.items():
                if action not in level.actions:
                    raise SpecError(
                        f"{done.level}: action {action!r} is none{did_you_mean(action, list(level.actions))}"
                    )
                accesses = Fraction(done.instances * numbers, level.block)
                rows.append(charged(done.level, action, accesses, level.actions[action]))
            if level.leak is not None:
                rows.append(charged(done.level, "leak", done.instances * cycles, level.leak))
        return RuleReport(
            rule=self.name, source=f"{self.tool} {self.version}: {self.source}", rows=tuple(rows), n_samples=1
        )

    def _level(self, name: str) -> Part:
        if name not in self.levels:
            raise SpecError(f"rule {self.name!r}: level {name!r} is none{did_you_mean(name, list(self.levels))}")
        return self.levels[name]

    def _price(self, activity: Activity, evidence: Evidence) -> RuleReport:
        raise SpecError(
            f"rule {self.name!r}: prices the counts of a mapping, which an activity does not hold; call price_counts"
        )
