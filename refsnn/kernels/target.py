"""What becomes of finished currents: neurons take them in and fire, or they are written as they are."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from refsnn.kernels.fire import LANES, fire

Array = np.ndarray[Any, Any]


class Target(NamedTuple):
    """Where results go: currents, or, where there is no room for them, what the neurons do."""

    words: Array  # uint16[T, B, H, W, channels / 16], spikes
    counts: Array  # int64[B, C, H, W]
    residual: Array  # [B, C, H, W]
    currents: Array  # [T, B, H, W, C]
    numbers: Array
    choices: int  # numbers and choices: see fire.py


@njit(cache=True, nogil=True)
def line_of_neurons(width, stride, target):  # type: ignore[no-untyped-def]
    """Room for the potentials and the counts of one line of neurons, `stride` of them in a pixel."""
    return np.empty(width * stride, target.residual.dtype), np.empty(width * stride, np.int32)


@njit(cache=True, nogil=True)
def finish_line(current, places, bias, part, neurons, target, words, b, oy):  # type: ignore[no-untyped-def]
    """What becomes of one line of outputs and its currents, of all steps.

    places: where the currents begin, and how far it is from pixel to pixel and from step to step.
    words: target.words without its axes; taking them off here would take longer than some lines.
    """
    if target.currents.size > 0:
        _write_currents(current, places, bias, part, target.currents, b, oy)
    else:
        _take_in(current, places, bias, part, neurons, target, words, b, oy)
        _write_neurons(neurons, part, target, b, oy)


@njit(cache=True, nogil=True)
def _take_in(current, places, bias, part, neurons, target, words, b, oy):  # type: ignore[no-untyped-def]
    v, fired = neurons
    steps, _, height, width, per_pixel = target.words.shape
    stride = len(v) // width
    v[:] = target.numbers[5]
    fired[:] = 0
    for channel in range(part[2], part[3], LANES):
        k = channel - part[2]
        word = (b * height + oy) * width * per_pixel + channel // LANES
        fire(
            (width, steps), current, (places[0] + k, places[1], places[2]), bias, v, fired, (k, stride, channel), words,
            (word, per_pixel, len(words) // steps), target.numbers,
            (target.choices, (1 << min(LANES, part[3] - channel)) - 1),
        )  # fmt: skip


@njit(cache=True, nogil=True)
def _write_neurons(neurons, part, target, b, oy):  # type: ignore[no-untyped-def]
    """From channels last in the line to channels first."""
    v, fired = neurons
    width = target.counts.shape[3]
    stride = len(v) // width
    for o in range(part[2], part[3]):
        for ox in range(width):
            target.counts[b, o, oy, ox] = fired[ox * stride + o - part[2]]
            target.residual[b, o, oy, ox] = v[ox * stride + o - part[2]]


@njit(cache=True, nogil=True)
def _write_currents(current, places, bias, part, currents, b, oy):  # type: ignore[no-untyped-def]
    start, per_pixel, apart = places
    for t in range(len(currents)):
        line = currents[t, b, oy]
        for ox in range(len(line)):
            at = start + ox * per_pixel + t * apart
            pixel = line[ox, part[2] : part[3]]
            for o in range(len(pixel)):
                pixel[o] = current[at + o] + bias[part[2] + o]
