"""A network while it is made from an ONNX graph: what each value is, which nodes there are, what became of which tensor."""

from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
from pydantic import ValidationError

from refsnn.errors import RefSNNError, ShapeError
from refsnn.formats.load_report import Entry, Fate
from refsnn.formats.model_file import ModelFile
from refsnn.formats.onnx.graph import OnnxGraph, OnnxNode
from refsnn.formats.onnx.values import Flow, Known, Value
from refsnn.formats.refusals import refuse, shown
from refsnn.layers import Layer, MaxMode, output_shape
from refsnn.network import INPUT, Node

Array = np.ndarray[Any, Any]


@dataclass
class Builder:
    """Lives for one call of network_of."""

    model: ModelFile
    opset: int
    batch: int | None  # samples, where the file fixes their number
    max_mode: MaxMode
    values: dict[str, Value]
    readers: dict[str, int]  # value -> how many read it, the graph's output included
    producers: dict[str, OnnxNode]
    nodes: list[Node] = field(default_factory=list)
    uses: dict[str, list[str]] = field(default_factory=dict)  # tensor of the file -> parameters that it became
    entries: list[Entry] = field(default_factory=list)
    taken: dict[str, int] = field(default_factory=lambda: {INPUT: 1})  # name of a node -> how many wanted it

    @property
    def graph(self) -> OnnxGraph:
        graph: OnnxGraph = self.model.graph
        return graph

    def refuse(self, node: OnnxNode, reason: str, remedy: str = "", code: str = "unsupported-node") -> NoReturn:
        """Raise the LoadError that names the node."""
        refuse(code, self.model.path, node.place, reason, remedy or "change the network before it is exported")

    def value(self, node: OnnxNode, i: int) -> Value | None:
        """An input; None where it is left out."""
        if i >= len(node.inputs) or not node.inputs[i]:
            return None
        if node.inputs[i] not in self.values:
            self.refuse(node, f"reads {shown(node.inputs[i], 40)!r}, which nothing before it gives", code="damaged")
        return self.values[node.inputs[i]]

    def flow(self, node: OnnxNode, i: int = 0, *, padded: bool = False) -> Flow:
        """An input that depends on the samples."""
        value = self.value(node, i)
        if not isinstance(value, Flow):
            self.refuse(node, f"input {i} does not depend on the network's input")
        if value.pads and not padded:
            self.refuse(
                node, "reads what a Pad gives; only a convolution or a mean over windows takes its zeros exactly"
            )
        return value

    def known(self, node: OnnxNode, i: int) -> Known:
        """An input that is in the file."""
        value = self.value(node, i)
        if not isinstance(value, Known):
            self.refuse(node, f"input {i} is {'left out' if value is None else 'no constant of the file'}",
                        "export the weights as initialisers")  # fmt: skip
        return value

    def numbers(self, node: OnnxNode, i: int, used_as: str) -> Array:
        """A constant input as a parameter: finite numbers, as they are stored."""
        known = self.known(node, i)
        if known.stored.dtype.kind not in "fiu":
            self.refuse(node, f"input {i} holds {known.stored.dtype}, no numbers", code="unsupported-type")
        if known.stored.dtype.kind == "f" and not np.isfinite(known.stored).all():
            self.refuse(node, f"NaN or infinity in {used_as}", "train it without", code="not-finite")
        self.use(known, f"{self.name_of(node)}.{used_as}")
        return known.stored

    def integers(self, node: OnnxNode, i: int, used_as: str) -> tuple[int, ...]:
        """A constant input as whole numbers."""
        known = self.known(node, i)
        if known.stored.dtype.kind not in "iu" or known.stored.ndim > 1 or known.stored.size > 16:
            self.refuse(node, f"{used_as}: expected a few whole numbers", code="damaged")
        self.use(known, f"{self.name_of(node)} ({used_as})")
        return tuple(int(number) for number in known.stored.ravel())

    def axes(self, node: OnnxNode, i: int, ndim: int) -> tuple[int, ...] | None:
        """Axes from 0 on in the order given, from the attribute (old operator sets) or from input i (new ones)."""
        there = self.value(node, i) is not None
        given = self.integers(node, i, "axes") if there else node.attributes.get("axes")
        if given is None:
            return None
        axes = tuple(axis % ndim for axis in given if -ndim <= axis < ndim)
        if len(axes) != len(given) or len(set(axes)) != len(axes):
            self.refuse(node, f"axes {list(given)} of {ndim}", code="damaged")
        return axes

    def use(self, known: Known, what: str) -> None:
        for name in known.names:
            uses = self.uses.setdefault(name, [])
            uses += [what] if what not in uses else []

    def only_reader(self, value: str) -> bool:
        return self.readers.get(value, 0) == 1

    def name_of(self, node: OnnxNode) -> str:
        """Its name, or its output's, as text that can be printed."""
        return shown(node.name or node.outputs[0]) or "unnamed"

    def add(self, node: OnnxNode, layer: Layer, inputs: tuple[Flow, ...], part: str = "") -> Flow:
        """A node of the network, and what it gives."""
        name = wanted = self.name_of(node) + (f"/{part}" if part else "")
        while name in self.taken:
            self.taken[wanted] = self.taken.get(wanted, 1) + 1
            name = f"{wanted}_{self.taken[wanted]}"
        try:
            shape = output_shape(layer, tuple(flow.shape for flow in inputs))
        except ShapeError as error:
            self.refuse(node, str(error), code="damaged")
        self.taken[name] = 1
        self.nodes.append(Node(name, layer, tuple(flow.source for flow in inputs)))
        return Flow(name, shape)

    def made(self, node: OnnxNode, kind: type[Any], **parameters: Any) -> Any:
        """The layer, or a refusal with what it says about its parameters."""
        try:
            return kind(**parameters)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            self.refuse(
                node, f"{where + ': ' if where else ''}{first['msg'].removeprefix('Value error, ')}", code="damaged"
            )
        except RefSNNError as error:
            self.refuse(node, str(error), code="not-finite")

    def give(self, node: OnnxNode, value: Value) -> None:
        """What the node's first output is."""
        self.values[node.outputs[0]] = value

    def report(self, fate: Fate, name: str, what: str) -> None:
        self.entries.append(Entry(fate, shown(name), what))
