"""lava .net files as networks, integer for integer."""

from typing import Any

import numpy as np

from refsnn.errors import RefSNNError
from refsnn.formats.lava.file import LavaLayer
from refsnn.formats.load_report import Entry, Fate
from refsnn.formats.model_file import Array, ModelFile
from refsnn.formats.refusals import refusal, refuse
from refsnn.layers import Conv2d, Flatten, Layer, Linear
from refsnn.network import INPUT, Network, Node
from refsnn.neurons import LIF, CubaLIF, Firing, Reset
from refsnn.presets import preset

SUPPORTED = "layers input, conv, dense, flatten with neurons LOIHI or CUBA are read"
WEIGHTS = (-256, 254)  # lava-dl clips what is beyond
USED = ("type", "iDecay", "vDecay", "vThMant")
PLAIN = {"refDelay": 1, "wgtExp": 0, "gradedSpike": 0}  # what others would change; netx reads none of them
FLOATS = ("theta", "tauRho", "scaleRho")  # of training: the slope of the surrogate gradient, and vThMant again as theta


def network_of(model: ModelFile, name: str) -> tuple[Network, tuple[Entry, ...]]:
    """The network, and what became of every number of the file. Run it with arithmetic=presets.LOIHI, in lockstep.

    Each layer gives two nodes: layerN (the currents) and layerN.neuron, which is lava's bit-accurate LIF,

        u = u (4096 - iDecay) >> 12 + (a << 6),   v = v (4096 - vDecay) >> 12 + u + (bias << 6),   s = v > vThMant << 6,

    products truncated toward zero, u wrapped and v clipped at 24 bits. The bias goes into a, which is the same number where
    u does not last (iDecay 4096) and is refused where it does. The input is the current of the neurons of layer0, which
    `input_current` makes of a picture.
    Lava itself takes a step on every edge; the traces that lava-dl ships have none, and one dead step before the first.
    """
    layers: tuple[LavaLayer, ...] = model.graph
    nodes: list[Node] = []
    entries: list[Entry] = []
    if not layers or layers[0].type != "input":
        refuse("unsupported-node", model.path, "layer/0", "the first layer is no input layer, so its shape is unknown",
               SUPPORTED)  # fmt: skip
    for index, layer in enumerate(layers):
        before = nodes[-1].name if nodes else INPUT
        short = f"layer{index}"
        if layer.type == "flatten":
            nodes.append(Node(short, Flatten(), (before,)))
            continue
        if layer.type == "input" and index == 0:
            neuron = _input_neuron(model, layer)
        elif layer.type in ("conv", "dense"):
            nodes.append(Node(short, _weights(model, layer), (before,)))
            before, neuron = short, _neuron(model, layer)
        else:
            refuse("unsupported-node", model.path, layer.name, f"a layer of type {layer.type!r}", SUPPORTED)
        nodes.append(Node(f"{short}.neuron", neuron, (before,)))
        entries += _entries(model, layer, short)
    try:
        network = Network(name, _shape(model, layers[0]), tuple(nodes))
    except RefSNNError as error:
        raise refusal("damaged", model.path, "", f"its layers do not fit: {error}", "export it again") from error
    for index, layer in enumerate(layers):
        _check_shape(
            model, layer, network.shapes[f"layer{index}" if layer.type == "flatten" else f"layer{index}.neuron"]
        )
    return network, tuple(entries)


def input_current(model: ModelFile, picture: Array) -> Array:
    """What drives the network: 2 weight x - weight + bias, truncated toward zero, of pictures x [..., C, H, W] in 0 to 1.

    weight, bias: of the input layer, 64 and 0 where it has none. lava-dl, netx.hdf5.Network.create_input.
    """
    weight, bias = (
        model.tensors.get(f"layer/0/{part}", np.full(1, usual)).reshape(-1)[0]
        for part, usual in (("weight", 64), ("bias", 0))
    )
    return np.trunc(2 * int(weight) * picture - int(weight) + int(bias))


def _neuron(model: ModelFile, layer: LavaLayer) -> CubaLIF:
    told = _parameters(model, layer)
    bias = model.tensors.get(f"{layer.name}/bias")
    if bias is not None and bias.any() and told["iDecay"] != 4096:
        refuse("unsupported-node", model.path, layer.name,
               f"a bias beside a current that lasts (iDecay {told['iDecay']}); no neuron of ours adds it behind the synapse",
               "train it with current_decay=1, or without bias")  # fmt: skip
    made = preset("lava.LIF fixed", du=told["iDecay"] - 1, dv=told["vDecay"], vth=told["vThMant"])
    assert isinstance(made, CubaLIF)
    return made


def _input_neuron(model: ModelFile, layer: LavaLayer) -> LIF:
    """The same without synapse: what comes in is added to the potential as a bias."""
    told = _parameters(model, layer)
    return LIF(
        decay=(4096 - told["vDecay"]) / 4096, gain=64.0, v_threshold=float(told["vThMant"] << 6), reset=Reset.TO_VALUE,
        firing=Firing.ABOVE_THRESHOLD,
    )  # fmt: skip


def _parameters(model: ModelFile, layer: LavaLayer) -> dict[str, int]:
    """The neuron's whole numbers; a LoadError for another neuron, a refractory time, a weight exponent or graded spikes."""
    told = layer.neuron
    place = f"{layer.name}/neuron"
    if told.get("type") not in ("LOIHI", "CUBA"):
        refuse("unsupported-node", model.path, place, f"a neuron of type {told.get('type')!r}", SUPPORTED)
    for name, plain in PLAIN.items():
        if told.get(name, plain) != plain:
            refuse("unsupported-node", model.path, f"{place}/{name}",
                   f"is {told[name]!r}; lava-dl's netx reads {plain} only (and passes over the rest)",
                   f"export it with {name} {plain}")  # fmt: skip
    found: dict[str, int] = {}
    for name, low, high in (("iDecay", 0, 4096), ("vDecay", 0, 4096), ("vThMant", 1, (1 << 17) - 1)):
        value = told.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            refuse("damaged", model.path, f"{place}/{name}", f"expected a whole number from {low} to {high}, got {value!r}",
                   "export it again with lava-dl")  # fmt: skip
        found[name] = value
    return found


def _weights(model: ModelFile, layer: LavaLayer) -> Layer:
    if f"{layer.name}/delay" in model.tensors:
        refuse("unsupported-node", model.path, f"{layer.name}/delay", "delays of single synapses", SUPPORTED)
    weight, bias = _whole(model, f"{layer.name}/weight", *WEIGHTS), None
    if f"{layer.name}/bias" in model.tensors:
        bias = _whole(model, f"{layer.name}/bias", -(1 << 16), (1 << 16) - 1).reshape(-1)
    try:
        if layer.type == "dense":
            count = int(np.prod(_shape(model, layer)))
            return Linear(weight=weight.reshape(count, -1), bias=bias)
        given = {name: _pair(layer.settings[name]) for name in ("stride", "padding", "dilation")}
        groups = layer.settings.get("groups", 1)
        return Conv2d(weight=weight.reshape(weight.shape[:4]), bias=bias, groups=groups, **given)
    except (ValueError, TypeError, KeyError) as error:
        raise refusal(
            "damaged", model.path, layer.name, f"no {layer.type} layer: {error}", "export it again"
        ) from error


def _pair(value: Any) -> Any:
    return value if isinstance(value, int) else tuple(value)


def _whole(model: ModelFile, place: str, low: int, high: int) -> Array:
    """The tensor as float32, or a LoadError where it is missing or not made of whole numbers in this range."""
    value = model.tensors.get(place)
    if value is None or value.dtype.kind not in "fiu" or not value.size:
        refuse("damaged", model.path, place, "is missing, empty or no numbers", "export it again with lava-dl")
    wrong = ~((value >= low) & (value <= high) & (value == np.trunc(value)))
    if wrong.any():
        refuse("unsupported-type", model.path, place,
               f"holds {float(value[wrong][0])!r}; Loihi's weights and biases are whole numbers from {low} to {high}",
               "export it quantised, as lava-dl's export_hdf5 does")  # fmt: skip
    return value.astype(np.float32)


def _shape(model: ModelFile, layer: LavaLayer) -> tuple[int, ...]:
    """The stored shape, channels first."""
    value = layer.settings.get("shape")
    shape = (value,) if isinstance(value, int) else value
    if not isinstance(shape, tuple) or not shape or not all(isinstance(n, int) and 0 < n < 1 << 31 for n in shape):
        refuse(
            "damaged", model.path, f"{layer.name}/shape", f"expected whole numbers, got {value!r}", "export it again"
        )
    return shape


def _check_shape(model: ModelFile, layer: LavaLayer, found: tuple[int, ...]) -> None:
    if layer.type != "flatten" and "shape" in layer.settings and int(np.prod(_shape(model, layer))) != np.prod(found):
        refuse("damaged", model.path, f"{layer.name}/shape",
               f"says {list(_shape(model, layer))}, but the layer gives {list(found)}", "export it again")  # fmt: skip


def _entries(model: ModelFile, layer: LavaLayer, short: str) -> list[Entry]:
    found = []
    for part in ("weight", "bias"):
        tensor = model.tensors.get(f"{layer.name}/{part}")
        if tensor is not None:
            what = f"{short}.{part}"
            if layer.type == "input":
                what = f"the input: input_current(model, picture) has it as {part}"
            found.append(Entry(Fate.MAPPED, f"{layer.name}/{part}", what, tensor.shape, str(tensor.dtype)))
    for part in layer.neuron:
        used = part in USED or part in PLAIN
        what = (
            f"{short}.neuron" if used else "of training only" if part in FLOATS else "lava-dl's netx does not read it"
        )
        found.append(Entry(Fate.MAPPED if used else Fate.IGNORED, f"{layer.name}/neuron/{part}", what))
    return found
