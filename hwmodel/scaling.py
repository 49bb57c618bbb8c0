"""One technology to another, as a stated step: every scaled figure says from where, by how much and by which rule."""

from dataclasses import replace
from itertools import pairwise
from math import sqrt
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from hwmodel.chip import Action, ChipSpec, Component, Technology
from hwmodel.decision import DecisionSpec
from hwmodel.figures import CONFIG, Figure, Grade, Kind, Metres, Volts
from hwmodel.units import readable
from refsnn import specs
from refsnn.errors import SpecError
from refsnn.specs import PlacedError


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Row:
    """Energy of one operation at a node: a V^2 + b V + c, in units that cancel."""

    node: Metres
    a: float
    b: float
    c: float

    def at(self, voltage: float) -> float:
        return self.a * voltage**2 + self.b * voltage + self.c


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class ScalingRule:
    """Energy of general-purpose logic by node and voltage, nodes from large to small."""

    name: str
    source: Annotated[str, Field(min_length=1)]
    low: Volts  # voltages for which it was fitted
    high: Volts
    rows: Annotated[list[Row], Field(min_length=2)]

    def __post_init__(self) -> None:
        for i, (larger, smaller) in enumerate(pairwise(self.rows)):
            if larger.node <= smaller.node:
                raise PlacedError(("rows", i + 1, "node"), f"{readable(smaller.node, 'm')} stands behind "
                                  f"{readable(larger.node, 'm')}; order the rows from large nodes to small ones")  # fmt: skip

    def energy(self, node: float, voltage: float) -> float:
        """Relative energy e(node, V) = a V^2 + b V + c of the node's row.

        Between the nodes n1 > n > n2 of two rows ((n - n2) e(n1, V) + (n1 - n) e(n2, V)) / (n1 - n2), beyond the ends
        e(end, V) sqrt(n / end). Node in m, voltage in V; only ratios mean something. Raises SpecError for other voltages.
        """
        if not self.low <= voltage <= self.high:
            raise SpecError(
                f"{readable(voltage, 'V')} lies outside of {readable(self.low, 'V')} to {readable(self.high, 'V')}, for which "
                f"{self.name} holds; take a voltage in between"
            )
        first, last = self.rows[0], self.rows[-1]
        if node >= first.node:
            return first.at(voltage) * sqrt(node / first.node)
        if node <= last.node:
            return last.at(voltage) * sqrt(node / last.node)
        larger, smaller = next(pair for pair in pairwise(self.rows) if node >= pair[1].node)
        share = (larger.node - node) / (larger.node - smaller.node)
        return larger.at(voltage) * (1 - share) + smaller.at(voltage) * share


def scaling_rule(path: Path) -> ScalingRule:
    """The rule in the file at `path`."""
    document = specs.read(path)
    rule: ScalingRule = specs.build(ScalingRule, document, document.data)
    return rule


def scaled(chip: ChipSpec, rule: ScalingRule, *, node: float, voltage: float) -> ChipSpec:
    """The chip with every marginal energy multiplied by rule.energy(there) / rule.energy(here), as an estimate.

    Here is the node and voltage of the figure, or else of the chip. What the rule is not about stays as it was and says for
    which technology it holds: memories and deciders off the chip, times, clock and static power. Raises SpecError for a
    figure whose voltage is not stated, for voltages outside of the rule, and for an average of an operating point, which
    holds static power.
    """
    base = chip.technology

    def stays(old: Figure) -> Figure:
        return replace(old, node=old.node or base.node, voltage=old.voltage or base.voltage)

    def energy(old: Figure, name: str) -> Figure:
        if old.nominal is None:
            return old
        here, volts = old.node or base.node, old.voltage or base.voltage
        if old.kind is Kind.AVERAGE:
            raise SpecError(
                f"chip {chip.name!r}: {name} is an operating point's average, which holds static power; only marginal "
                "energies scale"
            )
        if volts is None or here is None:
            raise SpecError(
                f"chip {chip.name!r}: {name} does not state its {'voltage' if volts is None else 'node'}; energies scale from a "
                "known one only"
            )
        factor = rule.energy(node, voltage) / rule.energy(here, volts)
        low, high = old.interval
        origin = f"scaled by {factor:.4g} from {readable(here, 'm')} at {readable(volts, 'V')} ({rule.name}): "
        return replace(
            old, nominal=old.nominal * factor, low=low * factor, high=high * factor, grade=Grade.ESTIMATED,
            source=origin + old.source, node=None, voltage=None,
        )  # fmt: skip

    def action(old: Action, component: Component) -> Action:
        name = f"{component.name}: {old.name}"
        price = stays(old.energy) if component.external else energy(old.energy, name)
        return replace(old, energy=price, time=old.time and stays(old.time))

    def decision(old: DecisionSpec) -> DecisionSpec:
        outside = old.message is not None  # messages are for somebody who is not on the chip
        prices = {n: stays(each) if outside else energy(each, f"decision: {n}") for n, each in old.energies.items()}
        return replace(old, energies=prices, time=old.time and stays(old.time), message=old.message and stays(old.message),
                       round_trip=old.round_trip and stays(old.round_trip))  # fmt: skip

    return replace(
        chip,
        decision=chip.decision and decision(chip.decision),
        components=[replace(c, actions=[action(each, c) for each in c.actions]) for c in chip.components],
        static=stays(chip.static),
        barrier=chip.barrier and stays(chip.barrier),
        tick=chip.tick and stays(chip.tick),
        technology=Technology(node=node, voltage=voltage),
        references={**chip.references, rule.name: rule.source},
        assumptions=(*chip.assumptions, "scaled: clock, times and static power are those of the base, not scaled"),
    )
