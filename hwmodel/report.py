"""CostReport: rows that add up, by layer, level, part, step and sample; as plain data and as text."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import fsum, inf
from typing import Any

import numpy as np

from hwmodel.units import readable

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
IntArray = np.ndarray[Any, np.dtype[np.int64]]

CHIP_NAME = "chip"  # the node and component of what belongs to none
NONE = "none"  # the component of work that the chip has no action for


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one component did for one node, over all samples and steps."""

    node: str
    component: str
    action: str
    part: str | None  # compute, memory, communication, lumped or static; None for work without a component
    count: int | float  # a fraction where packets are spread evenly over cores
    energy_j: float | None  # nominal; None: the chip's figure is unknown
    low_j: float
    high_j: float
    cycles: int | float | None  # of the component; None on a self-timed chip or where the action takes none
    average: (
        bool  # the price is an operating point's average: it holds static power, too, and does not scale with events
    )


@dataclass(frozen=True, kw_only=True)
class Share:
    """The rows of one layer, level or part together."""

    count: int | float
    energy_j: float  # of what has a price
    low_j: float
    high_j: float
    unpriced: bool


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """Over the samples."""

    mean: float
    p50: float
    p99: float

    @staticmethod
    def of(values: FloatArray) -> "Distribution":
        return Distribution(
            mean=float(values.mean()), p50=float(np.quantile(values, 0.5)), p99=float(np.quantile(values, 0.99))
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class CostReport:
    """The cost of a run of N samples on a chip. Energies are nominal and leave out what is unpriced."""

    chip: str
    rows: tuple[Row, ...]
    step_energy_j: (
        FloatArray  # [T, N], static energy included: spent between the readout of the step before and its own
    )
    step_time_s: FloatArray  # [T, N], 0 in steps that did not run; the first contains filling the pipeline
    step_cycles: IntArray | None  # [T, N]; None on a self-timed chip
    steps_run: IntArray  # [N]
    cores: dict[str, int]  # group of nodes -> cores
    split_evenly: bool  # layers stand on several cores, and their work is taken to be spread evenly over them
    off_chip: tuple[tuple[str, str], ...]  # (weights or membranes, node) that are fetched in every step
    overruns: int  # steps, of all samples and after the first, that took longer than the chip's tick

    @property
    def n_samples(self) -> int:
        return len(self.steps_run)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """What the totals leave out, and how often it happens."""
        totals: dict[str, int | float] = {}
        for row in self.rows:
            if row.energy_j is None:
                label = row.action if row.component in (CHIP_NAME, NONE) else f"{row.component} {row.action}"
                totals[label] = totals.get(label, 0) + row.count
        return tuple(
            label if label.startswith("static") else f"{label} ({count:,} times)" for label, count in totals.items()
        )

    @property
    def averages(self) -> tuple[str, ...]:
        """What is priced by an operating point's average, which is not the price of one more event."""
        return tuple(dict.fromkeys(f"{row.component} {row.action}" for row in self.rows if row.average))

    @property
    def is_lower_bound(self) -> bool:
        """Whether the energy leaves something out that has no known price."""
        return any(row.energy_j is None for row in self.rows)

    @property
    def latency_is_lower_bound(self) -> bool:
        """Whether some work is not known to the chip, so that its time is missing; unknown static power takes no time."""
        return any(row.energy_j is None and row.component != CHIP_NAME for row in self.rows)

    @property
    def energy_j(self) -> float:
        """Of all samples together: the sum of the rows."""
        return fsum(row.energy_j for row in self.rows if row.energy_j is not None)

    @property
    def interval_j(self) -> tuple[float, float]:
        """All figures at their low, all at their high end; infinity where a price is unknown."""
        return fsum(row.low_j for row in self.rows), fsum(row.high_j for row in self.rows)

    @property
    def energy_per_sample_j(self) -> FloatArray:
        return self.step_energy_j.sum(0)

    @property
    def latency_per_sample_s(self) -> FloatArray:
        return self.step_time_s.sum(0)

    @property
    def mean_energy_j(self) -> float:
        return self.energy_j / self.n_samples

    @property
    def mean_latency_s(self) -> float:
        return float(self.latency_per_sample_s.mean())

    @property
    def cycles_per_step(self) -> float | None:
        """Mean over the steps that ran; None on a self-timed chip."""
        return None if self.step_cycles is None else float(self.step_cycles.sum() / self.steps_run.sum())

    def by_component(self) -> dict[tuple[str, str], tuple[int | float, float | None]]:
        """(component, action) -> count and energy over all nodes."""
        totals = self._grouped(lambda row: (row.component, row.action))
        return {key: (share.count, None if share.unpriced else share.energy_j) for key, share in totals.items()}

    def by_level(self) -> dict[str, Share]:
        """Component: memory level, unit, queue or link -> its share."""
        return self._grouped(lambda row: row.component)

    def by_node(self) -> dict[str, Share]:
        """Node -> its share; static energy stands under 'chip'."""
        return self._grouped(lambda row: row.node)

    def by_part(self) -> dict[str, Share]:
        """compute, memory, communication, lumped, static -> its share; '' for work that the chip has no action for."""
        return self._grouped(lambda row: row.part or "")

    def by_step(self) -> list[tuple[int, float, float]]:
        """For each step: samples that ran it, and their mean energy and time."""
        found = []
        for t in range(len(self.step_energy_j)):
            running = int((self.steps_run > t).sum())
            each = max(running, 1)
            found.append((running, float(self.step_energy_j[t].sum()) / each, float(self.step_time_s[t].sum()) / each))
        return found

    def _grouped(self, key: Callable[[Row], Any]) -> dict[Any, Share]:
        groups: dict[Any, list[Row]] = {}
        for row in self.rows:
            groups.setdefault(key(row), []).append(row)
        return {
            name: Share(
                count=sum(row.count for row in rows),
                energy_j=fsum(row.energy_j or 0.0 for row in rows),
                low_j=fsum(row.low_j for row in rows),
                high_j=fsum(row.high_j for row in rows),
                unpriced=any(row.energy_j is None for row in rows),
            )
            for name, rows in groups.items()
        }

    def as_data(self) -> dict[str, Any]:
        """Plain data for JSON; energies per inference but for the rows, which are sums over all samples; infinity is null."""
        low, high = self.interval_j
        n = self.n_samples

        def shares(found: dict[str, Share]) -> dict[str, Any]:
            return {
                name: {"energy_j": share.energy_j / n, "is_lower_bound": share.unpriced}
                for name, share in found.items()
            }

        return {
            "chip": self.chip,
            "samples": n,
            "mean_steps": float(self.steps_run.mean()),
            "energy_per_inference_j": self.mean_energy_j,
            "energy_interval_j": [low / n, finite(high / n)],
            "energy_distribution_j": asdict(Distribution.of(self.energy_per_sample_j)),
            "is_lower_bound": self.is_lower_bound,
            "unpriced": list(self.unpriced),
            "operating_point_averages": list(self.averages),
            "latency_per_inference_s": self.mean_latency_s,
            "latency_distribution_s": asdict(Distribution.of(self.latency_per_sample_s)),
            "latency_is_lower_bound": self.latency_is_lower_bound,
            "cycles_per_step": self.cycles_per_step,
            "cores": self.cores,
            "split_evenly": self.split_evenly,
            "off_chip": [list(pair) for pair in self.off_chip],
            "overruns": self.overruns,
            "by_part": shares(self.by_part()),
            "by_node": shares(self.by_node()),
            "by_level": shares(self.by_level()),
            "by_step": [{"samples": s, "energy_j": e, "time_s": t} for s, e, t in self.by_step()],
            "rows": [asdict(row) | {"high_j": finite(row.high_j)} for row in self.rows],
        }

    def __str__(self) -> str:
        n = self.n_samples
        bound = ">= " if self.is_lower_bound else ""
        late = ">= " if self.latency_is_lower_bound else ""
        cycles = "self-timed" if self.cycles_per_step is None else f"{self.cycles_per_step:.0f} cycles per step"
        lines = [
            f"{self.chip}: {bound}{readable(self.mean_energy_j, 'J')} and {late}{readable(self.mean_latency_s, 's')} "
            f"per inference, {cycles}, {n} samples, {self.steps_run.mean():.2f} steps on average"
        ]
        for (component, action), (count, energy) in self.by_component().items():
            price = "unknown" if energy is None else readable(energy / n, "J")
            lines.append(f"  {component:<18}{action:<24}{count / n:>14.1f}{price:>12}")
        lines += [f"  not priced: {text}" for text in self.unpriced]
        return "\n".join(lines)


def finite(value: float) -> float | None:
    """The number, or None for infinity, which JSON does not have."""
    return None if value == inf else value
