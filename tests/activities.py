"""Activities written down instead of measured: for chips and networks too large to simulate in a test."""

import numpy as np

from refsnn.trace import Activity, Geometry, NodeActivity

COUNTS = ("events_in", "synops", "macs", "updates", "driven", "spikes_out")


def spread(total, steps):
    """So many in all, as evenly over the steps as whole numbers allow: int64[steps, 1]."""
    counts = np.full((steps, 1), total // steps, np.int64)
    counts[: total % steps] += 1
    return counts


def node(name, kind, inputs, *, steps, geometry=None, n_inputs, n_neurons, n_weights=0, layer=None, **totals):
    """A node that did so much in all of the steps together."""
    shape = geometry
    fan_in = shape.in_channels // shape.groups * shape.kernel[0] * shape.kernel[1] if kind == "weight" else 0
    return NodeActivity(
        node=name, kind=kind, layer=layer or kind, inputs=inputs, geometry=geometry, n_inputs=n_inputs, n_neurons=n_neurons,
        n_weights=n_weights, n_biases=0, fan_in=fan_in, row_length=shape.out_channels // shape.groups if shape else 0,
        dense_ops=fan_in * n_neurons, **{count: spread(totals.get(count, 0), steps) for count in COUNTS},
    )  # fmt: skip


def linear(name, inputs, rows, columns, *, groups=1, **more):
    """A fully connected layer, or `groups` of them side by side."""
    shape = Geometry(in_channels=rows, out_channels=columns, in_size=(1, 1), out_size=(1, 1), groups=groups)
    return node(
        name, "weight", inputs, layer="Linear", geometry=shape, n_inputs=rows, n_neurons=columns, n_weights=rows * columns // groups, **more
    )  # fmt: skip


def convolution(name, inputs, channels, outputs, size, *, kernel=3, stride=1, padding=1, **more):
    """A convolution of square maps."""
    out = (size + 2 * padding - kernel) // stride + 1
    shape = Geometry(
        in_channels=channels, out_channels=outputs, in_size=(size, size), out_size=(out, out), kernel=(kernel, kernel),
        stride=(stride, stride), padding=(padding, padding),
    )  # fmt: skip
    return node(
        name, "weight", inputs, layer="Conv2d", geometry=shape, n_inputs=channels * size**2, n_neurons=outputs * out**2,
        n_weights=channels * outputs * kernel**2, **more,
    )  # fmt: skip


def neurons(name, inputs, count, *, steps, **totals):
    """Neurons that are all updated in every step."""
    totals = {"updates": count * steps, **totals}
    return node(name, "neuron", inputs, steps=steps, n_inputs=count, n_neurons=count, **totals)


def activity(*nodes):
    """One sample that ran all steps; spikes take a step to the next layer, so that layers need not wait for each other."""
    steps = len(nodes[0].synops)
    return Activity(nodes, np.array([steps]), steps, lag=0)
