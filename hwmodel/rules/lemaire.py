"""Lemaire et al. (ICONIP 2022): memory accesses, operations and addressing of each layer in closed form."""

from enum import Enum
from fractions import Fraction
from math import ceil, prod
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from hwmodel.rules.base import CONFIG, Bits, Energy, Rule, nominal, ran
from hwmodel.rules.evidence import Evidence
from hwmodel.rules.report import Count, Row, RuleReport
from hwmodel.rules.wiring import neurons_behind, reading
from refsnn.trace import Activity, NodeActivity


class Errata(Enum):
    """Which of the published forms of the equations."""

    CORRECTED = "corrected"  # one fan-out for each spike, resets counted, addresses for every output channel
    ARTICLE = "article"  # Eq. 2.4 as printed: fully connected, an extra factor of inputs and no resets
    QUALIA = "qualia"  # addressing as coded there: without the output channels, or divided by the inputs


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Linear:
    """E = slope * numbers * bits + offset: one access to a memory of so many numbers."""

    law: Literal["linear"]
    slope: Energy  # for each bit that the memory holds
    offset: Energy

    def access_j(self, numbers: int, bits: int) -> float:
        return nominal(self.slope) * numbers * bits + nominal(self.offset)


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Shared:
    """E = access / (width // bits): one number of an access that moves several, whatever the memory's size."""

    law: Literal["shared"]
    access: Energy
    width: Bits

    def access_j(self, numbers: int, bits: int) -> float:
        return nominal(self.access) / (self.width // bits)


class _Layer(NamedTuple):
    """What the equations take, of all samples together."""

    node: NodeActivity
    spikes: int  # s: in; of real inputs the numbers that are not 0
    sent: int  # S: out
    steps: int  # T
    samples: int
    leaks: bool

    @property
    def taps(self) -> int:
        """Weights that one spike meets: C * K."""
        assert self.node.geometry
        return self.node.row_length * prod(self.node.geometry.kernel)

    @property
    def met(self) -> int:
        """Outputs that one spike is added to: C * ceil(kh / stride) * ceil(kw / stride)."""
        geometry = self.node.geometry
        assert geometry
        return self.node.row_length * prod(ceil(k / s) for k, s in zip(geometry.kernel, geometry.stride, strict=True))

    @property
    def updates(self) -> int:
        return self.node.n_neurons * self.steps

    @property
    def dense(self) -> int:
        return self.node.n_neurons * self.node.fan_in * self.samples


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Lemaire(Rule):
    """For each layer of weights with its neurons, s spikes in, S spikes out, T steps, N outputs, K = kernel, C output channels:

    spikes      reads s, writes S; weights s*C*K; biases N*T; potentials s*C*K + N*T read and written
                additions s*C*ceil(kh/stride)*ceil(kw/stride) + N*T + S; LIF: N*T multiply-accumulates
                addressing 2*s multiply-accumulates (convolutions) and s*C*K additions
    real input  once an inference: inputs N*fan-in (Linear: each once), N*fan-in multiply-accumulates, N + S additions
    """

    memory: Annotated[Linear | Shared, Field(discriminator="law")]
    bits: Bits  # of a number in memory
    addition: Energy
    multiplication: Energy
    fifo: int  # numbers that the queue of spikes in front of a layer holds
    errata: Errata = Errata.CORRECTED

    def _price(self, activity: Activity, evidence: Evidence) -> RuleReport:
        rows: list[Row] = []
        notes: list[str] = []
        for node in activity.nodes:
            if node.kind == "weight" and node.geometry:
                layer, spiking = self._layer(activity, node, evidence, notes)
                rows += self._accesses(layer, spiking)
                rows += self._spike_work(layer) if spiking else self._dense_work(layer)
            elif node.kind in ("pool", "add"):
                notes.append(f"{node.node}: the equations do not cover {node.layer}")
        return self.report(activity, rows, notes=tuple(notes))

    def _layer(
        self, activity: Activity, node: NodeActivity, evidence: Evidence, notes: list[str]
    ) -> tuple[_Layer, bool]:
        """The layer, and whether everything that it read was 0 or 1, over the whole data set."""
        behind = neurons_behind(activity, node)
        read = reading(activity, node)
        spikes, spiking = int(node.events_in.sum()), read.ones
        if node.node in evidence.inputs:
            values = evidence.inputs[node.node]
            spikes = int(np.where(ran(activity), values.nonzero, 0).sum())
            spiking = bool((values.binary | ~ran(activity)).all())
        elif read.spiking and not read.ones:
            notes.append(
                f"{node.node}: spikes behind a pool or a sum are no 0 or 1: charged as real values, counted one by one"
            )
        sent, leaks = (int(behind.spikes_out.sum()), behind.layer == "LIF") if behind else (0, False)
        steps = int(activity.steps_run.sum())
        return _Layer(node, spikes, sent, steps, activity.n_samples, leaks), spiking

    def _accesses(self, layer: _Layer, spiking: bool) -> list[Row]:
        node, fan_out = layer.node, layer.spikes * layer.taps
        whole = node.n_inputs * layer.samples if node.layer == "Linear" else layer.dense
        return [
            self._access(
                node, "input read", layer.spikes if spiking else whole, self.fifo if spiking else node.n_inputs
            ),
            self._access(node, "output write", layer.sent, self.fifo),
            self._access(node, "weight read", fan_out, node.n_weights - node.n_biases),
            self._access(node, "bias read", layer.updates if node.n_biases else 0, node.n_biases),
            self._access(node, "potential read", fan_out + layer.updates, node.n_neurons),
            self._access(node, "potential write", fan_out + layer.updates, node.n_neurons),
        ]

    def _access(self, node: NodeActivity, quantity: str, count: int, numbers: int) -> Row:
        return Row(node.node, quantity, count, count * self.memory.access_j(numbers, self.bits))

    def _spike_work(self, layer: _Layer) -> list[Row]:
        node, resets, met = layer.node, layer.sent, layer.met
        all_addresses = layer.spikes * layer.taps
        addresses: Count = all_addresses
        if self.errata is Errata.ARTICLE and node.layer == "Linear":
            met, resets = met * node.n_inputs, 0
        elif self.errata is Errata.QUALIA:
            addresses = Fraction(all_addresses, node.n_inputs if node.layer == "Linear" else node.row_length)
        locating = 0 if node.layer == "Linear" else 2 * layer.spikes  # where the first output stands
        return [
            *self._operations(
                node, "", layer.spikes * met + layer.updates + resets, layer.updates if layer.leaks else 0
            ),
            *self._operations(node, "address ", addresses, locating),
        ]

    def _dense_work(self, layer: _Layer) -> list[Row]:
        node, geometry = layer.node, layer.node.geometry
        assert geometry
        addresses = node.n_inputs * node.n_neurons
        if node.layer != "Linear":
            addresses = node.n_inputs + node.n_neurons + geometry.out_channels * prod(geometry.kernel)
        leaks = node.n_neurons * layer.samples if layer.leaks else 0
        return [
            *self._operations(node, "", node.n_neurons * layer.samples + layer.sent, layer.dense),
            Row(node.node, "leak multiplication", leaks, leaks * nominal(self.multiplication)),
            *self._operations(node, "address ", addresses * layer.samples, 0),
        ]

    def _operations(self, node: NodeActivity, what: str, additions: Count, macs: int) -> list[Row]:
        both = nominal(self.multiplication) + nominal(self.addition)
        return [
            Row(node.node, f"{what}addition", additions, float(additions) * nominal(self.addition)),
            Row(node.node, f"{what}multiply-accumulate", macs, macs * both),
        ]
