"""How far a float computation can be from real numbers: rigorous and static, one bound per node.

Two facts carry it. With unit roundoff u, an ordered sum of k products is off by at most g(k) * sum |w||x|, g(k) = k*u / (1 - k*u)
(Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., Section 3.1). And where all terms are multiples of 2^-s
and sum |w||x| * 2^s is below 2^p, p the bits of a significand, no partial sum is rounded at all: the error is 0 in any order.
"""

from dataclasses import dataclass
from math import frexp, log2, prod
from typing import Any

import numpy as np

from refsnn.layers import (
    QCFS,
    Add,
    AvgPool2d,
    BatchNorm,
    Concat,
    Conv1d,
    Conv2d,
    GlobalAvgPool2d,
    Linear,
    Scale,
    SumPool2d,
    WeightLayer,
)
from refsnn.network import INPUT, Network
from refsnn.neurons import IF, LIF, Reset

Array = np.ndarray[Any, Any]
MARGIN = 1 + 2.0**-20  # sizes are computed in floats too; their own roundings are far smaller than this


@dataclass(frozen=True)
class Span:
    """What is known of a node's values: |value| <= size, |computed - real| <= error, multiples of 2^-grid (None: of nothing)."""

    size: float
    error: float
    grid: int | None


@dataclass(frozen=True)
class Format:
    """A float format: unit roundoff, bits of the significand, and the smallest number, 2^-finest."""

    u: float
    bits: int
    finest: int

    @classmethod
    def of(cls, dtype: np.dtype[Any]) -> "Format":
        info = np.finfo(dtype)
        return cls(float(info.eps) / 2, info.nmant + 1, info.nmant - int(info.minexp))

    def computed(self, size: float, error: float, grid: int | None, roundings: int) -> Span:
        """A result of at most `size` whose operands bring in `error`, after so many roundings; exact where the grid says so."""
        reach = size * MARGIN
        # reach < 2^exponent, so below the significand's on this grid; and the grid is no finer than the format
        if grid is not None and not error and frexp(reach)[1] + grid <= self.bits and grid <= self.finest:
            return Span(size, 0.0, grid)
        total = reach + error
        relative = roundings * self.u / (1 - roundings * self.u)
        return Span(size, MARGIN * (error + relative * total) + roundings * 2.0**-self.finest, None)  # last: underflow


def spans(network: Network, x: Array, dtype: np.dtype[Any]) -> dict[str, Span]:
    """Node -> what is known of its output when the input is x; spikes and levels are taken as decided, so they are exact."""
    form = Format.of(dtype)
    values = np.abs(np.asarray(x, np.float64))
    largest = float(values.max())
    # an input that the format holds exactly; one that it rounds is off by u of its size
    held = bool((np.asarray(x, np.float64) == np.asarray(x).astype(dtype)).all())
    known = {INPUT: Span(largest, 0.0 if held else form.u * largest, grid_of(values) if held else None)}
    for node in network.nodes:
        sources = [known[name] for name in node.inputs]
        size, error = max(s.size for s in sources), max(s.error for s in sources)
        grid = _finest([s.grid for s in sources])
        match node.layer:
            case Linear() | Conv1d() | Conv2d() as layer:
                known[node.name] = _weighted(layer, sources[0], form)
            case AvgPool2d() as layer:
                known[node.name] = _mean(sources[0], prod(layer.kernel), form)
            case GlobalAvgPool2d():
                known[node.name] = _mean(sources[0], prod(network.shapes[node.inputs[0]][1:]), form)
            case SumPool2d() as layer:
                area = prod(layer.kernel)
                known[node.name] = form.computed(size * area, error * area, grid, area)
            case Add():
                known[node.name] = form.computed(
                    sum(s.size for s in sources), sum(s.error for s in sources), grid, len(sources)
                )
            case Scale() as layer:
                factor = abs(layer.factor)
                finer = None if grid is None else grid + grid_of(np.array(factor))
                known[node.name] = form.computed(size * factor, error * factor, finer, 2)
            case BatchNorm():
                known[node.name] = Span(float("inf"), float("inf"), None)  # fold it first; nothing is claimed otherwise
            case IF() | LIF() as layer:
                known[node.name] = _constant(layer.amplitude, form, dtype, 1)
            case QCFS() as layer:
                known[node.name] = _constant(layer.threshold, form, dtype, layer.levels)
            case Concat() | _:
                known[node.name] = Span(size, error, grid)
    return known


def potential_errors(layer: IF | LIF, current: Span, steps: int, dtype: np.dtype[Any]) -> tuple[list[float], float]:
    """Bounds on the error of the charged potential at each step, and of the potential after the last reset.

    They hold as long as every firing before was decided right.
    """
    form = Format.of(dtype)
    decay, gain, leak = (layer.decay, layer.gain, layer.v_leak) if isinstance(layer, LIF) else (1.0, 1.0, 0.0)
    constants = [layer.v_threshold, layer.v_init, leak, layer.v_reset]
    exact_constants = all(float(dtype.type(value)) == value for value in [*constants, decay, gain])
    grid = _finest([current.grid, *(grid_of(np.array(value)) for value in constants)]) if exact_constants else None
    size = abs(layer.v_init)
    error = 0.0 if exact_constants else form.u * size
    errors = []
    for _ in range(steps):
        if isinstance(layer, LIF):
            grid = None if grid is None else max(grid + grid_of(np.array(decay)), grid + grid_of(np.array(gain)), grid)
        size = abs(leak) + abs(decay) * (size + abs(leak)) + abs(gain) * current.size
        # up to five operations and the casts of three constants; an IF neuron has one addition
        span = form.computed(
            size, abs(decay) * error + abs(gain) * current.error, grid, 8 if isinstance(layer, LIF) else 1
        )
        errors.append(span.error if exact_constants else span.error + form.u * layer.v_threshold)
        size = max(size + (layer.v_threshold if layer.reset is Reset.SUBTRACT else 0.0), abs(layer.v_reset))
        after = form.computed(size, span.error, span.grid, 2)  # the subtraction, the threshold's cast
        error, grid = after.error, after.grid
    return errors, error


def delayed_errors(layer: IF, current: Span, steps: int, dtype: np.dtype[Any]) -> list[float]:
    """As potential_errors, for integrate_then_fire: the sum of all currents first, then up to `steps` subtractions."""
    _, error = potential_errors(layer, current, steps, dtype)
    size = abs(layer.v_init) + steps * (current.size + layer.v_threshold)
    return [error + (0.0 if error == 0 else 2 * steps * Format.of(dtype).u * size)] * steps


def charge_error(layer: IF, current: Span, steps: int, dtype: np.dtype[Any]) -> float:
    """Bound on the error of Q = v + v_threshold * n after `steps` steps, computed in float64 from v and n."""
    _, error = potential_errors(layer, current, steps, dtype)
    size = abs(layer.v_init) + steps * (current.size + layer.v_threshold)
    # the threshold's cast; v + v_threshold * n, and its distance to a multiple of v_threshold: five operations
    return error + (0.0 if error == 0 else 6 * Format.of(dtype).u * size)


def level_error(layer: QCFS, z: Span, dtype: np.dtype[Any]) -> float:
    """Bound on the error of z / threshold * levels + 1/2 as computed: three operations and the threshold's cast."""
    scale = layer.levels / layer.threshold
    return scale * z.error + 5 * Format.of(dtype).u * (scale * (z.size + z.error) + 1)


def grid_of(values: Array) -> int:
    """The smallest s for which all values are multiples of 2^-s."""
    mantissa, exponent = np.frexp(np.asarray(values, np.float64).ravel())
    whole = np.abs(np.ldexp(mantissa, 53)).astype(np.int64)
    present = whole != 0
    if not present.any():
        return 0
    lowest_bit = np.log2((whole & -whole)[present]).astype(np.int64)
    return int((53 - exponent[present] - lowest_bit).max())


def _finest(grids: list[int | None]) -> int | None:
    known = [grid for grid in grids if grid is not None]
    return max(known) if len(known) == len(grids) else None


def _weighted(layer: WeightLayer, source: Span, form: Format) -> Span:
    weight = np.abs(layer.weight.astype(np.float64))
    bias = np.zeros(1) if layer.bias is None else np.abs(layer.bias.astype(np.float64))
    rows = float(weight.reshape(len(weight), -1).sum(1).max())
    grid = None if source.grid is None else max(source.grid + grid_of(weight), grid_of(bias))
    if float(np.finfo(np.float64).eps) / 2 != form.u:
        grid = None  # weights may be rounded when they are cast
    # each term: the weight's cast, the product, the additions, the bias and its cast
    return form.computed(rows * source.size + float(bias.max()), rows * source.error, grid, layer.fan_in + 4)


def _mean(source: Span, area: int, form: Format) -> Span:
    total = form.computed(source.size * area, source.error * area, source.grid, area)
    power = log2(area)
    if total.grid is not None and power == int(power):
        return Span(source.size, 0.0, total.grid + int(power))
    return Span(source.size, total.error / area + form.u * (source.size + total.error / area), None)


def _constant(value: float, form: Format, dtype: np.dtype[Any], levels: int) -> Span:
    """Multiples 0..levels of value / levels: what spikes and quantised levels are worth."""
    power = log2(levels)
    if power == int(power) and float(dtype.type(value)) == value:
        return Span(abs(value), 0.0, grid_of(np.array(value)) + int(power))
    return Span(abs(value), 3 * form.u * abs(value), None)
