"""Asymmetric padding through zeros in the kernel: the same sums."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsnn.formats.asymmetric import padded_kernel, undilated
from refsnn.kernels import kernel as kernel_of
from refsnn.layers import Conv2d
from refsnn.strategies import tensors

sides = st.tuples(st.integers(0, 3), st.integers(0, 3))


@given(
    st.data(),
    sides,
    sides,
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
)
def test_one_padding_and_zeros_in_the_kernel_give_what_two_paddings_give(data, before, after, stride, dilation):
    kernel = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    least = [max(1, (k - 1) * d + 1 - b - a) for k, d, b, a in zip(kernel, dilation, before, after, strict=True)]
    size = tuple(data.draw(st.integers(s, s + 3)) for s in least)
    weight = data.draw(tensors((2, 1, *kernel)))
    x = data.draw(tensors((1, 1, *size)))
    edges = [(0, 0), (0, 0), *zip(before, after, strict=True)]
    plain = Conv2d(weight=weight, stride=stride, dilation=dilation)
    expected = kernel_of(plain, "naive")(plain, np.pad(x, edges), None)
    gaps = dilation
    if any((b - a) % d for b, a, d in zip(before, after, dilation, strict=True)):
        with pytest.raises(ValueError, match="need another tap"):
            padded_kernel(weight, before, after, dilation)
        weight, gaps = undilated(weight, dilation), (1, 1)
    grown, padding = padded_kernel(weight, before, after, gaps)
    assert (grown is weight) == (before == after)
    layer = Conv2d(weight=grown, stride=stride, padding=padding, dilation=gaps)
    np.testing.assert_array_equal(kernel_of(layer, "naive")(layer, x, None), expected)
