"""Guarantees: the published table, what is refused, the sentences, and how often the promise is broken on drawn calibration sets."""

import json
from math import inf, sqrt

import numpy as np
import pytest

from refsnn import simulate
from refsnn.errors import FormatError, RefSNNError, ShapeError, SpecError
from refsnn.policies import Confidence, SpikeCP, TopK, guarantee
from refsnn.policies.guarantee import WSR, ConformalRisk, LearnThenTest, Path, SignedDrop, certify, largest_losses, path
from refsnn.policies.guarantee.certificate import samples_needed
from refsnn.policies.margin import margin
from refsnn.policies.readout import correct_from_here_on

READOUT = np.cumsum(np.arange(24.0).reshape(4, 3, 2) % 5, axis=0)
LABELS = np.array([0, 1, 1])
FOUR = path("confidence", 4)


@pytest.mark.parametrize(
    ("n", "most"),
    [(1000, [12, 4, 1, -1]), (2000, [29, 12, 4, 0]), (5000, [83, 38, 16, 4]), (10_000, [176, 83, 38, 12])],
)
def test_the_most_losses_that_prove_a_risk(n, most):
    """Delta 5 %, epsilon 2, 1, 0.5 and 0.2 %; -1: not even no loss does."""
    assert [largest_losses(n, epsilon, 0.05) for epsilon in (0.02, 0.01, 0.005, 0.002)] == most


@pytest.mark.parametrize(("n", "most"), [(1000, [19, 9, 4, 1]), (10_000, [199, 99, 49, 19])])
def test_the_most_losses_that_conformal_risk_control_accepts(n, most):
    for epsilon, count in zip((0.02, 0.01, 0.005, 0.002), most, strict=True):
        losses = np.arange(n) < count
        assert ConformalRisk().accepts(losses, epsilon, 0.05)
        assert not ConformalRisk().accepts(np.arange(n) < count + 1, epsilon, 0.05)


def test_the_fewest_samples_that_prove_a_risk_without_a_loss():
    none = np.zeros(10, np.int8)
    needed = [samples_needed(LearnThenTest(), none, epsilon, 0.05) for epsilon in (0.02, 0.01, 0.005, 0.002, 0.001)]
    assert needed == [149, 299, 598, 1497, 2995]


@pytest.mark.parametrize(
    ("act", "kind", "message"),
    [
        (lambda: certify(FOUR, READOUT, epsilon=0), SpecError,
         "certify: epsilon is 0; it is the share of cases that may be lost, above 0 and below 1"),
        (lambda: certify(FOUR, READOUT, epsilon=float("nan")), SpecError,
         "certify: epsilon is nan; it is the share of cases that may be lost, above 0 and below 1"),
        (lambda: certify(FOUR, READOUT, delta=1), SpecError,
         "certify: delta is 1; it is how often the claim may be wrong, above 0 and below 1"),
        (lambda: certify(FOUR, READOUT[:3]), ShapeError,
         "certify: path 'confidence' is for T = 4, but this readout has 3 steps; make a path for this length, or run as long"),
        (lambda: certify(path("gate", fit=READOUT), READOUT[:, :, [0, 1, 1]]), ShapeError,
         "certify: path 'gate': calibrated for 2 classes, but this readout has 3; calibrate it on a run of the same network"),
        (lambda: certify(path("gate", fit=READOUT), READOUT), SpecError,
         "certify: path 'gate' was fitted on these samples; certify it on others"),
        (lambda: certify(FOUR, READOUT * np.nan), FormatError,
         "certify: readout: nan at index [0, 0, 0]; every number must be finite"),
        (lambda: certify(FOUR, READOUT, risk="harm"), SpecError,
         "certify: risk 'harm' compares decisions with labels, and there are none; give labels, or take risk 'consistency', "
         "which needs none"),
        (lambda: certify(FOUR, READOUT, LABELS[:2], risk="harm"), ShapeError,
         "certify: expected 3 whole-number labels, got shape [2], int64"),
        (lambda: certify(FOUR, READOUT, LABELS, risk="drop"), SpecError,
         "certify: Learn-then-Test bounds consistency and harm, not 'drop'; take another method"),
        (lambda: certify(FOUR, READOUT, LABELS, method=SignedDrop()), SpecError,
         "certify: signed drop bounds drop, not 'consistency'; take another method"),
        (lambda: guarantee.losses_by_step(READOUT, LABELS, "regret"), SpecError,
         "certify: risk is 'regret'; it is one of consistency, harm, drop"),
        (lambda: path("confidense", 4), SpecError, "path: kind is 'confidense'; did you mean 'confidence'?"),
        (lambda: path("entropy"), SpecError, "path 'entropy': steps is None; give the number of steps of a run, 1 or more"),
        (lambda: path("margin", 4), SpecError,
         "path 'margin': it is fitted; give fit=, the readout of samples that are used for nothing else"),
        (lambda: path("margin", 5, fit=READOUT), ShapeError,
         "path 'margin': calibrated for T = 5, but this readout has 4 steps; calibrate it on a run of the same length"),
        (lambda: path("margin", fit=READOUT, labels=LABELS[:1]), ShapeError,
         "path 'margin': expected 3 whole-number labels, got shape [1], int64"),
        (lambda: Path(Confidence(inf), (0.9, 0.5), 4), SpecError,
         "path 'confidence': the first limit is 0.9; it is infinite: nobody stops early"),
        (lambda: Path(Confidence(inf), (inf, 0.5, 0.9), 4), SpecError,
         "path 'confidence': a smaller limit is a riskier one; give them in descending order"),
        (lambda: Path(TopK((inf, inf)), ((inf, inf), (1.0,)), 2), SpecError,
         "path 'top-2 margin': give one number for each policy, or 2 numbers for each"),
        (lambda: guarantee.interval_of_share(4, 3, 0.05), SpecError,
         "interval_of_share: 4 successes of 3; expected 0 to n of one or more"),
        (lambda: guarantee.interval_of_mean(np.array([1.0, 9.0]), 0.05, 1, 8), SpecError,
         "interval_of_mean: 9.0 at index [1] is not between low and high"),
        (lambda: guarantee.interval_of_mean(np.array([1.0, np.nan]), 0.05, 1, 8), SpecError,
         "interval_of_mean: the values are not all finite; a mean with one of these has no interval"),
        (lambda: guarantee.interval_of_mean(np.array([1.0]), 0.0, 1, 8), SpecError,
         "interval_of_mean: delta is 0.0; it is how often the claim may be wrong, above 0 and below 1"),
        (lambda: guarantee.interval_of_mean(np.zeros((2, 0)), 0.05, 1, 8), ShapeError,
         "interval_of_mean: values have shape [2, 0]; give one or more for each mean"),
        (lambda: guarantee.normal_interval_of_mean(np.array([1.0])), ShapeError,
         "normal_interval_of_mean: one value has no spread; give two or more, or take interval_of_mean"),
    ],
)  # fmt: skip
def test_what_is_refused(act, kind, message):
    with pytest.raises(kind) as error:
        act()
    assert str(error.value) == message
    assert isinstance(error.value, RefSNNError)


def staircase(samples, wrong):
    """Two steps, two classes: sample n is 100 + n apart at once, and the first `wrong` of them decide otherwise in the end."""
    first = np.stack([np.arange(samples) + 100.0, np.zeros(samples)], axis=-1)
    last = np.where(np.arange(samples)[:, None] < wrong, [0.0, 1.0], [1.0, 0.0])
    return np.stack([first, last])


def test_the_sentences():
    one = Path(TopK((inf, inf)), ((inf, inf), (99.0, inf)), 2)  # stops everybody at once
    enough, labels = staircase(300, 1), np.zeros(300, np.int64)
    assert str(certify(one, enough, epsilon=0.02)) == (
        "With probability 0.95 over the 300 calibration samples, top-2 margin with thresholds 1 of 1 decides otherwise than "
        "after all 2 steps in at most 2 % of new cases (Learn-then-Test; 1 here, after 1.000 steps on average)."
    )
    assert str(certify(one, enough, epsilon=0.02, method=ConformalRisk())) == (
        "On average over sets of 300 calibration samples, a policy chosen as top-2 margin with thresholds 1 of 1 decides "
        "otherwise than after all 2 steps in at most 2 % of new cases (conformal risk control; 1 here, after 1.000 steps on "
        "average)."
    )
    assert str(certify(one, staircase(100, 0), epsilon=0.01)) == (
        "Nothing but running all 2 steps is certified by 100 samples: 0 losses do not show that, with probability 0.95, top-2 "
        "margin with thresholds 1 of 1 decides otherwise than after all 2 steps in at most 1 % of new cases (Learn-then-Test); "
        "299 samples without a loss would."
    )
    assert str(certify(one, enough, 1 - labels, risk="harm", epsilon=0.005)) == (
        "Nothing but running all 2 steps is certified by 300 samples: 1 loss does not show that, with probability 0.95, top-2 "
        "margin with thresholds 1 of 1 is wrong where all 2 steps are right in at most 0.5 % of new cases (Learn-then-Test); "
        "about 5,335 samples with that share of them would."
    )
    assert str(certify(one, staircase(300, 3), 1 - labels, risk="drop", method=SignedDrop(), epsilon=0.01)) == (
        "Nothing but running all 2 steps is certified by 300 samples: 3 losses do not show that, with probability 0.95, top-2 "
        "margin with thresholds 1 of 1 is right less often than all 2 steps by at most 1 % of new cases (signed drop); not even "
        "1,048,576 samples with that share of them would."
    )
    assert str(certify(path("patience", 1), READOUT[:1])) == (
        "Nothing but running all 1 steps is certified by 3 samples: the path 'patience' has no policy that stops earlier."
    )


def test_the_rules_have_words():
    assert path("patience", 4).rule(3) == "patience of 1"
    assert FOUR.rule(1) == "confidence > 1 - 9.35e-14"
    assert FOUR.rule(len(FOUR) - 1) == "confidence > 0"


def test_a_certificate_is_plain_data():
    found = certify(FOUR, READOUT, epsilon=0.5, delta=0.2)
    data = json.loads(json.dumps(found.as_data()))
    assert data["sentence"] == str(found)
    assert data["n"] == 3
    assert "policy" not in data


def drawn_population(samples, seed):
    """Ten classes, eight steps: the label's output grows with a strength of its own, all outputs with noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, samples)
    signal = rng.gamma(2.0, 1.0, samples)[:, None] * (np.arange(10) == labels[:, None])
    return np.cumsum(signal + 1.5 * rng.normal(size=(8, samples, 10)), axis=0), labels


@pytest.fixture(scope="module")
def drawn():
    return drawn_population(20_000, seed=1)


@pytest.fixture(scope="module")
def digits(snn, test_data, calibration_data):
    """All 800 images that training did not see, as a population to draw from."""
    x = np.concatenate([test_data.x, calibration_data.x])
    return simulate(snn, x, steps=8).readout, np.concatenate([test_data.labels, calibration_data.labels])


RESAMPLES, N = 200, 300
CLAIMS = [  # where the risk allowed is near a policy's, so that claims do fail
    (LearnThenTest(), "consistency", 0.1, 0.1), (LearnThenTest(), "harm", 0.05, 0.2), (WSR(), "consistency", 0.1, 0.1),
    (SignedDrop(), "drop", 0.05, 0.2), (ConformalRisk(), "consistency", 0.1, 0.1),
]  # fmt: skip


@pytest.mark.parametrize("population", ["drawn", "digits"])
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim[0].name)
def test_the_claim_fails_as_rarely_as_it_says(claim, population, request):
    """Calibration sets drawn with replacement from a population, whose mean loss is then the true risk.

    At most delta of them, and three standard deviations of such a share, may certify a policy whose true risk is larger.
    """
    method, risk, epsilon, delta = claim
    readout, labels = request.getfixturevalue(population)
    candidates = path("confidence", len(readout), accumulate="mean")
    true = guarantee.losses_by_step(readout, labels, risk)[
        candidates.exit_steps(readout) - 1, np.arange(len(labels))
    ].mean(1)
    rng = np.random.default_rng(0)
    risks = []
    for _ in range(RESAMPLES):
        drawn = rng.integers(0, len(labels), N)
        found = certify(
            candidates, readout[:, drawn], labels[drawn], risk=risk, method=method, epsilon=epsilon, delta=delta
        )
        risks.append(true[found.index])
    if method.in_expectation:
        assert np.mean(risks) <= epsilon + 3 * np.std(risks) / sqrt(RESAMPLES)
    else:
        assert np.mean(np.array(risks) > epsilon) <= delta + 3 * sqrt(delta * (1 - delta) / RESAMPLES)
    assert max(risks) > 0  # something was certified that is not free


def test_top_k_without_a_certificate_fails_more_often(drawn, digits):
    """Its calibration asks that of what stops at a step 1 - epsilon is right from there on. On new samples some step falls short
    of that in most draws of a calibration set; the share of decisions that change, which it does not speak of, exceeds epsilon
    on the digits in about a third of them. Nobody promised otherwise: there is no delta.
    """
    rng = np.random.default_rng(0)
    short, changed = [], []
    for readout, labels in [drawn] * 50 + [digits] * RESAMPLES:
        chosen = rng.integers(0, len(labels), N)
        policy = TopK.calibrate(readout[:, chosen], labels[chosen], epsilon=0.01, compat=True)
        if readout is drawn[0]:
            over = (margin(readout) > np.array(policy.thresholds)[:, None])[:-1]
            right = (over & correct_from_here_on(readout, labels)[:-1]).sum(1)
            short.append((right < 0.99 * over.sum(1)).any())
        else:
            decision = readout.argmax(-1)
            changed.append((decision[policy.exit_step(readout) - 1, np.arange(len(labels))] != decision[-1]).mean())
    assert np.mean(short) > 0.8
    assert np.mean(np.array(changed) > 0.01) > 0.1 + 3 * sqrt(0.1 * 0.9 / RESAMPLES)


def test_prediction_sets_hold_the_label_as_often_as_they_say(drawn):
    readout, labels = drawn
    rng = np.random.default_rng(0)
    held = []
    for _ in range(50):
        chosen = rng.integers(0, len(labels), N)
        policy = SpikeCP.calibrate(readout[:, chosen], labels[chosen], alpha=0.2, checkpoints=(2, 4, 8), largest=2)
        held.append(policy.prediction_set(readout)[np.arange(len(labels)), labels].mean())
    assert np.mean(held) >= 0.8 - 3 * np.std(held) / sqrt(50)


def test_on_the_digits_a_certificate_still_saves_steps(snn, digits, test_data, calibration_data):
    """400 samples prove 2 %: three may decide otherwise. At 0.5 % they prove nothing, and it takes 598."""
    held = simulate(snn, calibration_data.x, steps=8).readout
    found = certify(path("confidence", 8), held, epsilon=0.02)
    assert (found.losses, found.policy.calibrated_steps) == (3, 8)
    assert 1 < found.mean_steps < 2.5
    test = digits[0][:, : len(test_data.labels)]
    stops = found.policy.exit_step(test)
    changed = test[stops - 1, np.arange(test.shape[1])].argmax(-1) != test[-1].argmax(-1)
    assert changed.mean() <= 0.02
    none = certify(path("confidence", 8), held, epsilon=0.005)
    assert (none.policy, none.samples_needed, none.mean_steps) == (None, 598, 8.0)
