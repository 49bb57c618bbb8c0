"""Laws of the policies, and the calibrations against independent slow versions."""

from math import exp, inf, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from same import assert_identical

from refsnn.policies import Confidence, Entropy, Fixed, Oracle, TopK
from refsnn.policies.margin import margin
from refsnn.policies.readout import accuracy_at, correct, correct_from_here_on
from refsnn.strategies import policies, readouts

scored = st.sampled_from([Confidence, Entropy])


@given(case=readouts(), data=st.data())
def test_everybody_stops_between_the_first_and_the_last_step(case, data):
    readout, labels = case
    exit_step = data.draw(policies(len(readout), labels=labels)).exit_step(readout)
    assert exit_step.dtype == np.int64
    assert exit_step.shape == labels.shape
    assert (exit_step >= 1).all()
    assert (exit_step <= len(readout)).all()


@given(case=readouts(), other=readouts(), data=st.data())
def test_a_decision_depends_on_the_prefix_only(case, other, data):
    """Whatever comes after a sample's exit step may change: it still stops there. (The oracle looks ahead by design.)"""
    readout, _ = case
    policy = data.draw(policies(len(readout)))
    exit_step = policy.exit_step(readout)
    later = np.arange(1, len(readout) + 1)[:, None] > exit_step
    noise = np.resize(other[0], readout.shape)
    assert_identical(policy.exit_step(np.where(later[..., None], noise, readout)), exit_step)


@given(case=readouts(), kind=scored, thresholds=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_a_higher_threshold_never_stops_earlier(case, kind, thresholds):
    low, high = (kind(t).exit_step(case[0]) for t in sorted(thresholds))
    assert (low <= high).all()


@given(case=readouts(), kind=scored)
def test_an_infinite_threshold_is_fixed_t(case, kind):
    readout, _ = case
    everybody = Fixed(len(readout)).exit_step(readout)
    assert_identical(kind(inf).exit_step(readout), everybody)
    assert_identical(TopK((inf,) * len(readout)).exit_step(readout), everybody)


@given(
    case=readouts(), kind=scored, threshold=st.floats(0, 1), mean=st.booleans(), temperature=st.sampled_from([0.5, 2.0])
)
def test_softmax_policies_equal_a_slow_version(case, kind, threshold, mean, temperature):
    readout, _ = case
    policy = kind(threshold, "mean" if mean else "sum", temperature)
    score = policy.score(readout)
    for t, n in np.ndindex(score.shape):
        y = [value / ((t + 1) if mean else 1) / temperature for value in readout[t, n]]
        weights = [exp(value - max(y)) for value in y]
        p = [w / sum(weights) for w in weights]
        if kind is Confidence:
            expected = max(p)
        else:
            expected = 1 + sum(q * log(q) for q in p if q > 0) / log(len(p))
        # a handful of roundings of numbers of at most 1, divided by ln K >= 0.69
        assert score[t, n] == pytest.approx(expected, abs=1e-12)
    stops = [
        min([t + 1 for t in range(len(score)) if score[t, n] > threshold] or [len(score)])
        for n in range(score.shape[1])
    ]
    assert policy.exit_step(readout).tolist() == stops


@given(case=readouts(), thresholds=st.lists(st.integers(0, 6), min_size=6, max_size=6))
def test_top_k_stops_at_the_first_strictly_larger_margin(case, thresholds):
    readout, _ = case
    steps = len(readout)
    expected = []
    for n in range(readout.shape[1]):
        gaps = [sorted(readout[t, n])[-1] - sorted(readout[t, n])[-2] for t in range(steps)]
        assert margin(readout)[:, n].tolist() == gaps
        expected.append(next((t + 1 for t in range(steps) if gaps[t] > thresholds[t]), steps))
    assert TopK(tuple(thresholds[:steps])).exit_step(readout).tolist() == expected


def published_calibration(readout, labels, epsilon):
    """algorithm of the Top-K cutoff code, written out: 100 bins, strict >, 0/0 never accepted, last row forced."""
    steps, samples, _ = readout.shape
    right = [[readout[t, n].argmax() == labels[n] for n in range(samples)] for t in range(steps)]
    for t in reversed(range(steps - 1)):
        right[t] = [a and b for a, b in zip(right[t], right[t + 1], strict=True)]
    gap = [[sorted(readout[t, n])[-1] - sorted(readout[t, n])[-2] for n in range(samples)] for t in range(steps)]
    step = max(map(max, gap)) / 100
    thresholds = []
    for t in range(steps):
        for m in range(100):
            chosen = [right[t][n] for n in range(samples) if gap[t][n] > m * step]
            if m == 99 or (chosen and sum(chosen) / len(chosen) >= 1 - epsilon):
                thresholds.append(m * step)
                break
    return tuple(thresholds)


@given(case=readouts(), epsilon=st.sampled_from([0.0, 0.01, 0.1, 0.25, 0.5]))
def test_top_k_compat_is_the_published_calibration(case, epsilon):
    readout, labels = case
    assert TopK.calibrate(readout, labels, epsilon=epsilon, compat=True).thresholds == published_calibration(
        readout, labels, epsilon
    )


@given(case=readouts(), epsilon=st.sampled_from([0.0, 0.1, 0.25, 0.5]))
def test_top_k_thresholds_are_the_smallest_that_hold_on_enough_samples(case, epsilon):
    readout, labels = case
    right, gap = correct_from_here_on(readout, labels), margin(readout)
    samples = len(labels)
    enough = min(samples, int(np.ceil(1 / epsilon))) if epsilon else samples
    for t, threshold in enumerate(TopK.calibrate(readout, labels, epsilon=epsilon).thresholds):

        def holds(b, t=t):
            above = gap[t] > b
            return above.sum() >= enough and right[t][above].sum() >= (1 - epsilon) * above.sum()

        assert threshold == min((b for b in [0.0, *gap[t]] if holds(b)), default=inf)


@given(case=readouts(), kind=scored, epsilon=st.sampled_from([0.0, 0.1, 0.3]))
def test_calibration_keeps_the_accuracy_on_its_own_split(case, kind, epsilon):
    readout, labels = case
    policy = kind.calibrate(readout, labels, epsilon=epsilon)
    at_the_end = accuracy_at(readout, labels, np.full(len(labels), len(readout)))
    assert accuracy_at(readout, labels, policy.exit_step(readout)) >= at_the_end - epsilon
    assert policy.calibrated_steps == len(readout)


@given(case=readouts(), kind=scored, epsilon=st.sampled_from([0.0, 0.1, 0.25]))
def test_calibration_takes_the_last_threshold_before_too_much_is_lost(case, kind, epsilon):
    """From safe to risky over the quantiles of the scores; equal to the allowed accuracy is allowed."""
    readout, labels = case
    policy = kind.calibrate(readout, labels, epsilon=epsilon)
    score = policy.score(readout)
    at_the_end = accuracy_at(readout, labels, np.full(len(labels), len(readout)))
    expected = 1.0
    for threshold in np.quantile(score[:-1], np.linspace(1, 0, 200)) if len(readout) > 1 else []:
        stops = [
            next((t + 1 for t in range(len(score)) if score[t, n] > threshold), len(score)) for n in range(len(labels))
        ]
        if not accuracy_at(readout, labels, np.array(stops)) >= at_the_end - epsilon:
            break
        expected = float(threshold)
    assert policy.threshold == expected


@given(case=readouts())
def test_the_oracle_has_the_accuracy_at_t_and_the_fewest_steps(case):
    readout, labels = case
    exit_step = Oracle(labels).exit_step(readout)
    assert accuracy_at(readout, labels, exit_step) == correct(readout, labels)[-1].mean()
    for n, stop in enumerate(exit_step):
        right = correct(readout, labels)[:, n]
        assert stop == next((t + 1 for t in range(len(right)) if right[t:].all()), len(right))
