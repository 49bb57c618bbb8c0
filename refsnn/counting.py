"""From what a node received to how much work that was: integers, exact at borders, strides and groups."""

from math import prod
from typing import Any

import numpy as np
from numba import njit

from refsnn.kernels.bits import count
from refsnn.kernels.fan_in import SummingPool, fan_out, reached
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
from refsnn.signals import AnySignal, HandedOn, Spikes, n_samples_of
from refsnn.trace import IntArray, NodeActivity

Array = np.ndarray[Any, Any]


def node_activity(
    network: Network, node: Node, inputs: tuple[AnySignal, ...], output: AnySignal, *, updates: Array
) -> NodeActivity:
    """The work of one node over T steps, in each of which a neuron is updated updates[t] times."""
    steps = len(updates)
    shape = network.shapes[node.inputs[0]]
    kind = kind_of(node.layer)
    n_samples = n_samples_of(inputs[0])

    def per_step(counts: Array) -> IntArray:
        return np.ascontiguousarray(np.broadcast_to(counts.astype(np.int64), (steps, n_samples)))

    zero = np.zeros((1, n_samples), np.int64)
    # neurons are updated, not driven event by event: their currents are no events
    received = zero if kind in ("neuron", "integrator") else sum(map(_received, inputs), start=zero)
    caused = _connections(inputs[0], node.layer, shape) if isinstance(node.layer, WeightLayer) else zero
    from_spikes = inputs[0].spiking
    spikes = _received(output) if kind == "neuron" else zero
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
        events_in=per_step(received),
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


def _received(signal: AnySignal) -> IntArray:
    """Spikes, or nonzero numbers where spikes did not make them, per step and sample."""
    bits = _bits(signal)
    if bits is not None:
        origin, pool = bits
        return origin.total if pool is None else count(origin.bits, reached(origin.shape, pool))
    return _total(signal.values != 0 if signal.events is None else signal.events)


def _bits(signal: AnySignal) -> tuple[Spikes, SummingPool | None] | None:
    """The spikes as bits behind the signal, and the pool on their way; None where there are none."""
    if isinstance(signal, Spikes):
        return signal, None
    if isinstance(signal, HandedOn) and isinstance(signal.origin, Spikes):
        return signal.origin, signal.pool
    return None


def _total(events: Array) -> IntArray:
    """Sum over everything but steps and samples."""
    flat = np.ascontiguousarray(events).reshape(events.shape[0] * events.shape[1], 1, -1)
    return _weighted(flat, np.ones(flat.shape[2], np.int64)).reshape(events.shape[:2])


def _connections(signal: AnySignal, layer: WeightLayer, shape: Shape) -> IntArray:
    """Sum over inputs of events * fan-out, per step and sample."""
    bits = _bits(signal)
    if bits is not None:
        origin, pool = bits
        return count(origin.bits, fan_out(layer, origin.shape, pool))
    events = signal.values != 0 if signal.events is None else signal.events
    each = layer.fan_out(shape)
    channels = shape[0] if len(shape) > 1 else 1  # all channels of a pixel have the same fan-out
    per_pixel = each[0].ravel() if len(shape) > 1 else each
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
