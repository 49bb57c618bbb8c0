"""Networks for other tools' rules: dyadic numbers, so that every tool has the same spikes."""

import numpy as np

from hwmodel import rules
from refsnn import EventList, Frames, Network, Node, Record, simulate
from refsnn.effective import layer_inputs, membrane_changes
from refsnn.layers import AvgPool2d, Conv2d, Flatten, Linear
from refsnn.patches import patch_counts

STEPS = 5


def chain(conv, shape, neuron, pool, weights):
    """Conv - neurons - pool - Linear of these weights(inputs) - neurons."""
    nodes = [Node("conv", conv, ("input",)), Node("one", neuron(0.75), ("conv",))]
    after = conv.output_shape(shape)
    if pool:
        nodes.append(Node("pool", AvgPool2d(kernel=2), ("one",)))
        after = nodes[-1].layer.output_shape(after)
    nodes.append(Node("flat", Flatten(), (nodes[-1].name,)))
    linear = Linear(weight=weights(int(np.prod(after))), bias=np.full(4, 0.3125))
    nodes += [Node("linear", linear, ("flat",)), Node("two", neuron(1.5), ("linear",))]
    return Network("drawn", shape, tuple(nodes))


def drawn(seed, neuron, *, pool=True, samples=3, spikes=True):
    """A random chain, some of its weights 0, and spikes or real frames [T, N, ...] for it."""
    rng = np.random.default_rng(seed)
    shape = int(rng.integers(1, 3)), 6, int(rng.integers(4, 7))
    weight = rng.integers(-4, 6, (3, shape[0], 3, 3)) / 4
    weight[rng.random(weight.shape) < 0.2] = 0.0
    conv = Conv2d(weight=weight, bias=np.array([0.3125, -0.1875, 0.4375]), padding=int(rng.integers(0, 2)))
    network = chain(conv, shape, neuron, pool, lambda inputs: rng.integers(-4, 6, (4, inputs)) / 4)
    x = (rng.random((STEPS, samples, *shape)) < 0.4).astype(float)
    return network, x if spikes else rng.integers(0, 9, x.shape) / 8


def fixed(neuron, *, pool=True, spikes=True):
    """One chain and its input, the same for ever: no random numbers."""
    numbers = lambda *shape: (np.arange(np.prod(shape)) * 37 % 101).reshape(shape)  # noqa: E731
    weight = np.clip(numbers(3, 2, 3, 3) % 11 - 4, -3, 5) / 4
    conv = Conv2d(weight=weight, bias=np.array([0.3125, -0.1875, 0.4375]), padding=1)
    network = chain(conv, (2, 6, 5), neuron, pool, lambda inputs: (numbers(4, inputs) % 9 - 3) / 4)
    x = numbers(STEPS, 1, 2, 6, 5)
    return network, (x < 12).astype(float) if spikes else (x % 9) / 8


def events(x):
    """The spikes x [T, N, ...] as events."""
    t, n, *place = np.nonzero(x)
    return EventList(t, n, np.ravel_multi_index(place, x.shape[2:]), x.shape[1], x.shape[2:])


def recorded(network, x, *, spikes=True):
    """The run, and all evidence but messages; crossbars of one channel."""
    drive = events(x) if spikes else Frames(x)
    trace = simulate(network, drive, steps=len(x), record=Record(spikes=network.neurons, v=network.neurons))
    evidence = rules.Evidence(
        layer_inputs(network, trace, drive), membrane_changes(trace), patch_counts(network, trace, drive, 1)
    )
    return trace, evidence
