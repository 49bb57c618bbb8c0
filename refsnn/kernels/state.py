"""What a neuron remembers between steps, and its constants in the form that the loops read."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from refsnn.fixed import Fit, unfitted
from refsnn.neurons import IF, LI, LIF, CubaLIF, Firing, Leak, Reset, ResetTime, Stateful, Value

Array = np.ndarray[Any, Any]


class State(NamedTuple):
    """Between two steps, arrays [B, M]."""

    v: Array
    current: Array  # of the synapse
    sent: Array  # spikes of the step before, in v's dtype
    wait: Array  # steps that it stays refractory
    total: Array  # spikes so far, those of -1 taken away


class Fits(NamedTuple):
    """The formats that the sums of a neuron are fitted to: of the synapse's current and of the membrane."""

    current: Fit
    membrane: Fit


def no_fits(dtype: np.dtype[Any]) -> Fits:
    """What floats, and fractions, take."""
    fit = unfitted(np.dtype(np.float64) if dtype.hasobject else dtype)
    return Fits(fit, fit)


class Constants(NamedTuple):
    """A neuron's constants in the state's dtype, [M] each; its choices as what a compiled loop can test."""

    v_threshold: Any
    v_reset: Any
    v_negative: Any
    v_min: Any
    v_max: Any
    decay: Any
    loss: Any
    gain: Any
    v_leak: Any
    current_decay: Any
    current_gain: Any
    max_spikes: Any  # in the state's dtype; 0: no limit
    one: Any
    zero: Any
    spikes: bool
    leaky: bool
    by_difference: bool
    towards: bool
    has_synapse: bool
    at_threshold: bool
    signed: bool
    at_negative: bool
    after_positive: bool
    subtracts: bool
    to_value: bool
    before_charge: bool
    after_charge: bool
    same_step: bool
    refractory: int
    clamped_below: bool
    clamped_above: bool


def constants(layer: Stateful, neurons: int, dtype: np.dtype[Any]) -> Constants:
    """Constants of a layer whose arrays have the node's whole shape."""
    number: Callable[[Any], Any] = Fraction if dtype.hasobject else dtype.type

    def each(name: str, default: float = 0.0) -> Array:
        value: Value | None = getattr(layer, name, default)
        values = np.broadcast_to(np.asarray(default if value is None else value, np.float64).ravel(), neurons)
        return np.array([Fraction(float(v)) for v in values], object) if dtype.hasobject else values.astype(dtype)

    firing = isinstance(layer, IF | LIF)
    decay = each("decay", 1.0)
    time = getattr(layer, "reset_time", None)
    return Constants(
        v_threshold=each("v_threshold"),
        v_reset=each("v_reset"),
        v_negative=each("v_negative"),
        v_min=each("v_min"),
        v_max=each("v_max"),
        decay=decay,
        loss=number(1) - decay,
        gain=each("gain", 1.0),
        v_leak=each("v_leak"),
        current_decay=each("current_decay"),
        current_gain=each("current_gain", 1.0),
        max_spikes=number(getattr(layer, "max_spikes", 0) or 0),
        one=number(1),
        zero=number(0),
        spikes=firing,
        leaky=isinstance(layer, LIF | LI),
        by_difference=getattr(layer, "leak", None) is Leak.DIFFERENCE,
        towards=getattr(layer, "leak", None) is Leak.TOWARDS,
        has_synapse=isinstance(layer, CubaLIF),
        at_threshold=getattr(layer, "firing", None) is Firing.AT_THRESHOLD,
        signed=getattr(layer, "v_negative", None) is not None,
        at_negative=getattr(layer, "negative_firing", None) is Firing.AT_THRESHOLD,
        after_positive=getattr(layer, "negative_after_positive", False),
        subtracts=getattr(layer, "reset", None) is Reset.SUBTRACT,
        to_value=getattr(layer, "reset", None) is Reset.TO_VALUE,
        before_charge=time is ResetTime.BEFORE_CHARGE,
        after_charge=time is ResetTime.AFTER_CHARGE,
        same_step=time is ResetTime.SAME_STEP,
        refractory=getattr(layer, "refractory", 0),
        clamped_below=getattr(layer, "v_min", None) is not None,
        clamped_above=getattr(layer, "v_max", None) is not None,
    )


def at_rest(layer: Stateful, samples: int, neurons: int, dtype: np.dtype[Any]) -> State:
    """The state before the first step."""
    v_init = np.broadcast_to(np.asarray(layer.v_init, np.float64).ravel(), (samples, neurons))
    if dtype.hasobject:
        fill: Any = Fraction(0)
        v = np.array([[Fraction(float(value)) for value in row] for row in v_init], object).reshape(samples, neurons)
        current = np.full(v.shape, fill, object)
    else:
        v, current = v_init.astype(dtype), np.zeros(v_init.shape, dtype)
    return State(v, current, current.copy(), np.zeros(v.shape, np.int32), np.zeros(v.shape, np.int32))
