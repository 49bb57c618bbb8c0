"""Keras files: .h5 of all versions, .keras archives, .weights.h5. Tensors are named 'layer/kernel', as Keras calls them."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from refsnn.formats import archive
from refsnn.formats.hdf5.tree import Group, read_tree
from refsnn.formats.keras.graph import KerasLayer, KerasModel, parsed
from refsnn.formats.model_file import Format, ModelFile, Note, Source, Tensors
from refsnn.formats.refusals import refuse
from refsnn.formats.zip_directory import Member

AGAIN = "save it again with a current Keras: model.save('model.keras')"
KERNEL = ("kernel", "bias")
# class -> its variables in the order in which Keras 3 numbers them, and the setting that leaves one out
VARIABLES = {
    "Dense": KERNEL, "Conv1D": KERNEL, "Conv2D": KERNEL, "DepthwiseConv2D": KERNEL,
    "SeparableConv2D": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
}  # fmt: skip
OPTIONAL = {"bias": "use_bias", "gamma": "scale", "beta": "center"}
CONTAINERS = ("layers", "_layer_checkpoint_dependencies")  # what Keras 3, and Keras 2.13, call a model's list of layers


def read(source: Source) -> ModelFile:
    """A .keras archive: config.json and model.weights.h5, unpacked in memory."""
    text, weights = _members(source)
    model = parsed(source, text, "config.json")
    tree = read_tree(Source(source.path, weights, source.limits), extra="keras")
    tensors = dict(_numbered(source, tree, model, ""))
    return ModelFile(source.path, Format.KERAS, tensors, notes=_rest(tree), graph=model)


def from_tree(source: Source, tree: Group) -> ModelFile:
    """An HDF5 file of Keras; the graph is a KerasModel, or None where the file holds weights only."""
    if "layers" in tree.groups and "model_weights" not in tree.groups and "model_config" not in tree.attributes:
        return ModelFile(source.path, Format.KERAS_WEIGHTS, dict(_plain(source, tree, "")), notes=_rest(tree))
    text = tree.attributes.get("model_config")
    model = parsed(source, text, "model_config") if isinstance(text, str) else None
    weights = tree.groups.get("model_weights", tree)
    tensors = _named(source, weights)
    notes = (
        (Note("optimizer_weights", "the state of the training", True),) if "optimizer_weights" in tree.groups else ()
    )
    return ModelFile(source.path, Format.KERAS_H5 if model else Format.KERAS_WEIGHTS, tensors, notes=notes, graph=model)


def _members(source: Source) -> tuple[str, memoryview]:
    """(config.json, model.weights.h5), each unpacked within the limits."""
    found = archive.members(source)
    wanted: dict[str, Member] = {}
    for name in ("config.json", "model.weights.h5"):
        if name not in found:
            refuse("damaged", source.path, name, "is not in the archive", AGAIN)
        wanted[name] = found[name]
    config, weights = wanted.values()
    if config.size > source.limits.header_bytes:
        refuse("too-large", source.path, config.name, f"{config.size} bytes of JSON", "raise Limits.header_bytes")
    archive.verify(wanted, source)
    try:
        return bytes(archive.unpacked(config)).decode("utf-8"), archive.unpacked(weights)
    except UnicodeDecodeError:
        refuse("damaged", source.path, config.name, "not UTF-8", AGAIN)


def _named(source: Source, weights: Group) -> Tensors:
    """The tensors of a file of Keras 1 or 2, or an .h5 of Keras 3, where attributes list names in their order."""
    tensors: Tensors = {}
    for layer in _listed(source, weights, "layer_names", ""):
        group = _at(source, weights, layer)
        for full in _listed(source, group, "weight_names", layer):
            value = _at(source, group, full)
            name = f"{layer}/{_variable(layer, full)}"
            if not isinstance(value, np.ndarray):
                refuse("damaged", source.path, name, "no numbers where the file names a weight", AGAIN)
            if name in tensors:
                refuse("duplicate-name", source.path, name, "two weights have this name", AGAIN)
            tensors[name] = value
    return tensors


def _listed(source: Source, group: Any, key: str, place: str) -> tuple[str, ...]:
    """The attribute, or its pieces key0, key1, … where it was too long for one."""
    attributes = group.attributes if isinstance(group, Group) else {}
    keys = [key] if key in attributes else []
    while not (keys and keys[0] == key) and f"{key}{len(keys)}" in attributes:
        keys.append(f"{key}{len(keys)}")
    if not keys:
        refuse("damaged", source.path, place, f"the attribute {key!r} is missing", AGAIN)
    found: list[str] = []
    for piece in (attributes[k] for k in keys):
        if isinstance(piece, np.ndarray) and piece.size == 0:
            continue
        if not isinstance(piece, tuple) or not all(isinstance(name, str) for name in piece):
            refuse("damaged", source.path, place, f"the attribute {key!r} is no list of texts", AGAIN)
        found += piece
    return tuple(found)


def _at(source: Source, group: Any, name: str) -> Any:
    """What is stored under a name with slashes."""
    found: Any = group
    for part in name.split("/"):
        inside = {**found.datasets, **found.groups} if isinstance(found, Group) else {}
        found = inside.get(part)
    if found is None:
        refuse("damaged", source.path, name, "is named in the file and not there", AGAIN)
    return found


def _variable(layer: str, full: str) -> str:
    """'kernel' of 'model/dense/kernel:0' in layer 'dense'; 'dense_2/kernel' in a layer that is a model."""
    parts = full.removesuffix(":0").split("/")
    own = layer.split("/")[-1]
    if own in parts[:-1]:
        return "/".join(parts[len(parts) - parts[::-1].index(own) :])
    return "/".join(parts[-2:])


def _numbered(source: Source, tree: Group, model: KerasModel, prefix: str) -> Iterator[tuple[str, Any]]:
    """The tensors of Keras 3, which numbers the variables and names layers by their class, in the order of the config."""
    held = next((tree.groups[name] for name in CONTAINERS if name in tree.groups), None)
    used: dict[str, int] = {}
    for layer in model.layers:
        stem = _snake(layer.kind)
        used[stem] = used.get(stem, -1) + 1
        stored = f"{stem}_{used[stem]}" if used[stem] else stem
        group = held.groups.get(stored) if held else None
        name = prefix + layer.name
        if group is None:
            if layer.kind in VARIABLES:
                refuse("damaged", source.path, name, f"its weights 'layers/{stored}' are not in the file", AGAIN)
            continue
        variables = group.groups.get("vars")
        label = variables.attributes.get("name", layer.name) if variables else layer.name
        if label != layer.name:
            refuse("damaged", source.path, name, f"'layers/{stored}' says that it belongs to {label!r}", AGAIN)
        if layer.model:
            yield from _numbered(source, group, layer.model, f"{name}/")
        elif layer.kind in VARIABLES:
            yield from _variables(source, variables, layer, name)
        else:
            yield from _plain(source, group, f"{name}/")


def _variables(source: Source, group: Group | None, layer: KerasLayer, name: str) -> Iterator[tuple[str, Any]]:
    names = [n for n in VARIABLES[layer.kind] if layer.config.get(OPTIONAL.get(n, ""), True)]
    values = group.datasets if group else {}
    if sorted(values) != [str(index) for index in range(len(names))]:
        refuse("unsupported-node", source.path, name,
               f"a {layer.kind} with {len(values)} variables where {', '.join(names) or 'none'} are expected",
               "save it without quantisation and adapters")  # fmt: skip
    for index, variable in enumerate(names):
        value = values[str(index)]
        if not isinstance(value, np.ndarray):
            refuse("damaged", source.path, f"{name}/{variable}", "a text where numbers belong", AGAIN)
        yield f"{name}/{variable}", value


def _plain(source: Source, group: Group, prefix: str) -> Iterator[tuple[str, Any]]:
    """Every array under its path in the file, but for what the model's training keeps."""
    for name, value in group.datasets.items():
        if isinstance(value, np.ndarray):
            yield prefix + name, value
    for name, inner in group.groups.items():
        if prefix or name not in ("optimizer",):
            yield from _plain(source, inner, f"{prefix}{name}/")


def _rest(tree: Group) -> tuple[Note, ...]:
    return (Note("optimizer", "the state of the training", True),) if "optimizer" in tree.groups else ()


def _snake(kind: str) -> str:
    """Keras' own rule: 'BatchNormalization' is batch_normalization, 'Conv2D' conv2d, 'ReLU' re_lu."""
    parts = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", kind))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", parts).lower()
