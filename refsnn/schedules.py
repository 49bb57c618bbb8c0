"""When the layers of a network work on what: how a layer of neurons turns its T steps of current into T steps of spikes, what
that costs in steps, and when the answer is there.

The functions work on floats and on fractions: Exact decides its doubts by the same ones.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from refsnn import dynamics
from refsnn.errors import SpecError, UnsupportedLayerError, did_you_mean
from refsnn.kernels.general import Fired
from refsnn.kernels.state import State
from refsnn.network import Network
from refsnn.neurons import IF, Firing, Reset, ResetTime

Array = np.ndarray[Any, Any]
Kernel = Callable[[Any, Array, State, int], Fired]  # layer, current [S, B, M], state, steps
Fire = Callable[[Kernel, Any, Array, State, int], Fired]


def as_it_comes(kernel: Kernel, layer: Any, current: Array, state: State, steps: int) -> Fired:
    """Step by step: each current in its own step."""
    return kernel(layer, current, state, steps)


def integrate_then_fire(kernel: Kernel, layer: IF, current: Array, state: State, steps: int) -> Fired:
    """From the sum of all currents: clip(floor((v_init + sum) / v_threshold), 0, T) spikes, in the first steps."""
    return kernel(layer, _nothing(current), state._replace(v=_charge(current, state.v, steps)), steps)


def averaged_current(kernel: Kernel, layer: IF, current: Array, state: State, steps: int) -> Fired:
    """The mean of the T currents at every step: constant current, under which the count is the quantiser's."""
    mean = _charge(current, current[0] * 0, steps) / (steps if current.dtype.hasobject else current.dtype.type(steps))
    return kernel(layer, mean[None], state, steps)


def signed_correction(kernel: Kernel, layer: IF, current: Array, state: State, steps: int) -> Fired:
    """T steps as they come; T - 1 without input in which v >= v_threshold sends 1 and v < 0 sends -1; then the sum of the
    spikes, clipped to 0..T, is sent anew in the first of T steps. The first two phases' spikes stay inside.

    PASCAL's three stages. That T - 1 steps suffice, and T - 2 do not, is tested on all sequences of a grid of currents.
    """
    first = kernel(layer, current, state, steps)
    so_far = first.state._replace(total=first.spikes.sum(0, dtype=np.int32))
    signed = replace(layer, v_negative=0.0, negative_firing=Firing.ABOVE_THRESHOLD)
    settled = kernel(signed, _nothing(current), so_far, steps - 1).state if steps > 1 else so_far
    count = np.clip(settled.total, 0, steps)
    dtype = current.dtype  # fractions are objects; whole numbers stay whole among them
    theta = np.array([Fraction(v) if dtype.hasobject else v for v in np.ravel(layer.v_threshold)], dtype)
    residual = dynamics.subtracted(settled.v, dynamics.spent((count - settled.total).astype(dtype), theta))
    spikes = (np.arange(steps)[:, None, None] < count).astype(np.int32)
    left = count - np.cumsum(spikes, 0)
    v = dynamics.subtracted(residual, dynamics.spent((-left).astype(dtype), theta))
    # what decides: the sum of all currents against the multiples of the threshold
    compared = integrate_then_fire(kernel, layer, current, state, steps).compared
    after = settled._replace(v=residual, sent=spikes[-1].astype(dtype), total=count)
    return Fired(spikes, v, compared, after, first.overflows)


def _nothing(current: Array) -> Array:
    """One step of no current."""
    return np.zeros_like(current[:1])


def _charge(current: Array, v: Array, steps: int) -> Array:
    """V and the currents of all steps, added one after the other."""
    for t in range(steps):
        v = dynamics.integrate(v, current[t if len(current) > 1 else 0])
    return v


@dataclass(frozen=True)
class Schedule:
    """One way to run a network."""

    name: str
    fire: Fire
    total_steps: Callable[[int], int]  # T -> steps in which a neuron is at work
    latency: Callable[[int, int], int]  # T, depth -> steps until the last readout, layers working side by side
    edge_delay: int = 0  # steps that every spike is on its way, at least
    counts_charge: bool = False  # needs neurons that lose no charge, and all T currents of a layer before it fires

    def updates(self, steps: int) -> Array:
        """How often a neuron is updated for each of the T steps of its output: int64[T]."""
        whole, rest = divmod(self.total_steps(steps), steps)
        return whole + (np.arange(steps) < rest).astype(np.int64)


def _same(steps: int, _depth: int = 0) -> int:
    return steps


def _windows(steps: int, depth: int) -> int:
    return (depth + 1) * steps


SCHEDULES = {
    schedule.name: schedule
    for schedule in (
        Schedule("lockstep", as_it_comes, _same, _same),
        Schedule("pipeline", as_it_comes, _same, _same, edge_delay=1),
        Schedule("integrate_then_fire", integrate_then_fire, lambda steps: 2 * steps, _windows, counts_charge=True),
        Schedule("averaged_current", averaged_current, lambda steps: 2 * steps, _windows, counts_charge=True),
        Schedule(
            "signed_correction", signed_correction, lambda steps: 3 * steps - 1,
            lambda steps, depth: depth * (2 * steps - 1) + steps, counts_charge=True,
        ),
    )
}  # fmt: skip


def schedule_of(name: str) -> Schedule:
    if name not in SCHEDULES:
        raise SpecError(f"schedule: {name!r} is none{did_you_mean(name, list(SCHEDULES))}")
    return SCHEDULES[name]


def check_schedule(schedule: Schedule, network: Network) -> None:
    """Raises UnsupportedLayerError where the network cannot be run so."""
    if not schedule.counts_charge:
        return
    for node in network.nodes:
        if any(node.delays):
            raise UnsupportedLayerError(
                f"{node.name}: {schedule.name} takes in all steps of a layer before it fires; an edge with a delay needs lockstep"
            )
        layer = node.layer
        if isinstance(layer, IF):
            simple = (
                layer.reset is Reset.SUBTRACT and layer.reset_time is ResetTime.SAME_STEP and layer.max_spikes == 1
                and layer.v_negative is None and not layer.refractory and layer.v_min is None and layer.v_max is None
            )  # fmt: skip
            found = f"reset: {layer.reset.value}"
        else:
            simple, found = not hasattr(layer, "v_init"), f"reset: {getattr(layer, 'reset', Reset.NONE).value}"
        if not simple:
            raise UnsupportedLayerError(
                f"{node.name}: {schedule.name} needs IF neurons with reset: subtract, whose charge is not lost; "
                f"found {type(layer).__name__} with {found}"
            )
