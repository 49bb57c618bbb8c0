"""IF and LIF: charge, fire, reset, for every step; the equations are called, not retyped."""

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from refsnn.dynamics import above_threshold, at_threshold, integrate, leak_and_integrate, subtracted
from refsnn.neurons import IF, LIF, Firing, Reset

Array = np.ndarray[Any, Any]


class _Parameters(NamedTuple):
    """A neuron's constants in the state's dtype, its choices as what a compiled loop can test."""

    v_threshold: Any
    v_reset: Any
    decay: Any
    gain: Any
    v_leak: Any
    leaky: bool
    at_threshold: bool
    subtracts: bool
    to_value: bool


def _parameters(layer: IF | LIF, dtype: np.dtype[Any]) -> _Parameters:
    number: Any = Fraction if dtype.hasobject else dtype.type
    leak = (
        (layer.decay, layer.gain, layer.v_leak) if isinstance(layer, LIF) else (0.0, 0.0, 0.0)
    )  # IF uses none of them
    return _Parameters(
        v_threshold=number(layer.v_threshold),
        v_reset=number(layer.v_reset),
        decay=number(leak[0]),
        gain=number(leak[1]),
        v_leak=number(leak[2]),
        leaky=isinstance(layer, LIF),
        at_threshold=layer.firing is Firing.AT_THRESHOLD,
        subtracts=layer.reset is Reset.SUBTRACT,
        to_value=layer.reset is Reset.TO_VALUE,
    )


def naive(layer: IF | LIF, current: Array, v: Array, steps: int) -> tuple[Array, Array]:
    """Works on arrays of fractions too: that is how Exact decides what floats leave in doubt."""
    p = _parameters(layer, v.dtype)
    spikes = np.empty((steps, *v.shape), np.bool_)
    trace = np.empty((steps, *v.shape), v.dtype)
    for t in range(steps):
        x = current[t if len(current) > 1 else 0]
        charged = _charged(p, v, x)
        fires = at_threshold if p.at_threshold else above_threshold
        spikes[t] = fires(charged, p.v_threshold)
        if p.subtracts:
            after = subtracted(charged, p.v_threshold)
        else:
            after = p.v_reset if p.to_value else charged
        v = np.where(spikes[t], after, charged)
        trace[t] = v
    return spikes, trace


def charged(layer: IF | LIF, v: Array, current: Array) -> Array:
    """The potential that is compared with the threshold: v after this step's current."""
    return _charged(_parameters(layer, v.dtype), v, current)


def _charged(p: _Parameters, v: Array, x: Array) -> Array:
    return leak_and_integrate(v, x, p.decay, p.gain, p.v_leak) if p.leaky else integrate(v, x)


def fast(layer: IF | LIF, current: Array, v: Array, steps: int) -> tuple[Array, Array]:
    return _fast(_parameters(layer, v.dtype), np.ascontiguousarray(current), np.ascontiguousarray(v), steps)


@njit(cache=True, nogil=True)
def _fast(p, current, v, steps):  # type: ignore[no-untyped-def]
    spikes = np.empty((steps, v.shape[0], v.shape[1]), np.bool_)
    trace = np.empty((steps, v.shape[0], v.shape[1]), v.dtype)
    for t in range(steps):
        x = current[t if len(current) > 1 else 0]
        before = v if t == 0 else trace[t - 1]
        for b in range(v.shape[0]):
            for m in range(v.shape[1]):
                if p.leaky:
                    u = leak_and_integrate(before[b, m], x[b, m], p.decay, p.gain, p.v_leak)
                else:
                    u = integrate(before[b, m], x[b, m])
                if p.at_threshold:
                    fired = at_threshold(u, p.v_threshold)
                else:
                    fired = above_threshold(u, p.v_threshold)
                after = u
                if fired and p.subtracts:
                    after = subtracted(u, p.v_threshold)
                elif fired and p.to_value:
                    after = p.v_reset
                spikes[t, b, m] = fired
                trace[t, b, m] = after
    return spikes, trace
