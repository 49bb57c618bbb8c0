"""Fixed-point numbers: their formats, and how a real number becomes one of them.

A number of `bits` bits in two's complement with `fraction` of them behind the point is k / 2^fraction, k a whole number from
-2^(bits-1) to 2^(bits-1) - 1. Such numbers are held as float64, which has them all exactly up to 53 bits; what is computed
from them is exact too until it is rounded here, on purpose.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
from numba.extending import register_jitable

from refsnn.errors import SpecError

CARRIED_BITS = 53  # the significand of a float64


class Rounding(Enum):
    """Which neighbour on the grid a number becomes that is not on it."""

    NEAREST_EVEN = "nearest_even"
    NEAREST_UP = "nearest_up"  # floor(k + 1/2)
    FLOOR = "floor"  # an arithmetic shift to the right
    TO_ZERO = "to_zero"  # truncation of sign and magnitude


class Overflow(Enum):
    """What becomes of a number beyond the format's range."""

    REFUSE = "refuse"  # the run stops and says where
    SATURATE = "saturate"  # the largest or smallest number
    WRAP = "wrap"  # modulo 2^bits


class Accumulate(Enum):
    """When a sum of currents takes the current's format."""

    AT_END = "at_end"  # an accumulator wide enough for the exact sum, converted once
    EVERY_STEP = "every_step"  # every partial sum, in the specified order


@dataclass(frozen=True)
class Q:
    """A format: so many bits in two's complement, so many of them behind the point. Q(8, 4): -8 to 7.9375 in 1/16."""

    bits: int
    fraction: int = 0

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 32 or not -64 <= self.fraction <= 64:
            raise SpecError(f"{self}: expected 2 to 32 bits and -64 to 64 of them behind the point")

    @property
    def step(self) -> float:
        return 2.0**-self.fraction

    @property
    def low(self) -> float:
        return -(2.0 ** (self.bits - 1)) * self.step

    @property
    def high(self) -> float:
        return (2.0 ** (self.bits - 1) - 1) * self.step

    def __str__(self) -> str:
        return f"Q({self.bits}, {self.fraction})"


class Fit(NamedTuple):
    """A format and its rules as what a compiled loop can test; numbers are in units of the format's step."""

    scale: Any
    step: Any
    low: Any
    high: Any
    span: Any
    half: Any
    rounding: int
    overflow: int


ROUNDINGS, OVERFLOWS = tuple(Rounding), tuple(Overflow)


def fit_to(q: Q, rounding: Rounding, overflow: Overflow) -> Fit:
    return Fit(
        1 / q.step, q.step, q.low / q.step, q.high / q.step, 2.0**q.bits, 0.5,
        ROUNDINGS.index(rounding), OVERFLOWS.index(overflow),
    )  # fmt: skip


def unfitted(dtype: np.dtype[Any]) -> Fit:
    """For floats: nothing is rounded but by the format itself. In that format, so that nothing is promoted either."""
    one = dtype.type(1)
    return Fit(one, one, one, one, one, one, -1, -1)


@register_jitable
def on_grid(x: Any, fit: Any) -> Any:
    """In units of the step and rounded to a whole number, which may be out of range still; arrays or single numbers."""
    k = x * fit.scale
    if fit.rounding == 0:
        return np.rint(k)
    if fit.rounding == 1:
        return np.floor(k + fit.half)
    if fit.rounding == 2:
        return np.floor(k)
    return np.trunc(k)


@register_jitable
def out_of_range(k: Any, fit: Any) -> Any:
    """Whether k, in units of the step, is beyond the format."""
    return (k < fit.low) | (k > fit.high)


@register_jitable
def in_range(k: Any, fit: Any) -> Any:
    """The number that k, in units of the step, becomes; k itself where overflow is refused, for the message."""
    if fit.overflow == 1:
        k = np.minimum(np.maximum(k, fit.low), fit.high)
    elif fit.overflow == 2:
        k = k - fit.span * np.floor((k - fit.low) / fit.span)
    return k * fit.step
