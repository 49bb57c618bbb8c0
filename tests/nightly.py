"""A million neuron-steps of every kind of neuron against the interpreter in fractions: too long for every push, right for a night.

    python tests/nightly.py                                  # a seed of its own, which it prints
    python tests/nightly.py --seed 7 --neuron-steps 20000    # the same neurons again, fewer of them

Each layer of neurons is drawn at random, with parameters of its own for each neuron; its reset, reset time and firing go through all
eighteen combinations. Both backends run it in Float64 on numbers that no sum rounds; the interpreter steps each neuron alone
(fraction_interpreter.Cell, which shares no code with refsnn). A neuron-step disagrees if a spike, or the potential after the step,
differs in any bit. Prints a table; any disagreement makes the exit code 1.
"""

import sys
import time
from argparse import ArgumentParser
from fractions import Fraction
from itertools import cycle, product

import numpy as np
from fraction_interpreter import Cell

from refsnn import Float64, Frames, Network, Node, Record, simulate
from refsnn.neurons import IF, LI, LIF, CubaLIF, Firing, Leak, Reset, ResetTime

STEPS, NEURONS, SAMPLES = 12, 16, 2  # of a run: leaks in quarters take two bits more a step and stay well within 53
COMBINATIONS = tuple(product(Reset, ResetTime, Firing))


def per_neuron(rng, choices):
    """One number for all neurons, or one for each."""
    return rng.choice(choices, NEURONS) if rng.random() < 0.5 else float(rng.choice(choices))


def maybe(rng, choices):
    return per_neuron(rng, choices) if rng.random() < 0.5 else None


def leaks(rng):
    leak, decay, gain = (
        rng.choice(list(Leak)),
        per_neuron(rng, [0.0, 0.25, 0.5, 0.75, 1.0]),
        per_neuron(rng, [1.0, 0.5, -1.0]),
    )
    v_leak = per_neuron(rng, [0.0, 0.5, -0.25])
    return {"decay": decay, "gain": 1 - decay if leak is Leak.TOWARDS else gain, "v_leak": v_leak, "leak": leak}


def synapse(rng):
    return {"current_decay": per_neuron(rng, [0.0, 0.5, 0.75]), "current_gain": per_neuron(rng, [1.0, -0.5])}


def firing(rng, reset, reset_time, side):
    """What all neurons that spike have."""
    return {
        "reset": reset, "reset_time": reset_time, "firing": side,
        "v_threshold": per_neuron(rng, [0.5, 1.0, 1.25, 2.0]),
        "v_init": per_neuron(rng, [0.0, 0.5, -1.0, 1.25]),
        "v_reset": per_neuron(rng, [0.0, -0.5, 0.25]),
        "refractory": int(rng.choice([0, 0, 1, 2])),
        "v_min": maybe(rng, [-1.0, 0.0]),
        "v_max": maybe(rng, [1.0, 2.0]),
    }  # fmt: skip


def signed(rng):
    return {
        "v_negative": per_neuron(rng, [-1.0, 0.0, -0.25]),
        "negative_firing": rng.choice(list(Firing)),
        "negative_after_positive": bool(rng.random() < 0.5),
    }


def several(rng):
    return {"max_spikes": [2, 3, None][rng.integers(3)]}


KINDS = {
    "IF": lambda rng, *how: IF(**firing(rng, *how)),
    "signed IF": lambda rng, *how: IF(**firing(rng, *how), **signed(rng)),
    "multi-spike IF": lambda rng, *how: IF(**firing(rng, *how), **several(rng)),
    "LIF": lambda rng, *how: LIF(**firing(rng, *how), **leaks(rng)),
    "signed multi-spike LIF": lambda rng, *how: LIF(**firing(rng, *how), **leaks(rng), **signed(rng), **several(rng)),
    "CubaLIF": lambda rng, *how: CubaLIF(**firing(rng, *how), **leaks(rng), **synapse(rng)),
    "LI": lambda rng, *_: LI(**leaks(rng), v_init=per_neuron(rng, [0.0, 0.5])),
}


def disagreements(simulated, interpreted, currents):
    """Neuron-steps, of both backends together, in which the simulated layer is not the interpreted one: currents [T, N, M] on
    layers of M neurons.
    """
    steps, samples, neurons = currents.shape
    network = Network("one", (neurons,), (Node("n", simulated, ("input",)),))
    record = Record(spikes=network.neurons, v=network.stateful)
    traces = [
        simulate(network, Frames(currents), steps=steps, arithmetic=Float64(), backend=backend, record=record)
        for backend in ("naive", "fast")
    ]
    trains = [trace.spikes.get("n", np.zeros(currents.shape, int)).tolist() for trace in traces]
    potentials = [trace.v["n"].tolist() for trace in traces]
    count = 0
    for n, m in product(range(samples), range(neurons)):
        cell = Cell(interpreted, m, (neurons,))
        for t in range(steps):
            spikes = cell.step(Fraction(float(currents[t, n, m])))
            # a float equals a fraction only if it is that number
            count += sum(s[t][n][m] != spikes or v[t][n][m] != cell.v for s, v in zip(trains, potentials, strict=True))
    return count


def drawn_currents(rng):
    """Multiples of 1/4 from -3 to 3."""
    return rng.integers(-12, 13, (STEPS, SAMPLES, NEURONS)) / 4


def main():
    parser = ArgumentParser(description="Run every kind of neuron against the interpreter in fractions.")
    parser.add_argument("--seed", type=int, default=int(np.random.SeedSequence().entropy % 2**32))
    parser.add_argument("--neuron-steps", type=int, default=1_000_000, help="of each kind, at least (1000000)")
    options = parser.parse_args()
    print(f"seed {options.seed}")
    print(f"{'kind':<24}{'neuron-steps':>14}{'disagreements':>15}{'seconds':>9}")
    wrong = 0
    for number, (kind, draw) in enumerate(KINDS.items()):
        rng, done, different, begin = np.random.default_rng([options.seed, number]), 0, 0, time.perf_counter()
        for how in cycle(COMBINATIONS):
            layer = draw(rng, *how)
            different += disagreements(layer, layer, drawn_currents(rng))
            done += STEPS * SAMPLES * NEURONS
            if done >= options.neuron_steps:
                break
        wrong += different
        print(f"{kind:<24}{done:>14}{different:>15}{time.perf_counter() - begin:>9.0f}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
