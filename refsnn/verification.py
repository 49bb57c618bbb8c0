"""Does the spiking network compute what its source computes, and where does it leave it?"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from refsnn.arithmetic import Arithmetic, Exact
from refsnn.conversion import fold_batch_norm
from refsnn.drive import as_drive
from refsnn.errors import NothingCompared, ShapeError, SpecError, UnsupportedLayerError
from refsnn.exact import ExactValues, exact_neuron
from refsnn.findings import Finding
from refsnn.layers import QCFS
from refsnn.network import INPUT, Network
from refsnn.neurons import IF, Reset, one_of, spread
from refsnn.potentials import charge_error
from refsnn.properties import charge, distance_to_tie, ideal_count
from refsnn.schedules import schedule_of
from refsnn.simulator import Progress, simulate, unwatched
from refsnn.source import Forward, forward
from refsnn.spans import level_error, spans
from refsnn.trace import Record, Trace

Array = np.ndarray[Any, Any]
CHUNK = 128  # samples whose spikes are held at once


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How many neurons, over all samples, fired as often as they should; the four classes add up to `neurons`."""

    neurons: int
    exact: int
    tie: int  # so close to where the count changes by one that rounding decides: no claim either way
    deficit: int  # fired too few times
    surplus: int  # fired too many times
    largest_deficit: float  # in spikes
    largest_surplus: float


@dataclass(frozen=True, kw_only=True)
class LayerVerdict:
    """One spiking layer.

    local: against the T-step quantiser on the currents that this layer received, so only what goes wrong in this layer.
    end_to_end: against the source's own levels, so together with all that arrived wrong.
    """

    node: str
    local: Comparison
    end_to_end: Comparison


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """True when no neuron's count differs from the source's level in any layer; ties are neither (they are listed)."""

    network: str
    steps: int
    schedule: str
    arithmetic: str
    latency_steps: int
    samples: int
    same_decision: int  # samples whose largest output is the source's
    layers: tuple[LayerVerdict, ...]
    findings: tuple[Finding, ...]  # for each layer the first difference of each kind

    def __bool__(self) -> bool:
        return not self.findings

    def __str__(self) -> str:
        head = (
            f"{self.network}: T = {self.steps}, {self.schedule}, {self.arithmetic}, {self.samples} samples: "
            f"{'equal to its source' if self else 'leaves its source'}; "
            f"same decision for {self.same_decision} of {self.samples}"
        )
        rows = [
            f"  {layer.node}: {layer.end_to_end.exact}/{layer.end_to_end.neurons} exact end to end "
            f"({layer.end_to_end.deficit} too few, {layer.end_to_end.surplus} too many, {layer.end_to_end.tie} ties); "
            f"{layer.local.exact}/{layer.local.neurons} layer-local"
            for layer in self.layers
        ]
        return "\n".join([head, *rows, *(f"  {finding}" for finding in self.findings)])


def verify(
    ann: Network,
    snn: Network,
    x: Array,
    *,
    steps: int,
    schedule: str = "lockstep",
    arithmetic: Arithmetic = Exact(),
    progress: Progress = unwatched,
) -> Verdict:
    """Per layer and neuron, whether the SNN's count after `steps` steps is the source's level, on constant current x.

    The classes follow from the count n and the residual potential v alone: with Q = v + theta*n the ideal count is
    N = clip(n + floor(v/theta), 0, T). End to end, count n of T steps and level l of L are equal when n*L = l*T.
    The source is taken with BatchNorm folded, the same function in real numbers, so that both have the same weights.
    In Exact() every count, level and class is that of real numbers. In a float arithmetic a neuron whose Q lies within the
    rounding bound of a place where the count changes is a tie (rounding.py).
    Raises SpecError when nodes do not correspond.
    """
    if not isinstance(x, np.ndarray | list | tuple):
        raise ShapeError(f"x: verify compares on constant current; give an array, got {type(x).__name__}")
    if schedule_of(schedule).in_front or schedule_of(schedule).rehearsed:
        raise UnsupportedLayerError(
            f"schedule {schedule}: verify reads from potentials what a layer received, and {schedule} sets them anew on the way; "
            "compare the counts with the source's levels"
        )
    source = fold_batch_norm(ann)
    comparison = _Comparison(source, snn, _pairs(source, snn), steps, schedule, arithmetic)
    x = as_drive(x, snn.input_shape).inputs(1, slice(None))[0]
    parts = []
    for start in range(0, len(x), CHUNK):
        parts.append(comparison.of(x[start : start + CHUNK], start))
        progress(min(start + CHUNK, len(x)), len(x))
    layers = tuple(_merged(same_layer) for same_layer in zip(*(part.layers for part in parts), strict=True))
    first: dict[tuple[str, str], Finding] = {}
    for finding in (finding for part in parts for finding in part.findings):
        first.setdefault((finding.node, finding.law), finding)
    order = {layer.node: position for position, layer in enumerate(layers)}
    return Verdict(
        network=snn.name,
        steps=steps,
        schedule=schedule,
        arithmetic=arithmetic.name,
        latency_steps=parts[0].latency_steps,
        samples=len(x),
        same_decision=sum(part.same_decision for part in parts),
        layers=layers,
        findings=tuple(sorted(first.values(), key=lambda finding: order[finding.node])),
    )


@dataclass(frozen=True, eq=False)
class _Part:
    """What one chunk of samples says."""

    layers: tuple[LayerVerdict, ...]
    findings: list[Finding]
    same_decision: int
    latency_steps: int


@dataclass(frozen=True, eq=False)
class _Comparison:
    """Two corresponding networks and how to run them."""

    source: Network
    snn: Network
    pairs: dict[str, tuple[QCFS, IF]]
    steps: int
    schedule: str
    arithmetic: Arithmetic

    def of(self, x: Array, first_sample: int) -> _Part:
        """The verdict on some samples."""
        record = Record(spikes=self.snn.neurons)
        trace = simulate(
            self.snn, x, steps=self.steps, arithmetic=self.arithmetic, schedule=self.schedule, record=record
        )
        reference = forward(self.source, x, arithmetic=self.arithmetic)
        layers, findings = [], []
        for name, (activation, neuron) in self.pairs.items():
            n, v = trace.counts[name].astype(np.int64), trace.residual[name].astype(np.float64)
            ideal, local_tie = self._ideal_counts(name, x, trace)
            local, local_difference = _compare(n - ideal, local_tie, 1)
            levels = activation.levels
            tie = self._source_ties(name, x, reference)
            if not _inherits(trace, reference, self.pairs, name):
                tie |= local_tie  # the layers before are exact, so a tie of the sum is a tie of the comparison
            end_to_end, difference = _compare(n * levels - reference.levels[name] * self.steps, tie, levels)
            layers.append(LayerVerdict(node=name, local=local, end_to_end=end_to_end))
            target = reference.levels[name] * self.steps / levels
            for law, unequal, expected in (
                ("layer-local count", local_difference, ideal),
                ("count = source level", difference, target),
            ):
                findings += _first(name, law, self.steps, unequal, expected, n, v, neuron.v_threshold, first_sample)
        same = trace.readout[-1].argmax(-1) == reference.output.argmax(-1)
        return _Part(tuple(layers), findings, int(same.sum()), trace.latency_steps)

    def _ideal_counts(self, name: str, x: Array, trace: Trace) -> tuple[Array, Array]:
        """The quantiser's counts [N, *shape] on what the layer received; where rounding leaves them open (not in Exact)."""
        node, neuron = self.snn[name], self.pairs[name][1]
        n, v = trace.counts[name].astype(np.int64), trace.residual[name].astype(np.float64)
        theta = spread(neuron.v_threshold, n.shape[1:])
        ideal = ideal_count(n, v, theta, self.steps)
        span = spans(self.snn, x, self.arithmetic.dtype)[node.inputs[0]]
        error = charge_error(neuron, span, self.steps, self.arithmetic.dtype)
        open_ = (distance_to_tie(charge(n, v, theta), theta, self.steps) <= error) & (error > 0)
        if not isinstance(self.arithmetic, Exact):
            return ideal, open_
        values = ExactValues(self.snn, {INPUT: x[None].astype(np.float64), **trace.spikes})
        for sample, *index in np.argwhere(open_):
            where = tuple(int(i) for i in index)
            fire = schedule_of(self.schedule).fire
            v_exact = exact_neuron(values, name, int(sample), where, self.steps, fire).v[-1, 0, 0]
            theta_here = one_of(neuron, where, n.shape[1:]).v_threshold
            exact = int(n[(sample, *where)] + v_exact // Fraction(theta_here))
            ideal[(sample, *where)] = max(0, min(self.steps, exact))
        return ideal, np.zeros_like(open_)

    def _source_ties(self, name: str, x: Array, reference: Forward) -> Array:
        """Where rounding leaves the source's level open: nowhere in Exact."""
        activation, z = self.pairs[name][0], reference.preactivations[name].astype(np.float64)
        if isinstance(self.arithmetic, Exact):
            return np.zeros(z.shape, np.bool_)
        span = spans(self.source, x, self.arithmetic.dtype)[self.source[name].inputs[0]]
        error = level_error(activation, span, self.arithmetic.dtype)
        at = z / spread(activation.threshold, z.shape[1:]) * activation.levels + 0.5
        return distance_to_tie(at, 1.0, activation.levels) <= error


def _pairs(source: Network, snn: Network) -> dict[str, tuple[QCFS, IF]]:
    """Spiking node -> the activation it stands for and its neuron."""
    activations = {node.name: node.layer for node in source.nodes if isinstance(node.layer, QCFS)}
    if set(activations) != set(snn.neurons) or source.input_shape != snn.input_shape:
        raise SpecError(
            f"network {snn.name!r} does not correspond to its source {source.name!r}: spiking nodes "
            f"{', '.join(snn.neurons) or 'none'} against QCFS nodes {', '.join(activations) or 'none'}; "
            "give the network that convert made of this source"
        )
    if not activations:
        raise NothingCompared(f"network {snn.name!r} has no spiking layer; there is nothing to compare")
    pairs = {}
    for name, activation in activations.items():
        neuron = snn[name].layer
        if not isinstance(neuron, IF) or neuron.reset is not Reset.SUBTRACT:
            raise UnsupportedLayerError(
                f"{name}: counts of {type(neuron).__name__} neurons that lose charge have no source level"
            )
        if not np.array_equal(neuron.v_threshold, activation.threshold):
            raise SpecError(
                f"{name}: v_threshold is {neuron.v_threshold}, but the source's threshold is {activation.threshold}"
            )
        pairs[name] = (activation, neuron)
    return pairs


def _inherits(trace: Trace, reference: Forward, pairs: dict[str, tuple[QCFS, IF]], name: str) -> bool:
    """Whether a layer before `name` left the source, so that this one received something else than the source's did."""
    for earlier, (activation, _) in pairs.items():
        if earlier == name:
            return False
        if (trace.counts[earlier] * activation.levels != reference.levels[earlier] * trace.steps).any():
            return True
    return False


def _merged(parts: tuple[LayerVerdict, ...]) -> LayerVerdict:
    """One layer over all chunks."""

    def total(comparisons: list[Comparison]) -> Comparison:
        return Comparison(
            neurons=sum(c.neurons for c in comparisons),
            exact=sum(c.exact for c in comparisons),
            tie=sum(c.tie for c in comparisons),
            deficit=sum(c.deficit for c in comparisons),
            surplus=sum(c.surplus for c in comparisons),
            largest_deficit=max(c.largest_deficit for c in comparisons),
            largest_surplus=max(c.largest_surplus for c in comparisons),
        )

    local, end_to_end = total([part.local for part in parts]), total([part.end_to_end for part in parts])
    return LayerVerdict(node=parts[0].node, local=local, end_to_end=end_to_end)


def _compare(difference: Array, tie: Array, unit: int) -> tuple[Comparison, Array]:
    """The classes of `difference` (in 1/unit spikes), and the difference where it is not a tie."""
    decided = np.where(tie, 0, difference)
    comparison = Comparison(
        neurons=difference.size,
        exact=int(((difference == 0) & ~tie).sum()),
        tie=int(tie.sum()),
        deficit=int((decided < 0).sum()),
        surplus=int((decided > 0).sum()),
        largest_deficit=float(-min(int(decided.min()), 0) / unit),
        largest_surplus=float(max(int(decided.max()), 0) / unit),
    )
    return comparison, decided


def _first(
    node: str,
    law: str,
    steps: int,
    difference: Array,
    expected: Array,
    n: Array,
    v: Array,
    thresholds: Any,
    first_sample: int,
) -> list[Finding]:
    """The first difference by sample and neuron, with the cause that n and v show."""
    if not difference.any():
        return []
    where = tuple(int(i) for i in np.argwhere(difference)[0])
    potential = float(v[where])
    theta = float(np.broadcast_to(np.asarray(spread(thresholds, v.shape[1:])), v.shape[1:])[where[1:]])
    if potential >= theta and n[where] < steps:
        cause = f"current came too late: v = {potential:.6g} is left at or above the threshold {theta:.6g}"
    elif potential < 0 and n[where] > 0:
        cause = f"current was taken back after a spike: v = {potential:.6g} is left below 0"
    else:
        cause = "exact on what it received: the difference arrived from before, or T is not L"
    return [
        Finding(law=law, node=node, step=None, sample=first_sample + where[0], index=where[1:],
                expected=f"{float(expected[where]):g} spikes in {steps} steps", actual=int(n[where]), cause=cause)
    ]  # fmt: skip
