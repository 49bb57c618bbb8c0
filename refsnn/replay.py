"""What each node of a recorded run received: the signals once more, from the recorded spikes; no neuron is simulated."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from refsnn.drive import Drive
from refsnn.errors import SpecError, UnsupportedLayerError
from refsnn.kernels.pool import follow
from refsnn.layers import AvgPool2d, GlobalAvgPool2d, MaxMode, MaxPool2d, SumPool2d, kind_of
from refsnn.network import INPUT, Network, Node
from refsnn.schedules import schedule_of
from refsnn.signals import AnySignal, HandedOn, Signal, delayed, every_step
from refsnn.trace import Trace
from refsnn.worker import layer_output

Array = np.ndarray[Any, Any]
CHUNK_BYTES = 256 << 20  # what the signals of a chunk of samples may take together


@dataclass(frozen=True, eq=False)
class Recorded:
    """What neurons sent in a run, or nothing in the one frame of a source network, which has none."""

    network: Network
    drive: Drive
    steps: int = 1
    edge_delay: int = 0  # steps that every spike was on its way, at least
    spikes: Mapping[str, Array] | None = None
    v: Mapping[str, Array] | None = None

    @classmethod
    def of(cls, network: Network, trace: Trace, drive: Drive) -> "Recorded":
        """The run's; SpecError where the trace is of another network or input, or lacks spikes."""
        if trace.network_digest != network.digest or trace.input_digest != drive.digest:
            other = "network" if trace.network_digest != network.digest else "input"
            raise SpecError(f"trace: it is of another {other}; give the one that was simulated")
        schedule = schedule_of(trace.schedule)
        if schedule.counts_charge:
            raise SpecError(f"trace: {trace.schedule} does not run step by step; simulate in lockstep or pipeline")
        for name in network.neurons:
            if name not in trace.spikes:
                raise SpecError(
                    f"trace: no spikes of {name!r} were recorded; simulate with record=Record(spikes=network.neurons)"
                )
        return cls(network, drive, trace.steps, schedule.edge_delay, trace.spikes, trace.v)

    def chunks(self) -> Iterator[slice]:
        """The samples, in parts whose signals fit into memory together: values and events of every node at every step."""
        per_sample = 2 * 8 * self.steps * sum(prod(shape) for shape in self.network.shapes.values())
        size = max(1, CHUNK_BYTES // per_sample)
        for start in range(0, self.drive.n_samples, size):
            yield slice(start, min(start + size, self.drive.n_samples))

    def received(self, samples: slice) -> dict[str, tuple[AnySignal, ...]]:
        """Node -> what it received at each of its inputs, delays included, for these samples; spikes are worth 1 each."""
        given = self._sent(samples)
        waiting = [node for node in self.network.nodes if node.name not in given]
        while waiting:
            ready = [node for node in waiting if all(source in given for source in node.inputs)]
            if not ready:
                missing = ", ".join(sorted(set(waiting[0].inputs) - set(given)))
                raise UnsupportedLayerError(
                    f"{waiting[0].name}: what {missing} gave is not known: it is on a cycle without neurons, or an integrator "
                    "whose v was not recorded"
                )
            for node in ready:
                given[node.name] = _given(node, self._arriving(node, given))
            waiting = [node for node in waiting if node.name not in given]
        return {node.name: self._arriving(node, given) for node in self.network.nodes}

    def _sent(self, samples: slice) -> dict[str, AnySignal]:
        """What is known without computing anything: the input, spikes, potentials that are read."""
        x = self.drive.inputs(self.steps, samples).astype(np.float64)
        given: dict[str, AnySignal] = {INPUT: Signal(x, x.astype(np.int64) if self.drive.spiking else None)}
        for node in self.network.nodes:
            if kind_of(node.layer) == "neuron":
                spikes = (self.spikes or {})[node.name][:, samples]
                given[node.name] = Signal(spikes.astype(np.float64), np.abs(spikes.astype(np.int64)))
            elif kind_of(node.layer) == "integrator" and node.name in (self.v or {}):
                given[node.name] = Signal((self.v or {})[node.name][:, samples].astype(np.float64), None)
            elif kind_of(node.layer) == "integrator" and not self.network.consumers(node.name):
                given[node.name] = Signal(x[:1] * 0, None)  # nobody reads it
        return given

    def _arriving(self, node: Node, given: Mapping[str, AnySignal]) -> tuple[AnySignal, ...]:
        return tuple(
            delayed(given[source], max(delay, self.edge_delay) if source in self.network.neurons else delay, self.steps)
            for source, delay in node.edges
        )


def _given(node: Node, sources: tuple[AnySignal, ...]) -> AnySignal:
    """What a node without a potential makes of it."""
    match node.layer:
        case AvgPool2d() | SumPool2d() | GlobalAvgPool2d() as pool if sources[0].spiking:
            handed = HandedOn(sources[0], pool, False, "naive")
            return Signal(handed.values, handed.events)
        case MaxPool2d() as pool if pool.mode is not MaxMode.OR:
            signal = every_step(sources[0], len(sources[0].values))
            assert signal.events is not None
            values, events, _ = follow(pool, signal.values, signal.events, None)
            return Signal(values, events)
    return layer_output(node.layer, sources, "naive")
