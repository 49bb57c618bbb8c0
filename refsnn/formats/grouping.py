"""Tensors that belong to one layer, told by their names and shapes, and in which order the layers come."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from itertools import pairwise

import numpy as np

from refsnn.formats.model_file import Array, Format, ModelFile, Tensors

# what frameworks call a parameter -> what it is to us
ROLES: Mapping[str, str] = {
    **dict.fromkeys(("weight", "kernel", "w", "W", "gamma", "scale", "depthwise_kernel"), "weight"),
    **dict.fromkeys(("bias", "b"), "bias"),
    **dict.fromkeys(("running_mean", "moving_mean", "mean"), "mean"),
    **dict.fromkeys(("running_var", "moving_variance", "var"), "var"),
    **dict.fromkeys(("up", "thresh", "threshold"), "threshold"),
}
# collections of Flax and of Keras files around the layers' names
COLLECTIONS = ("params/", "batch_stats/", "model_weights/", "layers/")
IN_OUT = ("kernel", "depthwise_kernel")  # Keras and Flax: outputs last, maps flattened channels last
IN_FILE_ORDER = (Format.TORCH, Format.TORCH_LEGACY, Format.NPZ)  # the order in which the layers were defined


class Kind(Enum):
    """What a group of tensors is."""

    CONV2D = "Conv2d"
    CONV1D = "Conv1d"
    LINEAR = "Linear"
    NORM = "BatchNorm"
    QCFS = "QCFS"
    SNNTORCH = "snntorch"
    SINABS = "sinabs"
    RECURRENT = "recurrent"  # the Linear inside another simulator's recurrent neuron
    UNKNOWN = ""


WEIGHT_KINDS = (Kind.CONV2D, Kind.CONV1D, Kind.LINEAR)
CONVOLUTIONS = (Kind.CONV2D, Kind.CONV1D)
FIRING_KINDS = (Kind.QCFS, Kind.SNNTORCH, Kind.SINABS)


@dataclass(frozen=True, eq=False)
class Group:
    """The tensors of one layer."""

    module: str  # what their names begin with
    names: Mapping[str, str]  # role, or the framework's own word -> tensor's name
    tensors: Tensors  # the same keys -> values
    kind: Kind
    channels_last: bool  # Keras's and Flax's order of axes
    by_shape: bool = False  # that order is a guess: only so do the layers' sizes fit together

    @property
    def word(self) -> str:
        """The module's name without its numbers: 'features.#' of 'features.3'."""
        return re.sub(r"\d+", "#", self.module)

    @property
    def number(self) -> int | None:
        """The last number of the name: 3 of 'features.3'."""
        found = re.findall(r"\d+", self.module)
        return int(found[-1]) if found else None

    @property
    def weight(self) -> Array:
        """The weights with their outputs first."""
        stored = self.tensors["weight"]
        if not self.channels_last:
            return stored
        return stored.T if stored.ndim == 2 else np.moveaxis(stored, (-1, -2), (0, 1))

    @property
    def size(self) -> int:
        """Outputs of a weight layer, channels of a norm, thresholds of the others."""
        match self.kind:
            case Kind.NORM:
                return self.tensors["mean"].size
            case Kind.QCFS:
                return self.tensors["threshold"].size
            case _ if "weight" in self.tensors:
                return len(self.weight)
        return 1


def grouped(model: ModelFile) -> tuple[Group, ...]:
    """The file's groups, in the order in which the layers most probably come."""
    parts: dict[str, dict[str, str]] = {}
    norms = {_module(name) for name, values in model.tensors.items() if _is_statistic(name, values)}
    for name in model.tensors:
        module, word = _module(name), _word(name)
        role = "bias" if word == "beta" and module in norms else ROLES.get(word, word)
        parts.setdefault(module, {})[role if role not in parts.get(module, {}) else word] = name
    groups = tuple(_group(module, names, model.tensors) for module, names in parts.items())
    if model.format not in IN_FILE_ORDER:
        groups = _sorted(tuple(sorted(groups, key=lambda group: natural(group.module))))
    return _turned(groups)


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """A key that puts '2.weight' before '10.weight'."""
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.findall(r"\d+|\D+", name))


def _split(name: str) -> tuple[str, str]:
    for collection in COLLECTIONS:
        name = name.removeprefix(collection)
    cut = max(name.rfind("."), name.rfind("/"))
    if cut >= 0:
        return name[:cut], name[cut + 1 :]
    lettered = re.fullmatch(r"([WwBb])_?(\d+)", name)  # W1, b1: a layer's number behind its parameter
    if lettered:
        return lettered[2], lettered[1].lower()
    module, _, word = name.rpartition("_")  # fc1_weight
    return (module, word) if word in ROLES else ("", name)


def _module(name: str) -> str:
    return _split(name)[0]


def _word(name: str) -> str:
    return _split(name)[1].removesuffix(":0")


def _is_statistic(name: str, values: Array) -> bool:
    return values.ndim == 1 and ROLES.get(_word(name)) in ("mean", "var")


def _group(module: str, names: dict[str, str], tensors: Tensors) -> Group:
    own = {role: tensors[name] for role, name in names.items()}
    channels_last = any(_word(name) in IN_OUT for name in names.values())
    return Group(module, names, own, _kind(module, own), channels_last)


def _kind(module: str, own: Tensors) -> Kind:
    weight = own.get("weight")
    if "mean" in own and "var" in own and (weight is None or weight.ndim == 1):
        return Kind.NORM
    if module.endswith(".recurrent") and weight is not None and weight.ndim == 2:
        return Kind.RECURRENT
    if "beta" in own and "threshold" in own:
        return Kind.SNNTORCH
    if "spike_threshold" in own:
        return Kind.SINABS
    if set(own) == {"threshold"} and own["threshold"].ndim <= 1:
        return Kind.QCFS
    if weight is not None and weight.size:
        return {4: Kind.CONV2D, 3: Kind.CONV1D, 2: Kind.LINEAR}.get(weight.ndim, Kind.UNKNOWN)
    return Kind.UNKNOWN


def _sorted(groups: tuple[Group, ...]) -> tuple[Group, ...]:
    """Groups of a file without an order of its own; they come in the natural order of their names.

    That is the layers' order where all names are one word with a number. Otherwise words with convolutions come first, then
    those with other weights; what has words of its own (bn1, act1) is dealt out to the weight layers in turn.
    """
    if len({group.word for group in groups}) == 1:
        return groups
    first: dict[str, int] = {}
    for group in groups:
        if group.kind in WEIGHT_KINDS:
            stage = 0 if group.kind in CONVOLUTIONS else 1
            first[group.word] = min(stage, first.get(group.word, stage))
    placed = sorted((g for g in groups if g.word in first), key=lambda g: (first[g.word], natural(g.module)))
    for kinds in ((Kind.NORM,), (Kind.RECURRENT,), FIRING_KINDS, (Kind.UNKNOWN,)):
        place = -1
        for group in (g for g in groups if g.word not in first and g.kind in kinds):
            place = _next_place(placed, place + 1, group)
            placed.insert(place, group)
    return tuple(placed)


def _turned(groups: tuple[Group, ...]) -> tuple[Group, ...]:
    """The groups, Linears with their inputs first where only that order lets each read what the one before gives."""
    shapes = [g.weight.shape for g in groups if g.kind is Kind.LINEAR]
    if any(g.kind in CONVOLUTIONS or g.channels_last for g in groups):
        return groups
    if all(a[0] == b[1] for a, b in pairwise(shapes)) or not all(a[1] == b[0] for a, b in pairwise(shapes)):
        return groups
    return tuple(replace(g, channels_last=True, by_shape=True) if g.kind is Kind.LINEAR else g for g in groups)


def _next_place(placed: list[Group], start: int, group: Group) -> int:
    """Behind the next weight layer that fits, and behind what stands behind that already."""
    fits = [
        i
        for i in range(start, len(placed))
        if placed[i].kind in WEIGHT_KINDS and group.size in (1, placed[i].size)
    ]  # fmt: skip
    place = fits[0] + 1 if fits else len(placed)
    while fits and place < len(placed) and placed[place].kind not in WEIGHT_KINDS:
        place += 1
    return place
