"""Convolutions whose padding differs from side to side, said with one padding: the kernel grows by taps of weight 0."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Sides = tuple[int, ...]


def padded_kernel(weight: Array, before: Sides, after: Sides, dilation: Sides) -> tuple[Array, Sides]:
    """The kernel, and the padding of both sides, that give what `weight` gives with `before` and `after`, bit for bit.

    Along each axis the side with less padding gets (difference / dilation) taps of 0, and both get the larger padding:

        window o reads o*s - before + t*d;   with k taps in front: o*s - (before + k*d) + (t + k)*d, the same

    A tap of 0 adds 0 to sums: nothing is rounded differently, but work and connections are counted for it too. Where nothing
    differs the weight is handed back itself.

    weight: [outputs, inputs / groups, *kernel]      before, after, dilation: one number for each axis of the kernel
    Raises ValueError where a difference is no multiple of the dilation; give undilated(weight, dilation) and 1 then.
    """
    grown = [(0, 0), (0, 0)]
    for front, back, gap in zip(before, after, dilation, strict=True):
        if min(front, back) < 0 or abs(front - back) % gap:
            raise ValueError(f"paddings {front} and {back} with a dilation of {gap} need another tap between the taps")
        grown.append((max(back - front, 0) // gap, max(front - back, 0) // gap))
    padding = tuple(map(max, before, after))
    return (np.pad(weight, grown) if any(map(any, grown)) else weight), padding


def undilated(weight: Array, dilation: Sides) -> Array:
    """The kernel of dilation 1 that reads the same: zeros stand where the dilation left gaps."""
    sizes = [(size - 1) * gap + 1 for size, gap in zip(weight.shape[2:], dilation, strict=True)]
    spread = np.zeros((*weight.shape[:2], *sizes), weight.dtype)
    spread[(slice(None), slice(None), *(slice(None, None, gap) for gap in dilation))] = weight
    return spread
