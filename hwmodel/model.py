"""counts x unit costs -> CostReport."""

from math import ceil

import numpy as np

from hwmodel.accesses import COUNTS, COVERED_BY, ESSENTIAL
from hwmodel.chip import Action, ChipSpec, Component, Execution, Figure
from hwmodel.placement import Placement, place
from hwmodel.report import CostReport, FloatArray, Row
from refsnn.errors import NothingCompared
from refsnn.trace import Activity, IntArray, NodeActivity

CHIP = "chip"  # the component name of what belongs to no component: static energy


def estimate(activity: Activity, chip: ChipSpec) -> CostReport:
    """Accesses, energy and time of the run on the chip.

    energy = sum over nodes, components, actions of count * unit energy, plus static power * time. A step lasts as long
    as its busiest group of layers (execution: parallel) or all of them in turn (sequential), plus the barrier; a group
    lasts as long as its busiest component, its work split evenly over the group's cores and the component's instances.
    Raises CapacityError when the chip cannot hold the network.
    """
    if not activity.n_samples:
        raise NothingCompared(f"chip {chip.name!r}: the activity has no samples; give at least one")
    placement = place(activity, chip)
    rows: list[Row] = []
    step_energy = np.zeros((activity.n_steps, activity.n_samples))
    busy: dict[tuple[str, str], FloatArray] = {}
    for node in activity.nodes:
        for component in chip.components:
            for action in component.actions:
                count = action_count(node, activity, component, action)
                if count.any():
                    rows.append(_row(node.node, component.name, action, int(count.sum())))
                    step_energy += count * (action.energy.nominal or 0.0)
                    key = placement.groups[node.node], component.name
                    busy[key] = busy.get(key, np.zeros_like(step_energy)) + _busy(count, component, action)
        rows += _uncovered(node, chip)
    runs = np.arange(1, activity.n_steps + 1)[:, None] <= activity.steps_run
    step_ticks = np.where(runs, _work(busy, placement, chip, step_energy.shape) + _barrier(chip), 0.0)
    step_time = step_ticks / chip.clock if chip.clock else step_ticks
    step_energy += step_time * (chip.static.nominal or 0.0)
    rows.append(_static_row(chip.static, float(step_time.sum())))
    return CostReport(
        chip=chip.name,
        rows=tuple(rows),
        step_energy_j=step_energy,
        step_time_s=step_time,
        step_cycles=step_ticks.astype(np.int64) if chip.clock else None,
        steps_run=activity.steps_run,
        cores=placement.cores,
        unpriced=_unpriced(rows),
    )


def action_count(node: NodeActivity, activity: Activity, component: Component, action: Action) -> IntArray:
    """int64[T, N]: how often the component does this for the node."""
    return sum(
        (COUNTS[name](node, activity, component.lanes) for name in action.counts), start=np.zeros_like(node.synops)
    )


def _row(node: str, component: str, action: Action, count: int) -> Row:
    low, high = action.energy.interval
    return Row(
        node=node, component=component, action=action.name, count=count,
        energy_j=None if action.energy.nominal is None else count * action.energy.nominal,
        low_j=count * low, high_j=count * high,
        cycles=None if action.cycles is None else count * action.cycles,
    )  # fmt: skip


def _uncovered(node: NodeActivity, chip: ChipSpec) -> list[Row]:
    """Work that none of the chip's actions counts: listed without a price."""
    counted = {name for component in chip.components for action in component.actions for name in action.counts}
    rows = []
    for name in ESSENTIAL:
        total = int(node.counts()[name].sum())
        if total and not counted & set(COVERED_BY[name]):
            rows.append(Row(node=node.node, component="none", action=name, count=total, energy_j=None, low_j=0.0,
                            high_j=float("inf"), cycles=None))  # fmt: skip
    return rows


def _static_row(static: Figure, time_s: float) -> Row:
    low, high = static.interval
    energy: float | None = static.nominal * time_s if static.nominal is not None else None
    if not time_s:
        low, high, energy = 0.0, 0.0, 0.0  # no time costs nothing, whatever the power
    return Row(
        node=CHIP,
        component=CHIP,
        action="static power x time",
        count=1,
        energy_j=energy,
        low_j=low * time_s,
        high_j=high * time_s,
        cycles=None,
    )


def _busy(count: IntArray, component: Component, action: Action) -> FloatArray:
    """Ticks of the component: cycles on a clocked chip (whole numbers), seconds on a self-timed one."""
    if action.cycles is not None:
        return np.ceil(count * action.cycles / component.instances)
    return count * ((action.time.nominal or 0.0) if action.time else 0.0) / component.instances


def _barrier(chip: ChipSpec) -> float:
    seconds = chip.barrier.nominal or 0.0 if chip.barrier else 0.0
    return ceil(seconds * chip.clock) if chip.clock else seconds


def _work(
    busy: dict[tuple[str, str], FloatArray], placement: Placement, chip: ChipSpec, shape: tuple[int, ...]
) -> FloatArray:
    """Ticks [T, N] of the groups, each that of its busiest component, in parallel or one after the other."""
    groups: dict[str, FloatArray] = {}
    for (group, _), ticks in busy.items():
        share = ticks / placement.cores[group]
        groups[group] = np.maximum(groups.get(group, np.zeros(shape)), np.ceil(share) if chip.clock else share)
    total = np.zeros(shape)
    for ticks in groups.values():
        total = np.maximum(total, ticks) if chip.execution is Execution.PARALLEL else total + ticks
    return total


def _unpriced(rows: list[Row]) -> tuple[str, ...]:
    totals: dict[str, int] = {}
    for row in rows:
        if row.energy_j is None:
            label = row.action if row.component in (CHIP, "none") else f"{row.component} {row.action}"
            totals[label] = totals.get(label, 0) + row.count
    return tuple(
        label if label.startswith("static") else f"{label} ({count:,} times)" for label, count in totals.items()
    )
