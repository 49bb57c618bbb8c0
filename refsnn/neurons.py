"""What a neuron is: its parameters and what they mean. The equations are in dynamics.py.

A step of every neuron: charge (integrate the current), fire (compare with the threshold), reset. All of it happens
within one step, in this order; the potential that is recorded is the one after the reset.

Conventions differ between simulators. This is where each stands in the fields below; what IF and LIF cannot say (several
spikes in a step, a reset one step late, refractory times, a second state) is not supported yet.

    source                                  decay     gain            firing  reset
    SpikingJelly IFNode, LIFNode            1 - 1/tau 1/tau (or 1)    >=      v_reset None: subtract, else to_value
    snnTorch Leaky (reset_delay=False)      beta      1               >       subtract
    sinabs LIF (SingleSpike)                alpha     1 - alpha or 1  >=      subtract
    norse LIF                               1 - dt/tau dt/tau         >       to_value
    QCFS networks after conversion          (IF)      1               >=      subtract, v_init = v_threshold / 2
"""

from enum import Enum
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.dataclasses import dataclass

CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)


class Reset(Enum):
    """What a spike does to the potential."""

    SUBTRACT = "subtract"  # v - v_threshold
    TO_VALUE = "to_value"  # v_reset
    NONE = "none"  # v stays


class Firing(Enum):
    """Which side of the threshold fires."""

    AT_THRESHOLD = ">="
    ABOVE_THRESHOLD = ">"


def _single(value: Any) -> Any:
    """The number in a tensor of one element; anything else as it is, for the field's own check."""
    if isinstance(value, np.ndarray):
        if value.size != 1:
            raise ValueError(f"expected one number, got a tensor of shape {list(value.shape)}")
        return float(value.reshape(()))
    if isinstance(value, bool | str):
        raise ValueError(f"expected a number, got {value!r}")  # pydantic would read 'yes' and '1' as numbers
    return value


SCALAR_SCHEMA = WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]})  # or the name of a tensor
Scalar = Annotated[float, BeforeValidator(_single), SCALAR_SCHEMA]
Positive = Annotated[float, Field(gt=0), BeforeValidator(_single), SCALAR_SCHEMA]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class IF:
    """Integrate and fire: v = v + current; fires at v_threshold; a spike is worth `amplitude` to the next layer."""

    v_threshold: Positive
    v_init: Scalar = 0.0
    reset: Reset = Reset.SUBTRACT
    v_reset: Scalar = 0.0  # used by Reset.TO_VALUE
    firing: Firing = Firing.AT_THRESHOLD
    amplitude: Scalar = 1.0


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class LIF:
    """Leaky integrate and fire: v = v_leak + decay * (v - v_leak) + gain * current; then as IF."""

    decay: Annotated[float, Field(ge=0, le=1), BeforeValidator(_single), SCALAR_SCHEMA]
    v_threshold: Positive
    gain: Scalar = 1.0
    v_leak: Scalar = 0.0
    v_init: Scalar = 0.0
    reset: Reset = Reset.SUBTRACT
    v_reset: Scalar = 0.0
    firing: Firing = Firing.AT_THRESHOLD
    amplitude: Scalar = 1.0


Neuron = IF | LIF
