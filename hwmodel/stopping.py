"""What a run has cost when it is stopped after each of its steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwmodel.accesses import COUNTS
from hwmodel.chip import ChipSpec, words
from hwmodel.evaluation import Readout, evaluate
from hwmodel.model import estimate_all
from hwmodel.placement import place
from hwmodel.pricing import price_list
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


def stopped_costs(activity: Activity, chips: Sequence[ChipSpec]) -> list[Stopped]:
    """For every chip the costs of stopping after each step, with what has begun by then (evaluation.py) and the last readout."""
    reports = estimate_all(activity, chips) if chips else []
    found = []
    for chip, report in zip(chips, reports, strict=True):
        energy, time = report.step_energy_j, report.step_time_s
        last_energy, last_time = energy, time
        if words(chip) & AT_THE_END:
            (energy, time), (last_energy, last_time) = (
                _steps(activity, chip, when) for when in (Readout.NEVER, Readout.ALWAYS)
            )
        found.append(
            Stopped(
                chip=chip.name,
                energy_j=_until_each(energy, last_energy),
                latency_s=_until_each(time, last_time),
                is_lower_bound=report.is_lower_bound,
                latency_is_lower_bound=report.latency_is_lower_bound,
            )
        )
    return found


def _steps(activity: Activity, chip: ChipSpec, readout: Readout) -> tuple[FloatArray, FloatArray]:
    """Energy and time of each step when the final readout is sent in every step, or in none."""
    (result,) = evaluate(activity, [price_list(activity, chip, place(activity, chip), None)], readout=readout)
    time = result.ticks / chip.clock if chip.clock else result.ticks
    return result.energy_j + time * chip.static.value, time


def _until_each(going_on: FloatArray, stopping: FloatArray) -> FloatArray:
    """Steps before as they are when the run goes on, the last as it is when it stops; step after step."""
    total = np.add.accumulate(going_on, 0)
    if stopping is going_on:
        return total
    return np.concatenate([np.zeros((1, total.shape[1])), total[:-1]]) + stopping
