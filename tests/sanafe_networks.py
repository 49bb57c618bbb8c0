"""Networks that both refsnn and SANA-FE can run: dyadic weights, layers dealt to random cores."""

import numpy as np

from refsnn import EventList, Network, Node
from refsnn.kernels import kernel
from refsnn.layers import Conv2d, Flatten, Linear
from refsnn.neurons import IF
from refsnn.wiring import connected


def networks(seed):
    """The network, its spikes, where its layers are, and all of it as sanafe_process reads it."""
    rng = np.random.default_rng(seed)
    shape = int(rng.integers(1, 3)), int(rng.integers(3, 6)), int(rng.integers(3, 6))
    channels, padding, stride = (int(rng.integers(low, high)) for low, high in ((1, 4), (0, 2), (1, 3)))
    conv = Conv2d(weight=rng.integers(-3, 5, (channels, shape[0], 3, 3)) / 4, padding=padding, stride=stride)
    hidden = int(np.prod(conv.output_shape(shape)))
    linear = Linear(weight=rng.integers(-3, 5, (int(rng.integers(1, 7)), hidden)) / 4)
    reset, thetas = str(rng.choice(["subtract", "to_value"])), rng.integers(1, 6, 2) / 2
    one, two = (IF(v_threshold=float(theta), firing=">", reset=reset) for theta in thetas)
    network = Network("drawn", shape, (
        Node("conv", conv, ("input",), (1,)), Node("one", one, ("conv",)), Node("flat", Flatten(), ("one",)),
        Node("linear", linear, ("flat",)), Node("two", two, ("linear",)),
    ))  # fmt: skip
    steps = int(rng.integers(2, 9))
    spikes = rng.random((steps, int(np.prod(shape)))) < 0.3
    t, i = np.nonzero(spikes)
    sizes = {"input": spikes.shape[1], "one": hidden, "two": len(linear.weight)}
    cores = {
        name: [(int(rng.integers(32)), int(rng.integers(4))) for _ in range(int(rng.integers(1, 4)))] for name in sizes
    }
    modes = {"subtract": "soft", "to_value": "hard"}
    given = {
        "steps": steps,
        "groups": {
            "input": {"spikes": spikes.T.tolist()},
            "one": {"neurons": hidden, "threshold": thetas[0], "reset": modes[reset], "synapse": "conv"},
            "two": {"neurons": sizes["two"], "threshold": thetas[1], "reset": modes[reset], "synapse": "dense"},
        },
        "edges": [["input", "one", _pairs(conv, shape)], ["one", "two", _pairs(linear, (hidden,))]],
        "cores": {name: [cores[name][i * len(cores[name]) // n] for i in range(n)] for name, n in sizes.items()},
    }
    return network, EventList(t, 0 * t, i, 1, shape), cores, given


def _pairs(layer, shape):
    """[from, to, weight] of every connection; the weights from the layer's answer to single spikes."""
    n = int(np.prod(shape))
    answers = kernel(layer, "naive")(layer, np.eye(n).reshape(n, *shape)).reshape(n, -1)
    return [
        [int(i), int(o), float(answers[i, o])]
        for o, i in zip(*np.nonzero(connected(layer, shape).toarray()), strict=True)
    ]
