"""Policies: what is refused, and the digits."""

import numpy as np
import pytest

from refsnn import simulate
from refsnn.errors import FormatError, RefSNNError, ShapeError, SpecError
from refsnn.policies import Confidence, Entropy, Fixed, Oracle, TopK
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
        (lambda: Entropy(float("nan")), SpecError, "Entropy: threshold is NaN; scores lie between 0 and 1"),
        (lambda: Oracle(LABELS[:1]).exit_step(READOUT), ShapeError, "Oracle: expected 3 whole-number labels, got shape [1], int64"),
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


def test_on_the_digits_every_policy_saves_steps_at_a_point_of_accuracy(snn, trace, test_data, calibration_data):
    held = simulate(snn, calibration_data.x, steps=8)
    at_the_end = accuracy_at(trace.readout, test_data.labels, Fixed(8).exit_step(trace.readout))
    floor = Oracle(test_data.labels).exit_step(trace.readout).mean()
    for kind in (TopK, Confidence, Entropy):
        exit_step = kind.calibrate(held.readout, calibration_data.labels, epsilon=0.01).exit_step(trace.readout)
        assert floor <= exit_step.mean() <= 3
        assert accuracy_at(trace.readout, test_data.labels, exit_step) >= at_the_end - 0.015
