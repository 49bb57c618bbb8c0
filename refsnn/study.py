"""What `refsnn score` and the demo have in common: policies calibrated on one split, baselines, plain data."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import inf, sqrt
from typing import Any

import numpy as np

import hwmodel
from hwmodel.chip import ChipSpec
from hwmodel.report import CostReport
from hwmodel.tradeoff import PolicyScore, Spread
from hwmodel.units import quantity, readable
from refsnn import policies
from refsnn.errors import SpecError
from refsnn.formats import Data
from refsnn.network import Network
from refsnn.policies import guarantee
from refsnn.policies.guarantee import Certificate
from refsnn.policies.guarantee.paths import FITTED
from refsnn.policies.guarantee.risks import Risk
from refsnn.source import forward

EVENT_CHIPS = ("loihi", "digital_45nm")  # what is priced when no chip is named
FRAME_CHIP = "eyeriss_like"  # the baseline
POLICIES = ("fixed", "margin", "confidence", "entropy", "dynamic", "gate", "patience", "spikecp", "oracle")
BOUNDS = (policies.Oracle.name,)  # what knows the labels
NORMAL_95 = 1.959963984540054  # quantile of the normal distribution at 0.975
PATIENCE = 2  # equal decisions in a row


def overlap(samples: Data, held: Data) -> int:
    """How many samples of the one stand in the other, too."""
    if samples.x.shape[1:] != held.x.shape[1:]:
        return 0  # the run will say which of them does not fit the network
    both = np.concatenate([samples.x.reshape(len(samples.x), -1), held.x.reshape(len(held.x), -1)])
    _, group = np.unique(both, axis=0, return_inverse=True)
    return int(np.isin(group[: len(samples.x)], group[len(samples.x) :]).sum())


def refuse_overlap(samples: Data, held: Data) -> None:
    """Thresholds chosen on samples that are then scored would flatter the policy: such a pair of files is refused."""
    shared = overlap(samples, held)
    if shared:
        raise SpecError(
            f"{held.path}: shares {shared} samples with {samples.path}; calibrate on samples that are not scored"
        )


def calibrated_policies(
    readout: np.ndarray[Any, Any], held: Data, samples: Data, epsilon: float, names: Sequence[str] = POLICIES
) -> list[Any]:
    """The named policies with thresholds from this readout of the held-out samples; the oracle knows the others' labels."""
    steps = len(readout)
    made: dict[str, Callable[[], list[Any]]] = {
        "fixed": lambda: [policies.Fixed(t) for t in sorted({max(1, steps // 4), max(1, steps // 2), steps})],
        "margin": lambda: [policies.TopK.calibrate(readout, held.labels, epsilon=epsilon)],
        "confidence": lambda: [policies.Confidence.calibrate(readout, held.labels, epsilon=epsilon)],
        "entropy": lambda: [policies.Entropy.calibrate(readout, held.labels, epsilon=epsilon)],
        "dynamic": lambda: [policies.DynamicConfidence.calibrate(readout, held.labels, epsilon=epsilon)],
        "gate": lambda: [policies.Gate.calibrate(readout, held.labels, epsilon=epsilon)],
        "patience": lambda: [policies.Patience(min(PATIENCE, steps))],
        "spikecp": lambda: [policies.SpikeCP.calibrate(readout, held.labels, alpha=min(10 * epsilon, 0.5))],
        "oracle": lambda: [policies.Oracle(samples.labels)],
    }
    return [policy for name in names for policy in made[name]()]


def never_stopping(made: Sequence[Any], samples: int) -> list[str]:
    """A sentence for each policy that so few calibration samples leave nothing to stop by."""
    return [
        f"{one.name}: {samples} calibration samples are too few for alpha = {one.alpha:g} at {len(one.checkpoints)} checkpoints, "
        f"so that it never stops early; {one.samples_needed:,} would do"
        for one in made
        if isinstance(one, policies.SpikeCP) and one.alpha is not None and min(one.quantiles) == inf
    ]


@dataclass(frozen=True)
class Certified:
    """A policy under the name of its guarantee; what is not certified runs all steps."""

    certificate: Certificate
    policy: Any

    @property
    def name(self) -> str:
        return f"{self.certificate.path}, certified"

    @property
    def work(self) -> Any:
        return self.policy.work

    def exit_step(self, readout: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return self.policy.exit_step(readout)


def certified_policies(
    readout: np.ndarray[Any, Any],
    held: Data,
    names: Sequence[str],
    *,
    method: str | None,
    risk: Risk,
    epsilon: float,
    delta: float,
) -> list[Certified]:
    """The riskiest policy of each kind that the held-out samples certify; none without a method.

    Fixed paths of thresholds use all of them; what has to be fitted first takes every other sample for that.
    """
    made: list[Certified] = []
    for name in names if method is not None else ():
        if name not in guarantee.KINDS:
            continue
        fitted = name in FITTED
        fit, rest = (slice(0, None, 2), slice(1, None, 2)) if fitted else (slice(0), slice(None))
        path = (
            guarantee.path(name, fit=readout[:, fit], labels=held.labels[fit])
            if fitted
            else guarantee.path(name, len(readout))
        )
        labels = None if risk == "consistency" else held.labels[rest]
        found = guarantee.certify(
            path,
            readout[:, rest],
            labels,
            risk=risk,
            method=guarantee.METHODS[method or ""],
            epsilon=epsilon,
            delta=delta,
        )
        made.append(Certified(found, found.policy or policies.Fixed(len(readout))))
    return made


def frame_baselines(network: Network, samples: Data, chips: Sequence[ChipSpec]) -> list[tuple[CostReport, float]]:
    """The source network's frame on frame-based chips, with its accuracy."""
    if not chips:
        return []
    if network.is_spiking:
        raise SpecError(
            f"chip {chips[0].name!r} runs a source network, but {network.name!r} spikes; leave this chip out"
        )
    result = forward(network, samples.x)
    accuracy = float((result.output.argmax(-1) == samples.labels).mean())
    return [(hwmodel.estimate(result.activity, chip), accuracy) for chip in chips]


def score_data(
    scores: Sequence[PolicyScore], baselines: Sequence[tuple[CostReport, float]], samples: int
) -> dict[str, Any]:
    """Scores of a run of so many samples, and baselines, as plain data, with intervals of 95 %.

    Of the accuracy by Clopper and Pearson, of means as if they were normally distributed (policies.guarantee).
    """

    def normal(spread: Spread) -> list[float]:
        reach = NORMAL_95 * spread.deviation / sqrt(samples)
        return [spread.mean - reach, spread.mean + reach]

    def intervals(one: PolicyScore) -> dict[str, list[float]]:
        return {
            "accuracy_interval": list(guarantee.interval_of_share(round(one.accuracy * samples), samples)),
            "steps_interval": normal(one.steps),
            "energy_interval_j": normal(one.energy),
            "latency_interval_s": normal(one.latency),
        }

    return {
        "scores": [asdict(one) | intervals(one) for one in scores],
        "baselines": [
            {"accuracy": accuracy} | {key: value for key, value in report.as_data().items() if key != "rows"}
            for report, accuracy in baselines
        ],
    }


def over_budget(scores: Sequence[PolicyScore], max_energy: str | None, min_accuracy: float | None) -> list[str]:
    """For each chip without a policy within the budget a sentence that says so; the oracle does not count."""
    try:
        limit = quantity(max_energy, "J") if max_energy is not None else inf
    except ValueError as error:
        raise SpecError(f"--max-energy: {error}") from error
    least = min_accuracy if min_accuracy is not None else -inf
    missed: list[str] = []
    if max_energy is None and min_accuracy is None:
        return missed
    for chip in dict.fromkeys(one.chip for one in scores):
        able = [one for one in scores if one.chip == chip and one.policy not in BOUNDS and 100 * one.accuracy >= least]
        if not able:
            missed.append(f"budget: {chip}: no policy reaches {least:g} %")
        elif min(one.energy_j for one in able) > limit:
            best = min(able, key=lambda one: one.energy_j)
            missed.append(
                f"budget: {chip}: {best.policy} takes {readable(best.energy_j, 'J')}, over {readable(limit, 'J')}"
            )
    return missed
