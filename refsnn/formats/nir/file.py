"""NIR files: from a tree of HDF5 groups to a graph as plain data. What is computed with it is nir_import.py's."""

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from refsnn.formats.hdf5.tree import Group
from refsnn.formats.model_file import Format, ModelFile, Note, Source, Tensors
from refsnn.formats.nir.graph import GRAPH, NEURONS, PARAMETERS, NirGraph, NirNode, walked
from refsnn.formats.refusals import refuse

AGAIN = "write it again with nir.write"


def from_tree(source: Source, tree: Group) -> ModelFile:
    """The graph of the file; the arrays of its nodes as tensors 'node.parameter', with 'graph.node' in nested graphs.

    Refused by name: edges from or to nodes that are not there, nodes without a type or without a parameter of it, NaN and
    infinity, and two nodes that have one name when nested graphs are opened.
    """
    path, node = source.path, tree.groups.get("node")
    if node is None:
        refuse("damaged", path, "", "an HDF5 file without the group 'node', in which NIR keeps its graph", AGAIN)
    kind = _text(node.datasets.get("type"))
    if kind != GRAPH:
        refuse("unsupported-node", path, "node", f"a single node of type {kind or 'unknown'}, not a {GRAPH}",
               "put it between an Input and an Output in a NIRGraph")  # fmt: skip
    version = _text(tree.datasets.get("version"))
    notes: list[Note] = []
    graph = _graph(path, "", node, notes, version)
    tensors: Tensors = {}
    for name, inner in walked(graph):
        for key, value in inner.parameters.items():
            if f"{name}.{key}" in tensors:
                refuse("duplicate-name", path, f"{name}.{key}",
                       "two nodes have this name once nested graphs are opened; it cannot be told which is meant",
                       "rename one of them")  # fmt: skip
            if isinstance(value, np.ndarray):
                tensors[f"{name}.{key}"] = value
    if version is None:
        notes.append(Note("version", "the file does not say which nir package wrote it", True))
    return ModelFile(path, Format.NIR, tensors, MappingProxyType({"version": version}), tuple(notes), graph)


def _graph(path: str, place: str, group: Group, notes: list[Note], version: str | None = None) -> NirGraph:
    inside = group.groups.get("nodes")
    if inside is None:
        refuse("damaged", path, place, "a NIRGraph without the group 'nodes'", AGAIN)
    nodes: dict[str, NirNode | NirGraph] = {}
    for name, child in inside.groups.items():
        here = f"{place}.{name}" if place else name
        kind = _text(child.datasets.get("type"))
        if kind is None:
            refuse("damaged", path, here, "a node without a type", AGAIN)
        nodes[name] = _graph(path, here, child, notes) if kind == GRAPH else _node(path, here, kind, child, notes)
    edges = _edges(path, place, group.datasets.get("edges", ()))
    for edge in edges:
        for end in edge:
            if end not in nodes:
                refuse("damaged", path, place, f"the edge {edge[0]} -> {edge[1]} names {end!r}, which is no node here",
                       "write the graph again with edges between its own nodes")  # fmt: skip
    counts = Counter(edges)
    for edge, count in counts.items():
        if count > 1:
            what = f"the edge {edge[0]} -> {edge[1]} is there {count} times; taken once, as readers of NIR do"
            notes.append(Note(f"{place}.edges" if place else "edges", what, False))
    return NirGraph(MappingProxyType(nodes), tuple(counts), _metadata(group), version)


def _edges(path: str, place: str, found: Any) -> tuple[tuple[str, str], ...]:
    if isinstance(found, np.ndarray):
        found = () if not found.size else None
    good = isinstance(found, tuple) and all(
        isinstance(edge, tuple) and len(edge) == 2 and all(isinstance(end, str) for end in edge) for edge in found
    )
    if not good:
        refuse("damaged", path, place, "edges that are no pairs of names", AGAIN)
    return tuple((source.rstrip("\0"), target.rstrip("\0")) for source, target in found)


def _node(path: str, place: str, kind: str, group: Group, notes: list[Note]) -> NirNode:
    required, optional = PARAMETERS.get(kind, ((), {}))
    parameters: dict[str, Any] = {}
    for name, value in group.datasets.items():
        if name == "type":
            continue
        given = _text(value) if isinstance(value, str) else value
        if not isinstance(given, str) and not (isinstance(given, np.ndarray) and given.dtype.kind in "fiub"):
            refuse("unsupported-type", path, f"{place}.{name}", "neither numbers nor one text", AGAIN)
        if isinstance(given, str) and name != "padding" and kind in PARAMETERS:
            refuse("damaged", path, f"{place}.{name}", f"the text {given!r} where {kind} has numbers", AGAIN)
        if isinstance(given, np.ndarray) and given.dtype.kind == "f" and not np.isfinite(given).all():
            index = [int(i) for i in np.argwhere(~np.isfinite(given))[0]]
            refuse("not-finite", path, f"{place}.{name}", f"{given[tuple(index)]} at index {index}",
                   "give every parameter a finite number")  # fmt: skip
        if kind in PARAMETERS and name not in required and name not in optional:
            notes.append(Note(f"{place}.{name}", f"{kind} has no parameter {name!r} that is known here", True))
        if kind in NEURONS and isinstance(given, np.ndarray) and not given.ndim:
            notes.append(Note(f"{place}.{name}", "one number without a shape, taken for every neuron", False))
        parameters[name] = given
    for name in required:
        if name not in parameters:
            refuse("damaged", path, place, f"{kind} without its parameter {name!r}", AGAIN)
    return NirNode(kind, MappingProxyType(parameters), _metadata(group))


def _metadata(group: Group) -> Mapping[str, Any]:
    """The free dictionary of a node or graph; groups in it as dictionaries."""
    found = group.groups.get("metadata")
    return MappingProxyType({} if found is None else _plain(found))


def _plain(group: Group) -> dict[str, Any]:
    return dict(group.datasets) | {name: _plain(inner) for name, inner in group.groups.items()}


def _text(value: Any) -> str | None:
    return value.rstrip("\0") if isinstance(value, str) else None
