"""How long it takes to price and score a large run on many chips, and how much memory that takes.

    python benchmarks/scoring.py                      # 10,000 samples, 16 steps, 20 layers, 10 chips
    python benchmarks/scoring.py --policies 200

The run is drawn, not simulated: a network of convolutions' shapes, and spike counts from a seeded generator with their
accumulates. What is timed starts from the activity that a simulation leaves in memory, and ends with scores.
"""

import argparse
import json
import time
import tracemalloc
from dataclasses import replace

import numpy as np

import hwmodel
from hwmodel.chip import Family
from refsnn.errors import CapacityError
from refsnn.policies import Fixed
from refsnn.trace import Activity, Geometry, NodeActivity, Trace

CHANNELS, SIZE = 32, 16


def drawn_run(samples: int, steps: int, layers: int, seed: int) -> Trace:
    """A trace with drawn counts: every layer a 3 x 3 convolution with the neurons behind it, a linear readout at the end."""
    rng = np.random.default_rng(seed)
    nodes, before, spikes = [], "input", None
    for i in range(layers):
        last = i == layers - 1
        neurons = 10 if last else CHANNELS * SIZE * SIZE
        inputs = CHANNELS * SIZE * SIZE
        events = rng.poisson(0.1 * inputs, (steps, samples)) if spikes is None else spikes
        fan_out = 10 if last else 9 * CHANNELS
        zero = np.zeros((steps, samples), np.int64)
        shape = Geometry(in_channels=inputs, out_channels=10, in_size=(1, 1), out_size=(1, 1)) if last else Geometry(
            in_channels=CHANNELS, out_channels=CHANNELS, in_size=(SIZE, SIZE), out_size=(SIZE, SIZE), kernel=(3, 3),
            padding=(1, 1))  # fmt: skip
        weight = NodeActivity(
            node=f"conv{i}", kind="weight", layer="Linear" if last else "Conv2d", inputs=(before,), geometry=shape,
            n_inputs=inputs, n_neurons=neurons, n_weights=fan_out * CHANNELS, n_biases=0, fan_in=9 * CHANNELS,
            row_length=10 if last else CHANNELS, dense_ops=inputs * fan_out, events_in=events,
            synops=events * fan_out, macs=zero, updates=zero, driven=zero, spikes_out=zero,
        )  # fmt: skip
        nodes.append(weight)
        if not last:
            spikes = rng.poisson(0.1 * neurons, (steps, samples))
            nodes.append(replace(
                weight, node=f"if{i}", kind="neuron", layer="IF", inputs=(f"conv{i}",), geometry=None, n_inputs=neurons,
                n_weights=0, fan_in=0, row_length=0, dense_ops=neurons, events_in=zero, synops=zero,
                updates=zero + neurons, driven=np.minimum(spikes * 9, neurons), spikes_out=spikes,
            ))  # fmt: skip
            before = f"if{i}"
    activity = Activity(tuple(nodes), np.full(samples, steps, np.int64), steps)
    readout = np.cumsum(rng.normal(size=(steps, samples, 10)), axis=0)
    return Trace(
        network="drawn", network_digest="", input_digest="", arithmetic="Float32", schedule="lockstep", steps=steps,
        total_steps=steps, latency_steps=steps, readout=readout, counts={}, residual={}, activity=activity,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--layers", type=int, default=20)
    parser.add_argument("--chips", type=int, default=10)
    parser.add_argument("--policies", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format", choices=["text", "json"], default="text")
    given = parser.parse_args()
    trace = drawn_run(given.samples, given.steps, given.layers, given.seed)
    labels = np.zeros(given.samples, np.int64)
    chips = fitting_chips(trace.activity, given.chips)
    policies = [Fixed(1 + i % given.steps) for i in range(given.policies)]
    tracemalloc.start()
    hwmodel.scores(policies, trace, labels, chips)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    times = []
    for _ in range(given.repeats):
        start = time.perf_counter()
        found = hwmodel.scores(policies, trace, labels, chips)
        times.append(time.perf_counter() - start)
    assert len(found) == len(chips) * len(policies)
    results = given.samples * given.steps * 8 * 2 * len(chips) / 2**20
    data = {
        "samples": given.samples, "steps": given.steps, "layers": given.layers, "chips": [chip.name for chip in chips],
        "policies": given.policies, "seconds": sorted(times), "mib_above_activity": peak, "mib_of_results": results,
    }  # fmt: skip
    if given.format == "json":
        print(json.dumps(data, indent=2))
        return
    print(
        f"{given.policies} policies x {given.samples:,} samples x {given.steps} steps x {given.layers} layers x "
        f"{len(chips)} chips"
    )
    print(f"  shortest of {given.repeats}: {min(times):.2f} s, longest {max(times):.2f} s")
    print(f"  memory above the activity: {peak:.0f} MiB, of which {results:.0f} MiB are energy and time of every step")


def fitting_chips(activity: Activity, wanted: int) -> list[hwmodel.ChipSpec]:
    """The packaged chips that hold the network; then these again with another clock, until there are enough."""
    chips = []
    for name in hwmodel.chip_names():
        chip = hwmodel.load_chip(name)
        if chip.family is Family.FRAME_BASED:
            continue
        try:
            hwmodel.estimate(activity.until(np.ones(activity.n_samples, np.int64)), chip)
        except CapacityError:
            continue
        chips.append(chip)
    fitting = list(chips)
    while len(chips) < wanted:
        chips.append(replace(fitting[len(chips) % len(fitting)], name=f"variant {len(chips)}"))
    return chips[:wanted]


if __name__ == "__main__":
    main()
