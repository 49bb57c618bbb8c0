"""How a policy is trained."""

from dataclasses import dataclass
from math import isfinite

from refsnn.errors import SpecError


@dataclass(frozen=True, kw_only=True)
class PolicyTraining:
    """How a policy is trained. beta decides how many steps it takes; the rest seldom needs to change.

    Stochastic gradient descent with Nesterov momentum, a learning rate that falls as a half cosine from the given one to
    0, weight decay on weights (not biases). The same settings and data give the same policy on the same machine.
    """

    beta: float = 1.0  # what a wrong decision costs; a right one earns discount^k after k + 1 steps
    discount: float = 0.5  # as published; nearer to 1 for policies that are to take many steps
    entropy_bonus: float = 0.2  # for each nat of the policy's entropy: keeps it from collapsing to one choice
    hidden: int = 0  # hidden units; 0: a linear policy
    pool: int = 1  # the policy sees means over pool x pool pixels
    epochs: int = 60
    batch: int = 100
    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 1e-3
    largest_weight: float = 100.0  # of a sample that one step decides wrongly; see `costs`
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("hidden", 0), ("pool", 1), ("epochs", 1), ("batch", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise SpecError(f"PolicyTraining: {name} is {value!r}; it is a whole number, {least} or more")
        for name in (
            "beta",
            "discount",
            "entropy_bonus",
            "learning_rate",
            "momentum",
            "weight_decay",
            "largest_weight",
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value < 0:
                raise SpecError(f"PolicyTraining: {name} is {value!r}; it is a finite number, 0 or more")
        if self.momentum >= 1:
            raise SpecError(f"PolicyTraining: momentum is {self.momentum!r}; it is below 1, usually 0.9")
        if not 0 < self.discount <= 1:
            raise SpecError(
                f"PolicyTraining: discount is {self.discount!r}; it is above 0 and at most 1, 0.5 as published"
            )
        if self.largest_weight < 1:
            raise SpecError(f"PolicyTraining: largest_weight is {self.largest_weight!r}; it is 1 or more")
