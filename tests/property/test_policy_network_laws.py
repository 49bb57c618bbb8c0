"""Laws of the policy network: its objective against slow versions and closed forms, what training and planning may depend on."""

from math import cos, exp, log, pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from same import assert_identical

from refsnn import Float64, forward
from refsnn.policies import Oracle, PolicyNetwork
from refsnn.policies.readout import accuracy_at, correct
from refsnn.policy_training import PolicyTraining, mixed_fixed, sweep, train_policy
from refsnn.policy_training import perceptron as mlp
from refsnn.policy_training.objective import costs, entropy, objective
from refsnn.strategies import readouts, source_networks

seeds = st.integers(0, 2**32 - 1)
bonuses = st.sampled_from([0.0, 0.05, 0.5])
STEP = 1e-30  # of complex-step derivatives: nothing is subtracted, so no digit is lost however small it is


def slow_objective(logits, cost, bonus):
    """J written out, for complex numbers too."""
    total = 0
    for z, c in zip(logits, cost, strict=True):
        weights = [np.exp(value - max(z.real)) for value in z]
        v = [w / sum(weights) for w in weights]
        total += sum(p * price for p, price in zip(v, c, strict=True))
        total += bonus * sum(p * np.log(p) for p in v)
    return total / len(logits)


def drawn(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


@given(seed=seeds, n=st.integers(1, 4), steps=st.integers(1, 5), bonus=bonuses)
def test_the_gradient_is_the_derivative_of_the_written_out_objective(seed, n, steps, bonus):
    """dJ/dz = Im J(z + ih) / h: exact but for a few dozen roundings of numbers of order 1."""
    logits, cost = 2 * drawn(seed, 2, n, steps)
    value, gradient = objective(logits, cost, bonus)
    assert value == pytest.approx(slow_objective(logits.astype(complex), cost, bonus).real, abs=1e-12)
    for index in np.ndindex(logits.shape):
        moved = logits.astype(complex)
        moved[index] += STEP * 1j
        assert gradient[index] == pytest.approx(slow_objective(moved, cost, bonus).imag / STEP, abs=1e-12)


@given(seed=seeds, hidden=st.integers(0, 3), inputs=st.integers(1, 3), steps=st.integers(1, 4), bonus=bonuses)
def test_the_gradient_of_every_parameter_is_a_derivative(seed, hidden, inputs, steps, bonus):
    rng = np.random.Generator(np.random.PCG64(seed))
    parameters = mlp.initial(rng, inputs, hidden, steps)
    parameters = tuple(p + rng.normal(size=p.shape) for p in parameters)
    x, cost = rng.normal(size=(5, inputs)), rng.normal(size=(5, steps))

    def logits(changed):
        active = x
        for i, (weight, bias) in enumerate(zip(changed[::2], changed[1::2], strict=True)):
            active = (np.where(active.real > 0, active, 0) if i else active) @ weight + bias
        return active

    _, upstream = objective(mlp.logits(parameters, x), cost, bonus)
    for i, slope in enumerate(mlp.gradient(parameters, x, upstream)):
        assert slope.shape == parameters[i].shape
        for index in np.ndindex(slope.shape):
            moved = [p.astype(complex) for p in parameters]
            moved[i][index] += STEP * 1j
            expected = slow_objective(logits(moved), cost, bonus).imag / STEP
            assert slope[index] == pytest.approx(expected, abs=1e-10)  # sums of products of normal numbers


@given(case=readouts(), beta=st.sampled_from([0.0, 0.5, 3.0]), discount=st.sampled_from([0.5, 0.75]))
def test_costs_are_the_published_ones(case, beta, discount):
    right = correct(*case)
    r1 = sum(map(int, right[0])) / right.shape[1]
    for b, row in enumerate(costs(right, beta, 100.0, discount)):
        weight = 1.0 if right[0, b] else min(max(r1 / (1 - r1), 0.01), 100.0)
        assert row.tolist() == [weight * (-(discount**k) if right[k, b] else beta) for k in range(len(right))]


@given(case=readouts(), beta=st.sampled_from([0.0, 0.5, 3.0]), data=st.data())
def test_a_policy_that_is_certain_earns_what_its_steps_earn(case, beta, data):
    """At logits of 0 and -1000 softmax is 0 or 1 in float64, and the entropy is 0."""
    right = correct(*case)
    cost = costs(right, beta, 100.0, 0.5)
    steps = np.array(data.draw(st.lists(st.integers(0, len(right) - 1), min_size=len(cost), max_size=len(cost))))
    logits = np.where(np.arange(len(right)) == steps[:, None], 0.0, -1000.0)
    value, gradient = objective(logits, cost, 0.3)
    assert value == np.array([cost[b, [k]] for b, k in enumerate(steps)]).mean()
    assert not gradient.any()
    assert not entropy(logits).any()


@given(seed=seeds, steps=st.integers(1, 5), bonus=st.sampled_from([0.1, 1.0]))
def test_with_a_bonus_the_best_policy_is_softmax_of_the_reward(seed, steps, bonus):
    """Gibbs: J >= -bonus * mean ln sum_k exp(-cost[k] / bonus), with equality, and no slope, at logits = -cost / bonus."""
    cost, other = drawn(seed, 2, 3, steps)
    value, gradient = objective(-cost / bonus, cost, bonus)
    least = -bonus * sum(log(sum(exp(-c / bonus) for c in row)) for row in cost) / len(cost)
    assert value == pytest.approx(least, abs=1e-12)
    assert gradient == pytest.approx(np.zeros_like(cost), abs=1e-12)
    assert objective(other, cost, bonus)[0] >= least - 1e-12


@given(seed=seeds, n=st.integers(1, 6), bonus=bonuses)
def test_each_sample_has_its_own_gradient(seed, n, bonus):
    """Permuting samples permutes it, bit for bit; it sums to 0 over the choices, since softmax does not see a shift."""
    logits, cost = drawn(seed, 2, n, 4)
    order = np.random.default_rng(seed).permutation(n)
    gradient = objective(logits, cost, bonus)[1]
    assert_identical(objective(logits[order], cost[order], bonus)[1], gradient[order])
    assert gradient.sum(1) == pytest.approx(np.zeros(n), abs=1e-14)


@given(logits=hnp.arrays(np.float64, (3, 4), elements=st.floats(-1e3, 1e3)))
def test_entropy_lies_between_none_and_that_of_a_blind_choice(logits):
    assert (entropy(logits) >= 0).all()
    assert (entropy(logits) <= log(4) + 1e-12).all()
    assert entropy(0 * logits) == pytest.approx(np.full(3, log(4)))


@given(seed=seeds, hidden=st.integers(0, 3), pool=st.sampled_from([1, 2]))
def test_the_network_computes_what_was_trained(seed, hidden, pool):
    """Standardising is folded into the first layer; dyadic numbers, and scales that are powers of two, leave no rounding."""
    rng = np.random.default_rng(seed)
    shape, inputs = (2, 4, 2), 16 // pool**2
    parameters = tuple(
        rng.integers(-8, 9, p.shape) / 4
        for p in mlp.initial(np.random.Generator(np.random.PCG64(0)), inputs, hidden, 3)
    )
    features = mlp.Features(pool, rng.integers(-8, 9, inputs) / 4, 2.0 ** rng.integers(-2, 3, inputs))
    x = rng.integers(-8, 9, (5, *shape)) / 8
    network = mlp.as_network(parameters, features, shape, "policy")
    values = (mlp.pooled(x, pool) - features.mean) / features.scale
    assert_identical(forward(network, x, arithmetic=Float64()).output, mlp.logits(parameters, values))
    assert {node.layer.weight.dtype for node in network.nodes if node.name.startswith("fc")} == {np.dtype(np.float32)}


@given(network=source_networks(), seed=seeds)
def test_a_plan_is_the_first_largest_output_of_every_sample_alone(network, seed):
    """Its activity is the network's own; neither other samples nor their order matter."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-8, 9, (4, *network.input_shape)) / 8
    policy, order = PolicyNetwork(network), rng.permutation(4)
    planned = policy.plan(x)
    result = forward(network, x)
    assert planned.steps.tolist() == [row.tolist().index(max(row)) + 1 for row in result.output]
    assert planned.activity.total("macs") == result.activity.total("macs")
    assert_identical(policy.plan(x[order]).steps, planned.steps[order])
    readout = rng.normal(size=(policy.n_steps, 4, 2))
    assert_identical(planned.exit_step(readout), planned.steps)


def graded(difficulty, steps):
    """A readout that is right from step `difficulty` on, of class 1 of two; and the labels."""
    right = np.arange(1, steps + 1)[:, None] >= difficulty
    return np.stack([np.zeros(right.shape), np.where(right, 1.0, -1.0)], axis=2), np.ones(len(difficulty), np.int64)


@given(seed=st.integers(0, 1000), steps=st.integers(2, 5), beta=st.sampled_from([0.0, 1.0, 4.0]))
def test_where_the_input_tells_the_steps_the_policy_is_the_oracle(seed, steps, beta):
    """The input names the first right step; whatever beta, that step earns most, as -2^-k < -2^-(k+1) < beta."""
    difficulty = np.random.default_rng(seed).permutation(np.resize(np.arange(1, steps + 1), 60))
    x = np.eye(steps)[difficulty - 1]
    readout, labels = graded(difficulty, steps)
    trained = train_policy(x, readout, labels, PolicyTraining(beta=beta, epochs=40, batch=20, seed=seed))
    planned = trained.policy.plan(x)
    assert_identical(planned.exit_step(readout), Oracle(labels).exit_step(readout))
    assert trained.history.accuracy[-1] == 1
    assert trained.history.mean_steps[-1] == difficulty.mean()
    assert trained.shares == tuple(float(s) for s in np.bincount(difficulty, minlength=steps + 1)[1:] / 60)


@given(seed=st.integers(0, 1000), hidden=st.sampled_from([0, 4]))
def test_the_same_seed_trains_the_same_policy(seed, hidden):
    x = drawn(seed, 40, 3)
    readout, labels = graded(np.where(x[:, 0] > 0, 1, 3), 4)
    training = PolicyTraining(hidden=hidden, epochs=3, batch=16, seed=seed)
    first, second = (train_policy(x, readout, labels, training) for _ in range(2))
    assert first.network.digest == second.network.digest
    assert_identical(first.history.reward, second.history.reward)


@given(seed=st.integers(0, 1000), batch=st.sampled_from([7, 40]))
def test_training_is_nesterov_descent_with_a_falling_rate(seed, batch):
    """A linear policy on standardised samples, written out: v = m v + g, p = p - rate (g + m v); weights decay, biases do not."""
    x = np.array([[-1.0, 1.0], [1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]] * 5)  # mean 0, deviation 1
    readout, labels = graded(np.random.default_rng(seed).integers(1, 4, 20), 3)
    training = PolicyTraining(epochs=2, batch=batch, seed=seed, learning_rate=0.5, weight_decay=0.1)
    cost = costs(correct(readout, labels), training.beta, training.largest_weight, training.discount)
    rng = np.random.Generator(np.random.PCG64(seed))
    weight, bias, fast_weight, fast_bias = np.zeros((2, 3)), np.zeros(3), np.zeros((2, 3)), np.zeros(3)
    batches = -(-20 // batch)
    for epoch in range(2):
        order = rng.permutation(20)
        for i in range(batches):
            rows = order[i * batch : (i + 1) * batch]
            rate = 0.5 * 0.5 * (1 + cos(pi * (epoch * batches + i) / (2 * batches)))
            upstream = objective(x[rows] @ weight + bias, cost[rows], training.entropy_bonus)[1]
            slope, bias_slope = x[rows].T @ upstream + 0.1 * weight, upstream.sum(0)
            fast_weight, fast_bias = 0.9 * fast_weight + slope, 0.9 * fast_bias + bias_slope
            weight = weight - rate * (slope + 0.9 * fast_weight)
            bias = bias - rate * (bias_slope + 0.9 * fast_bias)
    layer = train_policy(x, readout, labels, training).network["fc1"].layer
    assert layer.weight == pytest.approx(weight.T, rel=1e-6, abs=1e-9)  # written in float32
    assert layer.bias == pytest.approx(bias, rel=1e-6, abs=1e-9)


@given(seed=st.integers(0, 1000))
def test_samples_held_back_have_no_say_in_training(seed):
    """Turning all of their labels changes what is measured on them, and no network."""
    x = drawn(seed, 80, 3)
    readout, labels = graded(np.where(x[:, 0] > 0, 1, 3), 4)
    training = PolicyTraining(epochs=3, seed=seed)
    held = np.random.Generator(np.random.PCG64(seed)).permutation(80)[:20]
    turned = labels.copy()
    turned[held] = 0
    ours, others = (sweep(x, readout, y, training, betas=(0.5, 2.0)) for y in (labels, turned))
    for one, other in zip(ours.candidates, others.candidates, strict=True):
        assert one.trained.network.digest == other.trained.network.digest
        assert one.accuracy == pytest.approx(1 - other.accuracy)
        # a policy of its own, with that beta, on the samples that were not held back
        rest = np.setdiff1d(np.arange(80), held)
        steps = one.trained.policy.plan(x).steps
        assert one.accuracy == accuracy_at(readout[:, held], labels[held], steps[held])
        assert one.mean_steps == steps[held].mean()
        assert one.trained.history.mean_steps[-1] == pytest.approx(
            steps[rest].mean(), abs=1.5 / 60
        )  # float32 or float64


@given(
    accuracy=st.lists(st.floats(0, 1), min_size=1, max_size=6),
    weights=st.lists(st.integers(0, 5), min_size=6, max_size=6).filter(any),
)
def test_no_blind_mixture_beats_mixed_fixed(accuracy, weights):
    """Whatever share of the samples runs which number of steps, chosen without looking; and never a single T."""
    shares = np.array(weights[: len(accuracy)], dtype=float)
    if not shares.any():
        shares[0] = 1
    shares /= shares.sum()
    mean_steps = float(np.clip(shares @ np.arange(1, len(accuracy) + 1), 1, len(accuracy)))
    best = mixed_fixed(np.array(accuracy), mean_steps)
    assert best >= shares @ accuracy - 1e-12
    assert best >= max(accuracy[: int(mean_steps)])
    assert best <= max(accuracy)
    assert mixed_fixed(np.array(accuracy), 1.0) == accuracy[0]


@given(case=readouts(), mean_steps=st.floats(1, 6))
def test_a_longer_allowance_is_never_worse(case, mean_steps):
    accuracy = correct(*case).mean(1)
    shorter = min(mean_steps, len(accuracy))
    assert mixed_fixed(accuracy, shorter) <= mixed_fixed(accuracy, len(accuracy)) == accuracy.max()
