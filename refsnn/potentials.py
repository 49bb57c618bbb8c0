"""How far a float computation of potentials can be from real numbers: bounds that hold for every neuron of a layer."""

from dataclasses import dataclass
from math import inf, log2
from typing import Any

import numpy as np

from refsnn.neurons import DECAYS, IF, CubaLIF, Leak, Reset, ResetTime, Stateful, is_plain, numbers
from refsnn.rounding import MARGIN, Format, Span, finest, grid_of
from refsnn.schedules import Schedule


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
    kept: str  # the constant by which the potential before is multiplied
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
            kept="gain" if getattr(layer, "leak", None) is Leak.TOWARDS else "decay",
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


def potentials(
    layer: Stateful, current: Span, steps: int, dtype: np.dtype[Any], start: Span | None = None
) -> Potentials:
    """Bounds that hold as long as every firing before was decided right; `start` is the potential before, if not v_init.

    A spike is only sent by a potential that is at least what it takes away, so a reset in the same step makes none larger.
    """
    form, s = Format.of(dtype), _Sizes.of(layer, dtype)
    held, theta = s.grid is not None, s.v_threshold
    plain = type(layer) is IF and is_plain(layer)
    leaky = not isinstance(layer, IF)
    time = getattr(layer, "reset_time", ResetTime.SAME_STEP)
    # a spike of -1 gives the threshold back to a potential of at most v_negative, which may be above 0
    after_negative = theta + s.v_negative if getattr(layer, "v_negative", None) is not None else 0.0
    finer = {
        name: 0 if not hasattr(layer, name) else max(0, grid_of(np.asarray(getattr(layer, name)))) for name in DECAYS
    }

    def products(grid: int | None, *names: str) -> int | None:
        return None if grid is None else grid + max(finer[name] for name in names)

    begin = start or Span(s.v_init, 0.0 if held else form.u * s.v_init, s.grid)
    size, error, grid = begin.size, begin.error, finest([current.grid, begin.grid])
    came, errors, largest = current, [], size
    i = Span(0.0, 0.0, current.grid)
    for _ in range(steps):
        if isinstance(layer, CubaLIF):
            i = came = form.computed(
                s.current_decay * i.size + s.current_gain * current.size,
                s.current_decay * i.error + s.current_gain * current.error,
                finest([products(i.grid, "current_decay"), products(current.grid, "current_gain")]) if held else None, 6,
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
            finest([products(grid, s.kept), products(came.grid, "gain"), s.grid]),
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
    if schedule.in_front:
        return _silenced_errors(layer, current, steps, dtype, schedule.in_front)
    if schedule.rehearsed:
        return _corrected_errors(layer, current, steps, dtype, schedule.rehearsed)
    if schedule.name == "averaged_current":
        mean = Format.of(dtype).computed(
            current.size, current.error, None if current.grid is None or log2(steps) % 1 else current.grid + int(log2(steps)),
            steps + 2,
        )  # fmt: skip
        return potentials(layer, mean, steps, dtype).errors
    return delayed_errors(layer, current, steps, dtype)


def _silenced_errors(layer: IF, current: Span, steps: int, dtype: np.dtype[Any], in_front: int) -> list[float]:
    """Of SRP: two runs from v_init; the last step in front also decides by what it leaves who is silent."""
    before = potentials(layer, current, in_front, dtype)
    left = _moved_error(layer, before, dtype)
    return [
        *before.errors[:-1],
        max(before.errors[-1], left),
        *potentials(layer, current, steps - in_front, dtype).errors,
    ]


def _corrected_errors(layer: IF, current: Span, steps: int, dtype: np.dtype[Any], rehearsed: int) -> list[float]:
    """Of COS: whatever the rehearsal compares counts as the first step's; then a run from potentials that it made."""
    before, s = potentials(layer, current, rehearsed, dtype), _Sizes.of(layer, dtype)
    left = _moved_error(layer, before, dtype)
    # least and greatest potentials are no further from the real ones than any potential is; so is the larger of two numbers
    start = Span(s.v_init + before.size + 3 * s.v_threshold, left, None)
    errors = potentials(layer, current, steps, dtype, start).errors
    return [max(errors[0], left, *before.errors), *errors[1:]]


def _moved_error(layer: IF, reached: Potentials, dtype: np.dtype[Any]) -> float:
    """Bound on the error of v_init moved by a potential after a step and by some thresholds, or by parts of them."""
    s = _Sizes.of(layer, dtype)
    # eight operations, each on numbers of at most this size
    return MARGIN * (reached.last_error + 8 * Format.of(dtype).u * (s.v_init + reached.size + 3 * s.v_threshold))


def delayed_errors(layer: IF, current: Span, steps: int, dtype: np.dtype[Any]) -> list[float]:
    """The same where the sum of all currents decides: it first, then up to three times `steps` subtractions."""
    error = potentials(layer, current, steps, dtype).last_error
    s = _Sizes.of(layer, dtype)
    size = s.v_init + steps * (current.size + 3 * s.v_threshold)
    # the sums of signed_correction's phases are on the same grid, so exact where they stay below the significand
    held = error == 0 and Format.of(dtype).computed(3 * size, 0.0, finest([current.grid, s.grid]), 1).error == 0
    return [error + (0.0 if held else 6 * steps * Format.of(dtype).u * size)] * steps


def charge_error(layer: IF, current: Span, steps: int, dtype: np.dtype[Any]) -> float:
    """Bound on the error of Q = v + v_threshold * n after `steps` steps, computed in float64 from v and n."""
    error = potentials(layer, current, steps, dtype).last_error
    s = _Sizes.of(layer, dtype)
    size = s.v_init + steps * (current.size + s.v_threshold)
    # the threshold's cast; v + v_threshold * n, and its distance to a multiple of v_threshold: five operations
    return error + (0.0 if error == 0 else 6 * Format.of(dtype).u * size)
