"""lava .net files: the HDF5 exchange format of lava-dl, whose numbers are the integers that Loihi computes with."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from refsnn.formats.hdf5.tree import Group
from refsnn.formats.model_file import Array, Format, ModelFile, Source, Tensors
from refsnn.formats.refusals import refuse

AGAIN = "export it again with lava-dl: network.export_hdf5('model.net')"


@dataclass(frozen=True, eq=False)
class LavaLayer:
    """One layer as the file has it; the tensors are those of the ModelFile under 'layer/N/'."""

    name: str  # layer/N
    type: str  # input, conv, dense, flatten, …
    settings: Mapping[str, Any]  # shape, stride, padding, …: int or tuple of int; float where the file has one
    neuron: Mapping[str, Any]  # type, iDecay, vDecay, vThMant, …


def from_tree(source: Source, tree: Group) -> ModelFile:
    """Weights, biases and delays as 'layer/N/weight'; the graph is the layers in order, a tuple of LavaLayer."""
    layers = tree.groups["layer"].groups
    order = sorted(layers, key=lambda name: int(name) if re.fullmatch("[0-9]{1,6}", name) else -1)
    if order != [str(index) for index in range(len(order))]:
        refuse("damaged", source.path, "layer", f"the layers are not numbered 0, 1, 2, … but {order[:8]}", AGAIN)
    tensors: Tensors = {}
    found: list[LavaLayer] = []
    for number in order:
        place, group = f"layer/{number}", layers[number]
        settings: dict[str, Any] = {}
        for name, value in group.datasets.items():
            if name in ("weight", "bias", "delay"):
                tensors[f"{place}/{name}"] = _array(source, f"{place}/{name}", value)
            elif name != "type":
                settings[name] = _setting(source, f"{place}/{name}", value)
        for name, value in _complex(group):
            tensors[f"{place}/{name}"] = _array(source, f"{place}/{name}", value)
        neuron = group.groups.get("neuron")
        described = {} if neuron is None else dict(neuron.datasets)
        told = {
            name: _text(source, f"{place}/neuron/type", value)
            if name == "type"
            else _setting(source, f"{place}/neuron/{name}", value)
            for name, value in described.items()
        }
        kind = _text(source, f"{place}/type", group.datasets["type"])
        found.append(LavaLayer(place, kind, settings, told))
    return ModelFile(source.path, Format.LAVA, tensors, graph=tuple(found))


def _complex(group: Group) -> list[tuple[str, Any]]:
    """The weights of layers with two parts, weight/real and weight/imag."""
    parts = group.groups.get("weight")
    return [] if parts is None else [(f"weight/{name}", value) for name, value in parts.datasets.items()]


def _array(source: Source, place: str, value: Any) -> Array:
    if not isinstance(value, np.ndarray):
        refuse("damaged", source.path, place, "a text where numbers belong", AGAIN)
    return value


def _text(source: Source, place: str, value: Any) -> str:
    """A text, also where it stands in an array of one."""
    value = value[0] if isinstance(value, tuple) and len(value) == 1 else value
    if not isinstance(value, str):
        refuse("damaged", source.path, place, "expected one text", AGAIN)
    return value


def _setting(source: Source, place: str, value: Any) -> Any:
    """Numbers as int or float, a row of them as a tuple; texts as they are."""
    if not isinstance(value, np.ndarray):
        return value
    if value.size > 64 or value.ndim > 1:
        refuse("damaged", source.path, place, f"expected a number or a short row, got shape {list(value.shape)}", AGAIN)
    return value.item() if value.ndim == 0 else tuple(value.tolist())
