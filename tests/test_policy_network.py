"""SEENN-II: what is refused, an example for paper, collapse and its cure, the digits, files."""

from types import SimpleNamespace

import numpy as np
import pytest
from same import assert_identical

from refsnn import Network, Node, dump, forward, load, simulate
from refsnn.errors import FormatError, NothingCompared, RefSNNError, ShapeError, SpecError, UnsupportedLayerError
from refsnn.layers import Linear
from refsnn.neurons import IF
from refsnn.policies import Planned, PolicyNetwork
from refsnn.policies.readout import accuracy_at
from refsnn.policy_training import Candidate, PolicyTraining, Sweep, TrainedPolicy, mixed_fixed, sweep, train_policy

READOUT = np.cumsum(np.arange(24.0).reshape(4, 3, 2) % 5, axis=0)
LABELS = np.array([0, 1, 1])
X = np.arange(12.0).reshape(3, 4) % 7


def linear(weight, name="fc1"):
    return Node(name, Linear(weight=np.array(weight, np.float32)), ("input",))


CHOOSER = PolicyNetwork(Network("chooser", (4,), (linear(np.eye(4)),)))
PLANNED = CHOOSER.plan(X)


@pytest.mark.parametrize(
    ("act", "kind", "message"),
    [
        (lambda: PolicyNetwork(Network("net", (2,), (linear(np.eye(2)), Node("if1", IF(v_threshold=1.0), ("fc1",))))),
         UnsupportedLayerError,
         "PolicyNetwork: if1: network 'net' works in steps, but a policy network decides how many there are; give a source "
         "network of Linear, Conv2d, pools, ReLU or QCFS"),
        (lambda: PolicyNetwork(Network("net", (2,), (Node("fc1", linear(np.eye(2)).layer, ("input",), (1,)),))),
         UnsupportedLayerError,
         "PolicyNetwork: fc1: network 'net' works in steps, but a policy network decides how many there are; give a source "
         "network of Linear, Conv2d, pools, ReLU or QCFS"),
        (lambda: CHOOSER.exit_step(READOUT), SpecError,
         "PolicyNetwork: reads the input, not the readout; plan first, the plan is the policy: policy.plan(x).exit_step(readout)"),
        (lambda: PLANNED.exit_step(READOUT[:3]), ShapeError,
         "Planned: the policy network chooses among 4 steps, but this readout has 3; run 4 steps, or train a policy for 3"),
        (lambda: PLANNED.exit_step(READOUT[:, :2]), ShapeError,
         "Planned: the plan is for 3 samples, but this readout has 2; plan for the samples that are run"),
        (lambda: PLANNED.exit_step(READOUT * np.nan), FormatError,
         "Planned: readout: nan at index [0, 0, 0]; every number must be finite"),
        (lambda: Planned(np.array([1, 5, 2]), 4, PLANNED.activity), SpecError,
         "Planned: steps[1] is 5, but the plan is for 1..4"),
        (lambda: Planned(np.array([1.0, 2.0, 2.0]), 4, PLANNED.activity), ShapeError,
         "Planned: steps has shape [3] and dtype float64; give a whole number per sample"),
        (lambda: Planned(np.array([1, 2]), 4, PLANNED.activity), ShapeError,
         "Planned: 2 samples have a plan, but the activity is of 3; both come from one PolicyNetwork.plan"),
        (lambda: CHOOSER.plan(X * np.nan), FormatError, "input x: nan at index [0, 0]; every number must be finite"),
        (lambda: PolicyTraining(beta=-1.0), SpecError, "PolicyTraining: beta is -1.0; it is a finite number, 0 or more"),
        (lambda: PolicyTraining(hidden=1.5), SpecError, "PolicyTraining: hidden is 1.5; it is a whole number, 0 or more"),
        (lambda: PolicyTraining(batch=0), SpecError, "PolicyTraining: batch is 0; it is a whole number, 1 or more"),
        (lambda: PolicyTraining(momentum=1.0), SpecError, "PolicyTraining: momentum is 1.0; it is below 1, usually 0.9"),
        (lambda: PolicyTraining(discount=1.5), SpecError,
         "PolicyTraining: discount is 1.5; it is above 0 and at most 1, 0.5 as published"),
        (lambda: PolicyTraining(largest_weight=0.5), SpecError,
         "PolicyTraining: largest_weight is 0.5; it is 1 or more"),
        (lambda: train_policy(X[:2], READOUT, LABELS), ShapeError,
         "train_policy: 2 samples, but the readout has 3; give the readout of these samples"),
        (lambda: train_policy(X[:, 0], READOUT, LABELS), ShapeError,
         "train_policy: expected samples [N, ...] of numbers, got shape [3] and dtype float64"),
        (lambda: train_policy(X * np.inf, READOUT, LABELS), FormatError,
         "train_policy: x: nan at index [0, 0]; every number must be finite"),
        (lambda: train_policy(X, READOUT, LABELS + 1), ShapeError,
         "train_policy: labels[1] is 2, but the readout has classes 0..1"),
        (lambda: train_policy(X[:1], READOUT[:, :1], LABELS[:1]), NothingCompared,
         "train_policy: one sample leaves nothing to tell apart; give at least two"),
        (lambda: train_policy(X.reshape(3, 1, 2, 2), READOUT, LABELS, PolicyTraining(pool=3)), ShapeError,
         "train_policy: pool = 3 does not divide samples of shape [1, 2, 2] into windows; give pool=1, or a divisor of "
         "height and width"),
        (lambda: train_policy(X, READOUT, LABELS, PolicyTraining(weight_decay=1e200, epochs=3)), SpecError,
         "train_policy: the weights grew without bound in epoch 3; lower learning_rate below 0.05"),
        (lambda: sweep(X, READOUT, LABELS), NothingCompared,
         "sweep: 0.25 of 3 samples are 1 to choose by, fewer than 20; give more samples"),
        (lambda: sweep(X, READOUT, LABELS, held_share=1.0), SpecError,
         "sweep: held_share is 1.0; it is a share of the samples, above 0 and below 1"),
        (lambda: sweep(X, READOUT, LABELS, betas=()), SpecError, "sweep: betas is empty; give at least one"),
        (lambda: mixed_fixed(np.array([0.5, 0.75]), 2.5), SpecError,
         "mixed_fixed: 2.5 mean steps cannot be mixed from 1..2"),
    ],
)  # fmt: skip
def test_what_is_refused(act, kind, message):
    with pytest.raises(kind) as error, np.errstate(invalid="ignore", over="ignore"):
        act()
    assert str(error.value) == message
    assert isinstance(error.value, RefSNNError)


def test_a_plan_on_paper():
    """The identity of four inputs: the place of the largest, the first of equal ones; each nonzero input multiplies 4 weights."""
    planned = CHOOSER.plan(np.array([[0.0, 0.5, 0.25, 0.5], [1.0, 0.0, 0.0, 0.0]]))
    assert planned.steps.tolist() == [2, 1]
    assert planned.activity["fc1"].macs.tolist() == [[12, 4]]
    assert planned.activity.steps_run.tolist() == [1, 1]
    assert CHOOSER.n_steps == 4
    assert (CHOOSER.name, planned.name) == ("policy network", "policy network")


def test_the_line_between_two_fixed_numbers_of_steps():
    """Half the samples run 1 step, half 3: (0.5 + 0.9) / 2 at 2 mean steps beats 2 steps for all."""
    assert mixed_fixed(np.array([0.5, 0.6, 0.9]), 2.0) == pytest.approx(0.7)
    assert mixed_fixed(np.array([0.5, 0.8, 0.9]), 2.0) == 0.8
    assert mixed_fixed(np.array([0.5, 0.8, 0.7]), 3.0) == 0.8


def test_where_one_step_is_always_right_no_weight_is_infinite():
    readout = np.stack([np.zeros((3, 40)), np.ones((3, 40))], axis=2)
    x = np.random.default_rng(0).normal(size=(40, 2))
    trained = train_policy(x, readout, np.ones(40, np.int64))
    assert trained.collapsed
    assert trained.shares == (1.0, 0.0, 0.0)
    assert trained.history.reward[-1] > 0.8  # a blind choice earns (1 + 1/2 + 1/4) / 3


def test_more_than_99_percent_of_one_choice_is_a_collapse():
    network, history = CHOOSER.network, SimpleNamespace()
    assert TrainedPolicy(network, PolicyTraining(), history, (0.005, 0.995)).collapsed
    assert not TrainedPolicy(network, PolicyTraining(), history, (0.99, 0.01)).collapsed


def quadrants(seed):
    """Samples of two coordinates: right from step 1 on if their signs agree, else from step 2 on. No line tells them apart."""
    x = np.random.default_rng(seed).uniform(-1, 1, (500, 2))
    difficulty = np.where(x.prod(1) > 0, 1, 2)
    right = np.arange(1, 5)[:, None] >= difficulty
    return x, np.stack([np.zeros(right.shape), np.where(right, 1.0, -1.0)], axis=2), np.ones(500, np.int64)


@pytest.mark.parametrize("seed", range(3))
def test_the_entropy_bonus_prevents_the_collapse(seed):
    """Two steps for all is right always: the policy is certain of it before it has learned the quadrants, and stays with it."""
    x, readout, labels = quadrants(seed)
    without, with_bonus = (
        train_policy(
            x, readout, labels, PolicyTraining(beta=2.0, hidden=32, entropy_bonus=bonus, weight_decay=0.0, seed=seed)
        )
        for bonus in (0.0, 0.5)
    )
    assert without.collapsed
    assert str(without).endswith(
        "\ncollapsed: 100.0 % of the samples run 2 steps, as a fixed policy would; raise entropy_bonus above 0, or try another beta"
    )
    assert not with_bonus.collapsed
    assert "collapsed" not in str(with_bonus)
    gain = with_bonus.history.accuracy[-1] - mixed_fixed(
        (readout.argmax(-1) == labels).mean(1), with_bonus.history.mean_steps[-1]
    )
    assert gain > 0.1  # seen: 0.14 to 0.18; without the bonus 0


def candidate(beta, accuracy, mean_steps):
    trained = SimpleNamespace(training=PolicyTraining(beta=beta), collapsed=beta == 3)
    return Candidate(trained, accuracy, mean_steps, fixed_accuracy=0.5)


def test_a_sweep_gives_what_is_asked_for():
    found = Sweep(
        (candidate(0.5, 0.7, 1.25), candidate(2, 0.9, 2.0), candidate(1, 0.9, 1.5), candidate(3, 0.8, 2.5)), 100
    )
    assert found.at_most(1.3).trained.training.beta == 0.5
    assert found.at_most(8).trained.training.beta == 1  # as accurate as 2, in fewer steps
    assert found.at_least(0.75).trained.training.beta == 1
    assert found.at_least(0.5).trained.training.beta == 0.5
    with pytest.raises(SpecError) as error:
        found.at_most(1.2)
    assert str(error.value) == (
        "sweep: no policy keeps to 1.2 mean steps, the fewest are 1.250; sweep smaller values of beta"
    )
    with pytest.raises(SpecError) as error:
        found.at_least(0.95)
    assert str(error.value) == (
        "sweep: no policy reaches an accuracy of 0.95, the best is 0.9000; sweep larger values of beta"
    )
    assert str(found).splitlines() == [
        "    beta  accuracy  mean steps   fixed T    gain   on 100 samples held back",
        "     0.5     70.00       1.250     50.00  +20.00",
        "       2     90.00       2.000     50.00  +40.00",
        "       1     90.00       1.500     50.00  +40.00",
        "       3     80.00       2.500     50.00  +30.00   collapsed",
    ]


@pytest.fixture(scope="module")
def digits_policy(snn, specs):
    """Linear, from the split that the network itself was trained on; the beta by a sweep on a part of it."""
    x, y = (np.load(specs / "data" / "digits_train.npz")[key] for key in "xy")
    readout = simulate(snn, x, steps=8).readout
    return sweep(x, readout, y, betas=(0.25, 0.5, 1.0)).at_most(1.6).trained


def test_on_the_digits_the_policy_beats_every_fixed_number_of_steps(digits_policy, trace, test_data):
    """At equal mean steps, by 3 to 4 points on 400 images that neither network was trained on; two points are asked for."""
    planned = digits_policy.policy.plan(test_data.x)
    exit_step = planned.exit_step(trace.readout)
    right = trace.readout.argmax(-1) == test_data.labels
    assert 1.3 < exit_step.mean() < 1.7
    assert accuracy_at(trace.readout, test_data.labels, exit_step) > mixed_fixed(right.mean(1), exit_step.mean()) + 0.02
    assert not digits_policy.collapsed


def test_a_written_policy_plans_the_same_steps(digits_policy, test_data, tmp_path):
    dump(digits_policy.network, tmp_path / "policy.yaml")
    again = load(tmp_path / "policy.yaml")
    assert again.digest == digits_policy.network.digest
    assert_identical(PolicyNetwork(again).plan(test_data.x).steps, digits_policy.policy.plan(test_data.x).steps)


def test_the_plans_work_is_one_frame_of_the_policy_network(digits_policy, test_data):
    """Every nonzero pixel is multiplied by a weight for each of the 8 outputs."""
    activity = digits_policy.policy.plan(test_data.x).activity
    assert activity["fc1"].macs.tolist() == [(8 * (test_data.x != 0).sum((1, 2, 3))).tolist()]


def test_a_convolutional_policy_is_an_ordinary_network(snn, specs):
    """What PyTorch trained plans here as it does there; the cost and its gradient are those of the NumPy objective."""
    torch = pytest.importorskip("torch")
    recipe = pytest.importorskip("refsnn.training.policy")
    from refsnn.policy_training.objective import objective

    logits, cost = np.random.default_rng(0).normal(size=(2, 6, 8))
    z = torch.tensor(logits, requires_grad=True)
    value = recipe.expected_cost(z, torch.tensor(cost), 0.3)
    value.backward()
    expected, gradient = objective(logits, cost, 0.3)
    assert float(value.detach()) == pytest.approx(expected, abs=1e-12)
    assert z.grad.numpy() == pytest.approx(gradient, abs=1e-12)

    x, y = (np.load(specs / "data" / "digits_train.npz")[key][:200] for key in "xy")
    readout = recipe.readout_of(snn, x, 4)
    assert_identical(readout, simulate(snn, x, steps=4).readout)
    model = recipe.policy_module((1, 8, 8), 4, (4, 8)).train()
    with torch.no_grad():
        model[-1].weight.normal_(generator=torch.Generator().manual_seed(0))
        model(torch.tensor(x))  # the BatchNorms have seen something
    network = recipe.exported(model.eval(), (1, 8, 8), "policy")
    ours, theirs = forward(network, x).output, recipe.measured_logits(model, torch.tensor(x)).numpy()
    assert ours == pytest.approx(theirs, abs=1e-4)  # float32 sums in another order, BatchNorm folded
    trained = recipe.train_convolutional(x, readout, y, PolicyTraining(epochs=2, learning_rate=0.1), channels=(4, 8))
    assert trained.policy.plan(x).n_steps == 4
    assert trained.history.reward.shape == (2,)
