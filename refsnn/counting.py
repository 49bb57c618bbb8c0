"""From what a node received to how much work that was: integers, exact at borders, strides and groups."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numba import njit

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
from refsnn.trace import IntArray, NodeActivity

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Signal:
    """What a node gives: values [S, N, *shape], S = T or, when every step has the same, 1.

    `events` counts the spikes behind each value, or is None for values that spikes did not make.
    """

    values: Array
    events: Array | None

    def of(self, part: Callable[[Array], Array]) -> "Signal":
        """The same part of both."""
        return Signal(part(self.values), None if self.events is None else part(self.events))

    def at(self, t: int) -> "Signal":
        """Of one step."""
        return self.of(lambda a: a[t if len(a) > 1 else 0][None])

    def silent(self, steps: int) -> "Signal":
        """Zeros and no spikes, for so many steps."""
        return self.of(lambda a: np.zeros((steps, *a.shape[1:]), a.dtype))

    def until(self, steps: int) -> "Signal":
        """The first steps; none for a negative number."""
        return self.of(lambda a: a[: max(steps, 0)])

    def for_steps(self, steps: int) -> "Signal":
        """With every step written out."""
        return self.of(lambda a: np.broadcast_to(a, (steps, *a.shape[1:])))


def delayed(signal: Signal, delay: int, steps: int) -> Signal:
    """The signal `delay` steps later; before it nothing arrives."""
    if delay == 0:
        return signal
    return joined([signal.silent(min(delay, steps)), signal.for_steps(steps).until(steps - delay)])


def joined(parts: list[Signal]) -> Signal:
    """One after the other."""
    events = [part.events for part in parts if part.events is not None]
    return Signal(np.concatenate([part.values for part in parts]), np.concatenate(events) if events else None)


def node_activity(
    network: Network, node: Node, inputs: tuple[Signal, ...], output: Signal, *, updates: Array
) -> NodeActivity:
    """The work of one node over T steps, in each of which a neuron is updated updates[t] times."""
    steps = len(updates)
    shape = network.shapes[node.inputs[0]]
    kind = kind_of(node.layer)
    received = [_received(signal) for signal in inputs]
    n_samples = inputs[0].values.shape[1]

    def per_step(counts: Array) -> IntArray:
        return np.ascontiguousarray(np.broadcast_to(counts.astype(np.int64), (steps, n_samples)))

    zero = np.zeros((1, n_samples), np.int64)
    caused = _connections(received[0], node.layer, shape) if isinstance(node.layer, WeightLayer) else zero
    from_spikes = inputs[0].events is not None
    spikes = _total(output.events) if kind == "neuron" and output.events is not None else zero
    n_neurons = prod(network.shapes[node.name])
    return NodeActivity(
        node=node.name,
        kind=kind,
        inputs=node.inputs,
        n_inputs=sum(prod(network.shapes[name]) for name in node.inputs),
        n_neurons=n_neurons,
        n_weights=_n_weights(node.layer),
        fan_in=node.layer.fan_in if isinstance(node.layer, WeightLayer) else 0,
        row_length=node.layer.row_length if isinstance(node.layer, WeightLayer) else 0,
        dense_ops=_dense_ops(node.layer, network, node),
        events_in=per_step(sum(map(_total, received), start=zero)),
        synops=per_step(caused if from_spikes else zero),
        macs=per_step(zero if from_spikes else caused),
        updates=per_step(zero + (n_neurons * updates[:, None] if kind in ("neuron", "integrator") else 0)),
        spikes_out=per_step(spikes),
    )


def spike_counts(spikes: Array) -> IntArray:
    """Spikes of each neuron over the steps: int64[N, *shape] of bool[T, N, *shape]."""
    flat = np.ascontiguousarray(spikes).reshape(len(spikes), -1)
    return _over_steps(flat).reshape(spikes.shape[1:])


@njit(cache=True, nogil=True)
def _over_steps(spikes):  # type: ignore[no-untyped-def]
    result = np.zeros(spikes.shape[1], np.int64)
    for t in range(len(spikes)):
        for i in range(spikes.shape[1]):
            result[i] += spikes[t, i]
    return result


def _received(signal: Signal) -> Array:
    return signal.values != 0 if signal.events is None else signal.events


def _total(events: Array) -> IntArray:
    """Sum over everything but steps and samples."""
    flat = np.ascontiguousarray(events).reshape(events.shape[0] * events.shape[1], 1, -1)
    return _weighted(flat, np.ones(flat.shape[2], np.int64)).reshape(events.shape[:2])


def _connections(events: Array, layer: WeightLayer, shape: Shape) -> IntArray:
    """Sum over inputs of events * fan-out, per step and sample."""
    fan_out = layer.fan_out(shape)
    channels = shape[0] if len(shape) > 1 else 1  # all channels of a pixel have the same fan-out
    per_pixel = fan_out[0].ravel() if len(shape) > 1 else fan_out
    flat = np.ascontiguousarray(events).reshape(events.shape[0] * events.shape[1], channels, -1)
    return _weighted(flat, np.ascontiguousarray(per_pixel)).reshape(events.shape[:2])


@njit(cache=True, nogil=True)
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
