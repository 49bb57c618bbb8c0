"""ONNX files: the initialisers, and the graph as plain data. No protobuf library is needed, and no other file is opened."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from refsnn.formats.model_file import Array, Format, ModelFile, Note, Source
from refsnn.formats.onnx.external import contained, no_external
from refsnn.formats.onnx.graph import OnnxGraph, OnnxNode, OnnxValue
from refsnn.formats.onnx.tensors import External, array
from refsnn.formats.onnx.wire import Wire, varints
from refsnn.formats.refusals import refuse

# what an attribute's type says it holds -> its field; the others hold graphs, sparse tensors and types
ATTRIBUTES = {1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints", 8: "strings"}
HIDING = ("g", "graphs", "tensors", "tp", "type_protos", "sparse_tensor", "sparse_tensors", "ref_attr_name")
EMPTY: Mapping[str, Any] = {"f": 0.0, "i": 0, "s": b"", "floats": b"", "ints": b"", "strings": []}


def read(source: Source) -> ModelFile:
    """The initialisers under their names, and the graph; those in other files only with Limits.external_data."""
    model = Wire(source).message("model")
    _refuse_what_hides_weights(source, model)
    graph = model["graph"]
    elsewhere = (
        contained(source, Path(folder)) if (folder := source.limits.external_data) is not None else no_external(source)
    )
    tensors: dict[str, Array] = {}
    notes: list[Note] = []
    for tensor in graph.get("initializer", []):
        name = tensor.get("name", "")
        if name in tensors or not name:
            what = "two initialisers have this name" if name else "an initialiser without a name"
            refuse("duplicate-name" if name else "damaged", source.path, name, what, "give each its own name")
        tensors[name], note = array(source, name, tensor, elsewhere)
        notes += [note] if note else []
    nodes = tuple(_node(source, node, elsewhere) for node in graph.get("node", []))
    opsets = _opsets(source, model)
    described = OnnxGraph(
        name=graph.get("name", ""), nodes=nodes,
        inputs=tuple(map(_value, graph.get("input", []))), outputs=tuple(map(_value, graph.get("output", []))),
        opsets=opsets, ir_version=model.get("ir_version", 0), producer=model.get("producer_name", ""),
    )  # fmt: skip
    return ModelFile(source.path, Format.ONNX, tensors, notes=tuple(notes), graph=described)


def _refuse_what_hides_weights(source: Source, model: Mapping[str, Any]) -> None:
    found = {
        "no graph": "graph" not in model,
        "training information": "training_info" in model,
        "functions of its own": "functions" in model,
        "sparse initialisers": "sparse_initializer" in model.get("graph", {}),
    }
    for what, there in found.items():
        if there:
            code = "damaged" if what == "no graph" else "unsupported-node"
            refuse(
                code,
                source.path,
                "",
                f"a model with {what}",
                "export the trained network for inference",
            )


def _opsets(source: Source, model: Mapping[str, Any]) -> Mapping[str, int]:
    opsets: dict[str, int] = {}
    for entry in model.get("opset_import", []):
        domain = (
            entry.get("domain", "").replace("ai.onnx", "")
            if entry.get("domain") == "ai.onnx"
            else entry.get("domain", "")
        )
        if domain in opsets:
            refuse("duplicate-name", source.path, domain, "two versions of this operator set", "export it again")
        opsets[domain] = entry.get("version", 0)
    return MappingProxyType(opsets)


def _node(source: Source, node: Mapping[str, Any], elsewhere: External) -> OnnxNode:
    plain = OnnxNode(
        op=node.get("op_type", ""), domain="" if (d := node.get("domain", "")) == "ai.onnx" else d, name=node.get("name", ""),
        inputs=tuple(node.get("input", [])), outputs=tuple(node.get("output", [])), attributes={},
    )  # fmt: skip
    attributes: dict[str, Any] = {}
    for attribute in node.get("attribute", []):
        name = attribute.get("name", "")
        if name in attributes:
            refuse("duplicate-name", source.path, plain.place, f"two attributes {name!r}", "export it again")
        for hidden in HIDING:
            if hidden in attribute:
                refuse("unsupported-node", source.path, plain.place, f"attribute {name!r} holds {_hidden(hidden)}, which is not "
                       "read", "export the network without If, Loop and Scan")  # fmt: skip
        attributes[name] = _attribute(source, plain.place, name, attribute, elsewhere)
    return OnnxNode(plain.op, plain.domain, plain.name, plain.inputs, plain.outputs, MappingProxyType(attributes))


def _hidden(field: str) -> str:
    return "a graph of its own" if field in ("g", "graphs") else field


def _attribute(source: Source, place: str, name: str, attribute: Mapping[str, Any], elsewhere: External) -> Any:
    """Its plain value. Writers of IR version 1 left out the type: then it is the one field that is there."""
    fields = [field for field in ATTRIBUTES.values() if field in attribute]
    field = ATTRIBUTES.get(attribute.get("type", 0), fields[0] if len(fields) == 1 and "type" not in attribute else "")
    if not field or fields not in ([], [field]):
        refuse(
            "damaged",
            source.path,
            place,
            f"attribute {name!r} of type {attribute.get('type')} with {fields}",
            "export it again",
        )
    if field == "t" and "t" not in attribute:
        refuse("damaged", source.path, place, f"attribute {name!r} without its tensor", "export it again")
    value = attribute.get(field, EMPTY.get(field))
    try:
        match field:
            case "t":
                return array(source, f"{place}: {name}", value, elsewhere)[0]
            case "ints":
                return tuple(int(number) for number in varints(value))
            case "floats":
                return tuple(float(number) for number in np.frombuffer(value, "<f4"))
            case "strings":
                return tuple(bytes(text) for text in value)
    except ValueError as error:
        refuse("damaged", source.path, place, f"attribute {name!r}: {error}", "export it again")
    return bytes(value) if field == "s" else value


def _value(value: Mapping[str, Any]) -> OnnxValue:
    shape = value.get("type", {}).get("tensor_type", {}).get("shape")
    dims = None if shape is None else tuple(d.get("dim_value", d.get("dim_param")) for d in shape.get("dim", []))
    return OnnxValue(value.get("name", ""), dims)
