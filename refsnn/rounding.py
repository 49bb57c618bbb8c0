"""How far a float computation can be from real numbers: rigorous and static, one bound per node.

Two facts carry it. With unit roundoff u, an ordered sum of k products is off by at most g(k) * sum |w||x|, g(k) = k*u / (1 - k*u)
(Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., Section 3.1). And where all terms are multiples of 2^-s
and sum |w||x| * 2^s is below 2^p, p the bits of a significand, no partial sum is rounded at all: the error is 0 in any order.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import frexp, inf, log2, prod
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
from refsnn.neurons import DECAYS, IF, LI, LIF, CubaLIF, Neuron, Reset, ResetTime, Stateful, is_plain, numbers
from refsnn.schedules import Schedule

Array = np.ndarray[Any, Any]
MARGIN = 1 + 2.0**-20  # sizes are computed in floats too; their own roundings are far smaller than this


@dataclass(frozen=True)
class Span:
    """What is known of a node's values: |value| <= size, |computed - real| <= error, multiples of 2^-grid (None: of nothing)."""

    size: float
    error: float
    grid: int | None


UNKNOWN = Span(inf, inf, None)


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
        if not reach + error < inf:
            return UNKNOWN
        # reach < 2^exponent, so below the significand's on this grid; and the grid is no finer than the format
        if grid is not None and not error and frexp(reach)[1] + grid <= self.bits and grid <= self.finest:
            return Span(size, 0.0, grid)
        total = reach + error
        relative = roundings * self.u / (1 - roundings * self.u)
        return Span(size, MARGIN * (error + relative * total) + roundings * 2.0**-self.finest, None)  # last: underflow


def spans(
    network: Network,
    x: Array,
    dtype: np.dtype[Any],
    steps: int = 1,
    *,
    rounded: Callable[[Node, Span], Span] = lambda _, span: span,
    highest: float = inf,
) -> dict[str, Span]:
    """Node -> what is known of its output when the input is x; spikes and levels are taken as decided, so they are exact.

    rounded: what a node's format makes of what it computes; highest: what no potential can be beyond.
    """
    form = Format.of(dtype)
    values = np.abs(np.asarray(x, np.float64))
    largest = float(values.max())
    # an input that the format holds exactly; one that it rounds is off by u of its size
    held = bool((np.asarray(x, np.float64) == np.asarray(x).astype(dtype)).all())
    known = {INPUT: Span(largest, 0.0 if held else form.u * largest, grid_of(values) if held else None)}
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
                computed = _weighted(node.layer, sources[0], form, _window_in_front(network, node))
            else:
                computed = _computed(node.layer, sources, area, form, dtype, steps)
            known[node.name] = rounded(node, computed)
    return known


def _computed(layer: Layer, sources: list[Span], area: int, form: Format, dtype: np.dtype[Any], steps: int) -> Span:
    """What a layer makes of its inputs; `area` is the number of pixels of the first one."""
    size, error = max(s.size for s in sources), max(s.error for s in sources)
    grid = _finest([s.grid for s in sources])
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


@dataclass(frozen=True)
class _Sizes:
    """The largest sizes of a neuron's constants over all neurons of its layer, and the finest grid that all of them are on."""

    v_init: float
    decay: float
    loss: float
    gain: float
    v_leak: float
    current_decay: float
    current_gain: float
    v_threshold: float
    v_negative: float
    settled: float  # where a reset to a value or a clamp puts the potential
    taken: float  # what a reset by subtraction takes away, at most; inf for neurons without a limit
    grid: int | None  # None where a constant is rounded when it is cast

    @classmethod
    def of(cls, layer: Stateful, dtype: np.dtype[Any]) -> "_Sizes":
        values = {name: np.asarray(value, np.float64) for name, value in numbers(layer).items() if name != "amplitude"}
        size = {name: float(np.abs(value).max()) for name, value in values.items()}
        held = all((value.astype(dtype).astype(np.float64) == value).all() for value in values.values())
        limit = getattr(layer, "max_spikes", 1)
        subtracts = getattr(layer, "reset", None) is Reset.SUBTRACT
        return cls(
            v_init=size["v_init"],
            decay=size.get("decay", 1.0),
            loss=float(np.abs(1 - values["decay"]).max()) if "decay" in values else 0.0,
            gain=size.get("gain", 1.0),
            v_leak=size.get("v_leak", 0.0),
            current_decay=size.get("current_decay", 0.0),
            current_gain=size.get("current_gain", 1.0),
            v_threshold=size.get("v_threshold", 0.0),
            v_negative=size.get("v_negative", 0.0),
            settled=max(size.get(name, 0.0) for name in ("v_reset", "v_min", "v_max")),
            taken=(inf if limit is None else limit * size["v_threshold"]) if subtracts else 0.0,
            grid=max(grid_of(v) for name, v in values.items() if name not in DECAYS) if held else None,
        )


@dataclass(frozen=True)
class Potentials:
    """What is known of a layer's potentials: the error of the compared one at each step, that of the last one, and sizes."""

    errors: list[float]
    last_error: float
    size: float  # of any potential in any step
    grid: int | None  # of the last one


def potentials(layer: Stateful, current: Span, steps: int, dtype: np.dtype[Any]) -> Potentials:
    """Bounds that hold as long as every firing before was decided right.

    A spike is only sent by a potential that is at least what it takes away, so a reset in the same step makes none larger.
    """
    form, s = Format.of(dtype), _Sizes.of(layer, dtype)
    held, theta = s.grid is not None, s.v_threshold
    plain = type(layer) is IF and is_plain(layer)
    leaky = not isinstance(layer, IF)
    time = getattr(layer, "reset_time", ResetTime.SAME_STEP)
    after_negative = theta if getattr(layer, "v_negative", None) is not None else 0.0
    finer = {
        name: 0 if not hasattr(layer, name) else max(0, grid_of(np.asarray(getattr(layer, name)))) for name in DECAYS
    }

    def products(grid: int | None, *names: str) -> int | None:
        return None if grid is None else grid + max(finer[name] for name in names)

    size, error, grid = s.v_init, 0.0 if held else form.u * s.v_init, _finest([current.grid, s.grid])
    came, errors, largest = current, [], size
    i = Span(0.0, 0.0, current.grid)
    for _ in range(steps):
        if isinstance(layer, CubaLIF):
            i = came = form.computed(
                s.current_decay * i.size + s.current_gain * current.size,
                s.current_decay * i.error + s.current_gain * current.error,
                _finest([products(i.grid, "current_decay"), products(current.grid, "current_gain")]) if held else None, 6,
            )  # fmt: skip
        size = max(size, s.settled)
        if time is ResetTime.BEFORE_CHARGE:
            start = form.computed(2 * size + theta, error, grid, 3)
            size, error, grid = max(size, after_negative), start.error, start.grid
        charged = s.v_leak + s.decay * (size + s.v_leak) + s.gain * came.size if leaky else size + came.size
        late = min(s.taken, size + theta) if time is ResetTime.AFTER_CHARGE else 0.0
        on_the_way = size + s.loss * (size + s.v_leak) + s.v_leak if leaky else 0.0
        u = form.computed(
            charged + late + on_the_way,
            s.decay * error + s.gain * came.error,
            _finest([products(grid, "decay"), products(came.grid, "gain"), s.grid]),
            1 if plain else 14,
        )
        errors.append(u.error + (0.0 if held else form.u * (charged + late + theta + s.v_negative)))
        # the product of the threshold with the number of spikes, the subtraction, the threshold's cast
        after = form.computed(2 * (charged + late) + theta, u.error, u.grid, 3)
        size, error, grid = max(charged + late, after_negative, s.settled), after.error, after.grid
        largest = max(largest, size)
    return Potentials(errors, error, largest, grid)


def firing_errors(layer: Stateful, current: Span, steps: int, dtype: np.dtype[Any], schedule: Schedule) -> list[float]:
    """Bounds on the error of the compared potential at each step of the schedule."""
    if not schedule.counts_charge:
        return potentials(layer, current, steps, dtype).errors
    assert isinstance(layer, IF)
    if schedule.name == "averaged_current":
        mean = Format.of(dtype).computed(
            current.size, current.error, None if current.grid is None or log2(steps) % 1 else current.grid + int(log2(steps)),
            steps + 2,
        )  # fmt: skip
        return potentials(layer, mean, steps, dtype).errors
    return delayed_errors(layer, current, steps, dtype)


def delayed_errors(layer: IF, current: Span, steps: int, dtype: np.dtype[Any]) -> list[float]:
    """As potential_errors, where the sum of all currents decides: it first, then up to three times `steps` subtractions."""
    error = potentials(layer, current, steps, dtype).last_error
    s = _Sizes.of(layer, dtype)
    size = s.v_init + steps * (current.size + 3 * s.v_threshold)
    # the sums of signed_correction's phases are on the same grid, so exact where they stay below the significand
    held = error == 0 and Format.of(dtype).computed(3 * size, 0.0, _finest([current.grid, s.grid]), 1).error == 0
    return [error + (0.0 if held else 6 * steps * Format.of(dtype).u * size)] * steps


def charge_error(layer: IF, current: Span, steps: int, dtype: np.dtype[Any]) -> float:
    """Bound on the error of Q = v + v_threshold * n after `steps` steps, computed in float64 from v and n."""
    error = potentials(layer, current, steps, dtype).last_error
    s = _Sizes.of(layer, dtype)
    size = s.v_init + steps * (current.size + s.v_threshold)
    # the threshold's cast; v + v_threshold * n, and its distance to a multiple of v_threshold: five operations
    return error + (0.0 if error == 0 else 6 * Format.of(dtype).u * size)


def level_error(layer: QCFS, z: Span, dtype: np.dtype[Any]) -> float:
    """Bound on the error of z / threshold * levels + 1/2 as computed: three operations and the threshold's cast."""
    scale = layer.levels / float(np.min(layer.threshold))
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


def _window_in_front(network: Network, node: Node) -> int:
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


def _weighted(layer: WeightLayer, source: Span, form: Format, window: int) -> Span:
    weight = np.abs(layer.weight.astype(np.float64))
    bias = np.zeros(1) if layer.bias is None else np.abs(layer.bias.astype(np.float64))
    rows = float(weight.reshape(len(weight), -1).sum(1).max())
    grid = None if source.grid is None else max(source.grid + grid_of(weight), grid_of(bias))
    if float(np.finfo(np.float64).eps) / 2 != form.u:
        grid = None  # weights may be rounded when they are cast
    # each term: the weight's cast, its worth behind a mean, the product, the additions, the bias and its cast
    return form.computed(rows * source.size + float(bias.max()), rows * source.error, grid, layer.fan_in * window + 5)


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
