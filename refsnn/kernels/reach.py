"""Which outputs of a layer an event can come to: no sums, only whether there is one.

What an output reads is some rows and some columns, whatever kernel, stride, padding, dilation and pool in front: a Field. All
channels of a group read the same, so that a map of events has one channel for each group.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from refsnn.kernels.compiling import compiled
from refsnn.kernels.fan_in import SummingPool, as_map, summing
from refsnn.kernels.words import word_of_2, word_of_4, word_of_8
from refsnn.layers import Conv1d, Conv2d, GlobalAvgPool2d, Linear, Pool, Shape, WeightLayer

Array = np.ndarray[Any, Any]
WORD = 64  # pixels of a row side by side in one number


@dataclass(frozen=True, eq=False)
class Field:
    """Which rows of its input each row of the output reads, and which columns: bool[outputs, inputs] each."""

    rows: Array
    columns: Array

    @cached_property
    def tables(self) -> tuple[Array, Array, Array]:
        """Input rows that are read, row after row of the output; where each one's begin; the columns as words[:, outputs]."""
        start = np.concatenate([[0], np.cumsum(self.rows.sum(1))])
        return np.nonzero(self.rows)[1], start, np.ascontiguousarray(words(self.columns).T)

    def behind(self, before: "Field") -> "Field":
        """Of the same output on the input of what stands before."""
        return Field(self.rows @ before.rows, self.columns @ before.columns)


def field_of(layer: WeightLayer | Pool, shape: Shape) -> Field:
    """What the outputs of a weight layer or a pool read of an input of this shape, which is seen as a map."""
    _, height, width = as_map(shape)
    if isinstance(layer, Linear):
        return Field(np.ones((1, height), np.bool_), np.ones((1, width), np.bool_))
    if isinstance(layer, Conv1d):
        layer = layer.as_conv2d
    if isinstance(layer, GlobalAvgPool2d):
        layer = layer.as_pool(shape)
    if isinstance(layer, Conv2d):
        kernel, stride, dilation = layer.weight.shape[2:], layer.stride, layer.dilation
    else:
        kernel, stride, dilation = layer.kernel, layer.strides, (1, 1)
    _, *outputs = layer.output_shape(as_map(shape))
    taken = zip((height, width), outputs, kernel, stride, layer.padding, dilation, strict=True)
    return Field(*(_reads(*along) for along in taken))


def _reads(size: int, outputs: int, kernel: int, stride: int, padding: int, dilation: int) -> Array:
    """Along one axis: whether output o reads input i."""
    read = np.add.outer(np.arange(outputs) * stride - padding, np.arange(kernel) * dilation)
    return (read[:, :, None] == np.arange(size)).any(1)


def field_behind(layer: WeightLayer, shape: Shape, pool: SummingPool | None) -> Field:
    """What a weight layer reads of a map that a pool in front of it reads; without one of the map itself."""
    before = summing(pool, shape)
    if before is None:
        return field_of(layer, shape)
    return field_of(layer, before.output_shape(shape)).behind(field_of(before, shape))


def naive(events: Array, field: Field) -> Array:
    """Where an event comes to: bool[B, outputs] of bool[B, inputs], both maps of one channel."""
    tall = np.stack([events[:, reads].any(1) for reads in field.rows], 1)
    return np.stack([tall[:, :, reads].any(2) for reads in field.columns], 2)


def fast(events: Array, field: Field) -> Array:
    """The same."""
    return _fast(words(events), *field.tables)


def on_bits(bits: Array, field: Field) -> Array:
    """The same of events as bits [..., H, W, bytes] (bits.py), of any channel: bool[B, outputs]."""
    *_, height, width, n_bytes = bits.shape
    rows = _words_of_bits(np.ascontiguousarray(bits).ravel(), n_bytes, width, -(-width // WORD))
    return _fast(rows.reshape(-1, height, rows.shape[1]), *field.tables)


def words(events: Array) -> Array:
    """The rows of maps bool[..., W] as numbers int64[..., W / 64], column x in bit x % 64 of number x // 64."""
    filled = np.zeros((*events.shape[:-1], 8 * -(-events.shape[-1] // WORD)), np.uint8)
    filled[..., : -(-events.shape[-1] // 8)] = np.packbits(events, axis=-1, bitorder="little")
    return filled.view("<i8")


@compiled
def _fast(rows, row, start, masks):  # type: ignore[no-untyped-def]
    n_words, width = masks.shape
    height = len(start) - 1
    result = np.zeros((len(rows), height, width), np.bool_)
    for b in range(len(rows)):
        for y in range(height):
            for k in range(n_words):
                word = np.int64(0)
                for i in range(start[y], start[y + 1]):
                    word |= rows[b, row[i], k]
                if word != 0:
                    for x in range(width):
                        result[b, y, x] |= (word & masks[k, x]) != 0
    return result


@compiled
def _words_of_bits(bits, n_bytes, width, n_words):  # type: ignore[no-untyped-def]
    rows = np.zeros((len(bits) // (n_bytes * width), n_words), np.int64)
    wide = n_bytes // 8 * 8
    for r in range(len(rows)):
        for k in range(n_words):
            row = np.int64(0)
            for x in range(WORD * k, min(WORD * k + WORD, width)):
                pixel = (r * width + x) * n_bytes
                channels = np.int64(0)
                for byte in range(pixel, pixel + wide, 8):
                    channels |= word_of_8(bits, byte)
                if n_bytes & 4:
                    channels |= word_of_4(bits, pixel + wide)
                if n_bytes & 2:
                    channels |= word_of_2(bits, pixel + n_bytes - 2)
                row |= np.int64(channels != 0) << (x % WORD)
            rows[r, k] = row
    return rows
