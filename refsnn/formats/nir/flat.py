"""A NIR graph without what computes nothing: nested graphs opened, Input, Output and Delay become edges with delays."""

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import numpy as np

from refsnn.formats.limits import Limits
from refsnn.formats.nir.graph import NirGraph, NirNode
from refsnn.formats.refusals import refuse
from refsnn.network import INPUT

Edge = tuple[str, int]  # source, steps on the way
AHEAD = ".in"  # what a node is called that stands before another one to be read by it alone
PASSED_ON = ("Input", "Output", "Delay")
WHOLE = 1e-6  # how far delay / dt may be from a whole number, as a share of it: a float32 of a time is not nearer


@dataclass(frozen=True, eq=False)
class Flat:
    """Nodes that compute, under 'outer.inner' names, and what each reads, sorted; `input` for what the drive gives."""

    nodes: Mapping[str, NirNode]
    reads: Mapping[str, tuple[Edge, ...]]
    output: str  # the name of the Output node
    read_out: tuple[Edge, ...]  # what it reads
    input_shape: tuple[int, ...]


def flattened(graph: NirGraph, path: str, dt: float | None) -> Flat:
    """Everything that computes. A graph has one Input and one Output here; nested ones, too."""
    nodes: dict[str, NirNode] = {}
    edges: list[tuple[str, str]] = []
    _open(graph, path, "", nodes, edges)
    source, sink = _only(graph, path, "", "Input"), _only(graph, path, "", "Output")
    into: dict[str, list[str]] = {name: [] for name in nodes}
    for start, end in edges:
        into[end].append(start)
    passing = {name for name, node in nodes.items() if node.type in PASSED_ON and name != source}
    try:
        order = tuple(
            TopologicalSorter({n: [s for s in into[n] if s in passing] for n in sorted(passing)}).static_order()
        )
    except CycleError as error:
        refuse("cycle", path, str(error.args[1][0]), "a cycle without a node that computes", "put one on it")
    arriving: dict[str, tuple[Edge, ...]] = {source: ((INPUT, 0),)}

    def read(name: str) -> tuple[Edge, ...]:
        found = [edge for start in into[name] for edge in arriving.get(start, ((start, 0),))]
        if len(found) > Limits().parts:
            refuse("nesting", path, name, f"more than {Limits().parts} edges come together", "take fewer Delay nodes")
        return tuple(sorted(found))

    for name in order:
        steps = _steps(nodes[name], path, name, dt) if nodes[name].type == "Delay" else 0
        arriving[name] = tuple((start, before + steps) for start, before in read(name))
    real = {name: node for name, node in nodes.items() if node.type not in PASSED_ON}
    for name in (*real, sink):
        if not into[name]:
            refuse("damaged", path, name, "no edge leads to it", "connect it, or leave it out")
    shape = tuple(int(n) for n in np.atleast_1d(nodes[source]["shape"]).ravel())
    reads = {name: read(name) for name in real}
    if INPUT in real:
        refuse("unsupported-node", path, INPUT, f"a {real[INPUT].type} named 'input', which is the name of what comes in",
               "rename the node")  # fmt: skip
    for name in [name for name, node in real.items() if node.type == "CubaLI"]:
        synapse = name + AHEAD
        while synapse in real:
            synapse += "_"
        real[synapse], real[name] = _split(real[name])
        reads[synapse], reads[name] = reads[name], ((synapse, 0),)
    return Flat(real, reads, sink, arriving[sink], shape)


def _split(node: NirNode) -> tuple[NirNode, NirNode]:
    """CubaLI as its two equations, tau_syn i' = w_in x - i and that of LI with i for x."""
    synapse = {"tau": node["tau_syn"], "v_leak": np.zeros_like(node["v_leak"])}
    membrane = {"tau": node["tau_mem"], "v_leak": node["v_leak"]}
    for one, key in ((synapse, "w_in"), (membrane, "r")):
        if key in node.parameters:
            one["r"] = node[key]
    return NirNode("LI", synapse), NirNode("LI", membrane)


def _open(graph: NirGraph, path: str, prefix: str, nodes: dict[str, NirNode], edges: list[tuple[str, str]]) -> None:
    """All nodes and edges of a graph, an edge to or from a graph in it as one to its Input, or from its Output."""

    def end(name: str, kind: str) -> str:
        inner = graph.nodes[name]
        return (
            f"{prefix}{name}.{_only(inner, path, prefix + name, kind)}"
            if isinstance(inner, NirGraph)
            else prefix + name
        )

    for name, node in graph.nodes.items():
        if isinstance(node, NirGraph):
            _open(node, path, f"{prefix}{name}.", nodes, edges)
        else:
            nodes[prefix + name] = node
    edges += [(end(source, "Output"), end(target, "Input")) for source, target in graph.edges]


def _only(graph: NirGraph, path: str, place: str, kind: str) -> str:
    found = graph.named(kind)
    if len(found) != 1:
        what = f"{len(found)} nodes of type {kind} ({', '.join(found)})" if found else f"no node of type {kind}"
        refuse("unsupported-node", path, place, f"{what}; a network has one", f"write a graph with one {kind}")
    inner = graph.nodes[found[0]]
    assert isinstance(inner, NirNode)
    return found[0]


def _steps(node: NirNode, path: str, name: str, dt: float | None) -> int:
    delays = np.unique(np.asarray(node["delay"], np.float64))
    if len(delays) != 1:
        refuse("unsupported-node", path, name, f"delays from {delays.min()} to {delays.max()} in one Delay",
               "split it: an edge has one delay")  # fmt: skip
    if dt is None:
        refuse("missing-semantics", path, name, "a Delay in a unit of time, without the length of a step",
               "give dt: Semantics(profile=..., dt=1e-4)")  # fmt: skip
    steps = float(delays[0]) / dt
    if steps < 0 or abs(steps - round(steps)) > WHOLE * max(1.0, steps) or steps > 2**31:
        refuse("unsupported-node", path, name, f"a delay of {delays[0]:g} is {steps:g} steps of {dt:g}",
               "take a dt of which it is a multiple")  # fmt: skip
    return round(steps)
