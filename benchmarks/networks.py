"""The networks that are measured: the packaged digits, files, and generated ones that fire at a stated rate.

A generated network has normal weights from a seeded generator (variance 2 / fan-in), normal biases a tenth as wide as
the layer's currents, and for every layer the threshold at which its IF neurons fire at the asked rate. The threshold is
found layer after layer: the layers before run their T steps on a few generated images, with refsnn's own sums, which are
the same on every machine.
"""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

import refsnn
from refsnn.layers import QCFS, Add, AvgPool2d, Conv2d, Flatten, GlobalAvgPool2d, Linear

LEVELS = 8
ROOT = Path(__file__).parents[1]


class Case(NamedTuple):
    """A source network and the images it is run on."""

    network: refsnn.Network
    x: np.ndarray
    seed: int | None  # of the weights and images, where these are generated


class Signal(NamedTuple):
    """What a node gave on the calibration images: values [T or 1, N, *shape]."""

    node: str
    values: np.ndarray


class Builder:
    """Makes nodes one after the other and computes each at once, so that the next threshold can be chosen."""

    def __init__(self, shape, images, steps, rate, seed):
        self.steps, self.rate, self.nodes = steps, rate, []
        self.random = np.random.default_rng([seed, 0])
        self.input = Signal("input", self.random.standard_normal((1, images, *shape), np.float32))

    def conv(self, source, outputs, kernel=3, stride=1):
        inputs = source.values.shape[2]
        weight = self.normal((outputs, inputs, kernel, kernel), np.sqrt(2 / (inputs * kernel**2)))
        return self.weighted(source, Conv2d(weight=weight, stride=stride, padding=kernel // 2))

    def linear(self, source, outputs):
        inputs = source.values.shape[2]
        return self.weighted(source, Linear(weight=self.normal((outputs, inputs), np.sqrt(2 / inputs))))

    def weighted(self, source, layer):
        currents = applied(layer, source.values)
        bias = self.normal(len(layer.weight), 0.1 * currents.std())
        currents += bias.reshape(-1, *[1] * (currents.ndim - 3))
        return self.node(replace(layer, bias=bias), (source,), currents)

    def stateless(self, source, layer):
        return self.node(layer, (source,), applied(layer, source.values))

    def add(self, one, other):
        return self.node(Add(), (one, other), one.values + other.values)

    def fire(self, source):
        threshold = threshold_for(source.values, self.steps, self.rate)
        spikes = fired(source.values, self.steps, threshold)
        return self.node(QCFS(threshold=threshold, levels=LEVELS), (source,), spikes * np.float32(threshold))

    def node(self, layer, sources, values):
        name = f"{type(layer).__name__.lower()}{len(self.nodes) + 1}"
        self.nodes.append(refsnn.Node(name, layer, tuple(source.node for source in sources)))
        return Signal(name, values)

    def normal(self, shape, deviation):
        return self.random.standard_normal(shape, np.float32) * np.float32(deviation)


def applied(layer, values):
    """The layer on [T, N, *shape], as a network of its own."""
    alone = refsnn.Network("layer", values.shape[2:], (refsnn.Node("layer", layer, ("input",)),))
    output = refsnn.forward(alone, values.reshape(-1, *values.shape[2:])).output
    return output.reshape(*values.shape[:2], *alone.shapes["layer"])


def fired(currents, steps, threshold):
    """Spikes [T, N, *shape] of the IF neurons that `convert` makes of a QCFS activation."""
    v = np.full(currents.shape[1:], threshold / 2, np.float32)
    spikes = np.empty((steps, *currents.shape[1:]), bool)
    for t in range(steps):
        v += currents[t if len(currents) > 1 else 0]
        np.greater_equal(v, np.float32(threshold), out=spikes[t])
        v -= spikes[t] * np.float32(threshold)
    return spikes


def threshold_for(currents, steps, rate):
    """The threshold, to three digits, at which the neurons fire at the rate: by halving, since a higher one fires less."""
    high = float(np.abs(currents).max()) * 2
    low = high / 2**20
    reached = fired(currents, steps, low).mean()
    if reached < rate:
        raise SystemExit(
            f"--rate {rate}: a layer of this network cannot fire more often than {reached:.2f}; ask for less"
        )
    for _ in range(24):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if fired(currents, steps, middle).mean() > rate else (low, middle)
    return float(f"{high:.2e}")


def mlp(build):
    hidden = build.fire(build.linear(build.input, 1024))
    return build.linear(build.fire(build.linear(hidden, 1024)), 10)


def vgg16(build):
    h = build.input
    for channels, convs in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(convs):
            h = build.fire(build.conv(h, channels))
        h = build.stateless(h, AvgPool2d(kernel=2))
    h = build.stateless(h, Flatten())
    for features in (4096, 4096):
        h = build.fire(build.linear(h, features))
    return build.linear(h, 10)


def resnet18(build):
    return residual(build, build.fire(build.conv(build.input, 64)), (2, 2, 2, 2), 10)


def resnet34(build):
    stem = build.fire(build.conv(build.input, 64, kernel=7, stride=2))
    return residual(build, build.stateless(stem, AvgPool2d(kernel=3, stride=2, padding=1)), (3, 4, 6, 3), 1000)


def residual(build, h, stages, classes):
    """Basic blocks: two convolutions, and the block's input (or a 1x1 convolution of it) added before the last neurons."""
    for stage, blocks in enumerate(stages):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            inner = build.fire(build.conv(h, 64 << stage, stride=stride))
            around = build.conv(h, 64 << stage, kernel=1, stride=stride) if stride == 2 else h
            h = build.fire(build.add(build.conv(inner, 64 << stage), around))
    return build.linear(build.stateless(build.stateless(h, GlobalAvgPool2d()), Flatten()), classes)


class Recipe(NamedTuple):
    """A generated network: its input, who builds it, and how many images are used."""

    build: object
    shape: tuple[int, ...]
    calibration: int
    images: int  # measured, unless --images says otherwise


RECIPES = {
    "mlp": Recipe(mlp, (784,), 16, 400),
    "vgg16": Recipe(vgg16, (3, 32, 32), 4, 20),
    "resnet18": Recipe(resnet18, (3, 32, 32), 4, 20),
    "resnet34": Recipe(resnet34, (3, 224, 224), 1, 2),
}
NAMES = ("digits", *RECIPES)


def generated(name, *, images=None, steps=8, rate=0.15, seed=0):
    """A generated network and its images, which calibration did not see."""
    recipe = RECIPES[name]
    build = Builder(recipe.shape, recipe.calibration, steps, rate, seed)
    recipe.build(build)
    x = np.random.default_rng([seed, 1]).standard_normal((images or recipe.images, *recipe.shape), np.float32)
    return Case(refsnn.Network(name, recipe.shape, tuple(build.nodes)), x, seed)


def from_files(spec, data, *, weights=None, images=None):
    network = refsnn.load(weights, spec=spec) if weights else refsnn.load(spec)
    refsnn.convert(network)  # refuses what cannot be measured, before anything is
    return Case(network, refsnn.load_data(data, images).x.astype(np.float32), None)


def digits(images=None):
    return from_files(ROOT / "specs/networks/digits.yaml", ROOT / "specs/data/digits_test.npz", images=images)
