"""Numbers and arrays."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from refsnn.errors import SpecError
from refsnn.layers import Shape

Array = np.ndarray[Any, Any]


def dyadic(low: int, high: int, *, bits: int = 2) -> st.SearchStrategy[float]:
    """Multiples of 2^-bits from `low` to `high`; shrink to 0 or to the bound next to it."""
    return st.integers(low << bits, high << bits).map(lambda k: k / (1 << bits))


def tensors(shape: Shape, low: int = -2, high: int = 2, *, bits: int = 2) -> st.SearchStrategy[Array]:
    """float32 arrays of multiples of 2^-bits from `low` to `high`, mostly zeros; shrink to zeros.

    Sums of products of such numbers are exact in float32, in any order, as long as they stay below 2^24 of their last places.
    """
    return hnp.arrays(np.int32, shape, elements=st.integers(low << bits, high << bits), fill=st.just(0)).map(
        lambda a: (a / (1 << bits)).astype(np.float32)
    )


def weights(shape: Shape, low: float = -2.0, high: float = 2.0) -> st.SearchStrategy[Array]:
    """float32 arrays of any numbers from `low` to `high`, but for subnormal ones; nearly every sum of them rounds.

    Shrink to zeros, or to the bound next to 0. Take `tensors` where sums have to be exact, `tie_cases` where they have to meet
    a threshold.
    """
    first, last = float32_interval(low, high)
    return hnp.arrays(
        np.float32,
        shape,
        elements=st.floats(first, last, width=32, allow_subnormal=False),
        fill=st.just(min(max(0.0, first), last)),
    )


def float32_interval(low: float, high: float) -> tuple[float, float]:
    """The smallest and the largest float32 from `low` to `high`; a SpecError where there is none."""
    first, last = np.float32(low), np.float32(high)
    # compared as float64: NumPy would round the bound to float32 first
    first = np.nextafter(first, np.float32(np.inf)) if float(first) < low else first
    last = np.nextafter(last, np.float32(-np.inf)) if float(last) > high else last
    if not (np.isfinite(first) and np.isfinite(last) and first <= last):
        raise SpecError(f"domain: no float32 lies from {low!r} to {high!r}; give a lower and a higher finite number")
    return float(first), float(last)
