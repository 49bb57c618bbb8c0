"""An ONNX graph as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Dimension = int | str | None  # a number, a name for any number, or nothing said


@dataclass(frozen=True, eq=False)
class OnnxNode:
    """One operator. Attributes are ints, floats, bytes, tuples of them, and arrays."""

    op: str
    domain: str  # "" is ONNX's own
    name: str  # may be empty
    inputs: tuple[str, ...]  # values' names; "" for one that is left out
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    @property
    def place(self) -> str:
        """What messages call it."""
        return f"node {self.name or self.outputs[0] if self.outputs else self.name!r} ({self.op})"


@dataclass(frozen=True)
class OnnxValue:
    """An input or output of the graph."""

    name: str
    shape: tuple[Dimension, ...] | None


@dataclass(frozen=True, eq=False)
class OnnxGraph:
    """Operators in the order in which they are computed."""

    name: str
    nodes: tuple[OnnxNode, ...]
    inputs: tuple[OnnxValue, ...]  # initialisers may be among them, as they had to be before IR version 4
    outputs: tuple[OnnxValue, ...]
    opsets: Mapping[str, int]  # domain -> version
    ir_version: int
    producer: str
