"""Inputs for a network of your own."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from refsnn.errors import ShapeError, SpecError
from refsnn.network import Network
from refsnn.strategies.arrays import float32_interval, weights

Array = np.ndarray[Any, Any]
MOST_CHANGES = 4  # coordinates in which a sample may leave the given one


def inputs_for(
    network: Network, *, near: Array | None = None, domain: tuple[float, float] = (0.0, 1.0), max_samples: int = 3
) -> st.SearchStrategy[Array]:
    """float32[N, *input_shape], N = 1..max_samples, all numbers from domain[0] to domain[1].

    near: samples [M, *input_shape] within the domain; what is drawn are some of them, each with at most four coordinates
    changed to any number of the domain. Without it every coordinate may be any number of the domain.
    Shrinks to one sample: of zeros (or the bound next to 0) with as few others as possible; or the first of `near`, with as few
    changes as possible. Raises ShapeError for samples of another shape, SpecError for samples outside the domain.
    """
    low, high = float32_interval(*domain)
    if near is None:
        return st.integers(1, max_samples).flatmap(lambda n: weights((n, *network.input_shape), low, high))
    samples = np.asarray(near, np.float32)
    if samples.shape[1:] != network.input_shape or not len(samples):
        raise ShapeError(
            f"near: samples have shape {list(samples.shape)}, expected [M, {', '.join(map(str, network.input_shape))}]"
        )
    outside = (samples < low) | (samples > high) | np.isnan(samples)
    if outside.any():
        index = tuple(int(i) for i in np.argwhere(outside)[0])
        raise SpecError(
            f"near: {samples[index]} at index {list(index)} lies outside the domain {low:g} to {high:g}; give domain="
        )
    return st.lists(_changed(samples, low, high), min_size=1, max_size=max_samples).map(np.stack)


def _changed(samples: Array, low: float, high: float) -> st.SearchStrategy[Array]:
    """One of the samples, with a few coordinates changed."""
    values = st.floats(low, high, width=32, allow_subnormal=False)
    changes = st.dictionaries(st.integers(0, samples[0].size - 1), values, max_size=MOST_CHANGES)

    def apply(chosen: tuple[int, dict[int, float]]) -> Array:
        sample = samples[chosen[0]].copy()
        for index, value in chosen[1].items():
            sample.flat[index] = value
        return sample

    return st.tuples(st.integers(0, len(samples) - 1), changes).map(apply)
