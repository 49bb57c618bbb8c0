"""A price list x measured counts -> energy and time of every step and sample, chunk by chunk of samples.

Elementwise sums in a fixed order: a sample's numbers have the same bits whoever else is in the batch. A chip on which layers
work side by side (execution: parallel) has a sample's steps in flight at once: in slot s the layer at depth d works on
step s - d * lag, a slot lasts as long as its busiest core or link, and the readout of step t is there after slot
t + D * lag. What is spent between two readouts is charged to the later step, so that whoever stops after the readout of step
t has paid for the parts of later steps that were already begun (drain), and the first step pays for filling the pipeline.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from math import ceil
from typing import Any

import numpy as np

from hwmodel.chip import Execution
from hwmodel.percore import PerCore
from hwmodel.pricing import CHIP, ROUTED, Key, PriceList, Resource, denominator
from hwmodel.routing import LINK
from refsnn.trace import Activity, IntArray

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
CELLS = 1 << 14  # steps x samples of a chunk: its arrays stay in the second cache


class Readout(Enum):
    """When the words that are counted in a sample's last step are charged."""

    AT_THE_END = "at_the_end"  # in the last step that the sample ran
    NEVER = "never"
    ALWAYS = "always"  # in every step: each may turn out to be the last


@dataclass(frozen=True, eq=False)
class Evaluated:
    """What each step cost, between its readout and the one before. float64[T, N]."""

    energy_j: FloatArray  # dynamic: without static power
    ticks: FloatArray  # cycles on a clocked chip, else seconds; 0 in steps that did not run


@dataclass(frozen=True)
class _Chunk:
    """Some samples' counts as floats, each converted when first asked for; shared by all chips."""

    activity: Activity
    part: slice
    cores: PerCore | None
    readout: Readout
    known: dict[Key, FloatArray]

    def get(self, key: Key) -> FloatArray:
        if key not in self.known:
            self.known[key] = self._made(key)
        return self.known[key]

    def _made(self, key: Key) -> FloatArray:
        base = key[1]
        if key[0] != CHIP:
            return np.ascontiguousarray(counted(self.activity, key, self.cores)[:, self.part], np.float64)
        step = np.arange(1, self.activity.n_steps + 1)[:, None]
        run = self.activity.steps_run[self.part]
        last = {Readout.AT_THE_END: step == run, Readout.NEVER: (step <= run) & False, Readout.ALWAYS: step <= run}[
            self.readout
        ]
        made = {"steps": step <= run, "first": (step == 1) & (run > 0), "last": last}[base]
        return made.astype(np.float64)


def counted(activity: Activity, key: Key, cores: PerCore | None) -> IntArray:
    """What a key of a form stands for: int64[T, N]."""
    index, base = key[0], key[1]
    if cores is not None and index == LINK:
        return cores.links[key[2]] if len(key) == 3 else cores.links.sum(0)
    node = activity.nodes[index]
    if cores is not None and base in ROUTED:
        return (cores.packets if base == "packets" else cores.hops)[node.node]
    if cores is not None and len(key) == 3:
        return cores.of(node.node, base)[key[2]]
    counts: IntArray = getattr(node, base)
    return counts


def evaluate(
    activity: Activity,
    lists: Sequence[PriceList],
    cores: Sequence[PerCore | None] | None = None,
    *,
    readout: Readout = Readout.AT_THE_END,
) -> list[Evaluated]:
    """One result for each price list; memory beyond the results is that of a chunk."""
    shape = activity.n_steps, activity.n_samples
    results = [Evaluated(np.empty(shape), np.empty(shape)) for _ in lists]
    compiled = [_Compiled.of(activity, prices) for prices in lists]
    size = max(1, CELLS // activity.n_steps)
    given = cores or [None] * len(lists)
    for start in range(0, activity.n_samples, size):
        part = slice(start, min(start + size, activity.n_samples))
        shared: dict[Key, FloatArray] = {}
        for prices, result, own in zip(compiled, results, given, strict=True):
            chunk = _Chunk(activity, part, own, readout, shared if own is None else {})
            prices.price(chunk, result.energy_j[:, part], result.ticks[:, part])
    return results


@dataclass(frozen=True)
class _Compiled:
    """Forms as floats, in the order in which they are added up."""

    prices: PriceList
    depth: int  # slots from a step's first layer to its readout
    energy: tuple[tuple[int, tuple[tuple[Key, float], ...]], ...]  # for each depth
    busy: tuple[tuple[int, tuple["_Duration", ...]], ...]  # for each group: its depth and resources
    links: tuple["_Duration", ...]
    sent: tuple[int, ...]  # for each node: its group's depth
    barrier: float
    tick: float

    @staticmethod
    def of(activity: Activity, prices: PriceList) -> "_Compiled":
        chip, placement = prices.chip, prices.placement
        lag = activity.lag if chip.execution is Execution.PARALLEL else 0
        depth = {group: lag * each for group, each in placement.depth.items()}
        deepest = max(depth.values())
        groups = dict.fromkeys(r.group for r in prices.resources)
        return _Compiled(
            prices=prices,
            depth=deepest,
            energy=_energies(activity, prices, depth, deepest),
            busy=tuple((depth.get(group, 0), _durations(prices, group)) for group in groups),
            links=tuple(_Duration.of(r, clocked=bool(chip.clock)) for r in prices.links),
            sent=tuple(depth[placement.groups[node.node]] for node in activity.nodes),
            barrier=_ticks(chip.barrier.value if chip.barrier else 0.0, chip.clock),
            tick=_ticks(chip.tick.value if chip.tick else 0.0, chip.clock),
        )  # fmt: skip

    def price(self, chunk: _Chunk, energy: FloatArray, ticks: FloatArray) -> None:
        """Fills in the chunk's part of the results."""
        steps, samples = energy.shape
        slots = np.zeros((steps + self.depth, samples))
        scratch = np.empty((steps, samples))
        for depth, form in self.energy:
            here = slots[depth : depth + steps]
            for key, value in form:
                np.multiply(chunk.get(key), value, out=scratch)
                here += scratch
        _by_readout(slots, self.depth, energy)
        _by_readout(self._durations(chunk, steps, samples), self.depth, ticks)

    def _durations(self, chunk: _Chunk, steps: int, samples: int) -> FloatArray:
        """Of every slot: the longest group's (all groups' in turn), then the barrier, and no less than a tick."""
        slots = np.zeros((steps + self.depth, samples))
        parallel = self.prices.chip.execution is Execution.PARALLEL
        for depth, resources in self.busy:
            work = _longest(resources, chunk, steps, samples)
            here = slots[depth : depth + steps]
            if parallel:
                np.maximum(here, work, out=here)
            else:
                here += work
        for link in self.links:  # packets cross in the slot in which they are sent
            np.maximum(slots, link.of_chunk(chunk, slots.shape, self.sent), out=slots)
        slots += self.barrier
        slots[0] += self.barrier * chunk.activity.in_front
        np.maximum(slots, self.tick, out=slots)
        np.maximum(slots[0], self.tick * (1 + chunk.activity.in_front), out=slots[0])
        run = chunk.activity.steps_run[chunk.part]
        active = np.arange(1, len(slots) + 1)[:, None] <= np.where(run > 0, run + self.depth, 0)
        return np.where(active, slots, 0.0)


@dataclass(frozen=True)
class _Duration:
    """A resource's form: whole numbers over one denominator where cycles are whole, else seconds."""

    terms: tuple[tuple[Key, float], ...]
    over: int | None

    @staticmethod
    def of(resource: Resource, *, clocked: bool) -> "_Duration":
        over = denominator(resource.form) if clocked else 1
        terms = tuple((key, float(value * over)) for key, value in resource.form.items())
        return _Duration(terms, over if clocked else None)

    def of_chunk(self, chunk: _Chunk, shape: tuple[int, ...], shift: tuple[int, ...] = ()) -> FloatArray:
        """In every step; or, with each node's shift, in every slot."""
        total = np.zeros(shape)
        scratch = np.empty((chunk.activity.n_steps, shape[1]))
        for key, value in self.terms:
            np.multiply(chunk.get(key), value, out=scratch)
            first = shift[key[0]] if shift and key[0] >= 0 else 0
            total[first : first + len(scratch)] += scratch
        if self.over is not None:  # whole numbers below 2^53: the quotient cannot be rounded past a whole number
            if self.over != 1:
                total /= self.over
            np.ceil(total, out=total)
        return total


def _durations(prices: PriceList, group: str) -> tuple[_Duration, ...]:
    """Of the group's resources."""
    clocked = bool(prices.chip.clock)
    return tuple(_Duration.of(resource, clocked=clocked) for resource in prices.resources if resource.group == group)


def _longest(resources: tuple[_Duration, ...], chunk: _Chunk, steps: int, samples: int) -> FloatArray:
    longest = np.zeros((steps, samples))
    for resource in resources:
        np.maximum(longest, resource.of_chunk(chunk, (steps, samples)), out=longest)
    return longest


def _energies(
    activity: Activity, prices: PriceList, depth: dict[str, int], deepest: int
) -> tuple[tuple[int, tuple[tuple[Key, float], ...]], ...]:
    """For each depth the energy of each count; what the chip does in every step stands with the readout."""
    found: dict[int, dict[Key, float]] = {}
    for line in prices.lines:
        price = line.action.energy.value
        at = deepest if line.node is None else depth[prices.placement.groups[activity.nodes[line.node].node]]
        form = found.setdefault(at, {})
        for key, value in line.form.items():
            form[key] = form.get(key, 0.0) + float(value) * price
    return tuple((at, tuple((k, v) for k, v in form.items() if v)) for at, form in sorted(found.items()))


def _by_readout(slots: FloatArray, depth: int, out: FloatArray) -> None:
    """Slots up to the first readout belong to the first step."""
    # one after the other: NumPy's own sums group them differently for a single sample
    out[0] = slots[0]
    for slot in slots[1 : depth + 1]:
        out[0] += slot
    out[1:] = slots[depth + 1 :]


def _ticks(seconds: float, clock: float | None) -> float:
    return ceil(seconds * clock) if clock else seconds
