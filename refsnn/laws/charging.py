"""Laws of charge: what went in is what is left and what was fired away, and how often that makes a neuron fire."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from refsnn.arithmetic import FixedPoint
from refsnn.errors import UnsupportedLayerError
from refsnn.findings import Finding
from refsnn.laws.counting import found_at
from refsnn.laws.law import NOTHING, Case, Law, Outcome
from refsnn.layers import Concat, Flatten
from refsnn.network import Network, Node
from refsnn.neurons import IF, Firing, Neuron, Reset, ResetTime, spread
from refsnn.potentials import charge_error, firing_errors
from refsnn.properties import charge, distance_to_tie
from refsnn.rounding import Format, finest, grid_of
from refsnn.schedules import SCHEDULES, check_schedule
from refsnn.spans import spans

Array = np.ndarray[Any, Any]
QUANTISER = SCHEDULES["integrate_then_fire"]


@dataclass(frozen=True, eq=False)
class Charged:
    """A layer of neurons after a run."""

    node: str
    layer: IF
    counts: Array  # int64[N, *shape]
    residual: Array  # float64[N, *shape]
    theta: Any
    received: Array  # float64[N, *shape]: v_init + the sum of its currents, read from the run
    error: float  # bound on how far rounding takes `received` and v + theta * n apart
    deciding: float  # bound on the error of what is compared with the threshold

    def too_rough(self, error: float) -> str:
        """Why nothing can be claimed, where the bound is half a spike or more; else nothing."""
        half = float(np.min(self.theta)) / 2
        return "" if error < half else f"rounding may take its charge {error:.3g} off, half a spike is {half:.3g}"


def with_currents(network: Network) -> Network:
    """The network that reads out, all in a row, what its neurons receive."""
    readers = [
        Node(f"received {name}", Flatten(), network[name].inputs, network[name].delays) for name in network.neurons
    ]
    if len(readers) > 1:
        readers.append(Node("received", Concat(), tuple(reader.name for reader in readers)))
    return Network(network.name, network.input_shape, (*network.nodes, *readers))


def charged(case: Case, nodes: list[str], schedule: str) -> Iterator[Charged]:
    """These IF nodes after a run; what they received comes from another run, in which somebody reads their currents."""
    network, dtype = case.network, case.arithmetic.dtype
    trace = case.run(schedule=schedule)
    sums = case.with_network(with_currents(network)).run(schedule=schedule).readout[-1].astype(np.float64)
    sizes = [int(np.prod(network.shapes[name])) for name in network.neurons]
    parts = dict(zip(network.neurons, np.split(sums, np.cumsum(sizes)[:-1], axis=1), strict=True))
    known = spans(network, case.drive.inputs(case.steps, slice(None)), dtype, case.steps)
    for name in nodes:
        layer: Any = network[name].layer
        shape = network.shapes[name]
        v_init = np.asarray(layer.v_init, np.float64)
        span, steps = known[network[name].inputs[0]], case.steps
        grid = finest([span.grid, grid_of(v_init)])
        summed = Format.of(dtype).computed(
            steps * span.size + float(np.abs(v_init).max()), steps * span.error, grid, steps + 1
        )
        yield Charged(
            node=name,
            layer=layer,
            counts=trace.counts[name].astype(np.int64),
            residual=trace.residual[name].astype(np.float64),
            theta=spread(layer.v_threshold, shape),
            received=parts[name].reshape(-1, *shape) + spread(layer.v_init, shape),
            error=charge_error(layer, span, steps, dtype) + summed.error,
            deciding=max(firing_errors(layer, span, steps, dtype, SCHEDULES[schedule])),
        )


def _loses_charge(layer: Neuron) -> str:
    """Why the charge of such neurons is not kept; nothing where it is."""
    if not isinstance(layer, IF):
        return f"{type(layer).__name__} leaks"
    if layer.reset is not Reset.SUBTRACT:
        return f"reset: {layer.reset.value} does not keep what was left"
    if layer.reset_time is not ResetTime.SAME_STEP:
        return f"reset_time: {layer.reset_time.value} leaves the last spike's reset to a step that is not run"
    if layer.refractory:
        return "a refractory neuron takes in no current"
    if layer.v_min is not None or layer.v_max is not None:
        return "clamps at v_min and v_max lose charge"
    return ""


def _charge_balance(case: Case) -> Outcome:
    if isinstance(case.arithmetic, FixedPoint):
        return Outcome.nowhere("fixed point rounds every current on purpose")
    if not case.network.neurons:
        return Outcome.nowhere(NOTHING)
    layers = {name: case.network[name].layer for name in case.network.neurons}
    left_out = {
        name: why for name, layer in layers.items() if isinstance(layer, Neuron) and (why := _loses_charge(layer))
    }
    checked, findings = [], []
    for one in charged(case, [name for name in layers if name not in left_out], "lockstep"):
        if why := one.too_rough(one.error):
            left_out[one.node] = why
            continue
        checked.append(one.node)
        fired_and_left = charge(one.counts, one.residual, one.theta)
        unequal = np.abs(fired_and_left - one.received) > one.error
        findings += _first(CHARGE.name, one, unequal, one.received, fired_and_left, "v_init + the sum of its currents")
    return Outcome(tuple(checked), tuple(findings), left_out)


def _integrate_then_fire(case: Case) -> Outcome:
    if isinstance(case.arithmetic, FixedPoint):
        return Outcome.nowhere("fixed point runs in lockstep or pipeline only")
    if not case.network.neurons:
        return Outcome.nowhere(NOTHING)
    try:
        check_schedule(QUANTISER, case.network, case.steps)
    except UnsupportedLayerError as refusal:
        return Outcome.nowhere(str(refusal))
    left_out, checked, findings = {}, [], []
    for one in charged(case, list(case.network.neurons), QUANTISER.name):
        error = one.error + one.deciding
        if one.layer.firing is not Firing.AT_THRESHOLD:
            left_out[one.node] = "fires above its threshold only; the quantiser counts what is at it"
            continue
        if why := one.too_rough(error):
            left_out[one.node] = why
            continue
        checked.append(one.node)
        expected = np.clip(np.floor(one.received / one.theta).astype(np.int64), 0, case.steps)
        tie = (distance_to_tie(one.received, one.theta, case.steps) <= error) & (error > 0)
        findings += _first(
            QUANTISED.name, one, (one.counts != expected) & ~tie, expected, one.counts, "spikes of the quantiser"
        )
    return Outcome(tuple(checked), tuple(findings), left_out)


def _first(law: str, one: Charged, unequal: Array, expected: Array, actual: Array, cause: str) -> list[Finding]:
    return [
        found_at(law, one.node, place, expected[tuple(place)].item(), actual[tuple(place)].item(), cause, one.error)
        for place in np.argwhere(unequal)[:1]
    ]


CHARGE = Law("charge balance", "v[T] + v_threshold * n == v_init + sum of currents", _charge_balance)
QUANTISED = Law(
    "integrate then fire", "n == clip(floor((v_init + sum of currents) / v_threshold), 0, T)", _integrate_then_fire
)
