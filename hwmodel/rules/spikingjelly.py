"""SpikingJelly's runtime counters: accumulates and multiply-accumulates of tensor operations, and logical memory traffic."""

from math import prod
from typing import Any

import numpy as np
from pydantic.dataclasses import dataclass

from hwmodel.rules.base import CONFIG, Bytes, Energy, Rule, charged, ran
from hwmodel.rules.evidence import Evidence
from hwmodel.rules.report import Row, RuleReport
from hwmodel.rules.wiring import reading
from refsnn.trace import Activity, NodeActivity

BoolArray = np.ndarray[Any, np.dtype[np.bool_]]

ACS, MACS = "AC", "MAC"
WEIGHTS, BIASES, STATES = "weight read, bytes", "bias read, bytes", "neuron state, bytes"


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Memory:
    """One price for every byte that the layers use."""

    energy_per_byte: Energy
    number: Bytes  # of a weight, a bias, a potential


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class SpikingJelly(Rule):
    """AC = the accumulates that spikes cause where x is all 0 and 1, exact at borders; MAC = outputs * kernel where it is not,
    borders not subtracted. A call is one step of one sample. Neurons: additions of the tensor operations of one update. Add: its
    spikes, or its outputs where an input is no spikes; a mean pool: outputs * (window - 1), whatever it reads.
    """

    accumulate: Energy
    multiply_accumulate: Energy
    additions_per_update: dict[str, int]  # type of neurons, reset by subtraction
    memory: Memory | None = None
    own_sums: bool = (
        False  # whether the tool counts the sum by which it counts a convolution's weights: outputs - 1 a call
    )

    def _price(self, activity: Activity, evidence: Evidence) -> RuleReport:
        rows: list[Row] = []
        notes: list[str] = []
        calls = int(activity.steps_run.sum())
        for node in activity.nodes:
            accumulates = multiplied = 0
            if node.kind == "weight":
                spikes = binary_calls(activity, node, evidence, notes)
                reached = (
                    evidence.inputs[node.node].reached if node.node in evidence.inputs else node.synops + node.macs
                )
                accumulates = int(reached[spikes].sum())
                multiplied = node.n_neurons * node.fan_in * int((ran(activity) & ~spikes).sum())
                rows += self._weights(node, accumulates + multiplied, calls)
                if self.own_sums and node.layer != "Linear" and node.geometry:
                    accumulates += (node.geometry.groups * prod(node.geometry.out_size) - 1) * int(spikes.sum())
            elif node.kind == "neuron":
                accumulates = self.additions_per_update.get(node.layer, 0) * node.n_neurons * calls
                rows += self._states(node, calls)
                if node.layer not in self.additions_per_update:
                    notes.append(f"{node.node}: SpikingJelly has no {node.layer}; its updates are not counted")
            elif node.layer in ("AvgPool2d", "GlobalAvgPool2d") and node.geometry:
                accumulates = node.n_neurons * (prod(node.geometry.kernel) - 1) * calls
            elif node.kind == "add":
                spikes_only = all(_sends_ones(activity, node, i) for i in range(len(node.inputs)))
                added = node.n_neurons * (len(node.inputs) - 1) * calls
                accumulates = int(node.events_in.sum()) if spikes_only and len(node.inputs) == 2 else added
            if accumulates or multiplied:
                rows += [
                    charged(node.node, ACS, accumulates, self.accumulate),
                    charged(node.node, MACS, multiplied, self.multiply_accumulate),
                ]
        return self.report(activity, rows, notes=tuple(notes))

    def _weights(self, node: NodeActivity, uses: int, calls: int) -> list[Row]:
        if self.memory is None:
            return []
        per_number, price = self.memory.number, self.memory.energy_per_byte
        biases = node.n_neurons * calls if node.n_biases else 0
        return [
            charged(node.node, WEIGHTS, per_number * uses, price),
            charged(node.node, BIASES, per_number * biases, price),
        ]

    def _states(self, node: NodeActivity, calls: int) -> list[Row]:
        """Each potential is read and written once a step."""
        if self.memory is None:
            return []
        return [
            charged(node.node, STATES, 2 * self.memory.number * node.n_neurons * calls, self.memory.energy_per_byte)
        ]


def binary_calls(activity: Activity, node: NodeActivity, evidence: Evidence, notes: list[str]) -> BoolArray:
    """bool[T, N]: in which steps the layer reads nothing but 0 and 1; the steps that were run only."""
    runs = ran(activity)
    if node.node in evidence.inputs:
        return np.asarray(evidence.inputs[node.node].binary & runs)
    read = reading(activity, node)
    if not read.ones:
        notes.append(f"{node.node}: taken to read other values than 0 and 1 at every step; give evidence.inputs")
    return runs & read.ones


def _sends_ones(activity: Activity, node: NodeActivity, i: int) -> bool:
    name = node.inputs[i]
    return name != "input" and activity[name].kind == "neuron"
