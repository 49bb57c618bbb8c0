"""Policies, and readouts that they stop."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from refsnn.policies import (
    Confidence,
    DynamicConfidence,
    Entropy,
    Fixed,
    Gate,
    Oracle,
    OracleEmpirical,
    Patience,
    SpikeCP,
    TopK,
)

Array = np.ndarray[Any, Any]
ScorePolicy = TopK | Confidence | Entropy | DynamicConfidence | Patience | Gate | SpikeCP
Policy = Fixed | ScorePolicy | Oracle | OracleEmpirical


@st.composite
def readouts(draw: st.DrawFn, *, max_steps: int = 6) -> tuple[Array, Array]:
    """A readout float64[T, N, K] with frequent ties, and labels int64[N]; shrinks to one step, one sample, zeros, label 0."""
    shape = draw(st.integers(1, max_steps)), draw(st.integers(1, 12)), draw(st.integers(2, 4))
    per_step = draw(hnp.arrays(np.int64, shape, elements=st.integers(-4, 4)))
    labels = draw(hnp.arrays(np.int64, shape[1], elements=st.integers(0, shape[2] - 1)))
    return np.cumsum(per_step, axis=0).astype(np.float64), labels


def policies(steps: int, *, labels: Array | None = None) -> st.SearchStrategy[Policy]:
    """Fixed and score_policies for readouts of so many steps; with labels the oracles, which look ahead, too.

    Shrinks to Fixed(1).
    """
    drawn: st.SearchStrategy[Any] = st.builds(Fixed, st.integers(1, steps)) | score_policies(steps)
    if labels is None:
        return drawn
    return drawn | st.builds(Oracle, st.just(labels)) | st.builds(OracleEmpirical, st.just(labels))


def score_policies(steps: int) -> st.SearchStrategy[ScorePolicy]:
    """TopK, Confidence, Entropy, Patience, DynamicConfidence, Gate and SpikeCP for readouts of so many steps.

    TopK: whole thresholds from -1 to 9. Thresholds of probabilities from 0 to 1, sum and mean, three temperatures. Gate:
    weights and bias in quarters from -2 to 2. SpikeCP: quantiles from 0 to 4 and infinity, sets of no class or one, so that
    it suits readouts of two classes. Shrinks to TopK with thresholds of 0.
    """
    softmax: dict[str, st.SearchStrategy[Any]] = {
        "accumulate": st.sampled_from(["sum", "mean"]),
        "temperature": st.sampled_from([1.0, 0.5, 8.0]),
    }
    certain = {"threshold": st.floats(0, 1), **softmax}
    quarters = st.integers(-8, 8).map(lambda n: n / 4)
    drawn: st.SearchStrategy[Any] = st.one_of(
        st.builds(TopK, st.lists(st.integers(-1, 9), min_size=steps, max_size=steps).map(tuple)),
        st.builds(Confidence, **certain),
        st.builds(Entropy, **certain),
        st.builds(Patience, st.integers(1, steps + 1)),
        st.builds(DynamicConfidence, **certain),
        st.builds(Gate, st.tuples(*[quarters] * 5), quarters, **certain),
        checkpoints(steps).flatmap(lambda at: _set_sizes(at, softmax)),
    )
    return drawn


def checkpoints(steps: int) -> st.SearchStrategy[tuple[int, ...]]:
    """Ascending steps up to and with the last; shrinks to the last alone."""
    before = st.sets(st.integers(1, steps - 1)) if steps > 1 else st.just(set())
    return before.map(lambda found: (*sorted(found), steps))


def _set_sizes(at: tuple[int, ...], softmax: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[SpikeCP]:
    quantile = st.integers(0, 17).map(lambda n: n / 4 if n < 17 else np.inf)
    quantiles = st.lists(quantile, min_size=len(at), max_size=len(at)).map(tuple)
    return st.builds(SpikeCP, quantiles, st.just(at), largest=st.integers(0, 1), **softmax)
