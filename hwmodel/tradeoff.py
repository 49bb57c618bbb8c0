"""What stopping early is worth: accuracy, steps, energy and latency of a policy on a chip."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Protocol

import numpy as np

from hwmodel.bounds import End, at_end
from hwmodel.chip import ChipSpec, Family
from hwmodel.deciding import PolicyCost, policy_cost
from hwmodel.stopping import Stopped, stopped_costs
from refsnn.errors import ShapeError, SpecError
from refsnn.trace import Trace

Array = np.ndarray[Any, Any]
ANYTIME = ("lockstep", "pipeline", "srp", "cos")  # schedules whose readout after every step is an answer


class Policy(Protocol):
    """What score() needs of a policy. With `work` (deciding.Work) its own operations are charged, with `activity` its network."""

    @property
    def name(self) -> str: ...

    def exit_step(self, readout: Array) -> np.ndarray[Any, np.dtype[np.int64]]: ...


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Over the samples: mean, and what half and 99 % of them take at most."""

    mean: float
    deviation: float  # of the samples, not of the mean
    p50: float
    p99: float


@dataclass(frozen=True, kw_only=True)
class PolicyScore:
    """A policy on a chip; per inference, the policy's own work included."""

    policy: str
    chip: str
    accuracy: float
    mean_steps: float
    steps: Spread
    energy_j: float
    energy: Spread
    latency_s: float
    latency: Spread
    edp_js: float  # mean of energy * latency
    policy_energy_j: float  # of energy_j: what deciding takes
    all_steps_j: float  # energy of always running T steps
    saving: float  # the share of it that is not spent
    stays_on_j: float | None  # energy where the chip stays on until T steps would be over; None: static power unknown
    saving_stays_on: float | None  # the share that is saved then, of the same energy of all steps
    break_even_j: float | None  # a decision that cost more would cost more than it saves; None where nothing is decided
    is_lower_bound: bool  # of the energy: something has no known price
    latency_is_lower_bound: bool
    unpriced: tuple[str, ...]  # of the policy's own work


def score(policy: Policy, trace: Trace, labels: Array, chip: ChipSpec) -> PolicyScore:
    """The policy's accuracy and cost when every sample of the run is stopped where the policy says.

    Where layers work side by side, the parts of later steps that have begun by then are paid for, too. energy_j is
    that of a chip that races to idle: its static power ends with the sample. On a fixed tick it flows on until T steps would be
    over: stays_on_j.
    """
    return scores([policy], trace, labels, [chip])[0]


def scores(policies: Sequence[Policy], trace: Trace, labels: Array, chips: Sequence[ChipSpec]) -> list[PolicyScore]:
    """Every policy on every chip, chip by chip: the run is priced once for each chip, whatever the number of policies."""
    if trace.schedule.partition(":")[0] not in ANYTIME:
        raise SpecError(f"schedule {trace.schedule!r} has no answer before its last steps; score a lockstep run")
    for chip in chips:
        if chip.family is Family.FRAME_BASED:
            raise SpecError(
                f"chip {chip.name!r} computes whole frames and cannot stop early; estimate the source's frame on it"
            )
    labels = np.asarray(labels)
    if labels.shape != (trace.n_samples,):
        raise ShapeError(f"labels have shape {list(labels.shape)}, the run has {trace.n_samples} samples")
    exits = [policy.exit_step(trace.readout) for policy in policies]
    samples = np.arange(trace.n_samples)
    right = trace.readout.argmax(-1) == labels
    accuracies = [float(right[e - 1, samples].mean()) for e in exits]
    spreads = [_spread(e.astype(np.float64)) for e in exits]
    priced = list(zip(chips, stopped_costs(trace.activity, chips), strict=True))

    def on(chip: ChipSpec, stopped: Stopped) -> list[PolicyScore]:
        found = []
        for policy, accuracy, steps, exit_step in zip(policies, accuracies, spreads, exits, strict=True):
            own = policy_cost(policy, exit_step, trace.steps, trace.readout.shape[2], chip)
            found.append(_scored(policy, stopped, own, accuracy, steps, exit_step))
        return found

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # NumPy leaves Python's lock where it sorts and adds up
        return [one for found in pool.map(lambda pair: on(*pair), priced) for one in found]


def _scored(
    policy: Policy, stopped: Stopped, own: PolicyCost, accuracy: float, steps: Spread, exit_step: Array
) -> PolicyScore:
    samples = np.arange(len(exit_step))
    run = stopped.energy_j[exit_step - 1, samples]
    idle = stopped.latency_s[-1] - stopped.latency_s[exit_step - 1, samples]
    energy, latency = run + own.energy_j, stopped.latency_s[exit_step - 1, samples] + own.latency_s
    whole, decisions = float(stopped.energy_j[-1].mean()), float(own.decisions.mean())
    over_energy, over_latency = _spread(energy), _spread(latency)
    on = over_energy.mean + stopped.static_w * float(idle.mean()) if stopped.static_w is not None else None
    return PolicyScore(
        policy=policy.name,
        chip=stopped.chip,
        accuracy=accuracy,
        mean_steps=steps.mean,
        steps=steps,
        energy_j=over_energy.mean,
        energy=over_energy,
        latency_s=over_latency.mean,
        latency=over_latency,
        edp_js=float((energy * latency).mean()),
        policy_energy_j=float(own.energy_j.mean()),
        all_steps_j=whole,
        saving=_saving(over_energy.mean, whole),
        stays_on_j=on,
        saving_stays_on=None if on is None else _saving(on, whole),
        break_even_j=(whole - float(run.mean())) / decisions if decisions and policy_decides(policy) else None,
        is_lower_bound=stopped.is_lower_bound or bool(own.unpriced),
        latency_is_lower_bound=stopped.latency_is_lower_bound or own.time_unknown,
        unpriced=own.unpriced,
    )


def _saving(energy: float, whole: float) -> float:
    return 1 - energy / whole if whole else 0.0


def policy_decides(policy: Policy) -> bool:
    """Whether the policy looks at readouts: then a decision has a price."""
    work: Any = getattr(policy, "work", None)
    return work is not None and any(work.counts(2).values())


def _spread(values: Array) -> Spread:
    n = len(values)
    middle, late = ceil(0.5 * n) - 1, ceil(0.99 * n) - 1
    ordered = np.partition(values, (middle, late))
    deviation = float(values.std(ddof=1)) if n > 1 else 0.0
    return Spread(mean=float(values.mean()), deviation=deviation, p50=float(ordered[middle]), p99=float(ordered[late]))


def pareto(scores: Sequence[PolicyScore]) -> tuple[bool, ...]:
    """For each score whether no other one on the same chip is at least as accurate and as cheap, and better in one."""

    def beats(a: PolicyScore, b: PolicyScore) -> bool:
        as_good = a.accuracy >= b.accuracy and a.energy_j <= b.energy_j
        return a.chip == b.chip and as_good and (a.accuracy > b.accuracy or a.energy_j < b.energy_j)

    return tuple(not any(beats(other, one) for other in scores) for one in scores)


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """A policy's energy on a chip with all of its figures at their low, and all at their high end, known ones only."""

    policy: str
    chip: str
    low_j: float
    high_j: float


def score_bounds(policies: Sequence[Policy], trace: Trace, labels: Array, chips: Sequence[ChipSpec]) -> list[Bounds]:
    """The interval of every score, in the order of scores()."""
    ends = [scores(policies, trace, labels, [at_end(chip, end) for chip in chips]) for end in End]
    return [
        Bounds(policy=a.policy, chip=a.chip, low_j=min(a.energy_j, b.energy_j), high_j=max(a.energy_j, b.energy_j))
        for a, b in zip(*ends, strict=True)
    ]


def unstable_pairs(
    policies: Sequence[Policy], trace: Trace, labels: Array, chip: ChipSpec
) -> list[tuple[str, str, str]]:
    """(policy, policy, figure) of which the first costs less than the second, unless that figure lies at the other end.

    Every figure with an interval is moved to its low and to its high end, one at a time, then all together.
    """
    nominal = {one.policy: one.energy_j for one in scores(policies, trace, labels, [chip])}
    found: dict[tuple[str, str], str] = {}
    variants = {"all figures": [at_end(chip, end) for end in End], **_one_by_one(chip)}
    for figure, ends in variants.items():
        for one in ends:
            moved = {each.policy: each.energy_j for each in scores(policies, trace, labels, [one])}
            for a in nominal:
                for b in nominal:
                    if nominal[a] < nominal[b] and moved[a] > moved[b]:
                        found.setdefault((a, b), figure)
    return [(a, b, figure) for (a, b), figure in found.items()]


def _one_by_one(chip: ChipSpec) -> dict[str, list[ChipSpec]]:
    """Every figure with an interval -> the chip with this figure at its low, and at its high end."""
    found: dict[str, list[ChipSpec]] = {}
    for end in End:
        moved = at_end(chip, end)
        if chip.static != moved.static and chip.static.interval[0] != chip.static.interval[1]:
            found.setdefault("static power", []).append(replace(chip, static=moved.static))
        for i, (old, new) in enumerate(zip(chip.components, moved.components, strict=True)):
            for j, (action, other) in enumerate(zip(old.actions, new.actions, strict=True)):
                low, high = action.energy.interval
                if action.energy.nominal is None or low == high:
                    continue
                actions = [*old.actions[:j], replace(action, energy=other.energy), *old.actions[j + 1 :]]
                components = [*chip.components[:i], replace(old, actions=actions), *chip.components[i + 1 :]]
                found.setdefault(f"{old.name}: {action.name}", []).append(replace(chip, components=components))
    return found
