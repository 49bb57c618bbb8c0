"""norse in a process of its own: networks drawn from seeds, their spikes and potentials, and what the snippet refuses.

Imports snippet.py, writes KIND-SEED.yaml and .safetensors, traces.npz ("KIND-SEED/NODE.s" and ".v", "KIND-SEED/x"), and
prints as JSON what was refused and whether layers with and without time give the same spec.
"""

import json
import sys
from pathlib import Path

import norse.torch as norse
import numpy as np
import torch
from norse.torch.functional.reset import reset_subtract
from snippet import Norse

nn = torch.nn
DT = 2.0**-10  # with time constants that are powers of two everything stays dyadic


def drawn(random, *shape):
    return torch.tensor((random.integers(-8, 9, shape) / 8 * 2).astype(np.float32))


def filled(random, module):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(drawn(random, *parameter.shape))
    return module


def parameters(random, kind, *names):
    choices = {
        "tau_syn_inv": [2.0**8, 2.0**9], "tau_mem_inv": [2.0**9, 2.0**8], "v_th": [0.25, 0.5, 1.0],
        "v_leak": [0.0, 0.125], "v_reset": [0.0, -0.25],
    }  # fmt: skip
    return kind(**{name: torch.tensor(random.choice(choices[name])).float() for name in names})


def network(random, kind):
    lif = parameters(random, norse.LIFParameters, "tau_syn_inv", "tau_mem_inv", "v_th", "v_leak", "v_reset")
    box = parameters(random, norse.LIFBoxParameters, "tau_mem_inv", "v_th", "v_leak", "v_reset")
    iaf = parameters(random, norse.IAFParameters, "v_th", "v_reset")
    if kind == "recurrent":
        weights = {"input_weights": drawn(random, 4, 6), "recurrent_weights": drawn(random, 4, 4)}
        readout = norse.LIParameters(lif.tau_syn_inv, lif.tau_mem_inv, lif.v_leak)
        return (6,), [
            norse.LIFRecurrentCell(6, 4, p=lif, dt=DT, **weights),
            nn.Linear(4, 3),
            norse.LICell(p=readout, dt=DT),
        ]
    rest = [nn.Linear(4 * 3 * 2, 5), norse.LIFBoxCell(p=box, dt=DT), nn.Linear(5, 4), norse.IAFCell(p=iaf)]
    readout = [norse.LIBoxCell(p=norse.LIBoxParameters(box.tau_mem_inv, box.v_leak), dt=DT)]
    return (2, 6, 7), [
        nn.Conv2d(2, 4, 3, (1, 2), 1, groups=2),
        norse.LIFCell(p=lif, dt=DT),
        nn.AvgPool2d(2),
        nn.Flatten(),
        *rest,
        *readout,
    ]


def traces(net, x):
    """Spikes and potentials of every cell in every step."""
    state, found = None, {}
    cells = {str(i): module for i, module in enumerate(net) if net.stateful_layers[i]}
    for name, module in cells.items():
        found[name] = []
        module.register_forward_hook(
            lambda _, __, out, name=name: found[name].append((out[0].detach().numpy(), out[1].v.detach().numpy()))
        )
    for step in x:
        _, state = net(torch.tensor(step), state)
    return {
        f"{name}.{part}": np.stack([step[i] for step in steps])
        for name, steps in found.items()
        for i, part in enumerate("sv")
    }


def refusals():
    box = norse.LIFBoxParameters(reset_method=reset_subtract)
    for module in (
        norse.LIFBoxCell(p=box),
        norse.IzhikevichCell(norse.functional.izhikevich.tonic_spiking),
        nn.Flatten(2),
    ):
        try:
            Norse().write([("net", norse.SequentialState(module))], (2, 4, 4), "refused")
        except ValueError as error:
            yield str(error)


def same_with_time():
    """Whether layers that take all steps at once are written as those that take one."""
    written = []
    conv, lif, iaf = nn.Conv2d(1, 1, 3), norse.LIFParameters(v_th=torch.tensor(0.5)), norse.IAFParameters()
    for modules in (
        [conv, norse.LIFCell(p=lif), nn.Flatten(), norse.IAFCell(p=iaf), norse.LICell()],
        [norse.Lift(conv), norse.LIF(p=lif), norse.Lift(nn.Flatten()), norse.IAF(p=iaf), norse.LI()],
    ):
        Norse().write(norse.SequentialState(*modules).named_children(), (1, 4, 4), "same")
        written.append((Path("same.yaml").read_bytes(), Path("same.safetensors").read_bytes()))
    return written[0] == written[1]


def one(kind, seed, steps):
    random = np.random.default_rng(seed)
    shape, modules = network(random, kind)
    net = norse.SequentialState(*(filled(random, m) if isinstance(m, nn.Linear | nn.Conv2d) else m for m in modules))
    x = random.integers(0, 2, (steps, 3, *shape)).astype(np.float32)
    Norse().write(net.named_children(), shape, f"{kind}-{seed}")
    with torch.no_grad():
        return {f"{kind}-{seed}/{name}": values for name, values in {"x": x, **traces(net, x)}.items()}


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    cases = [one(kind, seed, given["steps"]) for kind in given["kinds"] for seed in range(given["seeds"])]
    np.savez("traces.npz", **{name: values for case in cases for name, values in case.items()})
    print(json.dumps({"refused": list(refusals()), "same_with_time": same_with_time()}))
