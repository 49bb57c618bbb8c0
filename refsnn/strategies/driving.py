"""Drives of every kind."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from refsnn.drive import Bernoulli, Constant, Drive, EventList, Frames, Poisson
from refsnn.layers import Shape
from refsnn.network import Network
from refsnn.strategies.arrays import tensors

SEEDS = st.integers(0, 2**64 - 1)


def drives(network: Network, *, max_samples: int = 3, max_steps: int = 6) -> st.SearchStrategy[Drive]:
    """Constant, Frames, Bernoulli, Poisson and EventList for the network, for runs of up to `max_steps` steps.

    Values are multiples of 1/4: currents from -1 to 2, probabilities from 0 to 1, means from 0 to 3; up to 12 events. Any seed.
    Shrinks to a constant current of zeros for one sample.
    """
    return st.integers(1, max_samples).flatmap(lambda n: drives_of(network.input_shape, n, max_steps))


def drives_of(shape: Shape, samples: int, max_steps: int) -> st.SearchStrategy[Drive]:
    """The same for an input shape and a number of samples."""
    one_per_sample = (samples, *shape)
    kinds: list[st.SearchStrategy[Any]] = [
        st.builds(Constant, tensors(one_per_sample, -1, 2)),
        st.builds(Frames, tensors((max_steps, *one_per_sample), -1, 2)),
        st.builds(Bernoulli, _rates(one_per_sample, 1), seed=SEEDS),
        st.builds(Poisson, _rates(one_per_sample, 3), seed=SEEDS),
        _event_lists(shape, samples, max_steps),
    ]
    return st.one_of(kinds)


def _rates(shape: Shape, high: int) -> st.SearchStrategy[Any]:
    """Multiples of 1/4, most of them the same one: were it 0, hardly anything would be left to chance."""
    quarters = st.integers(0, 4 * high)
    return hnp.arrays(np.int32, shape, elements=quarters, fill=quarters).map(lambda a: (a / 4).astype(np.float32))


@st.composite
def _event_lists(draw: st.DrawFn, shape: Shape, samples: int, max_steps: int) -> EventList:
    limits = (max_steps, samples, int(np.prod(shape)))
    events = draw(st.lists(st.tuples(*(st.integers(0, limit - 1) for limit in limits)), max_size=12))
    step, sample, index = np.array(events, np.int64).reshape(-1, 3).T
    return EventList(step=step, sample=sample, index=index, samples=samples, shape=shape)
