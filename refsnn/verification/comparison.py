"""verify(): both networks run on the same samples, layer by layer."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refsnn.arithmetic import Arithmetic, Exact
from refsnn.conversion import fold_batch_norm
from refsnn.drive import as_drive
from refsnn.errors import ShapeError, UnsupportedLayerError
from refsnn.findings import Finding
from refsnn.layers import QCFS, MaxMode, MaxPool2d, kind_of
from refsnn.network import Network
from refsnn.neurons import spread
from refsnn.potentials import firing_errors
from refsnn.schedules import schedule_of
from refsnn.simulator import Progress, simulate, unwatched
from refsnn.source import forward
from refsnn.spans import spans
from refsnn.trace import Record
from refsnn.verification.certificate import Domain, certificate_of, same_layer
from refsnn.verification.correspondence import Pair, pairs_of
from refsnn.verification.decisions import decided_after, decisions, equal_readouts, source_decisions
from refsnn.verification.float32 import potential_errors
from refsnn.verification.numbers import Runs, exact_margins, numbers_of
from refsnn.verification.tally import first_findings, layer_verdict, merged, source_difference
from refsnn.verification.verdict import LayerVerdict, Ties, Verdict

Array = np.ndarray[Any, Any]
CHUNK = 32  # samples whose spikes are held at once, by each of the threads


def verify(
    ann: Network,
    snn: Network,
    x: Array,
    labels: Array | None = None,
    *,
    steps: int,
    schedule: str = "lockstep",
    arithmetic: Arithmetic = Exact(),
    domain: Domain | None = None,
    threads: int | None = None,
    progress: Progress = unwatched,
) -> Verdict:
    """Per layer and neuron, whether the SNN's count after `steps` steps is the source's level, on constant current x.

    The classes follow from the count n and the residual potential v alone: with Q = v + theta*n the ideal count is
    N = clip(n + floor(v/theta), 0, T). End to end, count n of T steps and level l of L are equal when n*L = l*T. A ReLU is
    compared as the quantiser of T levels up to the neurons' threshold.
    The source is taken with BatchNorm folded, the same function in real numbers, so that both have the same weights.
    In Exact() every count, level, class and decision is that of real numbers. In a float arithmetic a neuron whose Q lies
    within the rounding bound of a place where the count changes is a tie (rounding.py).
    x: [N, *input_shape]; labels: int[N], for accuracies; domain: which inputs the certificate speaks of.
    Raises SpecError when nodes do not correspond, ShapeError, NothingCompared for no samples.
    """
    if not isinstance(x, np.ndarray | list | tuple):
        raise ShapeError(f"x: verify compares on constant current; give an array, got {type(x).__name__}")
    if schedule_of(schedule).in_front or schedule_of(schedule).rehearsed:
        raise UnsupportedLayerError(
            f"schedule {schedule}: verify reads from potentials what a layer received, and {schedule} sets them anew on the way; "
            "compare the counts with the source's levels"
        )
    source = fold_batch_norm(ann)
    pairs = pairs_of(source, snn, steps)
    comparison = _Comparison(source, snn, pairs, steps, schedule, arithmetic)
    x = as_drive(x, snn.input_shape).inputs(1, slice(None))[0]
    if labels is not None and len(labels) != len(x):
        raise ShapeError(f"labels: {len(labels)} for {len(x)} samples; give one label for each")
    starts = range(0, len(x), CHUNK)
    parts: list[_Part] = []
    pool = ThreadPoolExecutor(threads or os.cpu_count())
    try:
        for part in pool.map(lambda start: comparison.of(x[start : start + CHUNK], start), starts):
            parts.append(part)
            progress(min(len(parts) * CHUNK, len(x)), len(x))
    finally:
        pool.shutdown(cancel_futures=True)  # after an interruption nothing new is begun
    chosen, wanted = (np.concatenate([getattr(part, name) for part in parts], -1) for name in ("chosen", "wanted"))
    return Verdict(
        network=snn.name,
        steps=steps,
        schedule=schedule,
        arithmetic=arithmetic.name,
        total_steps=parts[0].total_steps,
        latency_steps=parts[0].latency_steps,
        samples=len(x),
        same_readout=sum(part.same_readout for part in parts),
        same_decision=int((chosen[-1] == wanted).sum()),
        accuracy=None if labels is None else float((chosen[-1] == labels).mean()),
        source_accuracy=None if labels is None else float((wanted == labels).mean()),
        decided_after=decided_after(chosen),
        layers=tuple(merged(same) for same in zip(*(part.layers for part in parts), strict=True)),
        findings=_first_of_each(parts, list(pairs)),
        notes=comparison.notes,
        certificate=certificate_of(source, snn, pairs, steps, schedule_of(schedule), domain),
    )


def _first_of_each(parts: "list[_Part]", order: list[str]) -> tuple[Finding, ...]:
    first: dict[tuple[str, str], Finding] = {}
    for finding in (finding for part in parts for finding in part.findings):
        first.setdefault((finding.node, finding.law), finding)
    return tuple(sorted(first.values(), key=lambda finding: order.index(finding.node)))


@dataclass(frozen=True, eq=False)
class _Part:
    """What one chunk of samples says."""

    layers: tuple[LayerVerdict, ...]
    findings: list[Finding]
    chosen: Array  # [T, N]
    wanted: Array  # [N]
    same_readout: int
    total_steps: int
    latency_steps: int


@dataclass(frozen=True, eq=False)
class _Comparison:
    """Two corresponding networks and how to run them."""

    source: Network
    snn: Network
    pairs: dict[str, Pair]
    steps: int
    schedule: str
    arithmetic: Arithmetic

    def of(self, x: Array, first_sample: int) -> _Part:
        """The verdict on some samples."""
        runs = self.runs(x)
        exactly = runs if isinstance(self.arithmetic, Exact) else replace(self, arithmetic=Exact()).runs(x)
        layers, findings = [], []
        same, inherits = np.ones(len(x), np.bool_), False
        float32 = (
            {} if exactly is not runs else potential_errors(self.snn, x, runs.trace.counts, self.steps, runs.schedule)
        )
        for name, pair in self.pairs.items():
            numbers = numbers_of(runs, name, pair)
            exact = numbers if exactly is runs else numbers_of(exactly, name, pair)
            # where the layers before are exact, a tie of the sum is a tie of the comparison
            tie = numbers.level_open if inherits else numbers.level_open | numbers.ideal_open
            ties = self._ties(runs, name, pair, float32[name], first_sample) if exactly is runs else None
            layers.append(layer_verdict(name, pair, numbers, exact, self.steps, tie, ties))
            findings += first_findings(name, pair, numbers, tie, self.steps, first_sample)
            differs = source_difference(numbers, self.steps) != 0
            inherits = inherits or bool(differs.any())
            same &= ~differs.reshape(len(x), -1).any(axis=1)
        readouts = equal_readouts(runs, same & self.readout_follows_counts)
        trace = runs.trace
        return _Part(tuple(layers), findings, decisions(runs), source_decisions(runs), int(readouts.sum()),
                     trace.total_steps, trace.latency_steps)  # fmt: skip

    def runs(self, x: Array) -> Runs:
        names = self.snn.neurons
        record = Record(spikes=names, margin=names if isinstance(self.arithmetic, Exact) else ())
        trace = simulate(self.snn, x, steps=self.steps, arithmetic=self.arithmetic, schedule=self.schedule, record=record,
                         threads=1)  # fmt: skip
        reference = forward(self.source, x, arithmetic=self.arithmetic)
        schedule = schedule_of(self.schedule)
        return Runs.of(self.source, self.snn, x, trace, reference, schedule=schedule, arithmetic=self.arithmetic)

    def _ties(self, runs: Runs, name: str, pair: Pair, float32: Array, first_sample: int) -> Ties:
        margin = exact_margins(runs, name, pair)
        theta = np.asarray(spread(pair.neuron.v_threshold, margin.shape[1:]))
        relative = margin / theta
        sample, *index = (int(i) for i in np.unravel_index(relative.argmin(), relative.shape))
        known = spans(self.snn, runs.x, np.dtype(np.float32), self.steps)[self.snn[name].inputs[0]]
        if max(firing_errors(pair.neuron, known, self.steps, np.dtype(np.float32), runs.schedule)) == 0:
            float32 = np.zeros_like(margin)  # no partial sum is rounded, in any order
        return Ties(
            nearest=float(relative[(sample, *index)]),
            sample=first_sample + sample,
            index=tuple(index),
            exactly=int((margin == 0).sum()),
            float32_error=float((float32 / theta).max()),
            float32_may_differ=int(((margin <= float32) & (float32 > 0)).sum()),
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What makes the networks different before anything runs."""
        differing = [
            node.name for node in self.snn.nodes
            if kind_of(node.layer) != "neuron" and not same_layer(self.source, self.snn, node.name)
        ]  # fmt: skip
        found = [f"{name}: its numbers are not the source's" for name in differing]
        levels = {name: pair.quantiser.levels for name, pair in self.pairs.items() if isinstance(pair.activation, QCFS)}
        for other in sorted({count for count in levels.values() if count != self.steps}):
            names = [name for name, count in levels.items() if count == other]
            where = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            found.append(f"T = {self.steps} is not L = {other} of {where}: counts of T and levels of L are other grids")
        return tuple(found)

    @property
    def readout_follows_counts(self) -> bool:
        """Whether equal counts make equal readouts: all between and behind the neurons is the same and sums up."""
        return all(isinstance(pair.activation, QCFS) for pair in self.pairs.values()) and all(
            kind_of(node.layer) == "neuron"
            or (same_layer(self.source, self.snn, node.name) and not any(node.delays) and _sums_up(node.layer))
            for node in self.snn.nodes
        )


def _sums_up(layer: Any) -> bool:
    return not isinstance(layer, MaxPool2d) or layer.mode is MaxMode.COUNT
