"""The laws as a library: they hold for whatever is drawn, see what is broken, and say where they say nothing."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import refsnn
from refsnn import Exact, FixedPoint, Float32, Float64, Network, Node, Q, laws, simulate
from refsnn import strategies as snn
from refsnn.errors import NothingCompared, UnsupportedLayerError
from refsnn.laws.changing import scaled_by
from refsnn.layers import Add, BatchNorm, Linear
from refsnn.neurons import IF, LIF, Firing, Reset, ResetTime

MANY_RUNS = 40  # examples; each one is some thirty runs
ARITHMETICS = st.sampled_from([Float32(), Float64(), Exact()])


@given(case=snn.cases() | snn.any_cases(), arithmetic=snn.arithmetics())
@settings(max_examples=MANY_RUNS)
def test_every_law_that_applies_holds(case, arithmetic):
    network, x, steps = case
    if isinstance(arithmetic, FixedPoint):
        network = refsnn.quantise(network, arithmetic)
    report = laws.check(network, x, steps=steps, arithmetic=arithmetic)
    assert report.findings == ()
    assert {law.name for law in laws.LAWS} == set(report.applied) | set(report.left_out)


@given(network=snn.networks() | snn.any_networks(), steps=st.integers(1, 6), data=st.data())
@settings(max_examples=MANY_RUNS)
def test_every_law_that_applies_holds_for_every_drive(network, steps, data):
    assert laws.check(network, data.draw(snn.drives(network)), steps=steps).findings == ()


@given(network=snn.networks(kinds=(IF,)), steps=st.integers(1, 6), arithmetic=ARITHMETICS, data=st.data())
def test_every_law_that_applies_holds_where_sums_round(network, steps, arithmetic, data):
    x = data.draw(snn.inputs_for(network, domain=(-1.0, 2.0)))
    assert laws.check(network, x, steps=steps, arithmetic=arithmetic).findings == ()


@given(case=snn.tie_cases(), arithmetic=ARITHMETICS)
def test_every_law_applies_to_ties_and_holds(case, arithmetic):
    network, x, steps = case
    report = laws.check(network, np.repeat(x, 2, 0), steps=steps + 1, arithmetic=arithmetic)
    assert list(report.applied) == [law.name for law in laws.LAWS]
    assert report


@given(
    theta=st.sampled_from([0.5, 1.0, 1.25]), v_init=st.sampled_from([0.0, 0.5, -1.0]), firing=st.sampled_from(Firing),
    max_spikes=st.sampled_from([1, 2, None]), v_negative=st.sampled_from([None, -0.5, 0.0]), steps=st.integers(1, 6),
    x=snn.tensors((2, 2), -3, 3), arithmetic=ARITHMETICS,
)  # fmt: skip
def test_charge_is_kept_by_every_neuron_that_loses_none(
    theta, v_init, firing, max_spikes, v_negative, steps, x, arithmetic
):
    """Several spikes a step, and spikes of -1."""
    neuron = IF(v_threshold=theta, v_init=v_init, firing=firing, max_spikes=max_spikes, v_negative=v_negative)
    assert laws.charge_balance(one_neuron(neuron), x, steps=steps, arithmetic=arithmetic) == []


@given(case=snn.cases(kinds=(IF,)), exponent=st.integers(-3, 3))
def test_a_scaled_network_is_scaled(case, exponent):
    """The potentials themselves: exactly 2^k times those of the network as it was; where a neuron reads spikes that are worth
    what they were, without weights between, its threshold and its potentials stay.
    """
    network, x, steps = case
    try:
        scaled = scaled_by(network, 2.0**exponent)
    except UnsupportedLayerError:
        return
    plain, other = (simulate(n, x, steps=steps, backend="fast") for n in (network, scaled))
    for name in network.neurons:
        factor = scaled[name].layer.v_threshold / network[name].layer.v_threshold
        assert factor in (1.0, 2.0**exponent)
        assert (plain.residual[name] * factor == other.residual[name]).all()


def one_neuron(neuron, **weights):
    nodes = Node("w", Linear(weight=np.eye(2, dtype=np.float32), **weights), ("input",)), Node("n", neuron, ("w",))
    return Network("one", (2,), (*nodes, Node("out", Linear(weight=np.eye(2, dtype=np.float32)), ("n",))))


X = np.array([[0.5, 0.75], [1.0, -0.25], [0.25, 2.0]], np.float32)


@dataclass(frozen=True, eq=False)
class Careless:
    """A drive that breaks what drives promise: its numbers depend on how many steps or samples are asked for at once."""

    of_steps: float = 0.0
    of_samples: float = 0.0
    n_samples = 3
    sample_shape = (2,)
    spiking = False
    digest = "careless"

    def inputs(self, steps, samples):
        x = X[samples]
        return np.broadcast_to(x + self.of_steps * steps + self.of_samples * (len(x) == 3), (steps, *x.shape))


@pytest.mark.parametrize(
    ("drive", "broken"),
    [
        (Careless(), []),
        (Careless(of_steps=0.125), ["prefix"]),
        (Careless(of_samples=0.5), ["sample independence", "thread independence"]),
    ],
)
def test_a_drive_that_looks_at_the_run_is_found_out(drive, broken):
    report = laws.check(one_neuron(IF(v_threshold=1.0)), drive, steps=3)
    assert sorted({finding.law for finding in report.findings}) == broken


def spoiled(law_of, change):
    """A simulator that gives something else than it computed, where `law_of` says so."""

    def run(network, drive, **options):
        trace = simulate(network, drive, **options)
        return change(trace) if law_of(network, options) else trace

    return run


def one_more(kind, node):
    def change(trace):
        values = getattr(trace, kind)[node].copy()
        values.flat[3] = values.flat[3] + 1 if values.dtype != bool else ~values.flat[3]
        return replace(trace, **{kind: {**getattr(trace, kind), node: values}})

    return change


def always(network, options):
    return True


@pytest.mark.parametrize(
    ("when", "change", "law", "place", "difference"),
    [
        (lambda network, options: options.get("backend") == "naive", one_more("v", "n"), "backends equal",
         "layer n, step 1, sample 1, neuron [1]", "backends equal: expected v 0.75, got -0.25 (in fast)"),
        (lambda network, options: len(network.nodes) == 3, one_more("residual", "n"), "charge balance",
         "layer n, sample 1, neuron [1]", "charge balance: expected -0.75, got 0.25 (v_init + the sum of its currents)"),
        (lambda network, options: len(network.nodes) == 3, one_more("counts", "n"), "integrate then fire",
         "layer n, sample 1, neuron [1]", "integrate then fire: expected 0, got 1 (spikes of the quantiser)"),
        (always, one_more("counts", "n"), "count within steps",
         "layer n, sample 1, neuron [1]", "count within steps: expected the number of spikes recorded, got 1 (counts and spikes disagree)"),
        (lambda network, options: True, lambda trace: replace(trace, readout=trace.readout + 1), "silence",
         "layer readout, step 1, sample 0, neuron [0]",
         "silence: expected readout 0.0, got 1.0 (without input, bias and initial potential)"),
        (lambda network, options: network["n"].layer.v_threshold == 4.0, one_more("spikes", "n"), "power-of-two scaling",
         "layer n, step 1, sample 1, neuron [1]", "power-of-two scaling: expected spikes False, got True (with the factor 4)"),
    ],
)  # fmt: skip
def test_a_broken_simulator_is_found_out(when, change, law, place, difference, monkeypatch):
    monkeypatch.setattr("refsnn.laws.law.simulate", spoiled(when, change))
    (checked,) = (known for known in laws.LAWS if known.name == law)
    (finding,) = checked(one_neuron(IF(v_threshold=1.0)), X, steps=3)
    assert finding.place == place
    assert finding.difference == difference


def test_a_count_beyond_the_steps_is_found_out(monkeypatch):
    def change(trace):
        spikes = np.full_like(trace.spikes["n"], 1)
        return replace(trace, spikes={"n": spikes}, counts={"n": spikes.sum(0, dtype=np.int32) + np.int32(1)})

    monkeypatch.setattr("refsnn.laws.law.simulate", spoiled(always, change))
    first, _ = laws.count_within_steps(one_neuron(IF(v_threshold=1.0)), X, steps=3)
    assert str(first) == "layer n, sample 0, neuron [0]: count within steps: expected 0 to 3, got 4 (spikes in the run)"


@pytest.mark.parametrize(
    ("neuron", "why"),
    [
        (LIF(v_threshold=1.0, decay=0.5), "LIF leaks"),
        (IF(v_threshold=1.0, reset=Reset.TO_VALUE), "reset: to_value does not keep what was left"),
        (IF(v_threshold=1.0, reset_time=ResetTime.BEFORE_CHARGE),
         "reset_time: before_charge leaves the last spike's reset to a step that is not run"),
        (IF(v_threshold=1.0, refractory=1), "a refractory neuron takes in no current"),
        (IF(v_threshold=1.0, v_max=2.0), "clamps at v_min and v_max lose charge"),
        (IF(v_threshold=1e-7), "rounding may take its charge 9.51e-06 off, half a spike is 5e-08"),
    ],
)  # fmt: skip
def test_charge_balance_says_where_it_says_nothing(neuron, why):
    x = X * np.float32(0.7)
    report = laws.check(one_neuron(neuron), x, steps=3, laws=(laws.charge_balance,))
    assert report
    assert report.applied == {}
    assert report.left_out == {"charge balance": {"n": why}}
    with pytest.raises(UnsupportedLayerError) as caught:
        laws.charge_balance(one_neuron(neuron), x, steps=3)
    assert str(caught.value) == f"law 'charge balance' does not apply to 'one': n: {why}"


FIXED = FixedPoint(Q(8, 4), Q(16, 8), Q(16, 8))


@pytest.mark.parametrize(
    ("law", "options", "why"),
    [
        (laws.prefix, {"steps": 1}, "a run of one step has no shorter one"),
        (laws.sample_independence, {"x": X[:1]}, "one sample has no others beside it; give two or more"),
        (laws.thread_independence, {"x": X[:1]}, "one sample is one chunk, whatever the number of threads; give two or more"),
        (laws.charge_balance, {"arithmetic": FIXED}, "fixed point rounds every current on purpose"),
        (laws.integrate_then_fire, {"arithmetic": FIXED}, "fixed point runs in lockstep or pipeline only"),
        (laws.power_of_two_scaling, {"arithmetic": FIXED}, "fixed point has one grid, whatever the scale"),
        (laws.integrate_then_fire, {"neuron": LIF(v_threshold=1.0, decay=0.5)},
         "n: integrate_then_fire needs IF neurons with reset: subtract, whose charge is not lost; found LIF with reset: subtract"),
        (laws.silence, {"neuron": IF(v_threshold=1.0, v_negative=0.0)}, "n: a potential of 0 reaches v_negative"),
        (laws.silence, {"neuron": IF(v_threshold=1.0, v_min=0.5)}, "n: v_min is above 0"),
    ],
)  # fmt: skip
def test_laws_say_why_they_do_not_apply(law, options, why):
    given = {"x": X, "steps": 3, **options}
    network = one_neuron(given.pop("neuron", IF(v_threshold=1.0)))
    report = laws.check(network, given.pop("x"), laws=(law,), **given)
    assert report.left_out == {law.name: {"network": why}}
    assert str(report).splitlines()[1:] == [
        f"  {law.name}: does not apply: {law.statement}",
        f"    not checked: network: {why}",
    ]


def test_laws_of_neurons_do_not_apply_without_neurons():
    network = Network("bare", (2,), (Node("w", Linear(weight=np.eye(2)), ("input",)),))
    report = laws.check(network, X, steps=3)
    of_neurons = ("charge balance", "integrate then fire", "count within steps", "power-of-two scaling")
    assert report.left_out == {name: {"network": "nothing spikes"} for name in of_neurons}
    assert report


def test_a_neuron_that_fires_above_its_threshold_is_no_quantiser():
    report = laws.check(one_neuron(IF(v_threshold=1.0, firing=Firing.ABOVE_THRESHOLD)), X, steps=3)
    assert report.left_out == {
        "integrate then fire": {"n": "fires above its threshold only; the quantiser counts what is at it"}
    }


def test_what_does_not_scale_alike_is_named():
    neuron = Node("n", IF(v_threshold=1.0), ("w",))
    weights = Node("w", Linear(weight=np.eye(2)), ("input",))
    join = Node("sum", Add(), ("w", "input"))
    report = laws.check(Network("net", (2,), (weights, join, replace(neuron, inputs=("sum",)))), X, steps=2)
    assert report.left_out == {"power-of-two scaling": {"network": "sum: w, input do not all scale alike"}}
    ones = np.ones(2, np.float32)
    norm = Node("bn", BatchNorm(weight=ones, bias=ones, mean=ones, var=ones), ("w",))
    report = laws.check(Network("net", (2,), (weights, norm, replace(neuron, inputs=("bn",)))), X, steps=2)
    assert report.left_out["silence"] == {"network": "bn: BatchNorm gives current without input; fold it first"}
    assert report.left_out["power-of-two scaling"] == {"network": "bn: BatchNorm does not scale; fold it first"}
    assert report.left_out["charge balance"] == {"n": "rounding may take its charge inf off, half a spike is 0.5"}


def test_no_samples_break_no_law_and_keep_none():
    with pytest.raises(NothingCompared, match="input x: no samples; give at least one"):
        laws.check(one_neuron(IF(v_threshold=1.0)), X[:0], steps=3)


def test_a_report_by_paper():
    """Two samples, two neurons, three steps of IF: everything applies; the lines say which law is which."""
    report = laws.check(one_neuron(IF(v_threshold=1.0)), X, steps=3)
    assert str(report) == "\n".join(
        ["one: T = 3, Float32, 3 samples: 9 of 9 laws apply, all of them hold"]
        + [f"  {law.name}: holds: {law.statement}" for law in laws.LAWS]
    )
