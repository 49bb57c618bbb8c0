"""NIR graphs as networks: what the file says, computed as Semantics says, each difference in the report."""

from collections.abc import Iterable
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from pydantic import ValidationError

from refsnn.errors import LoadError, RefSNNError, did_you_mean
from refsnn.formats.load_report import Entry
from refsnn.formats.model_file import ModelFile
from refsnn.formats.nir.cells import Cell
from refsnn.formats.nir.flat import AHEAD, Edge, Flat, flattened
from refsnn.formats.nir.graph import NEURONS, PARAMETERS, NirGraph, NirNode, walked
from refsnn.formats.nir.integers import as_integers
from refsnn.formats.nir.layers import collapsed, scale, stateless
from refsnn.formats.nir.neurons import MAKERS
from refsnn.formats.nir.own import stored
from refsnn.formats.nir.report import entries_of
from refsnn.formats.nir.semantics import PROFILES, Semantics
from refsnn.formats.nir.timing import Timed, timed
from refsnn.formats.refusals import refusal, refuse
from refsnn.layers import Add, Layer, Scale, Shape, output_shape
from refsnn.network import INPUT, Network, Node
from refsnn.neurons import IF, LIF

GIVE = "give them: Semantics(profile='nir', dt=1e-4) (--semantics nir --dt 1e-4), or one of the profiles in docs/formats.md"


def network_of(model: ModelFile, semantics: Semantics | None, name: str) -> tuple[Network, tuple[Entry, ...]]:
    """The network of a NIR file, and what became of each of its parameters.

    Several edges into a node add up, in the order of their sources' names; the sum of node n is the node 'n.sum'. What a
    profile has no neuron for is refused, never approximated; LoadError with its code for everything else.
    """
    graph, path = model.graph, model.path
    assert isinstance(graph, NirGraph)
    if semantics is not None and semantics.profile == "refsnn":
        return stored(graph, path, name)
    _check_types(graph, semantics, path)
    how = semantics or Semantics(profile="nir")
    flat = flattened(graph, path, how.dt)
    if PROFILES[how.profile].integers:
        flat = as_integers(flat, path, Cell("", "LIF", {}, how, path).dt)
    for given in how.decays:
        if given not in flat.nodes:
            near = did_you_mean(given, list(flat.nodes))
            refuse("missing-semantics", path, "", f"decays: {given!r} is no node of the graph{near}",
                   "name the nodes as 'outer.inner'")  # fmt: skip
    times = timed(flat, how, path)
    nodes = _nodes(flat, times, how, path)
    try:
        network = Network(name, flat.input_shape, nodes)
    except RefSNNError as error:
        raise _refused(path, "", error) from error
    return network, (*times.entries, *entries_of(graph, flat, network, how))


def _check_types(graph: NirGraph, how: Semantics | None, path: str) -> None:
    for name, node in walked(graph):
        if node.type not in PARAMETERS:
            refuse("unsupported-node", path, name, f"nodes of type {node.type} are not supported",
                   f"supported: {', '.join(PARAMETERS)}")  # fmt: skip
        if node.type in NEURONS and how is None:
            refuse("missing-semantics", path, name, f"{node.type} is a differential equation: NIR holds no step, reset kind or "
                   "comparator", GIVE)  # fmt: skip
        if node.type in NEURONS and how is not None and node.type not in MAKERS[how.profile][0]:
            refuse("unsupported-node", path, name, f"profile {how.profile!r} has no {node.type}",
                   f"it has {', '.join(MAKERS[how.profile][0])}; take the profile 'nir'")  # fmt: skip


def _nodes(flat: Flat, times: Timed, how: Semantics, path: str) -> tuple[Node, ...]:
    chains = _chains(flat, times, how, path)
    taken = {INPUT, *flat.nodes}
    nodes: list[Node] = []

    def add(name: str, layer: Layer, edges: Iterable[Edge]) -> None:
        sources, delays = zip(*edges, strict=True)
        nodes.append(Node(name, layer, sources, delays))

    def summed(name: str, edges: tuple[Edge, ...]) -> tuple[Edge, ...]:
        if len(edges) == 1:
            return edges
        total = _unique(f"{name}.sum", taken)
        add(total, Add(), edges)
        return ((total, 0),)

    for name in times.order:
        edges = times.reads[name]
        *ahead, layer = chains[name]
        for first in ahead:
            own = _unique(name + AHEAD, taken)
            add(own, first, summed(own, edges))
            edges = ((own, 0),)
        add(name, layer, summed(name, edges))
    if not times.last:
        # the readout is the last node's: a sum, or a name for what stands earlier or comes later
        edges = flat.read_out
        if len(edges) > 1:
            summed(flat.output, edges)
        else:
            add(_unique(flat.output, taken), Scale(factor=1.0), edges)
    return tuple(nodes)


def _chains(flat: Flat, times: Timed, how: Semantics, path: str) -> dict[str, list[Any]]:
    """The layers of each node, made in the order of the walk from the input: the shape of what a node reads is known there."""
    shapes: dict[str, Shape] = {INPUT: flat.input_shape}
    made: dict[str, list[Any]] = {}
    for name in times.met:
        before = next((shapes[source] for source, _ in times.reads[name] if source in shapes), None)
        if before is None:
            refuse("damaged", path, name, "no way from the input leads to it", "connect it, or leave it out")
        made[name] = _layers(flat.nodes[name], path, name, before, how)
        try:
            for layer in made[name]:
                before = output_shape(layer, (before,))
        except RefSNNError as error:
            raise _refused(path, name, error) from error
        shapes[name] = before
    return made


def _unique(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _layers(node: NirNode, path: str, name: str, before: Shape, how: Semantics) -> list[Any]:
    """The layers of a node, the first reads what comes in."""
    try:
        if node.type not in NEURONS:
            return [stateless(node, path, name, before, how.batch_axis)]
        cell = Cell(name, node.type, _values(node, path, name, before), how, path)
        made = MAKERS[how.profile][1](cell)
        layers = [
            scale(np.asarray(m, np.float64), path, name, before) if isinstance(m, float | np.ndarray) else m
            for m in made
        ]
        return [_overridden(layer, how) for layer in layers]
    except (ValidationError, RefSNNError) as error:
        if isinstance(error, LoadError):
            raise
        raise _refused(path, name, error) from error


def _values(node: NirNode, path: str, name: str, before: Shape) -> dict[str, Any]:
    """The neuron's numbers with those that the file leaves out; one number where all neurons have the same."""
    required, optional = PARAMETERS[node.type]
    values: dict[str, Any] = {key: default for key, default in optional.items() if default is not None}
    for key in (*required, *optional):
        if key in node.parameters:
            value = node[key]
            if value.size not in (1, prod(before)) or (value.size > 1 and value.shape != before):
                refuse("damaged", path, f"{name}.{key}", f"shape {list(value.shape)} for neurons of shape {list(before)}",
                       "give one number, or one for each neuron")  # fmt: skip
            values[key] = collapsed(value)
    return values


def _overridden(layer: Any, how: Semantics) -> Any:
    given = {"reset": how.reset, "firing": how.firing}
    changed: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    return replace(layer, **changed) if changed and isinstance(layer, IF | LIF) else layer


def _refused(path: str, name: str, error: Exception) -> LoadError:
    reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
    return refusal("unsupported-node", path, name, reason, "correct the file, or the semantics")
