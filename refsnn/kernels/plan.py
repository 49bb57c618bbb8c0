"""A weight layer prepared for events of one value: made once for a node, never written to, shared by chunks and threads."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from refsnn.errors import SpecError
from refsnn.kernels.fan_in import SummingPool, Windows, as_map, flattened, summing, windows, worth
from refsnn.kernels.listing import Listing
from refsnn.kernels.loops import Reach
from refsnn.kernels.rows import Rows, rows, weights
from refsnn.kernels.runs import OUTPUTS
from refsnn.kernels.spread import SUMS_BYTES
from refsnn.layers import Conv1d, Conv2d, Linear, Shape, WeightLayer

Array = np.ndarray[Any, Any]
SAMPLES_OF_LINEAR = 16  # so many share a walk through a part's weight rows


@dataclass(frozen=True, eq=False)
class Plan:
    """A weight layer, and perhaps a pool in front, prepared for events of one value."""

    shape: Shape  # of the output
    listing: Listing
    table: Windows | Reach  # gather output by output, or spread event by event
    rows: Rows


def plan(layer: WeightLayer, shape: Shape, value: float, dtype: np.dtype[Any], pool: SummingPool | None = None) -> Plan:
    """The plan for spikes of this shape, worth `value` each, that enter the layer, or the pool in front of it.

    A Linear that follows a Flatten takes the shape before the Flatten.
    """
    weight, bias = weights(layer, dtype)
    with np.errstate(over="ignore"):  # an infinite current shows in the potentials, as it does without a plan
        weight = weight * worth(np.asarray(value, dtype)[()], pool, shape)
    return _prepared(layer, shape, pool, weight, bias)


def integer_plan(layer: WeightLayer, shape: Shape, pool: SummingPool | None = None) -> Plan:
    """The plan of a layer whose weights are whole numbers from -128 to 127, its bias whole too, for spikes worth 1.

    Sums of whole numbers are exact in any order. They are kept in 16 bits, or 32, whichever is sure to hold every one of them,
    and more of them fit into a register than floats do. An AvgPool2d in front adds up here; its division is left to the caller.
    """
    weight, bias = weights(layer, np.dtype(np.float64))
    before = summing(pool, shape)
    each = 1 if before is None else prod(before.kernel)  # a weight meets so many pixels of a window
    largest = float((np.abs(weight).reshape(len(weight), -1).sum(axis=1) * each + np.abs(bias)).max())
    whole = all((numbers == np.round(numbers)).all() for numbers in (weight, bias))
    if not whole or weight.min() < -128 or weight.max() > 127:
        raise SpecError("weight: expected whole numbers from -128 to 127, and a bias of whole numbers")
    if largest >= 1 << 31:
        raise SpecError(f"weight: a sum may reach {largest:.0f}, which 32 bits do not hold")
    dtype = np.int16 if largest < 1 << 15 else np.int32
    return _prepared(layer, shape, pool, weight.astype(np.int8), bias.astype(dtype))


def _prepared(layer: WeightLayer, shape: Shape, pool: SummingPool | None, weight: Array, bias: Array) -> Plan:
    if isinstance(layer, Linear):
        return _linear(shape, pool, weight, bias)
    return _convolution(layer, shape, pool, weight, bias)


def _linear(shape: Shape, pool: SummingPool | None, weight: Array, bias: Array) -> Plan:
    one, none = np.zeros((1, 1), np.int64), np.zeros(0, np.int32)
    table = Windows(one, one, one, one + 1, one, one[0])  # one output pixel that reads the one input pixel
    listing = Listing(one[0], 1, shape[0], none, none, none, 0, SAMPLES_OF_LINEAR)
    if len(shape) == 3:
        listing = _in_order(listing, shape, pool)
    return Plan((len(weight),), listing, table, rows(weight.T[None], bias, OUTPUTS[0]))


def _in_order(listing: Listing, shape: Shape, pool: SummingPool | None) -> Listing:
    """The places that Flatten, and a pool before it, give each pixel."""
    pixel, pooled = flattened(shape, pool)
    before = summing(pool, shape)
    per_map = prod((shape if before is None else before.output_shape(shape))[1:])
    return listing._replace(
        offset=np.zeros(shape[1] * shape[2], np.int64),
        first=np.searchsorted(np.sort(pixel), np.arange(shape[1] * shape[2] + 1)).astype(np.int32),
        rank=np.argsort(pixel, kind="stable").astype(np.int32),
        row=np.add.outer(np.arange(shape[0]) * per_map, pooled).ravel().astype(np.int32),
        per_channel=len(pixel),
    )


def _convolution(layer: Conv1d | Conv2d, shape: Shape, pool: SummingPool | None, weight: Array, bias: Array) -> Plan:
    none = np.zeros(0, np.int32)
    before = summing(pool, shape)
    read = shape if before is None else before.output_shape(shape)
    flat = layer.as_conv2d if isinstance(layer, Conv1d) else layer
    outputs, per_group, tall, wide = flat.weight.shape
    table: Windows | Reach
    if _spreads(flat, pool, shape):
        tile = (1, 1) if before is None else before.kernel
        table = Reach(read[1], read[2], *tile, *flat.padding)
        offset = np.zeros(shape[2], np.int64)
        taps = weight.transpose(1, 2, 3, 0)
        blocks = rows(taps.reshape(1, -1, outputs), bias, SUMS_BYTES // bias.itemsize)
    else:
        table = windows(flat, as_map(shape), pool)
        offset = table.offset
        taps = weight.reshape(layer.groups, -1, per_group, tall, wide).transpose(0, 3, 4, 2, 1)
        blocks = rows(taps.reshape(layer.groups, -1, taps.shape[-1]), bias, OUTPUTS[0])
    listing = Listing(offset, layer.groups, per_group, none, none, none, 0, 1)
    return Plan(layer.output_shape(read), listing, table, blocks)


def _spreads(layer: Conv2d, pool: SummingPool | None, shape: Shape) -> bool:
    """Whether each event reaches the outputs around it, three by three, and no window overlaps another."""
    before = summing(pool, shape)
    tiles = before is None or (before.strides == before.kernel and before.padding == (0, 0))
    return (
        tiles
        and layer.weight.shape[2:] == (3, 3)
        and layer.stride == layer.dilation == (1, 1)
        and layer.groups == 1
        and max(layer.padding) <= 2
    )
