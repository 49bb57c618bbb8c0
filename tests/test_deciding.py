"""What deciding costs, and what a ranking is worth, on numbers small enough for paper."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest

import hwmodel
from hwmodel.bounds import End
from hwmodel.chip import Execution
from hwmodel.deciding import decision_of, policy_cost
from hwmodel.decision import DecisionSpec
from hwmodel.figures import Figure, Grade, Kind
from hwmodel.tradeoff import score_bounds, unstable_pairs
from refsnn import Network, Node
from refsnn.layers import Flatten, Linear
from refsnn.policies import Confidence, Fixed, Oracle, Patience, PolicyNetwork, TopK


@pytest.fixture
def chip():
    return hwmodel.load_chip("digital_45nm")


def test_a_decision_by_the_margin_on_paper(chip):
    """Of 10 outputs: 17 comparisons for the two largest and one with the threshold at 0.1 pJ, a threshold from a table at 10 pJ,
    10 outputs at 10 pJ. An operation takes a cycle of 5 ns, one after the other; the subtraction is one more.
    """
    work = TopK((1.0,) * 8).work
    one = decision_of(work, 10, chip)
    counts = work.counts(10)
    assert (counts["compares"], counts["table_reads"]) == (18, 1)
    assert one.energy_j == pytest.approx((18 * 0.1 + counts["adds"] * 0.1 + 10 + 10 * 10) * 1e-12)
    assert one.time_s == pytest.approx((18 + counts["adds"] + 1 + 10) / 200e6)
    assert (one.low_j, one.high_j) == (pytest.approx(one.energy_j), pytest.approx(one.energy_j))
    assert one.unpriced == ()


def test_nothing_is_decided_after_the_last_step_nor_where_the_steps_are_fixed(chip):
    exits = np.array([1, 3, 8])
    cost = policy_cost(TopK((1.0,) * 8), exits, 8, 10, chip)
    one = decision_of(TopK((1.0,) * 8).work, 10, chip)
    assert cost.decisions.tolist() == [1, 3, 7]
    assert cost.energy_j.tolist() == pytest.approx([one.energy_j * n for n in (1, 3, 7)])
    assert cost.latency_s.tolist() == pytest.approx([one.time_s * n for n in (1, 3, 7)])
    side_by_side = policy_cost(TopK((1.0,) * 8), exits, 8, 10, replace(chip, execution=Execution.PARALLEL))
    assert side_by_side.latency_s.tolist() == pytest.approx([one.time_s] * 3)
    for free in (Fixed(3), Oracle(np.zeros(3, np.int64))):
        assert not policy_cost(free, exits, 8, 10, chip).energy_j.any()


def test_what_no_chip_says_is_unpriced(chip):
    loihi = hwmodel.load_chip("loihi")
    one = decision_of(Patience(2).work, 10, loihi)
    assert one.energy_j == 0
    assert one.high_j == inf
    assert one.time_unknown
    assert "decision: compares" in one.unpriced
    spec = chip.decision
    energies = {name: figure for name, figure in spec.energies.items() if name != "exponentials"}
    without = decision_of(Confidence(0.5).work, 10, replace(chip, decision=replace(spec, energies=energies)))
    assert without.unpriced == ("decision: exponentials",)
    assert without.high_j == inf


def test_a_message_and_a_round_trip_stand_once_a_decision(chip):
    price = Figure(kind=Kind.MARGINAL, grade=Grade.ESTIMATED, source="paper", nominal=1e-9, high=3e-9)
    host = DecisionSpec(where="host", energies={}, cycles=1, message=price, round_trip=replace(price, nominal=2e-9))
    one = decision_of(Patience(2).work, 10, replace(chip, decision=host))
    assert one.energy_j == 1e-9
    assert one.time_s >= 2e-9


def test_scores_hold_the_policys_own_work(trace, test_data, chip):
    policy = Confidence(0.9)
    one = hwmodel.score(policy, trace, test_data.labels, chip)
    decisions = np.minimum(policy.exit_step(trace.readout), 7).mean()
    assert one.policy_energy_j == pytest.approx(decisions * decision_of(policy.work, 10, chip).energy_j)
    whole = hwmodel.score(Fixed(8), trace, test_data.labels, chip)
    assert whole.policy_energy_j == 0
    assert whole.break_even_j is None
    assert one.saving == pytest.approx(1 - one.energy_j / whole.energy_j)
    # at the break-even price of a decision nothing is saved
    assert one.energy_j - one.policy_energy_j + decisions * one.break_even_j == pytest.approx(whole.energy_j)
    assert (one.steps.p50, one.steps.p99) == tuple(np.sort(policy.exit_step(trace.readout))[[199, 395]])


def test_bounds_contain_the_score_and_a_ranking_can_hang_on_one_figure(trace, test_data, chip):
    """Static power from nothing to much: with little of it the network that takes fewer events wins, with much the faster one."""
    policies = [Fixed(2), Fixed(4), Confidence(0.9)]
    for bound, one in zip(
        score_bounds(policies, trace, test_data.labels, [chip]), hwmodel.scores(policies, trace, test_data.labels, [chip]), strict=True
    ):  # fmt: skip
        assert bound.low_j <= one.energy_j * (1 + 1e-12)
        assert one.energy_j <= bound.high_j * (1 + 1e-12)
    assert unstable_pairs(policies, trace, test_data.labels, chip) == []
    dear = {name: replace(figure, low=0.0, high=1e-6) for name, figure in chip.decision.energies.items()}
    shaky = replace(chip, decision=replace(chip.decision, energies=dear))
    assert ("confidence", "fixed 2", "all figures") in unstable_pairs(policies, trace, test_data.labels, shaky)
    assert set(End) == {End.LOW, End.HIGH}


def test_a_policy_network_is_charged_before_the_run(trace, test_data, chip):
    """A linear policy on 64 pixels: one frame of it on the same chip, energy and latency, and nothing decided later."""
    layers = (Node("flat", Flatten(), ("input",)), Node("fc", Linear(weight=np.ones((8, 64))), ("flat",)))
    planned = PolicyNetwork(Network("policy", (1, 8, 8), layers)).plan(test_data.x)
    one = hwmodel.score(planned, trace, test_data.labels, chip)
    bare = hwmodel.score(Fixed(int(planned.steps[0])), trace, test_data.labels, chip)
    frame = hwmodel.estimate(planned.activity, chip)
    assert (planned.steps == planned.steps[0]).all()
    assert one.policy_energy_j == pytest.approx(frame.mean_energy_j)
    assert one.energy_j == pytest.approx(bare.energy_j + frame.mean_energy_j)
    assert one.latency_s == pytest.approx(bare.latency_s + frame.mean_latency_s)
    assert one.break_even_j is None
