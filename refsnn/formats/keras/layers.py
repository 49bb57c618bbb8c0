"""Keras' layers as nodes of ours, one function for each class; each gets the values that the layer reads."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np

from refsnn.formats.keras.building import (
    Building,
    Config,
    Value,
    activated,
    channels_last,
    checked,
    same_sides,
    setting,
)  # fmt: skip
from refsnn.formats.keras.convolutions import convolution, dense, depthwise, separable
from refsnn.formats.model_file import Array
from refsnn.layers import Add, AvgPool2d, BatchNorm, Concat, Flatten, GlobalAvgPool2d, MaxPool2d, ReLU

# nothing at inference
IDENTITIES = (
    "InputLayer", "Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "AlphaDropout",
    "ActivityRegularization",
)  # fmt: skip
MANY = ("Add", "Concatenate")  # classes that read several values


def _normalised(b: Building, name: str, config: Config, given: tuple[Value, ...], _end: bool) -> Value:
    (value,) = given
    axis = config.get("axis", -1)
    if axis not in (-1, [-1], len(value.shape), [len(value.shape)]):
        b.refuse(name, f"a BatchNormalization over axis {axis!r}", "normalise the last axis, the channels")
    found: dict[str, Array] = {}
    for ours, theirs, choice in (("weight", "gamma", "scale"), ("bias", "beta", "center"),
                                  ("mean", "moving_mean", ""), ("var", "moving_variance", "")):  # fmt: skip
        if config.get(choice, True):
            values = b.tensor(name, 1, f"{name}.{ours}", theirs)
            found[ours] = values if value.order is None else values[checked(b, name, value.order, len(values))]
    count = len(found["mean"])
    usual = {"weight": np.ones(count, np.float32), "bias": np.zeros(count, np.float32)}
    return b.add(name, b.made(name, BatchNorm, **(usual | found), eps=config.get("epsilon", 1e-3)), value)


def _pooled(maximum: bool, b: Building, name: str, config: Config, given: tuple[Value, ...], _end: bool) -> Value:
    (value,) = given
    channels_last(b, name, config)
    if len(value.shape) != 3:
        b.refuse(name, f"a pool over an input of shape {list(value.shape)}")
    kernel = setting(b, name, config, "pool_size", 2)
    stride = kernel if config.get("strides") is None else setting(b, name, config, "strides", 2)
    sides = same_sides(b, name, config, list(value.shape[1:]), kernel, stride, (1, 1))
    if any(before != after for before, after in sides) or (any(map(any, sides)) and not maximum):
        b.refuse(name, f"padding 'same' that puts {sides} beside the map",
                 "for means Keras leaves the padding out, and one-sided padding has no pool of ours; use 'valid'")  # fmt: skip
    kind: Any = MaxPool2d if maximum else AvgPool2d
    padding = (sides[0][0], sides[1][0])
    return b.add(name, b.made(name, kind, kernel=kernel, stride=stride, padding=padding), value)


def _global_pool(maximum: bool, b: Building, name: str, config: Config, given: tuple[Value, ...], _end: bool) -> Value:
    (value,) = given
    channels_last(b, name, config)
    if len(value.shape) != 3:
        b.refuse(name, f"a pool over an input of shape {list(value.shape)}")
    layer = b.made(name, MaxPool2d, kernel=value.shape[1:]) if maximum else GlobalAvgPool2d()
    if config.get("keepdims"):
        return b.add(name, layer, value)
    return b.add(f"{name}.flatten", Flatten(), b.add(name, layer, value))


def _flattened(b: Building, name: str, config: Config, given: tuple[Value, ...], _end: bool) -> Value:
    """Features in our order; Keras' number of feature (c, h, w) is (h W + w) C + c."""
    (value,) = given
    if len(value.shape) == 1:
        return value
    channels_last(b, name, config)
    channels, *places = value.shape
    order = np.moveaxis(np.arange(prod(value.shape)).reshape(*places, channels), -1, 0).reshape(-1)
    same = bool((order == np.arange(len(order))).all())
    return replace(b.add(name, Flatten(), value), order=None if same else order)


def _summed(b: Building, name: str, _config: Config, given: tuple[Value, ...], _end: bool) -> Value:
    first = _order(given[0])
    if any(not np.array_equal(_order(value), first) for value in given):
        b.refuse(name, "a sum of a flattened map and of features", "give both the same order")
    return b.add(name, b.made(name, Add), *given)


def _joined(b: Building, name: str, config: Config, given: tuple[Value, ...], _end: bool) -> Value:
    if config.get("axis", -1) not in (-1, len(given[0].shape)):
        b.refuse(name, f"a Concatenate over axis {config.get('axis')!r}", "join the last axis, the channels")
    made = b.add(name, b.made(name, Concat), *given)
    if all(value.order is None for value in given):
        return made
    starts = np.cumsum([0, *(prod(value.shape) for value in given)])
    return replace(
        made, order=np.concatenate([_order(value) + start for value, start in zip(given, starts, strict=False)])
    )


def _order(value: Value) -> Array:
    return np.arange(prod(value.shape)) if value.order is None else value.order


def _zero_padded(b: Building, name: str, config: Config, given: tuple[Value, ...], _end: bool) -> Value:
    (value,) = given
    channels_last(b, name, config)
    told, axes = config.get("padding"), len(value.shape) - 1
    sides = [told] if axes == 1 and isinstance(told, list) else told
    if not isinstance(sides, list) or len(sides) != axes or not all(_is_pair(pair) for pair in sides):
        b.refuse(name, f"padding {told!r} around an input of shape {list(value.shape)}")
    grown = tuple((f + g[0], a + g[1]) for (f, a), g in zip(value.padding, sides, strict=True))
    return replace(value, padding=grown)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(n, int) and 0 <= n < 1 << 16 for n in value)


def _activation(b: Building, name: str, config: Config, given: tuple[Value, ...], end: bool) -> Value:
    return activated(b, name, config.get("activation"), given[0], end, own=True)


def _rectified(b: Building, name: str, config: Config, given: tuple[Value, ...], _end: bool) -> Value:
    plain = config.get("max_value") is None and not config.get("negative_slope") and not config.get("threshold")
    if not plain:
        b.refuse(name, "a ReLU with max_value, negative_slope or threshold", "use a plain ReLU")
    return b.add(name, ReLU(), given[0])


def _softmax(b: Building, name: str, _config: Config, given: tuple[Value, ...], end: bool) -> Value:
    return activated(b, name, "softmax", given[0], end, own=True)


Make = Callable[[Building, str, Config, tuple[Value, ...], bool], Value]
LAYERS: Mapping[str, Make] = MappingProxyType(
    {
        "Dense": dense,
        "Conv1D": convolution,
        "Conv2D": convolution,
        "DepthwiseConv2D": depthwise,
        "SeparableConv2D": separable,
        "BatchNormalization": _normalised,
        "MaxPooling2D": partial(_pooled, True),
        "AveragePooling2D": partial(_pooled, False),
        "GlobalMaxPooling2D": partial(_global_pool, True),
        "GlobalAveragePooling2D": partial(_global_pool, False),
        "Flatten": _flattened,
        "Add": _summed,
        "Concatenate": _joined,
        "ZeroPadding1D": _zero_padded,
        "ZeroPadding2D": _zero_padded,
        "Activation": _activation,
        "ReLU": _rectified,
        "Softmax": _softmax,
    }
)
SUPPORTED = (*LAYERS, *IDENTITIES)
