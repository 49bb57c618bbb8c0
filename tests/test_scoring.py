"""`refsnn score` from thresholds to page: what its figures must add up to, on real runs."""

import textwrap
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hwmodel
import refsnn
from hwmodel import score_pictures
from hwmodel.stopping import stopped_costs
from refsnn import score_report
from refsnn.policies import Fixed
from refsnn.score_tables import best_ones
from refsnn.scoring import Choice, score_run
from refsnn.tables import WIDTH
from refsnn.terminal import rendered


@pytest.fixture(scope="module")
def run(ann, snn, trace, test_data, calibration_data):
    readout = refsnn.simulate(snn, calibration_data.x, steps=trace.steps).readout
    chips = [hwmodel.load_chip(name) for name in ("loihi", "digital_45nm", "eyeriss_like")]
    choice = Choice(policies=("fixed", "margin", "patience", "oracle"), epsilon=0.02, guarantee="learn-then-test")
    return score_run(ann, trace, test_data, readout, calibration_data, chips, choice)


class Exits:
    """A policy that stops where it is told."""

    name = "told"

    def __init__(self, exits):
        self._exits = exits

    def exit_step(self, readout):
        return self._exits


@given(data=st.data())
def test_a_chip_that_stays_on_pays_its_static_power_until_the_last_step_would_be_over(data, trace, test_data):
    steps = data.draw(st.lists(st.integers(1, trace.steps), min_size=1, max_size=9))
    exits = np.resize(np.array(steps), trace.n_samples)
    chip = hwmodel.load_chip("loihi")
    one = hwmodel.score(Exits(exits), trace, test_data.labels, chip)
    (costs,) = stopped_costs(trace.activity, [chip])
    by_hand = [
        costs.energy_j[t - 1, n] + chip.static.value * (costs.latency_s[-1, n] - costs.latency_s[t - 1, n])
        for n, t in enumerate(exits)
    ]
    assert one.stays_on_j == pytest.approx(np.mean(by_hand), rel=1e-12)  # summed in another order
    assert one.energy_j <= one.stays_on_j
    assert one.saving_stays_on <= one.saving


def test_staying_on_is_free_without_static_power_and_unknown_where_that_is(trace, test_data):
    whole = hwmodel.score(Fixed(trace.steps), trace, test_data.labels, hwmodel.load_chip("loihi"))
    assert (whole.all_steps_j, whole.saving) == (whole.energy_j, 0)
    assert whole.stays_on_j == whole.energy_j
    assert whole.saving_stays_on == 0
    unknown = hwmodel.score(Fixed(2), trace, test_data.labels, hwmodel.load_chip("digital_45nm"))
    assert (unknown.stays_on_j, unknown.saving_stays_on) == (None, None)
    loihi = hwmodel.load_chip("loihi")
    dark = replace(loihi, static=replace(loihi.static, nominal=0.0, low=None, high=None))
    early = hwmodel.score(Fixed(2), trace, test_data.labels, dark)
    assert early.stays_on_j == early.energy_j


def test_what_stops_adds_up(run, trace, test_data):
    for policy, counts in run.exits.items():
        assert sum(counts) == trace.n_samples
        (one, *_) = [score for score in run.scores if score.policy == policy]
        mean = np.dot(counts, np.arange(1, trace.steps + 1)) / trace.n_samples
        assert one.mean_steps == pytest.approx(mean)
    for t, accuracy in enumerate(run.by_step, 1):
        assert accuracy == hwmodel.score(Fixed(t), trace, test_data.labels, hwmodel.load_chip("loihi")).accuracy
    for one, bounds in zip(run.scores, run.bounds, strict=True):
        assert bounds.low_j <= one.energy_j <= bounds.high_j


def test_savings_are_against_frames_of_the_source_on_the_same_chip(run):
    found = run.as_data()
    for one in found["scores"]:
        frames = {twin["name"]: twin["energy_j"] for twin in found["sources"][one["chip"]]}
        assert one["saving_against_source"] == {name: 1 - one["energy_j"] / energy for name, energy in frames.items()}
        assert "source, dense" in frames
    assert [entry["chip"] for entry in found["baselines"]] == ["eyeriss_like"]


def test_too_few_calibration_samples_are_said(ann, trace, test_data, calibration_data, snn):
    few = replace(calibration_data, x=calibration_data.x[:20], y=calibration_data.labels[:20])
    readout = refsnn.simulate(snn, few.x, steps=trace.steps).readout
    found = score_run(
        ann, trace, test_data, readout, few, [hwmodel.load_chip("loihi")], Choice(policies=("spikecp",), epsilon=0.01)
    )
    (sentence,) = found.remarks
    assert sentence == (
        "prediction set: 20 calibration samples are too few for alpha = 0.1 at 8 checkpoints, so that it never stops early; "
        "79 would do"
    )
    assert textwrap.fill(sentence, WIDTH) in found.tables()
    assert found.exits["prediction set"] == (0,) * 7 + (trace.n_samples,)


def test_tables_fit_and_mark_what_nothing_dominates(run):
    text = "".join(rendered(table) for table in run.tables())
    assert max(map(len, text.splitlines())) <= WIDTH
    best = best_ones(run.scores)
    assert best
    for policy, chip in best:
        (one,) = [s for s in run.scores if (s.policy, s.chip) == (policy, chip)]
        for other in run.scores:
            if other.chip == chip and other.policy != "oracle":
                assert not (other.accuracy > one.accuracy and other.energy_j <= one.energy_j)
                assert not (other.accuracy >= one.accuracy and other.energy_j < one.energy_j)
    assert not [policy for policy, _ in best if policy == "oracle"]


def test_the_page_shows_every_policy_and_fetches_nothing(run):
    html = score_report.html(run)
    assert html == score_report.html(run)
    assert "<script" not in html
    assert html.count("<svg") == 3
    for policy in run.exits:
        assert html.count(policy) >= 4
    assert "energy with all figures at their low .. high end" in html
    assert "NOT A TEST" in score_report.html(replace(run, shared=3))


def test_pictures_name_what_they_show_and_run_out_of_neither_colours_nor_marks(run):
    many = [replace(run.scores[0], policy=f"policy {i}") for i in range(30)]
    svg = score_pictures.accuracy_against_steps(run.by_step, many)
    assert svg == score_pictures.accuracy_against_steps(run.by_step, many)
    for one in many:
        assert one.policy in svg
    assert "stop after step" in score_pictures.exits_by_policy(run.exits)
    assert "loihi" in score_pictures.energy_against_accuracy(run.scores, run.bounds, best_ones(run.scores))
