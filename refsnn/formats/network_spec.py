"""Network specs: YAML that names the layers and, for each parameter, a tensor of the weights file or a literal number."""

import json
from dataclasses import MISSING, fields
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import yaml
from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from safetensors.numpy import save

from refsnn import specs
from refsnn.arithmetic import finite
from refsnn.errors import FormatError, RefSNNError, SpecError, did_you_mean
from refsnn.files import write_together
from refsnn.formats.model_file import Tensors
from refsnn.formats.opening import open_model
from refsnn.layers import LAYERS, default_of
from refsnn.network import INPUT, Network, Node
from refsnn.neurons import CONFIG
from refsnn.presets import PRESETS, preset

InputShape = Annotated[list[specs.Count], Field(min_length=1)]
KEYS = ["name", "input", "weights", "nodes"]


def load(path: str | Path, *, spec: str | Path | None = None) -> Network:
    """The network of a spec file; or of a weights file with the spec that names its layers.

    load("net.yaml") reads the weights that the spec names; load("net.safetensors", spec="net.yaml") reads these.
    Raises SpecError with file, line and column; FormatError for a weights file; ShapeError when they do not fit.
    """
    if spec is None and Path(path).suffix not in (".yaml", ".yml"):
        raise SpecError(
            f"{path}: a weights file names no layers; give the spec that does: load(weights, spec='net.yaml')"
        )
    document = specs.read(path if spec is None else spec)
    data = document.data
    if not isinstance(data, dict):
        raise document.error((), "expected a mapping with the keys name, input, nodes")
    for key in data:
        if key not in KEYS:
            raise document.error((key,), f"unknown key{did_you_mean(key, KEYS)}")
    for key in ("name", "input", "nodes"):
        if key not in data:
            raise document.error((), f"missing key {key!r}")
    if not isinstance(data["name"], str):
        raise document.error(("name",), f"expected a text, got {data['name']!r}")
    shape: list[int] = specs.build(InputShape, document, data["input"], ("input",))
    tensors, weights = _weights(document, None if spec is None else path)
    if not isinstance(data["nodes"], list):
        raise document.error(
            ("nodes",), "expected a list of nodes such as '- {name: fc1, layer: Linear, weight: fc1.weight}'"
        )
    return network_of(document, data["name"], tuple(shape), "nodes", tensors, weights)


def network_of(
    document: specs.Document, name: str, shape: tuple[int, ...], key: str, tensors: Tensors, weights: str
) -> Network:
    """The network whose nodes are listed under `key` of the document; `weights` is what messages call the tensors' file."""
    nodes: list[Node] = []
    for index, entry in enumerate(document.data[key]):
        nodes.append(_node(document, (key, index), entry, tensors, weights, nodes[-1].name if nodes else INPUT))
    try:
        return Network(name, shape, tuple(nodes))
    except RefSNNError as error:
        raise type(error)(f"{document.path}: {error}") from error


def _weights(document: specs.Document, given: str | Path | None) -> tuple[Tensors, str]:
    name = document.data.get("weights")
    if given is None and name is None:
        return {}, document.path
    if given is None and not isinstance(name, str):
        raise document.error(("weights",), f"expected the name of a file beside this one, got {name!r}")
    path = Path(document.path).parent / str(name) if given is None else Path(given)
    tensors = open_model(path).tensors
    for key, values in tensors.items():
        finite(f"{path}: {key}", values)
    return tensors, str(path)


def _node(
    document: specs.Document, where: specs.Path_, entry: Any, tensors: Tensors, weights: str, before: str
) -> Node:
    if not isinstance(entry, dict):
        raise document.error(where, f"expected a node such as {{name: fc1, layer: Linear, ...}}, got {entry!r}")
    if "preset" in entry:
        return _preset(document, where, entry, tensors, weights, before)
    for key in ("name", "layer"):
        if not isinstance(entry.get(key), str):
            raise document.error((*where, key), f"expected a text, got {entry.get(key)!r}")
    kind = LAYERS.get(entry["layer"])
    if kind is None:
        raise document.error(
            (*where, "layer"), f"unknown layer {entry['layer']!r}{did_you_mean(entry['layer'], list(LAYERS))}"
        )
    parameters = {
        key: _resolved(document, (*where, key), kind, value, tensors, weights)
        for key, value in entry.items()
        if key not in ("name", "layer", "inputs")
    }
    inputs, delays = _inputs(document, (*where, "inputs"), entry.get("inputs", [before]))
    try:
        layer: Any = specs.build(kind, document, parameters, where)
    except FormatError as error:
        raise FormatError(f"{document.path}: {entry['name']}: {error}") from error
    except SpecError as error:
        raise SpecError(f"{error} (layer {entry['name']})") from error
    return Node(entry["name"], layer, inputs, delays)


def _preset(
    document: specs.Document, where: specs.Path_, entry: dict[str, Any], tensors: Tensors, weights: str, before: str
) -> Node:
    """{name: lif1, preset: "snntorch.Leaky>=0.8", beta: 0.9}: another simulator's neuron with its own parameters."""
    for key in ("name", "preset"):
        if not isinstance(entry.get(key), str):
            raise document.error((*where, key), f"expected a text, got {entry.get(key)!r}")
    if "layer" in entry:
        raise document.error((*where, "layer"), "a preset gives the layer; leave one of the two out")
    parameters = {
        key: tensors[value] if isinstance(value, str) and value in tensors else value
        for key, value in entry.items()
        if key not in ("name", "preset", "inputs")
    }
    inputs, delays = _inputs(document, (*where, "inputs"), entry.get("inputs", [before]))
    try:
        return Node(entry["name"], preset(entry["preset"], **parameters), inputs, delays)
    except (RefSNNError, ValidationError, TypeError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise document.error((*where, "preset"), str(reason)) from error


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class DelayedInput:
    """An edge on which values are some steps on the way: {from: lif1, delay: 1}."""

    source: Annotated[str, Field(alias="from")]
    delay: specs.Count


def _inputs(document: specs.Document, where: specs.Path_, given: Any) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names of the inputs and their delays."""
    if not isinstance(given, list) or not given:
        raise document.error(where, f"expected a list of nodes such as [fc1, {{from: lif1, delay: 1}}], got {given!r}")
    edges = []
    for i, item in enumerate(given):
        if isinstance(item, dict):
            edge: DelayedInput = specs.build(DelayedInput, document, item, (*where, i))
            edges.append((edge.source, edge.delay))
        elif isinstance(item, str):
            edges.append((item, 0))
        else:
            raise document.error((*where, i), f"expected a node's name or {{from: NAME, delay: STEPS}}, got {item!r}")
    names, delays = zip(*edges, strict=True)
    return names, delays


def _resolved(
    document: specs.Document, where: specs.Path_, kind: type[Any], value: Any, tensors: Tensors, weights: str
) -> Any:
    """The tensor that a text names, where the layer's field takes one; anything else as it is."""
    if not isinstance(value, str) or where[-1] not in _tensor_fields(kind):
        return value
    if not tensors:
        raise document.error(
            where, f"{value!r} names a tensor, but no weights file is named; add 'weights: FILE' or a number"
        )
    if value not in tensors:
        raise document.error(where, f"{weights} has no tensor {value!r}{did_you_mean(value, list(tensors))}")
    return tensors[value]


def _tensor_fields(kind: type[Any]) -> set[str]:
    """Fields that a tensor's name may fill: those whose schema takes a text that is not one of a list of choices."""
    properties = TypeAdapter(kind).json_schema()["properties"]

    def takes_text(schema: dict[str, Any]) -> bool:
        return (schema.get("type") == "string" and "enum" not in schema) or any(
            map(takes_text, schema.get("anyOf", []))
        )

    return {name for name, schema in properties.items() if takes_text(schema)}


def network_schema() -> dict[str, Any]:
    """JSON Schema of a network spec, for editors."""
    nodes = []
    definitions: dict[str, Any] = {}
    edge = TypeAdapter(DelayedInput).json_schema(by_alias=True)
    for name, kind in LAYERS.items():
        schema = TypeAdapter(kind).json_schema(ref_template="#/$defs/{model}")
        definitions |= schema.pop("$defs", {})
        head = {
            "name": {"type": "string"},
            "layer": {"const": name},
            "inputs": {"type": "array", "items": {"anyOf": [{"type": "string"}, edge]}},
        }
        schema["properties"] = head | schema["properties"]
        schema["required"] = ["name", "layer", *schema.get("required", [])]
        definitions[name] = schema | {"additionalProperties": False}
        nodes.append({"$ref": f"#/$defs/{name}"})
    # a preset's parameters are its simulator's; they are checked when the spec is read
    definitions["preset"] = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "preset": {"enum": list(PRESETS)}},
        "required": ["name", "preset"],
    }
    nodes.append({"$ref": "#/$defs/preset"})
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "input", "nodes"],
        "properties": {
            "name": {"type": "string"},
            "input": {"type": "array", "items": {"type": "integer", "minimum": 1}},
            "weights": {"type": "string"},
            "nodes": {"type": "array", "items": {"oneOf": nodes}},
        },
        "$defs": definitions,
    }


def dump(network: Network, path: str | Path) -> tuple[Path, Path]:
    """Write the network as spec (`path`, .yaml) and weights (beside it, .safetensors); load() gives it back exactly.

    The same network gives the same bytes. Returns both paths.
    """
    target = Path(path)
    if target.suffix not in (".yaml", ".yml"):
        raise SpecError(
            f"{target}: a network is written as a spec and weights beside it; name the spec, '{target.stem}.yaml'"
        )
    weights = target.with_suffix(".safetensors")
    entries, tensors = described(network)
    lines = [
        "  - " + yaml.safe_dump(entry, default_flow_style=True, sort_keys=False, width=10_000).strip()
        for entry in entries
    ]
    head = yaml.safe_dump(
        {"name": network.name, "input": list(network.input_shape), "weights": weights.name},
        default_flow_style=None, sort_keys=False,
    )  # fmt: skip
    # one metadata key: with two, their order in the file changes from run to run
    content = save(tensors, {"refsnn": json.dumps({"network": network.name, "digest": network.digest})})
    write_together({weights: content, target: (head + "nodes:\n" + "\n".join(lines) + "\n").encode()})
    return target, weights


def described(network: Network) -> tuple[list[dict[str, Any]], Tensors]:
    """The nodes as a spec lists them, and the tensors that they name."""
    entries, tensors = [], {}
    for index, node in enumerate(network.nodes):
        entry: dict[str, Any] = {"name": node.name, "layer": type(node.layer).__name__}
        if node.edges != ((network.nodes[index - 1].name if index else INPUT, 0),):
            entry["inputs"] = [{"from": name, "delay": delay} if delay else name for name, delay in node.edges]
        for item in fields(node.layer):
            value = getattr(node.layer, item.name)
            if isinstance(value, np.ndarray):
                tensors[f"{node.name}.{item.name}"] = np.ascontiguousarray(value)
                value = f"{node.name}.{item.name}"
            elif item.default is not MISSING and value == default_of(item):
                continue
            entry[item.name] = _plain(value)
        entries.append(entry)
    return entries, tensors


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    return list(value) if isinstance(value, tuple) else value
