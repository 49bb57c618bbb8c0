"""What can be done for a converted network that is not exact: the known repairs side by side, on the same samples."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

import hwmodel
from hwmodel.chip import ChipSpec
from refsnn.arithmetic import Arithmetic, Float32
from refsnn.conversion import ErrorBalance, MaxBalance, PercentileBalance, calibrate_bias, convert, fold_batch_norm
from refsnn.conversion.balancing import CHUNK, Balance, quantised_count
from refsnn.errors import NothingCompared, ShapeError, SpecError, UnsupportedLayerError
from refsnn.formats import Data
from refsnn.layers import ReLU
from refsnn.network import Network
from refsnn.neurons import spread
from refsnn.schedules import RESIDUAL_STEPS
from refsnn.simulator import Progress, simulate, unwatched
from refsnn.source import forward
from refsnn.study import refuse_overlap
from refsnn.trace import Trace

Array = np.ndarray[Any, Any]
BALANCE = PercentileBalance(99.9)  # of ReLU layers, where the variant is not about that


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run of the repaired network gave; the work is that of one sample, on average."""

    exact_neurons: int  # over all samples
    neurons: int
    accuracy: float | None  # None without labels
    same_decision: float  # share of samples whose largest output is the source's
    total_steps: int
    latency_steps: int
    spikes: float
    energy_j: float | None  # None without a chip
    energy_is_lower_bound: bool

    @property
    def exact(self) -> float:
        """Share of the neurons whose output is the source's."""
        return self.exact_neurons / self.neurons


@dataclass(frozen=True, kw_only=True)
class RepairRow:
    """One variant, and its outcome or the sentence that refused it."""

    variant: str
    steps: int  # T
    outcome: Outcome | None
    refused: str | None


def compare_repairs(
    ann: Network,
    x: Array,
    labels: Array | None = None,
    *,
    steps: int,
    calibration: Array | None = None,
    chip: ChipSpec | None = None,
    arithmetic: Arithmetic = Float32(),
    progress: Progress = unwatched,
) -> tuple[RepairRow, ...]:
    """One row for each variant, the plain lockstep run of T = `steps` first: other T, other potentials at the start, calibrated
    biases, SRP and COS, the three schedules that count charge; for ReLU networks the rules of balancing too.

    x: float[N, *input_shape], constant current; labels: int[N]. calibration: other samples, for biases and thresholds.
    A neuron is exact where amplitude * n / T is the source's activation: n * L = l * T for level l of L. For ReLU, which has no
    levels, where n = clip(floor(a * T / v_threshold + v_init / v_threshold), 0, T) for the source's activation a.
    Energy is the chip's estimate for the whole run. progress is told (variants done, variants).
    Raises SpecError for a calibration set that shares samples with x, ShapeError and NothingCompared for x and labels,
    UnsupportedLayerError for a network that `convert` refuses; a single variant that is refused has a row that says why.
    """
    x = np.asarray(x)
    _check(x, labels, calibration)
    source = _Source.of(ann, x, arithmetic)
    measured = _Measure(source, x, None if labels is None else np.asarray(labels), chip, arithmetic)
    variants = list(_variants(ann, steps, calibration))
    rows = []
    for done, variant in enumerate(variants, 1):
        rows.append(measured.row(variant))
        progress(done, len(variants))
    return tuple(rows)


def _check(x: Array, labels: Array | None, calibration: Array | None) -> None:
    for name, samples in (("x", x), ("calibration", calibration)):
        if samples is not None and not len(samples):
            raise NothingCompared(f"compare_repairs: {name} has no samples; give at least one")
    if labels is not None and np.shape(labels) != (len(x),):
        raise ShapeError(f"labels have shape {list(np.shape(labels))}, x has {len(x)} samples")
    if calibration is not None:
        refuse_overlap(Data("x", x, None), Data("calibration", np.asarray(calibration), None))


@dataclass(frozen=True)
class _Variant:
    """A network, made when its turn comes, and how it is run."""

    name: str
    make: Callable[[], Network]
    steps: int
    schedule: str = "lockstep"


def _variants(ann: Network, steps: int, calibration: Array | None) -> Iterator[_Variant]:
    """In the order of the table."""
    relu = next((node.name for node in ann.nodes if isinstance(node.layer, ReLU)), None)
    if relu is not None and calibration is None:
        raise SpecError(f"{relu}: ReLU has no threshold; give calibration samples, for balancing")
    make = partial(_converted, ann, calibration, BALANCE if relu else None)
    plain = make()  # what cannot be converted at all is refused before anything is compared
    yield _Variant("lockstep", lambda: plain, steps)
    for many in (steps // 2, 2 * steps, 4 * steps):
        if many:
            yield _Variant(f"lockstep, T = {many}", lambda: plain, many)
    for share in (0.0, 0.25, 0.75):
        yield _Variant(f"v_init {share:g} of the threshold", partial(make, share), steps)
    if relu:
        rules: tuple[Balance, ...] = (MaxBalance(), ErrorBalance(steps))
        for rule in rules:
            yield _Variant(type(rule).__name__, partial(_converted, ann, calibration, rule), steps)
    if calibration is not None:
        yield _Variant("biases calibrated", lambda: calibrate_bias(ann, plain, calibration, steps=steps), steps)
    before = min(RESIDUAL_STEPS, steps)
    for schedule in (f"srp:{before}", f"cos:{before}", "signed_correction", "averaged_current", "integrate_then_fire"):
        yield _Variant(schedule, lambda: plain, steps, schedule)


def _converted(ann: Network, calibration: Array | None, balance: Balance | None, v_init: float = 0.5) -> Network:
    return convert(ann, balance=balance, calibration=None if balance is None else calibration, v_init=v_init)


@dataclass(frozen=True, eq=False)
class _Source:
    """What the source network decides and gives: of a QCFS node levels, of a ReLU node activations."""

    decisions: Array
    given: Mapping[str, Array]
    levels: Mapping[str, int | None]  # L; None for ReLU

    @classmethod
    def of(cls, ann: Network, x: Array, arithmetic: Arithmetic) -> "_Source":
        folded = fold_batch_norm(ann)
        parts = [forward(folded, x[i : i + CHUNK], arithmetic=arithmetic) for i in range(0, len(x), CHUNK)]
        levels = {name: getattr(folded[name].layer, "levels", None) for name in parts[0].activations}
        return cls(
            np.concatenate([part.output.argmax(-1) for part in parts]),
            {
                name: np.concatenate([part.activations[name] if count is None else part.levels[name] for part in parts])
                for name, count in levels.items()
            },
            levels,
        )

    def exact(self, name: str, neuron: Any, counts: Array, steps: int) -> int:
        """How many neurons of the layer, over all samples, give what the source gives."""
        given, levels = self.given[name], self.levels[name]
        if levels is not None:
            return int((counts.astype(np.int64) * levels == given * steps).sum())
        theta, start = (np.asarray(spread(v, counts.shape[1:])) for v in (neuron.v_threshold, neuron.v_init))
        return int((counts == quantised_count(given.astype(np.float64), theta, steps, start / theta)).sum())


@dataclass(frozen=True, eq=False)
class _Measure:
    """How every variant is run and held against the source."""

    source: _Source
    x: Array
    labels: Array | None
    chip: ChipSpec | None
    arithmetic: Arithmetic

    def row(self, variant: _Variant) -> RepairRow:
        empty = RepairRow(variant=variant.name, steps=variant.steps, outcome=None, refused=None)
        try:
            snn = variant.make()
            trace = simulate(snn, self.x, steps=variant.steps, schedule=variant.schedule, arithmetic=self.arithmetic)
        except UnsupportedLayerError as error:
            return replace(empty, refused=str(error))
        return replace(empty, outcome=self._outcome(snn, trace))

    def _outcome(self, snn: Network, trace: Trace) -> Outcome:
        counts = trace.counts
        decisions = trace.readout[-1].argmax(-1)
        report = None if self.chip is None else hwmodel.estimate(trace.activity, self.chip)
        return Outcome(
            exact_neurons=sum(self.source.exact(n, snn[n].layer, counts[n], trace.steps) for n in snn.neurons),
            neurons=sum(counts[name].size for name in snn.neurons),
            accuracy=None if self.labels is None else float((decisions == self.labels).mean()),
            same_decision=float((decisions == self.source.decisions).mean()),
            total_steps=trace.total_steps,
            latency_steps=trace.latency_steps,
            spikes=trace.activity.total("spikes_out") / trace.n_samples,
            energy_j=None if report is None else report.mean_energy_j,
            energy_is_lower_bound=report is not None and report.is_lower_bound,
        )
