"""What a number is and how it rounds. An arithmetic is a value; it is handed to the functions that compute."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from refsnn.errors import FormatError, SpecError, did_you_mean
from refsnn.fixed import CARRIED_BITS, Accumulate, Overflow, Q, Rounding
from refsnn.offers import offer


@dataclass(frozen=True)
class Float32:
    """IEEE 754 binary32, round to nearest even; sums in the specified order, no contraction."""

    @property
    def name(self) -> str:
        return type(self).__name__

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)


@dataclass(frozen=True)
class Float64:
    """IEEE 754 binary64, round to nearest even; sums in the specified order, no contraction."""

    @property
    def name(self) -> str:
        return type(self).__name__

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float64)


@dataclass(frozen=True)
class Exact:
    """Real numbers: every firing and every level is the one that exact arithmetic on the given weights and inputs gives.

    Runs in float64 with a rigorous bound on its error (rounding.py); what the bound leaves in doubt is computed again in
    fractions (exact.py). Potentials and readouts are reported as float64 numbers near the real ones.
    """

    @property
    def name(self) -> str:
        return type(self).__name__

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float64)


@dataclass(frozen=True)
class FixedPoint:
    """Fixed-point numbers as on a chip: every current and potential takes its format by that format's rules.

    weight: of the weights; a network whose weights are not all in it is refused (round it with `quantise`).
    current: of what weight layers, Adds of currents and synapses give, and of biases.
    membrane: of potentials, thresholds and whatever else a potential can become.
    decay_fraction: decays and gains are multiples of 2^-decay_fraction, their products are rounded to the format of
        what they are part of.
    accumulate: whether a sum of currents takes the format at the end, or after every addition in the specified order.
    Numbers are held as float64, which has them all exactly. Overflow that is not refused is counted in trace.overflows.
    """

    weight: Q
    current: Q
    membrane: Q
    decay_fraction: int = 12
    accumulate: Accumulate = Accumulate.AT_END

    def __post_init__(self) -> None:
        widest = max(self.current.bits, self.membrane.bits)
        if not 0 <= self.decay_fraction <= CARRIED_BITS - 2 - widest:
            raise SpecError(
                f"decay_fraction {self.decay_fraction}: expected 0 to {CARRIED_BITS - 2 - widest}, so that products with "
                f"{widest} bits are exact before they are rounded"
            )

    @property
    def name(self) -> str:
        formats = (f"{part}={getattr(self, part).described}" for part in ("weight", "current", "membrane"))
        return f"FixedPoint({', '.join(formats)}, decay_fraction={self.decay_fraction}, accumulate={self.accumulate.value})"

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float64)


Arithmetic = Float32 | Float64 | Exact | FixedPoint
offer(Float32, Float64, Exact, FixedPoint, Q)


def finite(what: str, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """`values`, or a FormatError that names the first NaN or infinity in them."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise FormatError(f"{what}: {values[index]} at index {list(index)}; every number must be finite")
    return values


def representable(what: str, values: np.ndarray[Any, Any], arithmetic: Arithmetic) -> np.ndarray[Any, Any]:
    """`values` in the arithmetic's format, or a FormatError that names the first one beyond its largest number."""
    check_representable(what, values, arithmetic)
    return values.astype(arithmetic.dtype)


def check_representable(what: str, values: np.ndarray[Any, Any], arithmetic: Arithmetic) -> None:
    """Raises FormatError for the first of the values that is beyond the arithmetic's largest number."""
    largest = float(np.finfo(arithmetic.dtype).max)
    if values.size == 0 or (float(values.max()) <= largest and float(values.min()) >= -largest):
        return  # a number between the largest and infinity is rounded to one of them: asked for below
    with np.errstate(over="ignore"):
        finite(f"{what} in {type(arithmetic).__name__}", values.astype(arithmetic.dtype))


def arithmetic_of(text: str) -> Arithmetic:
    """The arithmetic that a text names: float32, float64, exact, or fixed:WEIGHT,CURRENT,MEMBRANE.

    Each format is BITS.FRACTION, then, if wanted, its rounding and overflow rules behind colons:
    fixed:8.6,16.10:floor:saturate,16.10:floor:saturate
    """
    plain: dict[str, Arithmetic] = {"float32": Float32(), "float64": Float64(), "exact": Exact()}
    kind, _, formats = text.partition(":")
    if text in plain:
        return plain[text]
    if kind != "fixed" or formats.count(",") != 2:
        raise SpecError(
            f"arithmetic: {text!r} is none{did_you_mean(text, list(plain))}; expected float32, float64, exact or "
            "fixed:WEIGHT,CURRENT,MEMBRANE such as fixed:8.6,16.10,16.10"
        )
    weight, current, membrane = (_format_of(part) for part in formats.split(","))
    return FixedPoint(weight=weight, current=current, membrane=membrane)


def _format_of(text: str) -> Q:
    numbers, *rules = text.split(":")
    bits, _, fraction = numbers.partition(".")
    try:
        rounding = Rounding(rules[0]) if rules else Rounding.NEAREST_EVEN
        overflow = Overflow(rules[1]) if rules[1:] else Overflow.REFUSE
        return Q(int(bits), int(fraction or 0), rounding, overflow)
    except ValueError as error:
        raise SpecError(
            f"arithmetic: format {text!r}: expected BITS.FRACTION[:ROUNDING[:OVERFLOW]], rounding one of "
            f"{', '.join(r.value for r in Rounding)}, overflow one of {', '.join(o.value for o in Overflow)}"
        ) from error
