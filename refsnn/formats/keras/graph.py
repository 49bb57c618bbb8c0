"""The layers of a Keras model as plain data, from the JSON that Keras writes. No class of it is looked up or made."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from refsnn.formats.model_file import Source
from refsnn.formats.refusals import refuse, shown

MODELS = ("Sequential", "Functional", "Model")  # layers that hold layers
OURS = ("keras", "tf_keras", "builtins")  # first parts of the modules whose classes Keras itself has
PLAIN = "save the weights as npz and name the layers in a spec"


@dataclass(frozen=True, eq=False)
class KerasLayer:
    """One layer of a model."""

    name: str
    kind: str  # Keras' class name
    config: Mapping[str, Any]  # as in the JSON
    inputs: tuple[str, ...]  # names of layers of the same model
    model: "KerasModel | None" = None  # of a layer that is a model


@dataclass(frozen=True, eq=False)
class KerasModel:
    """A model: a graph of layers, of which each is used once."""

    name: str
    kind: str
    layers: tuple[KerasLayer, ...]  # in the file's order
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    config: Mapping[str, Any]


def parsed(source: Source, text: str, place: str) -> KerasModel:
    """The model of a config.json or of the attribute model_config; refused: what would call code to be made."""
    if len(text) > source.limits.header_bytes:
        refuse("too-large", source.path, place, f"{len(text)} characters of JSON", "raise Limits.header_bytes")
    try:
        told = json.loads(
            text, object_pairs_hook=lambda pairs: _unique(source, place, pairs), parse_constant=_no_number
        )
    except (ValueError, RecursionError) as error:
        refuse("damaged", source.path, place, f"not readable as JSON: {error}", "save the model again")
    for value in _inside(source, place, told, 0):
        _refuse_code(source, place, value)
    return _model(source, told, place)


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def _unique(source: Source, place: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        refuse(
            "duplicate-name",
            source.path,
            place,
            f"the key {shown(twice)!r} stands twice in one object",
            "save it again",
        )
    return found


def _inside(source: Source, place: str, value: Any, depth: int) -> Iterator[dict[str, Any]]:
    """Every object in the JSON."""
    if depth > source.limits.depth:
        refuse("nesting", source.path, place, f"JSON nested more than {source.limits.depth} deep", PLAIN)
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _inside(source, place, part, depth + 1)


def _refuse_code(source: Source, place: str, value: dict[str, Any]) -> None:
    """Refuse an object that stands for a function, or for a class that is not Keras' own."""
    kind, module = value.get("class_name"), value.get("module")
    if not isinstance(kind, str):
        return
    name = value.get("name") or (value["config"].get("name") if isinstance(value.get("config"), dict) else None)
    place = f"{place}, layer {name}" if isinstance(name, str) else place
    registered = value.get("registered_name")
    foreign = isinstance(module, str) and module.split(".")[0] not in OURS
    custom = ">" in kind or (isinstance(registered, str) and registered not in (kind, f"keras>{kind}"))
    if "lambda" in kind.lower():
        refuse(
            "executable", source.path, place, f"a {kind!r} layer, which is code", "replace it by layers that Keras has"
        )
    if foreign or custom:
        known = f"{module}.{kind}" if module else registered or kind
        refuse("executable", source.path, place, f"asks for the class {known!r}, which is not Keras' own", PLAIN)


def _model(source: Source, told: Any, place: str) -> KerasModel:
    if not isinstance(told, dict) or told.get("class_name") not in MODELS:
        kind = told.get("class_name") if isinstance(told, dict) else told
        refuse("unsupported-node", source.path, place, f"a model of class {shown(kind, 40)!r}",
               f"Sequential and Functional models are read; {PLAIN}")  # fmt: skip
    kind, config = told["class_name"], told.get("config")
    config = {"layers": config} if isinstance(config, list) else config  # Sequential before TensorFlow 2
    if not isinstance(config, dict) or not isinstance(config.get("layers"), list):
        _broken(source, place, "a model without a list of layers")
    layers: list[KerasLayer] = []
    for index, entry in enumerate(config["layers"]):
        before = layers[-1].name if layers else None
        layers.append(_layer(source, entry, f"{place}, layer {index}", kind == "Sequential", before))
    names = [layer.name for layer in layers]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        refuse("duplicate-name", source.path, place, f"two layers have the name {shown(twice)!r}", "rename one")
    name = str(config.get("name", "model"))
    if kind == "Sequential":
        return KerasModel(name, kind, tuple(layers), tuple(names[:1]), tuple(names[-1:]), config)
    inputs, outputs = (_ends(source, config.get(key), f"{place}, {key}") for key in ("input_layers", "output_layers"))
    return KerasModel(name, kind, tuple(layers), inputs, outputs, config)


def _layer(source: Source, entry: Any, place: str, sequential: bool, before: str | None) -> KerasLayer:
    config = entry.get("config") if isinstance(entry, dict) else None
    if not isinstance(config, dict) or not isinstance(entry.get("class_name"), str):
        if not (isinstance(entry, dict) and entry.get("class_name") in MODELS and isinstance(config, list)):
            _broken(source, place, "no layer with class_name and config")
        config = {}
    kind = entry["class_name"]
    model = _model(source, entry, place) if kind in MODELS else None
    name = entry.get("name") or config.get("name") or (model.name if model else None)
    if not isinstance(name, str) or not name:
        _broken(source, place, "a layer without a name")
    if sequential:
        inputs: tuple[str, ...] = (before,) if before is not None else ()
    else:
        inputs = _inbound(source, entry.get("inbound_nodes", []), f"{place} {name!r}")
    return KerasLayer(name, kind, config, inputs, model)


def _inbound(source: Source, nodes: Any, place: str) -> tuple[str, ...]:
    """Names of the layers that a layer reads: Keras 3 keeps each call's arguments, Keras 2 lists of [name, call, output, …]."""
    if not isinstance(nodes, list) or len(nodes) > 1:
        if isinstance(nodes, list):
            refuse("unsupported-node", source.path, place, f"a layer that is used {len(nodes)} times",
                   "give each use a layer of its own")  # fmt: skip
        _broken(source, place, "inbound_nodes is no list")
    if not nodes:
        return ()
    if isinstance(nodes[0], dict):
        given, more = nodes[0].get("args", []), nodes[0].get("kwargs", {})
        found = [
            value["config"]
            for value in _inside(source, place, given, 0)
            if value.get("class_name") == "__keras_tensor__"
        ]
        if any(value.get("class_name") == "__keras_tensor__" for value in _inside(source, place, more, 0)):
            refuse("unsupported-node", source.path, place, "an input by keyword", "give inputs by position")
        calls = [value.get("keras_history") if isinstance(value, dict) else None for value in found]
    else:
        calls = nodes[0]
        if isinstance(calls, list) and calls and isinstance(calls[0], str):
            calls = [calls]
    return (
        tuple(_name(source, call, place) for call in calls)
        if isinstance(calls, list)
        else _broken(source, place, "calls")
    )


def _name(source: Source, call: Any, place: str) -> str:
    """The layer in [name, call, output, …]; only the first output of the first call is read."""
    if not isinstance(call, list) or len(call) < 3 or not isinstance(call[0], str):
        _broken(source, place, f"reads {shown(call, 40)!r}")
    if call[1:3] != [0, 0]:
        refuse("unsupported-node", source.path, place, f"reads output {call[2]!r} of use {call[1]!r} of {call[0]!r}",
               "layers that are used once and give one output are read")  # fmt: skip
    return call[0]


def _ends(source: Source, told: Any, place: str) -> tuple[str, ...]:
    if isinstance(told, list) and told and isinstance(told[0], str):
        told = [told]
    if not isinstance(told, list) or not told:
        _broken(source, place, f"expected a list of [name, 0, 0], got {shown(told, 40)!r}")
    return tuple(_name(source, call, place) for call in told)


def _broken(source: Source, place: str, what: str) -> NoReturn:
    refuse("damaged", source.path, place, what, "save the model again")
