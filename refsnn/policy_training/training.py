"""Minibatch descent on the expected cost, from samples and a frozen network's readout to a policy network."""

from math import cos, pi
from typing import Any

import numpy as np

from refsnn.arithmetic import finite
from refsnn.errors import NothingCompared, ShapeError, SpecError
from refsnn.policies.readout import checked, checked_labels, correct
from refsnn.policy_training import perceptron
from refsnn.policy_training.objective import costs, entropy, objective
from refsnn.policy_training.settings import PolicyTraining
from refsnn.policy_training.trained import History, TrainedPolicy

Array = np.ndarray[Any, Any]


def train_policy(
    x: Array, readout: Array, labels: Array, training: PolicyTraining = PolicyTraining(), *, name: str = "policy"
) -> TrainedPolicy:
    """A policy network for the T steps of this readout of a frozen spiking network.

    x: [N, ...] what the spiking network saw; readout: [T, N, K], summed over steps; labels: [N]. The samples are those of
    a training or calibration split: whoever measures the policy on them flatters it. If the spiking network was trained
    on them too, they are easier for it than new ones, and the policy will stop a little early.
    """
    x, right = checked_samples(x, readout, labels, training.pool)
    values = perceptron.pooled(x, training.pool)
    features = perceptron.standardising(values, training.pool)
    values = (values - features.mean) / features.scale
    cost = costs(right, training.beta, training.largest_weight, training.discount)
    rng = np.random.Generator(np.random.PCG64(training.seed))
    parameters = perceptron.initial(rng, values.shape[1], training.hidden, len(right))
    velocity = tuple(np.zeros_like(p) for p in parameters)
    told = []
    for epoch in range(training.epochs):
        parameters, velocity = _epoch(parameters, velocity, values, cost, training, epoch, rng)
        if not all(np.isfinite(p).all() for p in parameters):
            raise SpecError(
                f"train_policy: the weights grew without bound in epoch {epoch + 1}; lower learning_rate below "
                f"{training.learning_rate:g}"
            )
        told.append(_measured(perceptron.logits(parameters, values), cost, right))
    steps = perceptron.logits(parameters, values).argmax(1)
    return TrainedPolicy(
        network=perceptron.as_network(parameters, features, x.shape[1:], name),
        training=training,
        history=History(*np.array(told).T),
        shares=tuple(float(share) for share in np.bincount(steps, minlength=len(right)) / len(steps)),
    )


def checked_samples(x: Array, readout: Array, labels: Array, pool: int) -> tuple[Array, Array]:
    """The samples, and which steps decide them rightly (bool[T, N]); or what does not fit."""
    readout = checked(readout, "train_policy")
    right = correct(readout, checked_labels(labels, readout, "train_policy"))
    x = np.asarray(x)
    if x.ndim < 2 or x.dtype.kind not in "fiub" or not x.size:
        raise ShapeError(
            f"train_policy: expected samples [N, ...] of numbers, got shape {list(x.shape)} and dtype {x.dtype}"
        )
    if len(x) != readout.shape[1]:
        raise ShapeError(
            f"train_policy: {len(x)} samples, but the readout has {readout.shape[1]}; give the readout of these samples"
        )
    if len(x) < 2:
        raise NothingCompared("train_policy: one sample leaves nothing to tell apart; give at least two")
    if pool > 1 and (x.ndim != 4 or x.shape[2] % pool or x.shape[3] % pool):
        raise ShapeError(
            f"train_policy: pool = {pool} does not divide samples of shape {list(x.shape[1:])} into windows; "
            "give pool=1, or a divisor of height and width"
        )
    return finite("train_policy: x", x), right


def _epoch(
    parameters: perceptron.Parameters, velocity: perceptron.Parameters, values: Array, cost: Array,
    training: PolicyTraining, epoch: int, rng: np.random.Generator,
) -> tuple[perceptron.Parameters, perceptron.Parameters]:  # fmt: skip
    """Parameters and velocity after every sample was seen once, in an order drawn anew."""
    order = rng.permutation(len(values))
    batches = [order[i : i + training.batch] for i in range(0, len(order), training.batch)]
    for done, rows in enumerate(batches):
        progress = (epoch + done / len(batches)) / training.epochs
        rate = training.learning_rate * (1 + cos(pi * progress)) / 2
        _, upstream = objective(perceptron.logits(parameters, values[rows]), cost[rows], training.entropy_bonus)
        slope = tuple(
            g + training.weight_decay * p if p.ndim > 1 else g
            for g, p in zip(perceptron.gradient(parameters, values[rows], upstream), parameters, strict=True)
        )
        velocity = tuple(training.momentum * v + g for v, g in zip(velocity, slope, strict=True))
        parameters = tuple(
            p - rate * (g + training.momentum * v) for p, g, v in zip(parameters, slope, velocity, strict=True)
        )
    return parameters, velocity


def _measured(logits: Array, cost: Array, right: Array) -> tuple[float, float, float, float]:
    """Reward, entropy, mean steps, accuracy."""
    steps = logits.argmax(1)
    return (
        -objective(logits, cost, 0.0)[0],
        float(entropy(logits).mean()),
        float(steps.mean()) + 1,
        float(right[steps, np.arange(len(steps))].mean()),
    )
