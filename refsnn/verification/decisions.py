"""What the networks decide: the largest output after every step, and whether the readouts are equal."""

from fractions import Fraction
from typing import Any

import numpy as np

from refsnn.arithmetic import Exact
from refsnn.exact import ExactValues
from refsnn.network import INPUT, Network
from refsnn.rounding import Format, Span
from refsnn.verification.numbers import Runs

Array = np.ndarray[Any, Any]


def decisions(runs: Runs) -> Array:
    """Index of the largest output summed over steps 1..t, of equal ones the first: int64[T, N]; in Exact of real numbers."""
    readout = runs.trace.readout
    chosen = readout.argmax(-1)
    if isinstance(runs.arithmetic, Exact):
        values = runs.exactly
        for t, error in enumerate(_readout_errors(runs), start=1):
            for n in _doubtful(readout[t - 1], error):
                sums = _exact_sums(runs.snn, values, t, int(n))
                chosen[t - 1, n] = sums.index(max(sums))
    return chosen


def source_decisions(runs: Runs) -> Array:
    """Index of the source's largest output: int64[N]."""
    output = runs.reference.output
    chosen = output.argmax(-1)
    if isinstance(runs.arithmetic, Exact):
        values = _source_values(runs)
        for n in _doubtful(output, runs.source_spans[runs.source.nodes[-1].name].error):
            sums = _exact_sums(runs.source, values, 1, int(n))
            chosen[n] = sums.index(max(sums))
    return chosen


def equal_readouts(runs: Runs, same_counts: Array) -> Array:
    """Samples of which the summed readout is T times the source's output: bool[N].

    same_counts: samples without a difference in any layer; the readout is linear in the counts, so theirs are equal. In a float
    arithmetic readouts that rounding may have torn apart count as equal; in Exact nothing is left to rounding.
    """
    steps, last = runs.steps, runs.source_spans[runs.source.nodes[-1].name]
    summed, wanted = runs.trace.readout[-1].astype(np.float64), runs.reference.output.astype(np.float64) * steps
    u = Format.of(runs.arithmetic.dtype).u
    rounded = 0.0 if not last.error and not _readout_errors(runs)[-1] else 4 * u * steps * last.size
    bound = _readout_errors(runs)[-1] + steps * last.error + rounded
    near = (np.abs(summed - wanted) <= bound).all(-1)
    if not isinstance(runs.arithmetic, Exact) or bound == 0:
        return np.asarray(near)
    equal = np.asarray(same_counts & near)
    values, source = runs.exactly, _source_values(runs)
    for n in np.flatnonzero(near & ~same_counts):
        wanted_here = [steps * value for value in _exact_sums(runs.source, source, 1, int(n))]
        equal[n] = _exact_sums(runs.snn, values, steps, int(n)) == wanted_here
    return equal


def decided_after(chosen: Array) -> tuple[int, ...]:
    """[t - 1]: samples whose decision is that of the last step from step t on, and was another one before."""
    settled = np.logical_and.accumulate((chosen == chosen[-1])[::-1], axis=0)[::-1]
    first = settled.argmax(axis=0)
    return tuple(np.bincount(first, minlength=len(chosen)).tolist())


def _readout_errors(runs: Runs) -> list[float]:
    """Bounds on the error of the readout summed over 1..T steps."""
    last: Span = runs.snn_spans[runs.snn.nodes[-1].name]
    form = Format.of(runs.arithmetic.dtype)
    return [form.computed(t * last.size, t * last.error, last.grid, t).error for t in range(1, runs.steps + 1)]


def _doubtful(values: Array, error: float) -> Array:
    """Rows of which the two largest numbers are so near that errors could turn them round."""
    if values.shape[-1] < 2 or error == 0:
        return np.zeros(0, np.int64)
    second, first = np.partition(values, -2, axis=-1)[..., -2:].T
    return np.flatnonzero(first - second <= 2 * error)


def _exact_sums(network: Network, values: ExactValues, steps: int, n: int) -> list[Fraction]:
    last = network.nodes[-1].name
    return [
        sum((values.value(last, t, n, tuple(int(i) for i in index)) for t in range(steps)), start=Fraction(0))
        for index in np.ndindex(network.shapes[last])
    ]


def _source_values(runs: Runs) -> ExactValues:
    decided: dict[str, Any] = {name: level[None] for name, level in runs.reference.levels.items()}
    return ExactValues(runs.source, {INPUT: runs.x[None].astype(np.float64), **decided})
