"""What a path of policies can promise on the evidence of a calibration split."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from refsnn.errors import SpecError
from refsnn.policies.guarantee.intervals import checked_delta
from refsnn.policies.guarantee.methods import LearnThenTest, Method, accepted
from refsnn.policies.guarantee.paths import Path, digest
from refsnn.policies.guarantee.risks import Risk, losses_by_step
from refsnn.policies.readout import Array, ScorePolicy

MOST_SAMPLES = 2**20  # beyond this no need is stated

PROMISES = {
    "consistency": "decides otherwise than after all {steps} steps in at most {epsilon} of new cases",
    "harm": "is wrong where all {steps} steps are right in at most {epsilon} of new cases",
    "drop": "is right less often than all {steps} steps by at most {epsilon} of new cases",
}


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """The riskiest policy of a path that is certified, and on what evidence; str() says it in a sentence."""

    path: str
    policy: ScorePolicy | None  # None: nothing but running all steps is certified
    index: int  # of the policy on its path
    rule: str  # when it stops, in words
    risk: Risk
    method: str
    epsilon: float  # the risk allowed
    delta: float | None  # how often the claim may be wrong; None: the risk is bounded on average over calibration sets
    n: int  # calibration samples
    steps: int  # T
    losses: int  # of the policy on these samples (drop: those made wrong less those made right)
    mean_steps: float  # on these samples
    refused: str | None  # the next policy of the path, which is not certified; None at the path's end
    refused_losses: int | None  # its losses as the method counts them
    samples_needed: int | None  # with which it would be, if its share of losses stayed; None: not with 2^20 either

    def __str__(self) -> str:
        promise = PROMISES[self.risk].format(steps=self.steps, epsilon=f"{100 * self.epsilon:.6g} %")
        if self.policy is None:
            return f"Nothing but running all {self.steps} steps is certified by {self.n:,} samples: {self._why_not(promise)}."
        if self.delta is None:
            claim = f"On average over sets of {self.n:,} calibration samples, a policy chosen as {self.rule}"
        else:
            claim = f"With probability {1 - self.delta:.6g} over the {self.n:,} calibration samples, {self.rule}"
        seen = f"{self.losses:,} here, after {self.mean_steps:.3f} steps on average"
        return f"{claim} {promise} ({self.method}; {seen})."

    def _why_not(self, promise: str) -> str:
        if self.refused is None:
            return f"the path {self.path!r} has no policy that stops earlier"
        level = "on average over such sets" if self.delta is None else f"with probability {1 - self.delta:.6g}"
        if self.samples_needed is None:
            more = f"not even {MOST_SAMPLES:,} samples with that share of them would"
        elif self.refused_losses:
            more = f"about {self.samples_needed:,} samples with that share of them would"
        else:
            more = f"{self.samples_needed:,} samples without a loss would"
        losses = "1 loss does" if self.refused_losses == 1 else f"{self.refused_losses:,} losses do"
        return f"{losses} not show that, {level}, {self.refused} {promise} ({self.method}); {more}"

    def as_data(self) -> dict[str, Any]:
        """Plain data; the policy by its rule."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "policy"} | {
            "sentence": str(self)
        }


def certify(path: Path, readout: Array, labels: Array | None = None, *, risk: Risk = "consistency",
            method: Method | None = None, epsilon: float = 0.01, delta: float = 0.05) -> Certificate:  # fmt: skip
    """The riskiest policy of the path whose risk is shown to be at most epsilon by these samples; see Certificate.

    readout: float[T, N, K], summed, of samples on which the path does not depend   labels: for risks other than consistency
    method: LearnThenTest() unless given. A set that is too small gives a certificate that says so.
    """
    method = method or LearnThenTest()
    if not 0 < epsilon < 1:
        raise SpecError(
            f"certify: epsilon is {epsilon!r}; it is the share of cases that may be lost, above 0 and below 1"
        )
    checked_delta(delta, "certify")
    if risk not in method.risks:
        raise SpecError(
            f"certify: {method.name} bounds {' and '.join(method.risks)}, not {risk!r}; take another method"
        )
    by_step = losses_by_step(readout, labels, risk)
    readout = np.asarray(readout)
    if path.fitted_on == digest(readout):
        raise SpecError(f"certify: path {path.name!r} was fitted on these samples; certify it on others")
    exits = path.exit_steps(readout)
    losses = by_step[exits - 1, np.arange(len(by_step[0]))]
    index = accepted(method, losses, epsilon, delta)
    refused = index + 1 if index + 1 < len(path) else None
    row = None if refused is None else method.seen(losses)[refused]
    return Certificate(
        path=path.name, policy=path.policy(index), index=index, rule=path.rule(index), risk=risk, method=method.name,
        epsilon=epsilon, delta=None if method.in_expectation else delta, n=readout.shape[1], steps=path.steps,
        losses=int(losses[index].sum()), mean_steps=float(exits[index].mean()),
        refused=None if refused is None else path.rule(refused),
        refused_losses=None if row is None else int(row.sum()),
        samples_needed=None if row is None else samples_needed(method, row, epsilon, delta),
    )  # fmt: skip


def samples_needed(method: Method, losses: Array, epsilon: float, delta: float) -> int | None:
    """How many samples with the same shares of losses, evenly spread, would be accepted; None: more than 2^20, if any.

    Exact where there are no losses. Otherwise whole losses make a jagged line of it, and a number near it is found.
    """
    if float(losses.mean()) >= epsilon:
        return None

    def accepts(n: int) -> bool:
        return method.accepts(_spread((losses > 0).mean(), n) - _spread((losses < 0).mean(), n), epsilon, delta)

    low, high = 0, 1
    while not accepts(high):
        low, high = high, 2 * high
        if low >= MOST_SAMPLES:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if accepts(middle) else (middle, high)
    return high


def _spread(share: float, n: int) -> Array:
    """int64[n] of 0 and 1 whose sums up to i are i * share, rounded up."""
    return np.diff(np.ceil(np.arange(n + 1) * share)).astype(np.int64)
