"""CostReport: rows that add up, per step and per sample; as a table and as plain data."""

from dataclasses import asdict, dataclass
from math import fsum
from typing import Any

import numpy as np

from hwmodel.units import readable

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
IntArray = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one component did for one node, over all samples and steps."""

    node: str
    component: str
    action: str
    count: int
    energy_j: float | None  # nominal; None: the chip's figure is unknown
    low_j: float
    high_j: float
    cycles: int | None  # of the component; None on a self-timed chip or where the action takes none


@dataclass(frozen=True, kw_only=True, eq=False)
class CostReport:
    """The cost of a run of N samples on a chip. Energies are nominal and leave out what is unpriced."""

    chip: str
    rows: tuple[Row, ...]
    step_energy_j: FloatArray  # [T, N], static energy included
    step_time_s: FloatArray  # [T, N], 0 in steps that did not run
    step_cycles: IntArray | None  # [T, N]; None on a self-timed chip
    steps_run: IntArray  # [N]
    cores: dict[str, int]  # group of nodes -> cores
    unpriced: tuple[str, ...]  # what the totals leave out

    @property
    def n_samples(self) -> int:
        return len(self.steps_run)

    @property
    def is_lower_bound(self) -> bool:
        """Whether the energy leaves something out that has no known price."""
        return bool(self.unpriced)

    @property
    def latency_is_lower_bound(self) -> bool:
        """Whether some work is not known to the chip, so that its time is missing; unknown static power takes no time."""
        return any(row.energy_j is None and row.component != "chip" for row in self.rows)

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

    def by_component(self) -> dict[tuple[str, str], tuple[int, float | None]]:
        """(component, action) -> count and energy over all nodes."""
        totals: dict[tuple[str, str], tuple[int, float | None]] = {}
        for row in self.rows:
            count, energy = totals.get((row.component, row.action), (0, 0.0))
            totals[row.component, row.action] = (
                count + row.count, None if energy is None or row.energy_j is None else energy + row.energy_j
            )  # fmt: skip
        return totals

    def as_data(self) -> dict[str, Any]:
        """Plain data for JSON; infinity becomes null."""
        low, high = self.interval_j
        return {
            "chip": self.chip,
            "samples": self.n_samples,
            "mean_steps": float(self.steps_run.mean()),
            "energy_per_inference_j": self.mean_energy_j,
            "energy_interval_j": [low / self.n_samples, high / self.n_samples if np.isfinite(high) else None],
            "is_lower_bound": self.is_lower_bound,
            "unpriced": list(self.unpriced),
            "latency_per_inference_s": self.mean_latency_s,
            "latency_is_lower_bound": self.latency_is_lower_bound,
            "cycles_per_step": self.cycles_per_step,
            "cores": self.cores,
            "rows": [asdict(row) | {"high_j": row.high_j if np.isfinite(row.high_j) else None} for row in self.rows],
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
