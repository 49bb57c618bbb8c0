"""What becomes of finished currents: neurons take them in and fire, or they are written as they are."""

from typing import Any, NamedTuple

import numpy as np

from refsnn.kernels.bias import add_bias
from refsnn.kernels.compiling import compiled
from refsnn.kernels.fire import fire
from refsnn.kernels.rows import LANES
from refsnn.kernels.transpose import TILE, transpose

Array = np.ndarray[Any, Any]


class Target(NamedTuple):
    """Where results go, arrays without axes: to `currents`, or, where that is empty, what the neurons do to the others."""

    steps: int
    samples: int
    channels: int
    height: int
    width: int
    words: Array  # uint16[T, B, H, W, channels / 16], spikes
    counts: Array  # int32[B, C, H, W]
    residual: Array  # [B, C, H, W]
    nearest: Array  # [B, C, H, W], the least distance of a compared potential from the threshold; empty: not measured
    currents: Array  # [T, B, H, W, C]
    numbers: Array
    choices: int  # numbers and choices: see fire.py


@compiled
def line_of_neurons(stride, target):  # type: ignore[no-untyped-def]
    """Room for the potentials, counts and distances of one line of neurons, `stride` of them in a pixel."""
    neurons = target.width * stride
    near = np.empty(neurons if len(target.nearest) > 0 else 0, target.residual.dtype)
    return np.empty(neurons, target.residual.dtype), np.empty(neurons, np.int32), near


@compiled
def finish_line(current, places, bias, part, neurons, target, b, oy):  # type: ignore[no-untyped-def]
    """What becomes of one line of outputs and its currents, of all steps.

    places: where the currents begin, and how far it is from pixel to pixel and from step to step.
    """
    if len(target.currents) > 0:
        _write_currents(current, places, bias, part, target, b, oy)
    else:
        _take_in(current, places, bias, part, neurons, target, b, oy)
        _write_neurons(neurons, part, target, b, oy)


@compiled
def _take_in(current, places, bias, part, neurons, target, b, oy):  # type: ignore[no-untyped-def]
    v, fired, near = neurons
    stride = len(v) // target.width
    v[:] = target.numbers[5]
    fired[:] = 0
    near[:] = np.inf
    per_pixel = -(-target.channels // LANES)
    for channel in range(part[2], part[3], LANES):
        k = channel - part[2]
        word = (b * target.height + oy) * target.width * per_pixel + channel // LANES
        fire(
            (target.width, target.steps), current, (places[0] + k, places[1], places[2]), bias, v, fired, near,
            (k, stride, channel), target.words, (word, per_pixel, len(target.words) // target.steps), target.numbers,
            (target.choices, (1 << min(LANES, part[3] - channel)) - 1),
        )  # fmt: skip


@compiled
def _write_neurons(neurons, part, target, b, oy):  # type: ignore[no-untyped-def]
    """From channels last in the line to channels first."""
    v, fired, near = neurons
    width, counts, residual, nearest = target.width, target.counts, target.residual, target.nearest
    stride, per_channel = len(v) // width, target.height * width
    for channel in range(part[2], part[3], TILE):
        place = (b * target.channels + channel) * per_channel + oy * width
        if width >= TILE and channel + TILE <= part[3]:
            for begin in range(0, width, TILE):
                ox = min(begin, width - TILE)  # the last tile may repeat some pixels of the one before
                here, there = (ox * stride + channel - part[2], stride), (place + ox, per_channel)
                transpose(fired, here, counts, there)
                transpose(v, here, residual, there)
                if len(nearest) > 0:
                    transpose(near, here, nearest, there)
            continue
        for k in range(min(TILE, part[3] - channel)):
            for ox in range(width):
                counts[place + k * per_channel + ox] = fired[ox * stride + channel - part[2] + k]
                residual[place + k * per_channel + ox] = v[ox * stride + channel - part[2] + k]
                if len(nearest) > 0:
                    nearest[place + k * per_channel + ox] = near[ox * stride + channel - part[2] + k]


@compiled
def _write_currents(current, places, bias, part, target, b, oy):  # type: ignore[no-untyped-def]
    size = target.width, target.steps, part[3] - part[2]
    pixel = (b * target.height + oy) * target.width
    to = pixel * target.channels + part[2], target.channels, len(target.currents) // target.steps, part[2]
    add_bias(size, current, places, bias, target.currents, to)
