"""One layer's counts beside what they should be, neuron by neuron."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from refsnn.arithmetic import Arithmetic, Exact
from refsnn.exact import EPS, ExactValues, exact_neuron
from refsnn.kernels.elementwise import qcfs_level
from refsnn.layers import QCFS
from refsnn.network import INPUT, Network
from refsnn.neurons import one_of, spread
from refsnn.potentials import charge_error, firing_errors
from refsnn.properties import charge, distance_to_tie, ideal_count
from refsnn.rounding import Span
from refsnn.schedules import Schedule
from refsnn.source import Forward
from refsnn.spans import level_error, spans
from refsnn.trace import Trace
from refsnn.verification.correspondence import Pair

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Runs:
    """Both networks' runs on some samples, and what is known of the rounding in them."""

    source: Network
    snn: Network
    steps: int
    schedule: Schedule
    arithmetic: Arithmetic
    x: Array
    trace: Trace
    reference: Forward
    source_spans: dict[str, Span]
    snn_spans: dict[str, Span]

    @classmethod
    def of(cls, source: Network, snn: Network, x: Array, trace: Trace, reference: Forward, **how: Any) -> "Runs":
        known = [spans(network, x, how["arithmetic"].dtype, trace.steps) for network in (source, snn)]
        return cls(source, snn, trace.steps, x=x, trace=trace, reference=reference, source_spans=known[0],
                   snn_spans=known[1], **how)  # fmt: skip

    @property
    def exactly(self) -> ExactValues:
        """Real numbers of the SNN's run."""
        inputs = self.x[None].astype(np.float64)
        return ExactValues(self.snn, {INPUT: inputs, **self.trace.spikes}, self.schedule.edge_delay)


@dataclass(frozen=True, eq=False)
class Numbers:
    """Arrays [N, *shape] of one layer: counts in spikes, the rest in 1 / levels of a spike, so that QCFS has whole numbers.

    With z the mean current that the neuron received and f the source's activation, all times T / theta:
    own = f(z), own_clipped = min(f(z), theta), target = f(z') with z' what the source's own layer received.
    """

    levels: int
    n: Array
    v: Array
    ideal: Array  # N, the T-step quantiser's count on z
    level: Array  # the source's level, 0..levels
    own_clipped: Array
    own: Array
    target: Array
    ideal_open: Array  # where rounding leaves N open; nowhere in Exact
    level_open: Array


def numbers_of(runs: Runs, name: str, pair: Pair) -> Numbers:
    """The layer's numbers; in Exact as in real numbers, doubts decided in fractions."""
    n, v = runs.trace.counts[name].astype(np.int64), runs.trace.residual[name].astype(np.float64)
    theta, v_init = (spread(value, n.shape[1:]) for value in (pair.neuron.v_threshold, pair.neuron.v_init))
    levels, steps = pair.quantiser.levels, runs.steps
    q = charge(n, v, theta)
    ideal = ideal_count(n, v, theta, steps)
    error = charge_error(pair.neuron, runs.snn_spans[runs.snn[name].inputs[0]], steps, runs.arithmetic.dtype)
    ideal_open = (distance_to_tie(q, theta, steps) <= error) & (error > 0)
    same = levels == steps and np.array_equal(2 * np.asarray(v_init), theta)  # then f(z) is N's own level
    at_level = None if same else (q - v_init) / theta * (levels / steps) + 0.5
    level_of_z = ideal if at_level is None else np.clip(np.floor(at_level), 0, levels).astype(np.int64)
    if isinstance(runs.arithmetic, Exact):
        near = ideal_open
        if at_level is not None:
            # the error of Q, and five roundings of numbers that are at most levels + 1 where an edge is near
            off = error / np.min(theta) * levels / steps + 5 * EPS * (levels + 1)
            near = near | (distance_to_tie(at_level, 1.0, levels) <= off)
        _decide(runs, name, pair, near, ideal, level_of_z)
        ideal_open = np.zeros_like(ideal_open)
    z_source = runs.reference.preactivations[name].astype(np.float64)
    level, level_open = _source_level(runs, name, pair, z_source)
    if isinstance(pair.activation, QCFS):
        own = level_of_z * steps
        clipped, target = own, level * steps
    else:
        mean = (q - v_init) / theta * levels
        own, clipped = np.maximum(mean, 0), np.clip(mean, 0, steps * levels)
        target = np.maximum(z_source, 0) / theta * (steps * levels)
    return Numbers(levels, n, v, ideal, level, clipped, own, target, ideal_open, level_open)


def _decide(runs: Runs, name: str, pair: Pair, near: Array, ideal: Array, level_of_z: Array) -> None:
    """Where the charge is near an edge, N and the level of z from fractions, in place."""
    values, shape = runs.exactly, near.shape[1:]
    for sample, *index in np.argwhere(near):
        where = tuple(int(i) for i in index)
        v = exact_neuron(values, name, int(sample), where, runs.steps, runs.schedule.fire).v[-1, 0, 0]
        one = one_of(pair.neuron, where, shape)
        theta, v_init = Fraction(one.v_threshold), Fraction(one.v_init)
        n, levels = int(runs.trace.counts[name][(sample, *where)]), pair.quantiser.levels
        ideal[(sample, *where)] = max(0, min(runs.steps, int(n + v // theta)))
        level = ((v + n * theta - v_init) * levels / (runs.steps * theta) + Fraction(1, 2)) // 1
        level_of_z[(sample, *where)] = max(0, min(levels, int(level)))


def _source_level(runs: Runs, name: str, pair: Pair, z: Array) -> tuple[Array, Array]:
    """The source's level, for a ReLU that of T levels up to the threshold; and where rounding leaves it open."""
    quantiser = pair.quantiser
    known = isinstance(pair.activation, QCFS)
    level = runs.reference.levels[name] if known else qcfs_level(quantiser, z).astype(np.int64)
    if known and isinstance(runs.arithmetic, Exact):
        return level, np.zeros(z.shape, np.bool_)
    error = level_error(quantiser, runs.source_spans[runs.source[name].inputs[0]], runs.arithmetic.dtype)
    at = z / spread(quantiser.threshold, z.shape[1:]) * quantiser.levels + 0.5
    return level, distance_to_tie(at, 1.0, quantiser.levels) <= error


def exact_margins(runs: Runs, name: str, pair: Pair) -> Array:
    """The smallest distance of a compared potential from the threshold over all steps, 0 only where it was met exactly:
    float64[N, *shape], of a run in Exact.
    """
    margin, steps = np.array(runs.trace.margin[name]), runs.steps
    span = runs.snn_spans[runs.snn[name].inputs[0]]
    error = max(firing_errors(pair.neuron, span, steps, margin.dtype, runs.schedule))
    values = runs.exactly
    for sample, *index in np.argwhere(margin <= error) if error > 0 else ():
        where = tuple(int(i) for i in index)
        compared = exact_neuron(values, name, int(sample), where, steps, runs.schedule.fire).compared
        theta = Fraction(one_of(pair.neuron, where, margin.shape[1:]).v_threshold)
        margin[(sample, *where)] = float(min(abs(u - theta) for u in compared.ravel()))
    return margin
