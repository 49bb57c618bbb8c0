"""One technology to another, as a stated step: every scaled figure says from where, by how much and by which rule."""

from dataclasses import replace
from math import sqrt
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from hwmodel.chip import Action, ChipSpec, Component, Technology
from hwmodel.figures import CONFIG, Figure, Grade, Metres, Volts
from hwmodel.units import readable
from refsnn import specs
from refsnn.errors import SpecError


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Row:
    """Energy of one operation at a node: a * V^2 + b * V + c, in units that cancel."""

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

    def energy(self, node: float, voltage: float) -> float:
        """Relative energy: the node's polynomial; between two nodes linear, beyond the ends sqrt of the nodes' ratio."""
        if not self.low <= voltage <= self.high:
            raise SpecError(
                f"{readable(voltage, 'V')} lies outside of {readable(self.low, 'V')} to {readable(self.high, 'V')}, for which "
                f"{self.name} holds"
            )
        first, last = self.rows[0], self.rows[-1]
        if node >= first.node:
            return first.at(voltage) * sqrt(node / first.node)
        if node <= last.node:
            return last.at(voltage) * sqrt(node / last.node)
        for larger, smaller in zip(self.rows, self.rows[1:], strict=False):
            if node >= smaller.node:
                share = (larger.node - node) / (larger.node - smaller.node)
                return larger.at(voltage) * (1 - share) + smaller.at(voltage) * share
        raise AssertionError("nodes lie between the first and the last")


def scaled(chip: ChipSpec, rule_file: Path, *, node: float, voltage: float) -> ChipSpec:
    """The chip with every marginal energy multiplied by the rule's ratio, as an estimate; memories off the chip stay.

    Times, clock, barrier and static power stay as they are: the rule is about the energy of logic. Raises SpecError for a
    chip whose voltage is not stated and voltages outside of the rule.
    """
    document = specs.read(rule_file)
    rule: ScalingRule = specs.build(ScalingRule, document, document.data)
    if chip.technology.voltage is None:
        raise SpecError(f"chip {chip.name!r} does not state its voltage; energies scale from a known one only")
    base = chip.technology.voltage
    factor = rule.energy(node, voltage) / rule.energy(chip.technology.node, base)
    text = f"scaled by {factor:.4g} from {readable(chip.technology.node, 'm')} at {readable(base, 'V')} ({rule.name}): "

    def figure(old: Figure) -> Figure:
        if old.nominal is None:
            return old
        low, high = old.interval
        return replace(
            old, nominal=old.nominal * factor, low=low * factor, high=high * factor, grade=Grade.ESTIMATED,
            source=text + old.source, node=None, voltage=None,
        )  # fmt: skip

    def component(old: Component) -> Component:
        if old.external:
            return old
        actions: list[Action] = [replace(action, energy=figure(action.energy)) for action in old.actions]
        return replace(old, actions=actions)

    return replace(
        chip,
        components=[component(old) for old in chip.components],
        technology=Technology(node=node, voltage=voltage, process=chip.technology.process),
        references={**chip.references, rule.name: rule.source},
        assumptions=(*chip.assumptions, "scaled: clock, times and static power are those of the base, not scaled"),
    )
