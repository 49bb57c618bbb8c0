"""Whether two runs gave the same bits, and where they first did not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refsnn.findings import Finding
from refsnn.trace import Trace

Array = np.ndarray[Any, Any]
READOUT = "readout"


@dataclass(frozen=True, eq=False)
class Kept:
    """One array of a trace."""

    node: str
    what: str  # spikes, v, counts, residual, readout, or a count of the activity
    values: Array  # [T, N, ...], or [N, ...] of the whole run
    stepwise: bool


def kept(trace: Trace) -> Iterator[Kept]:
    """Everything that a trace keeps, spikes and potentials first."""
    for node in trace.residual:
        for what, arrays in (("spikes", trace.spikes), ("v", trace.v)):
            if node in arrays:
                yield Kept(node, what, arrays[node], True)
    yield Kept(READOUT, READOUT, trace.readout, True)
    for work in trace.activity.nodes:
        for what, counts in work.counts().items():
            yield Kept(work.node, what, counts, True)
    for what, arrays in (("counts", trace.counts), ("residual", trace.residual), ("overflows", trace.overflows)):
        for node, values in arrays.items():
            yield Kept(node, what, values, False)


def steps_until(last: int) -> Callable[[Kept], Kept]:
    """The first steps of what was kept of each step."""
    return lambda one: replace(one, values=one.values[:last]) if one.stepwise else one


def of_samples(chosen: slice) -> Callable[[Kept], Kept]:
    """What was kept of some samples."""
    return lambda one: replace(one, values=one.values[:, chosen] if one.stepwise else one.values[chosen])


def first_difference(
    law: str, expected: Iterator[Kept], actual: Iterator[Kept], cause: str, *, first_sample: int = 0
) -> list[Finding]:
    """The earliest number whose bits differ, of equally early ones the first in the order of the nodes; nothing for equal runs.

    Compared is what both have kept: a run may keep more than the other.
    """
    theirs = {(one.node, one.what): one for one in actual}
    pairs = [(one, theirs[one.node, one.what]) for one in expected if (one.node, one.what) in theirs]
    places = [(ours, other, place) for ours, other in pairs if (place := _first_unequal(ours.values, other.values))]
    if not places:
        return []
    last = 1 + max((len(ours.values) for ours, _, _ in places if ours.stepwise), default=0)
    ours, other, place = min(places, key=lambda found: found[2][0] if found[0].stepwise else last)
    step, index = (place[0] + 1, place[1:]) if ours.stepwise else (None, place)
    return [
        Finding(law=law, node=ours.node, step=step, sample=first_sample + index[0], index=index[1:] or None,
                expected=f"{ours.what} {ours.values[place]}", actual=f"{other.values[place]}", cause=cause)
    ]  # fmt: skip


def _first_unequal(ours: Array, theirs: Array) -> tuple[int, ...] | None:
    """-0.0 is not 0.0, one NaN is not another."""
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    if ours.tobytes() == theirs.tobytes():
        return None
    bits = f"u{ours.itemsize}"
    unequal = np.ascontiguousarray(ours).view(bits) != np.ascontiguousarray(theirs).view(bits)
    return tuple(int(i) for i in np.argwhere(unequal)[0])
