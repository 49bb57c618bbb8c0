"""Policies: what is refused, and the digits."""

import numpy as np
import pytest

from refsnn import simulate
from refsnn.errors import FormatError, RefSNNError, ShapeError, SpecError
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
    theoretical_aet,
)
from refsnn.policies.conformal import conformal_quantile
from refsnn.policies.readout import accuracy_at

READOUT = np.cumsum(np.arange(24.0).reshape(4, 3, 2) % 5, axis=0)
LABELS = np.array([0, 1, 1])


@pytest.mark.parametrize(
    ("act", "kind", "message"),
    [
        (lambda: Fixed(0), SpecError, "Fixed: steps is 0; a run has at least 1"),
        (lambda: Fixed(5).exit_step(READOUT), SpecError, "Fixed: stops after 5 steps, but this readout has 4; run longer"),
        (lambda: TopK((1.0,) * 6).exit_step(READOUT), ShapeError,
         "TopK: calibrated for T = 6, but this readout has 4 steps; calibrate it on a run of the same length"),
        (lambda: Confidence.calibrate(READOUT, LABELS).exit_step(READOUT[:2]), ShapeError,
         "Confidence: calibrated for T = 4, but this readout has 2 steps; calibrate it on a run of the same length"),
        (lambda: Entropy(0.5).exit_step(READOUT[:, :, :1]), ShapeError,
         "Entropy: a readout of one class leaves nothing to decide; it takes two or more"),
        (lambda: Entropy(0.5).exit_step(READOUT[0]), ShapeError,
         "Entropy: expected a readout [steps, samples, classes], got shape [3, 2]"),
        (lambda: Confidence(0.5).exit_step(READOUT * np.nan), FormatError,
         "Confidence: readout: nan at index [0, 0, 0]; every number must be finite"),
        (lambda: TopK.calibrate(READOUT, LABELS[:2]), ShapeError, "TopK: expected 3 whole-number labels, got shape [2], int64"),
        (lambda: TopK.calibrate(READOUT, LABELS + 1), ShapeError, "TopK: labels[1] is 2, but the readout has classes 0..1"),
        (lambda: TopK.calibrate(READOUT, LABELS, epsilon=1.5), SpecError,
         "TopK: epsilon is 1.5; it is a share of samples, from 0 to below 1"),
        (lambda: TopK((np.nan,)), SpecError, "TopK: thresholds are (nan,); give one number for each step"),
        (lambda: Confidence(0.5, accumulate="max"), SpecError, "Confidence: accumulate is 'max'; it is 'sum' or 'mean'"),
        (lambda: Entropy(0.5, temperature=0.0), SpecError, "Entropy: temperature is 0.0; it has to be above 0"),
        (lambda: Confidence(1.5), SpecError, "Confidence: threshold is 1.5; scores lie between 0 and 1 (infinity: never stop early)"),
        (lambda: DynamicConfidence(-0.1), SpecError,
         "DynamicConfidence: threshold is -0.1; scores lie between 0 and 1 (infinity: never stop early)"),
        (lambda: Entropy(float("nan")), SpecError, "Entropy: threshold is nan; scores lie between 0 and 1 (infinity: never stop early)"),
        (lambda: Oracle(LABELS[:1]).exit_step(READOUT), ShapeError, "Oracle: expected 3 whole-number labels, got shape [1], int64"),
        (lambda: OracleEmpirical(LABELS[:1]).exit_step(READOUT), ShapeError,
         "OracleEmpirical: expected 3 whole-number labels, got shape [1], int64"),
        (lambda: theoretical_aet(READOUT, LABELS[:1]), ShapeError,
         "theoretical_aet: expected 3 whole-number labels, got shape [1], int64"),
        (lambda: Entropy.calibrate(READOUT, LABELS).exit_step(READOUT[:, :, [0, 1, 1]]), ShapeError,
         "Entropy: calibrated for 2 classes, but this readout has 3; calibrate it on a run of the same network"),
        (lambda: TopK.calibrate(READOUT, LABELS).exit_step(READOUT[:, :, [0, 1, 1]]), ShapeError,
         "TopK: calibrated for 2 classes, but this readout has 3; calibrate it on a run of the same network"),
        (lambda: Patience(0), SpecError, "Patience: equal is 0; it takes 1 or more steps with the same decision"),
        (lambda: Patience(2, 5).exit_step(READOUT), ShapeError,
         "Patience: calibrated for T = 5, but this readout has 4 steps; calibrate it on a run of the same length"),
        (lambda: Patience(2).at(0.5), SpecError, "Patience: the limit is 0.5; a run of equal decisions has a whole length"),
        (lambda: Patience(2).at((1.0, 2.0)), SpecError, "Patience: limits are (1.0, 2.0); it has one threshold for all steps"),
        (lambda: TopK((1.0, 2.0)).at(1.0), SpecError, "TopK: limits are 1.0; it has a threshold for each of 2 steps"),
        (lambda: Patience.calibrate(READOUT, LABELS, epsilon=-1), SpecError,
         "Patience: epsilon is -1; it is a share of samples, from 0 to below 1"),
        (lambda: DynamicConfidence(0.5, temperature=-1.0), SpecError,
         "DynamicConfidence: temperature is -1.0; it has to be above 0"),
        (lambda: DynamicConfidence.calibrate(READOUT, LABELS[:2]), ShapeError,
         "DynamicConfidence: expected 3 whole-number labels, got shape [2], int64"),
        (lambda: DynamicConfidence.calibrate(READOUT, LABELS, epsilon=1), SpecError,
         "DynamicConfidence: epsilon is 1; it is a share of samples, from 0 to below 1"),
        (lambda: Gate((1.0,), 0.0, 0.5), SpecError,
         "Gate: weights are (1.0,), bias 0.0; give finite numbers, a weight for each of confidence, margin, certainty, run "
         "length, step"),
        (lambda: Gate((np.inf,) * 5, 0.0, 0.5), SpecError,
         "Gate: weights are (inf, inf, inf, inf, inf), bias 0.0; give finite numbers, a weight for each of confidence, margin, "
         "certainty, run length, step"),
        (lambda: Gate((0.0,) * 5, 0.0, np.nan), SpecError, "Gate: threshold is nan; scores lie between 0 and 1 (infinity: never stop early)"),
        (lambda: Gate.fit(READOUT, ridge=0), SpecError,
         "ridge is 0; it has to be above 0, or separable samples have no finite weights"),
        (lambda: Gate.fit(READOUT, LABELS[:2]), ShapeError, "Gate: expected 3 whole-number labels, got shape [2], int64"),
        (lambda: SpikeCP.calibrate(READOUT, LABELS, alpha=0), SpecError,
         "SpikeCP: alpha is 0; it is how often the set may miss the label, above 0 and below 1"),
        (lambda: SpikeCP.calibrate(READOUT, LABELS, checkpoints=(2, 3)), SpecError,
         "SpikeCP: checkpoints are (2, 3); give ascending steps from 1 on, the last of them T = 4, where everybody stops"),
        (lambda: SpikeCP((0.5,), (3, 2)), SpecError,
         "SpikeCP: checkpoints are (3, 2); give ascending steps from 1 on, the last of them T = 2, where everybody stops"),
        (lambda: SpikeCP((0.5,), ()), SpecError,
         "SpikeCP: checkpoints are (); give ascending steps from 1 on, the last of them T = 1, where everybody stops"),
        (lambda: SpikeCP((0.5,), (2, 4)), SpecError, "SpikeCP: quantiles are (0.5,); give one number for each checkpoint"),
        (lambda: SpikeCP((0.5, 0.5), (2, 4), largest=-1), SpecError, "SpikeCP: largest is -1; a set has 0 or more classes"),
        (lambda: SpikeCP((0.5, 0.5), (2, 4), largest=2).exit_step(READOUT), SpecError,
         "SpikeCP: largest is 2 for 2 classes; every set is as small, so give less"),
        (lambda: SpikeCP((0.5, 0.5), (2, 4)).at(1.0), SpecError,
         "SpikeCP: limits are 1.0; it has a threshold for each of 4 steps"),
    ],
)  # fmt: skip
def test_what_is_refused(act, kind, message):
    with pytest.raises(kind) as error:
        act()
    assert str(error.value) == message
    assert isinstance(error.value, RefSNNError)


def test_a_score_equal_to_its_threshold_goes_on():
    readout = np.array([[[0.0, 2.0]], [[0.0, 4.0]], [[0.0, 6.0]]])
    assert TopK((2.0, 2.0, 2.0)).exit_step(readout).tolist() == [2]
    assert TopK((1.9, 2.0, 2.0)).exit_step(readout).tolist() == [1]
    assert Patience(3).exit_step(np.repeat(readout[:1], 4, axis=0)).tolist() == [3]
    assert Gate((0.0, 0.0, 0.0, 0.0, 0.0), 0.0, 0.5).exit_step(readout).tolist() == [3]
    assert Gate((0.0, 0.0, 0.0, 0.0, 0.0), 0.0, 0.49).exit_step(readout).tolist() == [1]


def test_top_k_compat_on_paper():
    """Three samples, two steps; the largest gap of all is 10, so that bins are 0.1 apart.

    Step 1: gaps 10, 5.05 and 0.05; the second is right only until step 2. Over 0 and over each bin up to 5.0 lies a sample that
    is wrong from here on; from bin 51 on (5.1) the first alone is over it and right: the threshold is 51 * 0.1.
    Step 2: gaps 1, 1 and 0; over bins 0 to 9 lie the first, right, and the second, wrong; over bin 10 and more none, which is
    0/0 and never accepted, until the hundredth, which counts as certain: 99 * 0.1.
    """
    readout = np.array([[[10.0, 0.0], [5.05, 0.0], [0.05, 0.0]], [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]])
    policy = TopK.calibrate(readout, np.array([0, 0, 0]), epsilon=0.0, compat=True)
    assert policy.thresholds == (51 * 0.1, 99 * 0.1)
    assert policy.exit_step(readout).tolist() == [1, 2, 2]


def test_the_conformal_quantile_on_paper():
    """Rank ceil((1 - alpha) (n + 1)): of nine scores the ninth at 10 % and none below; a tenth of a binary fraction is a tenth."""
    scores = np.arange(9.0)[::-1]
    assert [conformal_quantile(scores, alpha) for alpha in (0.3, 0.2, 0.1, 0.09)] == [6.0, 7.0, 8.0, np.inf]


def test_too_few_samples_give_sets_of_everything():
    policy = SpikeCP.calibrate(READOUT, LABELS, alpha=0.5)  # an eighth for each of four steps takes seven samples
    assert policy.quantiles == (np.inf,) * 4
    assert policy.samples_needed == 7
    assert policy.exit_step(READOUT).tolist() == [4, 4, 4]
    assert policy.prediction_set(READOUT).all()
    assert SpikeCP.calibrate(READOUT, LABELS, alpha=0.5, checkpoints=[4]).quantiles[0] < np.inf


def test_on_the_digits_every_policy_saves_steps_at_a_point_of_accuracy(snn, trace, test_data, calibration_data):
    held = simulate(snn, calibration_data.x, steps=8)
    at_the_end = accuracy_at(trace.readout, test_data.labels, Fixed(8).exit_step(trace.readout))
    floor = Oracle(test_data.labels).exit_step(trace.readout).mean()
    for kind in (TopK, Confidence, Entropy, DynamicConfidence, Gate):
        exit_step = kind.calibrate(held.readout, calibration_data.labels, epsilon=0.01).exit_step(trace.readout)
        assert floor <= exit_step.mean() <= 3
        assert accuracy_at(trace.readout, test_data.labels, exit_step) >= at_the_end - 0.015
    patient = Patience.calibrate(held.readout, calibration_data.labels, epsilon=0.01).exit_step(trace.readout)
    assert patient.mean() < 4
    assert accuracy_at(trace.readout, test_data.labels, patient) >= at_the_end - 0.015


def test_on_the_digits_prediction_sets_hold_nine_labels_in_ten(snn, trace, test_data, calibration_data):
    """At least: Bonferroni's correction for eight steps makes them larger than that."""
    held = simulate(snn, calibration_data.x, steps=8)
    policy = SpikeCP.calibrate(held.readout, calibration_data.labels, alpha=0.1)
    sets = policy.prediction_set(trace.readout)
    assert sets[np.arange(400), test_data.labels].mean() >= 0.9
    assert policy.exit_step(trace.readout).mean() < 3
