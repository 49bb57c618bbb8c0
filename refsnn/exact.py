"""Real numbers where floats leave a doubt: single values of a network, computed in fractions from decided spikes.

Weights, inputs and parameters are floats, hence fractions; so is everything that sums, means and thresholds make of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from refsnn.errors import UnsupportedLayerError
from refsnn.kernels import neuron
from refsnn.layers import (
    QCFS,
    Add,
    AvgPool2d,
    Concat,
    Conv1d,
    Conv2d,
    Flatten,
    GlobalAvgPool2d,
    Linear,
    MaxPool2d,
    Scale,
    Shape,
    SumPool2d,
)
from refsnn.network import INPUT, Network, Node
from refsnn.neurons import IF, LIF

Array = np.ndarray[Any, Any]
Index = tuple[int, ...]


@dataclass(frozen=True)
class ExactValues:
    """Exact values of a network's nodes, one number at a time.

    decided: the input's values, and for spiking and QCFS nodes their spikes or levels, [S, N, *shape]; S is 1 where every step
    has the same.
    """

    network: Network
    decided: Mapping[str, Array]
    _known: dict[tuple[str, int, int, Index], Fraction] = field(default_factory=dict)

    def value(self, name: str, t: int, n: int, index: Index) -> Fraction:
        """The real number that node `name` gives at step t (from 0) of sample n at this index of its shape."""
        key = name, t, n, index
        if key not in self._known:
            self._known[key] = self._computed(name, t, n, index)
        return self._known[key]

    def _computed(self, name: str, t: int, n: int, index: Index) -> Fraction:
        if name in self.decided:
            known = self.decided[name]
            found = known[(t if len(known) > 1 else 0, n, *index)]
            return Fraction(float(found)) if name == INPUT else _worth(self.network[name].layer, int(found))
        node = self.network[name]
        shapes = [self.network.shapes[source] for source in node.inputs]
        match node.layer:
            case Linear() | Conv1d() | Conv2d() as layer:
                bias = Fraction(0) if layer.bias is None else Fraction(float(layer.bias[index[0]]))
                terms = _taps(layer, index, shapes[0])
                return sum(
                    (Fraction(float(w)) * self.value(node.inputs[0], t, n, i) for w, i in terms if w), start=bias
                )
            case Flatten():
                return self.value(node.inputs[0], t, n, tuple(int(i) for i in np.unravel_index(index[0], shapes[0])))
            case Add():
                return sum((self.value(source, t, n, index) for source in node.inputs), start=Fraction(0))
            case Scale() as layer:
                return Fraction(layer.factor) * self.value(node.inputs[0], t, n, index)
            case Concat():
                return self._concatenated(node, shapes, t, n, index)
            case AvgPool2d() | SumPool2d() | MaxPool2d() | GlobalAvgPool2d():
                return self._pooled(node, shapes[0], t, n, index)
        raise UnsupportedLayerError(
            f"{name}: {type(node.layer).__name__} has no exact value here; fold BatchNorm first"
        )

    def _concatenated(self, node: Node, shapes: list[Shape], t: int, n: int, index: Index) -> Fraction:
        channel, *rest = index
        for source, shape in zip(node.inputs, shapes, strict=True):
            if channel < shape[0]:
                return self.value(source, t, n, (channel, *rest))
            channel -= shape[0]
        raise IndexError(index)

    def _pooled(self, node: Node, shape: Shape, t: int, n: int, index: Index) -> Fraction:
        pool = node.layer
        windowed = pool.as_pool(shape) if isinstance(pool, GlobalAvgPool2d) else pool
        assert isinstance(windowed, AvgPool2d | SumPool2d | MaxPool2d)
        channel, oy, ox = index
        corners = [o * step - pad for o, step, pad in zip((oy, ox), windowed.strides, windowed.padding, strict=True)]
        values = [
            self.value(node.inputs[0], t, n, (channel, y, x))
            for y in range(corners[0], corners[0] + windowed.kernel[0])
            for x in range(corners[1], corners[1] + windowed.kernel[1])
            if 0 <= y < shape[1] and 0 <= x < shape[2]
        ]
        if isinstance(windowed, MaxPool2d):
            return max(values)
        return sum(values, start=Fraction(0)) / (prod(windowed.kernel) if isinstance(windowed, AvgPool2d) else 1)


def decide(
    values: ExactValues,
    name: str,
    current: Array,
    v: Array,
    spikes: Array,
    potentials: Array,
    errors: list[float],
    *,
    delayed: bool,
) -> None:
    """Corrects, in place, the neurons of which a firing lies within the error of its potential.

    current [S, N, M] and v [N, M] are what the kernel got, spikes and potentials [T, N, M] what it gave; errors[t] bounds the
    error of the charged potential at step t.
    """
    layer, shape = values.network[name].layer, values.network.shapes[name]
    assert isinstance(layer, IF | LIF)
    doubtful = np.zeros(v.shape, np.bool_)
    for t, error in enumerate(errors):
        if error > 0:
            charged = neuron.charged(layer, v if t == 0 else potentials[t - 1], current[t if len(current) > 1 else 0])
            doubtful |= np.abs(charged - layer.v_threshold) <= error
    for n, m in np.argwhere(doubtful):
        index = tuple(int(i) for i in np.unravel_index(m, shape))
        fired, exact = exact_neuron(values, name, int(n), index, len(spikes), delayed=delayed)
        spikes[:, n, m], potentials[:, n, m] = fired, [float(p) for p in exact]


def exact_neuron(
    values: ExactValues, name: str, n: int, index: Index, steps: int, *, delayed: bool
) -> tuple[Array, list[Fraction]]:
    """Spikes bool[T] of one neuron and its potential after each step, in fractions, by the naive kernel's own loop."""
    layer = values.network[name].layer
    assert isinstance(layer, IF | LIF)
    source = values.network[name].inputs[0]
    current = np.array([[[values.value(source, t, n, index)]] for t in range(steps)], object)
    v = np.array([[Fraction(layer.v_init)]], object)
    if delayed:
        v, current = v + current.sum(0), np.array([[[Fraction(0)]]], object)
    spikes, potentials = neuron.naive(layer, current, v, steps)
    return spikes[:, 0, 0], [potentials[t, 0, 0] for t in range(steps)]


def decide_levels(values: ExactValues, name: str, z: Array, levels: Array, error: float) -> None:
    """Corrects, in place, the levels [N, *shape] of the QCFS node of which z lies within the error of an edge."""
    layer = values.network[name].layer
    assert isinstance(layer, QCFS)
    at = z / layer.threshold * layer.levels + 0.5
    edge = np.clip(np.round(at), 1, layer.levels)
    for n, *index in np.argwhere(np.abs(at - edge) <= error) if error > 0 else ():
        exact = values.value(values.network[name].inputs[0], 0, int(n), tuple(int(i) for i in index))
        level = (exact * layer.levels / Fraction(layer.threshold) + Fraction(1, 2)) // 1
        levels[(n, *index)] = max(0, min(layer.levels, int(level)))


def _worth(layer: Any, found: int) -> Fraction:
    """What a spike, or a QCFS level, is worth."""
    if isinstance(layer, QCFS):
        return Fraction(layer.threshold) * found / layer.levels
    return Fraction(layer.amplitude) * found


def _taps(layer: Linear | Conv1d | Conv2d, index: Index, shape: Shape) -> list[tuple[Any, Index]]:
    """(weight, input index) of every connection of one output."""
    if isinstance(layer, Linear):
        return [(layer.weight[index[0], i], (i,)) for i in range(shape[0])]
    if isinstance(layer, Conv1d):
        taps = _taps(layer.as_conv2d, (index[0], 0, index[1]), (shape[0], 1, shape[1]))
        return [(w, (c, x)) for w, (c, _, x) in taps]
    channel, oy, ox = index
    outputs, per_group, tall, wide = layer.weight.shape
    first = channel // (outputs // layer.groups) * per_group
    top, left = oy * layer.stride[0] - layer.padding[0], ox * layer.stride[1] - layer.padding[1]
    return [
        (layer.weight[channel, c, ky, kx], (first + c, top + ky * layer.dilation[0], left + kx * layer.dilation[1]))
        for ky in range(tall)
        for kx in range(wide)
        for c in range(per_group)
        if 0 <= top + ky * layer.dilation[0] < shape[1] and 0 <= left + kx * layer.dilation[1] < shape[2]
    ]
