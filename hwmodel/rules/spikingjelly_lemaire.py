"""SpikingJelly's Lemaire estimator: the equations on measured events, with memory prices interpolated over the capacity."""

from itertools import pairwise
from math import ceil, prod

from pydantic.dataclasses import dataclass

from hwmodel.rules.base import CONFIG, Bytes, Energy, Rule, nominal, ran
from hwmodel.rules.evidence import Evidence
from hwmodel.rules.report import Row, RuleReport
from hwmodel.rules.spikingjelly import binary_calls
from refsnn.trace import Activity, NodeActivity


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Point:
    """What an access to a memory of this capacity costs."""

    capacity: Bytes
    access: Energy


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class SpikingJellyLemaire(Rule):
    """For each layer of weights, in each step of each sample, s spikes of 0 and 1 in, N outputs, K kernel, C output channels:

        spikes      AC s*C*ceil(kh/stride)*ceil(kw/stride); reads s; weights, potentials read and written s*C*K
                    addressing s*C*K additions and, in convolutions, 2*s multiply-accumulates
        real input  MAC N*fan-in; reads N*fan-in (Linear: its inputs); weights N*fan-in
                    addressing inputs + outputs (+ C*K) additions
        biases      N additions and reads; neurons: potentials N read and written, spikes out added and written, LIF: N MACs

    Prices are for a byte, numbers have number bytes, E = piecewise linear in the capacity of the layer's memory.
    """

    points: tuple[Point, ...]
    access_width: Bytes  # moved by one access of the points
    number: Bytes
    addition: Energy
    multiplication: Energy
    fifo: int  # spikes that a queue holds

    def byte_j(self, capacity: int) -> float:
        """Of one byte of a memory of so many bytes."""
        prices = [(point.capacity, nominal(point.access) / self.access_width) for point in self.points]
        held = max(prices[0][0], min(capacity, prices[-1][0]))
        for (x0, y0), (x1, y1) in pairwise(prices):
            if held <= x1:
                return y0 + (y1 - y0) / (x1 - x0) * (held - x0)
        raise AssertionError("clamped to the last point")

    def _price(self, activity: Activity, evidence: Evidence) -> RuleReport:
        rows: list[Row] = []
        notes: list[str] = []
        steps = int(activity.steps_run.sum())
        for node in activity.nodes:
            if node.kind == "weight" and node.geometry:
                rows += self._weights(activity, node, evidence, notes)
            elif node.kind == "neuron":
                sent, updates = int(node.spikes_out.sum()), node.n_neurons * steps
                rows += self._potentials(node, updates)
                rows += self._operations(node, "", sent, updates if node.layer == "LIF" else 0)
                rows.append(self._bytes(node, "output write", sent, self.fifo))
            elif node.kind not in ("reshape",):
                notes.append(f"{node.node}: SpikingJelly's equations do not cover {node.layer}")
        return self.report(activity, rows, notes=tuple(notes))

    def _weights(self, activity: Activity, node: NodeActivity, evidence: Evidence, notes: list[str]) -> list[Row]:
        geometry = node.geometry
        assert geometry
        spiking = binary_calls(activity, node, evidence, notes)
        dense_calls = int((ran(activity) & ~spiking).sum())
        linear, taps = node.layer == "Linear", node.row_length * prod(geometry.kernel)
        met = node.row_length * prod(ceil(k / s) for k, s in zip(geometry.kernel, geometry.stride, strict=True))
        read = evidence.inputs[node.node].nonzero if node.node in evidence.inputs else node.events_in
        spikes = int(read[spiking].sum())
        dense = node.n_neurons * node.fan_in * dense_calls
        biases = node.n_neurons * int(activity.steps_run.sum()) if node.n_biases else 0
        per_dense = node.n_inputs + node.n_neurons + (0 if linear else geometry.out_channels * prod(geometry.kernel))
        rows = [
            *self._operations(node, "", spikes * met + biases, dense),
            *self._operations(node, "address ", spikes * taps + per_dense * dense_calls, 0 if linear else 2 * spikes),
            self._bytes(node, "input read", spikes, self.fifo),
            self._bytes(node, "input read", node.n_inputs * dense_calls if linear else dense, node.n_inputs),
            self._bytes(node, "parameter read", spikes * taps + dense + biases, node.n_weights),
            *self._potentials(node, spikes * taps),
        ]
        if not any(other.kind == "neuron" for other in activity.nodes):
            rows.append(self._bytes(node, "output write", node.n_neurons * dense_calls, node.n_neurons))
        return rows

    def _potentials(self, node: NodeActivity, count: int) -> list[Row]:
        return [self._bytes(node, f"potential {what}", count, node.n_neurons) for what in ("read", "write")]

    def _bytes(self, node: NodeActivity, quantity: str, numbers: int, held: int) -> Row:
        """So many numbers moved, from or to a memory that holds `held` of them."""
        moved = self.number * numbers
        return Row(node.node, f"{quantity}, bytes", moved, moved * self.byte_j(self.number * held))

    def _operations(self, node: NodeActivity, what: str, additions: int, macs: int) -> list[Row]:
        both = nominal(self.multiplication) + nominal(self.addition)
        return [
            Row(node.node, f"{what}AC", additions, additions * nominal(self.addition)),
            Row(node.node, f"{what}MAC", macs, macs * both),
        ]
