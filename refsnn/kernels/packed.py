"""Weight layer and neurons at once, on spikes as bits: the same bits as the naive kernels one after the other.

A plan holds what is the same for every chunk of samples: weight rows with the event's value multiplied in, and the tables
of fan_in.py. It is made once for a node, is never written to, and serves several threads.
"""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from refsnn.kernels import loops
from refsnn.kernels.bits import bytes_per_pixel
from refsnn.kernels.fan_in import Windows, as_map, flattened, summing, windows, worth
from refsnn.kernels.fire import LANES, choices, numbers
from refsnn.kernels.linear import weights
from refsnn.kernels.runs import OUTPUTS
from refsnn.layers import Conv1d, Conv2d, Linear, Pool, Shape, WeightLayer
from refsnn.neurons import IF, LIF

Array = np.ndarray[Any, Any]
SAMPLES_OF_LINEAR = 16  # so many samples share a walk through a block of weight rows


@dataclass(frozen=True, eq=False)
class Plan:
    """A weight layer, and perhaps a pool in front, prepared for events of one value."""

    shape: Shape  # of the output
    listing: loops.Listing
    windows: Windows
    rows: loops.Rows


@dataclass(frozen=True, eq=False)
class Fired:
    """What neurons did in all steps."""

    bits: Array  # uint8[T, B, H, W, bytes]
    counts: Array  # int32[B, *shape], spikes of each neuron
    residual: Array  # [B, *shape], potential after the last step


def plan(layer: WeightLayer, shape: Shape, value: float, dtype: np.dtype[Any], pool: Pool | None = None) -> Plan:
    """A plan for spikes of this shape, each worth `value`, that enter the layer, or the pool in front of it.

    A Linear that follows a Flatten takes the shape before the Flatten.
    """
    weight, bias = weights(layer, dtype)
    weight = weight * worth(np.asarray(value, dtype)[()], pool, shape)
    return _prepared(layer, shape, pool, weight, bias)


def _prepared(layer: WeightLayer, shape: Shape, pool: Pool | None, weight: Array, bias: Array) -> Plan:
    none = np.zeros(0, np.int32)
    if isinstance(layer, Linear):
        one = np.zeros((1, 1), np.int64)
        table = Windows(one, one, one, one + 1, one, one[0])
        listing = loops.Listing(one[0], 1, prod(shape), none, none, none, 0, SAMPLES_OF_LINEAR)
        if len(shape) == 3:
            listing = _in_order(listing, shape, pool)
        return Plan((len(weight),), listing, table, _rows(weight.T[None], bias))
    before = summing(pool, shape)
    read = shape if before is None else before.output_shape(shape)
    flat = layer.as_conv2d if isinstance(layer, Conv1d) else layer
    table = windows(flat, as_map(shape), pool)
    groups = layer.groups
    taps = weight.reshape(groups, len(weight) // groups, *flat.weight.shape[1:]).transpose(0, 3, 4, 2, 1)
    listing = loops.Listing(table.offset, groups, flat.weight.shape[1], none, none, none, 0, 1)
    return Plan(layer.output_shape(read), listing, table, _rows(taps.reshape(groups, -1, taps.shape[-1]), bias))


def _in_order(listing: loops.Listing, shape: Shape, pool: Pool | None) -> loops.Listing:
    """The places that Flatten, and a pool before it, give each pixel."""
    pixel, pooled = flattened(shape, pool)
    channels, pixels = shape[0], shape[1] * shape[2]
    before = summing(pool, shape)
    per_map = pixels if before is None else prod(before.output_shape(shape)[1:])
    first = np.searchsorted(np.sort(pixel), np.arange(pixels + 1))
    row = np.add.outer(np.arange(channels) * per_map, pooled).ravel()
    return listing._replace(
        first=first.astype(np.int32),
        rank=np.argsort(pixel, kind="stable").astype(np.int32),
        row=row.astype(np.int32),
        per_channel=len(pixel),
    )


def _rows(taps: Array, bias: Array) -> loops.Rows:
    """Weight rows [groups, rows, outputs of a group] in blocks whose outputs are summed side by side."""
    groups, n_rows, per_group = taps.shape
    blocks, columns, place = [], [], 0
    for group in range(groups):
        output = 0
        while output < per_group:
            wide = _block(per_group - output)
            filled = np.zeros((n_rows, wide), taps.dtype)
            part = taps[group, :, output : output + wide]
            filled[:, : part.shape[1]] = part
            blocks.append((group, group * per_group + output, wide, place))
            columns.append(filled.ravel())
            output, place = output + wide, place + filled.size
    if groups == 1 or per_group % LANES == 0:
        ends = [min(output + wide, (group + 1) * per_group) for group, output, wide, _ in blocks]
        parts = [(i, i + 1, blocks[i][1], end) for i, end in enumerate(ends)]
    else:  # a word of sixteen spikes may stretch over groups
        parts = [(0, len(blocks), 0, groups * per_group)]
    stride = max(-(-(stop - start) // LANES) * LANES for _, _, start, stop in parts)
    padded = np.zeros(-(-len(bias) // LANES) * LANES, bias.dtype)
    padded[: len(bias)] = bias
    return loops.Rows(
        np.concatenate(columns), padded, np.array(blocks, np.int64), np.array(parts, np.int64), max(stride, LANES)
    )


def _block(outputs: int) -> int:
    """How many of so many outputs are summed at once: no more than needed, but 64 rather than three times over."""
    widest, middle, narrow = OUTPUTS
    if outputs > middle + narrow:
        return widest
    return middle if outputs > narrow else narrow


def fire(plan: Plan, neuron: IF | LIF, bits: Array) -> Fired:
    """What the neurons behind the weight layer do: bits uint8[T, B, H, W, bytes] of its inputs' spikes."""
    dtype = plan.rows.bias.dtype
    fired = _silent(len(bits), bits.shape[1], plan.shape, dtype)
    words, counts, residual = _as_maps(fired, plan.shape)
    loops.fire_sums(
        np.ascontiguousarray(bits), plan.listing, plan.windows, plan.rows, numbers(neuron, dtype), choices(neuron),
        words, counts, residual,
    )  # fmt: skip
    return fired


def currents(plan: Plan, bits: Array) -> Array:
    """The weight layer's currents [T, B, *shape]; in memory channels lie side by side."""
    channels, height, width = as_map(plan.shape)
    result = np.empty((*bits.shape[:2], height, width, channels), plan.rows.bias.dtype)
    loops.sums(np.ascontiguousarray(bits), plan.listing, plan.windows, plan.rows, result)
    return np.moveaxis(result, -1, 2).reshape(*bits.shape[:2], *plan.shape)


def fire_currents(neuron: IF | LIF, current: Array, steps: int) -> Fired:
    """What neurons do with currents [T, B, *shape], or [1, B, *shape] that are the same at every step."""
    _, samples, *shape = current.shape
    channels, height, width = as_map(tuple(shape))
    fired = _silent(steps, samples, tuple(shape), current.dtype)
    words, counts, residual = _as_maps(fired, tuple(shape))
    last = np.moveaxis(current.reshape(-1, samples, channels, height, width), 2, -1)
    flat = np.ascontiguousarray(last).reshape(len(current), -1)
    if channels % LANES:
        flat = np.pad(flat, ((0, 0), (0, LANES)))  # the last neurons are read sixteen at a time too
    nothing = np.full(words.shape[4] * LANES, -0.0, current.dtype)  # the one number that changes no bit of a sum
    part = np.array([0, 1, 0, channels], np.int64)
    loops.fire_currents(flat, nothing, part, numbers(neuron, current.dtype), choices(neuron), words, counts, residual)
    return fired


def _silent(steps: int, samples: int, shape: Shape, dtype: np.dtype[Any]) -> Fired:
    channels, height, width = as_map(shape)
    bits = np.empty((steps, samples, height, width, bytes_per_pixel(channels)), np.uint8)
    return Fired(bits, np.empty((samples, *shape), np.int32), np.empty((samples, *shape), dtype))


def _as_maps(fired: Fired, shape: Shape) -> tuple[Array, Array, Array]:
    """Views that the loops fill."""
    maps = (len(fired.counts), *as_map(shape))
    return fired.bits.view(np.uint16), fired.counts.reshape(maps), fired.residual.reshape(maps)
