"""The run: schedules over the network's nodes, chunk by chunk of samples."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from math import prod
from typing import Any

import numpy as np

from refsnn.arithmetic import Arithmetic, Exact, Float32, finite, representable
from refsnn.counting import Signal, node_activity, spike_counts
from refsnn.drive import Drive, as_drive
from refsnn.dynamics import integrate
from refsnn.errors import SpecError, UnsupportedLayerError, did_you_mean
from refsnn.exact import ExactValues, decide
from refsnn.kernels import kernel
from refsnn.kernels.pool import spikes_behind
from refsnn.layers import Add, AvgPool2d, Concat, Flatten, GlobalAvgPool2d, Layer, MaxPool2d, Scale, SumPool2d, kind_of
from refsnn.network import INPUT, Network, Node
from refsnn.neurons import IF, LIF, Reset
from refsnn.rounding import Span, delayed_errors, potential_errors, spans
from refsnn.trace import Activity, NodeActivity, Record, Trace

Array = np.ndarray[Any, Any]
Progress = Callable[[int, int], None]  # samples done, samples in all
SCHEDULES = ("lockstep", "integrate_then_fire")
CHUNK_BYTES = 32 << 20  # what the largest arrays of a chunk of samples may take together; larger ones miss the caches


def unwatched(_done: int, _total: int) -> None:
    """Progress that nobody watches."""


def simulate(
    network: Network,
    x: Array | Drive,
    *,
    steps: int,
    arithmetic: Arithmetic = Float32(),
    backend: str = "fast",
    schedule: str = "lockstep",
    record: Record = Record(),
    threads: int | None = None,
    progress: Progress = unwatched,
) -> Trace:
    """What the spiking network does in `steps` steps.

    x: [N, *input_shape] is constant current, the same at every step; or a drive object.
    backend: "fast" (compiled) or "naive"; the same bits.
    arithmetic: Float32() and Float64() round; Exact() gives the spikes that real numbers give.
    schedule: "lockstep": a spike reaches the next layer in the step it was fired in.
        "integrate_then_fire": every layer takes in all T steps of its input silently, then fires for T steps from the
        sum: n = clip(floor((v_init + sum of currents) / v_threshold), 0, T). Equal to the quantiser of the source
        network, at the price of (spiking layers + 1) * T steps until the answer. IF with reset by subtraction only.
    threads: how many chunks of samples run side by side; by default as many as there are cores. The same bits.
    Raises ShapeError, UnsupportedLayerError, SpecError; NothingCompared for no samples.
    """
    _check(network, steps, arithmetic, schedule, record)
    drive = as_drive(x, network.input_shape)
    results = _Results.of(network, drive.n_samples, steps, arithmetic, record)

    def run(part: slice) -> list[NodeActivity]:
        given = drive.inputs(steps, part)
        signal = Signal(representable("input x", given, arithmetic), given if drive.spiking else None)
        return _run(network, signal, steps, arithmetic, backend, schedule, results.of_samples(part))

    if threads is not None and threads < 1:
        raise SpecError(f"threads: expected a whole number of at least 1, got {threads!r}")
    workers = threads or os.cpu_count() or 1
    chunk = _chunk_size(network, steps, arithmetic, drive.n_samples, workers)
    chunks = [slice(start, min(start + chunk, drive.n_samples)) for start in range(0, drive.n_samples, chunk)]
    activities = []
    for part, nodes in zip(chunks, _side_by_side(run, chunks, workers), strict=True):
        activities.append(nodes)
        progress(part.stop, drive.n_samples)
    depth = len(network.neurons)
    activity = Activity(
        tuple(_joined(nodes) for nodes in zip(*activities, strict=True)),
        np.full(drive.n_samples, steps, np.int64),
        steps,
    )
    return Trace(
        network=network.name,
        network_digest=network.digest,
        input_digest=drive.digest,
        arithmetic=type(arithmetic).__name__,
        schedule=schedule,
        steps=steps,
        latency_steps=steps if schedule == "lockstep" else (depth + 1) * steps,
        readout=results.readout,
        counts=results.counts,
        residual=results.residual,
        activity=activity,
        spikes=results.spikes,
        v=results.v,
    )


@dataclass(frozen=True, eq=False)
class _Results:
    """What a trace keeps, or the part of it that belongs to some samples: arrays that the chunks fill in."""

    readout: Array
    counts: dict[str, Array]
    residual: dict[str, Array]
    spikes: dict[str, Array]
    v: dict[str, Array]

    @classmethod
    def of(cls, network: Network, n_samples: int, steps: int, arithmetic: Arithmetic, record: Record) -> "_Results":
        def empty(names: tuple[str, ...], lead: tuple[int, ...], dtype: Any) -> dict[str, Array]:
            return {name: np.empty((*lead, *network.shapes[name]), dtype) for name in network.neurons if name in names}

        return cls(
            readout=np.empty((steps, n_samples, network.n_outputs), arithmetic.dtype),
            counts=empty(network.neurons, (n_samples,), np.int64),
            residual=empty(network.neurons, (n_samples,), arithmetic.dtype),
            spikes=empty(record.spikes, (steps, n_samples), np.bool_),
            v=empty(record.v, (steps, n_samples), arithmetic.dtype),
        )

    def of_samples(self, part: slice) -> "_Results":
        """Views of some samples: what is written there stands here."""
        return _Results(
            self.readout[:, part],
            {name: array[part] for name, array in self.counts.items()},
            {name: array[part] for name, array in self.residual.items()},
            {name: array[:, part] for name, array in self.spikes.items()},
            {name: array[:, part] for name, array in self.v.items()},
        )


def _run(
    network: Network, inputs: Signal, steps: int, arithmetic: Arithmetic, backend: str, schedule: str, results: _Results
) -> list[NodeActivity]:
    """All nodes in order, each for all steps at once: without cycles that is the same as step by step."""
    signals, number = {INPUT: inputs}, arithmetic.dtype.type
    activity = []
    exactly = _Exactly.of(network, inputs.values) if isinstance(arithmetic, Exact) else None
    for position, node in enumerate(network.nodes):
        sources = tuple(signals[name] for name in node.inputs)
        if isinstance(node.layer, IF | LIF):
            spikes, v = _fire(node, sources[0].values, steps, backend, schedule, exactly)
            results.counts[node.name][...] = spike_counts(spikes)
            results.residual[node.name][...] = finite(f"{node.name}: potential in {type(arithmetic).__name__}", v[-1])
            if node.name in results.spikes:
                results.spikes[node.name][...] = spikes
            if node.name in results.v:
                results.v[node.name][...] = v
            amplitude, silence = number(node.layer.amplitude), number(0)
            signals[node.name] = Signal(np.where(spikes, amplitude, silence), spikes)
        else:
            signals[node.name] = layer_output(node.layer, sources, backend)
        updates = 1 if schedule == "lockstep" else 2
        activity.append(
            node_activity(network, node, sources, signals[node.name], steps=steps, updates_per_step=updates)
        )
        later = {name for following in network.nodes[position + 1 :] for name in following.inputs}
        for name in set(signals) - later - {network.nodes[-1].name}:
            del signals[name]
    last = signals[network.nodes[-1].name].values
    flat = np.broadcast_to(last, (steps, *last.shape[1:])).reshape(steps, last.shape[1], -1)
    # accumulate, not cumsum of anything reordered: summed step after step
    results.readout[...] = np.add.accumulate(flat, axis=0)
    return activity


@dataclass(frozen=True, eq=False)
class _Exactly:
    """What a run in Exact keeps to settle doubts: error bounds, and the input and spikes decided so far."""

    spans: dict[str, Span]
    decided: dict[str, Array]
    values: ExactValues

    @classmethod
    def of(cls, network: Network, inputs: Array) -> "_Exactly":
        decided = {INPUT: inputs}
        return cls(spans(network, inputs, Exact().dtype), decided, ExactValues(network, decided))


def layer_output(layer: Layer, sources: tuple[Signal, ...], backend: str) -> Signal:
    """What a layer without state gives for every step of its inputs."""
    length = max(len(source.values) for source in sources)
    n_samples = sources[0].values.shape[1]

    def every_step(array: Array) -> Array:
        return np.broadcast_to(array, (length, *array.shape[1:])).reshape(length * n_samples, *array.shape[2:])

    values = kernel(layer, backend)(layer, *(every_step(source.values) for source in sources))
    trains = [source.events for source in sources]
    spikes = [every_step(train) for train in trains if train is not None]
    events = _passed_on(layer, spikes, values) if len(spikes) == len(trains) else None
    return Signal(
        values.reshape(length, n_samples, *values.shape[1:]),
        None if events is None else events.reshape(length, n_samples, *events.shape[1:]),
    )


def _passed_on(layer: Layer, spikes: list[Array], values: Array) -> Array | None:
    """How many spikes stand behind each output of a layer that hands spikes on; None for a layer that does not."""
    match layer:
        case AvgPool2d() | SumPool2d() | GlobalAvgPool2d():
            return spikes_behind(layer, spikes[0].astype(np.int32))
        case MaxPool2d():
            return values != 0  # one spike for the window, however many came in
        case Flatten():
            return spikes[0].reshape(len(spikes[0]), -1)
        case Concat():
            return np.concatenate(spikes, axis=1)
        case Scale():
            return spikes[0]
        case Add():
            return sum((train.astype(np.int32) for train in spikes[1:]), start=spikes[0].astype(np.int32))
    return None


def _fire(
    node: Node, current: Array, steps: int, backend: str, schedule: str, exactly: _Exactly | None
) -> tuple[Array, Array]:
    """Spikes and potentials [T, N, *shape] of a layer of neurons."""
    layer, (_, n_samples, *shape) = node.layer, current.shape
    assert isinstance(layer, IF | LIF)
    flat = current.reshape(len(current), n_samples, -1)
    v = np.full(flat.shape[1:], layer.v_init, current.dtype)
    delayed = schedule == "integrate_then_fire"
    if delayed:
        for t in range(steps):
            v = integrate(v, flat[t if len(flat) > 1 else 0])
        flat = np.zeros_like(flat[:1])
    spikes, potentials = kernel(layer, backend)(layer, flat, v, steps)
    if exactly is not None:
        span = exactly.spans[node.inputs[0]]
        if delayed and isinstance(layer, IF):
            errors = delayed_errors(layer, span, steps, current.dtype)
        else:
            errors, _ = potential_errors(layer, span, steps, current.dtype)
        decide(exactly.values, node.name, flat, v, spikes, potentials, errors, delayed=delayed)
    spikes, potentials = (array.reshape(steps, n_samples, *shape) for array in (spikes, potentials))
    if exactly is not None:
        exactly.decided[node.name] = spikes
    return spikes, potentials


def _check(network: Network, steps: int, arithmetic: Arithmetic, schedule: str, record: Record) -> None:
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 1:
        raise SpecError(f"steps: expected a whole number of at least 1, got {steps!r}")
    if schedule not in SCHEDULES:
        raise SpecError(f"schedule: {schedule!r} is none{did_you_mean(schedule, list(SCHEDULES))}")
    for node in network.nodes:
        if kind_of(node.layer) == "activation":
            kind = type(node.layer).__name__
            raise UnsupportedLayerError(f"{node.name}: {kind} does not spike; convert the network first")
        if schedule == "integrate_then_fire":
            _check_counts_charge(node)
        for item in fields(node.layer):
            value = getattr(node.layer, item.name)
            if isinstance(value, np.ndarray | float):
                representable(f"{node.name}: {item.name}", np.asarray(value), arithmetic)
        if isinstance(arithmetic, Exact) and kind_of(node.layer) == "norm":
            raise UnsupportedLayerError(
                f"{node.name}: BatchNorm takes a square root, which is no fraction; fold it first"
            )
    for name in (*record.spikes, *record.v):
        if kind_of(network[name].layer) != "neuron":
            raise SpecError(f"record: {name!r} does not spike; spiking nodes: {', '.join(network.neurons) or 'none'}")


def _check_counts_charge(node: Node) -> None:
    if isinstance(node.layer, LIF) or (isinstance(node.layer, IF) and node.layer.reset is not Reset.SUBTRACT):
        raise UnsupportedLayerError(
            f"{node.name}: integrate_then_fire needs IF neurons with reset: subtract, whose charge is not lost; "
            f"found {type(node.layer).__name__} with reset: {node.layer.reset.value}"
        )


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
    """How many samples to run at once: per sample the largest node's input, spikes, events and potentials."""
    largest = max(prod(shape) for shape in network.shapes.values())
    per_sample = steps * largest * (3 * arithmetic.dtype.itemsize + 5)
    return int(np.clip(CHUNK_BYTES // per_sample, 1, min(64, -(-n_samples // workers))))


def _joined(nodes: tuple[NodeActivity, ...]) -> NodeActivity:
    counts = {name: np.concatenate([node.counts()[name] for node in nodes], axis=1) for name in nodes[0].counts()}
    return nodes[0].with_counts(counts)
