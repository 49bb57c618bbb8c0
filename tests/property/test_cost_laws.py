"""Laws of the cost model."""

from dataclasses import replace
from math import fsum, isclose

import numpy as np
import pytest
from brute_force import connections
from hypothesis import given
from hypothesis import strategies as st
from same import assert_same_activity

import hwmodel
from hwmodel import strategies as hw
from hwmodel.accesses import COUNTS, Place
from hwmodel.chip import Family
from hwmodel.figures import Grade
from hwmodel.model import estimate
from refsnn import simulate
from refsnn import strategies as snn

# these hold few neurons, few inputs of a core, or certain strides only
NARROW = {"odin", "reckon", "speck", "tianjic", "truenorth", "xylo"}
PACKAGED = [hwmodel.load_chip(name) for name in hwmodel.chip_names() if name not in NARROW]
any_chips = st.sampled_from(PACKAGED) | hw.chips()
# a sum of n nonnegative floats is off by at most n units in the last place; below 1e5 rows and steps here
REL = 1e5 * 2**-52


@st.composite
def runs(draw):
    network, x, steps = draw(snn.cases() | snn.any_cases())
    trace = simulate(network, x, steps=steps)
    exits = draw(st.lists(st.integers(1, steps), min_size=len(x), max_size=len(x)))
    return network, x, trace, np.array(exits)


def close(a, b):
    return isclose(a, b, rel_tol=REL, abs_tol=0.0)


@given(run=runs(), chip=any_chips)
def test_the_total_is_the_sum_of_its_rows_and_of_its_steps(run, chip):
    report = estimate(run[2].activity, chip)
    assert report.energy_j == fsum(row.energy_j for row in report.rows if row.energy_j is not None)
    assert close(report.energy_j, float(report.step_energy_j.sum()))
    assert close(report.energy_j, float(report.energy_per_sample_j.sum()))
    assert close(report.energy_j, fsum(e or 0.0 for _, e in report.by_component().values()))


@given(run=runs())
def test_until_the_last_step_changes_nothing(run):
    activity = run[2].activity
    assert_same_activity(activity.until(np.full(activity.n_samples, activity.n_steps)), activity)


@given(run=runs(), chip=any_chips)
def test_pricing_a_truncated_activity_is_pricing_the_stopped_run(run, chip):
    """Each sample really stopped: simulated on its own for no more than its steps."""
    network, x, trace, exits = run
    truncated = estimate(trace.activity.until(exits), chip)
    for n, steps in enumerate(exits):
        stopped = estimate(simulate(network, x[n : n + 1], steps=int(steps)).activity, chip)
        assert truncated.step_energy_j[:steps, n].tolist() == stopped.step_energy_j[:, 0].tolist()
        assert truncated.step_time_s[:steps, n].tolist() == stopped.step_time_s[:, 0].tolist()
        assert not truncated.step_energy_j[steps:, n].any()
        assert not truncated.step_time_s[steps:, n].any()


@given(run=runs(), chip=any_chips)
def test_cost_is_additive_over_samples(run, chip):
    network, x, trace, _ = run
    whole = estimate(trace.activity, chip)
    parts = [estimate(simulate(network, x[n : n + 1], steps=trace.steps).activity, chip) for n in range(len(x))]
    assert close(whole.energy_j, fsum(part.energy_j for part in parts))
    for key, (count, _) in whole.by_component().items():
        if key[0] != "chip":
            assert count == sum(part.by_component().get(key, (0, 0.0))[0] for part in parts)


@given(run=runs(), chip=any_chips)
def test_dynamic_energy_is_additive_over_nodes(run, chip):
    """The rows of a node are those it has when nobody else works."""
    activity = run[2].activity
    for row in estimate(activity, chip).rows:
        if row.node == "chip":
            continue
        idle = tuple(
            n if n.node == row.node else n.with_counts({k: v * 0 for k, v in n.counts().items()})
            for n in activity.nodes
        )
        assert row in estimate(replace(activity, nodes=idle), chip).rows


IDLE = {"bitmap_words", "run_length_words", "image_loads", "readout_words", "final_readout_words", "spilled_weight_words",
        "spilled_membrane_words", "crossbar_reads", "crossbar_windows", "crossbar_stacks", "crossbar_outputs", "steps",
        "samples"}  # fmt: skip


@given(run=runs(), chip=any_chips.filter(lambda chip: chip.family is not Family.FRAME_BASED))
def test_zero_activity_costs_only_what_every_step_or_sample_costs_and_static_energy(run, chip):
    activity = run[2].activity
    idle = tuple(n.with_counts({k: v * 0 for k, v in n.counts().items()}) for n in activity.nodes)
    report = estimate(replace(activity, nodes=idle), chip)
    always = {(c.name, a.name) for c in chip.components for a in c.actions if IDLE & set(a.counts)}
    assert {(row.component, row.action) for row in report.rows} <= {*always, ("chip", "static power x time")}
    dynamic = fsum(row.energy_j or 0.0 for row in report.rows if row.component != "chip")
    assert close(report.energy_j, dynamic + (chip.static.nominal or 0.0) * float(report.step_time_s.sum()))


@given(run=runs(), chip=any_chips, pick=st.integers(0, 99), factor=st.floats(1.0, 10.0))
def test_a_dearer_figure_never_makes_a_run_cheaper_and_only_its_rows_change(run, chip, pick, factor):
    activity = run[2].activity
    actions = [(i, j) for i, c in enumerate(chip.components) for j in range(len(c.actions))]
    i, j = actions[pick % len(actions)]
    action = chip.components[i].actions[j]
    if action.energy.grade is Grade.UNKNOWN:
        return
    dearer = replace(action.energy, nominal=action.energy.nominal * factor, low=None, high=None)
    component = replace(chip.components[i], actions=[*chip.components[i].actions[:j], replace(action, energy=dearer),
                                                     *chip.components[i].actions[j + 1 :]])  # fmt: skip
    other = replace(chip, components=[*chip.components[:i], component, *chip.components[i + 1 :]])
    before, after = estimate(activity, chip), estimate(activity, other)
    assert after.energy_j >= before.energy_j
    for old, new in zip(before.rows, after.rows, strict=True):
        if (old.component, old.action) == (component.name, action.name):
            assert new.energy_j == pytest.approx(old.energy_j * factor, rel=REL)
        else:
            assert new == old


@given(run=runs(), chip=any_chips)
def test_the_interval_contains_the_nominal(run, chip):
    report = estimate(run[2].activity, chip)
    low, high = report.interval_j
    assert low <= report.energy_j * (1 + REL)
    assert high >= report.energy_j * (1 - REL)
    assert (high == np.inf) == report.is_lower_bound


@given(run=runs(), lanes=st.integers(1, 9))
def test_memory_accesses_equal_an_enumeration_of_rows(run, lanes):
    """Every event that meets a tap of the kernel reads the outputs behind it, `lanes` at a time."""
    network, _, trace, _ = run
    for node in trace.activity.nodes:
        if node.kind != "weight":
            continue
        layer = network[node.node].layer
        wires = connections(layer, network.shapes[node.inputs[0]])
        groups = getattr(layer, "groups", 1)
        outputs = len(layer.weight) // groups
        assert node.row_length == outputs
        assert len(wires) % outputs == 0
        per_row = -(-outputs // lanes)
        expected = (node.synops + node.macs) / outputs * per_row
        terms = COUNTS["rows"].of(node, Place(lanes=lanes))
        assert (sum(float(times) * getattr(node, base) for base, times in terms.items()) == expected).all()


@given(run=runs())
def test_frame_based_work_is_every_connection_in_every_step(run):
    network, _, trace, exits = run
    activity = trace.activity.until(exits)
    for node in activity.nodes:
        wires = connections(network[node.node].layer, network.shapes[node.inputs[0]]) if node.kind == "weight" else []
        assert COUNTS["dense_macs"].of(node, Place()) == ({"steps": len(wires)} if node.kind == "weight" else {})
    chip = hwmodel.load_chip("eyeriss_like")
    macs = estimate(activity, replace(chip, components=chip.components[:1])).by_component()
    dense = sum(node.dense_ops for node in activity.nodes if node.kind == "weight")
    assert macs.get(("mac array", "multiply-accumulate"), (0, 0))[0] == dense * int(exits.sum())
