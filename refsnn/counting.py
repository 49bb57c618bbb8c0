"""From what a node received to how much work that was: integers, exact at borders, strides and groups."""

from collections.abc import Callable, Hashable, Mapping
from math import prod
from typing import Any

import numpy as np

from refsnn.kernels.bits import count
from refsnn.kernels.compiling import compiled
from refsnn.kernels.fan_in import as_map, fan_out, reached
from refsnn.layers import (
    AvgPool2d,
    Conv1d,
    Conv2d,
    GlobalAvgPool2d,
    Layer,
    Linear,
    MaxPool2d,
    Shape,
    SumPool2d,
    WeightLayer,
    kind_of,
)
from refsnn.network import Network, Node
from refsnn.reaching import Reach
from refsnn.schedules import Schedule
from refsnn.signals import AnySignal, bits_behind, n_samples_of
from refsnn.trace import Geometry, IntArray, NodeActivity

Array = np.ndarray[Any, Any]


Remember = Callable[[Hashable, Callable[[], Any]], Any]  # what a key stands for: made once a run


def node_activity(
    network: Network,
    node: Node,
    inputs: tuple[AnySignal, ...],
    output: AnySignal,
    *,
    updates: Array,
    remember: Remember = lambda _, make: make(),
    reached: tuple[Reach, ...] = (),
) -> NodeActivity:
    """The work of one node over T steps, in each of which a neuron is updated updates[t] times.

    reached: where events came to the inputs of a node with a potential.
    """
    steps, layer, kind = len(updates), node.layer, kind_of(node.layer)
    n_samples = n_samples_of(inputs[0])

    def per_step(counts: Array) -> IntArray:
        return np.ascontiguousarray(np.broadcast_to(counts.astype(np.int64), (steps, n_samples)))

    def each_in(signal: AnySignal) -> Array:
        """How often each pixel of the signal's spikes reaches this node: through a pool once for each window."""
        return remember((node.name, "reached"), lambda: _reached(signal))

    zero = np.zeros((1, n_samples), np.int64)
    received = caused = zero
    if kind not in (
        "neuron",
        "integrator",
    ):  # those are updated, not driven event by event: their currents are no events
        received = sum((_received(signal, each_in) for signal in inputs), start=zero)
    if isinstance(layer, WeightLayer):
        key = node.name, "fan_out", bits_behind(inputs[0]) is not None  # of the pool's input, or of what the pool gives
        each = remember(key, lambda: _fan_out(inputs[0], layer, network.shapes[node.inputs[0]]))
        caused = _weighted_events(inputs[0], each)
    blank: NodeActivity = remember((node.name, "blank"), lambda: _blank(network, node))
    from_spikes = inputs[0].spiking
    spikes = _received(output, each_in) if kind == "neuron" else zero
    idle = kind not in ("neuron", "integrator")
    return blank.with_counts(
        {
            "events_in": per_step(received),
            "synops": per_step(caused if from_spikes else zero),
            "macs": per_step(zero if from_spikes else caused),
            "updates": per_step(zero if idle else zero + blank.n_neurons * updates[:, None]),
            "driven": per_step(sum((_driven(one) for one in reached), start=zero)),
            "spikes_out": per_step(spikes),
        }
    )


def _blank(network: Network, node: Node) -> NodeActivity:
    """The node with nothing counted."""
    nothing = np.zeros((0, 0), np.int64)
    return NodeActivity(
        node=node.name,
        kind=kind_of(node.layer),
        layer=type(node.layer).__name__,
        inputs=node.inputs,
        geometry=_geometry(network, node),
        n_inputs=sum(prod(network.shapes[name]) for name in node.inputs),
        n_neurons=prod(network.shapes[node.name]),
        n_weights=_n_weights(node.layer),
        n_biases=node.layer.bias.size if isinstance(node.layer, WeightLayer) and node.layer.bias is not None else 0,
        fan_in=node.layer.fan_in if isinstance(node.layer, WeightLayer) else 0,
        row_length=node.layer.row_length if isinstance(node.layer, WeightLayer) else 0,
        dense_ops=_dense_ops(node.layer, network, node),
        events_in=nothing,
        synops=nothing,
        macs=nothing,
        updates=nothing,
        driven=nothing,
        spikes_out=nothing,
    )


def _geometry(network: Network, node: Node) -> Geometry | None:
    """Of a weight layer or a pool: a Linear is a convolution of a map of one pixel."""
    layer, into, out = node.layer, network.shapes[node.inputs[0]], network.shapes[node.name]
    if isinstance(layer, Linear):
        return Geometry(in_channels=into[0], out_channels=out[0], in_size=(1, 1), out_size=(1, 1))
    if isinstance(layer, GlobalAvgPool2d):
        layer = layer.as_pool(into)
    if isinstance(layer, Conv1d):
        layer, into, out = layer.as_conv2d, (into[0], 1, into[1]), (out[0], 1, out[1])
    if isinstance(layer, Conv2d):
        kernel, stride = layer.weight.shape[2:], layer.stride
        dilation, groups = layer.dilation, layer.groups
    elif isinstance(layer, AvgPool2d | SumPool2d | MaxPool2d):
        kernel, stride, dilation, groups = layer.kernel, layer.strides, (1, 1), into[0]
    else:
        return None
    return Geometry(
        in_channels=into[0], out_channels=out[0], in_size=(into[1], into[2]), out_size=(out[1], out[2]),
        kernel=(kernel[0], kernel[1]), stride=stride, padding=layer.padding, dilation=dilation, groups=groups,
    )  # fmt: skip


def spike_counts(spikes: Array) -> IntArray:
    """Spikes of each neuron over the steps: int64[N, *shape] of bool[T, N, *shape]."""
    flat = np.ascontiguousarray(spikes).reshape(len(spikes), -1)
    return _over_steps(flat).reshape(spikes.shape[1:])


@compiled
def _over_steps(spikes):  # type: ignore[no-untyped-def]
    result = np.zeros(spikes.shape[1], np.int64)
    for t in range(len(spikes)):
        for i in range(spikes.shape[1]):
            result[i] += spikes[t, i]
    return result


def _received(signal: AnySignal, each_in: Callable[[AnySignal], Array]) -> IntArray:
    """Spikes, or nonzero numbers where spikes did not make them, per step and sample."""
    bits = bits_behind(signal)
    if bits is not None:
        origin, pool = bits
        return origin.total if pool is None else count(origin.bits, each_in(signal))
    events = signal.values != 0 if signal.events is None else signal.events
    flat = np.ascontiguousarray(events).reshape(events.shape[0] * events.shape[1], 1, -1)
    return _weighted(flat, np.ones(flat.shape[2], np.int64)).reshape(events.shape[:2])


def _driven(reached: Reach) -> IntArray:
    """Neurons that events reached, per step and sample."""
    flat = np.ascontiguousarray(reached.hit).reshape(reached.hit.shape[0] * reached.hit.shape[1], 1, -1)
    total = _weighted(flat, np.full(flat.shape[2], reached.alike, np.int64))
    return total.reshape(reached.hit.shape[:2])


def _weighted_events(signal: AnySignal, each: Array) -> IntArray:
    """Sum over events of what each pixel's cause, all channels alike: each int64[height, width]; per step and sample."""
    bits = bits_behind(signal)
    if bits is not None:
        return count(bits[0].bits, each)
    events = signal.values != 0 if signal.events is None else signal.events
    flat = np.ascontiguousarray(events).reshape(events.shape[0] * events.shape[1], -1, each.size)
    return _weighted(flat, each.ravel()).reshape(events.shape[:2])


def _reached(signal: AnySignal) -> Array:
    bits = bits_behind(signal)
    assert bits is not None
    origin, pool = bits
    assert pool is not None
    return reached(origin.shape, pool)


def _fan_out(signal: AnySignal, layer: WeightLayer, shape: Shape) -> Array:
    """Accumulates that an event of each pixel causes: int64[height, width], of the map whose events are counted."""
    bits = bits_behind(signal)
    if bits is not None:
        return fan_out(layer, bits[0].shape, bits[1])
    if isinstance(layer, Linear):
        return np.full((1, 1), len(layer.weight), np.int64)
    return np.ascontiguousarray(layer.fan_out(shape)[0]).reshape(as_map(shape)[1:])


@compiled
def _weighted(events, weight):  # type: ignore[no-untyped-def]
    """Sum over c and i of events[b, c, i] * weight[i]: whole numbers, so in any order."""
    result = np.empty(len(events), np.int64)
    for b in range(len(events)):
        total = 0
        for c in range(events.shape[1]):
            for i in range(events.shape[2]):
                total += events[b, c, i] * weight[i]
        result[b] = total
    return result


def connections(network: Network) -> int:
    """Of all nodes together: what a frame-based machine does per step."""
    return sum(_dense_ops(node.layer, network, node) for node in network.nodes)


def _dense_ops(layer: Layer, network: Network, node: Node) -> int:
    outputs = prod(network.shapes[node.name])
    match layer:
        case Linear() | Conv1d() | Conv2d():
            return int(layer.fan_out(network.shapes[node.inputs[0]]).sum())
        case AvgPool2d() | SumPool2d() | MaxPool2d():
            return outputs * prod(layer.kernel)
        case GlobalAvgPool2d():
            return prod(network.shapes[node.inputs[0]])
    return outputs * len(node.inputs)


def _n_weights(layer: Layer) -> int:
    if isinstance(layer, WeightLayer):
        return layer.weight.size + (0 if layer.bias is None else layer.bias.size)
    return 0


def with_first_steps(network: Network, schedule: Schedule, activity: Mapping[str, NodeActivity]) -> list[NodeActivity]:
    """The nodes' work over T steps: what a schedule does before them is added to the first.

    Steps in front are work of every node. A rehearsal is work of the neurons, which is among their updates already, and of
    everything between them and the neurons before: that sees the first steps of its input twice,
    and the neurons are driven twice.
    """
    front, twice = schedule.in_front, schedule.rehearsed
    if not front and not twice:
        return [activity[node.name] for node in network.nodes]
    rehearsing: set[str] = set()  # what neurons wait for
    for node in reversed(network.nodes):
        if kind_of(node.layer) == "neuron" or node.name in rehearsing:
            rehearsing |= {name for name in node.inputs if name not in network.neurons}
    made = []
    for node in network.nodes:
        repeated = front or (twice if node.name in rehearsing else 0)
        counts = {name: values[front:].copy() for name, values in activity[node.name].counts().items()}
        for name, values in activity[node.name].counts().items():
            # updates have the rehearsal's among them already
            again = front or twice if name == "driven" else repeated
            counts[name][0] += values[:again].sum(0)
        made.append(activity[node.name].with_counts(counts))
    return made
