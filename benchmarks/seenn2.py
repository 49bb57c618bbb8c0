"""What a policy network (SEENN-II) gains over a fixed number of steps: accuracy at equal mean steps, on a test split.

    python benchmarks/seenn2.py                                # the packaged digits, a linear policy
    python benchmarks/seenn2.py --hidden 32                    # one hidden layer
    python benchmarks/seenn2.py --channels 8 16 --epochs 30 --learning-rate 0.1     # convolutions; needs the train extra
    python benchmarks/seenn2.py --network cifar.yaml --weights cifar.npz --cifar cifar10_jpeg.npz \\
        --hidden 128 --pool 4 --epochs 15 --batch 128 --weight-decay 5e-3
    ... --discount 0.8 --entropy-bonus 0.03 --betas 1 1.5 2       # more than two steps
    ... --channels 16 32 64 --epochs 8 --batch 128 --learning-rate 0.1 --weight-decay 5e-4

One policy for each beta is trained on three quarters of the training split; the last quarter is there to choose among
them. The test split is looked at by the last table only. The gain is over the best mixture of fixed numbers of steps with
the same mean; its interval holds 95 % of 1,000 bootstrap samples of the test images.

--cifar reads an archive with the JPEG files of both splits end to end (train_jpeg, train_offset, train_label, the same for
test); it needs Pillow. Pixels are scaled to 0..1 and standardised by channel.
"""

import argparse
import io
import json
import time
from dataclasses import asdict

import numpy as np

import refsnn
from hwmodel.library import specs_folder
from refsnn.policy_training import PolicyTraining, mixed_fixed, sweep, train_policy
from refsnn.policy_training.choosing import BETAS

BLOCK = 500  # images simulated, or planned, at once
MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)  # of CIFAR-10's channels


def packaged(split):
    data = refsnn.load_data(specs_folder() / "data" / f"digits_{split}.npz")
    return data.x, data.y


def decoded(path, split):
    """(x, y) of one split of the archive, in an order drawn with seed 0: the archive is sorted by class."""
    from PIL import Image

    archive = np.load(path)
    files, offset, labels = (archive[f"{split}_{part}"] for part in ("jpeg", "offset", "label"))
    order = np.random.default_rng(0).permutation(len(labels))
    images = np.stack(
        [np.asarray(Image.open(io.BytesIO(files[offset[i] : offset[i + 1]].tobytes())).convert("RGB")) for i in order]
    )
    mean, deviation = (np.array(values, np.float32) for values in (MEAN, DEVIATION))
    x = ((images.astype(np.float32) / 255 - mean) / deviation).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(x), labels[order].astype(np.int64)


def readout_of(network, x, steps):
    kept = refsnn.Record(counts=())
    blocks = [x[i : i + BLOCK] for i in range(0, len(x), BLOCK)]
    return np.concatenate([refsnn.simulate(network, b, steps=steps, record=kept).readout for b in blocks], axis=1)


def gain(right, steps):
    """Accuracy at the planned steps, less that of the best mixture of fixed ones."""
    return right[steps - 1, np.arange(len(steps))].mean() - mixed_fixed(right.mean(1), steps.mean())


def interval(right, steps, resamples=1000):
    rng = np.random.default_rng(0)
    drawn = (rng.integers(len(steps), size=len(steps)) for _ in range(resamples))
    return np.quantile([gain(right[:, rows], steps[rows]) for rows in drawn], [0.025, 0.975])


def on_test(candidate, x, right):
    """What the candidate does on the test split, and what deciding costs."""
    plans = [candidate.trained.policy.plan(x[i : i + BLOCK]) for i in range(0, len(x), BLOCK)]
    steps = np.concatenate([plan.steps for plan in plans])
    low, high = interval(right, steps)
    return {
        "beta": candidate.trained.training.beta,
        "held_accuracy": candidate.accuracy,
        "held_mean_steps": candidate.mean_steps,
        "accuracy": right[steps - 1, np.arange(len(steps))].mean(),
        "mean_steps": steps.mean(),
        "fixed_accuracy": mixed_fixed(right.mean(1), steps.mean()),
        "gain": gain(right, steps),
        "gain_low": low,
        "gain_high": high,
        "collapsed": candidate.trained.collapsed,
        "policy_macs": sum(plan.activity.total("macs") for plan in plans) / len(x),
        "steps": np.bincount(steps, minlength=len(right) + 1)[1:].tolist(),
    }


def work_per_step(network, x, steps):
    """Accumulates and multiply-accumulates of the spiking network for an image and step, from some images."""
    activity = refsnn.simulate(network, x[:BLOCK], steps=steps, record=refsnn.Record(counts=())).activity
    return (activity.total("synops") + activity.total("macs")) / (activity.n_samples * steps)


def table(data):
    fixed = " ".join(f"{100 * a:.2f}" for a in data["fixed"])
    lines = [
        f"{data['network']}, T = {data['T']}: {data['train']} images to train on and choose by, {data['test']} to test",
        f"  accuracy at T = 1..{data['T']}, test: {fixed}",
        f"  work of the spiking network: {data['work_per_step']:,.0f} accumulates and multiplications an image and step",
        "                 held back                    test",
        "    beta  accuracy  mean steps  accuracy  mean steps   fixed T     gain      95 %        policy's MACs",
    ]
    lines += [
        f"{row['beta']:8g}{100 * row['held_accuracy']:10.2f}{row['held_mean_steps']:12.3f}{100 * row['accuracy']:10.2f}"
        f"{row['mean_steps']:12.3f}{100 * row['fixed_accuracy']:10.2f}{100 * row['gain']:+9.2f}"
        f"  {100 * row['gain_low']:+.2f}..{100 * row['gain_high']:+.2f}{row['policy_macs']:16,.0f}"
        f"{'   collapsed' if row['collapsed'] else ''}"
        for row in data["policies"]
    ]
    lines.append(f"  simulated in {data['seconds_simulated']:.0f} s, trained in {data['seconds_trained']:.0f} s")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default=str(specs_folder() / "networks" / "digits.yaml"))
    parser.add_argument("--weights")
    parser.add_argument("--train", help="npz with x and y of a training split")
    parser.add_argument("--test", help="npz with x and y of a test split")
    parser.add_argument("--cifar", help="archive of JPEG files, instead of --train and --test")
    parser.add_argument("--train-images", type=int)
    parser.add_argument("--test-images", type=int)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--betas", type=float, nargs="+", default=list(BETAS))
    parser.add_argument("--channels", type=int, nargs="+", help="a convolutional policy, trained by PyTorch")
    for name, value in asdict(PolicyTraining()).items():
        if name != "beta":
            parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    parser.add_argument("--format", choices=["text", "json"], default="text")
    given = parser.parse_args()
    source = refsnn.load(given.weights, spec=given.network) if given.weights else refsnn.load(given.network)
    network = source if source.is_spiking else refsnn.convert(source)
    splits = {}
    for split in ("train", "test"):
        named, limit = getattr(given, split), getattr(given, f"{split}_images")
        if given.cifar:
            x, y = decoded(given.cifar, split)
        else:
            x, y = (refsnn.load_data(named).x, refsnn.load_data(named).labels) if named else packaged(split)
        splits[split] = x[:limit], y[:limit]
    start = time.perf_counter()
    readouts = {split: readout_of(network, x, given.steps) for split, (x, _) in splits.items()}
    simulated = time.perf_counter()
    training = PolicyTraining(**{name: getattr(given, name) for name in asdict(PolicyTraining()) if name != "beta"})
    trainer = train_policy
    if given.channels:
        from refsnn.training.policy import train_convolutional

        def trainer(x, readout, labels, training):
            return train_convolutional(x, readout, labels, training, channels=tuple(given.channels))

    (x, y), (test_x, test_y) = splits["train"], splits["test"]
    found = sweep(x, readouts["train"], y, training, betas=given.betas, trainer=trainer)
    trained = time.perf_counter()
    right = readouts["test"].argmax(-1) == test_y
    data = {
        "network": source.name, "T": given.steps, "train": len(y), "test": len(test_y), "training": asdict(training),
        "channels": given.channels, "fixed": right.mean(1).tolist(),
        "work_per_step": work_per_step(network, test_x, given.steps),
        "policies": [on_test(candidate, test_x, right) for candidate in found.candidates],
        "seconds_simulated": simulated - start, "seconds_trained": trained - simulated,
    }  # fmt: skip
    print(json.dumps(data, indent=2, default=float) if given.format == "json" else table(data))


if __name__ == "__main__":
    main()
