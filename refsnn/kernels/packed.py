"""Weight layer and neurons at once, on spikes as bits: the same bits as the naive kernels one after the other.

    prepared = plan(layer, shape, value, dtype, pool)       # once for a node
    fired = fire(prepared, neuron, bits)                    # for each chunk of samples
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from refsnn.kernels import loops
from refsnn.kernels.bits import bytes_per_pixel
from refsnn.kernels.fan_in import as_map
from refsnn.kernels.fire import LANES, choices, numbers
from refsnn.kernels.plan import Plan, plan
from refsnn.kernels.target import Target
from refsnn.layers import Shape
from refsnn.neurons import IF, LIF

__all__ = ["Fired", "Plan", "currents", "fire", "fire_currents", "plan"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Fired:
    """What neurons did in all steps."""

    bits: Array  # uint8[T, B, H, W, bytes], see bits.py
    counts: Array  # int32[B, *shape], spikes of each neuron
    residual: Array  # [B, *shape], potential after the last step


def fire(plan: Plan, neuron: IF | LIF, bits: Array) -> Fired:
    """What the neurons behind the weight layer do: bits uint8[T, B, H, W, bytes] of its inputs' spikes."""
    fired = _room(len(bits), bits.shape[1], plan.shape, plan.rows.bias.dtype)
    _walk(plan, bits, _target(fired, plan.shape, neuron))
    return fired


def currents(plan: Plan, bits: Array) -> Array:
    """The weight layer's currents [T, B, *shape]; in memory channels lie side by side."""
    channels, height, width = as_map(plan.shape)
    dtype = plan.rows.bias.dtype
    result = np.empty((*bits.shape[:2], height, width, channels), dtype)
    nothing = np.zeros((0, 0, 0, 0), dtype)
    words = np.zeros((0, 0, height, width, 0), np.uint16)
    _walk(plan, bits, Target(words, nothing.astype(np.int32), nothing, result, np.zeros(6, dtype), 0))
    return np.moveaxis(result, -1, 2).reshape(*bits.shape[:2], *plan.shape)


def fire_currents(neuron: IF | LIF, current: Array, steps: int) -> Fired:
    """What neurons do with currents [T, B, *shape], or [1, B, *shape] that are the same at every step."""
    _, samples, *rest = current.shape
    shape = tuple(rest)
    channels, height, width = as_map(shape)
    fired = _room(steps, samples, shape, current.dtype)
    last = np.moveaxis(current.reshape(-1, samples, channels, height, width), 2, -1)
    flat = np.ascontiguousarray(last).reshape(len(current), -1)
    if channels % LANES:
        flat = np.pad(flat, ((0, 0), (0, LANES)))  # the last neurons are read sixteen at a time too
    nothing = np.full(bytes_per_pixel(channels) * 8, -0.0, current.dtype)  # the number that changes no bit of a sum
    loops.fire_currents(flat, nothing, np.array([0, 1, 0, channels]), _target(fired, shape, neuron))
    return fired


def _walk(plan: Plan, bits: Array, target: Target) -> None:
    loop = loops.spread if isinstance(plan.table, loops.Reach) else loops.gather
    loop(np.ascontiguousarray(bits), plan.listing, plan.table, plan.rows, target)


def _room(steps: int, samples: int, shape: Shape, dtype: np.dtype[Any]) -> Fired:
    channels, height, width = as_map(shape)
    bits = np.empty((steps, samples, height, width, bytes_per_pixel(channels)), np.uint8)
    return Fired(bits, np.empty((samples, *shape), np.int32), np.empty((samples, *shape), dtype))


def _target(fired: Fired, shape: Shape, neuron: IF | LIF) -> Target:
    """Views that the loops fill."""
    maps = (len(fired.counts), *as_map(shape))
    counts, residual = fired.counts.reshape(maps), fired.residual.reshape(maps)
    constants = numbers(neuron, residual.dtype)
    none = np.zeros((0, 0, 0, 0, 0), residual.dtype)
    return Target(fired.bits.view(np.uint16), counts, residual, none, constants, choices(neuron))
