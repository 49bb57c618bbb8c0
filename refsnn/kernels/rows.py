"""Weight rows as the inner loops read them: in blocks of outputs that are summed side by side."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from refsnn.kernels.vectors import CACHE_LINE

Array = np.ndarray[Any, Any]
Each = Callable[[Array], Array]  # what is done to every partial sum
LANES = 16  # outputs of the narrowest block, and spikes of a word


class Rows(NamedTuple):
    """Weight rows, the events' value perhaps multiplied in, and how the outputs are divided into blocks and parts."""

    weight: Array  # block after block, [rows, outputs of the block]
    bias: Array  # [outputs, filled up]
    blocks: Array  # int64[blocks, 4]: group, first output, outputs summed side by side, where its rows begin
    parts: Array  # int64[parts, 4]: first block, behind the last, first output (a multiple of 16), behind the last
    stride: int  # what the blocks of the widest part write


def unchanged(total: Array) -> Array:
    """What is done to a partial sum where nothing is."""
    return total


def weights(layer: Any, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Weight and bias in the state's dtype; a missing bias is zero, which changes no bit of a sum that starts from zero."""
    bias = np.zeros(len(layer.weight), dtype) if layer.bias is None else layer.bias.astype(dtype)
    return layer.weight.astype(dtype), bias


def rows(taps: Array, bias: Array, widest: int) -> Rows:
    """The weight rows [groups, rows, outputs of a group] in blocks of up to `widest` outputs."""
    groups, n_rows, per_group = taps.shape
    blocks, columns, place = [], [], 0
    for group in range(groups):
        output = 0
        while output < per_group:
            wide = _block(per_group - output, widest)
            filled = np.zeros((n_rows, wide), taps.dtype)
            some = taps[group, :, output : output + wide]
            filled[:, : some.shape[1]] = some
            blocks.append((group, group * per_group + output, wide, place))
            columns.append(filled.ravel())
            output, place = output + wide, place + filled.size
    if groups == 1 or per_group % LANES == 0:
        ends = [min(output + wide, (group + 1) * per_group) for group, output, wide, _ in blocks]
        parts = [(i, i + 1, blocks[i][1], end) for i, end in enumerate(ends)]
    else:  # a word of sixteen spikes may stretch over groups
        parts = [(0, len(blocks), 0, groups * per_group)]
    # with room for what the last block of a part writes beyond its outputs
    stride = max(
        _filled(output - start + wide)
        for first, behind, start, _ in parts
        for _, output, wide, _ in blocks[first:behind]
    )
    padded = np.zeros(_filled(len(bias)), bias.dtype)
    padded[: len(bias)] = bias
    return Rows(_aligned(np.concatenate(columns)), padded, np.array(blocks), np.array(parts), stride)


def _block(outputs: int, widest: int) -> int:
    """How many of so many outputs are summed at once: no more than needed, but not three times over."""
    wide = widest
    while wide > LANES and outputs <= 3 * wide // 4 and outputs <= wide - LANES:
        wide //= 2
    return wide


def _filled(outputs: int) -> int:
    return -(-outputs // LANES) * LANES


def _aligned(array: Array) -> Array:
    """A copy that begins where a cache line does, so that no vector of its rows lies in two."""
    room = np.empty(array.nbytes + CACHE_LINE, np.uint8)
    start = -room.ctypes.data % CACHE_LINE
    result = room[start : start + array.nbytes].view(array.dtype)
    result[:] = array
    return result
