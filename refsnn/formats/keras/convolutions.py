"""Keras' layers with kernels: Dense and the convolutions."""

from dataclasses import replace
from typing import Any

import numpy as np

from refsnn.formats.asymmetric import padded_kernel, undilated
from refsnn.formats.keras.building import (
    NO_PADDING,
    Building,
    Config,
    Value,
    activated,
    channels_last,
    checked,
    count,
    same_sides,
    setting,
)  # fmt: skip
from refsnn.formats.model_file import Array
from refsnn.layers import Conv1d, Conv2d, Linear


def dense(b: Building, name: str, config: Config, given: tuple[Value, ...], end: bool) -> Value:
    """Current = kernel^T x + bias; on a map, at every place: a convolution with one tap."""
    (value,) = given
    places = len(value.shape) - 1
    turned = "transposed from (in, out)" if places == 0 else "turned from (in, out), applied at every place"
    if value.order is not None:
        turned += "; its inputs reordered from (height, width, channels) to (channels, height, width)"
    kernel = b.tensor(name, 2, f"{name}.weight, {turned}", "kernel")
    weight = kernel.T if value.order is None else kernel.T[:, checked(b, name, value.order, len(kernel))]
    bias = b.bias(name, config)
    if places:
        kind: Any = Conv1d if places == 1 else Conv2d
        layer = b.made(name, kind, weight=weight.reshape(*weight.shape, *[1] * places), bias=bias)
    else:
        layer = b.made(name, Linear, weight=np.ascontiguousarray(weight), bias=bias)
    return activated(b, name, config.get("activation"), replace(b.add(name, layer, value), order=None), end)


def convolution(b: Building, name: str, config: Config, given: tuple[Value, ...], end: bool) -> Value:
    """Kernel (*places, in / groups, out) -> (out, in / groups, *places)."""
    (value,) = given
    axes = len(value.shape) - 1
    if axes == 0:
        b.refuse(name, f"a convolution over an input of shape {list(value.shape)}")
    kernel = b.tensor(
        name, axes + 2, f"{name}.weight, turned from ({'height, width' if axes == 2 else 'width'}, in, out)", "kernel"
    )
    weight = kernel.transpose(axes + 1, axes, *range(axes))
    made = _placed(
        b, name, config, value, weight, count(b, name, config.get("groups", 1), "groups"), b.bias(name, config)
    )
    return activated(b, name, config.get("activation"), made, end)


def depthwise(b: Building, name: str, config: Config, given: tuple[Value, ...], end: bool) -> Value:
    """Kernel (height, width, channels, multiplier) -> (channels * multiplier, 1, height, width) in groups of one channel."""
    (value,) = given
    bias = b.bias(name, config)
    made = _each_channel(b, name, config, value, bias, "kernel", "depthwise_kernel")
    return activated(b, name, config.get("activation"), made, end)


def separable(b: Building, name: str, config: Config, given: tuple[Value, ...], end: bool) -> Value:
    """A convolution of each channel, then one with one tap over the channels."""
    (value,) = given
    middle = _each_channel(b, name, config, value, None, "depthwise_kernel", node=f"{name}.depthwise")
    kernel = b.tensor(name, 4, f"{name}.weight, turned from (1, 1, in, out)", "pointwise_kernel")
    layer = b.made(name, Conv2d, weight=np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)), bias=b.bias(name, config))
    return activated(b, name, config.get("activation"), b.add(name, layer, middle), end)


def _each_channel(
    b: Building, name: str, config: Config, value: Value, bias: Array | None, *keys: str, node: str = ""
) -> Value:
    kernel = b.tensor(name, 4, f"{node or name}.weight, turned from (height, width, channels, multiplier)", *keys)
    height, width, channels, multiplier = kernel.shape
    weight = kernel.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)
    return _placed(b, name, config, value, weight, channels, bias, node)


def _placed(
    b: Building, name: str, config: Config, value: Value, weight: Array, groups: int, bias: Array | None, node: str = ""
) -> Value:
    """The convolution with Keras' padding; where it differs from side to side the kernel grows by taps of 0."""
    axes = weight.ndim - 2
    if len(value.shape) != axes + 1:
        b.refuse(name, f"a convolution over {axes} axes of an input of shape {list(value.shape)}")
    channels_last(b, name, config)
    stride, dilation = (setting(b, name, config, key, axes) for key in ("strides", "dilation_rate"))
    sizes = [size + sum(pad) for size, pad in zip(value.shape[1:], value.padding, strict=True)]
    sides = same_sides(b, name, config, sizes, weight.shape[2:], stride, dilation)
    before, after = (tuple(a[i] + p[i] for a, p in zip(sides, value.padding, strict=True)) for i in (0, 1))
    try:
        grown, padding = padded_kernel(weight, before, after, dilation)
    except ValueError:
        weight, dilation = undilated(weight, dilation), (1,) * axes
        grown, padding = padded_kernel(weight, before, after, dilation)
    if grown.shape != weight.shape:
        b.remark(name, f"with taps of 0 for the padding {list(before)} before and {list(after)} behind")
    places: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    if axes == 1:
        places = {key: one for key, (one,) in places.items()}
    kind: Any = Conv1d if axes == 1 else Conv2d
    layer = b.made(name, kind, weight=np.ascontiguousarray(grown), bias=bias, groups=groups, **places)
    return b.add(node or name, layer, replace(value, padding=NO_PADDING[axes]))
