"""A network with something to run on it."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from refsnn.network import Network
from refsnn.neurons import IF, LIF
from refsnn.strategies.arrays import tensors
from refsnn.strategies.graphs import any_networks, networks

Array = np.ndarray[Any, Any]


def inputs(network: Network, *, max_samples: int = 3) -> st.SearchStrategy[Array]:
    """float32[N, *input_shape] in multiples of 1/4 between -1 and 2; shrinks to one sample of zeros."""
    return st.integers(1, max_samples).flatmap(lambda n: tensors((n, *network.input_shape), -1, 2))


@st.composite
def cases(
    draw: st.DrawFn, *, kinds: tuple[type, ...] = (IF, LIF), max_steps: int = 6, largest_pool: int = 2
) -> tuple[Network, Array, int]:
    """A spiking network, inputs for it, and a number of steps; shrinks to what each of the three does, and one step."""
    network = draw(networks(kinds=kinds, largest_pool=largest_pool))
    return network, draw(inputs(network)), draw(st.integers(1, max_steps))


@st.composite
def any_cases(draw: st.DrawFn, *, max_steps: int = 6) -> tuple[Network, Array, int]:
    """The same with a network of every kind of neuron (any_networks)."""
    network = draw(any_networks())
    return network, draw(inputs(network)), draw(st.integers(1, max_steps))
