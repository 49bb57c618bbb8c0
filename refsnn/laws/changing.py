"""Laws of a network that is changed so that what it does is known."""

from dataclasses import fields, replace
from typing import Any

import numpy as np

from refsnn.arithmetic import FixedPoint
from refsnn.drive import Constant
from refsnn.errors import UnsupportedLayerError
from refsnn.laws.comparing import READOUT, Kept, first_difference
from refsnn.laws.law import NOTHING, Case, Law, Outcome
from refsnn.layers import BatchNorm, Layer, WeightLayer, kind_of
from refsnn.network import INPUT, Network
from refsnn.neurons import DECAYS, LI, Firing, Neuron, Stateful, numbers
from refsnn.trace import Trace

EXPONENTS = (-3, 2)
WORK = ("events_in", "synops", "macs", "driven", "spikes_out")


def _silence(case: Case) -> Outcome:
    for node in case.network.nodes:
        if why := _never_silent(node.layer):
            return Outcome.nowhere(f"{node.name}: {why}")
    nodes = tuple(replace(node, layer=_at_rest(node.layer)) for node in case.network.nodes)
    quiet = case.with_network(Network(case.network.name, case.network.input_shape, nodes))
    zeros = np.zeros((case.drive.n_samples, *case.drive.sample_shape), np.float32)
    trace = replace(quiet, drive=Constant(zeros)).run()
    silent = [Kept(one.node, one.what, np.zeros_like(one.values), one.stepwise) for one in _sent(trace)]
    found = first_difference(
        SILENCE.name, iter(silent), iter(_sent(trace)), "without input, bias and initial potential"
    )
    return Outcome(tuple(node.name for node in nodes), tuple(found))


def _sent(trace: Trace) -> list[Kept]:
    """Spikes, the work that they cause, and the readout without its sign: a sum of nothing but -0.0 is silence too."""
    spikes = [Kept(name, "spikes", values, True) for name, values in trace.spikes.items()]
    work = [Kept(node.node, what, node.counts()[what], True) for node in trace.activity.nodes for what in WORK]
    return [*spikes, Kept(READOUT, READOUT, np.abs(trace.readout), True), *work]


def _never_silent(layer: Layer) -> str:
    """Why the layer may give something for nothing at rest; nothing where it does not."""
    if isinstance(layer, BatchNorm):
        return "BatchNorm gives current without input; fold it first"
    if isinstance(layer, Neuron):
        if layer.v_negative is not None:
            at = layer.negative_firing is Firing.AT_THRESHOLD
            if np.max(layer.v_negative) > 0 or (at and np.max(layer.v_negative) == 0):
                return "a potential of 0 reaches v_negative"
        if layer.v_min is not None and np.max(layer.v_min) > 0:
            return "v_min is above 0"
    return ""


def _at_rest(layer: Layer) -> Any:
    """The layer without bias, its potential starting and resting at 0."""
    if isinstance(layer, WeightLayer):
        return replace(layer, bias=None)
    rests: dict[str, Any] = {item.name: 0.0 for item in fields(layer) if item.name in ("v_init", "v_leak")}
    return replace(layer, **rests) if rests else layer


def _power_of_two_scaling(case: Case) -> Outcome:
    if isinstance(case.arithmetic, FixedPoint):
        return Outcome.nowhere("fixed point has one grid, whatever the scale")
    if not case.network.neurons:
        return Outcome.nowhere(NOTHING)
    plain = case.run()
    for exponent in EXPONENTS:
        factor = 2.0**exponent
        try:
            scaled = scaled_by(case.network, factor)
        except UnsupportedLayerError as error:
            return Outcome.nowhere(str(error))
        other = case.with_network(scaled).run()
        spikes = (
            [Kept(name, "spikes", values, True) for name, values in trace.spikes.items()] for trace in (plain, other)
        )
        found = first_difference(SCALING.name, iter(next(spikes)), iter(next(spikes)), f"with the factor {factor:g}")
        if found:
            return Outcome(case.network.neurons, tuple(found))
    return Outcome(case.network.neurons)


def scaled_by(network: Network, factor: float) -> Network:
    """The network with every current and potential times `factor`, and the same spikes.

    Weights and biases take the factor, and with them voltages. Where an Add or Concat joins currents and spikes, spikes are
    worth so much more instead, and weights that read them stay. Raises UnsupportedLayerError where neither is possible.
    """
    try:
        worth, scales = 1.0, _scales(network, factor, 1.0)
    except UnsupportedLayerError:
        worth, scales = factor, _scales(network, factor, factor)
    nodes = tuple(
        replace(node, layer=_scaled(node.layer, scales[node.inputs[0]], factor, worth)) for node in network.nodes
    )
    return Network(network.name, network.input_shape, nodes)


def _scales(network: Network, factor: float, worth: float) -> dict[str, float]:
    """Node -> what its output is multiplied by."""
    known = {INPUT: 1.0}
    for node in network.nodes:
        kind = kind_of(node.layer)
        if kind == "norm":
            raise UnsupportedLayerError(f"{node.name}: BatchNorm does not scale; fold it first")
        if kind in ("weight", "neuron"):
            known[node.name] = factor if kind == "weight" else worth
    for node in network.nodes:
        if node.name not in known:
            sources = {known.get(name) for name in node.inputs}
            if len(sources) > 1 or None in sources:
                raise UnsupportedLayerError(f"{node.name}: {', '.join(node.inputs)} do not all scale alike")
            known[node.name] = known[node.inputs[0]]
    return known


def _scaled(layer: Layer, scale: float, factor: float, worth: float) -> Any:
    """The layer for an input times `scale`: a weight layer that gives current times `factor`, neurons whose spikes stay."""
    if isinstance(layer, WeightLayer):
        weight = layer.weight * layer.weight.dtype.type(factor / scale)
        return replace(
            layer, weight=weight, bias=None if layer.bias is None else layer.bias * layer.bias.dtype.type(factor)
        )
    if not isinstance(layer, Stateful):
        return layer
    times = {name: scale for name in numbers(layer) if name not in (*DECAYS, "amplitude")}
    times |= {} if isinstance(layer, LI) else {"amplitude": worth}
    voltages = {name: getattr(layer, name) * times[name] for name in times}
    return replace(layer, **voltages)


SILENCE = Law("silence", "no input, no bias, potentials start and rest at 0: no spike, readout 0", _silence)
SCALING = Law(
    "power-of-two scaling", "weights, biases and voltages times 2^k: the same spikes, k = -3, 2", _power_of_two_scaling
)
