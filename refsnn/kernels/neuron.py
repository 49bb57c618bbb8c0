"""The neurons' two kernels: `naive` for all of them, `fast` with a loop of its own for the plain IF and LIF."""

from typing import Any, NamedTuple

import numpy as np

from refsnn.dynamics import above_threshold, at_threshold, integrate, leak_and_integrate, subtracted
from refsnn.kernels import general
from refsnn.kernels.compiling import compiled
from refsnn.kernels.general import Fired
from refsnn.kernels.state import Fits, State
from refsnn.neurons import IF, LIF, Firing, Reset, Stateful, is_plain

Array = np.ndarray[Any, Any]
naive = general.naive


def fast(layer: Stateful, current: Array, state: State, steps: int, fits: Fits | None = None) -> Fired:
    if not is_plain(layer) or fits is not None:
        return general.fast(layer, current, state, steps, fits)
    return _plain(layer, current, state, steps, compared=False)


def fast_with_compared(layer: Stateful, current: Array, state: State, steps: int, fits: Fits | None = None) -> Fired:
    """The same, and the potentials that were compared: for Exact, which looks at how close they came."""
    if not is_plain(layer) or fits is not None:
        return general.fast(layer, current, state, steps, fits)
    return _plain(layer, current, state, steps, compared=True)


def _plain(layer: Stateful, current: Array, state: State, steps: int, *, compared: bool) -> Fired:
    assert isinstance(layer, IF | LIF)
    given = np.ascontiguousarray(current), np.ascontiguousarray(state.v)
    spikes, v, potentials = _fast(_parameters(layer, state.v.dtype), *given, steps, compared)
    return Fired(spikes, v, potentials, state._replace(v=v[-1]), np.zeros(len(v[0]), np.int64))


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
    number: Any = dtype.type
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


@compiled
def _fast(p, current, v, steps, keep):  # type: ignore[no-untyped-def]
    spikes = np.empty((steps, v.shape[0], v.shape[1]), np.bool_)
    trace = np.empty((steps, v.shape[0], v.shape[1]), v.dtype)
    compared = np.empty((steps if keep else 0, v.shape[0], v.shape[1]), v.dtype)
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
                if keep:
                    compared[t, b, m] = u
    return spikes, trace, compared
