"""The run: schedules over the network's nodes, chunk by chunk of samples."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from math import prod
from typing import Any

import numpy as np

from refsnn.arithmetic import Arithmetic, Exact, FixedPoint, Float32, check_representable, representable
from refsnn.counting import connections
from refsnn.drive import Drive, as_drive
from refsnn.errors import SpecError, UnsupportedLayerError
from refsnn.fitting import check_carried, check_fits
from refsnn.layers import kind_of
from refsnn.network import Network
from refsnn.online import Stopping, check_online, run_online
from refsnn.results import Results
from refsnn.running import Run
from refsnn.schedules import Schedule, check_schedule, schedule_of
from refsnn.signals import Signal
from refsnn.trace import Activity, NodeActivity, Record, Trace
from refsnn.worker import Context, Exactly

Array = np.ndarray[Any, Any]
Progress = Callable[[int, int], None]  # samples done, samples in all
SMALL = 1 << 18  # connections, steps and samples together up to which naive is as fast as what is compiled already
CHUNK_BYTES = 128 << 20  # what the largest arrays of a chunk of samples may take together


def unwatched(_done: int, _total: int) -> None:
    """Progress that nobody watches."""


def simulate(
    network: Network,
    x: Array | Drive,
    *,
    steps: int,
    arithmetic: Arithmetic = Float32(),
    backend: str = "auto",
    schedule: str = "lockstep",
    record: Record = Record(),
    policy: Stopping | None = None,
    threads: int | None = None,
    progress: Progress = unwatched,
) -> Trace:
    """What the spiking network does in `steps` steps.

    x: [N, *input_shape] is constant current, the same at every step; or a drive object.
    backend: "fast" (compiled) or "naive"; the same bits. "auto" takes naive for runs too small to be worth compiling.
    arithmetic: Float32() and Float64() round; Exact() gives the spikes that real numbers give; FixedPoint(...) is a chip's.
    schedule: "lockstep": a spike reaches the next layer in the step it was fired in; "pipeline": one step later, as on chips.
        "integrate_then_fire", "averaged_current", "signed_correction": every layer fires clip(floor((v_init + sum of currents) /
        v_threshold), 0, T) times, as the quantiser of the source network, at the price of more steps (total_steps,
        latency_steps; schedules.py). IF with reset by subtraction only.
        "srp", "cos": learn from the potentials that 4 steps in front leave ("srp:2" takes 2 of them; residual.py). The trace has
        T steps; what the steps in front cost stands in the first step of `activity`, so a sample that stops there has paid it.
    policy: stops each sample when it says so, in lockstep; what the trace has of a sample after its exit, activity.steps_run, is
        what was there then, and no work. The same as a whole run with activity.until(policy.exit_step(readout)).
    threads: how many chunks of samples run side by side; by default as many as there are cores. The same bits.
    Raises ShapeError, UnsupportedLayerError, SpecError; NothingCompared for no samples.
    """
    chosen = schedule_of(schedule)
    _check(network, steps, arithmetic, record)
    check_schedule(chosen, network, steps)
    if isinstance(arithmetic, FixedPoint):
        check_fits(network, arithmetic)
        if chosen.counts_charge:
            raise UnsupportedLayerError(
                f"fixed point runs in lockstep or pipeline; {schedule} sums or compares what has no format"
            )
    drive = as_drive(x, network.input_shape)
    if backend == "auto":
        backend = "naive" if connections(network) * steps * drive.n_samples <= SMALL else "fast"
    if policy is not None:
        check_online(network, arithmetic, chosen, record)
        stopped = run_online(
            network, drive, policy, steps=steps, arithmetic=arithmetic, backend=backend, schedule=chosen, record=record
        )
        progress(drive.n_samples, drive.n_samples)
        return _trace(network, drive, arithmetic, chosen, steps, stopped.results, stopped.activity)
    results = Results.of(network, drive.n_samples, steps, arithmetic, record)
    all_steps = steps + chosen.in_front

    def run(part: slice) -> list[NodeActivity]:
        given = drive.inputs(all_steps, part)
        signal = Signal(representable("input x", given, arithmetic), given if drive.spiking else None)
        if isinstance(arithmetic, FixedPoint):
            check_carried(network, signal.values, arithmetic, drive.spiking)
        exactly = Exactly.of(network, signal.values, all_steps, chosen) if isinstance(arithmetic, Exact) else None
        # what overflows is refused by name where it arrives, in both backends
        with np.errstate(over="ignore", invalid="ignore"):
            context = Context(
                network=network,
                steps=all_steps,
                arithmetic=arithmetic,
                backend=backend,
                schedule=chosen,
                results=results.of_samples(part),
                exactly=exactly,
                spiking_input=drive.spiking,
                first_sample=part.start,
            )
            return Run(context).all(signal)

    if threads is not None and threads < 1:
        raise SpecError(f"threads: expected a whole number of at least 1, got {threads!r}")
    workers = threads or os.cpu_count() or 1
    chunk = _chunk_size(network, all_steps, arithmetic, drive.n_samples, workers)
    chunks = [slice(start, min(start + chunk, drive.n_samples)) for start in range(0, drive.n_samples, chunk)]
    activities = []
    for part, nodes in zip(chunks, _side_by_side(run, chunks, workers), strict=True):
        activities.append(nodes)
        progress(part.stop, drive.n_samples)
    activity = Activity(
        tuple(_joined(nodes) for nodes in zip(*activities, strict=True)),
        np.full(drive.n_samples, steps, np.int64),
        steps,
        lag=chosen.lag(steps),
        in_front=chosen.in_front,
    )
    return _trace(network, drive, arithmetic, chosen, steps, results, activity)


def _trace(
    network: Network,
    drive: Drive,
    arithmetic: Arithmetic,
    chosen: Schedule,
    steps: int,
    results: Results,
    activity: Activity,
) -> Trace:
    return Trace(
        network=network.name,
        network_digest=network.digest,
        input_digest=drive.digest,
        arithmetic=arithmetic.name,
        schedule=chosen.name,
        steps=steps,
        total_steps=chosen.total_steps(steps),
        latency_steps=chosen.latency(steps, network.depth),
        readout=results.readout,
        counts=results.counts,
        residual=results.residual,
        activity=activity,
        spikes=results.spikes,
        v=results.v,
        overflows=results.overflows,
        margin=results.margin,
    )


def _check(network: Network, steps: int, arithmetic: Arithmetic, record: Record) -> None:
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 1:
        raise SpecError(f"steps: expected a whole number of at least 1, got {steps!r}")
    for node in network.nodes:
        if kind_of(node.layer) == "activation":
            kind = type(node.layer).__name__
            raise UnsupportedLayerError(f"{node.name}: {kind} does not spike; convert the network first")
        for item in fields(node.layer):
            value = getattr(node.layer, item.name)
            if isinstance(value, np.ndarray | float):
                check_representable(f"{node.name}: {item.name}", np.asarray(value), arithmetic)
        if isinstance(arithmetic, Exact) and kind_of(node.layer) == "norm":
            raise UnsupportedLayerError(
                f"{node.name}: BatchNorm takes a square root, which is no fraction; fold it first"
            )
    if record.margin and not isinstance(arithmetic, Exact):
        raise SpecError(f"record: margins are measured in Exact(), not in {arithmetic.name}")
    for names, having, what in (
        (record.spikes, network.neurons, "does not spike; spiking nodes"),
        (record.margin, network.neurons, "does not spike; spiking nodes"),
        (record.v, network.stateful, "has no potential; nodes with one"),
        (record.counts or (), network.stateful, "has no potential; nodes with one"),
    ):
        for name in names:
            if network[name].name not in having:
                raise SpecError(f"record: {name!r} {what}: {', '.join(having) or 'none'}")


def _side_by_side(
    run: Callable[[slice], list[NodeActivity]], chunks: list[slice], workers: int
) -> Iterator[list[NodeActivity]]:
    """The results in order; the kernels leave Python's lock, so threads do."""
    if min(workers, len(chunks)) == 1:
        yield from map(run, chunks)
        return
    pool = ThreadPoolExecutor(workers)
    try:
        yield from pool.map(run, chunks)
    finally:
        pool.shutdown(cancel_futures=True)  # after an interruption nothing new is begun


def _chunk_size(network: Network, steps: int, arithmetic: Arithmetic, n_samples: int, workers: int) -> int:
    """How many samples to run at once: as few as bound the memory, in chunks that come out even among the workers."""
    largest = max(prod(shape) for shape in network.shapes.values())
    # per sample the largest node's input, spikes, events and potentials, where they all stand in memory
    per_sample = steps * largest * (3 * arithmetic.dtype.itemsize + 5)
    most = int(np.clip(CHUNK_BYTES // per_sample, 1, 64))
    rounds = -(-n_samples // (most * workers))
    return -(-n_samples // (rounds * workers))


def _joined(nodes: tuple[NodeActivity, ...]) -> NodeActivity:
    counts = {name: np.concatenate([node.counts()[name] for node in nodes], axis=1) for name in nodes[0].counts()}
    return nodes[0].with_counts(counts)
