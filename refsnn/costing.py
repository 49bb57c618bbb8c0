"""What `refsnn cost` does: run a network, price it on chips, beside its source and published break-even points."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import hwmodel
import hwmodel.rules
from hwmodel.bounds import latency_interval
from hwmodel.break_even import THRESHOLDS, BreakEven, break_even
from hwmodel.chip import ChipSpec, Family
from hwmodel.encoding import Encoding, encodings
from hwmodel.placement import place
from hwmodel.report import CostReport
from hwmodel.rules.comparison import Comparison
from hwmodel.twin import Twin, twins
from refsnn.conversion import convert
from refsnn.core_counts import core_activity
from refsnn.cost_tables import break_even_table, by_table, cost_table, encoding_table, overview_table
from refsnn.effective import layer_inputs, membrane_changes
from refsnn.errors import SpecError, did_you_mean
from refsnn.formats import load_data
from refsnn.network import Network
from refsnn.simulator import Progress, simulate, unwatched
from refsnn.source import forward
from refsnn.tables import Table
from refsnn.trace import Activity, Record, Trace

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True)
class PricedRun:
    """A run on several chips."""

    network: str
    steps: int
    reports: tuple[CostReport, ...]
    twins: tuple[tuple[Twin, ...], ...]  # for each chip
    latencies_s: tuple[tuple[float, float], ...]  # for each chip: all times at their low, all at their high end
    break_even: BreakEven
    encodings: tuple[Encoding, ...]
    by: tuple[str, ...]  # tables to print
    rules: Comparison | None  # the same run under other tools' rules, where that was asked for

    def tables(self) -> list[Table | str]:
        """The overview, what was asked for, and where the run stands."""
        shown: list[Table | str] = [overview_table(self.network, self.reports, self.twins)]
        for report in self.reports:
            for by in self.by:
                if by == "action":
                    shown.append(cost_table(report))
                elif by != "encoding":
                    shown.append(by_table(report, by))
        if "encoding" in self.by:
            shown.append(encoding_table(self.network, self.encodings))
        shown.append(break_even_table(self.break_even))
        return [*shown, f"{self.rules}\n"] if self.rules else shown

    def as_data(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "steps": self.steps,
            "reports": [
                report.as_data() | {"latency_interval_s": list(interval), "twins": [asdict(twin) for twin in sources]}
                for report, interval, sources in zip(self.reports, self.latencies_s, self.twins, strict=True)
            ],
            "break_even": asdict(self.break_even)
            | {"published": [asdict(each) | {"run_is": self.break_even.says(each)} for each in THRESHOLDS]},
            "encodings": [asdict(each) | {"cheapest": each.cheapest} for each in self.encodings],
            "rules": self.rules.as_data() if self.rules else [],
        }


def price_run(
    network: Network,
    data: str,
    *,
    steps: int,
    chips: Sequence[str],
    limit: int | None = None,
    by: Sequence[str] = (),
    per_core: bool = False,
    rules: Sequence[str] = (),
    progress: Progress = unwatched,
) -> PricedRun:
    """The network's run on the data, priced on each chip; frame-based ones run the source network.

    rules: other tools' rules (docs/rules.md) to price the run under as well, or "all".
    """
    described, rules = [hwmodel.load_chip(name) for name in chips], _known_rules(rules)
    samples = load_data(data, limit)
    spiking = network if network.is_spiking else convert(network)
    potentials = spiking.stateful if any(name.startswith("neurobench") for name in rules) else ()
    record = Record(spikes=spiking.neurons, v=potentials) if per_core or rules else Record()
    trace = simulate(spiking, samples.x, steps=steps, record=record, progress=progress)
    frame = None if network.is_spiking else forward(network, samples.x).activity

    def activity_for(chip: ChipSpec) -> Activity:
        return frame if frame and chip.family is Family.FRAME_BASED else trace.activity

    def report(chip: ChipSpec) -> CostReport:
        measured = per_core and chip.family is not Family.FRAME_BASED
        cores = _per_core(spiking, trace, samples.x, chip) if measured else None
        return hwmodel.estimate(activity_for(chip), chip, cores=cores)

    return PricedRun(
        network=network.name,
        steps=steps,
        reports=tuple(report(chip) for chip in described),
        twins=tuple(tuple(_twins(trace.activity, chip, steps)) for chip in described),
        latencies_s=tuple(latency_interval(activity_for(chip), chip) for chip in described),
        break_even=break_even(trace.activity),
        encodings=tuple(encodings(trace.activity)),
        by=tuple(by) or ("action",),
        rules=_compared(spiking, trace, samples.x, rules) if rules else None,
    )


def _known_rules(names: Sequence[str]) -> list[str]:
    """The rules of these names, or all."""
    known = hwmodel.rules.names()
    for name in names:
        if name not in ("all", *known) and not name.partition(":")[0].endswith((".yaml", ".yml")):
            raise SpecError(f"rule {name!r} is not packaged{did_you_mean(name, known)}")
    return known if "all" in names else list(names)


def _compared(network: Network, trace: Trace, x: Array, names: Sequence[str]) -> Comparison:
    """The run under other tools' rules, with what they look at beyond an activity."""
    changes = membrane_changes(trace) if trace.v else {}
    evidence = hwmodel.rules.Evidence(inputs=layer_inputs(network, trace, x), changes=changes)
    return hwmodel.rules.compare(trace.activity, names, evidence)


def _twins(activity: Activity, chip: ChipSpec, steps: int) -> list[Twin]:
    return twins(activity, chip, steps=steps)


def _per_core(network: Network, trace: Trace, x: Any, chip: ChipSpec) -> Any:
    """Counts per core, where the chip splits a layer over several."""
    placement = place(trace.activity, chip)
    if max(placement.cores.values()) == 1 or not placement.splits:
        return None
    return core_activity(network, trace, placement.blocks, x)
