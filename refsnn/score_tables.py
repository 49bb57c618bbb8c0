"""Scores of cutoff policies as tables: what they decide, what that costs on each chip, what is certified."""

from collections.abc import Mapping, Sequence
from typing import Any

from hwmodel.report import CostReport
from hwmodel.tradeoff import PolicyScore, pareto
from hwmodel.twin import Twin
from hwmodel.units import readable
from refsnn.policies import Oracle
from refsnn.tables import Table

ORACLE_NOTE = "the oracle knows the labels: a bound, not a policy"


def policy_table(scores: Sequence[PolicyScore], intervals: Sequence[Mapping[str, Any]], samples: int) -> Table:
    """Accuracy and steps of each policy; the same on every chip. intervals: of each score, as score_data gives them."""
    rows: dict[str, list[str]] = {}
    for one, interval in zip(scores, intervals, strict=True):
        low, high = (f"{100 * end:.2f}" for end in interval["accuracy_interval"])
        first, last = (f"{end:.3f}" for end in interval["steps_interval"])
        steps = [f"{one.steps.mean:.3f}", f"{first} .. {last}", f"{one.steps.p50:g}", f"{one.steps.p99:g}"]
        rows[one.policy] = [one.policy, f"{100 * one.accuracy:.2f}", f"{low} .. {high}", *steps]
    return Table(
        title=f"policies on {samples:,} samples: accuracy and steps, with intervals of 95 %",
        columns=("policy", "right (%)", "between", "steps", "between", "median", "p99"),
        rows=list(rows.values()),
        notes=(ORACLE_NOTE,),
    )


def best_ones(scores: Sequence[PolicyScore]) -> frozenset[tuple[str, str]]:
    """(policy, chip) of the scores that no other on the chip dominates; no bound puts a policy in the shade."""
    policies = [one for one in scores if one.policy != Oracle.name]
    return frozenset((one.policy, one.chip) for one, best in zip(policies, pareto(policies), strict=True) if best)


def chip_score_table(chip: str, scores: Sequence[PolicyScore], sources: Sequence[Twin]) -> Table:
    """What each policy costs on one chip, dominated ones unmarked; under them frames of the source network on it."""
    here, best = [one for one in scores if one.chip == chip], best_ones(scores)
    rows = []
    for one in here:
        bound, late = (">=" if missing else "" for missing in (one.is_lower_bound, one.latency_is_lower_bound))
        rows.append([
            f"{one.policy} *" if (one.policy, chip) in best else one.policy, f"{100 * one.accuracy:.2f}",
            f"{bound}{readable(one.energy_j, 'J')}", f"{100 * one.saving:.1f}",
            "unknown" if one.saving_stays_on is None else f"{100 * one.saving_stays_on:.1f}",
            "unknown" if one.unpriced and not one.policy_energy_j else readable(one.policy_energy_j, "J"),
            f"{late}{readable(one.latency_s, 's')}", readable(one.latency.p99, "s"), readable(one.edp_js, "Js"),
        ])  # fmt: skip
    whole = here[0].all_steps_j if here else 0.0  # the same for all of them
    for twin in sources:
        bound = ">=" if twin.is_lower_bound else ""
        saved = f"{100 * (1 - twin.energy_j / whole):.1f}" if whole else ""
        energy, edp = f"{bound}{readable(twin.energy_j, 'J')}", readable(twin.energy_j * twin.latency_s, "Js")
        rows.append([twin.name, "", energy, saved, "", "", readable(twin.latency_s, "s"), "", edp])
    return Table(
        title=f"{chip}: energy and latency per inference",
        columns=("policy", "right %", "energy", "saved %", "on %", "deciding", "latency", "p99", "EDP"),
        rows=rows,
        notes=(
            "*: none as accurate for less; saved: against all steps; on: saved where the chip stays on that long",
            "deciding: the policy's own work, contained in the energy; >= and unknown: work without a known price",
        ),
    )


def baseline_table(baselines: Sequence[tuple[CostReport, float]]) -> Table:
    """The source network's frame on frame-based chips."""
    rows = [
        [
            report.chip,
            f"{100 * accuracy:.2f}",
            readable(report.mean_energy_j, "J"),
            readable(report.mean_latency_s, "s"),
        ]
        for report, accuracy in baselines
    ]
    return Table(title="one frame of the source network", columns=("chip", "right (%)", "energy", "latency"), rows=rows)


def ranking_table(rankings: Mapping[str, Sequence[tuple[str, str, str]]]) -> Table | str:
    """Whether one policy stays cheaper than another wherever the chip's figures lie in their intervals."""
    rows = [[chip, a, b, figure] for chip, pairs in rankings.items() for a, b, figure in pairs]
    stable = [chip for chip, pairs in rankings.items() if not pairs]
    notes = [f"{chip}: policies keep their order by energy with each figure, and all, at either end" for chip in stable]
    if not rows:
        return "\n".join(notes) + "\n"
    return Table(
        title="rankings that hang on a figure's interval", columns=("chip", "cheaper", "than", "unless this moves"), rows=rows,
        notes=notes,
    )  # fmt: skip


def certificate_table(claims: Mapping[str, str]) -> Table:
    """What the calibration split certifies of each policy."""
    rows = [[name.removesuffix(", certified"), claim] for name, claim in claims.items()]
    return Table(title="certified on the calibration split", columns=("policy", "claim"), rows=rows)
