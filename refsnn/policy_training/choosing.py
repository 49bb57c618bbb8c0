"""Which beta: one policy for each, told apart on samples that none was trained on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refsnn.errors import NothingCompared, SpecError
from refsnn.policy_training.settings import PolicyTraining
from refsnn.policy_training.trained import TrainedPolicy
from refsnn.policy_training.training import checked_samples, train_policy

Array = np.ndarray[Any, Any]
BETAS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
Trainer = Callable[[Array, Array, Array, PolicyTraining], TrainedPolicy]  # of x, readout, labels
LEAST_HELD = 20  # samples: fewer cannot tell policies apart


@dataclass(frozen=True, eq=False)
class Candidate:
    """A trained policy, and what it gives on the samples held back."""

    trained: TrainedPolicy
    accuracy: float
    mean_steps: float
    fixed_accuracy: float  # of the best mixture of fixed numbers of steps with the same mean


@dataclass(frozen=True, eq=False)
class Sweep:
    """Candidates in the order of their beta, measured on n_held samples: estimates, without a guarantee."""

    candidates: tuple[Candidate, ...]
    n_held: int

    def at_most(self, mean_steps: float) -> Candidate:
        """The most accurate candidate of at most so many mean steps (of equals the one with fewest)."""
        fitting = [one for one in self.candidates if one.mean_steps <= mean_steps]
        if not fitting:
            fewest = min(one.mean_steps for one in self.candidates)
            raise SpecError(
                f"sweep: no policy keeps to {mean_steps:g} mean steps, the fewest are {fewest:.3f}; sweep smaller values of beta"
            )
        return max(fitting, key=lambda one: (one.accuracy, -one.mean_steps))

    def at_least(self, accuracy: float) -> Candidate:
        """The candidate of at least this accuracy with the fewest mean steps (of equals the most accurate)."""
        fitting = [one for one in self.candidates if one.accuracy >= accuracy]
        if not fitting:
            best = max(one.accuracy for one in self.candidates)
            raise SpecError(
                f"sweep: no policy reaches an accuracy of {accuracy:g}, the best is {best:.4f}; sweep larger values of beta"
            )
        return min(fitting, key=lambda one: (one.mean_steps, -one.accuracy))

    def __str__(self) -> str:
        lines = [
            f"{'beta':>8}{'accuracy':>10}{'mean steps':>12}{'fixed T':>10}{'gain':>8}   on {self.n_held} samples held back"
        ]
        lines += [
            f"{one.trained.training.beta:8g}{100 * one.accuracy:10.2f}{one.mean_steps:12.3f}{100 * one.fixed_accuracy:10.2f}"
            f"{100 * (one.accuracy - one.fixed_accuracy):+8.2f}{'   collapsed' if one.trained.collapsed else ''}"
            for one in self.candidates
        ]
        return "\n".join(lines)


def sweep(
    x: Array, readout: Array, labels: Array, training: PolicyTraining = PolicyTraining(), *,
    betas: Sequence[float] = BETAS, held_share: float = 0.25, trainer: Trainer = train_policy,
) -> Sweep:  # fmt: skip
    """One policy for each beta, otherwise as `training` says, trained on a part of the samples, measured on the rest.

    The samples held back are drawn with training.seed. All of them, the ones trained on and the ones held back, are of a
    training or calibration split: what is chosen here has to be measured again on samples that it never saw.
    trainer: what trains one of them, for instance refsnn.training.policy.train_convolutional.
    """
    if not betas:
        raise SpecError("sweep: betas is empty; give at least one")
    x, right = checked_samples(x, readout, labels, training.pool)
    if not 0 < held_share < 1:
        raise SpecError(f"sweep: held_share is {held_share!r}; it is a share of the samples, above 0 and below 1")
    n_held = round(held_share * len(x))
    if n_held < LEAST_HELD or len(x) - n_held < 2:
        raise NothingCompared(
            f"sweep: {held_share:g} of {len(x)} samples are {n_held} to choose by, fewer than {LEAST_HELD}; give more samples"
        )
    order = np.random.Generator(np.random.PCG64(training.seed)).permutation(len(x))
    held, rest = order[:n_held], order[n_held:]
    readout, labels = np.asarray(readout), np.asarray(labels)
    made = []
    for beta in betas:
        trained = trainer(x[rest], readout[:, rest], labels[rest], replace(training, beta=beta))
        made.append(_measured(trained, x[held], right[:, held]))
    return Sweep(tuple(made), n_held)


def _measured(trained: TrainedPolicy, x: Array, right: Array) -> Candidate:
    steps = trained.policy.plan(x).steps
    mean_steps = float(steps.mean())
    return Candidate(
        trained=trained,
        accuracy=float(right[steps - 1, np.arange(len(steps))].mean()),
        mean_steps=mean_steps,
        fixed_accuracy=mixed_fixed(right.mean(1), mean_steps),
    )


def mixed_fixed(accuracy: Array, mean_steps: float) -> float:
    """The accuracy of the best fixed number of steps, or mixture of two, with at most so many steps in the mean.

    A share f of the samples, picked blindly, runs s steps and the rest t: accuracy and mean steps lie on the line between
    the two points. The best such lines are the upper hull of the points (t, accuracy[t - 1]); fewer steps are allowed.
    """
    if not 1 <= mean_steps <= len(accuracy):
        raise SpecError(f"mixed_fixed: {mean_steps:g} mean steps cannot be mixed from 1..{len(accuracy)}")
    alone = [float(a) for a in accuracy]
    best = max(alone[: int(mean_steps)])
    for s in range(1, int(mean_steps) + 1):
        for t in range(int(mean_steps) + 1, len(alone) + 1):
            low, high = alone[s - 1], alone[t - 1]
            mixed = low + (mean_steps - s) / (t - s) * (high - low)
            best = max(best, min(mixed, max(low, high)))  # no rounding above both
    return best
