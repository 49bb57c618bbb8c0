"""Charges that meet a threshold exactly, or miss it by one place of a float32."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from refsnn.layers import Linear
from refsnn.network import INPUT, Network, Node
from refsnn.neurons import IF
from refsnn.strategies.arrays import tensors

Array = np.ndarray[Any, Any]


@st.composite
def tie_cases(draw: st.DrawFn, *, near: bool = True) -> tuple[Network, Array, int]:
    """A network, one sample x and steps T for which the charge of every neuron is a multiple of its threshold, or nearly.

        v_init + T * sum_i weight[o, i] * x[i] = k * v_threshold,   k = -1..T + 1

    One layer "w" of weights, one layer "n" of IF neurons, T = 1, 2, 4 or 8, v_init = 0 or v_threshold / 2 (as converted networks
    have it); weights and inputs are float32. near: a neuron's last weight may be the next float32 below or above, which
    moves its charge off the multiple by T * x * ulp. Shrinks to one neuron with one input, exactly at its threshold's multiple 0.
    """
    features, outputs = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    steps, theta = draw(st.sampled_from([1, 2, 4, 8])), draw(st.sampled_from([1.0, 0.5, 2.0, 1.25]))
    v_init = draw(st.sampled_from([0.0, theta / 2]))
    multiples = draw(st.lists(st.integers(-1, steps + 1), min_size=outputs, max_size=outputs))
    # dividing by a power of two is exact, so the last weight makes up for all the others exactly
    last = draw(st.sampled_from([1.0, 2.0, 0.5, -1.0]))
    x, weight = draw(tensors((features,))), draw(tensors((outputs, features)))
    x[-1] = last
    target = (np.array(multiples) * theta - v_init) / steps
    weight[:, -1] = (target - weight[:, :-1].astype(np.float64) @ x[:-1]) / last
    if near:
        sides = np.array(draw(st.lists(st.sampled_from([0, -1, 1]), min_size=outputs, max_size=outputs)))
        exactly, infinity = weight[:, -1], np.float32(np.inf)
        below, above = np.nextafter(exactly, -infinity), np.nextafter(exactly, infinity)
        weight[:, -1] = np.where(sides < 0, below, np.where(sides > 0, above, exactly))
    nodes = Node("w", Linear(weight=weight), (INPUT,)), Node("n", IF(v_threshold=theta, v_init=v_init), ("w",))
    return Network("ties", (features,), nodes), x[None], steps
