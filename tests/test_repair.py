"""Repairs side by side: what a row says, against the functions that it is made of."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwmodel
from refsnn import Exact, Float64, Network, Node, compare_repairs, convert, forward, simulate, verify
from refsnn import strategies as snn
from refsnn.errors import NothingCompared, ShapeError, SpecError, UnsupportedLayerError
from refsnn.layers import QCFS, AvgPool2d, Conv2d, ReLU
from refsnn.repair import Outcome, RepairRow
from refsnn.repair_table import repair_table
from refsnn.terminal import rendered

COUNTING = ("signed_correction", "averaged_current", "integrate_then_fire")


@pytest.fixture(scope="module")
def rows(ann, test_data, calibration_data):
    return compare_repairs(
        ann,
        test_data.x[:40],
        test_data.y[:40],
        steps=8,
        calibration=calibration_data.x[:40],
        chip=hwmodel.load_chip("loihi"),
    )


def by_name(rows):
    return {row.variant: row.outcome for row in rows}


def test_the_rows_of_a_qcfs_network(rows):
    assert [row.variant for row in rows] == [
        "lockstep", "lockstep, T = 4", "lockstep, T = 16", "lockstep, T = 32", "v_init 0 of the threshold",
        "v_init 0.25 of the threshold", "v_init 0.75 of the threshold", "biases calibrated", "srp:4", "cos:4", *COUNTING,
    ]  # fmt: skip
    assert all(row.refused is None for row in rows)
    assert [row.steps for row in rows][:4] == [8, 4, 16, 32]
    assert {by_name(rows)[name].exact for name in COUNTING} == {1.0}
    assert {by_name(rows)[name].same_decision for name in COUNTING} == {1.0}
    assert 0.9 < by_name(rows)["lockstep"].exact < 1


def test_a_row_is_a_run(rows, ann, snn, test_data):
    x, chip = test_data.x[:40], hwmodel.load_chip("loihi")
    decisions = forward(ann, x).output.argmax(-1)
    for schedule, name in (("lockstep", "lockstep"), ("cos", "cos:4")):
        trace, outcome = simulate(snn, x, steps=8, schedule=schedule), by_name(rows)[name]
        assert outcome.accuracy == (trace.readout[-1].argmax(-1) == test_data.y[:40]).mean()
        assert outcome.same_decision == (trace.readout[-1].argmax(-1) == decisions).mean()
        assert (outcome.total_steps, outcome.latency_steps) == (trace.total_steps, trace.latency_steps)
        assert outcome.spikes == trace.activity.total("spikes_out") / 40
        report = hwmodel.estimate(trace.activity, chip)
        assert (outcome.energy_j, outcome.energy_is_lower_bound) == (report.mean_energy_j, report.is_lower_bound)


@settings(max_examples=12)
@given(network=snn.source_networks(), steps=st.integers(1, 6), data=st.data())
def test_exact_neurons_are_those_of_verify(network, steps, data):
    """End to end, in real numbers."""
    x = data.draw(snn.inputs(network))
    found = by_name(compare_repairs(network, x, steps=steps, arithmetic=Exact()))
    for schedule in ("lockstep", *COUNTING):
        layers = verify(network, convert(network), x, steps=steps, schedule=schedule).layers
        assert found[schedule].exact_neurons == sum(layer.end_to_end.exact for layer in layers)
        assert found[schedule].neurons == sum(layer.end_to_end.neurons for layer in layers)


@settings(max_examples=12)
@given(x=snn.tensors((3, 2)), calibration=snn.tensors((1, 2)), steps=st.integers(1, 6))
def test_one_relu_layer_is_exact_from_every_potential_and_for_every_t(x, calibration, steps):
    """Under constant current the neuron is its quantiser, whatever that makes of the activation."""
    calibration = calibration + np.float32(8)  # shares no sample with x
    network = Network("one", (2,), (Node("act", ReLU(), ("input",)),))
    for row in compare_repairs(network, x, steps=steps, calibration=calibration, arithmetic=Float64()):
        if row.variant == "biases calibrated":
            assert row.refused == (
                "act: no Linear, Conv1d or Conv2d that nothing else reads stands in front of it to take a bias; it reads the input"
            )
        elif not row.variant.startswith(("srp", "cos")):
            assert row.outcome.exact == 1


@settings(max_examples=12)
@given(network=snn.relu_networks(), data=st.data())
def test_the_rows_of_a_relu_network(network, data):
    x = data.draw(snn.inputs(network))
    calibration = data.draw(snn.inputs(network)) + np.float32(8)
    seen, options = [], {"steps": 2, "calibration": calibration}
    try:
        rows = compare_repairs(network, x, progress=lambda *done: seen.append(done), **options)
    except UnsupportedLayerError as error:
        assert "PercentileBalance(percentile=99.9, per_channel=False) gives a threshold of 0" in str(error)  # noqa: PT017
        return
    assert [row.variant for row in rows][7:10] == ["MaxBalance", "ErrorBalance", "biases calibrated"]
    assert seen == [(i + 1, len(rows)) for i in range(len(rows))]
    assert all((row.outcome is None) == (row.refused is not None) for row in rows)
    assert all(row.outcome.accuracy is None and row.outcome.energy_j is None for row in rows if row.outcome)


def test_a_variant_that_the_network_rules_out_says_why():
    nodes = (
        Node("conv", Conv2d(weight=np.ones((1, 1, 1, 1))), ("input",)),
        Node("pool", AvgPool2d(kernel=2), ("conv",)),
    )
    network = Network("pooled", (1, 2, 2), (*nodes, Node("act", QCFS(threshold=1.0, levels=4), ("pool",))))
    rows = compare_repairs(network, np.ones((1, 1, 2, 2)), steps=4, calibration=np.zeros((1, 1, 2, 2)))
    (refused,) = [row for row in rows if row.refused]
    assert refused.variant == "biases calibrated"
    text = rendered(repair_table(rows))
    assert "biases calibrated: act: no Linear, Conv1d or Conv2d" in text
    assert "energy" not in text
    assert "accuracy" not in text


def test_the_table_fits_and_rounds_no_share_up(rows):
    almost = replace(rows[0].outcome, exact_neurons=999_999, neurons=1_000_000, spikes=1_234_567.8, energy_j=123e-6)
    table = repair_table(
        [*rows, RepairRow(variant="v_init 0.25 of the threshold", steps=8, outcome=almost, refused=None)]
    )
    assert table.columns == ["variant", "exact", "accuracy", "as source", "steps", "latency", "spikes", "energy"]
    assert table.rows[-1][:2] == ["v_init 0.25 of the threshold", "99.99 %"]
    assert table.rows[-1][6:] == ["1,234,568", ">=123 uJ"]
    assert max(map(len, rendered(table).splitlines())) <= 100
    assert isinstance(rows[0].outcome, Outcome)


X = np.ones((2, 1))
PLAIN = Network("plain", (1,), (Node("act", QCFS(threshold=1.0, levels=4), ("input",)),))


@pytest.mark.parametrize(
    ("network", "options", "kind", "message"),
    [
        (PLAIN, {"x": X, "calibration": np.array([[1.0], [2.0]])}, SpecError,
         "calibration: shares 2 samples with x; calibrate on samples that are not scored"),
        (PLAIN, {"x": X[:0]}, NothingCompared, "compare_repairs: x has no samples; give at least one"),
        (PLAIN, {"x": X, "calibration": X[:0]}, NothingCompared,
         "compare_repairs: calibration has no samples; give at least one"),
        (PLAIN, {"x": X, "labels": np.zeros(3, int)}, ShapeError, "labels have shape [3], x has 2 samples"),
        (Network("relu", (1,), (Node("act", ReLU(), ("input",)),)), {"x": X}, SpecError,
         "act: ReLU has no threshold; give calibration samples, for balancing"),
    ],
)  # fmt: skip
def test_what_is_not_compared(network, options, kind, message):
    with pytest.raises(kind) as error:
        compare_repairs(network, steps=4, **options)
    assert str(error.value) == message
