"""A chip with all of its figures at one end of their intervals: what a ranking or a latency is worth."""

from dataclasses import replace
from enum import Enum

from hwmodel.chip import Action, ChipSpec, Component
from hwmodel.decision import DecisionSpec
from hwmodel.evaluation import evaluate
from hwmodel.figures import Figure
from hwmodel.placement import place
from hwmodel.pricing import price_list
from refsnn.trace import Activity


class End(Enum):
    """Which end."""

    LOW = "low"
    HIGH = "high"


def at_end(chip: ChipSpec, end: End) -> ChipSpec:
    """The chip with every known figure, energies and times alike, at its low or its high end."""

    def figure(old: Figure) -> Figure:
        if old.nominal is None:
            return old
        return replace(old, nominal=old.interval[0 if end is End.LOW else 1], low=None, high=None)

    def action(old: Action) -> Action:
        return replace(old, energy=figure(old.energy), time=figure(old.time) if old.time else None)

    def component(old: Component) -> Component:
        return replace(old, actions=[action(each) for each in old.actions])

    def decision(old: DecisionSpec) -> DecisionSpec:
        return replace(
            old,
            energies={name: figure(each) for name, each in old.energies.items()},
            time=figure(old.time) if old.time else None,
            message=figure(old.message) if old.message else None,
            round_trip=figure(old.round_trip) if old.round_trip else None,
        )

    return replace(
        chip,
        decision=decision(chip.decision) if chip.decision else None,
        components=[component(each) for each in chip.components],
        static=figure(chip.static),
        barrier=figure(chip.barrier) if chip.barrier else None,
        tick=figure(chip.tick) if chip.tick else None,
    )


def latency_interval(activity: Activity, chip: ChipSpec) -> tuple[float, float]:
    """Mean latency with all times at their low, and all at their high end, in s; work without a known time is left out."""
    ends = [at_end(chip, end) for end in (End.LOW, End.HIGH)]
    lists = [price_list(activity, each, place(activity, each), None) for each in ends]
    low, high = (
        float(each.ticks.sum()) / activity.n_samples / (chip.clock or 1.0) for each in evaluate(activity, lists)
    )
    return low, high
