"""What a run has cost when it is stopped after each of its steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwmodel.accesses import COUNTS
from hwmodel.chip import ChipSpec, words
from hwmodel.evaluation import Evaluated, Readout, evaluate
from hwmodel.model import work_rows
from hwmodel.placement import place
from hwmodel.pricing import Key, price_list
from refsnn.errors import NothingCompared
from refsnn.trace import Activity

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
AT_THE_END = {
    name for name in COUNTS if name.startswith("final_")
}  # words that are counted in a sample's last step only


@dataclass(frozen=True, kw_only=True, eq=False)
class Stopped:
    """On one chip: what a sample has cost in all when it stops after step t. float64[T, N]."""

    chip: str
    energy_j: FloatArray
    latency_s: FloatArray
    is_lower_bound: bool
    latency_is_lower_bound: bool
    static_w: float | None  # what flows while the chip is on; None: unknown


def stopped_costs(activity: Activity, chips: Sequence[ChipSpec]) -> list[Stopped]:
    """For every chip the costs of stopping after each step, with what has begun by then (evaluation.py) and the last readout."""
    if not activity.n_samples:
        raise NothingCompared("the activity has no samples; give at least one")
    lists = [price_list(activity, chip, place(activity, chip), None) for chip in chips]
    ending = [prices for prices in lists if words(prices.chip) & AT_THE_END]
    going_on = evaluate(activity, lists, readout=Readout.NEVER)
    # what is charged in the last step only may lengthen it: then every step is computed as the last one, too
    stopping = iter(evaluate(activity, ending, readout=Readout.ALWAYS))
    totals: dict[Key, int] = {}
    found = []
    for prices, steps in zip(lists, going_on, strict=True):
        last = next(stopping) if words(prices.chip) & AT_THE_END else steps
        energy, time = _steps(prices.chip, steps)
        last_energy, last_time = _steps(prices.chip, last) if last is not steps else (energy, time)
        unpriced = any(row.energy_j is None for row in work_rows(activity, prices, totals))
        found.append(
            Stopped(
                chip=prices.chip.name,
                energy_j=_until_each(energy, last_energy),
                latency_s=_until_each(time, last_time),
                is_lower_bound=unpriced or (prices.chip.static.nominal is None and bool(time.any())),
                latency_is_lower_bound=unpriced,
                static_w=prices.chip.static.nominal,
            )
        )
    return found


def _steps(chip: ChipSpec, result: Evaluated) -> tuple[FloatArray, FloatArray]:
    """Energy and time of each step."""
    time = result.ticks / chip.clock if chip.clock else result.ticks
    return result.energy_j + time * chip.static.value, time


def _until_each(going_on: FloatArray, stopping: FloatArray) -> FloatArray:
    """Steps before as they are when the run goes on, the last as it is when it stops; step after step."""
    total = np.add.accumulate(going_on, 0)
    if stopping is going_on:
        return total
    return np.concatenate([np.zeros((1, total.shape[1])), total[:-1]]) + stopping
