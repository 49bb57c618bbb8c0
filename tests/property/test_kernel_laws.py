"""Each layer's two kernels alone, on numbers that round in every operation."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from same import assert_identical

from refsnn import strategies as snn
from refsnn.kernels import LAYERS
from refsnn.layers import Add, AvgPool2d, MaxPool2d, ReLU, SumPool2d


def rough(seed, shape, dtype):
    """Normal numbers with all their bits, a third of them 0.0 or -0.0."""
    draw = np.random.Generator(np.random.PCG64(seed))
    return (draw.normal(size=shape) * (draw.random(shape) > 1 / 3)).astype(dtype)


def roughened(layer, seed):
    """The layer with weights that have all their bits."""
    from dataclasses import replace

    if not hasattr(layer, "weight"):
        return layer
    bias = None if layer.bias is None else rough(seed + 1, layer.bias.shape, np.float64)
    return replace(layer, weight=rough(seed, layer.weight.shape, np.float64), bias=bias)


shapes = st.tuples(st.sampled_from([1, 2, 4]), st.integers(1, 6), st.integers(1, 6))
layers = shapes.flatmap(
    lambda shape: st.tuples(
        st.just(shape),
        snn.convolutions(shape)
        | snn.pools(shape, kinds=(AvgPool2d, SumPool2d, MaxPool2d), largest=3)
        | st.sampled_from([Add(), ReLU()]),
    )
)
one_axis = st.integers(1, 40).flatmap(lambda n: st.tuples(st.just((n,)), snn.linears(n, outputs=37)))


@given(
    case=layers | one_axis,
    seed=st.integers(0, 2**32),
    samples=st.integers(1, 3),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_naive_and_fast_give_the_same_bits(case, seed, samples, dtype):
    """37 outputs fill vectors of 16 and of 8 numbers and leave some over."""
    shape, layer = case
    layer = roughened(layer, seed)
    inputs = [rough(seed + i, (samples, *shape), dtype) for i in (2, 3, 4)[: 3 if isinstance(layer, Add) else 1]]
    kernel = LAYERS[type(layer)]
    assert_identical(kernel.fast(layer, *inputs), kernel.naive(layer, *inputs))


@given(
    seed=st.integers(0, 2**32),
    kernel=st.sampled_from([(3, 1), (1, 3), (3, 3), (2, 3)]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_a_mean_divides_once(seed, kernel, dtype):
    """Against its own words: the window row by row, then one division, in the format throughout."""
    x = rough(seed, (1, 1, 3, 3), dtype)
    layer = AvgPool2d(kernel=kernel)
    total = dtype(0)
    for y in range(kernel[0]):
        for column in range(kernel[1]):
            total = total + x[0, 0, y, column]
    for run in (LAYERS[AvgPool2d].naive, LAYERS[AvgPool2d].fast):
        assert run(layer, x)[0, 0, 0, 0] == total / dtype(kernel[0] * kernel[1])
