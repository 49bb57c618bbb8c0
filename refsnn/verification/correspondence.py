"""Which spiking layer stands for which activation of the source, and what makes two networks no pair."""

from dataclasses import dataclass

import numpy as np

from refsnn.errors import NothingCompared, SpecError, UnsupportedLayerError
from refsnn.layers import QCFS, ReLU, kind_of
from refsnn.network import Network
from refsnn.neurons import IF, Reset, ResetTime

Activation = QCFS | ReLU


@dataclass(frozen=True, eq=False)
class Pair:
    """An activation of the source and the neurons that stand for it.

    quantiser: the activation itself, or for a ReLU the T levels up to the neurons' threshold.
    """

    activation: Activation
    neuron: IF
    quantiser: QCFS


def pairs_of(source: Network, snn: Network, steps: int) -> dict[str, Pair]:
    """Spiking node -> its pair, in the network's order. The source has its BatchNorm folded.

    Raises SpecError where the networks do not correspond, UnsupportedLayerError for neurons that lose charge, NothingCompared
    where nothing spikes.
    """
    activations = {node.name: node.layer for node in source.nodes if isinstance(node.layer, Activation)}
    if set(activations) != set(snn.neurons) or source.input_shape != snn.input_shape:
        raise SpecError(
            f"network {snn.name!r} does not correspond to its source {source.name!r}: spiking nodes "
            f"{', '.join(snn.neurons) or 'none'} against activations {', '.join(activations) or 'none'}; "
            "give the network that convert made of this source"
        )
    if not activations:
        raise NothingCompared(f"network {snn.name!r} has no spiking layer; there is nothing to compare")
    _check_nodes(source, snn)
    return {name: _pair(name, activations[name], snn, steps) for name in snn.neurons}


def _pair(name: str, activation: Activation, snn: Network, steps: int) -> Pair:
    neuron = snn[name].layer
    if not isinstance(neuron, IF) or neuron.reset is not Reset.SUBTRACT or not _keeps_charge(neuron):
        raise UnsupportedLayerError(
            f"{name}: counts of {type(neuron).__name__} neurons that lose charge have no source level"
        )
    if isinstance(activation, ReLU):
        return Pair(activation, neuron, QCFS(threshold=neuron.v_threshold, levels=steps))
    if not np.array_equal(neuron.v_threshold, activation.threshold):
        raise SpecError(
            f"{name}: v_threshold is {neuron.v_threshold}, but the source's threshold is {activation.threshold}"
        )
    return Pair(activation, neuron, activation)


def _keeps_charge(neuron: IF) -> bool:
    """Whether v = v_init + all currents - threshold * spikes, and at most one spike a step."""
    return (
        neuron.reset_time is ResetTime.SAME_STEP and neuron.max_spikes == 1 and neuron.v_negative is None
        and not neuron.refractory and neuron.v_min is None and neuron.v_max is None
    )  # fmt: skip


def _check_nodes(source: Network, snn: Network) -> None:
    """The same nodes that read the same nodes; their numbers may differ, which is then said in a note."""
    ours, theirs = ({node.name: node for node in network.nodes} for network in (snn, source))
    for name in [*ours, *theirs]:
        if name not in ours or name not in theirs:
            here, there = (snn, source) if name in ours else (source, snn)
            raise SpecError(
                f"{name}: a node of network {here.name!r} that {there.name!r} does not have; verify compares a source with "
                "the network that convert made of it"
            )
        a, b = ours[name], theirs[name]
        if a.edges != b.edges:
            raise SpecError(
                f"{name}: reads {', '.join(a.inputs)} in network {snn.name!r}, but {', '.join(b.inputs)} in its source"
            )
        if kind_of(b.layer) != "activation" and type(a.layer) is not type(b.layer):
            raise SpecError(
                f"{name}: is {type(a.layer).__name__} in network {snn.name!r}, but {type(b.layer).__name__} in its source"
            )
        if snn.shapes[name] != source.shapes[name]:
            raise SpecError(
                f"{name}: has shape {list(snn.shapes[name])} in network {snn.name!r}, but {list(source.shapes[name])} in its "
                "source"
            )
