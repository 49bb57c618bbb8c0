"""Who is reached by which event, by enumeration: one value, one wire and one step at a time. Shares no code with refsnn.reaching."""

from dataclasses import dataclass, field

import numpy as np
from brute_force import connections, windows

from refsnn import Float64, Network, Node, Record, simulate
from refsnn.layers import Scale
from refsnn.network import INPUT
from refsnn.schedules import schedule_of

STATEFUL = ("IF", "LIF", "CubaLIF", "LI")
WEIGHTS = ("Linear", "Conv1d", "Conv2d")
POOLS = ("AvgPool2d", "SumPool2d", "GlobalAvgPool2d", "MaxPool2d")


@dataclass
class Wires:
    """A run in Float64 and everything that its values say; flat indices throughout, t counts from 0."""

    network: Network
    drive: object
    steps: int
    schedule: str = "lockstep"
    values: dict = field(default_factory=dict)  # node -> [T, N, outputs], as somebody who reads it last would see them

    def __post_init__(self):
        self.trace = simulate(self.network, self.drive, **self.options, record=Record(spikes=self.network.neurons))

    @property
    def options(self):
        return {"steps": self.steps, "schedule": self.schedule, "arithmetic": Float64(), "backend": "naive"}

    def kind(self, name):
        return type(self.network[name].layer).__name__

    def size(self, name):
        return int(np.prod(self.network.shapes[name]))

    def edges(self, name):
        """(source, delay) of each input, under the schedule."""
        least = schedule_of(self.schedule).edge_delay
        return [
            (source, max(delay, least) if source in self.network.neurons else delay)
            for source, delay in self.network[name].edges
        ]

    def made_by_spikes(self, name):
        return self.network.sends_spikes(name, self.drive.spiking)

    def value(self, name, t, n):
        """All values of a node at a step: the readout of a network that ends in it, less that of the step before."""
        if name not in self.values:
            if name == INPUT:
                given = self.drive.inputs(self.steps, slice(None))
                shown = np.broadcast_to(given, (self.steps, *given.shape[1:]))
                self.values[name] = shown.reshape(*shown.shape[:2], -1)
            else:
                probe = Node("probe", Scale(factor=1.0), (name,))
                probed = Network("probed", self.network.input_shape, (*self.network.nodes, probe))
                readout = simulate(probed, self.drive, **self.options).readout
                self.values[name] = np.diff(readout, axis=0, prepend=readout[:1] * 0)
        return self.values[name][t, n]

    def events(self, name, t, n):
        """How many events each output of a node gives at a step."""
        if t < 0:
            return [0] * self.size(name)
        if name in self.network.neurons:
            return [abs(int(s)) for s in self.trace.spikes[name][t, n].ravel()]
        if not self.made_by_spikes(name):
            return [int(value != 0) for value in self.value(name, t, n)]
        if name == INPUT:
            return [int(value) for value in self.value(name, t, n)]
        if self.kind(name) == "MaxPool2d":
            return [int(value != 0) for value in self.value(name, t, n)]
        total = [0] * self.size(name)
        for k, (source, delay) in enumerate(self.edges(name)):
            events = self.events(source, t - delay, n)
            for i, o in self.handed_on(name, k):
                total[o] += events[i]
        return total

    def handed_on(self, name, k):
        """(index of input k, output) of every way through a node without weights."""
        node = self.network[name]
        if self.kind(name) in POOLS:
            return windows(node.layer, self.network.shapes[node.inputs[0]])
        size, before = self.size(node.inputs[k]), 0
        if self.kind(name) == "Concat":
            before = sum(self.size(source) for source in node.inputs[:k])
        return [(i, before + i) for i in range(size)]

    def reached(self, name, t, n):
        """The outputs of a node that an event came to at a step."""
        if t < 0:
            return set()
        if name == INPUT or self.kind(name) in STATEFUL or self.made_by_spikes(name):
            return {i for i, events in enumerate(self.events(name, t, n)) if events}
        found = set()
        for k, (source, delay) in enumerate(self.edges(name)):
            if self.kind(name) in WEIGHTS:
                events = self.events(source, t - delay, n)
                shape = self.network.shapes[source]
                found |= {o for i, o in connections(self.network[name].layer, shape) if events[i]}
            else:
                reached = self.reached(source, t - delay, n)
                found |= {o for i, o in self.handed_on(name, k) if i in reached}
        return found

    def driven(self, name, t, n):
        """The neurons of a node that an event came to at a step."""
        ((source, delay),) = self.edges(name)
        return self.reached(source, t - delay, n)
