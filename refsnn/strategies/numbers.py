"""Arithmetics and fixed-point formats."""

from hypothesis import strategies as st

from refsnn.arithmetic import Arithmetic, Exact, FixedPoint, Float32, Float64
from refsnn.fixed import Accumulate, Overflow, Q, Rounding


@st.composite
def formats(draw: st.DrawFn, low: int = 2, high: int = 32, *, overflows: tuple[Overflow, ...] = tuple(Overflow)) -> Q:
    """Q of `low` to `high` bits, up to all of them but the sign behind the point, every rounding.

    Shrinks to whole numbers of `low` bits.
    """
    bits = draw(st.integers(low, high))
    return Q(bits, draw(st.integers(0, bits - 1)), draw(st.sampled_from(Rounding)), draw(st.sampled_from(overflows)))


@st.composite
def fixed_points(
    draw: st.DrawFn, *, overflows: tuple[Overflow, ...] = (Overflow.SATURATE, Overflow.WRAP)
) -> FixedPoint:
    """Formats as chips have them: weights of 4 to 8 bits, currents and potentials of 12 to 24 with at least 6 before the point.

    overflows: of currents and potentials; with Overflow.REFUSE a run may stop. Weights saturate, so that `quantise` rounds any
    network to them: hand it what you draw, a run refuses weights that are not in their format.
    Shrinks to the fewest bits, sums that take the format at their end, and 4 bits of decay.
    """
    bits = draw(st.integers(4, 8))
    weight = Q(bits, draw(st.integers(2, bits - 1)), draw(st.sampled_from(Rounding)), Overflow.SATURATE)
    current, membrane = draw(_wide(overflows)), draw(_wide(overflows))
    return FixedPoint(weight, current, membrane, draw(st.integers(4, 12)), draw(st.sampled_from(Accumulate)))


@st.composite
def _wide(draw: st.DrawFn, overflows: tuple[Overflow, ...]) -> Q:
    bits = draw(st.integers(12, 24))
    return Q(bits, draw(st.integers(2, bits - 6)), draw(st.sampled_from(Rounding)), draw(st.sampled_from(overflows)))


def arithmetics() -> st.SearchStrategy[Arithmetic]:
    """Float32, Float64, Exact, and fixed points (fixed_points: round a network with `quantise` first); shrinks to Float32."""
    plain: st.SearchStrategy[Arithmetic] = st.sampled_from([Float32(), Float64(), Exact()])
    return plain | fixed_points()
