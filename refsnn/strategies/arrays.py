"""Numbers and arrays."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from refsnn.layers import Shape

Array = np.ndarray[Any, Any]


def dyadic(low: int, high: int, *, bits: int = 2) -> st.SearchStrategy[float]:
    """Multiples of 2^-bits from `low` to `high`."""
    return st.integers(low << bits, high << bits).map(lambda k: k / (1 << bits))


def tensors(shape: Shape, low: int = -2, high: int = 2) -> st.SearchStrategy[Array]:
    """float32 arrays of multiples of 1/4."""
    return hnp.arrays(np.int8, shape, elements=st.integers(4 * low, 4 * high), fill=st.just(0)).map(
        lambda a: (a / 4).astype(np.float32)
    )
