"""How far along a path of policies the observed losses prove the risk small: exact binomial tests and conformal risk control."""

from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Any, ClassVar, Protocol

import numpy as np
from scipy.special import betaincc

from refsnn.policies.guarantee.intervals import lower_share, upper_share
from refsnn.policies.guarantee.risks import Risk

Array = np.ndarray[Any, Any]


class Method(Protocol):
    """Frozen; the losses are whole numbers [M, N], path times samples, the first row 0."""

    @property
    def name(self) -> str: ...
    @property
    def risks(self) -> tuple[Risk, ...]:
        """Whose losses it can bound."""
        ...

    @property
    def in_expectation(self) -> bool:
        """Whether the risk is bounded on average over calibration sets, rather than with probability 1 - delta."""
        ...

    def seen(self, losses: Array) -> Array:
        """The losses that it goes by."""
        ...

    def accepts(self, losses: Array, epsilon: float, delta: float) -> bool:
        """Whether one policy's losses [N] show that its risk is at most epsilon."""
        ...


def accepted(method: Method, losses: Array, epsilon: float, delta: float) -> int:
    """Index of the last policy before the first that is not accepted; 0, which loses nothing, if that is the second.

    Fixed sequence testing: the path is walked from safe to risky and each test is at level delta, because an error has to
    begin at the first policy whose risk is over epsilon. Angelopoulos, Bates, Candes, Jordan and Lei, "Learn then Test", 2021.
    """
    seen, index = method.seen(losses), 0
    while index + 1 < len(seen) and method.accepts(seen[index + 1], epsilon, delta):
        index += 1
    return index


def largest_losses(n: int, epsilon: float, delta: float) -> int:
    """The largest S with P(Bin(n, epsilon) <= S) <= delta; -1 if not even no loss at all proves that much."""
    below, above = -1, n  # P(Bin <= n) = 1
    while above - below > 1:
        middle = (below + above) // 2
        if betaincc(middle + 1, n - middle, epsilon) <= delta:
            below = middle
        else:
            above = middle
    return below


@dataclass(frozen=True)
class LearnThenTest:
    """Risk at most epsilon with probability 1 - delta: S losses in n are accepted if P(Bin(n, epsilon) <= S) <= delta.

    For losses of 0 and 1, in any order along the path. Angelopoulos et al., "Learn then Test", 2021.
    """

    name: ClassVar[str] = "Learn-then-Test"
    risks: ClassVar[tuple[Risk, ...]] = ("consistency", "harm")
    in_expectation: ClassVar[bool] = False

    def seen(self, losses: Array) -> Array:
        return losses

    def accepts(self, losses: Array, epsilon: float, delta: float) -> bool:
        return int(losses.sum()) <= largest_losses(len(losses), epsilon, delta)


@dataclass(frozen=True)
class SignedDrop:
    """Accuracy lost at most epsilon with probability 1 - delta, from S+ samples made wrong and S- made right:

        upper(S+, n, delta / 2) - lower(S-, n, delta / 2) <= epsilon

    with the one-sided bounds of Clopper and Pearson, 1934, in the same fixed sequence.
    """

    name: ClassVar[str] = "signed drop"
    risks: ClassVar[tuple[Risk, ...]] = ("drop",)
    in_expectation: ClassVar[bool] = False

    def seen(self, losses: Array) -> Array:
        return losses

    def accepts(self, losses: Array, epsilon: float, delta: float) -> bool:
        n, harmed, helped = len(losses), int((losses > 0).sum()), int((losses < 0).sum())
        return upper_share(harmed, n, delta / 2) - lower_share(helped, n, delta / 2) <= epsilon


@dataclass(frozen=True)
class ConformalRisk:
    """Risk at most epsilon on average over calibration sets of this size: S losses in n are accepted if

        (S + 1) / (n + 1) <= epsilon

    where a sample counts as lost from the first policy of the path on under which it is (the monotone hull, which the proof
    needs). epsilon counts as the decimal number that it is written as; delta is not used. Angelopoulos, Bates, Fisch, Lei and
    Schuster, "Conformal Risk Control", ICLR 2024.
    """

    name: ClassVar[str] = "conformal risk control"
    risks: ClassVar[tuple[Risk, ...]] = ("consistency", "harm")
    in_expectation: ClassVar[bool] = True

    def seen(self, losses: Array) -> Array:
        return np.maximum.accumulate(losses, axis=0)

    def accepts(self, losses: Array, epsilon: float, delta: float) -> bool:
        return int(losses.sum()) <= floor((len(losses) + 1) * Fraction(repr(float(epsilon)))) - 1
