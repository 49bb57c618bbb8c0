"""Policies, and readouts that they stop."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from refsnn.policies import Confidence, Entropy, Fixed, Oracle, TopK

Array = np.ndarray[Any, Any]
Policy = Fixed | TopK | Confidence | Entropy | Oracle


@st.composite
def readouts(draw: st.DrawFn, *, max_steps: int = 6) -> tuple[Array, Array]:
    """A readout float64[T, N, K] with frequent ties, and labels int64[N]; shrinks to one step, one sample, zeros, label 0."""
    shape = draw(st.integers(1, max_steps)), draw(st.integers(1, 12)), draw(st.integers(2, 4))
    per_step = draw(hnp.arrays(np.int64, shape, elements=st.integers(-4, 4)))
    labels = draw(hnp.arrays(np.int64, shape[1], elements=st.integers(0, shape[2] - 1)))
    return np.cumsum(per_step, axis=0).astype(np.float64), labels


def policies(steps: int, *, labels: Array | None = None) -> st.SearchStrategy[Policy]:
    """Fixed, TopK, Confidence and Entropy for readouts of so many steps; with labels the Oracle, which looks ahead, too.

    TopK: whole thresholds from -1 to 9; Confidence and Entropy: thresholds from 0 to 1, sum and mean, three temperatures.
    Shrinks to Fixed(1).
    """
    certain: dict[str, st.SearchStrategy[Any]] = {
        "threshold": st.floats(0, 1),
        "accumulate": st.sampled_from(["sum", "mean"]),
        "temperature": st.sampled_from([1.0, 0.5, 8.0]),
    }
    margins = st.lists(st.integers(-1, 9), min_size=steps, max_size=steps).map(tuple)
    drawn: st.SearchStrategy[Any] = st.one_of(
        st.builds(Fixed, st.integers(1, steps)),
        st.builds(TopK, margins),
        st.builds(Confidence, **certain),
        st.builds(Entropy, **certain),
    )
    return drawn if labels is None else drawn | st.builds(Oracle, st.just(labels))
