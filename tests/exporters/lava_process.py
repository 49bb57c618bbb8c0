"""lava-dl in a process of its own: networks drawn from seeds, the spikes of their blocks, and what the snippet refuses.

Imports snippet.py, writes SEED.yaml and .npz, traces.npz ("SEED/x", "SEED/BLOCK": spikes, [T, N, ...]), prints refusals.
"""

import json
import sys

import lava.lib.dl.slayer as slayer
import numpy as np
import torch
from snippet import export

cuba = slayer.block.cuba


def neuron(random):
    return {
        "threshold": float(random.choice([0.5, 1.25])), "current_decay": float(random.choice([0.25, 0.3, 1.0])),
        "voltage_decay": float(random.choice([0.03, 0.125])), "tau_grad": 0.1, "scale_grad": 1,
    }  # fmt: skip


def network(random, delayed):
    first = [cuba.Input(delay_shift=False)]  # with True lava-dl 0.6.0 fails: it asks the neuron that is not there
    conv = cuba.Conv(neuron(random), 2, 4, (3, 2), stride=(1, 2), padding=1, groups=2, delay_shift=delayed)
    one = cuba.Dense(neuron(random), 4 * 6 * 4, 8, weight_norm=True, delay_shift=delayed)
    two = cuba.Dense(neuron(random), 8, 3, delay_shift=delayed)
    return (2, 6, 7), [*first, conv, cuba.Flatten(), one, two]


def run(blocks, x):
    """x [T, N, ...] -> block: the spikes that it makes, before they are shifted by a step."""
    values, found = torch.tensor(np.moveaxis(x, 0, -1)), {}
    for index, block in enumerate(blocks):
        values = block(values)
        if hasattr(block, "synapse"):
            spikes = np.moveaxis(values.numpy(), -1, 0)
            found[f"block{index}"] = np.concatenate([spikes[1:], 0 * spikes[:1]]) if block.delay_shift else spikes
    return found


def refusals():
    random = np.random.default_rng(0)
    for block in (
        cuba.Pool(neuron(random), 2),
        cuba.Input(neuron(random)),
        cuba.Dense(neuron(random), 2, 2, delay=True),
        cuba.Dense(neuron(random) | {"norm": slayer.neuron.norm.MeanOnlyBatchNorm}, 2, 2),
        cuba.Dense(neuron(random), 2, 2, pre_hook_fx=lambda x, descale=False: x),
    ):
        try:
            export([block], (2,), "refused")
        except ValueError as error:
            yield str(error)


def one(seed, steps):
    random = np.random.default_rng(seed)
    torch.manual_seed(seed)
    shape, blocks = network(random, delayed=bool(seed % 2))
    x = random.integers(0, 2, (steps, 3, *shape)).astype(np.float32)
    with torch.no_grad():
        for block in blocks:
            if hasattr(block, "synapse"):
                for parameter in block.synapse.parameters():
                    parameter *= 3  # so that something fires
        theirs = run([block.eval() for block in blocks], x)
        export(blocks, shape, str(seed))
    return {f"{seed}/{name}": values for name, values in {"x": x, **theirs}.items()}


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    cases = [one(seed, given["steps"]) for seed in range(given["seeds"])]
    np.savez("traces.npz", **{name: values for case in cases for name, values in case.items()})
    print(json.dumps(list(refusals())))
