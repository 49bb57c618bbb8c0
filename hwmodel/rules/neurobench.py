"""NeuroBench's workload metrics: effective and dense synaptic operations, membrane updates, sparsity, footprint. No energy."""

from typing import Any

import numpy as np
from pydantic.dataclasses import dataclass

from hwmodel.rules.base import CONFIG, Rule, charged, ran
from hwmodel.rules.evidence import Evidence
from hwmodel.rules.report import Row, RuleReport
from hwmodel.rules.wiring import reading
from refsnn.trace import Activity, NodeActivity

Array = np.ndarray[Any, Any]
ACS, MACS, DENSE = "Effective_ACs", "Effective_MACs", "Dense"
UPDATES, NEURON_OPS, NEURON_DENSE = "MembraneUpdates", "Effective Neuron Ops", "Neuron Dense Ops"


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class NeuroBench(Rule):
    """Effective operations = sum(layer(x != 0)) with weights != 0 as ones and no bias; ACs where all of x is -1, 0 or 1.

    A call is one step of one sample. Dense: the same with ones everywhere. Membrane updates: all potentials in the first step,
    those that changed in later ones.
    """

    neuron_operations: dict[str, int]  # type of neurons -> operations of one update
    bytes_per_number: int
    buffers_per_neuron_layer: int  # numbers that the framework keeps with each layer of neurons
    state_batch: int  # samples whose potentials stand in the model's buffers when its footprint is taken

    def _price(self, activity: Activity, evidence: Evidence) -> RuleReport:
        rows: list[Row] = []
        notes: list[str] = []
        for node in activity.nodes:
            if node.kind == "weight":
                rows += self._operations(activity, node, evidence, notes)
            elif node.kind == "neuron":
                rows += self._updates(activity, node, evidence, notes)
        return self.report(activity, rows, figures=self._figures(activity), notes=tuple(notes))

    def _operations(self, activity: Activity, node: NodeActivity, evidence: Evidence, notes: list[str]) -> list[Row]:
        runs = ran(activity)
        if node.node in evidence.inputs:
            read = evidence.inputs[node.node]
            operations, accumulates = np.where(runs, read.pairs, 0), read.ternary
        else:
            operations = node.synops + node.macs
            accumulates = np.full(runs.shape, reading(activity, node).ones)
            notes.append(
                f"{node.node}: weights of 0 and spikes behind a pool are counted one by one; give evidence.inputs"
            )
        return [
            charged(node.node, ACS, int(operations[accumulates].sum())),
            charged(node.node, MACS, int(operations[~accumulates].sum())),
            charged(node.node, DENSE, node.dense_ops * int(activity.steps_run.sum())),
        ]

    def _updates(self, activity: Activity, node: NodeActivity, evidence: Evidence, notes: list[str]) -> list[Row]:
        dense = node.n_neurons * int(activity.steps_run.sum())
        if node.node in evidence.changes:
            updates = int(np.where(ran(activity), evidence.changes[node.node], 0).sum())
        else:
            updates = dense
            notes.append(f"{node.node}: potentials that do not change are counted as updated; give evidence.changes")
        rows = [charged(node.node, UPDATES, updates)]
        if node.layer in self.neuron_operations:
            each = self.neuron_operations[node.layer]
            rows += [charged(node.node, NEURON_OPS, each * updates), charged(node.node, NEURON_DENSE, each * dense)]
        return rows

    def _figures(self, activity: Activity) -> dict[str, float]:
        neurons = [node for node in activity.nodes if node.kind == "neuron"]
        numbers = sum(node.n_weights for node in activity.nodes) + self.buffers_per_neuron_layer * len(neurons)
        numbers += self.state_batch * sum(node.n_neurons for node in neurons)
        found = {"Footprint": float(self.bytes_per_number * numbers)}
        activations = sum(node.n_neurons for node in neurons) * int(activity.steps_run.sum())
        if activations:
            spikes = sum(int(node.spikes_out.sum()) for node in neurons)
            found["ActivationSparsity"] = (activations - spikes) / activations
        return found
