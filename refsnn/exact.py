"""Real numbers where floats leave a doubt: single values of a network, computed in fractions from decided spikes.

Weights, inputs and parameters are floats, hence fractions; so is everything that sums, means and thresholds make of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from refsnn import dynamics
from refsnn.errors import UnsupportedLayerError
from refsnn.kernels import general
from refsnn.kernels.bits import Bits
from refsnn.kernels.general import Fired
from refsnn.kernels.state import at_rest
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
    MaxMode,
    MaxPool2d,
    ReLU,
    Scale,
    Shape,
    SumPool2d,
)
from refsnn.network import INPUT, Network, Node
from refsnn.neurons import LI, Leak, Neuron, one_of, spread
from refsnn.schedules import Fire

Array = np.ndarray[Any, Any]
Index = tuple[int, ...]
EPS = 2.0**-52


@dataclass(frozen=True)
class ExactValues:
    """Exact values of a network's nodes, one number at a time.

    decided: the input's values; for spiking and QCFS nodes their spikes or levels; [S, N, *shape], S is 1 where every step has
    the same.
    edge_delay: steps that every spike is on its way, at least.
    """

    network: Network
    decided: Mapping[str, Array | Bits]
    edge_delay: int = 0
    _known: dict[tuple[str, int, int, Index], Fraction] = field(default_factory=dict)

    def value(self, name: str, t: int, n: int, index: Index) -> Fraction:
        """The real number that node `name` gives at step t (from 0) of sample n at this index of its shape."""
        key = name, t, n, index
        if key not in self._known:
            self._known[key] = self._computed(name, t, n, index)
        return self._known[key]

    def arriving(self, node: Node, i: int, t: int, n: int, index: Index) -> Fraction:
        """What input i of the node brings at step t: what was sent as many steps before as it is on its way."""
        spiking = isinstance(self.network[node.inputs[i]].layer, Neuron) if node.inputs[i] != INPUT else False
        sent = t - (max(node.delays[i], self.edge_delay) if spiking else node.delays[i])
        return self.value(node.inputs[i], sent, n, index) if sent >= 0 else Fraction(0)

    def _computed(self, name: str, t: int, n: int, index: Index) -> Fraction:
        if name in self.decided:
            known = self.decided[name]
            found = known[(t if len(known) > 1 else 0, n, *index)]
            if name == INPUT:
                return Fraction(float(found))
            return _worth(self.network[name].layer, int(found), index, self.network.shapes[name])
        node = self.network[name]
        shapes = [self.network.shapes[source] for source in node.inputs]
        match node.layer:
            case Linear() | Conv1d() | Conv2d() as layer:
                bias = Fraction(0) if layer.bias is None else Fraction(float(layer.bias[index[0]]))
                terms = taps(layer, index, shapes[0])
                return sum((Fraction(float(w)) * self.arriving(node, 0, t, n, i) for w, i in terms if w), start=bias)
            case Flatten():
                return self.arriving(node, 0, t, n, tuple(int(i) for i in np.unravel_index(index[0], shapes[0])))
            case Add():
                return sum((self.arriving(node, i, t, n, index) for i in range(len(node.inputs))), start=Fraction(0))
            case Scale() as layer:
                return Fraction(layer.factor) * self.arriving(node, 0, t, n, index)
            case ReLU():
                return max(self.arriving(node, 0, t, n, index), Fraction(0))
            case LI() as layer:
                return self._integrated(node, layer, t, n, index)
            case Concat():
                return self._concatenated(node, shapes, t, n, index)
            case AvgPool2d() | SumPool2d() | MaxPool2d() | GlobalAvgPool2d():
                return self._pooled(node, shapes[0], t, n, index)
        raise UnsupportedLayerError(
            f"{name}: {type(node.layer).__name__} has no exact value here; fold BatchNorm first"
        )

    def _integrated(self, node: Node, layer: LI, t: int, n: int, index: Index) -> Fraction:
        one = one_of(layer, index, self.network.shapes[node.name])
        decay, gain, leak, v = (Fraction(value) for value in (one.decay, one.gain, one.v_leak, one.v_init))
        if layer.leak is Leak.TOWARDS:
            decay = 1 - gain  # the field is rounded
        before = self.value(node.name, t - 1, n, index) if t else v
        return dynamics.leak_and_integrate(before, self.arriving(node, 0, t, n, index), decay, gain, leak)

    def _concatenated(self, node: Node, shapes: list[Shape], t: int, n: int, index: Index) -> Fraction:
        channel, *rest = index
        for i, shape in enumerate(shapes):
            if channel < shape[0]:
                return self.arriving(node, i, t, n, (channel, *rest))
            channel -= shape[0]
        raise IndexError(index)

    def _pooled(self, node: Node, shape: Shape, t: int, n: int, index: Index) -> Fraction:
        pool = node.layer
        windowed = pool.as_pool(shape) if isinstance(pool, GlobalAvgPool2d) else pool
        assert isinstance(windowed, AvgPool2d | SumPool2d | MaxPool2d)
        inputs = windowed.window(index, shape)
        values = [self.arriving(node, 0, t, n, i) for i in inputs]
        if isinstance(windowed, MaxPool2d):
            return (
                max(values)
                if windowed.mode is MaxMode.OR
                else self._followed(node, windowed.mode, t, n, inputs, values)
            )
        return sum(values, start=Fraction(0)) / (prod(windowed.kernel) if isinstance(windowed, AvgPool2d) else 1)

    def _followed(
        self, node: Node, mode: MaxMode, t: int, n: int, inputs: Sequence[Index], values: list[Fraction]
    ) -> Fraction:
        """What a pool that follows spike counts gives at step t, from the spikes of all steps so far."""
        before = [sum(self.arriving(node, 0, earlier, n, i) != 0 for earlier in range(t)) for i in inputs]
        counts = [count + (value != 0) for count, value in zip(before, values, strict=True)]
        leaders = [value for value, count in zip(values, counts, strict=True) if count == max(counts)]
        if mode is MaxMode.LEADER:
            return leaders[0]
        return (
            next((value for value in leaders if value != 0), Fraction(0)) if max(counts) > max(before) else Fraction(0)
        )


def decide(
    values: ExactValues,
    layer: Neuron,
    name: str,
    fire: Fire,
    fired: Fired,
    errors: list[float],
    first: int,
) -> Fired:
    """What the kernel gave for some steps from step `first` on, with every firing decided as in real numbers.

    errors[t] bounds the error of the potential that was compared. A neuron of which one lies within it of a place where
    the number of spikes changes is computed again in fractions, from its first step on. Where real numbers fire otherwise
    than the floats did, the potentials are the floats next to the real ones from that step on; everywhere else they stay, so
    that they do not depend on how wide the bound was.
    """
    shape, steps = values.network.shapes[name], len(fired.spikes)
    doubtful = np.zeros(fired.v.shape[1:], np.bool_)
    half = np.broadcast_to(np.ravel(layer.v_threshold) / 2, fired.v.shape[2:])
    for compared, error in zip(fired.compared, errors, strict=True):
        if error > 0 or layer.max_spikes != 1:
            doubtful |= _near_an_edge(layer, compared, error)
    for n, m in np.argwhere(doubtful):
        index = tuple(int(i) for i in np.unravel_index(m, shape))
        exact = exact_neuron(values, name, int(n), index, first + steps, fire)
        train = exact.spikes[first:, 0, 0]
        v = np.array([float(v) for v in exact.v[first:, 0, 0]])
        # a spike that a schedule keeps inside, or a start that it moves, shows in the potential alone: there it is a threshold
        moved = np.abs(v - fired.v[:, n, m]) > half[m]
        differs = np.flatnonzero((train != fired.spikes[:, n, m]) | moved)
        if len(differs):
            fired.spikes[:, n, m] = train
            fired.v[differs[0] :, n, m] = v[differs[0] :]
            for array, value in zip(fired.state, exact.state, strict=True):
                array[n, m] = float(value[0, 0])
    return fired


def _near_an_edge(layer: Neuron, compared: Array, error: float) -> Array:
    """Where the potential is so near to a place where the number of spikes changes that the error could decide."""
    # the division that counts multiples is rounded too
    division: Any = 0.0 if layer.max_spikes == 1 else 4 * EPS * np.abs(compared)
    return edge_distance(layer, compared) <= error + division


def edge_distance(layer: Neuron, compared: Array) -> Array:
    """How far a potential is from where the number of spikes changes: multiples of the threshold, the negative threshold."""
    theta = np.ravel(layer.v_threshold)
    multiple = 1 if layer.max_spikes == 1 else np.clip(np.round(compared / theta), 1, layer.max_spikes)
    distance: Array = np.abs(compared - multiple * theta)
    if layer.v_negative is not None:
        distance = np.minimum(distance, np.abs(compared - np.ravel(layer.v_negative)))
    return distance


def exact_neuron(values: ExactValues, name: str, n: int, index: Index, steps: int, fire: Fire) -> Fired:
    """What one neuron does in its first steps, in fractions, by the naive kernel's own loop."""
    node = values.network[name]
    assert isinstance(node.layer, Neuron)
    layer = one_of(node.layer, index, values.network.shapes[name])
    current = np.array([[[values.arriving(node, 0, t, n, index)]] for t in range(steps)], object)
    return fire(general.naive, layer, current, at_rest(layer, 1, 1, np.dtype(object)), steps)


def decide_levels(values: ExactValues, name: str, z: Array, levels: Array, error: float) -> None:
    """Corrects, in place, the levels [N, *shape] of the QCFS node of which z lies within the error of an edge."""
    layer = values.network[name].layer
    assert isinstance(layer, QCFS)
    shape = z.shape[1:]
    threshold = np.broadcast_to(np.asarray(spread(layer.threshold, shape)), shape)
    at = z / threshold * layer.levels + 0.5
    edge = np.clip(np.round(at), 1, layer.levels)
    for n, *place in np.argwhere(np.abs(at - edge) <= error) if error > 0 else ():
        index = tuple(int(i) for i in place)
        exact = values.value(values.network[name].inputs[0], 0, int(n), index)
        level = (exact * layer.levels / Fraction(float(threshold[index])) + Fraction(1, 2)) // 1
        levels[(n, *index)] = max(0, min(layer.levels, int(level)))


def _worth(layer: Any, found: int, index: Index, shape: Shape) -> Fraction:
    """What so many spikes, or a QCFS level, are worth."""

    def here(value: Any) -> Fraction:
        chosen = spread(value, shape)
        return Fraction(float(chosen[index] if isinstance(chosen, np.ndarray) else chosen))

    if isinstance(layer, QCFS):
        return here(layer.threshold) * found / layer.levels
    return here(layer.amplitude) * found


def taps(layer: Linear | Conv1d | Conv2d, index: Index, shape: Shape) -> list[tuple[Any, Index]]:
    """(weight, input index) of every connection of one output."""
    if isinstance(layer, Linear):
        return [(layer.weight[index[0], i], (i,)) for i in range(shape[0])]
    if isinstance(layer, Conv1d):
        flat = taps(layer.as_conv2d, (index[0], 0, index[1]), (shape[0], 1, shape[1]))
        return [(w, (c, x)) for w, (c, _, x) in flat]
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
