"""What the layers of a recorded run read, number by number: for rules that look at values and weights, not at events alone."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from refsnn.drive import as_drive
from refsnn.errors import SpecError
from refsnn.layers import Conv1d, Linear, Shape, WeightLayer, kind_of
from refsnn.network import Network, Node
from refsnn.replay import Recorded
from refsnn.signals import AnySignal
from refsnn.trace import IntArray, Trace

Array = np.ndarray[Any, Any]
FloatArray = np.ndarray[Any, np.dtype[np.float64]]
BoolArray = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerInput:
    """What one weight layer or pool read, [T, N]. A spike is read as 1, whatever its amplitude: a factor of the weights."""

    nonzero: IntArray  # numbers that are not zero
    pairs: IntArray  # (number, weight) with neither zero: what a machine that skips zeros multiplies; 0 for pools
    synops: IntArray  # accumulates over weights that are not zero, each spike behind a pool an event; 0 for real inputs
    ternary: BoolArray  # every number is -1, 0 or 1
    binary: BoolArray  # every number is 0 or 1
    two_valued: BoolArray  # at most two different numbers, all from 0 to 1
    total: FloatArray  # sum of the numbers
    magnitude: FloatArray  # sum of their absolute values
    reached: FloatArray  # sum of number * its connections, whatever their weights; 0 for pools


def layer_inputs(network: Network, trace: Trace, x: Any) -> dict[str, LayerInput]:
    """What every weight layer and pool read in the run of x whose spikes the trace has recorded, by node.

    Needs record=Record(spikes=network.neurons), and v of integrators that something reads; lockstep or pipeline.
    """
    return _inputs(Recorded.of(network, trace, as_drive(x, network.input_shape)))


def frame_inputs(network: Network, x: Any) -> dict[str, LayerInput]:
    """The same of a source network, for its one frame of x [N, *input_shape]: T = 1."""
    if network.stateful:
        raise SpecError(f"{network.stateful[0]}: has a potential; simulate the network and ask for layer_inputs")
    return _inputs(Recorded(network, as_drive(x, network.input_shape)))


def effective_synops(network: Network, trace: Trace, x: Any) -> dict[str, IntArray]:
    """Accumulates without those over weights of zero, by weight layer: int64[T, N]; NodeActivity.synops counts them all."""
    inputs = layer_inputs(network, trace, x)
    return {node.name: inputs[node.name].synops for node in network.nodes if kind_of(node.layer) == "weight"}


def membrane_changes(trace: Trace) -> dict[str, IntArray]:
    """How many potentials the step changed, by recorded node: int64[T, N]; the first step writes all of them.

    NeuroBench's membrane updates: numel at the first step, count_nonzero(v[t] - v[t - 1]) after it.
    """
    if not trace.v:
        raise SpecError("trace: no potentials were recorded; simulate with record=Record(v=network.neurons)")
    changes = {}
    for name, v in trace.v.items():
        flat = v.reshape(*v.shape[:2], -1)
        first = np.full((1, flat.shape[1]), flat.shape[2], np.int64)
        changes[name] = np.concatenate([first, np.count_nonzero(flat[1:] != flat[:-1], axis=2)])
    return changes


def nonzero_fan_out(layer: WeightLayer, shape: Shape) -> IntArray:
    """How many weights other than zero each number of an input of this shape meets: int64[*shape], exact at borders."""
    if isinstance(layer, Linear):
        return np.count_nonzero(layer.weight, axis=0).astype(np.int64)
    if isinstance(layer, Conv1d):
        return nonzero_fan_out(layer.as_conv2d, (shape[0], 1, shape[1]))[:, 0]
    _, per_group, tall, wide = layer.weight.shape
    taps = np.count_nonzero(layer.weight.reshape(layer.groups, -1, per_group, tall, wide), axis=1)
    taps = taps.reshape(shape[0], tall, wide)
    _, rows, columns = layer.output_shape(shape)
    met = np.zeros(shape, np.int64)
    for ky in range(tall):
        for kx in range(wide):
            y = np.arange(rows) * layer.stride[0] - layer.padding[0] + ky * layer.dilation[0]
            x = np.arange(columns) * layer.stride[1] - layer.padding[1] + kx * layer.dilation[1]
            inside = np.ix_(np.arange(shape[0]), y[(y >= 0) & (y < shape[1])], x[(x >= 0) & (x < shape[2])])
            met[inside] += taps[:, ky, kx, None, None]
    return met


def _inputs(run: Recorded) -> dict[str, LayerInput]:
    parts: dict[str, list[LayerInput]] = {}
    for samples in run.chunks():
        received = run.received(samples)
        for node in run.network.nodes:
            if kind_of(node.layer) in ("weight", "pool"):
                parts.setdefault(node.name, []).append(_read(run.network, node, received[node.name][0], run.steps))
    return {name: _joined(several) for name, several in parts.items()}


def _read(network: Network, node: Node, signal: AnySignal, steps: int) -> LayerInput:
    layer, shape = node.layer, network.shapes[node.inputs[0]]
    weighs = isinstance(layer, WeightLayer)
    met = nonzero_fan_out(layer, shape).ravel() if isinstance(layer, WeightLayer) else np.zeros(1, np.int64)
    connections = layer.fan_out(shape).ravel() if isinstance(layer, WeightLayer) else np.zeros(1, np.int64)
    x = signal.values.reshape(*signal.values.shape[:2], -1).astype(np.float64)
    events = None if signal.events is None else signal.events.reshape(x.shape).astype(np.int64)
    found = {
        "nonzero": np.count_nonzero(x, axis=2),
        "pairs": ((x != 0) @ met if weighs else np.zeros(x.shape[:2], np.int64)),
        "synops": (events @ met if weighs and events is not None else np.zeros(x.shape[:2], np.int64)),
        "ternary": np.isin(x, (-1.0, 0.0, 1.0)).all(axis=2),
        "binary": np.isin(x, (0.0, 1.0)).all(axis=2),
        "two_valued": _two_valued(x),
        "total": x.sum(axis=2),
        "magnitude": np.abs(x).sum(axis=2),
        "reached": (x @ connections.astype(np.float64) if weighs else np.zeros(x.shape[:2])),
    }
    return LayerInput(**{name: np.broadcast_to(array, (steps, x.shape[1])) for name, array in found.items()})


def _two_valued(x: Array) -> BoolArray:
    lowest, highest = x.min(axis=2), x.max(axis=2)
    either = (x == lowest[..., None]) | (x == highest[..., None])
    return either.all(axis=2) & (lowest >= 0) & (highest <= 1)


def _joined(parts: list[LayerInput]) -> LayerInput:
    joined: Mapping[str, Any] = {
        item.name: np.concatenate([getattr(part, item.name) for part in parts], axis=1) for item in fields(LayerInput)
    }
    return LayerInput(**joined)
