"""Every cutoff policy at matched accuracy, on chips: mean steps, energy and latency beside always running T steps.

    python benchmarks/policies.py                                       # the packaged digits
    python benchmarks/policies.py --network cifar.yaml --weights cifar.npz --data test.npz --calibration held.npz \\
        --chip digital_45nm_dram --chip digital_22nm --chip neuromc_32nm --chip rram_spikesim

For each policy the calibration split is cut in two where something has to be fitted: on one half, the other half chooses. Of its
thresholds, from safe to risky, the last is taken before the first that may cost more than --allow points of accuracy: those it
costs on these samples and --sure's quantile of their standard error (paired: right after T steps minus right at the exit).
Without that room the thresholds chosen on 4,000 images cost up to 1.1 points on 6,000 others. The table is of the data, which
none of this saw; a policy that loses more than --allow there is marked. The policy network is trained on --train, or not there
without it; the calibration split chooses its beta and discount. The oracle knows the labels: no policy can take fewer steps.
"""

import argparse
from itertools import product
from statistics import NormalDist

import numpy as np

import hwmodel
import refsnn
import refsnn.study
from hwmodel.library import specs_folder
from hwmodel.units import readable
from refsnn import policies
from refsnn.errors import CapacityError
from refsnn.policies import guarantee
from refsnn.policy_training import PolicyTraining, train_policy

CHIPS = ("loihi", "loihi_nahuku", "digital_45nm", "digital_28nm", "neuromc_32nm", "rram_spikesim")
BETAS, DISCOUNTS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0), (0.95, 1.0)  # of the policy network
KEPT = refsnn.Record(counts=())


def may_lose(readout, labels, exits, sure):
    """The accuracy lost against all steps, with room for what so few samples leave open."""
    right = readout.argmax(-1) == labels
    lost = right[-1].astype(float) - right[exits - 1, np.arange(len(labels))]
    return lost.mean() + NormalDist().inv_cdf(sure) * lost.std(ddof=1) / len(lost) ** 0.5


def chosen(kind, readout, labels, allow, sure):
    """The last policy of the path before the first that may lose more."""
    if kind in guarantee.paths.FITTED:
        fit, rest = slice(0, None, 2), slice(1, None, 2)
        path = guarantee.path(kind, fit=readout[:, fit], labels=labels[fit])
        readout, labels = readout[:, rest], labels[rest]
    else:
        path = guarantee.path(kind, len(readout))
    good = [may_lose(readout, labels, exits, sure) <= allow for exits in path.exit_steps(readout)]
    last = good.index(False) - 1 if False in good else len(good) - 1
    return path.policy(last) or policies.Fixed(len(readout))


def fixed(readout, labels, allow, sure):
    """The fewest steps that keep it."""
    n, steps = len(labels), range(1, len(readout) + 1)
    return policies.Fixed(next(t for t in steps if may_lose(readout, labels, np.full(n, t), sure) <= allow))


def networks_policy(options, snn, held, readout, allow):
    """Of the networks trained with several betas and discounts the shortest that keeps the accuracy, or None."""
    train = refsnn.load_data(options.train)
    seen = refsnn.simulate(snn, train.x, steps=options.steps, record=KEPT).readout
    able = []
    for beta, discount in product(BETAS, DISCOUNTS):
        setting = PolicyTraining(hidden=options.hidden, pool=options.pool, discount=discount, beta=beta)
        network = train_policy(train.x, seen, train.labels, setting).policy
        steps = network.plan(held.x).steps
        if may_lose(readout, held.labels, steps, options.sure) <= allow:
            able.append((steps.mean(), len(able), network))
    return min(able, key=lambda one: one[:2])[2] if able else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = specs_folder() / "data"
    parser.add_argument("--network", default=str(specs_folder() / "networks" / "digits.yaml"))
    parser.add_argument("--weights")
    parser.add_argument("--data", default=str(data / "digits_test.npz"))
    parser.add_argument("--calibration", default=str(data / "digits_calibration.npz"))
    parser.add_argument("--train", help="samples to train a policy network on")
    parser.add_argument("--hidden", type=int, default=0)
    parser.add_argument("--pool", type=int, default=1)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--allow", type=float, default=0.5, help="points of accuracy")
    parser.add_argument("--sure", type=float, default=0.95, help="of the loss on the calibration split")
    parser.add_argument("--chip", action="append")
    options = parser.parse_args()
    ann = refsnn.load(options.weights, spec=options.network) if options.weights else refsnn.load(options.network)
    snn, test, held = refsnn.convert(ann), refsnn.load_data(options.data), refsnn.load_data(options.calibration)
    refsnn.study.refuse_overlap(test, held)
    trace = refsnn.simulate(snn, test.x, steps=options.steps, record=KEPT)
    readout = refsnn.simulate(snn, held.x, steps=options.steps, record=KEPT).readout
    allow = options.allow / 100
    found = [policies.Fixed(options.steps), fixed(readout, held.labels, allow, options.sure)]
    found += [chosen(kind, readout, held.labels, allow, options.sure) for kind in guarantee.KINDS]
    if options.train:
        network = networks_policy(options, snn, held, readout, allow)
        print("no policy network keeps the accuracy" if network is None else "", end="" if network else "\n")
        found += [network.plan(test.x)] if network else []
    found.append(policies.Oracle(test.labels))
    chips = []
    for name in options.chip or CHIPS:
        chip = hwmodel.load_chip(name)
        try:
            hwmodel.place(trace.activity, chip)
        except CapacityError as error:
            print(f"left out: {error}")
            continue
        chips.append(chip)
    report(ann.name, found, trace, test, chips, options.allow)


def report(name, found, trace, test, chips, allow):
    scores = {(one.policy, one.chip): one for one in hwmodel.scores(found, trace, test.labels, chips)}
    whole = scores[found[0].name, chips[0].name].accuracy
    print(
        f"{name}: {trace.n_samples:,} samples, T = {trace.steps}; energy and latency per inference, policies' own work included"
    )
    for pair in (chips[i : i + 2] for i in range(0, len(chips), 2)):  # so that a table fits 100 columns
        print(f"{'policy':<20}{'right (%)':>10}{'steps':>8}" + "".join(f"{chip.name:>26}" for chip in pair))
        for policy in found:
            one = scores[policy.name, pair[0].name]
            mark = "!" if 100 * (whole - one.accuracy) > allow + 1e-9 else " "
            cells = ""
            for chip in pair:
                here = scores[policy.name, chip.name]
                bound = ">" if here.is_lower_bound else ""
                cells += f"{bound + readable(here.energy_j, 'J'):>15}{readable(here.latency_s, 's'):>11}"
            print(f"{policy.name:<20}{100 * one.accuracy:>9.2f}{mark}{one.mean_steps:>8.3f}{cells}")
        print()
    print(f"! loses more than {allow:g} points here; > some work has no known price")


if __name__ == "__main__":
    main()
