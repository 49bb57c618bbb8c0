"""Every neuron with all its choices, step by step; the order of a step is the one in neurons.py, the equations are called."""

from typing import Any, NamedTuple

import numpy as np

from refsnn import dynamics
from refsnn.errors import FormatError
from refsnn.fixed import Fit, in_range, on_grid, out_of_range
from refsnn.kernels.compiling import compiled
from refsnn.kernels.state import Constants, Fits, State, constants, no_fits
from refsnn.neurons import Stateful

Array = np.ndarray[Any, Any]
MANY = 2**31


class Fired(NamedTuple):
    """What a run of neurons gives."""

    spikes: Array  # [T, B, M]: how many, int32
    v: Array  # [T, B, M], after the step
    compared: Array  # [T, B, M]: the potential that was compared with the threshold
    state: State  # after the last step
    overflows: Array  # int64[B]: numbers that did not fit their format


def naive(layer: Stateful, current: Array, state: State, steps: int, fits: Fits | None = None) -> Fired:
    """Works on arrays of fractions too: that is how Exact decides what floats leave in doubt."""
    c = constants(layer, state.v.shape[1], state.v.dtype)
    fits = fits or no_fits(state.v.dtype)
    spikes = np.empty((steps, *state.v.shape), np.int32)
    trace, compared = (np.empty((steps, *state.v.shape), state.v.dtype) for _ in range(2))
    overflows = np.zeros(len(state.v), np.int64)
    for t in range(steps):
        compared[t], state = _step(c, fits, state, current[t if len(current) > 1 else 0], overflows)
        spikes[t], trace[t] = _counted(c, state.sent), state.v
    return Fired(spikes, trace, compared, state, overflows)


def _step(c: Constants, fits: Fits, state: State, x: Array, overflows: Array) -> tuple[Array, State]:
    """The potential that is compared, and the state after the step."""
    v, waits = state.v, state.wait > 0
    if c.before_charge:
        v = _fitted(_reset(c, v, state.sent), fits.membrane, overflows)
    if c.refractory:
        x = np.where(waits, c.zero, x)
    i = state.current
    if c.has_synapse:
        kept = _fitted(dynamics.kept(i, c.current_decay, c.zero), fits.current, overflows)
        came = _fitted(dynamics.gained(x, c.current_gain), fits.current, overflows)
        x = i = _fitted(dynamics.flowed(kept, came), fits.current, overflows)
    u = _fitted(_charged(c, fits, v, x, overflows), fits.membrane, overflows)
    if c.after_charge:
        u = _fitted(_reset(c, u, state.sent), fits.membrane, overflows)
    s = np.where(waits, c.zero, _spikes(c, u, state.total)) if c.spikes else np.full(u.shape, c.zero, u.dtype)
    v = _fitted(_reset(c, u, s), fits.membrane, overflows) if c.same_step else u
    if c.clamped_below:
        v = np.where(v < c.v_min, c.v_min, v)
    if c.clamped_above:
        v = np.where(v > c.v_max, c.v_max, v)
    wait = np.where(s != 0, c.refractory, np.maximum(state.wait - 1, 0)).astype(np.int32)
    return u, State(v, i, s, wait, state.total + s.astype(np.int32))


def _charged(c: Constants, fits: Fits, v: Array, x: Array, overflows: Array) -> Array:
    if not c.leaky:
        return dynamics.integrate(v, _fitted(x, fits.membrane, overflows))
    if c.towards:
        away = dynamics.away(v, _fitted(x, fits.membrane, overflows), c.v_leak)
        return dynamics.integrate(v, _fitted(dynamics.gained(away, c.gain), fits.membrane, overflows))
    gained = _fitted(dynamics.gained(x, c.gain), fits.membrane, overflows)
    if c.by_difference:
        return dynamics.drained(v, _fitted(dynamics.lost(v, c.loss, c.v_leak), fits.membrane, overflows), gained)
    return dynamics.collected(c.v_leak, _fitted(dynamics.kept(v, c.decay, c.v_leak), fits.membrane, overflows), gained)


def _spikes(c: Constants, u: Array, total: Array) -> Array:
    fires = dynamics.at_threshold if c.at_threshold else dynamics.above_threshold
    if c.max_spikes == c.one:
        s = np.where(fires(u, c.v_threshold), c.one, c.zero)
    else:
        many = (
            dynamics.multiples(u, c.v_threshold)
            if c.at_threshold
            else dynamics.multiples_below(u, c.v_threshold, c.one)
        )
        if c.max_spikes:
            many = np.where(many > c.max_spikes, c.max_spikes, many)
        s = np.where(many > c.zero, many, c.zero)
    if c.signed:
        below = dynamics.at_negative_threshold if c.at_negative else dynamics.below_negative_threshold
        s = np.where(below(u, c.v_negative) & ((total > 0) | (not c.after_positive)), -c.one, s)
    return s


def _counted(c: Constants, s: Array) -> Array:
    """Numbers of spikes as whole numbers; how many a neuron without a limit sends has one all the same."""
    if not c.max_spikes and s.size and np.max(s) >= MANY:
        raise FormatError(
            f"a neuron sends {float(np.max(s)):.3g} spikes in one step; set max_spikes or a larger v_threshold"
        )
    return s.astype(np.int32)


def _reset(c: Constants, v: Array, s: Array) -> Array:
    if c.subtracts:
        return np.where(s != 0, dynamics.subtracted(v, dynamics.spent(s, c.v_threshold)), v)
    return np.where(s != 0, c.v_reset, v) if c.to_value else v


def _fitted(x: Array, fit: Fit, overflows: Array) -> Array:
    if fit.rounding < 0:
        return x
    k = on_grid(x, fit)
    overflows += out_of_range(k, fit).sum(1)
    fitted: Array = in_range(k, fit)
    return fitted


def fast(layer: Stateful, current: Array, state: State, steps: int, fits: Fits | None = None) -> Fired:
    c = constants(layer, state.v.shape[1], state.v.dtype)
    fits = fits or no_fits(state.v.dtype)
    fired = Fired(*_fast(c, fits, np.ascontiguousarray(current), State(*map(np.copy, state)), steps))
    if not c.max_spikes and c.spikes:
        _counted(c, dynamics.multiples(fired.compared, c.v_threshold))
    return fired


@compiled
def _fast(c, fits, current, state, steps):  # type: ignore[no-untyped-def]
    spikes = np.empty((steps, state.v.shape[0], state.v.shape[1]), np.int32)
    trace = np.empty(spikes.shape, state.v.dtype)
    compared = np.empty(spikes.shape, state.v.dtype)
    overflows = np.zeros(len(state.v), np.int64)
    for t in range(steps):
        for b in range(state.v.shape[0]):
            for m in range(state.v.shape[1]):
                x = current[t if len(current) > 1 else 0, b, m]
                waits = state.wait[b, m] > 0
                v, over = state.v[b, m], 0
                if c.before_charge:
                    v, over = _fit_one(_reset_one(c, m, v, state.sent[b, m]), fits.membrane, over)
                if waits:
                    x = c.zero
                if c.has_synapse:
                    kept, over = _fit_one(
                        dynamics.kept(state.current[b, m], c.current_decay[m], c.zero), fits.current, over
                    )
                    came, over = _fit_one(dynamics.gained(x, c.current_gain[m]), fits.current, over)
                    x, over = _fit_one(dynamics.flowed(kept, came), fits.current, over)
                    state.current[b, m] = x
                u, over = _charge_one(c, fits, m, v, x, over)
                if c.after_charge:
                    u, over = _fit_one(_reset_one(c, m, u, state.sent[b, m]), fits.membrane, over)
                s = c.zero
                if c.spikes and not waits:
                    s = _spikes_one(c, m, u, state.total[b, m])
                v = u
                if c.same_step:
                    v, over = _fit_one(_reset_one(c, m, u, s), fits.membrane, over)
                if c.clamped_below and v < c.v_min[m]:
                    v = c.v_min[m]
                if c.clamped_above and v > c.v_max[m]:
                    v = c.v_max[m]
                state.v[b, m] = v
                state.sent[b, m] = s
                state.total[b, m] += np.int32(s)
                state.wait[b, m] = c.refractory if s != 0 else max(state.wait[b, m] - 1, 0)
                spikes[t, b, m], trace[t, b, m], compared[t, b, m] = np.int32(s), v, u
                overflows[b] += over
    return spikes, trace, compared, state, overflows


@compiled(inline="always")
def _charge_one(c, fits, m, v, x, over):  # type: ignore[no-untyped-def]
    if not c.leaky:
        came, over = _fit_one(x, fits.membrane, over)
        return _fit_one(dynamics.integrate(v, came), fits.membrane, over)
    if c.towards:
        came, over = _fit_one(x, fits.membrane, over)
        step, over = _fit_one(dynamics.gained(dynamics.away(v, came, c.v_leak[m]), c.gain[m]), fits.membrane, over)
        return _fit_one(dynamics.integrate(v, step), fits.membrane, over)
    gained, over = _fit_one(dynamics.gained(x, c.gain[m]), fits.membrane, over)
    if c.by_difference:
        lost, over = _fit_one(dynamics.lost(v, c.loss[m], c.v_leak[m]), fits.membrane, over)
        return _fit_one(dynamics.drained(v, lost, gained), fits.membrane, over)
    kept, over = _fit_one(dynamics.kept(v, c.decay[m], c.v_leak[m]), fits.membrane, over)
    return _fit_one(dynamics.collected(c.v_leak[m], kept, gained), fits.membrane, over)


@compiled(inline="always")
def _spikes_one(c, m, u, total):  # type: ignore[no-untyped-def]
    if c.signed and (total > 0 or not c.after_positive):
        if c.at_negative and dynamics.at_negative_threshold(u, c.v_negative[m]):
            return -c.one
        if not c.at_negative and dynamics.below_negative_threshold(u, c.v_negative[m]):
            return -c.one
    if c.max_spikes == c.one:
        if c.at_threshold:
            return c.one if dynamics.at_threshold(u, c.v_threshold[m]) else c.zero
        return c.one if dynamics.above_threshold(u, c.v_threshold[m]) else c.zero
    if c.at_threshold:
        many = dynamics.multiples(u, c.v_threshold[m])
    else:
        many = dynamics.multiples_below(u, c.v_threshold[m], c.one)
    if c.max_spikes > c.zero and many > c.max_spikes:
        many = c.max_spikes
    return many if many > c.zero else c.zero


@compiled(inline="always")
def _reset_one(c, m, v, s):  # type: ignore[no-untyped-def]
    if s != c.zero and c.subtracts:
        return dynamics.subtracted(v, dynamics.spent(s, c.v_threshold[m]))
    return c.v_reset[m] if s != c.zero and c.to_value else v


@compiled(inline="always")
def _fit_one(x, fit, over):  # type: ignore[no-untyped-def]
    if fit.rounding < 0:
        return x, over
    k = on_grid(x, fit)
    return in_range(k, fit), over + out_of_range(k, fit)
