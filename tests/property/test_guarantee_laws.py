"""Laws of the guarantees: on populations small enough to enumerate every calibration set, what is promised holds exactly."""

from fractions import Fraction
from itertools import product
from math import ceil, comb, exp, inf, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from same import assert_identical

from refsnn.policies import Patience
from refsnn.policies.guarantee import (
    METHODS,
    WSR,
    ConformalRisk,
    LearnThenTest,
    SignedDrop,
    certify,
    interval_of_mean,
    interval_of_share,
    largest_losses,
    losses_by_step,
    normal_interval_of_mean,
    path,
)
from refsnn.policies.guarantee.betting import log_wealth, upper_mean
from refsnn.policies.guarantee.certificate import samples_needed
from refsnn.policies.guarantee.intervals import lower_share, upper_share
from refsnn.policies.guarantee.methods import accepted
from refsnn.policies.guarantee.paths import FITTED, FIXED, digest
from refsnn.policies.readout import accuracy_at
from refsnn.strategies import readouts

epsilons = st.sampled_from([0.1, 0.3, 0.5, 0.6])
deltas = st.sampled_from([0.05, 0.2, 0.4])
kinds = st.sampled_from([*FIXED, *FITTED])


@st.composite
def populations(draw, low=0):
    """Losses [path, population] of which the first policy has none: up to four policies and three samples, drawn alike often."""
    shape = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    losses = draw(hnp.arrays(np.int8, shape, elements=st.integers(low, 1)))
    return np.concatenate([np.zeros((1, shape[1]), np.int8), losses])


def every_calibration_set(population, n):
    """Every sequence of n draws, as losses [path, n]; all are equally likely."""
    for drawn in product(range(population.shape[1]), repeat=n):
        yield population[:, drawn]


def exact(number):
    return Fraction(repr(number))


def exceeds(population, index, epsilon):
    return Fraction(int(population[index].sum()), population.shape[1]) > exact(epsilon)


@given(
    population=populations(),
    n=st.integers(1, 5),
    epsilon=epsilons,
    delta=deltas,
    kind=st.sampled_from([LearnThenTest, WSR]),
)
def test_the_risk_exceeds_epsilon_for_at_most_a_share_of_delta_of_calibration_sets(population, n, epsilon, delta, kind):
    chosen = [accepted(kind(), losses, epsilon, delta) for losses in every_calibration_set(population, n)]
    assert sum(exceeds(population, index, epsilon) for index in chosen) <= exact(delta) * len(chosen)


@given(population=populations(low=-1), n=st.integers(1, 5), epsilon=epsilons, delta=deltas)
def test_the_accuracy_lost_exceeds_epsilon_for_at_most_a_share_of_delta_of_calibration_sets(
    population, n, epsilon, delta
):
    chosen = [accepted(SignedDrop(), losses, epsilon, delta) for losses in every_calibration_set(population, n)]
    assert sum(exceeds(population, index, epsilon) for index in chosen) <= exact(delta) * len(chosen)


@given(population=populations(), n=st.integers(1, 5), epsilon=epsilons)
def test_conformal_risk_is_at_most_epsilon_on_average_over_calibration_sets(population, n, epsilon):
    chosen = [accepted(ConformalRisk(), losses, epsilon, 0.5) for losses in every_calibration_set(population, n)]
    total = sum(Fraction(int(population[index].sum()), population.shape[1]) for index in chosen)
    assert total <= exact(epsilon) * len(chosen)


def test_the_laws_above_can_fail():
    """Without a test in sequence, or with one loss more, the same enumeration finds too many."""
    population = np.array([[0, 0], [1, 0]], np.int8)  # a risk of a half

    def careless(losses):
        return int(losses[1].sum() <= largest_losses(5, 0.4, 0.1) + 1)

    too_many = sum(careless(losses) for losses in every_calibration_set(population, 5))
    assert too_many > 0.1 * 2**5


@given(case=readouts(), epsilon=st.sampled_from([0.1, 0.2, 0.3, 0.5]), kind=st.sampled_from(["confidence", "patience"]))
def test_of_n_plus_1_samples_at_most_a_share_of_epsilon_is_lost_under_the_others_choice(case, epsilon, kind):
    """The proof's own step, for any samples whatever: conformal risk control on all but one, and what that one loses."""
    readout, _ = case
    samples = readout.shape[1]
    candidates = path(kind, len(readout))
    by_step = losses_by_step(readout, None, "consistency")
    lost = 0
    for n in range(samples):
        others = np.arange(samples) != n
        if others.any():
            certificate = certify(candidates, readout[:, others], method=ConformalRisk(), epsilon=epsilon)
            if certificate.policy is not None:
                lost += by_step[certificate.policy.exit_step(readout[:, [n]])[0] - 1, n]
    assert lost <= exact(epsilon) * samples


@given(n=st.integers(1, 40), epsilon=st.integers(1, 99), delta=st.integers(1, 99))
def test_the_largest_number_of_losses_is_the_binomial_distributions(n, epsilon, delta):
    """In hundredths, in fractions; a probability within 1e-12 of delta may round to either side."""
    p, tail, largest, near = Fraction(epsilon, 100), Fraction(0), -1, False
    for k in range(n):
        tail += comb(n, k) * p**k * (1 - p) ** (n - k)
        near = near or abs(tail - Fraction(delta, 100)) < Fraction(1, 10**12)
        largest = k if tail <= Fraction(delta, 100) else largest
    assert near or largest_losses(n, epsilon / 100, delta / 100) == largest


@given(n=st.integers(1, 300), losses=st.integers(0, 300), epsilon=st.floats(0.001, 0.9), delta=deltas)
def test_accepted_is_what_has_its_upper_bound_below_epsilon(n, losses, epsilon, delta):
    losses = min(losses, n)
    upper = upper_share(losses, n, delta)
    if abs(upper - epsilon) > 1e-9:
        assert (losses <= largest_losses(n, epsilon, delta)) == (upper <= epsilon)
    assert lower_share(losses, n, delta) == pytest.approx(1 - upper_share(n - losses, n, delta), abs=1e-12)


@given(
    x=st.lists(st.integers(0, 4).map(lambda n: n / 4), min_size=1, max_size=12),
    mean=st.sampled_from([0.01, 0.2, 0.5, 0.9]),
    delta=deltas,
)
def test_wealth_equals_a_slow_version(x, mean, delta):
    wealth, most, before, n = 1.0, 0.0, [], len(x)
    for i, value in enumerate(x):
        means = [(0.5 + sum(before[: j + 1])) / (j + 2) for j in range(i)]
        sigma2 = (0.25 + sum((b - m) ** 2 for b, m in zip(before, means, strict=True))) / (i + 1)
        wealth *= 1 - min(1.0, (2 * log(1 / delta) / (n * sigma2)) ** 0.5) * (value - mean)
        before.append(value)
        most = max(most, wealth)
        assert exp(log_wealth(np.array(x), mean, delta)[i]) == pytest.approx(wealth, rel=1e-9)
    if abs(most * delta - 1) > 1e-9:  # the largest wealth on the way counts
        assert WSR().accepts(np.array(x), mean, delta) == (most * delta > 1)


def test_wealth_once_won_proves_the_mean_small():
    """Eight samples without a loss, then ten that lose: what was won is lost again, and was won."""
    x = np.repeat([0, 1], [8, 10])
    assert log_wealth(x, 0.5, 0.2)[-1] < log(1 / 0.2) < log_wealth(x, 0.5, 0.2)[7]
    assert WSR().accepts(x, 0.5, 0.2)


def test_wsr_bets_in_an_order_of_its_own():
    """On a file sorted by whether it loses, too; the same one every time, and the same for all policies."""
    losses = np.stack([np.arange(100) >= 50, np.arange(100)]).astype(np.int64)
    seen = WSR().seen(losses)
    assert 15 < seen[0, :50].sum() < 35
    assert sorted(seen[1]) == list(range(100))
    assert (seen[0] == (seen[1] >= 50)).all()
    assert_identical(seen, WSR().seen(losses))


@given(harmed=st.integers(0, 30), helped=st.integers(0, 30), others=st.integers(1, 200), epsilon=epsilons, delta=deltas)
def test_the_signed_drop_is_bounded_on_both_sides(harmed, helped, others, epsilon, delta):
    """The bounds found by halving on sums of the binomial distribution."""
    n = harmed + helped + others

    def at_most(k, p):
        return sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))

    def crossing(falls_below):
        low, high = 0.0, 1.0
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (low, middle) if falls_below(middle) else (middle, high)
        return high

    upper = crossing(lambda p: at_most(harmed, p) < delta / 2)
    lower = crossing(lambda p: 1 - at_most(helped - 1, p) >= delta / 2) if helped else 0.0
    losses = np.repeat([1, -1, 0], [harmed, helped, others])
    if abs(upper - lower - epsilon) > 1e-9:
        assert SignedDrop().accepts(losses, epsilon, delta) == (upper - lower <= epsilon)


def test_conformal_risk_control_does_not_forget_a_loss():
    """A sample that a safer policy has lost stays lost, or the proof, which needs risks that rise, does not hold."""
    losses = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    assert ConformalRisk().seen(losses).tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0]]
    assert accepted(ConformalRisk(), losses, 0.5, 0.5) == 1  # (1 + 1) / 4 is allowed, (2 + 1) / 4 is not


@given(losses=hnp.arrays(np.int8, st.integers(1, 60), elements=st.integers(0, 1)), epsilon=epsilons, delta=deltas)
def test_wsr_accepts_what_has_its_upper_bound_below_epsilon(losses, epsilon, delta):
    upper = upper_mean(losses, delta)
    if abs(upper - epsilon) > 1e-9:
        assert WSR().accepts(losses, epsilon, delta) == (upper < epsilon)
    assert upper >= losses.mean()


def a_path(kind, case, other):
    """The path, fitted on another readout of as many steps and classes where it is fitted."""
    steps, _, classes = case[0].shape
    fit = np.resize(other[0], (steps, other[0].shape[1], classes))
    labels = np.minimum(other[1], classes - 1)
    return path(kind, steps, fit=fit, labels=labels) if kind in FITTED else path(kind, steps)


@given(case=readouts(), other=readouts(), kind=kinds)
def test_a_path_begins_with_everybody_running_all_steps_and_goes_on_policy_by_policy(case, other, kind):
    readout, _ = case
    candidates = a_path(kind, case, other)
    exits = candidates.exit_steps(readout)
    assert (exits[0] == len(readout)).all()
    assert candidates.policy(0) is None
    if isinstance(candidates.limits[0], tuple):  # the last step needs none, so that no two policies are alike
        assert {limits[-1] for limits in candidates.limits} == {inf}
        assert len(set(candidates.limits)) == len(candidates)
    for index in range(1, len(candidates)):
        assert_identical(candidates.policy(index).exit_step(readout), exits[index])
    assert (np.diff(exits, axis=0) <= 0).all()  # from safe to risky is from late to early


@given(case=readouts(), other=readouts(), kind=kinds, name=st.sampled_from([*METHODS]), epsilon=epsilons, delta=deltas)
def test_a_certificate_says_what_its_policy_does_on_these_samples(case, other, kind, name, epsilon, delta):
    readout, labels = case
    method, candidates = METHODS[name], a_path(kind, case, other)
    if candidates.fitted_on == digest(readout):
        return  # refused, and tested elsewhere; a_path may have made the other readout into this one
    found = certify(candidates, readout, labels, risk=method.risks[-1], method=method, epsilon=epsilon, delta=delta)
    stops = np.full(len(labels), len(readout)) if found.policy is None else found.policy.exit_step(readout)
    assert found.mean_steps == stops.mean()
    assert found.losses == losses_by_step(readout, labels, found.risk)[stops - 1, np.arange(len(labels))].sum()
    assert (found.policy is None) == (found.index == 0)
    assert (found.n, found.steps) == (len(labels), len(readout))
    assert (found.refused is None) == (found.index == len(candidates) - 1)
    assert str(found).endswith(".")
    assert "\n" not in str(found)


@given(case=readouts(), data=st.data(), name=st.sampled_from(["learn-then-test", "conformal-risk"]), epsilon=epsilons)
def test_the_order_of_calibration_samples_does_not_matter(case, data, name, epsilon):
    readout, _ = case
    order = data.draw(st.permutations(range(readout.shape[1])))
    candidates = path("confidence", len(readout))
    one, two = (
        certify(candidates, each, method=METHODS[name], epsilon=epsilon) for each in (readout, readout[:, order])
    )
    assert one == two


@given(case=readouts())
def test_the_risks_are_ordered_and_the_drop_is_the_accuracy_lost(case):
    readout, labels = case
    drop, harm, consistency = (losses_by_step(readout, labels, risk) for risk in ("drop", "harm", "consistency"))
    assert (drop <= harm).all()
    assert (harm <= consistency).all()
    assert not drop[-1].any()
    right = readout.argmax(-1) == labels
    for t, n in np.ndindex(harm.shape):
        assert harm[t, n] == (right[-1, n] and not right[t, n])
    at_the_end = accuracy_at(readout, labels, np.full(len(labels), len(readout)))
    for t in range(len(readout)):
        lost = at_the_end - accuracy_at(readout, labels, np.full(len(labels), t + 1))
        assert drop[t].mean() == pytest.approx(lost, abs=1e-12)


@given(epsilon=st.integers(1, 500), delta=deltas)
def test_without_a_loss_the_samples_needed_are_known(epsilon, delta):
    """n >= ln(delta) / ln(1 - epsilon), and (n + 1) epsilon >= 1 for conformal risk control; epsilon in thousandths."""
    none = np.zeros(1, np.int8)
    assert samples_needed(LearnThenTest(), none, epsilon / 1000, delta) == ceil(log(delta) / log(1 - epsilon / 1000))
    assert samples_needed(ConformalRisk(), none, epsilon / 1000, delta) == max(ceil(Fraction(1000, epsilon)) - 1, 1)
    both = samples_needed(SignedDrop(), none, epsilon / 1000, delta)
    assert both == ceil(log(delta / 2) / log(1 - epsilon / 1000))


@given(share=st.integers(0, 9), name=st.sampled_from([*METHODS]))
def test_as_many_samples_as_needed_do(share, name):
    """Of a hundred samples so many lose, and 10 % may."""
    losses = (np.arange(100) < share).astype(np.int8)
    method = METHODS[name]
    needed = samples_needed(method, losses, 0.1, 0.05)
    enough = np.diff(np.ceil(np.arange(needed + 1) * losses.mean())).astype(np.int8)
    assert method.accepts(enough, 0.1, 0.05)
    assert needed == 1 or not method.accepts(np.diff(np.ceil(np.arange(needed) * losses.mean())), 0.1, 0.05)
    assert samples_needed(method, losses, share / 100 or 1e-9, 0.05) is None


@pytest.mark.parametrize("n", [1, 2, 5, 30])
@pytest.mark.parametrize("delta", [0.05, 0.3])
def test_the_interval_of_a_share_holds_it_as_often_as_it_says(n, delta):
    """Every outcome of n draws, for shares in steps of 1/50."""
    intervals = [interval_of_share(k, n, delta) for k in range(n + 1)]
    for p in np.linspace(0, 1, 51):
        held = sum(
            comb(n, k) * p**k * (1 - p) ** (n - k) for k, (low, high) in enumerate(intervals) if low <= p <= high
        )
        assert held >= 1 - delta - 1e-12
    assert intervals[0][0] == 0
    assert intervals[-1][1] == 1


@pytest.mark.parametrize("delta", [0.05, 0.3])
@pytest.mark.parametrize("n", [1, 10, 200])
def test_the_interval_of_a_mean_holds_it_as_often_as_it_says(n, delta):
    """Draws of 1 or 8 steps, of which every outcome is summed up; one row for each number of eights."""
    values = np.where(np.arange(n)[None] < np.arange(n + 1)[:, None], 8.0, 1.0)
    low, high = interval_of_mean(values, delta, 1, 8)
    assert ((low >= 1) & (low <= values.mean(-1)) & (values.mean(-1) <= high) & (high <= 8)).all()
    for p in (0.0, 0.01, 0.2, 0.5, 0.97, 1.0):
        k = np.flatnonzero((low <= 1 + 7 * p) & (1 + 7 * p <= high))
        held = sum(comb(n, int(each)) * p ** int(each) * (1 - p) ** (n - int(each)) for each in k)
        assert held >= 1 - delta - 1e-9


@given(values=hnp.arrays(np.float64, (2, 9), elements=st.integers(1, 8).map(float)), delta=deltas)
def test_an_interval_of_means_is_one_for_each(values, delta):
    values = np.tile(values, 20)
    low, high = interval_of_mean(values, delta, 1, 8)
    normal = normal_interval_of_mean(values, delta)
    for i, row in enumerate(values.tolist()):
        mean, spread = sum(row) / 180, (sum((v - sum(row) / 180) ** 2 for v in row) / 179) ** 0.5
        reach = spread * (2 * log(4 / delta) / 180) ** 0.5 + 7 * 7 * log(4 / delta) / (3 * 179)
        assert low[i] == pytest.approx(max(mean - reach, 1), abs=1e-12)
        assert high[i] == pytest.approx(min(mean + reach, 8), abs=1e-12)
        assert (normal[0][i] + normal[1][i]) / 2 == pytest.approx(mean, abs=1e-12)
    assert np.allclose(normal_interval_of_mean(np.array([0.0, 2.0]), 0.05), [1 - 1.959964, 1 + 1.959964], atol=1e-6)


@given(case=readouts())
def test_patience_as_long_as_the_run_stops_nobody_early(case):
    steps = len(case[0])
    assert (path("patience", steps).base.exit_step(case[0]) == steps).all()
    assert path("patience", steps).limits == (inf, *(float(k - 1) for k in range(steps - 1, 0, -1)))
    if steps > 1:
        assert path("patience", steps).policy(steps - 1) == Patience(1, steps)
