"""What a layer of IF neurons does when it learns from the potential that a first run left: SRP and COS.

A potential below 0 at the end of a run says that too many spikes were sent, one at the threshold or over it that too few were.
Equations of Hao et al., "Reducing ANN-SNN conversion error through residual membrane potential" (SRP, AAAI 2023) and "Bridging
the gap between ANNs and SNNs by calibrating offset spikes" (COS, ICLR 2023), read from the authors' programs.

The functions work on floats and on fractions. Beside the potentials that kernels compare, what they themselves compare is put
among `compared`: moved so that the threshold is where it is decided, which is how Exact finds doubts.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from refsnn import dynamics
from refsnn.kernels.general import Fired
from refsnn.kernels.state import State
from refsnn.neurons import IF

Array = np.ndarray[Any, Any]
Kernel = Callable[[Any, Array, State, int], Fired]
PART = Fraction(1, 1000)  # of the threshold: by how much a potential has to be beyond what decides


def silenced(in_front: int, kernel: Kernel, layer: IF, current: Array, state: State, steps: int) -> Fired:
    """SRP: runs the first steps; from v_init the others, sending nothing where v was at most 0.001 * v_threshold in between.

    Inside, silent neurons fire and are reset all the same.
    """
    first = kernel(layer, _steps(current, 0, in_front), state, in_front)
    again = kernel(layer, _steps(current, in_front, steps), state, steps - in_front)
    theta, part = _thresholds(layer, current.dtype)
    left, least = first.v[-1], dynamics.scaled(theta, part)
    spikes = np.where(left > least, again.spikes, again.spikes.dtype.type(0))
    compared = np.concatenate([first.compared, again.compared])
    if len(compared):
        decides = dynamics.integrate(dynamics.subtracted(left, least), theta)
        compared[in_front - 1] = _nearest(theta, [compared[in_front - 1], decides])
    return Fired(
        np.concatenate([first.spikes, spikes]), np.concatenate([first.v, again.v]), compared, again.state,
        first.overflows + again.overflows,
    )  # fmt: skip


def corrected(rehearsed: int, kernel: Kernel, layer: IF, current: Array, state: State, steps: int) -> Fired:
    """COS: runs the first steps to see what is left, starts anew from where that would not have been left, and runs all of them.

    v_init - max(v_threshold, least v before the reset of a step with a spike - 0.999 * v_threshold)   where v < 0 is left
    v_init + max(v_threshold, 1.001 * v_threshold - greatest v of a step without one)   where v >= v_threshold is left
    so that the least grounded spike, or the nearest to one, is where one fewer or one more is sent. Neurons that sent no
    spike, or one in every step, start as they did.
    """
    first = kernel(layer, _steps(current, 0, rehearsed), state, rehearsed)
    theta, part = _thresholds(layer, current.dtype)
    fired, left = first.spikes != 0, first.v[-1]
    lowest = _least(dynamics.integrate(first.v, theta), fired)
    highest = -_least(-first.v, ~fired)
    beyond = dynamics.scaled(theta, part)
    lowered = np.maximum(theta, dynamics.integrate(dynamics.subtracted(lowest, theta), beyond))
    raised = np.maximum(theta, dynamics.integrate(dynamics.subtracted(theta, highest), beyond))
    v = np.where((left < 0) & fired.any(0), dynamics.subtracted(state.v, lowered), state.v)
    v = np.where(dynamics.at_threshold(left, theta) & ~fired.all(0), dynamics.integrate(state.v, raised), v)
    again = kernel(layer, current, state._replace(v=v), steps)
    if len(again.compared):
        decides = [again.compared[0], *first.compared, left, dynamics.integrate(left, theta)]
        again.compared[0] = _nearest(theta, decides)
    return again


def _steps(current: Array, first: int, end: int) -> Array:
    """The currents of some steps; one step that stands for all of them stays as it is."""
    return current if len(current) == 1 else current[first:end]


def _thresholds(layer: IF, dtype: np.dtype[Any]) -> tuple[Array, Any]:
    """v_threshold, and a thousandth, in the currents' numbers: fractions are objects."""
    number: Callable[[Any], Any] = Fraction if dtype.hasobject else dtype.type
    return np.array([number(value) for value in np.ravel(layer.v_threshold)], dtype), number(PART)


def _least(values: Array, chosen: Array) -> Array:
    """Of each neuron the least of the chosen values [T, B, M]; any where none is chosen."""
    least, found = values[0], chosen[0]
    for value, here in zip(values[1:], chosen[1:], strict=True):
        least = np.where(here & (~found | (value < least)), value, least)
        found = found | here
    return least


def _nearest(theta: Array, potentials: list[Array]) -> Array:
    """Of each neuron the potential that is nearest to the threshold."""
    nearest = potentials[0]
    for potential in potentials[1:]:
        nearest = np.where(np.abs(potential - theta) < np.abs(nearest - theta), potential, nearest)
    return nearest
