"""Node and Network: a graph in topological order whose shapes were checked once, when it was made."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np

from refsnn.errors import ShapeError, SpecError, did_you_mean
from refsnn.layers import Layer, Shape, kind_of, output_shape

INPUT = "input"  # the name under which nodes read what the drive gives


@dataclass(frozen=True)
class Node:
    """A vertex of the network: what it computes, and on which nodes' outputs (`input` is the drive)."""

    name: str
    layer: Layer
    inputs: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Network:
    """Nodes in an order in which each one reads earlier ones only; the last one's output is read out."""

    name: str
    input_shape: Shape
    nodes: tuple[Node, ...]
    shapes: Mapping[str, Shape] = field(init=False)  # output shape of every node, and of the input

    def __post_init__(self) -> None:
        if not self.nodes:
            raise SpecError(f"network {self.name!r} has no nodes; give it at least one")
        shapes = {INPUT: self.input_shape}
        for node in self.nodes:
            if node.name in shapes:
                raise SpecError(f"{node.name}: two nodes have this name; names must differ (and 'input' is the drive)")
            for source in node.inputs:
                if source not in shapes:
                    raise SpecError(
                        f"{node.name}: reads {source!r}, which is no earlier node{did_you_mean(source, list(shapes))}"
                    )
            try:
                shapes[node.name] = output_shape(node.layer, tuple(shapes[source] for source in node.inputs))
            except ShapeError as error:
                raise ShapeError(f"{node.name}: {error}") from error
        object.__setattr__(self, "shapes", MappingProxyType(shapes))

    def __getitem__(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        known = [node.name for node in self.nodes]
        raise SpecError(f"network {self.name!r} has no node {name!r}{did_you_mean(name, known)}")

    @property
    def neurons(self) -> tuple[str, ...]:
        """Names of the spiking nodes, in order."""
        return tuple(node.name for node in self.nodes if kind_of(node.layer) == "neuron")

    @property
    def is_spiking(self) -> bool:
        return bool(self.neurons)

    @property
    def n_outputs(self) -> int:
        """K: how many numbers are read out."""
        return prod(self.shapes[self.nodes[-1].name])

    def consumers(self, name: str) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if name in node.inputs)

    @property
    def digest(self) -> str:
        """sha256 of what the network computes: shapes, layers, parameters and tensors, not of any file or the name."""
        text = json.dumps(
            [
                list(self.input_shape),
                [[n.name, list(n.inputs), type(n.layer).__name__, _content(n.layer)] for n in self.nodes],
            ],
            sort_keys=True,
        )
        return hashlib.sha256(text.encode()).hexdigest()


def _content(layer: Layer) -> dict[str, Any]:
    return {item.name: _canonical(getattr(layer, item.name)) for item in fields(layer)}


def _canonical(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        little = np.ascontiguousarray(value, value.dtype.newbyteorder("<"))
        return [little.dtype.str, list(value.shape), hashlib.sha256(little.tobytes()).hexdigest()]
    if isinstance(value, Enum):
        return value.value
    return float(value).hex() if isinstance(value, float) else value
