"""Ways of events to the cores of a group of neurons: which neurons each connection ends in, and which neurons a spike comes from.

A group's neurons are the outputs of its last node, counted channels, then height, then width. Between weight layers and neurons
may stand what keeps outputs apart (Add, Concat, Flatten, Scale, BatchNorm): then output o of a weight layer is current of the one
neuron first + o. Whatever else stands there is refused.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from math import prod
from typing import Any

import numpy as np

from refsnn.errors import UnsupportedLayerError
from refsnn.kernels.fan_in import as_map
from refsnn.kernels.reach import Field, field_of
from refsnn.layers import Add, BatchNorm, Concat, Flatten, Linear, Pool, Scale, Shape, WeightLayer
from refsnn.network import INPUT, Network, Node
from refsnn.schedules import Schedule
from refsnn.trace import IntArray

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Feed:
    """One way on which events come to the neurons of a group: over a weight layer, or as they are."""

    node: str  # the weight layer, or the group's last node where there are no weights
    weighted: bool
    group: str
    source: str  # what gives the events
    delay: int  # steps from there to here
    first: int  # the neuron that output 0 is current of
    field: Field  # what outputs read of the source, seen as a map
    groups: int  # of channels that read alike
    outputs: Shape  # as a map

    def into(self, neurons: IntArray) -> Array:
        """Connections of each input pixel into these neurons: int64[groups, H, W], for each channel of a group."""
        inside = np.zeros(prod(self.outputs), np.int64)
        here = neurons - self.first
        inside[here[(here >= 0) & (here < len(inside))]] = 1
        ends = inside.reshape(self.groups, -1, *self.outputs[1:]).sum(1)
        return self.field.rows.T.astype(np.int64) @ ends @ self.field.columns.astype(np.int64)


def feeds_of(network: Network, groups: Mapping[str, str], schedule: Schedule, spiking_input: bool) -> tuple[Feed, ...]:
    """All ways into all groups; an UnsupportedLayerError that names the node where outputs are no single neurons' currents."""
    feeds: list[Feed] = []
    for group in dict.fromkeys(groups.values()):
        last = network[group]
        if last.name in network.stateful:
            start = last.inputs[0], schedule.delay(network, last, 0)
        else:
            start = last.name, 0
        feeds += _ways(network, group, *start, 0, schedule, spiking_input)
    met = [feed.node for feed in feeds]
    for node in network.nodes:
        if isinstance(node.layer, WeightLayer) and met.count(node.name) != 1:
            found = "two neurons' current" if node.name in met else "no neuron's current as it is"
            raise UnsupportedLayerError(
                f"{node.name}: each of its outputs is {found}, so that it is on no core for certain; count networks in which "
                "every weight layer is read by one layer of neurons, directly or over Add, Concat, Flatten, Scale or BatchNorm"
            )
    return tuple(feeds)


def _ways(
    network: Network, group: str, name: str, delay: int, first: int, schedule: Schedule, spiking_input: bool
) -> Iterator[Feed]:
    """The ways into the group over an output of the node `name`, which is `delay` steps on its way to neuron `first`."""
    shape = as_map(network.shapes[name])
    if name == INPUT or name in network.stateful or network.sends_spikes(name, spiking_input):
        channels, height, width = shape
        every = Field(np.eye(height, dtype=np.bool_), np.eye(width, dtype=np.bool_))
        yield Feed(group, False, group, name, delay, first, every, channels, shape)
        return
    node = network[name]
    layer = node.layer
    if isinstance(layer, WeightLayer):
        source = node.inputs[0]
        alike = 1 if isinstance(layer, Linear) else layer.groups
        field = field_of(layer, network.shapes[source])
        yield Feed(name, True, group, source, schedule.delay(network, node, 0), first, field, alike, shape)
        return
    if not isinstance(layer, Add | Concat | Flatten | Scale | BatchNorm):
        raise UnsupportedLayerError(
            f"{name}: {type(layer).__name__} of what no spikes made, in front of the neurons of {group!r}: no output of a layer "
            "behind it is one neuron's current; count networks in which pools read spikes"
        )
    for i, source in enumerate(node.inputs):
        later = delay + schedule.delay(network, node, i)
        yield from _ways(network, group, source, later, first, schedule, spiking_input)
        if isinstance(layer, Concat):
            first += prod(network.shapes[source])


@dataclass(frozen=True, eq=False)
class Arrival:
    """Events of a node, or of the input, that come to neurons over one weight layer, or over none."""

    node: str  # the weight layer, or the group's last node
    source: str
    delay: int
    hit: Array  # bool[cores, outputs of the source]: whether an event of this output reaches a neuron on the core


def arrivals_of(
    network: Network,
    feeds: tuple[Feed, ...],
    shares: Mapping[str, tuple[IntArray, ...]],
    schedule: Schedule,
    spiking_input: bool,
) -> tuple[Arrival, ...]:
    """What the events of all feeds are: spikes as the neurons sent them, numbers that no spikes made as the feeds read them.

    An event that comes to a node on several ways, all of them in the same step, is one.
    """
    met: dict[tuple[str, str, int], Array] = {}
    for feed in feeds:
        reached = np.stack([feed.into(neurons) for neurons in shares[feed.group]]) > 0
        hit = np.repeat(reached, network.shapes[feed.source][0] // feed.groups, axis=1)
        found = [(feed.source, feed.delay, hit)]
        if network.sends_spikes(feed.source, spiking_input):
            found = list(_pulled_back(network, feed.source, hit, feed.delay, schedule))
        for source, delay, part in found:
            key, flat = (feed.node, source, delay), part.reshape(len(part), -1)
            met[key] = met[key] | flat if key in met else flat
    return tuple(Arrival(*key, hit) for key, hit in met.items())


def _pulled_back(
    network: Network, source: str, hit: Array, delay: int, schedule: Schedule
) -> Iterator[tuple[str, int, Array]]:
    """(node that spikes, steps on the way, its spikes that arrive): bool[cores, *shape] of the latter, given those of `source`.

    Spikes go through pools, Add, Concat, Flatten, Scale.
    """
    if source == INPUT or source in network.neurons:
        yield source, delay, hit
        return
    node, first = network[source], 0
    hit = hit.reshape(len(hit), *network.shapes[source])
    for i, name in enumerate(node.inputs):
        shape = network.shapes[name]
        part = hit[:, first : first + shape[0]] if isinstance(node.layer, Concat) else hit
        first += shape[0]
        if isinstance(node.layer, Flatten):
            part = hit.reshape(len(hit), *shape)
        if isinstance(node.layer, Pool):
            part = _through(field_of(node.layer, shape), hit)
        yield from _pulled_back(network, name, part, delay + schedule.delay(network, node, i), schedule)


def _through(field: Field, hit: Array) -> Array:
    """What the outputs that are hit [..., rows, columns] read."""
    seen: Array = field.rows.T.astype(np.int64) @ hit.astype(np.int64) @ field.columns.astype(np.int64)
    return seen > 0


def passing_order(network: Network) -> tuple[Node, ...]:
    """The nodes without weights and potentials, each after those it reads; refuses a cycle of them by name."""
    passing = [
        node for node in network.nodes if not isinstance(node.layer, WeightLayer) and node.name not in network.stateful
    ]
    names = {node.name for node in passing}
    try:
        order = list(TopologicalSorter({node.name: names & set(node.inputs) for node in passing}).static_order())
    except CycleError as error:
        first, *others = error.args[1]
        raise UnsupportedLayerError(
            f"{first}: it reads itself over {', '.join(others)}, with no weights and no neurons between; count networks in which "
            "every cycle has neurons"
        ) from error
    return tuple(network[name] for name in order)
