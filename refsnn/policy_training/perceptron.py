"""The function that is trained: linear, or with one hidden layer of ReLU; as a value, with its gradient, and as a Network."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from refsnn.layers import AvgPool2d, Flatten, Layer, Linear, ReLU
from refsnn.network import Network, Node

Array = np.ndarray[Any, Any]
Parameters = tuple[Array, ...]  # weight [inputs, outputs] and bias [outputs] of each layer in turn, float64


@dataclass(frozen=True, eq=False)
class Features:
    """What the perceptron reads of an image: means over pool x pool pixels, less their mean, over their deviation."""

    pool: int
    mean: Array  # float64[D]
    scale: Array  # float64[D], above 0


def pooled(x: Array, pool: int) -> Array:
    """Means over windows of pool x pool pixels (none for pool = 1), all in a row: float64[N, D]."""
    values = x.astype(np.float64)
    if pool > 1:
        n, channels, height, width = x.shape
        values = values.reshape(n, channels, height // pool, pool, width // pool, pool).mean((3, 5))
    return values.reshape(len(x), -1)


def standardising(values: Array, pool: int) -> Features:
    """Features with mean 0 and deviation 1 on these values; what never changes is left at 0."""
    mean, deviation = values.mean(0), values.std(0)
    # a pixel that is all but constant would come out huge on the first image where it is not
    least = 1e-3 * deviation.max() if deviation.max() > 0 else 1.0
    return Features(pool, mean, np.maximum(deviation, least))


def initial(rng: np.random.Generator, inputs: int, hidden: int, outputs: int) -> Parameters:
    """Hidden weights of variance 2 / inputs; zeros in the last layer: every number of steps is equally likely at first."""
    last = np.zeros((hidden or inputs, outputs)), np.zeros(outputs)
    if not hidden:
        return last
    return rng.normal(0, np.sqrt(2 / inputs), (inputs, hidden)), np.zeros(hidden), *last


def logits(parameters: Parameters, features: Array) -> Array:
    """P(x): float64[N, T]."""
    *hidden, weight, bias = parameters
    if hidden:
        features = np.maximum(features @ hidden[0] + hidden[1], 0)
    return features @ weight + bias


def gradient(parameters: Parameters, features: Array, upstream: Array) -> Parameters:
    """dJ/dparameters, from dJ/dlogits [N, T]; the derivative of ReLU at 0 is taken as 0."""
    *hidden, weight, _ = parameters
    if not hidden:
        return features.T @ upstream, upstream.sum(0)
    active = np.maximum(features @ hidden[0] + hidden[1], 0)
    below = np.where(active > 0, upstream @ weight.T, 0)
    return features.T @ below, below.sum(0), active.T @ upstream, upstream.sum(0)


def as_network(parameters: Parameters, features: Features, input_shape: tuple[int, ...], name: str) -> Network:
    """The same function of the image itself, in float32: W (f - mean) / scale + b = (W / scale) f + (b - W mean / scale)."""
    first = parameters[0] / features.scale[:, None]
    bias = parameters[1] - features.mean @ first
    folded = [(first, bias)] + ([(parameters[2], parameters[3])] if len(parameters) > 2 else [])
    layers: list[tuple[str, Layer]] = []
    if features.pool > 1:
        layers.append(("pool", AvgPool2d(kernel=(features.pool, features.pool))))
    if len(input_shape) > 1:
        layers.append(("flat", Flatten()))
    for i, (weight, offset) in enumerate(folded, 1):
        if i > 1:
            layers.append(("act1", ReLU()))
        layers.append((f"fc{i}", Linear(weight=weight.T.astype(np.float32), bias=offset.astype(np.float32))))
    names = ["input", *(layer_name for layer_name, _ in layers)]
    nodes = (Node(layer_name, layer, (before,)) for (layer_name, layer), before in zip(layers, names, strict=False))
    return Network(name, input_shape, tuple(nodes))
