"""RuleReport: what a rule counted, and what it charges for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import fsum
from typing import Any

import numpy as np

from hwmodel.units import readable

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
Count = int | Fraction | float  # whole, or an exact mean, or made from real numbers


@dataclass(frozen=True)
class Row:
    """One quantity of one node, of all samples together."""

    node: str
    quantity: str  # under the tool's own name
    count: Count
    energy_j: float | None  # None: the tool counts it and gives it no price


@dataclass(frozen=True, kw_only=True, eq=False)
class RuleReport:
    """What a rule makes of a run."""

    rule: str
    source: str
    rows: tuple[Row, ...]
    n_samples: int
    latency_s: FloatArray | None = None  # [N]; None where the tool knows no time
    figures: Mapping[str, float] = field(
        default_factory=dict
    )  # what is no sum: a footprint in bytes, an area in um2, a share
    notes: tuple[str, ...] = ()  # where this differs from what the tool would have counted

    @property
    def energy_j(self) -> float | None:
        """Of all samples together; None where nothing has a price."""
        prices = [row.energy_j for row in self.rows if row.energy_j is not None]
        return fsum(prices) if prices else None

    @property
    def energy_per_inference_j(self) -> float | None:
        return None if self.energy_j is None else self.energy_j / self.n_samples

    @property
    def latency_per_inference_s(self) -> float | None:
        return None if self.latency_s is None else float(self.latency_s.mean())

    def totals(self) -> dict[str, tuple[Count, float | None]]:
        """Quantity -> count and energy of all nodes and samples."""
        found: dict[str, tuple[Count, float | None]] = {}
        for row in self.rows:
            count, energy = found.get(row.quantity, (0, None))
            priced = [e for e in (energy, row.energy_j) if e is not None]
            found[row.quantity] = count + row.count, fsum(priced) if priced else None
        return found

    def count(self, quantity: str) -> Count:
        """Of all nodes and samples; 0 for what was not counted."""
        return self.totals().get(quantity, (0, None))[0]

    def per_inference(self, quantity: str) -> float:
        """The mean over the samples."""
        return float(self.count(quantity) / self.n_samples)

    def as_data(self) -> dict[str, Any]:
        """Plain data for JSON: counts and energies per inference."""
        return {
            "rule": self.rule,
            "source": self.source,
            "samples": self.n_samples,
            "energy_per_inference_j": self.energy_per_inference_j,
            "latency_per_inference_s": self.latency_per_inference_s,
            "figures": dict(self.figures),
            "notes": list(self.notes),
            "rows": [
                {"node": row.node, "quantity": row.quantity, "count": float(row.count / self.n_samples),
                 "energy_j": None if row.energy_j is None else row.energy_j / self.n_samples}
                for row in self.rows
            ],
        }  # fmt: skip

    def __str__(self) -> str:
        n = self.n_samples
        price = "no price" if self.energy_j is None else f"{readable(self.energy_j / n, 'J')} per inference"
        late = "" if self.latency_s is None else f", {readable(float(self.latency_s.mean()), 's')}"
        lines = [f"{self.rule}: {price}{late}, {n} samples"]
        for quantity, (count, energy) in self.totals().items():
            charged = "" if energy is None else readable(energy / n, "J")
            lines.append(f"  {quantity:<32}{float(count / n):>18.1f}{charged:>12}")
        lines += [f"  {name:<32}{value:>18.6g}" for name, value in self.figures.items()]
        return "\n".join(lines + [f"  note: {note}" for note in self.notes])
