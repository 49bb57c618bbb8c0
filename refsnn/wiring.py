"""Who reaches whom: the connections of layers as sparse matrices, and of chains of layers as their products."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from scipy.sparse import csr_array, eye_array

from refsnn.errors import UnsupportedLayerError
from refsnn.kernels.fan_in import as_map, flattened
from refsnn.layers import (
    Concat,
    Conv1d,
    Conv2d,
    GlobalAvgPool2d,
    Layer,
    Linear,
    MaxPool2d,
    Pool,
    Shape,
    WeightLayer,
    kind_of,
)
from refsnn.network import INPUT, Network, Node

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Chain:
    """One way from a sender, a node of neurons or the input, to a node of neurons, over at most one layer of weights."""

    sender: str
    weights: str | None  # the node whose weights it goes over; None: none
    delay: int  # steps
    matrix: csr_array  # [neurons, senders]: 1 where there is a way, whatever the weight


def chains(network: Network, name: str, spiking_delay: int = 0) -> list[Chain]:
    """All chains that end at the node; an edge from neurons takes spiking_delay steps at least."""
    return [
        Chain(sender, weights, delay, (matrix > 0).astype(np.int64))
        for sender, weights, delay, matrix in _ways(network, network[name], spiking_delay)
    ]


Way = tuple[str, str | None, int, csr_array]


def _ways(network: Network, node: Node, spiking_delay: int) -> list[Way]:
    found: list[Way] = []
    for i, (source, delay) in enumerate(node.edges):
        own = _step(network, node, i)
        sends = source == INPUT or kind_of(network[source].layer) in ("neuron", "integrator")
        if sends:
            late = max(delay, spiking_delay) if source in network.neurons else delay
            ways: list[Way] = [
                (source, None, late, eye_array(prod(network.shapes[source]), dtype=np.int64, format="csr"))
            ]
        else:
            ways = [(s, w, d + delay, m) for s, w, d, m in _ways(network, network[source], spiking_delay)]
        for sender, weights, late, matrix in ways:
            if isinstance(node.layer, WeightLayer) and weights is not None:
                raise UnsupportedLayerError(
                    f"{node.name}: weights behind the weights of {weights!r} without neurons between them are no synapses"
                )
            over = node.name if isinstance(node.layer, WeightLayer) else weights
            found.append((sender, over, late, own @ matrix))
    return found


def _step(network: Network, node: Node, i: int) -> csr_array:
    """[outputs, inputs] of one node and one of its inputs."""
    into, out = (prod(network.shapes[name]) for name in (node.inputs[i], node.name))
    if isinstance(node.layer, Concat):
        start = sum(prod(network.shapes[name]) for name in node.inputs[:i])
        block = eye_array(into, dtype=np.int64).tocoo()
        return csr_array((block.data, (block.row + start, block.col)), (out, into))
    if isinstance(node.layer, WeightLayer | Pool):
        return connected(node.layer, network.shapes[node.inputs[i]])
    return eye_array(out, dtype=np.int64, format="csr")


def connected(layer: Layer, shape: Shape) -> csr_array:
    """int64[outputs, inputs] of a weight layer or a pool that adds up: how many ways lead from the one to the other."""
    match layer:
        case Linear():
            return csr_array(np.ones(layer.weight.shape, np.int64))
        case Conv1d():
            return connected(layer.as_conv2d, (shape[0], 1, shape[1]))
        case Conv2d():
            return _convolution(layer, shape)
        case MaxPool2d():
            raise UnsupportedLayerError("MaxPool2d passes on one of its inputs: that is no connection")
    assert isinstance(layer, Pool)
    pixel, pooled = flattened(shape, layer)
    pooled_map = (layer.as_pool(shape) if isinstance(layer, GlobalAvgPool2d) else layer).output_shape(shape)
    return _for_each_channel(pooled, pixel, shape[0], prod(pooled_map[1:]), prod(shape[1:]))


def _for_each_channel(outputs: Array, inputs: Array, channels: int, per_out: int, per_in: int) -> csr_array:
    each = np.arange(channels)[:, None]
    rows, columns = (each * per_out + outputs).ravel(), (each * per_in + inputs).ravel()
    return csr_array((np.ones(len(rows), np.int64), (rows, columns)), (channels * per_out, channels * per_in))


def _convolution(layer: Conv2d, shape: Shape) -> csr_array:
    count, per_group, tall, wide = layer.weight.shape
    channels, height, width = as_map(shape)
    _, rows, columns = layer.output_shape(shape)
    o, c, oy, ox, ky, kx = np.ogrid[:count, :per_group, :rows, :columns, :tall, :wide]
    y = oy * layer.stride[0] - layer.padding[0] + ky * layer.dilation[0]
    x = ox * layer.stride[1] - layer.padding[1] + kx * layer.dilation[1]
    read = ((o // (count // layer.groups) * per_group + c) * height + y) * width + x
    made = np.broadcast_to((o * rows + oy) * columns + ox, read.shape)
    inside = np.broadcast_to((y >= 0) & (y < height) & (x >= 0) & (x < width), read.shape)
    ones = np.ones(int(inside.sum()), np.int64)
    return csr_array((ones, (made[inside], read[inside])), (count * rows * columns, channels * height * width))
