"""What training gives: the network, how it went, whether it decides anything."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from refsnn.network import Network
from refsnn.policies.planned import PolicyNetwork
from refsnn.policy_training.settings import PolicyTraining
from refsnn.trace import read_only

Array = np.ndarray[Any, Any]
COLLAPSED = 0.99  # share of samples given the same number of steps above which a policy decides nothing


@dataclass(frozen=True, eq=False)
class History:
    """How training went on its own samples: one number after each epoch, float64[epochs]."""

    reward: Array  # expected, weighted: minus the objective without its bonus
    entropy: Array  # mean over samples, in nats
    mean_steps: Array  # of the decisions
    accuracy: Array  # of the decisions

    def __post_init__(self) -> None:
        for name in ("reward", "entropy", "mean_steps", "accuracy"):
            object.__setattr__(self, name, read_only(getattr(self, name)))


@dataclass(frozen=True, eq=False)
class TrainedPolicy:
    """A policy network, and how it came about."""

    network: Network
    training: PolicyTraining
    history: History
    shares: tuple[float, ...]  # of the training samples that run 1, 2, ..., T steps

    @property
    def policy(self) -> PolicyNetwork:
        """What plans: `trained.policy.plan(x)`."""
        return PolicyNetwork(self.network)

    @property
    def collapsed(self) -> bool:
        """Whether more than 99 % of the training samples are given the same number of steps: Fixed(that) is as good."""
        return max(self.shares) > COLLAPSED

    def __str__(self) -> str:
        last, steps = max(self.shares), int(np.argmax(self.shares)) + 1
        text = (
            f"{self.network.name}: accuracy {100 * self.history.accuracy[-1]:.2f} % at {self.history.mean_steps[-1]:.3f} mean "
            f"steps on its training samples, entropy {self.history.entropy[-1]:.3f} nats"
        )
        if not self.collapsed:
            return text
        return (
            f"{text}\ncollapsed: {100 * last:.1f} % of the samples run {steps} step{'s' if steps > 1 else ''}, as a fixed "
            f"policy would; raise entropy_bonus above {self.training.entropy_bonus:g}, or try another beta"
        )
