"""What a run keeps: arrays that its chunks of samples fill in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from refsnn.arithmetic import Arithmetic, FixedPoint
from refsnn.network import Network
from refsnn.neurons import Stateful, is_binary
from refsnn.trace import Record

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Results:
    """What a trace keeps, or the part of it that belongs to some samples: arrays that the chunks fill in."""

    readout: Array
    counts: Mapping[str, Array]
    residual: Mapping[str, Array]
    spikes: Mapping[str, Array]
    v: Mapping[str, Array]
    overflows: Mapping[str, Array]
    margin: Mapping[str, Array]

    @classmethod
    def of(cls, network: Network, n_samples: int, steps: int, arithmetic: Arithmetic, record: Record) -> "Results":
        def empty(names: tuple[str, ...], lead: tuple[int, ...], dtype: Any) -> dict[str, Array]:
            return {name: np.empty((*lead, *network.shapes[name]), dtype) for name in network.stateful if name in names}

        binary = {node.name: is_binary(node.layer) for node in network.nodes if isinstance(node.layer, Stateful)}
        spikes: dict[str, Array] = {
            name: np.empty((steps, n_samples, *network.shapes[name]), np.bool_ if binary[name] else np.int32)
            for name in _among(network.neurons, record.spikes)
        }
        return cls(
            readout=np.empty((steps, n_samples, network.n_outputs), arithmetic.dtype),
            # one spike a step: T fits 32 bits; half the memory of what is by far the largest result
            counts={
                name: np.empty((n_samples, *network.shapes[name]), np.int32 if binary[name] else np.int64)
                for name in _among(network.neurons, record.counts)
            },
            residual=empty(_among(network.stateful, record.counts), (n_samples,), arithmetic.dtype),
            spikes=spikes,
            v=empty(record.v, (steps, n_samples), arithmetic.dtype),
            overflows={node.name: np.zeros(n_samples, np.int64) for node in network.nodes}
            if isinstance(arithmetic, FixedPoint)
            else {},
            margin=empty(record.margin, (n_samples,), np.float64),
        )

    def of_samples(self, part: slice) -> "Results":
        """Views of some samples: what is written there stands here."""
        return Results(
            self.readout[:, part],
            {name: array[part] for name, array in self.counts.items()},
            {name: array[part] for name, array in self.residual.items()},
            {name: array[:, part] for name, array in self.spikes.items()},
            {name: array[:, part] for name, array in self.v.items()},
            {name: array[part] for name, array in self.overflows.items()},
            {name: array[part] for name, array in self.margin.items()},
        )


def _among(names: tuple[str, ...], chosen: tuple[str, ...] | None) -> tuple[str, ...]:
    return names if chosen is None else tuple(name for name in names if name in chosen)
