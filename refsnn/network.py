"""Node and Network: a graph in topological order whose shapes were checked once, when it was made."""

import hashlib
import json
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from functools import cached_property
from graphlib import TopologicalSorter
from math import prod
from threading import Lock
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from refsnn.errors import ShapeError, SpecError, did_you_mean
from refsnn.layers import Add, Layer, Linear, Shape, default_of, kind_of, output_shape
from refsnn.offers import offer

INPUT = "input"  # the name under which nodes read what the drive gives


@dataclass(frozen=True)
class Node:
    """A vertex of the network: what it computes, and on which nodes' outputs (`input` is the drive).

    delays: for each input, how many steps its values are on the way; until they arrive the node receives zeros. An input
    with a delay may come from any node, also from a later one or the node itself: that is a recurrent edge.
    """

    name: str
    layer: Layer
    inputs: tuple[str, ...]
    delays: tuple[int, ...] = ()  # none given: no delay on any

    def __post_init__(self) -> None:
        delays = self.delays or (0,) * len(self.inputs)
        if len(delays) != len(self.inputs) or any(
            isinstance(d, bool) or not isinstance(d, int) or d < 0 for d in delays
        ):
            raise SpecError(
                f"{self.name}: delays {list(self.delays)}, expected a whole number of steps for each of {list(self.inputs)}"
            )
        object.__setattr__(self, "delays", tuple(delays))

    @property
    def edges(self) -> tuple[tuple[str, int], ...]:
        """(source, delay) of each input."""
        return tuple(zip(self.inputs, self.delays, strict=True))


class Memo:
    """What runs prepare from a network that nothing can change: made by the first one that needs it, kept as long as it."""

    def __init__(self) -> None:
        self._made: dict[Hashable, Any] = {}
        self._lock = Lock()

    def of(self, key: Hashable, make: Callable[[], Any]) -> Any:
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            return self._made[key]

    def __reduce__(self) -> tuple[type["Memo"], tuple[()]]:
        return Memo, ()  # a copy in another process prepares its own


@dataclass(frozen=True, eq=False)
class Network:
    """Nodes in an order in which each one reads earlier ones only, but for delayed edges; the last one's output is read out."""

    name: str
    input_shape: Shape
    nodes: tuple[Node, ...]
    shapes: Mapping[str, Shape] = field(init=False)  # output shape of every node, and of the input

    def __post_init__(self) -> None:
        if not self.nodes:
            raise SpecError(f"network {self.name!r} has no nodes; give it at least one")
        names = [INPUT]
        everything = [INPUT, *(node.name for node in self.nodes)]
        for node in self.nodes:
            if node.name in names:
                raise SpecError(f"{node.name}: two nodes have this name; names must differ (and 'input' is the drive)")
            for source, delay in node.edges:
                if source not in (everything if delay else names):
                    later = "; an edge from a later node needs a delay" if source in everything else ""
                    raise SpecError(
                        f"{node.name}: reads {source!r}, which is no earlier node"
                        f"{later or did_you_mean(source, everything if delay else names)}"
                    )
            names.append(node.name)
        shapes = _shapes(self.input_shape, self.nodes)
        object.__setattr__(self, "shapes", MappingProxyType(shapes))

    def __getitem__(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        known = [node.name for node in self.nodes]
        raise SpecError(f"network {self.name!r} has no node {name!r}{did_you_mean(name, known)}")

    @cached_property
    def neurons(self) -> tuple[str, ...]:
        """Names of the spiking nodes, in order."""
        return tuple(node.name for node in self.nodes if kind_of(node.layer) == "neuron")

    @cached_property
    def stateful(self) -> tuple[str, ...]:
        """Names of the nodes that have a potential: the spiking ones and the integrators."""
        return tuple(node.name for node in self.nodes if kind_of(node.layer) in ("neuron", "integrator"))

    def sends_spikes(self, name: str, spiking_input: bool) -> bool:
        """Whether what the node gives was made by spikes: its own, or those that it hands on."""
        handing, asked = [name], {name}
        while handing:
            here = handing.pop()
            if here == INPUT:
                if not spiking_input:
                    return False
                continue
            kind = kind_of(self[here].layer)
            if kind not in ("neuron", "pool", "reshape", "add"):
                return False
            more = set() if kind == "neuron" else set(self[here].inputs) - asked
            handing += more
            asked |= more
        return True

    @property
    def is_spiking(self) -> bool:
        return bool(self.neurons)

    @property
    def n_outputs(self) -> int:
        """K: how many numbers are read out."""
        return prod(self.shapes[self.nodes[-1].name])

    def consumers(self, name: str) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if name in node.inputs)

    @cached_property
    def memo(self) -> Memo:
        """Weight rows as the kernels read them, fan-outs, sums of weights: as much memory again as the weights."""
        return Memo()

    @cached_property
    def is_recurrent(self) -> bool:
        return any(len(group) > 1 or group[0].name in group[0].inputs for group in self.groups)

    @cached_property
    def groups(self) -> tuple[tuple[Node, ...], ...]:
        """The nodes in an order of work: one at a time, but for those that a cycle ties together."""
        place = {node.name: i for i, node in enumerate(self.nodes)}
        reads = [(place[source], i) for i, node in enumerate(self.nodes) for source in node.inputs if source != INPUT]
        ends = tuple(zip(*reads, strict=True)) or ((), ())
        graph = csr_array((np.ones(len(reads)), ends), shape=(len(place), len(place)))
        _, tied = connected_components(graph, directed=True, connection="strong")
        before: dict[int, set[int]] = {int(group): set() for group in tied}
        for source, reader in reads:
            if tied[source] != tied[reader]:
                before[int(tied[reader])].add(int(tied[source]))
        members = {
            group: tuple(node for node, g in zip(self.nodes, tied, strict=True) if g == group) for group in before
        }
        return tuple(members[group] for group in TopologicalSorter(before).static_order())

    @cached_property
    def depth(self) -> int:
        """Spiking nodes on the longest way through the network, delayed edges back to earlier nodes left out."""
        depth = {INPUT: 0}
        for node in self.nodes:
            before = max((depth[source] for source in node.inputs if source in depth), default=0)
            depth[node.name] = before + (kind_of(node.layer) == "neuron")
        return max(depth.values())

    @cached_property
    def digest(self) -> str:
        """sha256 of what the network computes: shapes, layers, parameters and tensors, not of any file or the name."""
        text = json.dumps(
            [
                list(self.input_shape),
                [
                    [n.name, [[s, d] if d else s for s, d in n.edges], type(n.layer).__name__, _content(n.layer)]
                    for n in self.nodes
                ],
            ],
            sort_keys=True,
        )
        return hashlib.sha256(text.encode()).hexdigest()


offer(Network)


def _shapes(input_shape: Shape, nodes: tuple[Node, ...]) -> dict[str, Shape]:
    """Output shape of every node; on a cycle the shape that a Linear, an Add or a neuron has from what is known already."""
    known = {INPUT: input_shape}
    for final in (False,) * len(nodes) + (True,):
        before = dict(known)
        for node in nodes:
            inputs = [known[source] for source in node.inputs if source in known]
            if len(inputs) == len(node.inputs):
                try:
                    known[node.name] = output_shape(node.layer, tuple(inputs))
                except ShapeError as error:
                    raise ShapeError(f"{node.name}: {error}") from error
            elif isinstance(node.layer, Linear):
                known[node.name] = (len(node.layer.weight),)
            elif isinstance(node.layer, Add) and inputs:
                known[node.name] = inputs[0]
            elif final:
                raise ShapeError(
                    f"{node.name}: its shape depends on itself through {', '.join(set(node.inputs) - set(known))}; "
                    "a cycle needs a Linear, or an Add with an input from outside"
                )
        if before == known and not final and all(node.name in known for node in nodes):
            break
    return known


def _content(layer: Layer) -> dict[str, Any]:
    """Fields at their defaults are left out: a field that is added later changes no network's digest."""
    values = {item.name: (getattr(layer, item.name), default_of(item)) for item in fields(layer)}
    return {
        name: _canonical(value)
        for name, (value, default) in values.items()
        if isinstance(value, np.ndarray) or isinstance(default, np.ndarray) or value != default
    }


def _canonical(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        little = np.ascontiguousarray(value, value.dtype.newbyteorder("<"))
        return [little.dtype.str, list(value.shape), hashlib.sha256(little.tobytes()).hexdigest()]
    if isinstance(value, Enum):
        return value.value
    return float(value).hex() if isinstance(value, float) else value
