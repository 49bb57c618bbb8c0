"""Networks as NIR files, with a statement of what NIR cannot carry."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from refsnn.errors import SpecError, UnsupportedLayerError
from refsnn.files import write_atomic
from refsnn.formats.nir.edges import Wiring, unique, wired
from refsnn.formats.nir.graph import NirGraph, NirNode
from refsnn.formats.nir.hdf5 import checked_name, content_of
from refsnn.formats.nir.inverse import parameters_of
from refsnn.formats.nir.losses import Loss, Lost, losses_of
from refsnn.formats.nir.own import described_as_metadata
from refsnn.layers import (
    Add,
    AvgPool2d,
    Conv1d,
    Conv2d,
    Flatten,
    GlobalAvgPool2d,
    Layer,
    Linear,
    Scale,
    Shape,
    SumPool2d,
)
from refsnn.network import INPUT, Network
from refsnn.neurons import Stateful, spread

SHOWN = 5  # losses that a message lists


@dataclass(frozen=True, eq=False)
class Exported:
    """A graph as NIR has it, and what it lost."""

    graph: NirGraph
    losses: tuple[Loss, ...]


def write_nir(network: Network, path: str | Path, *, dt: float, allow_loss: bool = False) -> tuple[Loss, ...]:
    """Write the network as a NIR file; returns what readers of NIR do otherwise, in sentences.

    dt: the length of a step, in seconds. Readers that follow NIR's equations by forward Euler with this dt (profile 'nir',
    if_scaling 'dt') then compute the same numbers; the profile 'refsnn' gives the network back exactly, whatever was lost.
    The same network gives the same bytes. Refused unless allow_loss: a network whose results change.
    """
    exported = export(network, dt=dt)
    lost = [loss for loss in exported.losses if loss.lost is Lost.RESULTS]
    if lost and not allow_loss:
        more = f"; and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
        raise UnsupportedLayerError(
            f"{network.name}: NIR cannot say {'; '.join(map(str, lost[:SHOWN]))}{more}; give allow_loss=True "
            "(--allow-loss) to write it all the same, and read it back with the profile 'refsnn'"
        )
    write_atomic(path, content_of(exported.graph))
    return exported.losses


def export(network: Network, *, dt: float) -> Exported:
    """The graph, and the statement of what it lost."""
    if not dt > 0 or not np.isfinite(dt):
        raise SpecError(f"dt {dt!r}, expected the length of a step in seconds, greater than 0")
    wiring = wired(network)
    losses = [*losses_of(network, dt), *wiring.losses]
    nodes: dict[str, NirNode] = {INPUT: NirNode("Input", {"shape": _whole(network.input_shape)})}
    shapes = {INPUT: network.input_shape}
    for node in network.nodes:
        if isinstance(node.layer, Add):
            continue
        checked_name(node.name)
        shape = shapes[node.name] = network.shapes[node.name]
        before = network.shapes[node.inputs[0]]
        if isinstance(node.layer, Stateful):
            kind, parameters, inexact = parameters_of(node.layer, shape, node.name, dt)
            nodes[node.name] = NirNode(kind, parameters)
            losses += inexact
        else:
            nodes[node.name] = _stateless(node.layer, before, node.name)
        if node.name in wiring.worth:
            amplitude = np.asarray(spread(getattr(node.layer, "amplitude", 1.0), shape), np.float64)
            nodes[wiring.worth[node.name]] = NirNode("Scale", {"scale": np.broadcast_to(amplitude, shape).copy()})
            shapes[wiring.worth[node.name]] = shape
    nodes[wiring.output] = NirNode("Output", {"shape": _whole(network.shapes[network.nodes[-1].name])})
    edges = _edges(wiring, nodes, shapes, dt)
    graph = NirGraph(nodes, tuple(sorted(edges)), described_as_metadata(network, nodes, dt))
    return Exported(graph, tuple(losses))


def _edges(wiring: Wiring, nodes: dict[str, NirNode], shapes: Mapping[str, Shape], dt: float) -> list[tuple[str, str]]:
    """All edges; those that take steps through Delay nodes, which are added to the nodes, but for those of the rule."""
    taken, behind, edges = set(nodes), dict[tuple[str, int], str](), []
    for target, read in (*wiring.reads.items(), (wiring.output, wiring.read_out)):
        for source, steps in read:
            if not steps or (source, target) in wiring.by_rule:
                edges.append((source, target))
                continue
            if (source, steps) not in behind:
                name = behind[source, steps] = unique(f"{source}.delay{steps}", taken)
                nodes[name] = NirNode("Delay", {"delay": np.full(shapes[source], steps * dt)})
                edges.append((source, name))
            edges.append((behind[source, steps], target))
    return edges


def _stateless(layer: Layer, before: Shape, name: str) -> NirNode:
    match layer:
        case Linear():
            return NirNode("Linear" if layer.bias is None else "Affine", _weights(layer, bias=layer.bias is not None))
        case Conv1d() | Conv2d():
            return NirNode(type(layer).__name__, _convolution(layer, before))
        case SumPool2d() | AvgPool2d():
            sizes = {"kernel_size": layer.kernel, "stride": layer.strides, "padding": layer.padding}
            return NirNode(type(layer).__name__, {key: _whole(value) for key, value in sizes.items()})
        case GlobalAvgPool2d():
            return _stateless(layer.as_pool(before), before, name)
        case Flatten():
            return NirNode("Flatten", {"input_type": _whole(before), "start_dim": _one(0), "end_dim": _one(-1)})
        case Scale():
            return NirNode("Scale", {"scale": np.full(before, layer.factor)})
    what = type(layer).__name__
    remedy = {
        "BatchNorm": "fold it into the weights first",
        "ReLU": "convert the network first",
        "QCFS": "convert the network first",
    }
    raise UnsupportedLayerError(f"{name}: NIR has no {what}; {remedy.get(what, 'leave it out')}")


def _weights(layer: Linear | Conv1d | Conv2d, *, bias: bool) -> dict[str, Any]:
    found = {"weight": np.asarray(layer.weight)}
    if bias:
        found["bias"] = (
            np.zeros(len(layer.weight), layer.weight.dtype) if layer.bias is None else np.asarray(layer.bias)
        )
    return found


def _convolution(layer: Conv1d | Conv2d, before: Shape) -> dict[str, Any]:
    given = {key: getattr(layer, key) for key in ("stride", "padding", "dilation")}
    sizes = {key: _one(value) if isinstance(value, int) else _whole(value) for key, value in given.items()}
    size = _one(before[1]) if isinstance(layer, Conv1d) else _whole(before[1:])
    return {**_weights(layer, bias=True), **sizes, "groups": _one(layer.groups), "input_shape": size}


def _whole(values: tuple[int, ...]) -> np.ndarray[Any, Any]:
    return np.array(values, np.int64)


def _one(value: int) -> np.ndarray[Any, Any]:
    return np.array(value, np.int64)
