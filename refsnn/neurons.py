"""What a neuron is: its parameters and what they mean. The equations are in dynamics.py.

A step of every neuron, in this order; s is the number of spikes it sends, x what comes in, u the potential in between:

    1. reset of the step before      reset_time: before_charge
    2. charge                        u from v and x; while it is refractory a neuron takes in no current
    3. reset of the step before      reset_time: after_charge
    4. fire                          s from u; while it is refractory a neuron does not fire
    5. reset                         reset_time: same_step
    6. clamp                         v = u, not below v_min and not above v_max

The potential that is recorded is the one after the step; with a reset one step late it still holds the spike. The
conventions of other simulators in these fields are in presets.py.

A value may be one number, an array of one number per channel, or an array of the node's whole shape.
"""

from dataclasses import fields, replace
from enum import Enum
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.dataclasses import dataclass

from refsnn.arithmetic import finite
from refsnn.errors import ShapeError
from refsnn.offers import offer
from refsnn.specs import Count

CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)


class Reset(Enum):
    """What a spike does to the potential."""

    SUBTRACT = "subtract"  # v - s * v_threshold
    TO_VALUE = "to_value"  # v_reset
    NONE = "none"  # v stays


class ResetTime(Enum):
    """When it does so."""

    SAME_STEP = "same_step"
    BEFORE_CHARGE = "before_charge"  # at the start of the next step: its leak acts on what the reset left
    AFTER_CHARGE = "after_charge"  # in the next step, after its current: a reset to a value then loses that current


class Firing(Enum):
    """Which side of the threshold fires; for the negative threshold the same, mirrored."""

    AT_THRESHOLD = ">="
    ABOVE_THRESHOLD = ">"


class Leak(Enum):
    """How the leak is computed: the same real number, rounded elsewhere (in fixed point: what a chip does)."""

    FACTOR = "factor"  # v_leak + decay * (v - v_leak) + gain * x
    DIFFERENCE = "difference"  # v - (1 - decay) * (v - v_leak) + gain * x
    TOWARDS = "towards"  # v + gain * ((x + v_leak) - v), where decay is 1 - gain; Norse and Nengo


def _single(value: Any) -> Any:
    """The number in a tensor of one element; anything else as it is, for the field's own check."""
    if isinstance(value, np.ndarray):
        if value.size != 1:
            raise ValueError(f"expected one number, got a tensor of shape {list(value.shape)}")
        return float(value.reshape(()))
    if isinstance(value, bool | str):
        raise ValueError(f"expected a number, got {value!r}")  # pydantic would read 'yes' and '1' as numbers
    return value


def _values(value: Any) -> Any:
    """One number, or an array of them that nobody writes to."""
    if isinstance(value, np.ndarray) and value.size != 1:
        if value.dtype.kind not in "fiu":
            raise ValueError(f"expected numbers, got a tensor of dtype {value.dtype}")
        kept = finite("tensor", value.astype(np.float64))
        kept.flags.writeable = False
        return kept
    number = _single(value)
    if not isinstance(number, int | float | np.number) or not np.isfinite(number):
        raise ValueError(f"expected a finite number, got {value!r}")
    return float(number)


def _positive(value: Any) -> Any:
    if np.min(value) <= 0:
        raise ValueError(f"expected a number greater than 0, got {float(np.min(value)):g}")
    return value


def _fraction(value: Any) -> Any:
    if np.min(value) < 0 or np.max(value) > 1:
        lowest, highest = float(np.min(value)), float(np.max(value))
        raise ValueError(f"expected a number from 0 to 1, got {lowest if lowest < 0 else highest:g}")
    return value


NUMBER_SCHEMA = WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]})  # or the name of a tensor
Scalar = Annotated[float, BeforeValidator(_single), NUMBER_SCHEMA]
Positive = Annotated[float, Field(gt=0), BeforeValidator(_single), NUMBER_SCHEMA]
Value = float | np.ndarray[Any, Any]
Values = Annotated[Any, BeforeValidator(_values), NUMBER_SCHEMA]
PositiveValues = Annotated[Any, BeforeValidator(lambda value: _positive(_values(value))), NUMBER_SCHEMA]
Fractions = Annotated[Any, BeforeValidator(lambda value: _fraction(_values(value))), NUMBER_SCHEMA]
Natural = Annotated[int, Field(ge=0, strict=True)]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class _Firing:
    """What all neurons that spike have."""

    v_threshold: PositiveValues
    v_init: Values = 0.0
    reset: Reset = Reset.SUBTRACT
    v_reset: Values = 0.0  # used by Reset.TO_VALUE
    reset_time: ResetTime = ResetTime.SAME_STEP
    firing: Firing = Firing.AT_THRESHOLD
    amplitude: Values = 1.0  # what a spike is worth to whoever reads it
    max_spikes: Count | None = 1  # in one step, one for each multiple of the threshold; None: no limit
    v_negative: Values | None = None  # at or below it one spike of -1 is sent, which a reset gives back; None: never
    negative_firing: Firing = Firing.AT_THRESHOLD  # v <= v_negative, or with '>' v < v_negative
    negative_after_positive: bool = False  # a spike of -1 only while the neuron's spikes so far add up to more than 0
    refractory: Natural = 0  # steps after a spike in which the neuron takes in nothing and does not fire
    v_min: Values | None = None
    v_max: Values | None = None

    def __post_init__(self) -> None:
        if self.v_negative is not None and np.any(np.asarray(self.v_negative) >= np.asarray(self.v_threshold)):
            raise ValueError("v_negative is not below v_threshold")
        if self.v_min is not None and self.v_max is not None and np.any(np.asarray(self.v_min) > self.v_max):
            raise ValueError("v_min is above v_max")


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class IF(_Firing):
    """Integrate and fire: u = v + x; fires at v_threshold; a spike is worth `amplitude` to the next layer."""


def _check_leak(layer: Any) -> None:
    if layer.leak is Leak.TOWARDS and np.any(np.asarray(layer.decay) != 1 - np.asarray(layer.gain)):
        raise ValueError("leak 'towards' computes with gain alone; decay is not 1 - gain as a float64 gives it")


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class LIF(_Firing):
    """Leaky integrate and fire: u = v_leak + decay * (v - v_leak) + gain * x; then as IF."""

    decay: Fractions
    gain: Values = 1.0
    v_leak: Values = 0.0
    leak: Leak = Leak.FACTOR

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_leak(self)


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class CubaLIF(LIF):
    """Leaky integrate and fire behind a synapse with a current of its own: i = current_decay * i + current_gain * x,
    u = v_leak + decay * (v - v_leak) + gain * i. The current starts from 0, and the potential sees the new one.
    """

    current_decay: Fractions
    current_gain: Values = 1.0


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class LI:
    """Leaky integrator without spikes, a readout: v = v_leak + decay * (v - v_leak) + gain * x, and v is what it gives."""

    decay: Fractions
    gain: Values = 1.0
    v_leak: Values = 0.0
    v_init: Values = 0.0
    leak: Leak = Leak.FACTOR

    def __post_init__(self) -> None:
        _check_leak(self)


Neuron = IF | LIF | CubaLIF  # those that spike
Stateful = IF | LIF | CubaLIF | LI
N = TypeVar("N", bound=Stateful)
offer(IF, LIF, CubaLIF, LI)


DECAYS = ("decay", "gain", "current_decay", "current_gain")  # factors, not potentials


def is_plain(layer: Stateful) -> bool:
    """IF or LIF with one number for each parameter, that sends at most one spike a step and is reset in that step."""
    if type(layer) not in (IF, LIF):
        return False
    assert isinstance(layer, _Firing)
    special = (
        layer.reset_time is not ResetTime.SAME_STEP or layer.max_spikes != 1 or layer.v_negative is not None
        or layer.refractory > 0 or layer.v_min is not None or layer.v_max is not None
        or (isinstance(layer, LIF) and layer.leak is not Leak.FACTOR)
    )  # fmt: skip
    return not special and not any(isinstance(value, np.ndarray) for value in numbers(layer).values())


def is_binary(layer: Stateful) -> bool:
    """Whether what it sends in a step is one spike or none."""
    return isinstance(layer, _Firing) and layer.max_spikes == 1 and layer.v_negative is None


def numbers(layer: Stateful) -> dict[str, Value]:
    """The parameters that are numbers or arrays of numbers, by name."""
    found = {item.name: getattr(layer, item.name) for item in fields(layer)}
    return {name: value for name, value in found.items() if isinstance(value, float | np.ndarray)}


def spread(value: Value, shape: tuple[int, ...], name: str = "a parameter") -> Value:
    """One number as it is; an array as one number for each neuron, [*shape]."""
    if not isinstance(value, np.ndarray):
        return value
    if value.shape == shape:
        return value
    if value.shape == shape[:1]:
        return np.broadcast_to(value.reshape(-1, *[1] * (len(shape) - 1)), shape)
    raise ShapeError(
        f"{name} has shape {list(value.shape)}, expected one number, one per channel [{shape[0]}], or {list(shape)}"
    )


def spread_over(layer: N, shape: tuple[int, ...]) -> N:
    """The same neurons with every array of the node's whole shape."""
    changed: dict[str, Any] = {
        name: spread(value, shape, name) for name, value in numbers(layer).items() if isinstance(value, np.ndarray)
    }
    return replace(layer, **changed) if changed else layer


def one_of(layer: N, index: tuple[int, ...], shape: tuple[int, ...]) -> N:
    """The neuron at `index` of the node alone: one number for each parameter."""
    chosen = {name: spread(value, shape, name) for name, value in numbers(layer).items()}
    single: dict[str, Any] = {
        name: float(value[index]) for name, value in chosen.items() if isinstance(value, np.ndarray)
    }
    return replace(layer, **single) if single else layer
