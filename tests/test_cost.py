"""The cost model on networks small enough for paper, capacity, and the packaged chips."""

import ast
import json
from dataclasses import replace
from math import fsum
from pathlib import Path

import numpy as np
import pytest

import hwmodel
import refsnn
from hwmodel.chip import Execution
from hwmodel.cores import Cores
from hwmodel.figures import Grade
from refsnn import Network, Node, simulate
from refsnn.errors import CapacityError, NothingCompared, ShapeError, SpecError
from refsnn.layers import Linear
from refsnn.neurons import IF
from refsnn.policies import Confidence, Fixed

CHIP = """\
name: paper
description: one memory, one adder
technology: {node: '45 nm', voltage: null}
family: many_core
execution: sequential
clock: '1 MHz'
components:
  - name: memory
    part: memory
    holds: weights
    capacity: '16 B'
    width: '16 bit'
    word: '8 bit'
    actions:
      - {name: read, counts: [rows], cycles: 1, energy: {nominal: '10 pJ', low: '5 pJ', high: '20 pJ', kind: marginal, grade: estimated, source: paper}}
  - name: adder
    part: compute
    instances: 2
    actions:
      - {name: add, counts: [synops, macs], cycles: 1, energy: {nominal: '1 pJ', kind: marginal, grade: estimated, source: paper}}
      - {name: update, counts: [updates], cycles: 3, energy: {nominal: '2 pJ', kind: marginal, grade: estimated, source: paper}}
barrier: {nominal: '2 us', kind: marginal, grade: estimated, source: paper}
static: {nominal: '1 uW', kind: static, grade: estimated, source: paper}
"""


@pytest.fixture
def chip(tmp_path):
    (tmp_path / "paper.yaml").write_text(CHIP)
    return hwmodel.load_chip(tmp_path / "paper.yaml")


@pytest.fixture
def activity():
    """Two inputs, both on; two neurons that fire at every step; three outputs. Two steps, one sample."""
    network = Network("net", (2,), (
        Node("fc1", Linear(weight=np.ones((2, 2))), ("input",)),
        Node("if1", IF(v_threshold=1.0), ("fc1",)),
        Node("fc2", Linear(weight=np.ones((3, 2))), ("if1",)),
    ))  # fmt: skip
    return simulate(network, np.ones((1, 2)), steps=2).activity


def test_a_run_priced_on_paper(activity, chip):
    """Per step: fc1 4 MACs, rows of 2 in one access each: 2 accesses. fc2 6 accumulates, rows of 3 take 2 accesses: 4.
    2 updates. Energy per step 60 + 10 + 4 = 74 pJ. Cycles: the group of if1 has 2 accesses against (4 + 2 * 3) / 2 = 5 on
    the two adders, rounded up per action: 2 + 3 = 5; the readout 4 accesses against 3 additions: 4. 9 cycles, 2 of barrier:
    11 us, at 1 uW 11 pJ.
    """
    report = hwmodel.estimate(activity, chip)
    rows = {(row.node, row.action): (row.count, row.energy_j, row.cycles) for row in report.rows}
    assert rows["fc1", "read"] == (4, pytest.approx(40e-12), 4)
    assert rows["fc1", "add"] == (8, pytest.approx(8e-12), 8)
    assert rows["if1", "update"] == (4, pytest.approx(8e-12), 12)
    assert rows["fc2", "read"] == (8, pytest.approx(80e-12), 8)
    assert rows["fc2", "add"] == (12, pytest.approx(12e-12), 12)
    assert rows["chip", "static power x time"] == (1, pytest.approx(22e-12), None)
    assert report.energy_j == pytest.approx(170e-12)
    assert report.interval_j == (pytest.approx(110e-12), pytest.approx(290e-12))
    assert report.step_cycles.tolist() == [[11], [11]]
    assert report.cycles_per_step == 11
    assert report.latency_per_sample_s.tolist() == [pytest.approx(22e-6)]
    assert not report.is_lower_bound


def test_layers_on_cores_of_their_own_take_as_long_as_the_slowest(activity, chip):
    """Two slots deep: slot 1 has step 1 of if1's group, 5 + 2 cycles and 20 + 4 + 4 pJ; slot 2 step 2 of it and step 1 of the
    readout, 7 cycles and 28 + 40 + 6 pJ; slot 3 step 2 of the readout, 4 + 2 cycles and 46 pJ. The first readout is there after
    slots 1 and 2. Static: 1 pJ a cycle.
    """
    parallel = hwmodel.estimate(activity, replace(chip, execution=Execution.PARALLEL))
    assert parallel.step_cycles.tolist() == [[14], [6]]
    assert parallel.step_energy_j.ravel().tolist() == pytest.approx([(28 + 74 + 14) * 1e-12, (46 + 6) * 1e-12])


def test_cores_share_a_layers_work(activity, chip):
    """if1's group: 2 potentials on cores of 1 neuron: 2 cores, so (2 + 3) / 2 -> 3 cycles; the readout's 4 on 3 cores -> 2."""
    cores = Cores(count=5, neurons=1, weight_memory=64, weight_bits=8)
    report = hwmodel.estimate(activity, replace(chip, execution=Execution.PARALLEL, cores=cores))
    assert report.cores == {"if1": 2, "fc2": 3}
    assert report.step_cycles.tolist() == [[3 + 2 + 3 + 2], [2 + 2]]
    assert report.split_evenly
    with pytest.raises(CapacityError, match="5 neurons and 10 weights of 8 bit need 5 cores, it has 4"):
        hwmodel.estimate(activity, replace(chip, execution=Execution.PARALLEL, cores=replace(cores, count=4)))


def test_accesses_of_the_digital_chip_on_paper(activity):
    """Per step, two potentials per access: fc1 reaches its row of 2 twice: 2; fc2 its row of 3 twice: 2 * 2; a pass over the
    2 neurons: 1. Two steps: 14. Weights, eight per access: 2 + 2 per step. Three events are written and read: 2 + 2 and 2.
    """
    report = hwmodel.estimate(activity, hwmodel.load_chip("digital_45nm"))
    counts = {key: count for key, (count, _) in report.by_component().items()}
    assert counts["potential memory", "read"] == counts["potential memory", "write"] == 14
    assert counts["weight memory", "read"] == 8
    assert counts["event queue", "write"] == 4
    assert counts["event queue", "read"] == 8
    assert counts["adder", "compare and reset"] == 4


def test_what_no_action_counts_is_unpriced_not_free(activity, chip):
    no_updates = replace(chip.components[1], actions=chip.components[1].actions[:1])
    report = hwmodel.estimate(activity, replace(chip, components=[chip.components[0], no_updates]))
    assert report.is_lower_bound
    assert report.unpriced == ("updates (4 times)",)
    assert report.interval_j[1] == float("inf")
    assert report.latency_is_lower_bound
    no_static = hwmodel.estimate(activity, replace(chip, static=hwmodel.load_chip("digital_45nm").static))
    assert (no_static.is_lower_bound, no_static.latency_is_lower_bound) == (True, False)
    assert no_static.unpriced == ("static power x time",)
    (row,) = [row for row in report.rows if row.energy_j is None]
    assert (row.node, row.component, row.action, row.count) == ("if1", "none", "updates", 4)


def test_what_does_not_fit_is_an_error_with_numbers(activity, chip, trace):
    small = replace(chip, components=[replace(chip.components[0], capacity=9), chip.components[1]])
    with pytest.raises(CapacityError) as error:
        hwmodel.estimate(activity, small)
    assert str(error.value) == (
        "chip 'paper' cannot hold the network: 10 weights of 8 bit take 10 bytes, memory has 9; take a larger chip or a "
        "smaller network"
    )
    with pytest.raises(CapacityError) as error:
        hwmodel.estimate(trace.activity, hwmodel.load_chip("odin"))
    assert str(error.value) == (
        "chip 'odin' cannot hold the network: 1610 neurons and 13706 weights of 4 bit need 7 cores, it has 1 (each 256 neurons, "
        "32768 bytes of weights); take a larger chip or a smaller network"
    )


def test_cores_are_whole_and_hold_a_layer_each(trace):
    report = hwmodel.estimate(trace.activity, hwmodel.load_chip("loihi"))
    assert report.cores == {"act1": 1, "act2": 1, "act3": 1, "fc2": 1}


def test_odin_runs_what_it_holds(activity):
    """Per step 2 inputs and 2 spikes, each a walk of 256 operations at 8.43 pJ, 2 cycles each and 1 for the event."""
    report = hwmodel.estimate(activity, hwmodel.load_chip("odin"))
    dynamic = fsum(row.energy_j or 0.0 for row in report.rows if row.component != "chip")
    assert dynamic == pytest.approx(2 * 4 * 256 * 8.43e-12)
    assert sum(row.cycles for row in report.rows if row.node in ("fc1", "fc2") and row.cycles) == 2 * 4 * 513
    assert report.unpriced == ("host multiply-accumulate (8 times)", "core time reference (2 times)")


@pytest.mark.parametrize("name", hwmodel.chip_names())
def test_every_figure_has_a_source_and_no_chip_an_idle_component(name):
    chip = hwmodel.load_chip(name)
    assert chip.name == name
    figures = [chip.static, *([chip.barrier] if chip.barrier else [])]
    for component in chip.components:
        for action in component.actions:
            figures += [action.energy, *([action.time] if action.time else [])]
    for figure in figures:
        assert len(figure.source) > 5
        if figure.grade not in (Grade.UNKNOWN, Grade.ESTIMATED):
            assert any(figure.source.startswith(reference) for reference in chip.references)
    for figure in figures:
        assert (figure.grade is Grade.UNKNOWN) == (figure.nominal is None)


def test_at_least_three_chips_and_both_families():
    chips = [hwmodel.load_chip(name) for name in hwmodel.chip_names()]
    assert {"loihi", "digital_45nm", "eyeriss_like"} <= {chip.name for chip in chips}
    assert {"many_core", "accumulator_array", "frame_based"} <= {chip.family.value for chip in chips}


def test_the_source_frame_is_the_baseline(ann, test_data):
    """67,776 connections on 168 units: ceil(7744/168) + ceil(51200/168) + ceil(8192/168) + ceil(640/168) = 405 cycles."""
    report = hwmodel.estimate(refsnn.forward(ann, test_data.x).activity, hwmodel.load_chip("eyeriss_like"))
    counts = {key: count / report.n_samples for key, (count, _) in report.by_component().items()}
    assert counts["mac array", "multiply-accumulate"] == 67_776
    assert counts["weight spad", "read"] == 33_888
    assert counts["sum spad", "write"] == 67_776
    assert counts["dram", "read"] == 8
    assert counts["global buffer", "read"] == 18 + 8 + 576 + 32 + 1024 + 8 + 16 + 1 + 1032 - 1024 + 82 - 2 + 1
    assert (report.step_cycles == 47 + 305 + 49 + 4).all()


def test_scores(trace, test_data):
    chip = hwmodel.load_chip("loihi")
    whole = hwmodel.score(Fixed(8), trace, test_data.labels, chip)
    report = hwmodel.estimate(trace.activity, chip)
    assert whole.energy_j == pytest.approx(report.mean_energy_j)
    assert whole.latency_s == pytest.approx(report.mean_latency_s)
    assert whole.mean_steps == 8
    assert whole.accuracy == (trace.readout[-1].argmax(-1) == test_data.labels).mean()
    early = hwmodel.score(Confidence(0.9), trace, test_data.labels, chip)
    assert early.energy_j < whole.energy_j
    assert early.latency_s < whole.latency_s
    exit_step = Confidence(0.9).exit_step(trace.readout)
    run = np.arange(1, 9)[:, None] <= exit_step  # what has begun by then is paid: the whole run's costs so far
    products = (report.step_energy_j * run).sum(0) * (report.step_time_s * run).sum(0)
    assert early.edp_js == pytest.approx(products.mean())
    assert early.edp_js > 1.001 * early.energy_j * early.latency_s  # slow samples are dear ones
    cheap = replace(early, accuracy=whole.accuracy)
    assert hwmodel.pareto([whole, cheap, replace(cheap, chip="other", energy_j=1.0)]) == (False, True, True)


def test_scores_are_refused_where_they_mean_nothing(trace, test_data, snn):
    chip = hwmodel.load_chip("loihi")
    with pytest.raises(ShapeError, match=r"labels have shape \[3\], the run has 400 samples"):
        hwmodel.score(Fixed(8), trace, test_data.labels[:3], chip)
    with pytest.raises(SpecError, match="computes whole frames and cannot stop early"):
        hwmodel.score(Fixed(8), trace, test_data.labels, hwmodel.load_chip("eyeriss_like"))
    delayed = simulate(snn, test_data.x[:2], steps=8, schedule="integrate_then_fire")
    with pytest.raises(SpecError, match="schedule 'integrate_then_fire' has no answer before its last steps"):
        hwmodel.score(Fixed(8), delayed, test_data.labels[:2], chip)
    with pytest.raises(NothingCompared, match="the activity has no samples"):
        hwmodel.estimate(replace(trace.activity, steps_run=np.empty(0, np.int64)), chip)


def test_a_report_is_plain_data_and_a_table(trace):
    report = hwmodel.estimate(trace.activity, hwmodel.load_chip("loihi"))
    data = json.loads(json.dumps(report.as_data(), allow_nan=False))
    assert data["energy_interval_j"][1] is None
    assert data["is_lower_bound"]
    assert data["unpriced"] == ["host multiply-accumulate (13,867,648 times)"]
    text = str(report)
    assert text.startswith(
        "loihi: >= 80.6 uJ and >= 659 us per inference, self-timed, 400 samples, 8.00 steps on average"
    )
    assert max(map(len, text.splitlines())) <= 100


def test_no_joule_stands_in_python():
    """Prices live in chip and rule files: no float of the size of an energy is written in the cost model's code."""
    folder = Path(hwmodel.__file__).parent
    for path in folder.rglob("*.py"):
        if path.name == "strategies.py":  # draws prices, in units of a pico- or a nano-
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            value = node.value if isinstance(node, ast.Constant) else None
            assert not (isinstance(value, float) and 0 < abs(value) < 1e-6), (path, value)
