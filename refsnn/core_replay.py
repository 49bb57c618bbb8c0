"""What nodes gave in a run, and where its events came to, from the spikes that were recorded: no neuron is run again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refsnn.drive import Drive
from refsnn.errors import SpecError, UnsupportedLayerError
from refsnn.kernels.pool import follow
from refsnn.layers import AvgPool2d, Flatten, GlobalAvgPool2d, Layer, MaxMode, MaxPool2d, SumPool2d, WeightLayer
from refsnn.network import INPUT, Network, Node
from refsnn.reaching import Reach, of_events, passed_on, read_by_neurons, weighed
from refsnn.schedules import Schedule
from refsnn.signals import AnySignal, HandedOn, Signal, delayed, every_step
from refsnn.trace import Trace
from refsnn.worker import layer_output, sent

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Replay:
    """A run of the network on a drive, as its trace tells it."""

    network: Network
    trace: Trace
    drive: Drive
    schedule: Schedule
    passing: tuple[Node, ...]  # the nodes without weights and potentials, each after those it reads

    def signals(self, part: slice) -> dict[str, AnySignal]:
        """What the input, the nodes with a potential and those that only pass on what these give gave to some samples."""
        network, trace, dtype = self.network, self.trace, self.trace.readout.dtype
        given = self.drive.inputs(trace.steps, part)
        made: dict[str, AnySignal] = {INPUT: Signal(given.astype(dtype), given if self.drive.spiking else None)}
        for name in network.stateful:
            layer: Any = network[name].layer
            if name in network.neurons:
                made[name] = sent(layer, trace.spikes[name][:, part], network.shapes[name], dtype)
            elif name in trace.v:
                made[name] = Signal(trace.v[name][:, part], None)
        for node in self.passing:
            if all(name in made for name in node.inputs):
                made[node.name] = _passed_on(node.layer, self._arriving(node, made))
        return made

    def check_known(self, node: str, source: str) -> None:
        """Raises where `source`, which `node` reads, gives numbers that the trace does not tell."""
        waiting, met = [source], {source}
        while waiting:
            name = waiting.pop()
            if name == INPUT or name in self.network.neurons:
                continue
            if name in self.network.stateful:
                if name not in self.trace.v:
                    raise SpecError(
                        f"{name}: its potentials, which {node!r} reads, were not recorded; simulate with "
                        f"record=Record(spikes=network.neurons, v=({name!r},))"
                    )
                continue
            if isinstance(self.network[name].layer, WeightLayer):
                raise UnsupportedLayerError(
                    f"{node}: it reads currents of {name!r}, which no trace holds; count networks with neurons in between"
                )
            spiking = self.network.sends_spikes(name, self.drive.spiking)
            if self.trace.arithmetic.startswith("FixedPoint") and not spiking:
                raise UnsupportedLayerError(
                    f"{name}: it rounds numbers to the format of currents, which no trace holds; count networks whose weight "
                    "layers read the input or spikes"
                )
            more = set(self.network[name].inputs) - met
            waiting += more
            met |= more

    def reaches(self, signals: Mapping[str, AnySignal]) -> dict[str, Reach]:
        """Node with a potential -> where events came to its neurons."""
        network, asked = self.network, read_by_neurons(self.network)
        found = {
            name: of_events(signal, network.shapes[name])
            for name, signal in signals.items()
            if name in asked and (name == INPUT or name in network.stateful or signal.spiking)
        }
        for node in network.nodes:
            if node.name in asked and isinstance(node.layer, WeightLayer):
                found[node.name] = weighed(network, node, self._arriving(node, signals)[0], "fast")
        for node in self.passing:
            if node.name in asked and node.name not in found:
                found[node.name] = passed_on(network, node, tuple(self._reaching(node, found)), "fast")
        return {node.name: next(self._reaching(node, found)) for node in network.nodes if node.name in network.stateful}

    def _arriving(self, node: Node, signals: Mapping[str, AnySignal]) -> tuple[AnySignal, ...]:
        steps = self.trace.steps
        return tuple(
            delayed(signals[name], self.schedule.delay(self.network, node, i), steps)
            for i, name in enumerate(node.inputs)
        )

    def _reaching(self, node: Node, found: Mapping[str, Reach]) -> Iterator[Reach]:
        for i, name in enumerate(node.inputs):
            yield found[name].later(self.schedule.delay(self.network, node, i), self.trace.steps)


def _passed_on(layer: Layer, sources: tuple[AnySignal, ...]) -> AnySignal:
    """What a layer without weights and potential gives: as the worker has it, with every spike behind it counted."""
    source = sources[0]
    match layer:
        case AvgPool2d() | SumPool2d() | GlobalAvgPool2d() if source.spiking:
            return HandedOn(source, layer, False, "naive")
        case Flatten() if isinstance(source, HandedOn):
            return replace(source, flat=True)
        case MaxPool2d() if layer.mode is not MaxMode.OR:
            signal = every_step(source, len(source.values))
            assert signal.events is not None
            values, events, _ = follow(layer, signal.values, signal.events, None)
            return Signal(values, events)
    return layer_output(layer, sources, "naive")
