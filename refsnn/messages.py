"""What the cores of a mesh did in a recorded run: neurons updated, packets sent from core to core, synapses read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refsnn.drive import as_drive
from refsnn.errors import SpecError, UnsupportedLayerError
from refsnn.layers import WeightLayer
from refsnn.network import INPUT, Network
from refsnn.neurons import Stateful, spread
from refsnn.replay import Recorded
from refsnn.trace import IntArray, Trace
from refsnn.wiring import Chain, chains

Array = np.ndarray[Any, Any]
Core = tuple[int, int]  # tile, core of the tile
SPIKE_DELAY = 1  # a spike sent in a step is integrated in the update of the next


@dataclass(frozen=True, kw_only=True, eq=False)
class Messages:
    """Events per step, sample and core; C cores, those that hold something. Packets go [from, to]."""

    cores: tuple[Core, ...]
    neurons: IntArray  # [C]; the input is none
    updated: IntArray  # [T, N, C]: neurons with a potential other than 0, a current, or an event that arrived
    fired: IntArray  # [T, N, C]
    packets: IntArray  # [T, N, C, C]: one for each spike and each core on which it meets a synapse
    synapses: Mapping[str, IntArray]  # layer type -> [T, N, C]: synapses met on the core, weights of zero included
    input_spikes: IntArray  # [T, N]


def messages(network: Network, trace: Trace, x: Any, cores: Mapping[str, Core | Sequence[Core]]) -> Messages:
    """The events of the run of x with each layer of neurons, and the input if it spikes, on cores[node] = (tile, core), or on
    several cores, each with its equal share of the neurons in their order.

    Every spike has to take one step from the neurons (or the input) that send it to those that integrate it: schedule
    pipeline, and delays=(1,) on edges from the input. A real-valued input is a current, which is no message. Needs
    record=Record(spikes=network.neurons, v=network.neurons).
    """
    drive = as_drive(x, network.input_shape)
    run = Recorded.of(network, trace, drive)
    sent = {name: _flat(trace.spikes[name] != 0) for name in network.neurons}
    if drive.spiking:
        sent[INPUT] = _flat(drive.inputs(trace.steps, slice(None)))
    _check(network, trace, sent, cores)
    dealt = {name: _dealt(place, sent[name].shape[2]) for name, place in cores.items()}
    places = tuple(dict.fromkeys(core for each in dealt.values() for core in each))
    held = {name: _held(each, places) for name, each in dealt.items()}
    lead = trace.steps, trace.n_samples
    updated, fired = (np.zeros((*lead, len(places)), np.int64) for _ in range(2))
    packets = np.zeros((*lead, len(places), len(places)), np.int64)
    synapses: dict[str, IntArray] = {}
    met: dict[str, Array] = {}  # sender -> [neurons, C]: the synapses of each of its neurons on each core
    for name in network.neurons:
        busy = _charged(network, trace, name) | _biased(network, name)
        for chain in chains(network, name, run.edge_delay):
            if chain.sender not in sent:
                busy[...] = True  # a current at every step
                continue
            _check_delay(name, chain)
            fan_out = chain.matrix.T @ held[name]
            kind = type(network[chain.weights].layer).__name__ if chain.weights else "none"
            synapses[kind] = synapses.get(kind, 0) + sent[chain.sender] @ fan_out
            met[chain.sender] = met.get(chain.sender, 0) + fan_out
            busy[1:] |= _through(chain, sent[chain.sender][:-1])
        updated += busy.astype(np.int64) @ held[name]
        fired += sent[name] @ held[name]
    for sender, on_cores in met.items():
        for core in range(len(places)):
            packets[..., core] += (sent[sender] * (on_cores[:, core] > 0)) @ held[sender]
    return Messages(
        cores=places,
        neurons=sum((held[name].sum(0) for name in network.neurons), start=np.zeros(len(places), np.int64)),
        updated=updated,
        fired=fired,
        packets=packets,
        synapses=synapses,
        input_spikes=sent[INPUT].sum(2) if drive.spiking else np.zeros(lead, np.int64),
    )


def _dealt(place: Core | Sequence[Core], neurons: int) -> list[Core]:
    """The core of each neuron."""
    found: Any = [place] if isinstance(place[0], int) else place
    return [
        (int(found[i * len(found) // neurons][0]), int(found[i * len(found) // neurons][1])) for i in range(neurons)
    ]


def _held(dealt: list[Core], places: tuple[Core, ...]) -> Array:
    """int64[neurons, C]: 1 where the core holds the neuron."""
    at = np.array([places.index(core) for core in dealt])
    return (at[:, None] == np.arange(len(places))).astype(np.int64)


def _through(chain: Chain, spikes: Array) -> Array:
    """Which neurons at least one of the spikes [T, N, senders] reaches."""
    reached = chain.matrix @ spikes.reshape(-1, spikes.shape[2]).T
    return np.asarray(reached.T > 0).reshape(*spikes.shape[:2], chain.matrix.shape[0])


def _charged(network: Network, trace: Trace, name: str) -> Array:
    """Whose potential is not 0 when the step begins: bool[T, N, neurons]."""
    layer = network[name].layer
    assert isinstance(layer, Stateful)
    first = np.broadcast_to(spread(layer.v_init, network.shapes[name]), network.shapes[name]).ravel()
    v = _flat(trace.v[name])
    return np.concatenate([np.broadcast_to(first, v[:1].shape), v[:-1]]) != 0


def _biased(network: Network, name: str) -> Array:
    """Which neurons have a bias other than 0: bool[neurons]."""
    found = np.zeros(network.shapes[name], np.bool_)
    waiting = list(network[name].inputs)
    while waiting:
        source = waiting.pop()
        if source == INPUT or isinstance(network[source].layer, Stateful):
            continue
        layer = network[source].layer
        if isinstance(layer, WeightLayer) and layer.bias is not None:
            biased = (layer.bias != 0).reshape(-1, *[1] * (len(network.shapes[source]) - 1))
            # what stands between, if anything, mixes the channels
            found |= biased if network.shapes[source] == network.shapes[name] else biased.any()
        waiting += [] if isinstance(layer, WeightLayer) else network[source].inputs
    return found.ravel()


def _flat(array: Array) -> Array:
    flat = array.reshape(*array.shape[:2], -1)
    return flat if flat.dtype.kind == "f" else flat.astype(np.int64)


def _check(network: Network, trace: Trace, sent: Mapping[str, Array], cores: Mapping[str, Any]) -> None:
    for name in sent:
        if name not in cores:
            raise SpecError(f"cores: {name!r} has no place; give it a (tile, core)")
        if sent[name].max(initial=0) > 1:
            raise UnsupportedLayerError(f"{name}: sends more than one spike a step, a packet carries one")
    for name in cores:
        if name not in sent:
            raise SpecError(f"cores: {name!r} sends no spikes; map {', '.join(sent)}")
    for name in network.neurons:
        if name not in trace.v:
            raise SpecError(
                f"trace: no potentials of {name!r} were recorded; simulate with record=Record(v=network.neurons)"
            )


def _check_delay(name: str, chain: Chain) -> None:
    if chain.delay != SPIKE_DELAY:
        raise SpecError(
            f"{name}: spikes of {chain.sender!r} take {chain.delay} steps, a message takes 1; simulate with schedule='pipeline'"
            + (" and delays=(1,) on the edge from the input" if chain.sender == INPUT else "")
        )
