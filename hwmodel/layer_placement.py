"""Chips whose cores differ and take one layer each: does a network fit, and on which cores."""

from math import ceil, log2, prod

import numpy as np
from scipy.optimize import linear_sum_assignment

from hwmodel.cores import LayerCores
from refsnn.errors import CapacityError
from refsnn.trace import Activity, Geometry, NodeActivity


def kernel_words(geometry: Geometry, *, power_of_two: bool) -> int:
    """Words of kernel memory: c * f * ky * kx, or c * 2^(ceil(log2(ky * kx)) + ceil(log2(f))) where addresses are bit fields."""
    taps = prod(geometry.kernel)
    inputs = geometry.in_channels // geometry.groups
    if not power_of_two:
        return inputs * geometry.out_channels * taps
    return inputs * 2 ** (ceil(log2(taps)) + ceil(log2(geometry.out_channels)))


def as_convolution(node: NodeActivity, activity: Activity) -> Geometry:
    """A layer as such a core sees it: a linear layer is one kernel over the whole map before it."""
    geometry = node.geometry
    assert geometry is not None
    before = {each.node: each for each in activity.nodes}
    source = before.get(node.inputs[0])
    while source is not None and source.kind in ("reshape", "pool", "neuron") and source.geometry is None:
        source = before.get(source.inputs[0])
    if geometry.in_size != (1, 1) or source is None or source.geometry is None:
        return geometry
    size, channels = source.geometry.out_size, source.geometry.out_channels
    if channels * prod(size) != geometry.in_channels:
        return geometry
    return Geometry(
        in_channels=channels, out_channels=geometry.out_channels, in_size=size, out_size=(1, 1), kernel=size
    )  # fmt: skip


def check_layers(activity: Activity, groups: dict[str, str], chip: str, cores: LayerCores) -> dict[str, int]:
    """Weight layer -> its core; a CapacityError names the first layer and limit that stand in the way."""
    layers = [node for node in activity.nodes if node.kind == "weight"]
    start, end = f"chip {chip!r} cannot hold the network: ", "take another chip or a smaller layer"
    possible = np.zeros((len(layers), len(cores.weights)), bool)
    for i, node in enumerate(layers):
        shape = as_convolution(node, activity)
        words, neurons = kernel_words(shape, power_of_two=cores.power_of_two), node.n_neurons
        limits = {
            f"a kernel of {shape.kernel[0]} x {shape.kernel[1]}, at most {cores.max_kernel}": max(shape.kernel)
            > cores.max_kernel,
            f"a stride of {shape.stride[0]} x {shape.stride[1]}, known are {cores.strides}":
                not set(shape.stride) <= set(cores.strides),
            f"a map of {shape.in_size[0]} x {shape.in_size[1]}, at most {cores.max_in[0]} x {cores.max_in[1]}":
                shape.in_size[0] > cores.max_in[0] or shape.in_size[1] > cores.max_in[1],
            f"an output of {shape.out_size[0]} x {shape.out_size[1]}, at most {cores.max_out[0]} x {cores.max_out[1]}":
                shape.out_size[0] > cores.max_out[0] or shape.out_size[1] > cores.max_out[1],
            f"{node.n_biases} biases, a core holds {cores.biases}": node.n_biases > cores.biases,
        }  # fmt: skip
        for text, broken in limits.items():
            if broken:
                raise CapacityError(f"{start}{node.node} has {text}; {end}")
        possible[i] = (np.array(cores.weights) >= words) & (np.array(cores.neurons) >= neurons)
        if not possible[i].any():
            raise CapacityError(
                f"{start}{node.node} needs {words} words of kernel memory and {neurons} potentials on one core; the cores have "
                f"{_pairs(cores)}; {end}"
            )
    _check_fan_out(activity, groups, chip, cores)
    if len(layers) > len(cores.weights):
        raise CapacityError(
            f"{start}{len(layers)} weight layers need as many cores, it has {len(cores.weights)}; {end}"
        )
    rows, columns = linear_sum_assignment(~possible)
    if not possible[rows, columns].all():
        raise CapacityError(
            f"{start}its layers fit one by one, but not all at once on cores with {_pairs(cores)}; {end}"
        )
    return {layers[i].node: int(core) for i, core in zip(rows, columns, strict=True)}


def _check_fan_out(activity: Activity, groups: dict[str, str], chip: str, cores: LayerCores) -> None:
    known = {node.node: node for node in activity.nodes}
    readers: dict[str, set[str]] = {}
    for node in activity.nodes:
        if node.kind != "weight":
            continue
        source = known.get(node.inputs[0])
        while source is not None and source.kind in ("reshape", "pool"):
            source = known.get(source.inputs[0])
        if source is not None:
            readers.setdefault(source.node, set()).add(node.node)
    for name, found in readers.items():
        if len(found) > cores.fan_out:
            raise CapacityError(
                f"chip {chip!r} cannot hold the network: {name} sends to {len(found)} layers, a core to {cores.fan_out}; take "
                "another chip or a network with fewer branches"
            )


def _pairs(cores: LayerCores) -> str:
    return ", ".join(f"{w}/{n}" for w, n in zip(cores.weights, cores.neurons, strict=True))
