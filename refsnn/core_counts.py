"""What each core of a placement did in a run, and which spikes went from which core to which: counted from recorded spikes."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from refsnn.core_feeds import Arrival, Feed, arrivals_of, feeds_of, passing_order
from refsnn.core_replay import Replay
from refsnn.drive import Drive, as_drive
from refsnn.errors import SpecError, UnsupportedLayerError, did_you_mean
from refsnn.kernels.compiling import compiled
from refsnn.kernels.fan_in import as_map
from refsnn.layers import Shape
from refsnn.network import Network
from refsnn.schedules import Schedule, schedule_of
from refsnn.signals import AnySignal, later
from refsnn.trace import Blocks, CoreActivity, IntArray, Trace, core_ranges, neuron_groups

Array = np.ndarray[Any, Any]
CHUNK_BYTES = 64 << 20  # what the largest array of a chunk of samples may take


@dataclass(frozen=True, eq=False)
class Plan:
    """How the events of a run are counted."""

    shares: Mapping[str, tuple[IntArray, ...]]  # of each group's neurons, core by core
    work: tuple[tuple[Feed, Array], ...]  # weight layers: connections of an event into each core [cores, groups, H, W]
    arrivals: tuple[Arrival, ...]


def core_activity(network: Network, trace: Trace, cores: Mapping[str, int | Blocks], x: Array | Drive) -> CoreActivity:
    """The run's work core by core: `cores` says how those of each group of nodes share its neurons.

    A group is called after its last node (neuron_groups). A number of cores shares out neurons one after the other (core_ranges),
    Blocks share out a map.

    trace: a run of the network on x in lockstep or pipeline, with Record(spikes=network.neurons), and with the potentials of
    integrators that other nodes read. A pool stands on every core that reads it: a spike
    is sent to each core with a neuron that a window with it reaches. Packets take 8 bytes per pair of cores, step and sample.
    Raises SpecError for what is missing or of another run; UnsupportedLayerError where outputs of a weight layer are no single
    neurons' current (core_feeds.py), and for other schedules.
    """
    drive, schedule = as_drive(x, network.input_shape), schedule_of(trace.schedule)
    _check(network, trace, drive, schedule)
    groups = neuron_groups(trace.activity)
    names = list(dict.fromkeys(groups.values()))
    _check_cores(cores, names)
    shares = {name: _shares(cores[name], network.shapes[name]) for name in names}
    replay = Replay(network, trace, drive, schedule, passing_order(network))
    feeds = feeds_of(network, groups, schedule, drive.spiking)
    for feed in feeds:
        replay.check_known(feed.node, feed.source)
    work = [(feed, np.stack([feed.into(own) for own in shares[feed.group]])) for feed in feeds if feed.weighted]
    plan = Plan(shares, tuple(work), arrivals_of(network, feeds, shares, schedule, drive.spiking))
    chunk = max(1, CHUNK_BYTES // (8 * trace.steps * max(map(prod, network.shapes.values()))))
    parts = [slice(start, start + chunk) for start in range(0, trace.n_samples, chunk)]
    counts = [_counts(replay, plan, part) for part in parts]
    joined: dict[str, Any] = {
        kind: {name: np.concatenate([one[kind][name] for one in counts], axis=-1) for name in counts[0][kind]}
        for kind in counts[0]
    }
    return CoreActivity(groups=groups, cores={name: len(shares[name]) for name in names}, **joined)


def _check(network: Network, trace: Trace, drive: Drive, schedule: Schedule) -> None:
    if trace.network_digest != network.digest:
        raise SpecError(
            f"trace: it is of another network ({trace.network!r}) than {network.name!r}; give the network that ran"
        )
    if trace.input_digest != drive.digest:
        raise SpecError("trace: it is of another input than x; give the x of that run")
    if schedule.name not in ("lockstep", "pipeline"):
        raise UnsupportedLayerError(
            f"trace: its schedule is {schedule.name}; cores are counted step by step, of runs in lockstep or pipeline"
        )
    for name in network.neurons:
        if name not in trace.spikes:
            raise SpecError(
                f"{name}: its spikes were not recorded; simulate with record=Record(spikes=network.neurons)"
            )


def _check_cores(cores: Mapping[str, int | Blocks], groups: list[str]) -> None:
    for name, count in cores.items():
        if name not in groups:
            raise SpecError(f"cores: {name!r} is no group of this network{did_you_mean(name, groups)}")
        least = min(count.channels, count.bands) if isinstance(count, Blocks) else count
        if isinstance(least, bool) or not isinstance(least, int | np.integer) or least < 1:
            raise SpecError(f"cores: {name}: expected a whole number of at least 1, or Blocks of them, got {count!r}")
    for name in groups:
        if name not in cores:
            raise SpecError(f"cores: group {name!r} is missing; say how many cores each of {', '.join(groups)} has")


def _shares(cores: int | Blocks, shape: Shape) -> tuple[IntArray, ...]:
    return cores.neurons(*as_map(shape)) if isinstance(cores, Blocks) else core_ranges(prod(shape), cores)


def _counts(replay: Replay, plan: Plan, part: slice) -> dict[str, dict[Any, IntArray]]:
    """Each count of CoreActivity, of some samples."""
    steps, signals = replay.trace.steps, replay.signals(part)
    counts: dict[str, dict[Any, Any]] = {"synops": {}, "macs": {}, "events": {}, "packets": {}}
    for feed, into in plan.work:
        signal = signals[feed.source]
        events = _by_pixel(signal, into)
        done = _in_step(_ends(events, into, (np.arange(events.shape[-1]),))[:, :, 0], feed.delay, steps)
        counts["synops"][feed.node] = done * signal.spiking
        counts["macs"][feed.node] = done * (not signal.spiking)
    for arrival in plan.arrivals:
        node, source, events = arrival.node, arrival.source, _flat(signals[arrival.source])
        senders = plan.shares[source] if source in replay.network.neurons else (np.arange(events.shape[-1]),)
        packets = _in_step(_ends(events, arrival.hit, senders), arrival.delay, steps)
        counts["events"][node] = counts["events"].get(node, 0) + packets.sum(0)
        if source in replay.network.neurons:
            counts["packets"][source, node] = counts["packets"].get((source, node), 0) + packets
    return counts | _of_neurons(replay, signals, plan.shares)


def _of_neurons(
    replay: Replay, signals: Mapping[str, AnySignal], shares: Mapping[str, tuple[IntArray, ...]]
) -> dict[str, dict[Any, IntArray]]:
    """Updates, driven and spikes."""
    network, steps = replay.network, replay.trace.steps

    def shared(name: str, each: Array) -> IntArray:
        parts = [each[..., own].sum(-1, dtype=np.int64) for own in shares[name]]
        return _in_step(np.stack(parts, axis=-1), 0, steps)

    reaches = replay.reaches(signals)
    hit = {name: one.of_channels.reshape(*one.hit.shape[:2], -1) for name, one in reaches.items()}
    return {
        "updates": {name: shared(name, np.ones_like(each)) for name, each in hit.items()},
        "driven": {name: shared(name, each) for name, each in hit.items()},
        "spikes": {name: shared(name, _flat(signals[name])) for name in network.neurons},
    }


def _in_step(count: Array, delay: int, steps: int) -> IntArray:
    """What is counted [S, N, ..., cores] as int64[..., cores, T, N], each `delay` steps later."""
    every = np.broadcast_to(later(count, delay, steps), (steps, *count.shape[1:]))
    return np.ascontiguousarray(np.moveaxis(every, (0, 1), (-2, -1)))


def _ends(events: Array, table: Array, senders: tuple[IntArray, ...]) -> IntArray:
    """Sum over each sender's inputs of events [S, N, inputs] * table [cores, ...]: int64[S, N, senders, cores]."""
    sender = np.empty(events.shape[-1], np.int64)
    for k, own in enumerate(senders):
        sender[own] = k
    rows = np.ascontiguousarray(table.reshape(len(table), -1).T)
    total = _summed(events.reshape(-1, events.shape[-1]), rows, sender, len(senders))
    return total.reshape(*events.shape[:2], len(senders), len(table))


@compiled
def _summed(events, rows, sender, senders):  # type: ignore[no-untyped-def]
    total = np.zeros((len(events), senders, rows.shape[1]), np.int64)
    for b in range(len(events)):
        for i in range(events.shape[1]):
            count = events[b, i]
            if count != 0:
                for core in range(rows.shape[1]):
                    total[b, sender[i], core] += count * rows[i, core]
    return total


def _flat(signal: AnySignal) -> IntArray:
    """Events of each output: int64[S, N, outputs]."""
    events = signal.values != 0 if signal.events is None else signal.events
    return events.reshape(*events.shape[:2], -1).astype(np.int64)


def _by_pixel(signal: AnySignal, into: Array) -> IntArray:
    """Events of the channels of each group together: int64[S, N, groups * pixels]."""
    flat, groups, pixels = _flat(signal), into.shape[1], prod(into.shape[2:])
    return flat.reshape(*flat.shape[:2], groups, -1, pixels).sum(3).reshape(*flat.shape[:2], -1)
