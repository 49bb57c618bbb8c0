"""Every cutoff policy at matched accuracy, on chips: mean steps, energy and latency beside always running T steps.

    python benchmarks/policies.py                                       # the packaged digits
    python benchmarks/policies.py --network cifar.yaml --weights cifar.npz --data test.npz --calibration held.npz \\
        --chip digital_45nm_dram --chip digital_22nm --chip neuromc_32nm --chip rram_spikesim

For each policy the calibration split is cut in two: what has to be fitted is fitted on one half, and of its thresholds, from
safe to risky, the riskiest is taken whose accuracy on the other half is at most --allow points below that after T steps. The
table is of the data, which none of this saw; a policy that loses more than that there is marked. The policy network is
trained on --train, or not there without it. The oracle knows the labels: no policy can take fewer steps.
"""

import argparse

import numpy as np

import hwmodel
import refsnn
import refsnn.study
from hwmodel.library import specs_folder
from hwmodel.units import readable
from refsnn import policies
from refsnn.errors import CapacityError
from refsnn.policies import guarantee
from refsnn.policy_training import PolicyTraining, sweep

CHIPS = ("loihi", "loihi_nahuku", "digital_45nm", "digital_28nm", "neuromc_32nm", "rram_spikesim")
KEPT = refsnn.Record(counts=())


def accuracy(readout, labels, exits):
    return float((readout[exits - 1, np.arange(len(labels))].argmax(-1) == labels).mean())


def chosen(kind, readout, labels, allow):
    """The riskiest policy of the kind that keeps the accuracy on the second half of the calibration split."""
    fit, rest = slice(0, None, 2), slice(1, None, 2)
    fitted = kind in guarantee.paths.FITTED
    path = (
        guarantee.path(kind, fit=readout[:, fit], labels=labels[fit]) if fitted else guarantee.path(kind, len(readout))
    )
    held, truth = readout[:, rest], labels[rest]
    least = accuracy(held, truth, np.full(len(truth), len(held))) - allow
    able = [i for i, exits in enumerate(path.exit_steps(held)) if accuracy(held, truth, exits) >= least]
    return path.policy(max(able)) or policies.Fixed(len(readout))


def fixed(readout, labels, allow):
    """The fewest steps that keep it."""
    least = accuracy(readout, labels, np.full(len(labels), len(readout))) - allow
    every = [accuracy(readout, labels, np.full(len(labels), t)) for t in range(1, len(readout) + 1)]
    return policies.Fixed(1 + next(t for t, found in enumerate(every) if found >= least))


def networks_policy(options, snn, held, least):
    train = refsnn.load_data(options.train)
    readout = refsnn.simulate(snn, train.x, steps=options.steps, record=KEPT).readout
    setting = PolicyTraining(hidden=options.hidden, pool=options.pool, discount=0.95)
    found = sweep(train.x, readout, train.labels, setting, betas=(0.1, 0.3, 1.0, 3.0, 10.0))
    return found.at_least(least).trained


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
    parser.add_argument("--chip", action="append")
    options = parser.parse_args()
    ann = refsnn.load(options.weights, spec=options.network) if options.weights else refsnn.load(options.network)
    snn, test, held = refsnn.convert(ann), refsnn.load_data(options.data), refsnn.load_data(options.calibration)
    refsnn.study.refuse_overlap(test, held)
    trace = refsnn.simulate(snn, test.x, steps=options.steps, record=KEPT)
    readout = refsnn.simulate(snn, held.x, steps=options.steps, record=KEPT).readout
    allow = options.allow / 100
    found = [policies.Fixed(options.steps), fixed(readout, held.labels, allow)]
    found += [chosen(kind, readout, held.labels, allow) for kind in guarantee.KINDS]
    if options.train:
        least = accuracy(readout, held.labels, np.full(len(held.labels), options.steps)) - allow
        found.append(networks_policy(options, snn, held, least).policy.plan(test.x))
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
