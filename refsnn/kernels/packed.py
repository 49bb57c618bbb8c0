"""Weight layer and neurons at once, on spikes as bits: the same bits as the naive kernels one after the other.

prepared = plan(layer, shape, value, dtype, pool)       # once for a node
spikes = fire(prepared, neuron, bits, counts=..., residual=...)     # for each chunk of samples
"""

from typing import Any

import numpy as np

from refsnn.kernels import loops
from refsnn.kernels.bits import bytes_per_pixel
from refsnn.kernels.fan_in import as_map
from refsnn.kernels.fire import choices, numbers
from refsnn.kernels.plan import Plan, integer_plan, plan
from refsnn.kernels.rows import LANES
from refsnn.kernels.target import Target
from refsnn.layers import Shape
from refsnn.neurons import IF, LIF

__all__ = ["Plan", "currents", "fire", "fire_currents", "integer_plan", "plan"]

Array = np.ndarray[Any, Any]


def fire(
    plan: Plan, neuron: IF | LIF, bits: Array, *, counts: Array, residual: Array, nearest: Array | None = None
) -> Array:
    """The spikes, as bits, of the neurons behind the weight layer: bits uint8[T, B, H, W, bytes] are its inputs' spikes.

    Fills counts int32[B, *shape], the spikes of each neuron, residual [B, *shape], the potential after the last step, and,
    where it is given, nearest [B, *shape], the least distance of a compared potential from the threshold. All of them must be
    contiguous: a part of a trace's arrays can be filled as it stands.
    """
    fired, target = _target(neuron, len(bits), plan.shape, counts, residual, nearest)
    _walk(plan, bits, target)
    return fired


def currents(plan: Plan, bits: Array) -> Array:
    """The weight layer's currents [T, B, *shape]; in memory channels lie side by side."""
    steps, samples = bits.shape[:2]
    channels, height, width = as_map(plan.shape)
    dtype = plan.rows.bias.dtype
    result = np.empty((steps, samples, height, width, channels), dtype)
    words, counts, none = np.zeros(0, np.uint16), np.zeros(0, np.int32), np.zeros(0, dtype)
    target = Target(
        steps, samples, channels, height, width, words, counts, none, none, result.ravel(), np.zeros(6, dtype), 0
    )
    _walk(plan, bits, target)
    return np.moveaxis(result, -1, 2).reshape(steps, samples, *plan.shape)


def fire_currents(
    neuron: IF | LIF, current: Array, steps: int, *, counts: Array, residual: Array, nearest: Array | None = None
) -> Array:
    """As fire, for currents [T, B, *shape], or [1, B, *shape] that are the same at every step."""
    _, samples, *rest = current.shape
    shape = tuple(rest)
    channels, height, width = as_map(shape)
    fired, target = _target(neuron, steps, shape, counts, residual, nearest)
    last = np.moveaxis(current.reshape(-1, samples, channels, height, width), 2, -1)
    flat = np.ascontiguousarray(last).reshape(len(current), -1)
    if channels % LANES:
        flat = np.pad(flat, ((0, 0), (0, LANES)))  # the last neurons are read sixteen at a time too
    nothing = np.full(bytes_per_pixel(channels) * 8, -0.0, current.dtype)  # the number that changes no bit of a sum
    loops.fire_currents(flat, nothing, np.array([0, 1, 0, channels]), target)
    return fired


def _walk(plan: Plan, bits: Array, target: Target) -> None:
    loop = loops.spread if isinstance(plan.table, loops.Reach) else loops.gather
    loop(np.ascontiguousarray(bits), plan.listing, plan.table, plan.rows, target)


def _target(
    neuron: IF | LIF, steps: int, shape: Shape, counts: Array, residual: Array, nearest: Array | None
) -> tuple[Array, Target]:
    """Room for the spikes, and all results as the loops fill them."""
    samples, (channels, height, width) = len(counts), as_map(shape)
    fired = np.empty((steps, samples, height, width, bytes_per_pixel(channels)), np.uint8)
    assert counts.flags.c_contiguous  # or what ravel gives were no view
    assert residual.flags.c_contiguous
    none = np.zeros(0, residual.dtype)
    measured = none if nearest is None else nearest.ravel()
    target = Target(
        steps, samples, channels, height, width, fired.view(np.uint16).ravel(), counts.ravel(), residual.ravel(), measured,
        none, numbers(neuron, residual.dtype), choices(neuron, measured=nearest is not None),
    )  # fmt: skip
    return fired, target
