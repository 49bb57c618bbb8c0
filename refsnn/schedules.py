"""When the layers of a network work on what: how a layer of neurons turns its T steps of current into T steps of spikes, what
that costs in steps, and when the answer is there.

The functions work on floats and on fractions: Exact decides its doubts by the same ones.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from refsnn import dynamics
from refsnn.errors import SpecError, UnsupportedLayerError, did_you_mean
from refsnn.kernels.general import Fired
from refsnn.kernels.state import State
from refsnn.layers import MaxMode, MaxPool2d
from refsnn.network import Network, Node
from refsnn.neurons import IF, Firing, Reset, ResetTime, numbers
from refsnn.residual import corrected, silenced

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
    dtype = current.dtype  # fractions are objects; whole numbers stay whole among them
    theta = np.array([Fraction(v) if dtype.hasobject else v for v in np.ravel(layer.v_threshold)], dtype)
    settled = _corrected(kernel, layer, so_far, theta, steps - 1) if steps > 1 else so_far
    count = np.clip(settled.total, 0, steps)
    residual = dynamics.subtracted(settled.v, dynamics.spent((count - settled.total).astype(dtype), theta))
    spikes = (np.arange(steps)[:, None, None] < count).astype(np.int32)
    left = count - np.cumsum(spikes, 0)
    v = dynamics.subtracted(residual, dynamics.spent((-left).astype(dtype), theta))
    # what decides: the sum of all currents against the multiples of the threshold
    compared = integrate_then_fire(kernel, layer, current, state, steps).compared
    after = settled._replace(v=residual, sent=spikes[-1].astype(dtype), total=count)
    return Fired(spikes, v, compared, after, first.overflows)


def _corrected(kernel: Kernel, layer: IF, state: State, theta: Array, steps: int) -> State:
    """After so many steps without input in which spikes of -1 are sent too; only neurons that have one to send take part."""
    restless = (state.v >= theta) | (state.v < 0)
    if not restless.any():
        return state
    which = np.nonzero(restless)[1]
    own: dict[str, Any] = {n: v.ravel()[which] for n, v in numbers(layer).items() if isinstance(v, np.ndarray)}
    signed = replace(layer, v_negative=0.0, negative_firing=Firing.ABOVE_THRESHOLD, **own)
    picked = State(*(array[restless][None] for array in state))
    done = kernel(signed, np.zeros((1, *picked.v.shape), picked.v.dtype), picked, steps).state
    after = State(*map(np.copy, state))
    for array, found in zip(after, done, strict=True):
        array[restless] = found[0]
    return after


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
    counts_charge: bool = False  # needs neurons that lose no charge, and all T currents of a layer at once
    in_front: int = 0  # steps that the whole network runs before the T steps that are read out
    rehearsed: int = 0  # steps that each layer runs on the first of its T steps of input before it runs all of them

    def lag(self, steps: int) -> int:
        """Steps that a layer is behind the one before it on a chip where spikes between layers take a step."""
        return self.latency(steps, 1) - self.latency(steps, 0) + 1 - self.edge_delay

    def delay(self, network: Network, node: Node, i: int) -> int:
        """Steps that input i of the node is on its way."""
        return max(node.delays[i], self.edge_delay) if node.inputs[i] in network.neurons else node.delays[i]

    def updates(self, steps: int) -> Array:
        """How often a neuron is updated for each of the steps that the network runs, T and those in front: int64[steps]."""
        if self.rehearsed:
            return 1 + self.rehearsed * (np.arange(steps) == 0).astype(np.int64)
        whole, rest = divmod(self.total_steps(steps - self.in_front), steps)
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


def srp(in_front: int) -> Schedule:
    """The network runs steps in front, then T steps from v_init in which what was left at or below 0 is silent."""
    longer: Callable[..., int] = lambda steps, *_: steps + in_front  # noqa: E731
    fire = partial(silenced, in_front)
    return Schedule(f"srp:{in_front}", fire, longer, longer, counts_charge=True, in_front=in_front)


def cos(rehearsed: int) -> Schedule:
    """Every layer runs the first steps of its input, moves its potentials at the start, and runs all T of them."""
    return Schedule(
        f"cos:{rehearsed}", partial(corrected, rehearsed), lambda steps: steps + rehearsed,
        lambda steps, depth: depth * rehearsed + steps, counts_charge=True, rehearsed=rehearsed,
    )  # fmt: skip


RESIDUAL: dict[str, Callable[[int], Schedule]] = {"srp": srp, "cos": cos}  # by name; behind a colon the number of steps
RESIDUAL_STEPS = 4  # unless the name says otherwise; as the authors have it


def schedule_of(name: str) -> Schedule:
    """The schedule of that name: one of SCHEDULES, or srp, cos, srp:STEPS, cos:STEPS."""
    kind, colon, steps = name.partition(":")
    if kind in RESIDUAL:
        if colon and not (steps.isdecimal() and int(steps) > 0):
            raise SpecError(
                f"schedule: {name!r}: expected a whole number of at least 1 behind the colon, as in '{kind}:4'"
            )
        return RESIDUAL[kind](int(steps) if colon else RESIDUAL_STEPS)
    if name not in SCHEDULES:
        raise SpecError(f"schedule: {name!r} is none{did_you_mean(name, [*SCHEDULES, *RESIDUAL])}")
    return SCHEDULES[name]


def check_schedule(schedule: Schedule, network: Network, steps: int) -> None:
    """Raises UnsupportedLayerError where the network cannot be run so, SpecError where the steps are too few."""
    if steps < schedule.rehearsed:
        raise SpecError(
            f"schedule: {schedule.name} rehearses the first {schedule.rehearsed} of T steps, but T is {steps}; take more steps, "
            f"or cos:{steps}"
        )
    if not schedule.counts_charge:
        return
    for node in network.nodes:
        if any(node.delays):
            raise UnsupportedLayerError(
                f"{node.name}: {schedule.name} works on all steps of a layer at once; an edge with a delay needs lockstep"
            )
        if schedule.in_front and isinstance(node.layer, MaxPool2d) and node.layer.mode is not MaxMode.OR:
            raise UnsupportedLayerError(
                f"{node.name}: MaxPool2d with mode: {node.layer.mode.value} would go on counting from the steps that "
                f"{schedule.name} runs in front; use cos, or a network without it"
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
