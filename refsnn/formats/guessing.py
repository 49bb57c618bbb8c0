"""Groups of tensors -> the nodes that a first spec lists, and at each what was guessed."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import isqrt, prod
from typing import Any

import numpy as np

from refsnn.formats.grouping import CONVOLUTIONS, FIRING_KINDS, WEIGHT_KINDS, Group, Kind
from refsnn.formats.network_spec import ASKED

# buffers of training and of the last step that was run: no parameters
STATE = ("num_batches_tracked", "v_mem", "i_syn", "mem", "syn", "spk", "grad")
RESETS = ("subtract", "zero", "none")  # snnTorch's reset_mechanism_val


@dataclass(frozen=True)
class Guessed:
    """A node of the spec."""

    entry: dict[str, Any]
    guess: str = ""  # what neither names nor shapes say for certain; empty where they do
    tensors: tuple[str, ...] = ()  # of the file, that it takes
    read: tuple[str, ...] = ()  # of the file, whose value stands in the entry


@dataclass(frozen=True)
class Chain:
    """The nodes so far."""

    nodes: tuple[Guessed, ...] = ()
    channels: int | None = None  # that the last node gives; of a map: its channels
    is_map: bool = False
    weights: int = 0  # weight layers so far
    counts: dict[str, int] = field(default_factory=dict)  # of the names that init makes up

    def with_node(self, stem: str, entry: dict[str, Any], guess: str = "", **tensors: tuple[str, ...]) -> "Chain":
        """The chain with this node behind it, called by the group's name, or by the stem and a number."""
        count = self.counts.get(stem, 0) + 1
        name = entry.pop("name", None) or f"{stem}{count}"
        node = Guessed({"name": name, **entry}, guess, **tensors)
        return replace(self, nodes=(*self.nodes, node), counts={**self.counts, stem: count})


def chain_of(groups: Sequence[Group]) -> Chain:
    """The nodes in a row: what each group is, and between them what leaves no tensors."""
    known = [group for group in groups if group.kind is not Kind.UNKNOWN]
    recurrent = {group.module.removesuffix(".recurrent"): group for group in known if group.kind is Kind.RECURRENT}
    row = [group for group in known if group.kind is not Kind.RECURRENT]
    has_activations = any(group.kind in FIRING_KINDS for group in row)
    chain, before = Chain(), None
    for group in row:
        if before is not None:
            chain = _between(chain, before, group, bare=not has_activations)
        chain = _placed(chain, group, recurrent.get(group.module))
        before = group
    return chain


def _between(chain: Chain, before: Group, group: Group, bare: bool) -> Chain:
    """Layers without tensors, from the numbers that are missing in between and from the shapes on both sides."""
    missing = 0
    if before.word == group.word and before.number is not None and group.number is not None:
        missing = max(0, group.number - before.number - 1)
    if group.kind not in WEIGHT_KINDS:
        return chain
    if bare:
        chain = chain.with_node("act", {"layer": "ReLU"}, "no activation has tensors in the file: ReLU")
        missing -= 1
    flattened = chain.is_map and group.kind is Kind.LINEAR
    if chain.is_map and missing - flattened > 0:
        chain = chain.with_node(
            "pool", {"layer": "AvgPool2d", "kernel": 2}, "a number is missing in the names: a pool of 2"
        )
    if flattened:
        chain = replace(chain.with_node("flat", {"name": "flat", "layer": "Flatten"}), is_map=False)
    return chain


def _placed(chain: Chain, group: Group, recurrent: Group | None) -> Chain:
    match group.kind:
        case Kind.NORM:
            return _norm(chain, group)
        case Kind.QCFS:
            entry = {**_named(group), "layer": "QCFS", "threshold": group.names["threshold"], "levels": ASKED}
            return chain.with_node("act", entry, "QCFS by the name of its threshold; how many levels is not in the file",
                                   tensors=(group.names["threshold"],))  # fmt: skip
        case Kind.SNNTORCH | Kind.SINABS:
            return _neuron(chain, group, recurrent)
    return _weights(chain, group)


def _named(group: Group) -> dict[str, str]:
    """The module's name, unless it is a number only."""
    last = group.module
    return {} if not last or last.replace(".", "").isdigit() else {"name": last}


def _weights(chain: Chain, group: Group) -> Chain:
    inputs, guesses = group.weight.shape[1], []
    entry: dict[str, Any] = {**_named(group), "layer": group.kind.value, "weight": group.names["weight"]}
    convolution = group.kind in CONVOLUTIONS
    if group.channels_last:
        axes = {Kind.LINEAR: "in_out", Kind.CONV2D: "HWIO", Kind.CONV1D: "WIO"}[group.kind]
        entry["weight"] = {"tensor": group.names["weight"], "layout": axes}
    if group.by_shape:
        guesses.append("inputs first, since only so the sizes fit together")
    behind_map = bool(chain.nodes) and chain.nodes[-1].entry.get("layer") == "Flatten"
    if not convolution and behind_map and chain.channels:
        side = isqrt(inputs // chain.channels)
        if group.channels_last and side * side * chain.channels == inputs:
            entry["weight"]["flatten"] = [side, side, chain.channels]
            guesses.append("a square map, flattened channels last")
        elif inputs % chain.channels:
            guesses.append(f"{inputs} inputs are no multiple of {chain.channels} channels")
    elif chain.channels is not None and inputs != chain.channels:
        if convolution and chain.channels % inputs == 0:
            entry["groups"] = chain.channels // inputs
            guesses.append(f"{chain.channels} channels come in, {inputs} are read: groups")
        else:
            guesses.append(f"{inputs} inputs, but the layer before gives {chain.channels}: another order or a branch")
    if "bias" in group.names:
        entry["bias"] = group.names["bias"]
    if convolution:
        kernel = group.weight.shape[2:]
        padding = [size // 2 if size % 2 else 0 for size in kernel]
        if any(padding):
            entry["padding"] = padding[0] if len(set(padding)) == 1 else padding
        guesses.insert(0, f"stride 1 and padding {entry.get('padding', 0)} are not in the file")
    names = tuple(group.names[role] for role in ("weight", "bias") if role in group.names)
    stem = "conv" if convolution else "fc"
    chain = chain.with_node(stem, entry, "; ".join(guesses), tensors=names)
    return replace(chain, channels=len(group.weight), is_map=convolution, weights=chain.weights + 1)


def _norm(chain: Chain, group: Group) -> Chain:
    roles = ("weight", "bias", "mean", "var")
    missing = [role for role in roles if role not in group.names]
    if missing:
        return chain
    eps = 1e-3 if any(name.endswith(("gamma", "gamma:0")) for name in group.names.values()) else 1e-5
    entry = {**_named(group), "layer": "BatchNorm", **{role: group.names[role] for role in roles}, "eps": eps}
    guess = f"eps {eps:g} is the framework's default and not in the file"
    if chain.channels is not None and chain.channels != group.size:
        guess += f"; {group.size} channels, but the layer before gives {chain.channels}"
    return chain.with_node("bn", entry, guess, tensors=tuple(group.names[role] for role in roles))


def _neuron(chain: Chain, group: Group, recurrent: Group | None) -> Chain:
    """Another simulator's neuron as its preset; with a recurrent Linear an Add before it and an edge back."""
    name = _named(group).get("name") or f"lif{chain.counts.get('lif', 0) + 1}"
    if recurrent is not None and chain.nodes:
        back, names = f"{name}.recurrent", recurrent.names
        entry: dict[str, Any] = {"name": back, "layer": "Linear", "weight": names["weight"]}
        entry |= {"bias": names["bias"]} if "bias" in names else {}
        entry["inputs"] = [{"from": name, "delay": 1}]
        forward = chain.nodes[-1].entry["name"]
        chain = chain.with_node("back", entry, "all-to-all, one step late", tensors=tuple(names.values()))
        chain = chain.with_node("sum", {"name": f"{name}.input", "layer": "Add", "inputs": [forward, back]})
    entry, guess, read = (_snntorch if group.kind is Kind.SNNTORCH else _sinabs)(group)
    taken = tuple(value for value in entry.values() if value in group.names.values())
    return chain.with_node("lif", {"name": name, **entry}, guess, tensors=taken, read=read)


def _snntorch(group: Group) -> tuple[dict[str, Any], str, tuple[str, ...]]:
    names, own = group.names, group.tensors
    two = "alpha" in names
    entry = {"preset": "snntorch.Synaptic>=0.8" if two else "snntorch.Leaky>=0.8"}
    entry |= {"alpha": names["alpha"]} if two else {}
    entry |= {"beta": names["beta"], "threshold": names["threshold"]}
    read = []
    if "reset_mechanism_val" in own:
        which = int(own["reset_mechanism_val"].reshape(-1)[0]) if own["reset_mechanism_val"].size else -1
        entry["reset_mechanism"] = RESETS[which] if 0 <= which < len(RESETS) else ASKED
        read.append(names["reset_mechanism_val"])
    if "graded_spikes_factor" in own:
        if not two:
            entry["graded_spikes_factor"] = names["graded_spikes_factor"]
        elif np.all(own["graded_spikes_factor"] == 1):
            read.append(names["graded_spikes_factor"])
    return entry, "snnTorch 0.8 or newer, reset_delay=True (its default): neither is in the file", tuple(read)


def _sinabs(group: Group) -> tuple[dict[str, Any], str, tuple[str, ...]]:
    names = group.names
    leaky = "tau_mem" in names
    kind = "LIF with tau_syn" if "tau_syn" in names else "LIF" if leaky else "IAF"
    keys = ("tau_mem", "tau_syn", "spike_threshold", "min_v_mem")
    entry = {"preset": f"sinabs.{kind}", **{key: names[key] for key in keys if key in names}}
    more = ", norm_input=True" if leaky else ""
    return entry, f"MultiSpike, MembraneSubtract{more} (sinabs's defaults): none is in the file", ()


def input_shape(groups: Sequence[Group], chain: Chain) -> tuple[list[int] | str, str]:
    """The network's input, and what of it is a guess: features of a Linear, or a square map that ends as the Linear reads it."""
    layers = [group for group in groups if group.kind in WEIGHT_KINDS]
    if not layers:
        return ASKED, ""
    if layers[0].kind is Kind.LINEAR:
        return [layers[0].weight.shape[1]], ""
    convolutions = [group for group in layers if group.kind in CONVOLUTIONS]
    linear = next((group for group in layers if group.kind is Kind.LINEAR), None)
    if linear is None:
        return ASKED, ""
    axes = convolutions[0].weight.ndim - 2
    places = linear.weight.shape[1] // len(convolutions[-1].weight)
    side = isqrt(places) if axes == 2 else places
    if not side or side**axes * len(convolutions[-1].weight) != linear.weight.shape[1]:
        return ASKED, ""
    sizes = [side] * axes
    kernels = {group.names["weight"]: group.weight.shape[2:] for group in convolutions}
    for node in reversed(chain.nodes):
        if node.entry.get("layer") == "AvgPool2d":
            sizes = [size * 2 for size in sizes]
        elif node.tensors and node.tensors[0] in kernels:
            sizes = [
                size + (k - 1 if k % 2 == 0 else 0) for size, k in zip(sizes, kernels[node.tensors[0]], strict=True)
            ]
    shape = [convolutions[0].weight.shape[1], *sizes]
    assert prod(shape) > 0
    return shape, f"{linear.weight.shape[1]} features behind a map of equal sides, sizes kept by padding"
