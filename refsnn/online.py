"""A run that really stops each sample when a policy says so: step by step, with the rest of the batch moved together.

It computes what the whole run computes, up to each sample's exit, and nothing beyond it. `simulate` calls it when it is given a
policy; a thousand policies are tried faster on one whole run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from refsnn.arithmetic import Arithmetic, Exact, FixedPoint, finite, representable
from refsnn.counting import node_activity
from refsnn.drive import Drive
from refsnn.errors import ShapeError, SpecError, UnsupportedLayerError
from refsnn.fitting import check_carried
from refsnn.network import INPUT, Network
from refsnn.reaching import Reach, of_events
from refsnn.results import Results
from refsnn.running import Run
from refsnn.schedules import Schedule
from refsnn.signals import AnySignal, Signal
from refsnn.trace import Activity, NodeActivity, Record
from refsnn.worker import Context, Worker

Array = np.ndarray[Any, Any]


class Stopping(Protocol):
    """What a run asks of a policy: the exit step, decided from the steps up to it."""

    @property
    def name(self) -> str: ...

    def exit_step(self, readout: Array) -> np.ndarray[Any, np.dtype[np.int64]]: ...


@dataclass(frozen=True, eq=False)
class Online:
    """What a stopped run leaves: readouts stay as they were at the exit, counts and potentials too."""

    results: Results
    activity: Activity


def check_online(network: Network, arithmetic: Arithmetic, schedule: Schedule, record: Record) -> None:
    """Raises where samples cannot be stopped one by one."""
    if schedule.name != "lockstep":
        raise SpecError(
            f"policy: samples stop in lockstep, not in {schedule.name}; price a whole run with until() instead"
        )
    if isinstance(arithmetic, Exact):
        raise SpecError("policy: Exact() decides doubts over whole runs; run it without a policy and use until()")
    if record.spikes or record.v or record.margin:
        raise SpecError(
            "record: a run that stops early keeps no trains of spikes or potentials; run it without a policy"
        )
    for node in network.nodes:
        if any(node.delays):
            raise UnsupportedLayerError(
                f"{node.name}: samples cannot be stopped one by one across an edge with a delay; run without a policy"
            )


def run_online(
    network: Network, drive: Drive, policy: Stopping, *, steps: int, arithmetic: Arithmetic, backend: str, schedule: Schedule,
    record: Record,
) -> Online:  # fmt: skip
    """All samples side by side, fewer after every step."""
    kept = Results.of(network, drive.n_samples, steps, arithmetic, record)
    given = drive.inputs(steps, slice(None))
    values = representable("input x", given, arithmetic)
    if isinstance(arithmetic, FixedPoint):
        check_carried(network, values, arithmetic, drive.spiking)
    inputs = Signal(values, given if drive.spiking else None)
    context = Context(
        network=network, steps=steps, arithmetic=arithmetic, backend=backend, schedule=schedule,
        results=Results.of(network, drive.n_samples, steps, arithmetic, Record(counts=record.counts)), exactly=None,
        spiking_input=drive.spiking, first_sample=0,
    )  # fmt: skip
    batch = _Batch(
        context, np.arange(drive.n_samples), {n.name: Worker(context, n, drive.n_samples) for n in network.nodes}
    )
    work = {node.name: _Work(steps, drive.n_samples) for node in network.nodes}
    exit_step = np.full(drive.n_samples, steps, np.int64)
    for t in range(steps):
        output, done = batch.step(inputs, t)
        for name, node in done.items():
            work[name].put(t, batch.samples, node)
        before = kept.readout[t - 1, batch.samples] if t else np.zeros((), arithmetic.dtype)
        kept.readout[t:, batch.samples] = output + before if t else output
        stops = (
            policy.exit_step(np.ascontiguousarray(kept.readout[:, batch.samples])) <= t + 1 if t + 1 < steps else None
        )
        if stops is not None and stops.shape != batch.samples.shape:
            raise ShapeError(f"{policy.name}: gave {stops.shape} exit steps for {len(batch.samples)} samples")
        gone = np.ones(len(batch.samples), np.bool_) if stops is None else stops
        exit_step[batch.samples[gone]] = t + 1
        batch.leave(gone, kept)
        batch = batch.rest(~gone)
        if not len(batch.samples):
            break
    nodes = tuple(work[node.name].all() for node in network.nodes)
    return Online(kept, Activity(nodes, exit_step, steps, lag=schedule.lag(steps)))


@dataclass(frozen=True, eq=False)
class _Batch:
    """The samples that still run, and what their neurons remember."""

    context: Context
    samples: Array  # their numbers in the run
    workers: Mapping[str, Worker]

    def step(self, inputs: Signal, t: int) -> tuple[Array, dict[str, NodeActivity]]:
        """The readout of one step [n, K], and every node's work in it."""
        context = self.context
        network = context.network
        run = Run(replace(context, steps=1))
        here = inputs.of(lambda a: a[t if len(a) > 1 else 0][None][:, self.samples])
        signals: dict[str, AnySignal] = {INPUT: here}
        reaches: dict[str, Reach] = {INPUT: of_events(here, network.input_shape)} if INPUT in run.asked else {}
        done = {}
        for node in network.nodes:
            sources = tuple(signals[name] for name in node.inputs)
            signals[node.name] = self.workers[node.name].advance(sources, t, 1)
            reaches |= run.reached((node,), signals, reaches)
            done[node.name] = node_activity(
                network, node, sources, signals[node.name], updates=np.ones(1, np.int64), remember=network.memo.of,
                reached=run.behind(node, reaches) if node.name in network.stateful else (),
            )  # fmt: skip
        last = network.nodes[-1].name
        output = finite(f"{last}: output in {context.arithmetic.name}", signals[last].values)
        return np.broadcast_to(output, (1, *output.shape[1:])).reshape(len(self.samples), -1), done

    def leave(self, gone: Array, kept: Results) -> None:
        """Writes what the samples that stop leave behind."""
        numbers, own = self.samples[gone], self.context.results
        for there, here in ((kept.counts, own.counts), (kept.residual, own.residual), (kept.overflows, own.overflows)):
            for name, array in here.items():
                there[name][numbers] = array[gone]

    def rest(self, stay: Array) -> "_Batch":
        """The batch without the samples that stopped."""
        if stay.all():
            return self
        own = self.context.results
        results = replace(
            own,
            counts={name: array[stay] for name, array in own.counts.items()},
            residual={name: array[stay] for name, array in own.residual.items()},
            overflows={name: array[stay] for name, array in own.overflows.items()},
        )
        context = replace(self.context, results=results)
        workers = {}
        for name, worker in self.workers.items():
            workers[name] = Worker(context, worker.node, int(stay.sum()))
            workers[name].memory = _rows(worker.memory, stay)
        return _Batch(context, self.samples[stay], workers)


def _rows(memory: Any, stay: Array) -> Any:
    """What a worker remembers of the samples that stay: a State, counts, or nothing."""
    if memory is None or isinstance(memory, np.ndarray):
        return None if memory is None else memory[stay]
    return type(memory)(*(array[stay] for array in memory))


class _Work:
    """One node's counts, filled in step by step."""

    def __init__(self, steps: int, n_samples: int) -> None:
        self.shape = steps, n_samples
        self.node: NodeActivity | None = None
        self.counts: dict[str, Array] = {}

    def put(self, t: int, samples: Array, node: NodeActivity) -> None:
        self.node = node
        for name, counts in node.counts().items():
            self.counts.setdefault(name, np.zeros(self.shape, np.int64))[t, samples] = counts[0]

    def all(self) -> NodeActivity:
        assert self.node is not None
        return self.node.with_counts(self.counts)
