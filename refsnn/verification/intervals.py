"""Between which values every node stays for every input of a domain: intervals pushed through the layers."""

from dataclasses import dataclass, replace
from math import inf, prod
from typing import Any

import numpy as np

from refsnn.kernels import kernel
from refsnn.layers import AvgPool2d, GlobalAvgPool2d, Layer, Shape, SumPool2d, WeightLayer
from refsnn.network import INPUT, Network
from refsnn.neurons import IF, spread
from refsnn.rounding import Format

Array = np.ndarray[Any, Any]
FLOAT64 = Format.of(np.dtype(np.float64))


@dataclass(frozen=True, eq=False)
class Interval:
    """What a node can give in any step, number by number: low <= value <= high, arrays of the node's shape."""

    low: Array
    high: Array


def currents(
    network: Network, steps: int, domain: tuple[float, float] | None, edge_delay: int = 0
) -> dict[str, Interval]:
    """Spiking node -> what it can receive in a step, over all inputs in the domain (None: any input), in real numbers.

    Neurons are IF with reset by subtraction. Bounds are computed in float64 and moved outwards by as much as that can be off.
    edge_delay: steps that every spike is on its way, at least; until it arrives there are zeros.
    """
    low, high = (-inf, inf) if domain is None else domain
    known = {INPUT: Interval(*(np.full(network.input_shape, end, np.float64) for end in (low, high)))}
    received = {}
    for node in network.nodes:
        late = [delay > 0 or (edge_delay > 0 and name in network.neurons) for name, delay in node.edges]
        sources = [
            _or_nothing(known[name]) if waits else known[name] for name, waits in zip(node.inputs, late, strict=True)
        ]
        if isinstance(node.layer, IF):
            received[node.name] = sources[0]
            known[node.name] = _sent(node.layer, sources[0], steps)
        elif any(not np.isfinite(bound).all() for source in sources for bound in (source.low, source.high)):
            shape = network.shapes[node.name]  # a product of infinity and 0 says nothing
            known[node.name] = Interval(np.full(shape, -inf), np.full(shape, inf))
        else:
            known[node.name] = _computed(node.layer, sources, network.shapes[node.inputs[0]])
    return received


def _or_nothing(interval: Interval) -> Interval:
    return Interval(np.minimum(interval.low, 0), np.maximum(interval.high, 0))


def _sent(layer: IF, current: Interval, steps: int) -> Interval:
    """0 or the amplitude; always 0 where T times the largest current does not reach the threshold, always a spike where the
    smallest alone does.
    """
    shape = current.low.shape
    theta, v_init, amplitude = (
        np.broadcast_to(np.asarray(spread(value, shape)), shape)
        for value in (layer.v_threshold, layer.v_init, layer.amplitude)
    )
    never = _widened(v_init + steps * np.maximum(current.high, 0), 2, 1) < theta
    always = (current.low >= theta) & (v_init >= 0)
    fewest, most = np.where(always, amplitude, 0.0), np.where(never, 0.0, amplitude)
    return Interval(np.minimum(fewest, most), np.maximum(fewest, most))


def _computed(layer: Layer, sources: list[Interval], shape: Shape) -> Interval:
    if isinstance(layer, WeightLayer):
        return _weighted(layer, sources[0])
    ends = [kernel(layer, "fast")(layer, *(end[None] for end in one)) for one in _ends(sources)]
    low, high = np.minimum(*ends)[0], np.maximum(*ends)[0]  # a Scale may turn them around
    match layer:
        case AvgPool2d() | SumPool2d():
            terms = prod(layer.kernel)
        case GlobalAvgPool2d():
            terms = prod(shape[1:])
        case _:
            terms = len(sources)
    return Interval(_widened(low, terms + 1, -1), _widened(high, terms + 1, 1))


def _ends(sources: list[Interval]) -> tuple[list[Array], list[Array]]:
    return [source.low for source in sources], [source.high for source in sources]


def _weighted(layer: WeightLayer, source: Interval) -> Interval:
    weight = layer.weight.astype(np.float64)
    up, down = (replace(layer, weight=part, bias=None) for part in (np.maximum(weight, 0), np.minimum(weight, 0)))
    bias: Any = 0.0
    if layer.bias is not None:
        bias = spread(layer.bias.astype(np.float64), layer.output_shape(source.low.shape))

    def weigh(part: WeightLayer, x: Array) -> Array:
        return np.asarray(kernel(part, "fast")(part, x[None]))[0]

    low = weigh(up, source.low) + weigh(down, source.high) + bias
    high = weigh(up, source.high) + weigh(down, source.low) + bias
    largest = float(max(np.abs(source.low).max(), np.abs(source.high).max()))
    size = float(np.abs(weight).reshape(len(weight), -1).sum(1).max()) * largest + float(np.abs(bias).max())
    error = FLOAT64.computed(size, 0.0, None, layer.fan_in + 5).error
    return Interval(low - error, high + error)


def _widened(bound: Array, roundings: int, direction: int) -> Array:
    """Moved outwards by what so many roundings of terms no larger than the largest bound can do."""
    finite = np.abs(bound[np.isfinite(bound)])
    error = FLOAT64.computed(float(finite.max(initial=0.0)) * roundings, 0.0, None, roundings).error
    return bound + direction * error
