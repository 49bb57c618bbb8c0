"""An ONNX graph as a network of ours: every operator is said exactly, or the file is refused by the node's name."""

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from refsnn.errors import RefSNNError
from refsnn.formats.limits import MIB
from refsnn.formats.load_report import Entry, Fate
from refsnn.formats.model_file import ModelFile
from refsnn.formats.onnx import elements
from refsnn.formats.onnx.builder import Builder
from refsnn.formats.onnx.chains import FORM, Chain, chains
from refsnn.formats.onnx.graph import OnnxGraph, OnnxNode, OnnxValue
from refsnn.formats.onnx.operators import OPERATORS, check
from refsnn.formats.onnx.values import Flow, Known, folded
from refsnn.formats.refusals import refuse, shown
from refsnn.layers import MaxMode, Shape
from refsnn.network import INPUT, Network

FIRST_OPSET, LAST_OPSET = 6, 28  # whose operators were compared with what is read here
LARGEST = 1 << 30  # numbers of one sample
NODES = 4096  # a ResNet-152 has 517


def network_of(
    model: ModelFile,
    name: str,
    *,
    input_shape: Shape | None = None,
    max_mode: MaxMode = MaxMode.OR,
    ties_up: bool = False,
) -> tuple[Network, tuple[Entry, ...]]:
    """The network that the graph is, and what became of each tensor of the file.

    input_shape: of one sample, where the file leaves sizes open. max_mode: of MaxPool2d layers, which no ONNX file says.
    ties_up: take Round and QuantizeLinear, which round ties to even, as the quantiser of QCFS, which rounds them up; without
        it a network with them is refused.
    Raises LoadError: `unsupported-node` names the node that no layer of ours says exactly.
    """
    graph: OnnxGraph = model.graph
    output = _one_output(model)
    needed = _needed(graph, output.name)
    if len(needed) > NODES:
        refuse(
            "nesting",
            model.path,
            "",
            f"a graph of {len(needed)} operators, at most {NODES} are read",
            "export a smaller network",
        )
    opset = _opset(model, needed)
    values: dict[str, Any] = {
        key: Known(array, array.dtype, (key,)) for key, array in model.tensors.items()
    }  # fmt: skip
    entry = _one_input(model, needed, values)
    shape = _sample_shape(model, entry, input_shape)
    first = entry.shape[0] if entry.shape else None
    batch = first if isinstance(first, int) and first > 0 else None  # some write -1 for any number
    b = Builder(model, opset, batch, max_mode, values, _readers(needed, output.name), _producers(model, needed))
    if batch not in (None, 1):
        b.report(Fate.GUESSED, entry.name, f"its first axis, {batch} long, is taken for the samples")
    b.values[entry.name] = Flow(INPUT, shape)
    rest = _fold(b, needed)
    found = chains(b, rest, ties_up=ties_up)
    for node in rest:
        _translate(b, node, found)
    return _finished(b, name, output, shape, needed), (*_tensors(b), *b.entries)


def _translate(b: Builder, node: OnnxNode, found: Mapping[str, Chain]) -> None:
    chain = found.get(node.outputs[0])
    if chain is not None:
        if node is chain.nodes[-1]:
            elements.quantise(b, chain.nodes, chain.first, chain.quantiser)
        return
    if node.op not in OPERATORS:
        b.refuse(node, "is read only as part of QCFS, or of constants", FORM)
    OPERATORS[node.op][0](b, node)


def _fold(b: Builder, needed: tuple[OnnxNode, ...]) -> list[OnnxNode]:
    """The nodes that are left when everything that depends on the file alone is computed; checks operators and attributes."""
    left, budget = [], 32 * MIB + 2 * sum(array.nbytes for array in b.model.tensors.values())
    for node in needed:
        check(b, node)
        inputs = tuple(b.values.get(value) if value else None for value in node.inputs)
        absent = [value for value in node.inputs if value and value not in b.values]
        made = None
        if not absent and all(value is None or isinstance(value, Known) for value in inputs):
            try:
                made = folded(node, inputs, budget)  # type: ignore[arg-type]
            except (ValueError, TypeError, KeyError, IndexError, OverflowError, AssertionError) as error:
                b.refuse(node, f"constants that it cannot take: {error}", code="damaged")
        if made is None:
            left.append(node)
            continue
        if not any(np.may_share_memory(made.stored, known.stored) for known in inputs if isinstance(known, Known)):
            budget -= made.stored.nbytes
        b.values[node.outputs[0]] = made
    return left


def _finished(b: Builder, name: str, output: OnnxValue, shape: Shape, needed: tuple[OnnxNode, ...]) -> Network:
    value, path = b.values.get(output.name), b.model.path
    if not isinstance(value, Flow) or value.pads or not b.nodes or b.nodes[-1].name != value.source:
        refuse(
            "unsupported-node",
            path,
            output.name,
            "the output is not what a layer gives",
            "end the network with a layer",
        )
    declared = output.shape[1:] if output.shape else ()
    if output.shape is not None and (
        len(declared) != len(value.shape)
        or any(isinstance(n, int) and n != size for n, size in zip(declared, value.shape, strict=True))
    ):
        refuse("damaged", path, output.name, f"declared as {list(output.shape)}, but the graph gives {list(value.shape)} "
               "for each sample", "export it again")  # fmt: skip
    computed = {id(node) for node in needed}
    for node in b.graph.nodes:
        if id(node) not in computed:
            b.report(Fate.IGNORED, node.place, "the output does not depend on it")
    try:
        return Network(name, shape, tuple(b.nodes))
    except RefSNNError as error:
        refuse("damaged", path, "", str(error), "export it again")


def _tensors(b: Builder) -> list[Entry]:
    """What became of every tensor of the file."""
    entries = []
    for key, array in b.model.tensors.items():
        uses = b.uses.get(key)
        fate, what = (Fate.MAPPED, ", ".join(uses)) if uses else (Fate.IGNORED, "the output does not depend on it")
        entries.append(Entry(fate, shown(key), what, array.shape, array.dtype.name))
    constants = sorted(set(b.uses) - set(b.model.tensors))
    return entries + [Entry(Fate.MAPPED, shown(key), ", ".join(b.uses[key])) for key in constants]


def _needed(graph: OnnxGraph, output: str) -> tuple[OnnxNode, ...]:
    """The nodes that lead to the output, in the file's order."""
    wanted, kept = {output}, []
    for node in reversed(graph.nodes):
        if wanted & {value for value in node.outputs if value}:
            wanted |= {value for value in node.inputs if value}
            kept.append(node)
    return tuple(reversed(kept))


def _readers(needed: tuple[OnnxNode, ...], output: str) -> dict[str, int]:
    readers = {output: 1}
    for node in needed:
        for value in node.inputs:
            readers[value] = readers.get(value, 0) + 1
    return readers


def _producers(model: ModelFile, needed: tuple[OnnxNode, ...]) -> dict[str, OnnxNode]:
    """Value -> the node that gives it; every value once."""
    made: dict[str, OnnxNode] = {}
    given = {*model.tensors, *(value.name for value in model.graph.inputs)}
    for node in needed:
        for value in node.outputs:
            if value and (value in made or value in given):
                refuse("duplicate-name", model.path, node.place, f"gives {shown(value, 40)!r}, which something else gives too",
                       "export it again")  # fmt: skip
            made[value] = node
    return made


def _one_output(model: ModelFile) -> OnnxValue:
    outputs: tuple[OnnxValue, ...] = model.graph.outputs
    if len(outputs) != 1:
        refuse("unsupported-node", model.path, "", f"a graph with {len(outputs)} outputs ({_names(outputs)}); a network has one",
               "export one of them")  # fmt: skip
    return outputs[0]


def _one_input(model: ModelFile, needed: tuple[OnnxNode, ...], values: Mapping[str, Any]) -> OnnxValue:
    free = tuple(value for value in model.graph.inputs if value.name not in values)
    if len(free) != 1:
        refuse("unsupported-node", model.path, "", f"a graph with {len(free)} inputs ({_names(free)}); a network has one",
               "export weights as initialisers, not as inputs")  # fmt: skip
    return free[0]


def _names(values: tuple[OnnxValue, ...]) -> str:
    return ", ".join(shown(value.name, 40) for value in values[:5]) or "none"


def _sample_shape(model: ModelFile, entry: OnnxValue, given: Shape | None) -> Shape:
    declared = None if entry.shape is None else entry.shape[1:]
    if given is None and (not declared or not all(isinstance(n, int) and n >= 1 for n in declared)):
        refuse("missing-semantics", model.path, entry.name, f"the input's shape is {_shape_text(entry)}: sizes are left open",
               "give input_shape, the shape of one sample")  # fmt: skip
    shape = tuple(n for n in declared or () if isinstance(n, int)) if given is None else given
    if declared is not None and (
        len(declared) != len(shape) or any(isinstance(n, int) and n != g for n, g in zip(declared, shape, strict=True))
    ):
        refuse("damaged", model.path, entry.name, f"the input's shape is {_shape_text(entry)}, not {list(shape)} for each sample",
               "give another input_shape")  # fmt: skip
    if prod(shape) > LARGEST:
        refuse(
            "too-large",
            model.path,
            entry.name,
            f"the input's shape is {_shape_text(entry)}",
            f"at most {LARGEST} numbers",
        )
    return shape


def _shape_text(entry: OnnxValue) -> str:
    return "not given" if entry.shape is None else shown(f"[{', '.join(str(n) for n in entry.shape)}]")


def _opset(model: ModelFile, needed: tuple[OnnxNode, ...]) -> int:
    opset: int = model.graph.opsets.get("", 0)
    if not FIRST_OPSET <= opset <= LAST_OPSET:
        refuse("unsupported-node", model.path, "", f"operator set {opset}; {FIRST_OPSET} to {LAST_OPSET} are read",
               f"export it with opset_version={min(max(opset, 13), 20)}")  # fmt: skip
    return opset
