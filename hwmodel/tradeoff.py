"""What stopping early is worth: accuracy, steps, energy and latency of a policy on a chip."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from hwmodel.chip import ChipSpec, Family
from hwmodel.stopping import Stopped, stopped_costs
from refsnn.errors import ShapeError, SpecError
from refsnn.trace import Trace

Array = np.ndarray[Any, Any]
ANYTIME = ("lockstep", "pipeline", "srp", "cos")  # schedules whose readout after every step is an answer


class Policy(Protocol):
    """What score() needs of a policy."""

    @property
    def name(self) -> str: ...

    def exit_step(self, readout: Array) -> np.ndarray[Any, np.dtype[np.int64]]: ...


@dataclass(frozen=True, kw_only=True)
class PolicyScore:
    """A policy on a chip; per inference. The policy's own work (a top-2 search, a softmax) is not charged yet."""

    policy: str
    chip: str
    accuracy: float
    mean_steps: float
    energy_j: float
    latency_s: float
    edp_js: float  # mean of energy * latency
    is_lower_bound: bool  # of the energy: something has no known price
    latency_is_lower_bound: bool


def score(policy: Policy, trace: Trace, labels: Array, chip: ChipSpec) -> PolicyScore:
    """The policy's accuracy and cost when every sample of the run is stopped where the policy says.

    Where layers work side by side, the parts of later steps that have begun by then are paid for, too.
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
    right = [float((trace.readout[e - 1, samples].argmax(-1) == labels).mean()) for e in exits]
    return [
        _scored(policy, stopped, accuracy, exit_step)
        for stopped in stopped_costs(trace.activity, chips)
        for policy, accuracy, exit_step in zip(policies, right, exits, strict=True)
    ]


def _scored(policy: Policy, stopped: Stopped, accuracy: float, exit_step: Array) -> PolicyScore:
    samples = np.arange(len(exit_step))
    energy, latency = stopped.energy_j[exit_step - 1, samples], stopped.latency_s[exit_step - 1, samples]
    return PolicyScore(
        policy=policy.name,
        chip=stopped.chip,
        accuracy=accuracy,
        mean_steps=float(exit_step.mean()),
        energy_j=float(energy.mean()),
        latency_s=float(latency.mean()),
        edp_js=float((energy * latency).mean()),
        is_lower_bound=stopped.is_lower_bound,
        latency_is_lower_bound=stopped.latency_is_lower_bound,
    )


def pareto(scores: Sequence[PolicyScore]) -> tuple[bool, ...]:
    """For each score whether no other one on the same chip is at least as accurate and as cheap, and better in one."""

    def beats(a: PolicyScore, b: PolicyScore) -> bool:
        as_good = a.accuracy >= b.accuracy and a.energy_j <= b.energy_j
        return a.chip == b.chip and as_good and (a.accuracy > b.accuracy or a.energy_j < b.energy_j)

    return tuple(not any(beats(other, one) for other in scores) for one in scores)
