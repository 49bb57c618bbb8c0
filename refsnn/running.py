"""A run of one chunk of samples: node after node, each for all steps at once; what a cycle ties together, step by step."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from refsnn.arithmetic import finite
from refsnn.counting import node_activity, with_first_steps
from refsnn.network import INPUT, Node
from refsnn.reaching import Reach, nowhere, of_events, passed_on, passes_on, reach_of, read_by_neurons
from refsnn.signals import AnySignal, Signal, at, delayed, joined, n_samples_of
from refsnn.trace import NodeActivity
from refsnn.worker import Context, Worker

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Run:
    """All nodes in order, each for all steps at once; what a cycle ties together, step by step."""

    context: Context

    @cached_property
    def asked(self) -> frozenset[str]:
        """Nodes of which is asked where events come to their outputs."""
        return read_by_neurons(self.context.network)

    def all(self, inputs: Signal) -> list[NodeActivity]:
        signals: dict[str, AnySignal] = {INPUT: inputs}
        reaches = {INPUT: of_events(inputs, self.context.network.input_shape)} if INPUT in self.asked else {}
        activity: dict[str, NodeActivity] = {}
        waiting = {
            node.name: {reader.name for reader in self.context.network.consumers(node.name)}
            for node in self.context.network.nodes
        }
        last = self.context.network.nodes[-1].name
        for group in self.context.network.groups:
            tied = len(group) > 1 or group[0].name in group[0].inputs
            signals |= self._step_by_step(group, signals) if tied else self._at_once(group[0], signals)
            reaches |= self.reached(group, signals, reaches)
            for node in group:
                sources = tuple(self._read(signals[name], node, i) for i, name in enumerate(node.inputs))
                activity[node.name] = node_activity(
                    self.context.network, node, sources, signals[node.name],
                    updates=self.context.schedule.updates(self.context.steps), remember=self.context.network.memo.of,
                    reached=self.behind(node, reaches) if node.name in self.context.network.stateful else (),
                )  # fmt: skip
            done = {node.name for node in group}
            for name, readers in waiting.items():
                readers -= done
                if not readers and name in signals and name != last:
                    del signals[name]
                    reaches.pop(name, None)
        output = signals[last].values
        finite(f"{last}: output in {self.context.arithmetic.name}", output)
        flat = np.broadcast_to(output, (self.context.steps, *output.shape[1:])).reshape(
            self.context.steps, output.shape[1], -1
        )
        # accumulate, not cumsum of anything reordered: summed step after step
        self.context.results.readout[...] = np.add.accumulate(flat[self.context.schedule.in_front :], axis=0)
        return with_first_steps(self.context.network, self.context.schedule, activity)

    def reached(
        self, group: tuple[Node, ...], signals: Mapping[str, AnySignal], reaches: Mapping[str, Reach]
    ) -> dict[str, Reach]:
        """Where events come to those nodes of a group that neurons' currents are made of."""
        network, backend = self.context.network, self.context.backend
        found, handing = {}, []
        for node in group:
            if node.name not in self.asked:
                continue
            if passes_on(node, signals[node.name]):
                handing.append(node)
                found[node.name] = nowhere(network.shapes[node.name], n_samples_of(signals[node.name]))
            else:
                source = self._read(signals[node.inputs[0]], node, 0)
                found[node.name] = reach_of(network, node, source, signals[node.name], backend)
        while True:
            before = dict(found)
            for node in handing:
                found[node.name] = passed_on(network, node, self.behind(node, {**reaches, **found}), backend)
            again = any(name in found for node in handing for name in node.inputs)  # a cycle: until nothing is added
            if not again or all(np.array_equal(found[name].hit, before[name].hit) for name in found):
                return found

    def behind(self, node: Node, reaches: Mapping[str, Reach]) -> tuple[Reach, ...]:
        """Where events came to the node's inputs, as it reads them."""
        steps = self.context.steps
        return tuple(reaches[name].later(self._delay(node, i), steps) for i, name in enumerate(node.inputs))

    def _read(self, signal: AnySignal, node: Node, i: int) -> AnySignal:
        return delayed(signal, self._delay(node, i), self.context.steps)

    def _delay(self, node: Node, i: int) -> int:
        return self.context.schedule.delay(self.context.network, node, i)

    def _at_once(self, node: Node, signals: Mapping[str, AnySignal]) -> dict[str, AnySignal]:
        sources = tuple(self._read(signals[name], node, i) for i, name in enumerate(node.inputs))
        return {node.name: Worker(self.context, node, n_samples_of(sources[0])).advance(sources, 0, self.context.steps)}

    def _step_by_step(self, group: tuple[Node, ...], signals: Mapping[str, AnySignal]) -> dict[str, AnySignal]:
        names = {node.name for node in group}
        outside = {
            (node.name, i): self._read(signals[source], node, i)
            for node in group for i, source in enumerate(node.inputs) if source not in names
        }  # fmt: skip
        n_samples = n_samples_of(next(iter(signals.values())))
        workers = {node.name: Worker(self.context, node, n_samples) for node in group}
        given: dict[str, list[AnySignal]] = {node.name: [] for node in group}

        def arriving(node: Node, i: int, t: int) -> AnySignal:
            if (node.name, i) in outside:
                return at(outside[node.name, i], t)
            source, sent = node.inputs[i], t - self._delay(node, i)
            return given[source][sent] if sent >= 0 else workers[source].silence()

        for t in range(self.context.steps):
            for node in group:
                sources = tuple(arriving(node, i, t) for i in range(len(node.inputs)))
                given[node.name].append(workers[node.name].advance(sources, t, 1))
        return {name: joined(steps) for name, steps in given.items()}
