"""What each core does, by enumeration: one wire, one spike and one step at a time. Shares no code with refsnn.core_counts."""

from collections import defaultdict

import numpy as np
from brute_force import connections
from brute_reach import POOLS, STATEFUL, WEIGHTS, Wires

from refsnn.network import INPUT
from refsnn.trace import neuron_groups


class Cores(Wires):
    """Wires whose neurons are shared out among cores."""

    def shared(self, cores):
        """The groups and their numbers of cores; returns itself."""
        self.groups, self.cores = neuron_groups(self.trace.activity), cores
        return self

    def core(self, group, neuron):
        cores = self.cores[group]
        if not isinstance(cores, int):  # blocks of channels, bands of rows
            channels, height, width = ((*self.network.shapes[group], 1, 1) if len(self.network.shapes[group]) == 1 else
                                       (self.network.shapes[group][0], 1, self.network.shapes[group][1])
                                       if len(self.network.shapes[group]) == 2 else self.network.shapes[group])  # fmt: skip
            channel, row = neuron // (height * width), neuron // width % height
            return channel // -(-channels // cores.channels) * cores.bands + row // -(-height // cores.bands)
        each = -(-self.size(group) // cores)
        return neuron // each

    def readers(self, name):
        """(node, which of its inputs, steps on the way) of all that read a node."""
        return [
            (node.name, k, delay)
            for node in self.network.nodes
            for k, (source, delay) in enumerate(self.edges(node.name))
            if source == name
        ]

    def apart(self, name):
        """Whether a node only passes on numbers that spikes alone did not make."""
        return self.kind(name) not in (*STATEFUL, *WEIGHTS) and not self.made_by_spikes(name)

    def ends(self, name):
        """(output, group, neuron, steps) of every way from the outputs of a node to neurons, no weights on it."""
        if not self.readers(name):
            return [(o, name, o, 0) for o in range(self.size(name))]
        found = []
        for reader, k, delay in self.readers(name):
            if self.kind(reader) in STATEFUL:
                found += [(o, reader, o, delay) for o in range(self.size(name))]
            elif self.apart(reader):
                behind = self.ends(reader)
                found += [
                    (i, group, neuron, delay + more)
                    for i, o in self.handed_on(reader, k)
                    for o2, group, neuron, more in behind
                    if o == o2
                ]
        return found

    def countable(self):
        """Whether every output of a weight layer is one neuron's current and no pool of currents is in front of neurons."""
        for node in self.network.nodes:
            if self.kind(node.name) in WEIGHTS and (
                len(self.ends(node.name)) != self.size(node.name) or self.goes_on(node.name)
            ):
                return False
            real = not self.network.sends_spikes(node.name, self.drive.spiking)
            if self.kind(node.name) in POOLS and real and self.meets_neurons(node.name):
                return False
        return True

    def meets_neurons(self, name):
        """Whether numbers reach neurons, or are the readout, without passing weights."""
        readers = [reader for reader, _, _ in self.readers(name) if self.kind(reader) not in WEIGHTS]
        return not self.readers(name) or any(self.kind(r) in STATEFUL or self.meets_neurons(r) for r in readers)

    def goes_on(self, name):
        """Whether numbers reach a pool or weights without passing a neuron."""
        return any(
            self.kind(reader) in (*WEIGHTS, *POOLS) or (self.kind(reader) not in STATEFUL and self.goes_on(reader))
            for reader, _, _ in self.readers(name)
        )

    def ways(self, name, i, delay=0):
        """(node, group, neuron, steps) of every way of an event from output i of a node that gives events to neurons."""
        found = []
        if self.kind_or_input(name) not in (INPUT, *STATEFUL) and not self.readers(name):
            found.append((name, name, i, delay))  # the readout is a sum of spikes
        for reader, k, more in self.readers(name):
            later = delay + more
            if self.kind(reader) in WEIGHTS:
                ends = self.ends(reader)
                wires = connections(self.network[reader].layer, self.network.shapes[name])
                reached = {o for j, o in wires if j == i}
                found += [(reader, group, neuron, later) for o, group, neuron, _ in ends if o in reached]
            elif self.kind(reader) in STATEFUL:
                found.append((reader, reader, i, later))
            elif self.made_by_spikes(reader):
                for j, o in self.handed_on(reader, k):
                    found += self.ways(reader, o, later) if i == j else []
            else:
                for j, o in self.handed_on(reader, k):
                    if i == j:
                        found += [(g, g, neuron, later + rest) for o2, g, neuron, rest in self.ends(reader) if o == o2]
        return found

    def kind_or_input(self, name):
        return INPUT if name == INPUT else self.kind(name)

    def counts(self):
        """All counts of a CoreActivity: kind -> name -> int64[..., C, T, N]."""
        found = {kind: {} for kind in ("synops", "macs", "events", "packets", "driven", "updates", "spikes")}
        samples = range(self.drive.n_samples)

        def array(kind, name, *groups):
            empty = np.zeros(
                (
                    *(getattr(self.cores[group], "count", self.cores[group]) for group in groups),
                    self.steps,
                    len(samples),
                ),
                np.int64,
            )
            return found[kind].setdefault(name, empty)

        for node in self.network.nodes:
            if self.kind(node.name) in WEIGHTS:
                self.work(node, array, samples)
            if self.kind(node.name) in STATEFUL:
                self.neurons(node.name, array, samples)
        for name in (INPUT, *self.network.neurons):
            if name != INPUT or self.drive.spiking:
                self.sent(name, array, samples)
        for name in (INPUT, *self.network.stateful):
            if name not in self.network.neurons and not (name == INPUT and self.drive.spiking):
                self.direct_numbers(name, array, samples)
        return found

    def work(self, node, array, samples):
        """Synops and macs of a weight layer, and the events where they are numbers."""
        ((source, delay),) = self.edges(node.name)
        ends = {o: (group, neuron) for o, group, neuron, _ in self.ends(node.name)}
        group = next(iter(ends.values()))[0]
        wires = connections(node.layer, self.network.shapes[source])
        cores = defaultdict(list)
        for i, o in wires:
            cores[i].append(self.core(*ends[o]))
        kind, other = ("synops", "macs") if self.made_by_spikes(source) else ("macs", "synops")
        work, events = array(kind, node.name, group), array("events", node.name, group)
        array(other, node.name, group)
        for t in range(self.steps):
            for n in samples:
                for i, count in enumerate(self.events(source, t - delay, n)):
                    for core in cores[i] if count else ():
                        work[core, t, n] += count
                    for core in set(cores[i]) if kind == "macs" and count else ():
                        events[core, t, n] += 1

    def sent(self, name, array, samples):
        """Packets and events of the spikes of a node."""
        for i in range(self.size(name) if name != INPUT else int(np.prod(self.network.input_shape))):
            for node, group, core, delay in {(w, g, self.core(g, k), d) for w, g, k, d in self.ways(name, i)}:
                for t in range(delay, self.steps):
                    for n in samples:
                        spikes = self.events(name, t - delay, n)[i]
                        array("events", node, group)[core, t, n] += spikes
                        if name != INPUT:
                            own = self.core(name, i)
                            array("packets", (name, node), name, group)[own, core, t, n] += spikes

    def direct_numbers(self, name, array, samples):
        """Events of numbers that come to neurons over no weights."""
        shape = self.network.input_shape if name == INPUT else self.network.shapes[name]
        for i in range(int(np.prod(shape))):
            ways = {(w, g, self.core(g, k), d) for w, g, k, d in self.ways(name, i) if self.kind(w) not in WEIGHTS}
            for node, group, core, delay in ways:
                for t in range(delay, self.steps):
                    for n in samples:
                        array("events", node, group)[core, t, n] += self.value(name, t - delay, n)[i] != 0

    def neurons(self, name, array, samples):
        spiking = name in self.network.neurons
        for t in range(self.steps):
            for n in samples:
                driven = self.driven(name, t, n)
                for k in range(self.size(name)):
                    core = self.core(name, k)
                    array("updates", name, name)[core, t, n] += 1
                    array("driven", name, name)[core, t, n] += k in driven
                    if spiking:
                        array("spikes", name, name)[core, t, n] += self.events(name, t, n)[k]
