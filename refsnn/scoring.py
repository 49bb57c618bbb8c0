"""What `refsnn score` does: thresholds from one split, then every policy on another, on chips, beside the source network."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import hwmodel
from hwmodel.chip import ChipSpec, Family
from hwmodel.report import CostReport
from hwmodel.tradeoff import Bounds, PolicyScore, score_bounds, unstable_pairs
from hwmodel.twin import Twin, twins
from refsnn import study
from refsnn.formats import Data
from refsnn.network import Network
from refsnn.policies import PolicyNetwork
from refsnn.policies.guarantee.risks import Risk
from refsnn.score_tables import baseline_table, certificate_table, chip_score_table, policy_table, ranking_table
from refsnn.study import Certified
from refsnn.tables import WIDTH, Table
from refsnn.trace import Trace

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which policies, and how their thresholds are chosen."""

    policies: Sequence[str]  # of study.POLICIES
    epsilon: float  # share of accuracy, or of certainty, that calibration may give up
    policy_network: Network | None = None
    guarantee: str | None = None  # one of policies.guarantee.METHODS
    risk: Risk = "consistency"
    delta: float = 0.05
    allow_overlap: bool = False


@dataclass(frozen=True, kw_only=True)
class ScoredRun:
    """Policies on chips."""

    network: str
    steps: int
    epsilon: float
    samples: int
    calibration_samples: int
    shared: int  # samples that were calibrated on and scored
    scores: tuple[PolicyScore, ...]
    bounds: tuple[Bounds, ...]  # of each score
    baselines: tuple[tuple[CostReport, float], ...]  # frame-based chips, with the source's accuracy
    sources: Mapping[str, tuple[Twin, ...]]  # chip -> frames of the source network on it
    rankings: Mapping[str, Sequence[tuple[str, str, str]]]
    certified: tuple[Certified, ...]
    remarks: tuple[str, ...]  # policies that the calibration samples are too few for
    by_step: tuple[float, ...]  # accuracy when every sample runs t steps
    exits: Mapping[str, tuple[int, ...]]  # policy -> how many samples stop after each step

    @property
    def data(self) -> dict[str, Any]:
        """Scores and baselines with intervals, as study.score_data gives them."""
        return study.score_data(self.scores, self.baselines, self.samples)

    def tables(self) -> list[Table | str]:
        """What the command prints."""
        shown: list[Table | str] = [self.warning] if self.shared else []
        shown.append(policy_table(self.scores, self.data["scores"], self.samples))
        shown += [chip_score_table(chip, self.scores, twins) for chip, twins in self.sources.items()]
        if self.baselines:
            shown.append(baseline_table(self.baselines))
        shown.append(ranking_table(self.rankings))
        shown += [textwrap.fill(remark, WIDTH) for remark in self.remarks]
        if self.certified:
            shown.append(certificate_table({one.name: str(one.certificate) for one in self.certified}))
        return shown

    @property
    def warning(self) -> str:
        """Of samples that were calibrated on and scored."""
        return f"NOT A TEST: {self.shared} of {self.samples} scored samples were calibrated on, which flatters every policy\n"

    def as_data(self) -> dict[str, Any]:
        """Plain data for JSON."""
        found = self.data
        for one, bounds in zip(found["scores"], self.bounds, strict=True):
            one["energy_between_j"] = [bounds.low_j, bounds.high_j]
            one["saving_against_source"] = {
                twin.name: 1 - one["energy_j"] / twin.energy_j for twin in self.sources[one["chip"]] if twin.energy_j
            }
        return found | {
            "steps": self.steps,
            "epsilon": self.epsilon,
            "calibration_samples": self.calibration_samples,
            "certificates": [one.certificate.as_data() for one in self.certified],
            "unstable_rankings": [
                {"chip": chip, "cheaper": a, "dearer": b, "figure": figure}
                for chip, pairs in self.rankings.items()
                for a, b, figure in pairs
            ],
            "remarks": list(self.remarks),
            "calibrated_on_scored_samples": self.shared,
            "sources": {chip: [asdict(twin) for twin in frames] for chip, frames in self.sources.items()},
            "accuracy_by_step": list(self.by_step),
            "exits": {policy: list(counts) for policy, counts in self.exits.items()},
        }


def score_run(
    network: Network,
    trace: Trace,
    samples: Data,
    calibration: Array,
    held: Data,
    chips: Sequence[ChipSpec],
    choice: Choice,
) -> ScoredRun:
    """Every chosen policy on every chip, from a run of the samples and the readout of a run of the held-out ones.

    network: the source, where there is one: frame-based chips run it, the others' twins are its frames.
    """
    shared = study.overlap(samples, held)
    if not choice.allow_overlap:
        study.refuse_overlap(samples, held)
    chosen = study.calibrated_policies(calibration, held, samples, choice.epsilon, choice.policies)
    if choice.policy_network is not None:
        chosen.append(PolicyNetwork(choice.policy_network).plan(samples.x))
    certified = study.certified_policies(
        calibration, held, choice.policies,
        method=choice.guarantee, risk=choice.risk, epsilon=choice.epsilon, delta=choice.delta,
    )  # fmt: skip
    policies = [*chosen, *certified]
    events = [chip for chip in chips if chip.family is not Family.FRAME_BASED]
    frames = [chip for chip in chips if chip.family is Family.FRAME_BASED]
    right = (trace.readout.argmax(-1) == samples.labels).mean(1)
    return ScoredRun(
        network=network.name,
        steps=trace.steps,
        epsilon=choice.epsilon,
        samples=len(samples.x),
        calibration_samples=len(held.x),
        shared=shared,
        scores=tuple(hwmodel.scores(policies, trace, samples.labels, events)),
        bounds=tuple(score_bounds(policies, trace, samples.labels, events)),
        baselines=tuple(study.frame_baselines(network, samples, frames)),
        sources={chip.name: tuple(twins(trace.activity, chip, steps=trace.steps)) for chip in events},
        rankings={chip.name: unstable_pairs(policies, trace, samples.labels, chip) for chip in events},
        certified=tuple(certified),
        remarks=tuple(study.never_stopping(chosen, len(held.x))),
        by_step=tuple(float(share) for share in right),
        exits={one.name: _exits(one.exit_step(trace.readout), trace.steps) for one in policies},
    )


def _exits(exit_step: Array, steps: int) -> tuple[int, ...]:
    return tuple(np.bincount(exit_step, minlength=steps + 1)[1:].tolist())
