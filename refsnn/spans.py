"""What is known of every node's values before a run: their size, their error, the grid that they are on."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf, log2, prod
from typing import Any

import numpy as np

from refsnn.layers import (
    QCFS,
    Add,
    AvgPool2d,
    BatchNorm,
    Flatten,
    GlobalAvgPool2d,
    Layer,
    Scale,
    SumPool2d,
    WeightLayer,
)
from refsnn.network import INPUT, Network, Node
from refsnn.neurons import IF, LI, LIF, Neuron
from refsnn.potentials import potentials
from refsnn.rounding import UNKNOWN, Format, Span, finest, grid_of

Array = np.ndarray[Any, Any]
FLOAT64_BITS = Format.of(np.dtype(np.float64)).bits


def spans(
    network: Network,
    x: Array | Span,
    dtype: np.dtype[Any],
    steps: int = 1,
    *,
    rounded: Callable[[Node, Span], Span] = lambda _, span: span,
    highest: float = inf,
) -> dict[str, Span]:
    """Node -> what is known of its output when the input is x; spikes and levels are taken as decided, so they are exact.

    x: the input's values, or what is known of them.
    rounded: what a node's format makes of what it computes; highest: what no potential can be beyond.
    """
    form = Format.of(dtype)
    known = {INPUT: x if isinstance(x, Span) else _span_of(np.asarray(x), form, dtype)}
    for node in network.nodes:  # those first whose size does not depend on what they receive: a cycle needs one of them
        if isinstance(node.layer, Neuron) and (node.layer.max_spikes is not None or highest < inf):
            most = node.layer.max_spikes or highest / float(np.min(node.layer.v_threshold)) + 1
            known[node.name] = _sent(node.layer, most, form, dtype)
    for node in network.nodes:
        if node.name not in known:
            # on a cycle without such a neuron nothing is known: every comparison is in doubt, and decided in fractions
            sources = [known.get(name, UNKNOWN) for name in node.inputs]
            area = prod(network.shapes[node.inputs[0]][1:])
            if isinstance(node.layer, WeightLayer):
                norms = network.memo.of((node.name, "norms"), partial(Norms.of, node.layer))
                computed = _weighted(node.layer, norms, sources[0], form, window_in_front(network, node))
            else:
                computed = _computed(node.layer, sources, area, form, dtype, steps)
            known[node.name] = rounded(node, computed)
    return known


def _span_of(x: Array, form: Format, dtype: np.dtype[Any]) -> Span:
    """An input that the format holds exactly has no error; one that it rounds is off by u of its size."""
    values = np.abs(x.astype(np.float64))
    largest = float(values.max())
    held = bool((x.astype(np.float64) == x.astype(dtype)).all())
    return Span(largest, 0.0 if held else form.u * largest, grid_of(values) if held else None)


def _computed(layer: Layer, sources: list[Span], area: int, form: Format, dtype: np.dtype[Any], steps: int) -> Span:
    """What a layer makes of its inputs; `area` is the number of pixels of the first one."""
    size, error = max(s.size for s in sources), max(s.error for s in sources)
    grid = finest([s.grid for s in sources])
    match layer:
        case AvgPool2d():
            return _mean(sources[0], prod(layer.kernel), form)
        case GlobalAvgPool2d():
            return _mean(sources[0], area, form)
        case SumPool2d():
            area = prod(layer.kernel)
            return form.computed(size * area, error * area, grid, area)
        case Add():
            return form.computed(sum(s.size for s in sources), sum(s.error for s in sources), grid, len(sources))
        case Scale():
            factor = abs(layer.factor)
            finer = None if grid is None else grid + grid_of(np.array(factor))
            return form.computed(size * factor, error * factor, finer, 2)
        case BatchNorm():
            return UNKNOWN  # fold it first; nothing is claimed otherwise
        case IF() | LIF():
            most = potentials(layer, sources[0], steps, dtype).size / float(np.min(layer.v_threshold)) + 1
            return _sent(layer, most, form, dtype)
        case LI():
            reached = potentials(layer, sources[0], steps, dtype)
            return Span(reached.size, max(*reached.errors, reached.last_error), reached.grid)
        case QCFS():
            return _levels(layer, form, dtype)
    return Span(size, error, grid)


def level_error(layer: QCFS, z: Span, dtype: np.dtype[Any]) -> float:
    """Bound on the error of z / threshold * levels + 1/2 as computed: three operations and the threshold's cast."""
    scale = layer.levels / float(np.min(layer.threshold))
    return scale * z.error + 5 * Format.of(dtype).u * (scale * (z.size + z.error) + 1)


def window_in_front(network: Network, node: Node) -> int:
    """Pixels in a window of the pool in front of a weight layer, which then adds each of them; 1 without a pool."""
    before = node
    while before.inputs[0] != INPUT:
        before = network[before.inputs[0]]
        if isinstance(before.layer, AvgPool2d | SumPool2d):
            return prod(before.layer.kernel)
        if isinstance(before.layer, GlobalAvgPool2d):
            return prod(network.shapes[before.inputs[0]][1:])
        if not isinstance(before.layer, Flatten):
            break
    return 1


@dataclass(frozen=True)
class Norms:
    """How large a layer's sums can be for inputs of 1, its biases, and the grids of both."""

    rows: float
    bias: float
    weight_grid: int
    bias_grid: int
    single: bool  # whether float32 holds all of them

    @classmethod
    def of(cls, layer: WeightLayer) -> "Norms":
        weight = np.abs(layer.weight.astype(np.float64))
        bias = np.zeros(1) if layer.bias is None else np.abs(layer.bias.astype(np.float64))
        rows = float(weight.reshape(len(weight), -1).sum(1).max())
        single = all(bool((numbers.astype(np.float32) == numbers).all()) for numbers in (weight, bias))
        return cls(rows, float(bias.max()), grid_of(weight), grid_of(bias), single)


def _weighted(layer: WeightLayer, norms: Norms, source: Span, form: Format, window: int) -> Span:
    grid = None if source.grid is None else max(source.grid + norms.weight_grid, norms.bias_grid)
    if form.bits < FLOAT64_BITS and not norms.single:
        grid = None  # weights are rounded when they are cast
    # each term: the weight's cast, its worth behind a mean, the product, the additions, the bias and its cast
    return form.computed(
        norms.rows * source.size + norms.bias, norms.rows * source.error, grid, layer.fan_in * window + 5
    )


def _mean(source: Span, area: int, form: Format) -> Span:
    total = form.computed(source.size * area, source.error * area, source.grid, area)
    power = log2(area)
    if total.grid is not None and power == int(power):
        return Span(source.size, 0.0, total.grid + int(power))
    return Span(source.size, total.error / area + form.u * (source.size + total.error / area), None)


def _sent(layer: Neuron, most: float, form: Format, dtype: np.dtype[Any]) -> Span:
    """Multiples of the amplitude."""
    amplitude = np.asarray(layer.amplitude, np.float64)
    size = float(np.abs(amplitude).max()) * most
    held = bool((amplitude.astype(dtype).astype(np.float64) == amplitude).all())
    return form.computed(size, 0.0, grid_of(amplitude), 1) if held else Span(size, 3 * form.u * size, None)


def _levels(layer: QCFS, form: Format, dtype: np.dtype[Any]) -> Span:
    """Multiples 0..levels of threshold / levels: what quantised levels are worth."""
    threshold, power = np.asarray(layer.threshold, np.float64), log2(layer.levels)
    size = float(threshold.max())
    if power == int(power) and (threshold.astype(dtype).astype(np.float64) == threshold).all():
        return Span(size, 0.0, grid_of(threshold) + int(power))
    return Span(size, 3 * form.u * size, None)
