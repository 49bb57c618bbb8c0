"""Laws of the policies, and the calibrations against independent slow versions."""

from math import ceil, exp, inf, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from same import assert_identical

from refsnn.policies import (
    Confidence,
    DynamicConfidence,
    Entropy,
    Fixed,
    Gate,
    Oracle,
    OracleEmpirical,
    Patience,
    SpikeCP,
    TopK,
    empirical_aet,
    first_right,
    optimal_cutoff,
    theoretical_aet,
)
from refsnn.policies.dynamic import fitted_temperature, front
from refsnn.policies.gate import features
from refsnn.policies.logistic import fitted
from refsnn.policies.margin import margin
from refsnn.policies.patience import run_length
from refsnn.policies.readout import accuracy_at, correct, correct_from_here_on
from refsnn.strategies import policies, readouts
from refsnn.strategies.stopping import checkpoints, score_policies

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
    """algorithm of the Top-K cutoff code, written out: 100 bins, strict >, 0/0 never accepted, last row forced.

    In the readout's own format, one operation at a time, as there.
    """
    number = readout.dtype.type
    steps, samples, _ = readout.shape
    right = [[readout[t, n].argmax() == labels[n] for n in range(samples)] for t in range(steps)]
    for t in reversed(range(steps - 1)):
        right[t] = [a and b for a, b in zip(right[t], right[t + 1], strict=True)]
    gap = [[sorted(readout[t, n])[-1] - sorted(readout[t, n])[-2] for n in range(samples)] for t in range(steps)]
    step = max(map(max, gap)) / number(100)
    thresholds = []
    for t in range(steps):
        for m in range(100):
            chosen = [right[t][n] for n in range(samples) if gap[t][n] > number(m) * step]
            share = number(sum(chosen)) / number(len(chosen)) if chosen else number(np.nan)
            if m == 99 or share >= number(1 - epsilon):
                thresholds.append(float(number(m) * step))
                break
    return tuple(thresholds)


@given(
    case=readouts(),
    epsilon=st.sampled_from([0.0, 0.01, 0.1, 0.25, 0.41, 0.5]),
    number=st.sampled_from([np.float64, np.float32]),
    scale=st.sampled_from([1.0, 0.37]),  # with which bins are no dyadic numbers
)
def test_top_k_compat_is_the_published_calibration(case, epsilon, number, scale):
    readout, labels = (case[0] * scale).astype(number), case[1]
    policy = TopK.calibrate(readout, labels, epsilon=epsilon, compat=True)
    assert policy.thresholds == published_calibration(readout, labels, epsilon)


@given(case=readouts(), epsilon=st.sampled_from([0.0, 0.1, 0.5]))
def test_top_k_compat_stops_as_the_published_rule(case, epsilon):
    """Strictly over the threshold of the step, the last step forced; on other samples than those of the calibration."""
    readout, labels = case
    policy = TopK.calibrate(readout, labels, epsilon=epsilon, compat=True)
    other = np.roll(readout, 1, axis=2)[:, ::-1] + np.array([1.0] + [0.0] * (readout.shape[2] - 1))
    for n, stop in enumerate(policy.exit_step(other)):
        hit = [sorted(y)[-1] - sorted(y)[-2] > b for y, b in zip(other[:, n], policy.thresholds, strict=True)]
        hit[-1] = True
        assert stop == hit.index(True) + 1


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


@given(case=readouts(), data=st.data())
def test_a_score_policy_stops_where_its_score_first_exceeds_its_limit(case, data):
    readout, _ = case
    policy = data.draw(score_policies(len(readout)))
    score, limits = policy.score(readout), policy.limits
    for n, stop in enumerate(policy.exit_step(readout)):
        over = [t + 1 for t in range(len(score)) if score[t, n] > (limits[t] if isinstance(limits, tuple) else limits)]
        assert stop == min([*over, len(score)])
    assert policy.at(limits).exit_step(readout).tolist() == policy.exit_step(readout).tolist()


@given(case=readouts(), equal=st.integers(1, 7))
def test_patience_equals_a_slow_version(case, equal):
    readout, _ = case
    steps = len(readout)
    for n, stop in enumerate(Patience(equal).exit_step(readout)):
        decisions = [int(y.argmax()) for y in readout[:, n]]
        same = [t for t in range(equal, steps + 1) if len(set(decisions[t - equal : t])) == 1]
        assert stop == min([*same, steps])
    assert (Patience(1).exit_step(readout) == 1).all()


@given(case=readouts(), epsilon=st.sampled_from([0.0, 0.1, 0.3]))
def test_calibrated_patience_is_the_least_before_too_much_is_lost(case, epsilon):
    readout, labels = case
    allowed = correct(readout, labels)[-1].mean() - epsilon
    lost = [
        k for k in range(1, len(readout) + 1) if accuracy_at(readout, labels, Patience(k).exit_step(readout)) < allowed
    ]
    assert Patience.calibrate(readout, labels, epsilon=epsilon).equal == max(lost, default=0) + 1


@given(case=readouts(), accumulate=st.sampled_from(["sum", "mean"]))
def test_no_temperature_beside_the_fitted_one_makes_the_labels_likelier(case, accumulate):
    readout, labels = case
    steps = np.arange(1, len(readout) + 1).reshape(-1, 1, 1)
    y = readout / (steps if accumulate == "mean" else 1)

    def unlikely(temperature):
        scaled = (y - y.max(-1, keepdims=True)) / temperature
        chosen = np.take_along_axis(scaled, np.broadcast_to(labels[None, :, None], (*y.shape[:2], 1)), -1)[..., 0]
        return float((np.log(np.exp(scaled).sum(-1)) - chosen).sum())

    temperature = fitted_temperature(readout, labels, accumulate)
    assert 2**-20 <= temperature <= 2**20
    # the minimum is flat: within a part in 10^8 of it the loss differs by less than its rounding, about 10^-13 of a term
    slack = 1e-9 * (1 + abs(unlikely(temperature)))
    beside = min(unlikely(min(temperature * 1.1, 2**20)), unlikely(max(temperature / 1.1, 2**-20)))
    assert unlikely(temperature) <= beside + slack


@given(case=readouts(), temperature=st.sampled_from([0.5, 1.0, 8.0]))
def test_the_front_is_what_no_threshold_beats(case, temperature):
    readout, labels = case
    policy = DynamicConfidence(inf, temperature=temperature)
    score = policy.score(readout)
    tried = {inf, *np.quantile(score[:-1] if len(score) > 1 else score, np.linspace(0, 1, 30)).tolist()}
    points = {}
    for threshold in sorted(tried):
        stops = policy.at(threshold).exit_step(readout)
        points[threshold] = accuracy_at(readout, labels, stops), float(stops.mean())
    best = [
        point
        for point in points.values()
        if not any(a >= point[0] and s <= point[1] and (a, s) != point for a, s in points.values())
    ]
    thresholds, accuracy, steps = front(score, readout, labels, tried=30)
    assert list(zip(accuracy, steps, strict=True)) == sorted(set(best), key=lambda point: point[1])
    for threshold, point in zip(thresholds, zip(accuracy, steps, strict=True), strict=True):
        assert points[threshold] == point
        assert threshold == max(t for t, other in points.items() if other == point)


@given(case=readouts(), epsilon=st.sampled_from([0.0, 0.1, 0.3]))
def test_dynamic_confidence_takes_the_fewest_steps_of_the_front_that_are_accurate_enough(case, epsilon):
    readout, labels = case
    policy = DynamicConfidence.calibrate(readout, labels, epsilon=epsilon)
    _, accuracy, steps = front(policy.score(readout), readout, labels)
    stops = policy.exit_step(readout)
    enough = correct(readout, labels)[-1].mean() - epsilon
    assert accuracy_at(readout, labels, stops) >= enough
    assert stops.mean() == steps[accuracy >= enough].min()


@given(
    case=readouts(), data=st.data(), alpha=st.sampled_from([0.05, 0.2, 0.3, 0.5, 0.9]), largest=st.integers(0, 1),
    mean=st.booleans(), temperature=st.sampled_from([1.0, 4.0]),
)  # fmt: skip
def test_spikecp_equals_a_slow_version(case, data, alpha, largest, mean, temperature):
    """Set by set: the share that a quantile leaves out counted, with alpha as a whole number of hundredths."""
    readout, labels = case
    steps, samples, classes = readout.shape
    at = data.draw(checkpoints(steps))
    accumulate = "mean" if mean else "sum"
    policy = SpikeCP.calibrate(readout, labels, alpha=alpha, checkpoints=at, largest=largest, accumulate=accumulate,
                               temperature=temperature)  # fmt: skip

    def misfit(t, n, k):
        y = readout[t - 1, n] / ((t if mean else 1) * temperature)
        return log(sum(exp(value - max(y)) for value in y)) - (y[k] - max(y))

    rank = ceil((100 * len(at) - round(100 * alpha)) * (samples + 1) / (100 * len(at)))
    for t, quantile in zip(at, policy.quantiles, strict=True):
        scores = sorted(misfit(t, n, labels[n]) for n in range(samples))
        assert quantile == (pytest.approx(scores[rank - 1], abs=1e-12) if rank <= samples else inf)
    sets = policy.sets(readout)
    for n, stop in enumerate(policy.exit_step(readout)):
        small = [t for t, quantile in zip(at, policy.quantiles, strict=True) if sets[at.index(t), n].sum() <= largest]
        assert stop == min([*small, steps])
        for k in range(classes):
            for t, quantile in zip(at, policy.quantiles, strict=True):
                if abs(misfit(t, n, k) - quantile) > 1e-12:  # nearer, rounding decides
                    assert sets[at.index(t), n, k] == (misfit(t, n, k) <= quantile)
        assert (policy.prediction_set(readout)[n] == sets[at.index(stop), n]).all()


@given(case=readouts(), data=st.data(), alpha=st.sampled_from([0.05, 0.2, 0.4, 0.7]))
def test_of_n_plus_1_samples_at_most_a_share_of_alpha_is_missed_by_the_others_sets(case, data, alpha):
    """The proof's own step, for any samples whatever: calibrate on all but one, and see whether the set at that one's exit step
    holds its label. Exchangeable samples give the guarantee from it.
    """
    readout, labels = case
    samples = len(labels)
    at = data.draw(checkpoints(len(readout)))
    missed = 0
    for n in range(samples):
        others = np.arange(samples) != n
        if others.any():
            policy = SpikeCP.calibrate(readout[:, others], labels[others], alpha=alpha, checkpoints=at)
            missed += not policy.prediction_set(readout[:, [n]])[0, labels[n]]
    assert 100 * missed <= round(100 * alpha) * samples


@given(
    case=readouts(), weights=st.tuples(*[st.integers(-3, 3)] * 5), bias=st.integers(-3, 3), threshold=st.floats(0, 1),
)  # fmt: skip
def test_the_gate_equals_a_slow_version(case, weights, bias, threshold):
    readout, _ = case
    gate = Gate(tuple(map(float, weights)), float(bias), threshold)
    score = gate.score(readout)
    for t, n in np.ndindex(score.shape):
        y = sorted(readout[t, n])
        p = [exp(value - y[-1]) / sum(exp(other - y[-1]) for other in y) for value in y]
        decisions = readout[: t + 1, n].argmax(-1).tolist()
        run = next((back for back in range(1, t + 1) if decisions[-1 - back] != decisions[-1]), t + 1)
        shown = [max(p), y[-1] - y[-2], 1 + sum(q * log(q) for q in p if q > 0) / log(len(p)), run, t + 1]
        total = bias + sum(w * f for w, f in zip(weights, shown, strict=True))
        # totals are below 100, of which rounding takes 1e-14 each; the logistic function is nowhere steeper than 1/4
        assert score[t, n] == pytest.approx(1 / (1 + exp(-total)), abs=1e-12)


@given(case=readouts(), labelled=st.booleans(), ridge=st.sampled_from([1e-3, 1.0]))
def test_the_fitted_gate_is_at_the_minimum(case, labelled, ridge):
    """The gradient of the loss is 0 there, and the loss is strictly convex. Fitting again gives the same bits."""
    readout, labels = case
    gate = Gate.fit(readout, labels if labelled else None, ridge=ridge)
    assert gate == Gate.fit(readout, labels if labelled else None, ridge=ridge)
    before = max(1, len(readout) - 1)
    decision = readout.argmax(-1)
    target = correct_from_here_on(readout, labels) if labelled else decision == decision[-1]
    x = features(readout, "sum", 1.0)[:, :before].reshape(5, -1)
    sign = np.where(target[:before].ravel(), 1.0, -1.0)
    deviation, varies = x.std(1), x.std(1) > 1e-9
    z = (x - x.mean(1, keepdims=True))[varies] / deviation[varies, None]
    z = np.concatenate([z, np.ones((1, z.shape[1]))])
    weights = np.array(gate.weights)
    assert (weights[~varies] == 0).all()
    w = np.concatenate([(weights * deviation)[varies], [gate.bias + weights @ x.mean(1)]])
    pull = -(z * (sign / (1 + np.exp(sign * (w @ z))))).mean(1) + ridge * w
    # Newton's method ends at 1e-10; undoing the scale and the mean of a feature costs roundings of numbers up to 1e3
    assert np.abs(pull).max() < 1e-8


def test_what_separates_the_samples_has_finite_weights():
    x = np.array([[-1.0, -2.0, 3.0, 1.0]])
    (weight,), bias = fitted(x, np.array([False, False, True, True]))
    assert 0 < weight < 100
    assert bias == pytest.approx(-weight * x.mean(), abs=2)
    ((weight,), bias) = fitted(x, np.ones(4, bool))
    assert (weight, bias > 3) == (pytest.approx(0, abs=1e-9), True)


@given(case=readouts())
def test_the_run_of_equal_decisions_is_counted(case):
    readout, _ = case
    run = run_length(readout)
    decision = readout.argmax(-1)
    for t, n in np.ndindex(run.shape):
        length = int(run[t, n])
        assert len(set(decision[t - length + 1 : t + 1, n])) == 1
        assert length == t + 1 or decision[t - length, n] != decision[t, n]


@given(case=readouts())
def test_average_earliest_times_are_in_order(case):
    """First right <= average over the accuracies <= from here on right, sample by sample; equal iff nothing is lost again."""
    readout, labels = case
    steps, right = len(readout), correct(readout, labels)
    first, last = first_right(readout, labels), optimal_cutoff(readout, labels)
    for n in range(len(labels)):
        assert first[n] == next((t + 1 for t in range(steps) if right[t, n]), steps)
    assert empirical_aet(readout, labels) == first.mean()
    accuracy = np.concatenate([[0.0], right.mean(1)])
    published = sum(t * (accuracy[t] - accuracy[t - 1]) for t in range(1, steps + 1)) + steps * (1 - accuracy[-1])
    assert theoretical_aet(readout, labels) == pytest.approx(published, abs=1e-12)
    # two divisions round
    assert empirical_aet(readout, labels) <= theoretical_aet(readout, labels) + 1e-12
    assert theoretical_aet(readout, labels) <= last.mean() + 1e-12
    kept = (right[1:] >= right[:-1]).all()
    assert kept == (first.sum() == last.sum())


@given(case=readouts())
def test_nobody_is_right_more_often_than_the_oracle_that_takes_any_right_step(case):
    readout, labels = case
    accuracy = accuracy_at(readout, labels, OracleEmpirical(labels).exit_step(readout))
    assert accuracy == correct(readout, labels).any(0).mean()
    assert accuracy >= correct(readout, labels).mean(1).max()
    assert (OracleEmpirical(labels).exit_step(readout) <= Oracle(labels).exit_step(readout)).all()
