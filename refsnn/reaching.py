"""Which outputs of a node an event comes to in each step, whatever its weight: who is driven, and who only updated."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refsnn.kernels import reach
from refsnn.kernels.fan_in import as_map
from refsnn.layers import (
    Add,
    AvgPool2d,
    Concat,
    Conv1d,
    Conv2d,
    Flatten,
    GlobalAvgPool2d,
    MaxPool2d,
    Shape,
    SumPool2d,
    WeightLayer,
    kind_of,
)
from refsnn.network import INPUT, Network, Node
from refsnn.signals import AnySignal, bits_behind, later

Array = np.ndarray[Any, Any]
Remember = Callable[[Hashable, Callable[[], Any]], Any]


@dataclass(frozen=True, eq=False)
class Reach:
    """Where at least one event came: a spike, or a nonzero number that no spikes made."""

    hit: Array  # bool[S, N, groups of channels that are alike, H, W]; S = T or, when every step has the same, 1
    shape: Shape

    @property
    def of_channels(self) -> Array:
        """bool[S, N, channels, H, W]."""
        return np.repeat(self.hit, self.alike, axis=2) if self.alike > 1 else self.hit

    @property
    def alike(self) -> int:
        """Channels of a group."""
        return self.shape[0] // int(self.hit.shape[2])

    def later(self, delay: int, steps: int) -> "Reach":
        return replace(self, hit=later(self.hit, delay, steps))


def nowhere(shape: Shape, n_samples: int) -> Reach:
    _, height, width = as_map(shape)
    return Reach(np.zeros((1, n_samples, 1, height, width), np.bool_), shape)


def of_events(signal: AnySignal, shape: Shape) -> Reach:
    """The events of the signal themselves."""
    events = _events(signal)
    return Reach(events.reshape(*events.shape[:2], *as_map(shape)), shape)


def passes_on(node: Node, output: AnySignal) -> bool:
    """Whether what reaches the node's inputs reaches its outputs: so it is of all that is no weight layer and gives no events."""
    return not output.spiking and kind_of(node.layer) not in ("weight", "neuron", "integrator")


def reach_of(network: Network, node: Node, source: AnySignal, output: AnySignal, backend: str) -> Reach:
    """Where a weight layer reads an event, or the events that another node gives."""
    shape = network.shapes[node.name]
    return weighed(network, node, source, backend) if isinstance(node.layer, WeightLayer) else of_events(output, shape)


def passed_on(network: Network, node: Node, behind: tuple[Reach, ...], backend: str) -> Reach:
    """Where any of the inputs that an output is made of was reached."""
    shape, layer, first = network.shapes[node.name], node.layer, behind[0]
    match layer:
        case Add():
            return Reach(_union([one.hit for one in behind], shape), shape)
        case Concat():
            steps = max(len(one.hit) for one in behind)
            parts = [np.broadcast_to(one.of_channels, (steps, *one.of_channels.shape[1:])) for one in behind]
            return Reach(np.concatenate(parts, axis=2), shape)
        case Flatten():
            each = first.of_channels
            return Reach(each.reshape(*each.shape[:2], -1, 1, 1), shape)
        case AvgPool2d() | SumPool2d() | MaxPool2d() | GlobalAvgPool2d():
            field = network.memo.of((node.name, "field"), lambda: reach.field_of(layer, first.shape))
            return Reach(_through(first.hit, field, backend), shape)
    return first


def read_by_neurons(network: Network) -> frozenset[str]:
    """What the neurons' currents are made of: their inputs and, where these are no weight layers, what those are made of."""
    asked: set[str] = set()
    waiting = [name for node in network.nodes if node.name in network.stateful for name in node.inputs]
    while waiting:
        name = waiting.pop()
        if name in asked:
            continue
        asked.add(name)
        if name != INPUT and kind_of(network[name].layer) not in ("weight", "neuron", "integrator"):
            waiting += network[name].inputs
    return frozenset(asked)


def weighed(network: Network, node: Node, source: AnySignal, backend: str) -> Reach:
    """Where a weight layer reads an event."""
    layer, shape = node.layer, network.shapes[node.name]
    assert isinstance(layer, WeightLayer)
    _, *out = as_map(shape)
    groups = layer.groups if isinstance(layer, Conv1d | Conv2d) else 1
    bits = bits_behind(source)
    if bits is not None and groups == 1:
        origin, pool = bits
        key = node.name, "field", True
        field = network.memo.of(key, lambda: reach.field_behind(layer, origin.shape, pool))
        return Reach(reach.on_bits(origin.bits, field).reshape(*origin.bits.shape[:2], 1, *out), shape)
    events, (_, height, width) = _events(source), as_map(network.shapes[node.inputs[0]])
    of_any = np.any(events.reshape(*events.shape[:2], groups, -1, height, width), axis=3)
    field = network.memo.of((node.name, "field", False), lambda: reach.field_of(layer, network.shapes[node.inputs[0]]))
    return Reach(_through(of_any, field, backend), shape)


def _through(hit: Array, field: reach.Field, backend: str) -> Array:
    """The maps bool[S, N, groups, H, W] seen through a field."""
    kernel = reach.fast if backend == "fast" else reach.naive
    seen = kernel(hit.reshape(-1, *hit.shape[3:]), field)
    return seen.reshape(*hit.shape[:3], *seen.shape[1:])


def _union(hits: list[Array], shape: Shape) -> Array:
    """Where any of them is true; groups of channels that do not line up are spelled out."""
    groups = {hit.shape[2] for hit in hits} - {1}
    if len(groups) > 1:
        hits = [np.repeat(hit, shape[0] // hit.shape[2], axis=2) for hit in hits]
    total = hits[0]
    for hit in hits[1:]:
        total = total | hit
    return total


def _events(signal: AnySignal) -> Array:
    """bool[S, N, *shape]."""
    if signal.events is None:
        return signal.values != 0
    return signal.events if signal.events.dtype == np.bool_ else signal.events != 0
