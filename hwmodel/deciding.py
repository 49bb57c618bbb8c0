"""What it costs a chip to decide, after each step, whether a sample stops."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

import numpy as np

from hwmodel.chip import ChipSpec, Execution
from hwmodel.decision import OPERATIONS
from hwmodel.model import estimate
from refsnn.trace import Activity

Array = np.ndarray[Any, Any]


class Work(Protocol):
    """Operations of one decision."""

    @property
    def reads_readout(self) -> bool: ...

    def counts(self, classes: int) -> dict[str, int]: ...


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One decision on one chip: energy in J, time in s, and the operations that have no known price."""

    energy_j: float
    low_j: float
    high_j: float
    time_s: float
    unpriced: tuple[str, ...]
    time_unknown: bool


FREE = Decision(energy_j=0.0, low_j=0.0, high_j=0.0, time_s=0.0, unpriced=(), time_unknown=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class PolicyCost:
    """What a policy costs each sample on a chip. float64[N]; J and s."""

    energy_j: Array
    latency_s: Array
    decisions: Array  # how often the sample was decided on
    unpriced: tuple[str, ...]
    time_unknown: bool


def decision_of(work: Work, classes: int, chip: ChipSpec) -> Decision:
    """One decision for a readout of so many classes, its operations one after the other.

    energy = sum over operations of count * price + the message to whoever decides; time = operations * cycles / clock (or * time)
    + the way there and back. A chip without a `decision` section knows none of it.
    """
    counts = operations(work, classes)
    if not counts:
        return FREE
    spec = chip.decision
    if spec is None:
        return Decision(
            energy_j=0.0, low_j=0.0, high_j=inf, time_s=0.0, time_unknown=True,
            unpriced=tuple(f"decision: {name}" for name in counts),
        )  # fmt: skip
    figures = {name: spec.energies.get(name) for name in counts}
    known = {name: figure for name, figure in figures.items() if figure is not None and figure.nominal is not None}
    unpriced = tuple(f"decision: {name}" for name in counts if name not in known)
    message = spec.message
    ends = [sum(counts[name] * figure.interval[end] for name, figure in known.items()) for end in (0, 1)]
    energy = sum(counts[name] * figure.value for name, figure in known.items())
    if message is not None:
        energy += message.value
        ends = [end + bound for end, bound in zip(ends, message.interval, strict=True)]
        unpriced += ("decision: message",) if message.nominal is None else ()
    steps = sum(count for name, count in counts.items() if name in OPERATIONS)
    each = spec.cycles / chip.clock if spec.cycles and chip.clock else spec.time.value if spec.time else 0.0
    trip = spec.round_trip
    return Decision(
        energy_j=energy,
        low_j=ends[0],
        high_j=inf if unpriced else ends[1],
        time_s=steps * each + (trip.value if trip else 0.0),
        unpriced=unpriced,
        time_unknown=(spec.cycles is None and spec.time is None) or (trip is not None and trip.nominal is None),
    )


def operations(work: Work, classes: int) -> Mapping[str, int]:
    """Operation -> how often in one decision; the readout's words among them where the policy reads them."""
    counts = {name: count for name, count in work.counts(classes).items() if count}
    return counts | ({"readout_words": classes} if work.reads_readout else {})


def policy_cost(policy: Any, exit_step: Array, n_steps: int, classes: int, chip: ChipSpec) -> PolicyCost:
    """A policy's own cost on the chip; nothing is decided after the last step, where everybody stops.

    Where layers take turns they wait for each decision; where they work side by side the next steps have begun, and only the last
    decision is waited for. A policy with an `activity` of its own, a network that reads the input, runs one frame of it first.
    """
    decisions = np.minimum(exit_step, n_steps - 1)
    one = decision_of(policy.work, classes, chip) if getattr(policy, "work", None) is not None else FREE
    waits = decisions if chip.execution is Execution.SEQUENTIAL else np.minimum(decisions, 1)
    latency = waits * one.time_s
    energy = decisions * one.energy_j + latency * chip.static.value
    unpriced, unknown = one.unpriced, one.time_unknown
    frame: Activity | None = getattr(policy, "activity", None)
    if frame is not None:
        report = estimate(frame, chip)
        energy = energy + report.energy_per_sample_j
        latency = latency + report.latency_per_sample_s
        unpriced += tuple(f"policy network: {text}" for text in report.unpriced)
        unknown = unknown or report.latency_is_lower_bound
    return PolicyCost(
        energy_j=energy, latency_s=latency, decisions=decisions, unpriced=unpriced if decisions.any() or frame else (),
        time_unknown=unknown and bool(decisions.any() or frame),
    )  # fmt: skip
