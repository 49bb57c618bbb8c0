"""What `refsnn score` and the demo have in common: policies calibrated on one split, baselines, plain data."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

import hwmodel
from hwmodel.chip import ChipSpec
from hwmodel.report import CostReport
from hwmodel.tradeoff import PolicyScore
from refsnn import policies
from refsnn.errors import SpecError
from refsnn.formats import Data
from refsnn.network import Network
from refsnn.source import forward

EVENT_CHIPS = ("loihi", "digital_45nm")  # what is priced when no chip is named
FRAME_CHIP = "eyeriss_like"  # the baseline
POLICIES = ("fixed", "margin", "confidence", "entropy", "oracle")


def refuse_overlap(samples: Data, held: Data) -> None:
    """Thresholds chosen on samples that are then scored would flatter the policy: such a pair of files is refused."""
    if samples.x.shape[1:] != held.x.shape[1:]:
        return  # the run will say which of them does not fit the network
    both = np.concatenate([samples.x.reshape(len(samples.x), -1), held.x.reshape(len(held.x), -1)])
    _, group = np.unique(both, axis=0, return_inverse=True)
    shared = int(np.isin(group[: len(samples.x)], group[len(samples.x) :]).sum())
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
        "oracle": lambda: [policies.Oracle(samples.labels)],
    }
    return [policy for name in names for policy in made[name]()]


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


def score_data(scores: Sequence[PolicyScore], baselines: Sequence[tuple[CostReport, float]]) -> dict[str, Any]:
    """Scores and baselines as plain data."""
    return {
        "scores": [asdict(one) for one in scores],
        "baselines": [
            {"accuracy": accuracy} | {key: value for key, value in report.as_data().items() if key != "rows"}
            for report, accuracy in baselines
        ],
    }
