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

from refsnn.errors import FormatError, SpecError

CARRIED_BITS = 53  # the significand of a float64
MOST_BITS = 32


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
    """A format and its rules: `bits` in two's complement, `fraction` of them behind the point. Q(8, 4): -8 to 7.9375 in 1/16."""

    bits: int
    fraction: int = 0
    rounding: Rounding = Rounding.NEAREST_EVEN
    overflow: Overflow = Overflow.REFUSE

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= MOST_BITS or not -64 <= self.fraction <= 64:
            raise SpecError(
                f"Q({self.bits}, {self.fraction}): expected 2 to {MOST_BITS} bits, and -64 to 64 of them behind the point"
            )

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

    @property
    def described(self) -> str:
        return f"Q({self.bits}, {self.fraction}, {self.rounding.value}, {self.overflow.value})"

    @property
    def fit(self) -> "Fit":
        return Fit(
            1 / self.step, self.step, self.low / self.step, self.high / self.step, 2.0**self.bits, 0.5,
            tuple(Rounding).index(self.rounding), tuple(Overflow).index(self.overflow),
        )  # fmt: skip

    def of(self, what: str, values: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The numbers in this format, rounded and kept in range by its rules; refused where it refuses overflow."""
        k = on_grid(np.asarray(values, np.float64), self.fit)
        if self.overflow is Overflow.REFUSE and out_of_range(k, self.fit).any():
            raise FormatError(self.beyond(what, k * self.step))
        fitted: np.ndarray[Any, np.dtype[np.float64]] = np.asarray(in_range(k, self.fit))
        return fitted

    def holds(self, what: str, values: Any) -> None:
        """Raises FormatError where the numbers are not all in this format already."""
        given = np.atleast_1d(np.asarray(values, np.float64))
        k = on_grid(given, self.fit)
        if out_of_range(k, self.fit).any():
            raise FormatError(self.beyond(what, given))
        off = k * self.step != given
        if off.any():
            index = [int(i) for i in np.argwhere(off)[0]]
            raise FormatError(
                f"{what}: {float(given[tuple(index)])!r} at index {index} is no multiple of 2^-{self.fraction} as {self} has "
                "them; round the network first with refsnn.quantise (refsnn convert --quantise), or the input with Q.of"
            )

    def beyond(self, what: str, values: Any) -> str:
        """The sentence that says by how much the largest of the values is out of range."""
        values = np.asarray(values)
        farthest = float(values.ravel()[np.argmax(np.maximum(values - self.high, self.low - values))])
        by = max(farthest - self.high, self.low - farthest)
        return (
            f"{what}: {farthest:.10g} does not fit {self}, {self.low:g} to {self.high:g}, by {by:.10g}; "
            "take more bits, or overflow: saturate or wrap"
        )


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
