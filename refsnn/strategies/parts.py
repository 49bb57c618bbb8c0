"""Layers that fit a given shape."""

from typing import Any

from hypothesis import strategies as st

from refsnn.layers import AvgPool2d, BatchNorm, Conv1d, Conv2d, Linear, MaxPool2d, Pool, Shape, SumPool2d
from refsnn.strategies.arrays import tensors


@st.composite
def convolutions(draw: st.DrawFn, shape: Shape) -> Conv2d:
    """A convolution that fits the shape: strides, paddings, dilations, groups, with and without bias.

    Shrinks to one kernel of one pixel, a weight of 0 and no bias.
    """
    channels, height, width = shape
    groups = draw(st.sampled_from([g for g in (1, 2, 4) if channels % g == 0]))
    outputs = groups * draw(st.integers(1, 2))
    padding = (draw(st.integers(0, 2)), draw(st.integers(0, 2)))
    dilation = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    kernel = tuple(
        draw(st.integers(1, min(3, (size + 2 * pad - 1) // gap + 1)))
        for size, pad, gap in zip((height, width), padding, dilation, strict=True)
    )
    return Conv2d(
        weight=draw(tensors((outputs, channels // groups, *kernel))),
        bias=draw(st.none() | tensors((outputs,))),
        stride=(draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        padding=padding,
        dilation=dilation,
        groups=groups,
    )


@st.composite
def convolutions_1d(draw: st.DrawFn, shape: Shape) -> Conv1d:
    """A one-dimensional convolution that fits the shape; shrinks as convolutions do."""
    flat = draw(
        convolutions((shape[0], 1, shape[1])).filter(lambda conv: conv.weight.shape[2] == 1 and conv.padding[0] == 0)
    )
    return Conv1d(weight=flat.weight[:, :, 0], bias=flat.bias, stride=flat.stride[1], padding=flat.padding[1],
                  dilation=flat.dilation[1], groups=flat.groups)  # fmt: skip


@st.composite
def pools(
    draw: st.DrawFn, shape: Shape, *, kinds: tuple[type, ...] = (AvgPool2d, SumPool2d, MaxPool2d), largest: int = 2
) -> Pool:
    """A pool that fits the shape; with windows of up to two by two pixels a mean stays dyadic.

    Shrinks to a mean over windows of one pixel.
    """
    padding = (draw(st.integers(0, 1)), draw(st.integers(0, 1)))
    kernel = tuple(
        draw(st.integers(max(1, 2 * pad), max(2 * pad, min(largest, size + pad))))
        for size, pad in zip(shape[1:], padding, strict=True)
    )
    stride = draw(st.none() | st.tuples(st.integers(1, 2), st.integers(1, 2)))
    kind: Any = draw(st.sampled_from(kinds))
    pool: Pool = kind(kernel=(kernel[0], kernel[1]), stride=stride, padding=padding)
    return pool


@st.composite
def linears(draw: st.DrawFn, features: int, outputs: int | None = None) -> Linear:
    """A fully connected layer; shrinks to one output, weights of 0 and no bias."""
    outputs = draw(st.integers(1, 5)) if outputs is None else outputs
    return Linear(weight=draw(tensors((outputs, features))), bias=draw(st.none() | tensors((outputs,))))


@st.composite
def batch_norms(draw: st.DrawFn, channels: int) -> BatchNorm:
    """BatchNorm whose factor is no power of two; shrinks to weights of 1 and zeros."""
    return BatchNorm(
        weight=draw(tensors((channels,), 1, 2)),
        bias=draw(tensors((channels,))),
        mean=draw(tensors((channels,))),
        var=draw(tensors((channels,), 0, 2)),
    )
