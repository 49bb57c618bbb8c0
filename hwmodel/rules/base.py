"""What all rules have: where they come from, what they count, and a price for an activity."""

from abc import ABC, abstractmethod
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from hwmodel.figures import Figure
from hwmodel.rules.evidence import NO_EVIDENCE, Evidence
from hwmodel.rules.report import Count, Row, RuleReport
from hwmodel.units import quantity
from refsnn.errors import NothingCompared, ShapeError
from refsnn.trace import Activity

CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)
Text = Annotated[str, Field(min_length=1)]


def _figure(unit: str) -> Any:
    """A Figure whose values are quantities in `unit`."""

    def convert(data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {
            key: quantity(value, unit) if key in ("nominal", "low", "high") else value for key, value in data.items()
        }

    return BeforeValidator(convert)


def _number(unit: str) -> Any:
    def convert(value: Any) -> Any:
        return quantity(value, unit) if isinstance(value, str) else value

    return BeforeValidator(convert)


Energy = Annotated[Figure, _figure("J")]
Time = Annotated[Figure, _figure("s")]
Area = Annotated[Figure, _figure("um2")]  # its nominal value is in um2
Seconds = Annotated[float, Field(gt=0), _number("s")]
Hertz = Annotated[float, Field(gt=0), _number("Hz")]
Bytes = Annotated[int, Field(ge=0), _number("B")]
Bits = Annotated[int, Field(ge=1), _number("bit")]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Says:
    """What the tool counts, in a few words each: the columns of the table of why they differ."""

    synapses: Text
    neurons: Text
    memory: Text
    static: Text
    time: Text
    borders: Text


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Rule(ABC):
    """One tool's way to price a run."""

    name: Text
    tool: Text
    version: Text  # the commit or release that the rule was read from
    source: Text  # where in it
    counts: Says
    leaves_out: Text

    def price(self, activity: Activity, evidence: Evidence = NO_EVIDENCE) -> RuleReport:
        """What the tool counts and charges for the run.

        Raises SpecError where the rule needs evidence that is missing, ShapeError where it is of other steps or samples,
        NothingCompared for an activity without samples.
        """
        if not activity.n_samples:
            raise NothingCompared(f"rule {self.name!r}: the activity has no samples; give at least one")
        for what, shape in evidence.shapes():
            if shape != (activity.n_steps, activity.n_samples):
                raise ShapeError(
                    f"evidence: {what} is of {shape[0]} steps and {shape[1]} samples, the activity of {activity.n_steps} and "
                    f"{activity.n_samples}; take both from one run"
                )
        return self._price(activity, evidence)

    @abstractmethod
    def _price(self, activity: Activity, evidence: Evidence) -> RuleReport: ...

    def report(self, activity: Activity, rows: list[Row], **more: Any) -> RuleReport:
        return RuleReport(
            rule=self.name, source=f"{self.tool} {self.version}: {self.source}", rows=tuple(rows),
            n_samples=activity.n_samples, **more,
        )  # fmt: skip


def nominal(figure: Figure) -> float:
    """The nominal value; a rule of another tool has no unknown ones."""
    if figure.nominal is None:
        raise ValueError(f"the figure of {figure.source!r} is unknown")
    return figure.nominal


def charged(node: str, name: str, count: Count, figure: Figure | None = None) -> Row:
    """Count * figure; without a figure a count without a price."""
    return Row(node, name, count, None if figure is None else float(count) * nominal(figure))


def ran(activity: Activity) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """bool[T, N]: the steps that each sample ran."""
    return np.asarray(np.arange(1, activity.n_steps + 1)[:, None] <= activity.steps_run)
