"""How often a certificate's promise is broken, over calibration sets drawn from a population whose true risk is known.

    python benchmarks/coverage.py                                  # a drawn population and the packaged digits: minutes
    python benchmarks/coverage.py --readouts cifar=readout.npz     # another one: an .npz with `readout` [T, N, K] and `labels`

A calibration set is drawn with replacement, so the true risk of a policy is its mean loss on the population. `exceeded` is the
share of calibration sets that certify a policy whose true risk is over epsilon; `allowed` is delta and three standard
deviations of such a share. Conformal risk control bounds the mean of the risk instead: its `allowed` is epsilon and three
standard errors, next to that mean. Fitted paths are fitted on a tenth of the population, which is drawn from no more.
Top-K stands next to it, calibrated with the same epsilon on the same sets: it promises no such thing. `a step` is the share
of its sets for which some step's error among what it stops is over epsilon on the population.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import refsnn
from hwmodel.library import specs_folder
from refsnn.policies import TopK
from refsnn.policies.guarantee import METHODS, losses_by_step, path
from refsnn.policies.guarantee.methods import accepted
from refsnn.policies.guarantee.paths import FITTED
from refsnn.policies.margin import margin
from refsnn.policies.readout import correct_from_here_on

Array = np.ndarray[Any, Any]
CLAIMS = (  # method, risk
    ("learn-then-test", "consistency"), ("learn-then-test", "harm"), ("wsr", "consistency"), ("signed-drop", "drop"),
    ("conformal-risk", "consistency"),
)  # fmt: skip


def drawn_readouts(samples: int, seed: int) -> tuple[Array, Array]:
    """Ten classes, eight steps: the label's output grows with a strength of its own, all outputs with noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, samples)
    signal = rng.gamma(2.0, 1.0, samples)[:, None] * (np.arange(10) == labels[:, None])
    return np.cumsum(signal + 1.5 * rng.normal(size=(8, samples, 10)), axis=0), labels


def digits() -> tuple[Array, Array]:
    """The packaged network's readouts of the 800 images that it was not trained on."""
    specs = specs_folder()
    snn = refsnn.convert(refsnn.load(specs / "networks" / "digits.yaml"))
    splits = [refsnn.load_data(specs / "data" / f"digits_{name}.npz") for name in ("calibration", "test")]
    x = np.concatenate([split.x for split in splits])
    return refsnn.simulate(snn, x, steps=8).readout, np.concatenate([split.labels for split in splits])


def measured(name: str, readout: Array, labels: Array, given: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each path, claim, epsilon and delta."""
    rng = np.random.default_rng(given.seed)
    order = rng.permutation(len(labels))
    fit, rest = np.split(order, [len(order) // 10])
    population, truth = readout[:, rest], labels[rest]
    draws = rng.integers(0, len(rest), (given.resamples, given.samples))
    rows = []
    for kind in given.paths:
        candidates = path(kind, len(readout), fit=readout[:, fit] if kind in FITTED else None)
        exits = candidates.exit_steps(population)
        samples = np.arange(len(rest))
        for method, risk in CLAIMS:
            losses = losses_by_step(population, truth, risk)[exits - 1, samples]  # type: ignore[arg-type]
            for epsilon in given.epsilon:
                for delta in given.delta if not METHODS[method].in_expectation else given.delta[:1]:
                    chosen = [accepted(METHODS[method], losses[:, drawn], epsilon, delta) for drawn in draws]
                    rows.append(
                        {"population": name, "path": kind, "method": method, "risk": risk, "epsilon": epsilon}
                        | outcome(METHODS[method].in_expectation, losses.mean(1)[chosen], epsilon, delta)
                        | {
                            "mean_steps": float(exits.mean(1)[chosen].mean()),
                            "none": float(np.mean(np.equal(chosen, 0))),
                        }
                    )
                    progress(rows[-1])
    return rows + [uncertified(name, population, truth, draws, epsilon) for epsilon in given.epsilon]


def outcome(in_expectation: bool, risks: Array, epsilon: float, delta: float) -> dict[str, Any]:
    if in_expectation:
        return {"delta": None, "exceeded": None, "mean_risk": float(risks.mean()),
                "allowed": epsilon + 3 * float(risks.std()) / len(risks) ** 0.5}  # fmt: skip
    return {"delta": delta, "exceeded": float((risks > epsilon).mean()), "mean_risk": float(risks.mean()),
            "allowed": delta + 3 * (delta * (1 - delta) / len(risks)) ** 0.5}  # fmt: skip


def uncertified(name: str, readout: Array, labels: Array, draws: Array, epsilon: float) -> dict[str, Any]:
    """The published Top-K rule on the same calibration sets."""
    gap, right = margin(readout)[:-1], correct_from_here_on(readout, labels)[:-1]
    losses = {risk: losses_by_step(readout, labels, risk) for risk in ("consistency", "harm", "drop")}  # type: ignore[arg-type]
    risks, steps, short = {risk: [] for risk in losses}, [], []
    for drawn in draws:
        policy = TopK.calibrate(readout[:, drawn], labels[drawn], epsilon=epsilon, compat=True)
        stops = policy.exit_step(readout)
        steps.append(stops.mean())
        for risk, by_step in losses.items():
            risks[risk].append(by_step[stops - 1, np.arange(len(labels))].mean())
        over = gap > np.array(policy.thresholds[:-1])[:, None]
        short.append(((over & ~right).sum(1) > epsilon * over.sum(1)).any())
    row = {
        "population": name, "path": "top-k, published", "method": "none", "risk": None, "epsilon": epsilon, "delta": None,
        "exceeded": {risk: float((np.array(values) > epsilon).mean()) for risk, values in risks.items()},
        "mean_risk": float(np.mean(risks["consistency"])), "allowed": None, "mean_steps": float(np.mean(steps)), "none": 0.0,
        "a_step": float(np.mean(short)),
    }  # fmt: skip
    progress(row)
    return row


def progress(row: dict[str, Any]) -> None:
    print(f"{row['population']}: {row['path']}, {row['method']}, epsilon {row['epsilon']}", file=sys.stderr)


def held(row: dict[str, Any]) -> bool:
    found = row["mean_risk"] if row["exceeded"] is None else row["exceeded"]
    return bool(found <= row["allowed"])


def table(rows: list[dict[str, Any]]) -> str:
    lines = [f"{'':<10} {'path':<11} {'method':<16} {'risk':<12} {'eps':>6} {'delta':>6} {'exceeded':>9} {'allowed':>8} "
             f"{'mean risk':>9} {'steps':>6} {'none':>6}"]  # fmt: skip
    for row in rows:
        start = f"{row['population']:<10} {row['path'][:11]:<11} "
        if row["method"] == "none":
            shares = ", ".join(f"{risk} {100 * share:.1f} %" for risk, share in row["exceeded"].items())
            lines.append(f"{start}{'none':<16} {'':<12} {100 * row['epsilon']:>5.1f}% exceeded: {shares}, a step "
                         f"{100 * row['a_step']:.1f} %; mean risk {100 * row['mean_risk']:.2f} %, steps "
                         f"{row['mean_steps']:.2f}")  # fmt: skip
            continue
        delta = "" if row["delta"] is None else f"{100 * row['delta']:.0f}%"
        exceeded = "mean" if row["exceeded"] is None else f"{100 * row['exceeded']:.1f}%"
        lines.append(
            f"{start}{row['method']:<16} {row['risk']:<12} {100 * row['epsilon']:>5.1f}% {delta:>6} {exceeded:>9} "
            f"{100 * row['allowed']:>7.2f}% {100 * row['mean_risk']:>8.2f}% {row['mean_steps']:>6.2f} "
            f"{100 * row['none']:>5.1f}%{'' if held(row) else '  BROKEN'}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readouts", action="append", default=[], metavar="NAME=FILE", help="another population")
    parser.add_argument("--only", action="append", help="drawn, digits or a NAME; repeatable")
    parser.add_argument("--paths", nargs="+", default=["confidence", "margin", "gate"])
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=500, help="of a calibration set")
    parser.add_argument("--epsilon", type=float, nargs="+", default=[0.01, 0.05])
    parser.add_argument("--delta", type=float, nargs="+", default=[0.05, 0.2])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format", choices=["text", "json"], default="text")
    given = parser.parse_args()
    populations = {"drawn": lambda: drawn_readouts(20_000, given.seed), "digits": digits}
    for each in given.readouts:
        name, _, file = each.partition("=")
        populations[name] = lambda file=file: tuple(np.load(Path(file))[key] for key in ("readout", "labels"))
    start, rows = time.perf_counter(), []
    for name in given.only or populations:
        rows += measured(name, *populations[name](), given)
    if given.format == "json":
        print(json.dumps(rows, indent=2))
    else:
        print(f"{given.resamples:,} calibration sets of {given.samples} samples, {time.perf_counter() - start:.0f} s")
        print(table(rows))
    sys.exit(any(row["method"] != "none" and not held(row) for row in rows))


if __name__ == "__main__":
    main()
