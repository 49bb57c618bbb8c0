"""syops-counter: dense operations times the mean of the input tensor, as accumulates where that looks like spikes."""

from fractions import Fraction

import numpy as np
from pydantic.dataclasses import dataclass

from hwmodel.rules.base import CONFIG, Energy, Rule, charged, ran
from hwmodel.rules.evidence import Evidence
from hwmodel.rules.report import Count, Row, RuleReport
from hwmodel.rules.wiring import reading
from refsnn.trace import Activity, NodeActivity

ACS, MACS, OPS = "AC", "MAC", "operations"
POOLS = ("AvgPool2d", "MaxPool2d", "GlobalAvgPool2d")  # those that torch has as modules


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Syops(Rule):
    """operations = outputs * (kernel + bias) of a convolution or Linear, numel(x) of a pool, 2 * numel(x) of BatchNorm.

    Where x has at most two different values, all from 0 to 1: AC += operations * mean(x); otherwise MAC += operations. Neurons:
    AC += numel(x). A call is one step of one sample.
    """

    accumulate: Energy
    multiply_accumulate: Energy

    def _price(self, activity: Activity, evidence: Evidence) -> RuleReport:
        rows: list[Row] = []
        notes: list[str] = []
        calls = int(activity.steps_run.sum())
        for node in activity.nodes:
            if node.kind == "neuron":
                rows += self._charged(node, node.n_neurons * calls, 0, node.n_neurons * calls)
                continue
            per_call = _operations(node)
            if per_call:
                accumulates, multiplied = self._split(activity, node, per_call, evidence, notes)
                rows += self._charged(node, accumulates, multiplied, per_call * calls)
        return self.report(activity, rows, notes=tuple(notes))

    def _charged(self, node: NodeActivity, accumulates: Count, multiplied: int, operations: int) -> list[Row]:
        return [
            charged(node.node, ACS, accumulates, self.accumulate),
            charged(node.node, MACS, multiplied, self.multiply_accumulate),
            charged(node.node, OPS, operations),
        ]

    def _split(
        self, activity: Activity, node: NodeActivity, per_call: int, evidence: Evidence, notes: list[str]
    ) -> tuple[Count, int]:
        runs = ran(activity)
        if node.node in evidence.inputs:
            read = evidence.inputs[node.node]
            spikes = read.two_valued & runs
            total = float(read.total[spikes].sum())
            mean: Count = Fraction(total) / node.n_inputs
            return _whole(per_call * mean), per_call * int((runs & ~spikes).sum())
        if reading(activity, node).ones:
            return _whole(per_call * Fraction(int(node.events_in.sum()), node.n_inputs)), 0
        notes.append(f"{node.node}: taken to read more than two values at every step; give evidence.inputs")
        return 0, per_call * int(np.count_nonzero(runs))


def _operations(node: NodeActivity) -> int:
    """Of one call."""
    if node.kind == "weight":
        return node.n_neurons * (node.fan_in + (node.n_biases > 0))
    if node.kind == "norm":
        return 2 * node.n_inputs
    if node.layer in POOLS or node.layer == "ReLU":
        return node.n_inputs
    return 0


def _whole(count: Count) -> Count:
    return int(count) if isinstance(count, Fraction) and count.denominator == 1 else count
