"""counts x unit costs -> CostReport."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from hwmodel.chip import ChipSpec
from hwmodel.evaluation import Evaluated, FloatArray, counted, evaluate
from hwmodel.percore import PerCore, per_core
from hwmodel.placement import place
from hwmodel.pricing import CHIP, ROUTED, Key, Line, PriceList, price_list
from hwmodel.report import CHIP_NAME, NONE, CostReport, Row
from refsnn.errors import NothingCompared
from refsnn.trace import Activity, CoreActivity

TICK_REL = 2.0**-40  # a tick in whole cycles, and back in seconds


def estimate(activity: Activity, chip: ChipSpec, *, cores: CoreActivity | None = None) -> CostReport:
    """Accesses, energy and time of the run on the chip.

    energy = sum over nodes, components, actions of count * unit energy, plus static power * time. A step lasts as long
    as its busiest group of layers (execution: parallel) or all of them in turn (sequential), plus the barrier; a group
    lasts as long as the busiest component of its busiest core. Where layers work side by side a step's readout is there when
    the step has passed them all: the first step contains filling that pipeline.
    cores: the run's counts per core (refsnn.core_activity); without them the work is taken to be split evenly.
    Raises CapacityError when the chip cannot hold the network, NothingCompared for no samples.
    """
    return estimate_all(activity, [chip], cores=[cores])[0]


def estimate_all(
    activity: Activity, chips: Sequence[ChipSpec], *, cores: Sequence[CoreActivity | None] | None = None
) -> list[CostReport]:
    """The same on several chips, reading the activity once."""
    if not activity.n_samples:
        raise NothingCompared(f"chip {chips[0].name!r}: the activity has no samples; give at least one")
    placements = [place(activity, chip) for chip in chips]
    counts = cores or [None] * len(chips)
    given = [
        None if own is None else per_core(activity, own, placement, chip)
        for own, placement, chip in zip(counts, placements, chips, strict=True)
    ]
    lists = [price_list(activity, *each) for each in zip(chips, placements, given, strict=True)]
    totals: dict[Key, int] = {}
    results = evaluate(activity, lists, given)
    return [
        _report(activity, prices, result, own, totals)
        for prices, result, own in zip(lists, results, given, strict=True)
    ]


def _report(
    activity: Activity, prices: PriceList, result: Evaluated, own: PerCore | None, totals: dict[Key, int]
) -> CostReport:
    chip, placement = prices.chip, prices.placement
    step_time = result.ticks / chip.clock if chip.clock else result.ticks
    time = float(step_time.sum())
    rows = work_rows(activity, prices, totals, own)
    return CostReport(
        chip=chip.name,
        rows=(*rows, _static_row(chip, time)),
        step_energy_j=result.energy_j + step_time * chip.static.value,
        step_time_s=step_time,
        step_cycles=result.ticks.astype(np.int64) if chip.clock else None,
        steps_run=activity.steps_run,
        cores=placement.cores,
        split_evenly=own is None and any(count > 1 for count in placement.cores.values()),
        off_chip=tuple(sorted(placement.off_chip)),
        overruns=_overruns(activity, chip, step_time),
    )


def work_rows(activity: Activity, prices: PriceList, totals: dict[Key, int], own: PerCore | None = None) -> list[Row]:
    """What components did, and work that none of them does; without static power."""
    rows = [row for line in prices.lines for row in [_row(activity, line, totals, own)] if row.count]
    rows += [
        Row(node=activity.nodes[i].node, component=NONE, action=name, part=None, count=count, energy_j=None, low_j=0.0,
            high_j=float("inf"), cycles=None, average=False)
        for i, name in prices.uncovered for count in [_total(activity, (i, name), totals, None)] if count
    ]  # fmt: skip
    return rows


def _overruns(activity: Activity, chip: ChipSpec, step_time: FloatArray) -> int:
    """Steps that take longer than the chip's tick; the first may take one for each slot until its readout."""
    if not chip.tick or not chip.tick.value:
        return 0
    return int((step_time[1:] > chip.tick.value * (1 + TICK_REL)).sum())


def _total(activity: Activity, key: Key, totals: dict[Key, int], own: PerCore | None) -> int:
    """Over all steps and samples; remembered for the next chip."""
    if key[1] in ROUTED:  # of this chip's cores
        return int(counted(activity, key, own).sum())
    if key not in totals:
        index, base = key[0], key[1]
        run = activity.steps_run
        if index == CHIP:
            totals[key] = int(run.sum()) if base == "steps" else int((run > 0).sum())
        else:
            totals[key] = int(getattr(activity.nodes[index], base).sum())
    return totals[key]


def _row(activity: Activity, line: Line, totals: dict[Key, int], own: PerCore | None) -> Row:
    exact = sum((value * _total(activity, key, totals, own) for key, value in line.form.items()), start=Fraction(0))
    count = int(exact) if exact.denominator == 1 else float(exact)
    figure, (low, high) = line.action.energy, line.action.energy.interval
    return Row(
        node=CHIP_NAME if line.node is None else activity.nodes[line.node].node,
        component=line.component.name,
        action=line.action.name,
        part=line.component.part.value,
        count=count,
        energy_j=None if figure.nominal is None else count * figure.nominal,
        low_j=count * low,
        high_j=count * high if count else 0.0,
        cycles=None if line.action.cycles is None else count * line.action.cycles,
        average=figure.kind.value == "operating_point_average",
    )


def _static_row(chip: ChipSpec, time_s: float) -> Row:
    low, high = chip.static.interval
    energy: float | None = chip.static.nominal * time_s if chip.static.nominal is not None else None
    if not time_s:
        low, high, energy = 0.0, 0.0, 0.0  # no time costs nothing, whatever the power
    return Row(
        node=CHIP_NAME, component=CHIP_NAME, action="static power x time", part="static", count=1, energy_j=energy,
        low_j=low * time_s, high_j=high * time_s, cycles=None, average=False,
    )  # fmt: skip
