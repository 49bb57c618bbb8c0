"""The law of counts."""

from math import inf
from typing import Any

import numpy as np

from refsnn.findings import Finding
from refsnn.laws.law import NOTHING, Case, Law, Outcome

Array = np.ndarray[Any, Any]


def found_at(
    law: str, node: str, place: Array, expected: Any, actual: Any, cause: str, tolerance: float = 0.0
) -> Finding:
    """What was found at [sample, *index] of a node."""
    sample, *index = (int(i) for i in place)
    return Finding(law=law, node=node, step=None, sample=sample, index=tuple(index), expected=expected, actual=actual,
                   tolerance=tolerance, cause=cause)  # fmt: skip


def _counts_within_steps(case: Case) -> Outcome:
    if not case.network.neurons:
        return Outcome.nowhere(NOTHING)
    trace = case.run()
    left_out, checked, findings = {}, [], []
    for name in case.network.neurons:
        layer: Any = case.network[name].layer
        counts = trace.counts[name].astype(np.int64)
        lowest = 0 if layer.v_negative is None or layer.negative_after_positive else -case.steps
        most = inf if layer.max_spikes is None else layer.max_spikes * case.steps
        if layer.max_spikes is None:
            left_out[name] = "max_spikes: null sets no upper limit; only the lower one was checked"
        checked.append(name)
        outside = (counts < lowest) | (counts > most)
        added = trace.spikes[name].sum(0, dtype=np.int64)
        for unequal, expected, cause in (
            (outside, f"{lowest} to {most:g}", "spikes in the run"),
            (counts != added, "the number of spikes recorded", "counts and spikes disagree"),
        ):
            findings += [
                found_at(WITHIN.name, name, place, expected, int(counts[tuple(place)]), cause)
                for place in np.argwhere(unequal)[:1]
            ]
    return Outcome(tuple(checked), tuple(findings), left_out)


WITHIN = Law("count within steps", "0 <= n <= T * max_spikes, or -T <= n with spikes of -1", _counts_within_steps)
