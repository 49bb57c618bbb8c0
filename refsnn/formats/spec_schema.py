"""JSON Schema of network specs, and which fields of a layer may name a tensor."""

from functools import cache
from typing import Annotated, Any

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from refsnn import specs
from refsnn.formats.references import Reference
from refsnn.layers import LAYERS
from refsnn.neurons import CONFIG
from refsnn.presets import PRESETS

KEYS = ["name", "input", "weights", "prefix", "ignore", "guess", "nodes"]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class DelayedInput:
    """An edge on which values are some steps on the way: {from: lif1, delay: 1}."""

    source: Annotated[str, Field(alias="from")]
    delay: specs.Count


@cache
def tensor_fields(layer: str) -> frozenset[str]:
    """Fields that a tensor's name may fill: those whose schema takes a text that is not one of a list of choices."""
    properties = TypeAdapter(LAYERS[layer]).json_schema()["properties"]
    return frozenset(name for name, schema in properties.items() if _takes_text(schema))


def _takes_text(schema: dict[str, Any]) -> bool:
    return (schema.get("type") == "string" and "enum" not in schema) or any(map(_takes_text, schema.get("anyOf", [])))


def network_schema() -> dict[str, Any]:
    """JSON Schema of a network spec, for editors."""
    nodes = []
    definitions: dict[str, Any] = {}
    edge = TypeAdapter(DelayedInput).json_schema(by_alias=True)
    reference = TypeAdapter(Reference).json_schema(ref_template="#/$defs/{model}")
    definitions |= reference.pop("$defs", {})
    definitions["tensor"] = reference | {"additionalProperties": False}
    for name, kind in LAYERS.items():
        schema = TypeAdapter(kind).json_schema(ref_template="#/$defs/{model}")
        definitions |= schema.pop("$defs", {})
        head = {
            "name": {"type": "string"},
            "layer": {"const": name},
            "inputs": {"type": "array", "items": {"anyOf": [{"type": "string"}, edge]}},
        }
        properties = {
            key: {"anyOf": [each, {"$ref": "#/$defs/tensor"}]} if key in tensor_fields(name) else each
            for key, each in schema["properties"].items()
        }
        schema["properties"] = head | properties | {"guess": {"type": "string"}}
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
            "prefix": {"type": "string"},
            "ignore": {"type": "array", "items": {"type": "string"}},
            "guess": {"type": "string"},
            "nodes": {"type": "array", "items": {"oneOf": nodes}},
        },
        "$defs": definitions,
    }
