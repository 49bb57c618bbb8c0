"""A case in words and numbers: what the neuron received, step by step, and why its count is not what it should be."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from refsnn.arithmetic import Exact
from refsnn.counterexample.case import Case, Disagreement
from refsnn.neurons import IF, one_of
from refsnn.schedules import schedule_of
from refsnn.simulator import simulate
from refsnn.trace import Record, Trace
from refsnn.verification import Verdict

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class History:
    """One neuron over the steps; arrays [T] of the schedule's firing phase."""

    node: str
    index: tuple[int, ...]
    theta: float
    current: Array
    compared: Array  # the potential before the reset, which the threshold is compared with
    spikes: Array
    v: Array  # after the step
    before: dict[str, Array]  # spikes of the neurons in front of it, where they are few: name[index] -> [T]

    @property
    def count(self) -> int:
        return int(self.spikes.sum())


FEW = 6  # neurons in front that are shown


def history(case: Case, found: Disagreement) -> History:
    """What the neuron did. The current of a step is what the potential gained and its spike took."""
    names = case.snn.neurons
    record = Record(spikes=names, v=names)
    how: Any = {"schedule": case.schedule, "arithmetic": Exact(), "record": record, "threads": 1}
    trace = simulate(case.snn, case.x[None], steps=case.steps, **how)
    shape, layer = case.snn.shapes[found.node], case.snn[found.node].layer
    assert isinstance(layer, IF)
    one = one_of(layer, found.index, shape)
    theta, v_init = float(one.v_threshold), float(one.v_init)
    v = np.array([step[(0, *found.index)] for step in trace.v[found.node]])
    spikes = np.array([int(step[(0, *found.index)]) for step in trace.spikes[found.node]])
    compared = v + theta * spikes
    current = compared - np.concatenate([[v_init], v[:-1]])
    return History(found.node, found.index, theta, current, compared, spikes, v, _in_front(case, found, trace))


def _in_front(case: Case, found: Disagreement, trace: Trace) -> dict[str, Array]:
    """Spike trains of the layers that feed the neuron directly, if these are few neurons in all."""
    sources, asked = [], [case.snn[found.node].inputs[0]]
    while asked:
        here = asked.pop()
        if here in case.snn.neurons:
            sources.append(here)
        elif here in {node.name for node in case.snn.nodes}:
            asked += case.snn[here].inputs
    if sum(int(np.prod(case.snn.shapes[name])) for name in sources) > FEW:
        return {}
    return {
        f"{name}{list(index)}": np.array([int(step[(0, *index)]) for step in trace.spikes[name]])
        for name in sorted(sources)
        for index in np.ndindex(case.snn.shapes[name])
    }


def cause(case: Case, found: Disagreement, told: History, verdict: Verdict) -> str:
    """Why, in a sentence or two; steps count from 1."""
    layer = next(layer for layer in verdict.layers if layer.node == found.node)
    by = max(layer.local.largest_deficit, layer.local.largest_surplus)
    wanted = told.count - int(found.sign * by) if found.born else None
    if wanted is None:
        finding = next(f for f in verdict.findings if f.node == found.node)
        return f"{finding.expected} were due, {finding.actual} sent: {finding.cause}."
    if not schedule_of(case.schedule).counts_charge and found.sign > 0:
        fired = [t + 1 for t, sent in enumerate(told.spikes) if sent]
        taken = [t + 1 for t, current in enumerate(told.current) if current < 0 and t + 1 > fired[0]]
        return (
            f"It fires at {_steps(fired)}; negative current at {_steps(taken)} takes back what made it fire, but a spike "
            f"cannot be taken back: v = {told.v[-1]:g} is left below 0. All current together is worth {wanted} of "
            f"{case.steps} spikes, sent were {told.count} (unevenness)."
        )
    return (
        f"Its current comes too late: at one spike a step {told.count} are sent, and v = {told.v[-1]:g} is left at or above the "
        f"threshold {told.theta:g}. All current together is worth {wanted} of {case.steps} spikes (unevenness)."
    )


def _steps(numbers: list[int]) -> str:
    if not numbers:
        return "no step"
    return ("step " if len(numbers) == 1 else "steps ") + ", ".join(map(str, numbers))
