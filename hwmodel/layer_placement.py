"""Chips whose cores differ and take one layer each: does a network fit, and on which cores."""

from math import ceil, log2, prod
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from hwmodel.cores import LayerCores
from refsnn.errors import CapacityError
from refsnn.trace import Activity, Geometry, NodeActivity

BoolArray = np.ndarray[Any, np.dtype[np.bool_]]
END = "take another chip or a smaller layer"


def kernel_words(geometry: Geometry, *, power_of_two: bool) -> int:
    """Words of kernel memory: c * f * ky * kx, or c * 2^(ceil(log2(ky * kx)) + ceil(log2(f))) where addresses are bit fields."""
    taps = prod(geometry.kernel)
    inputs = geometry.in_channels // geometry.groups
    if not power_of_two:
        return inputs * geometry.out_channels * taps
    return inputs * 2 ** (ceil(log2(taps)) + ceil(log2(geometry.out_channels)))


def as_convolution(node: NodeActivity, activity: Activity) -> Geometry:
    """A layer as such a core sees it: a linear layer is one kernel over the whole map before it."""
    shape = node.geometry
    assert shape is not None
    before = _map_before(node, activity)
    if node.layer != "Linear" or before is None or before.out_channels * prod(before.out_size) != shape.in_channels:
        return shape
    return Geometry(
        in_channels=before.out_channels, out_channels=shape.out_channels, in_size=before.out_size, out_size=(1, 1),
        kernel=before.out_size,
    )  # fmt: skip


def check_layers(activity: Activity, groups: dict[str, str], chip: str, cores: LayerCores) -> dict[str, int]:
    """Weight layer -> its core; a CapacityError names the first layer and limit that stand in the way.

    groups: node -> the neurons behind it, which share their core with the one layer that feeds them.
    """
    layers = [node for node in activity.nodes if node.kind == "weight"]
    start = f"chip {chip!r} cannot hold the network: "
    possible = np.zeros((len(layers), len(cores.weights)), bool)
    for i, node in enumerate(layers):
        possible[i] = _possible_cores(node, activity, cores, start)
    _check_one_kernel(layers, groups, start)
    _check_fan_out(activity, cores, start)
    if len(layers) > len(cores.weights):
        raise CapacityError(
            f"{start}{len(layers)} weight layers need as many cores, it has {len(cores.weights)}; {END}"
        )
    rows, columns = linear_sum_assignment(~possible)
    if not possible[rows, columns].all():
        raise CapacityError(
            f"{start}its layers fit one by one, but not all at once on cores with {_sizes(cores)}; {END}"
        )
    return {layers[i].node: int(core) for i, core in zip(rows, columns, strict=True)}


def _possible_cores(node: NodeActivity, activity: Activity, cores: LayerCores, start: str) -> BoolArray:
    """Whether each core is large enough for the layer; what no core can do is an error."""
    shape = as_convolution(node, activity)
    limits = {
        f"a kernel of {_times(shape.kernel)}, at most {cores.max_kernel}": max(shape.kernel) > cores.max_kernel,
        f"a stride of {_times(shape.stride)}, known are {cores.strides}": not set(shape.stride) <= set(cores.strides),
        f"a map of {_times(shape.in_size)}, at most {_times(cores.max_in)}": _larger(shape.in_size, cores.max_in),
        f"an output of {_times(shape.out_size)}, at most {_times(cores.max_out)}": _larger(shape.out_size, cores.max_out),
        f"{node.n_biases} biases, a core holds {cores.biases}": node.n_biases > cores.biases,
    }  # fmt: skip
    for text, broken in limits.items():
        if broken:
            raise CapacityError(f"{start}{node.node} has {text}; {END}")
    words = kernel_words(shape, power_of_two=cores.power_of_two)
    possible: BoolArray = (np.array(cores.weights) >= words) & (np.array(cores.neurons) >= node.n_neurons)
    if not possible.any():
        raise CapacityError(
            f"{start}{node.node} needs {words} words of kernel memory and {node.n_neurons} potentials on one core; the cores "
            f"have {_sizes(cores)}; {END}"
        )
    return possible


def _check_one_kernel(layers: list[NodeActivity], groups: dict[str, str], start: str) -> None:
    fed: dict[str, str] = {}
    for node in layers:
        group = groups[node.node]
        if group in fed:
            raise CapacityError(
                f"{start}{group} sums the currents of {fed[group]} and {node.node}, but a core has one layer's kernel; take "
                "another chip or a network that sums spikes"
            )
        fed[group] = node.node


def _check_fan_out(activity: Activity, cores: LayerCores, start: str) -> None:
    readers: dict[str, list[str]] = {}
    for node in activity.nodes:
        if node.kind == "weight":
            for name in _senders(node, activity):
                readers.setdefault(name, []).append(node.node)
    for name, found in readers.items():
        if len(found) > cores.fan_out:
            raise CapacityError(
                f"{start}{name} sends to {len(found)} layers, a core to {cores.fan_out}; take another chip or a network with "
                "fewer branches"
            )


def _senders(node: NodeActivity, activity: Activity) -> set[str]:
    """The nodes on other cores that the layer reads: through pools and sums, which stand on the senders' cores."""
    known = {each.node: each for each in activity.nodes}
    found, seen, waiting = set(), {node.node}, list(node.inputs)
    while waiting:
        name = waiting.pop()
        if name in known and name not in seen:
            seen.add(name)
            if known[name].kind in ("reshape", "pool", "norm", "add"):
                waiting += known[name].inputs
            else:
                found.add(name)
    return found


def _map_before(node: NodeActivity, activity: Activity) -> Geometry | None:
    """The shape of the convolution or pool whose map the layer reads, through nodes that leave it as it is."""
    known = {each.node: each for each in activity.nodes}
    name, seen = node.inputs[0], {node.node}
    while name in known and name not in seen:
        seen.add(name)
        if known[name].geometry is not None:
            return known[name].geometry
        name = known[name].inputs[0]
    return None


def _larger(size: tuple[int, int], limit: tuple[int, int]) -> bool:
    return size[0] > limit[0] or size[1] > limit[1]


def _times(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _sizes(cores: LayerCores) -> str:
    return ", ".join(f"{w}/{n}" for w, n in zip(cores.weights, cores.neurons, strict=True))
