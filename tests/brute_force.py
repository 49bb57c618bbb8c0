"""Counting by enumeration: every connection of every layer, one by one. Shares no code with refsnn.counting."""

import numpy as np


def connections(layer, shape):
    """(input index, output index) of every connection of a Linear, Conv1d or Conv2d, as flat indices."""
    weight = np.asarray(layer.weight)
    if weight.ndim == 3:
        return _connections_1d(layer, shape)
    if weight.ndim == 2:
        return [(i, o) for o in range(weight.shape[0]) for i in range(weight.shape[1])]
    outputs, per_group, tall, wide = weight.shape
    channels, height, width = shape
    (sy, sx), (py, px), (dy, dx) = layer.stride, layer.padding, layer.dilation
    found = []
    oy = 0
    rows = len(range(-py, height + py - dy * (tall - 1), sy))
    columns = len(range(-px, width + px - dx * (wide - 1), sx))
    for o in range(outputs):
        group = o * layer.groups // outputs
        for oy in range(rows):
            for ox in range(columns):
                for c in range(per_group):
                    for ky in range(tall):
                        for kx in range(wide):
                            y, x = oy * sy - py + ky * dy, ox * sx - px + kx * dx
                            if 0 <= y < height and 0 <= x < width:
                                i = ((group * per_group + c) * height + y) * width + x
                                found.append((i, (o * rows + oy) * columns + ox))
    assert channels == per_group * layer.groups
    return found


def _connections_1d(layer, shape):
    outputs, per_group, wide = np.asarray(layer.weight).shape
    length = shape[1]
    columns = len(range(-layer.padding, length + layer.padding - layer.dilation * (wide - 1), layer.stride))
    return [
        ((o * layer.groups // outputs * per_group + c) * length + ox * layer.stride + kx * layer.dilation - layer.padding,
         o * columns + ox)
        for o in range(outputs)
        for ox in range(columns)
        for c in range(per_group)
        for kx in range(wide)
        if 0 <= ox * layer.stride + kx * layer.dilation - layer.padding < length
    ]  # fmt: skip


def windows(layer, shape):
    """(input index, output index) of every pixel of every window of a pool."""
    if type(layer).__name__ == "GlobalAvgPool2d":
        pixels = shape[1] * shape[2]
        return [(c * pixels + i, c) for c in range(shape[0]) for i in range(pixels)]
    channels, height, width = shape
    (ky, kx), (py, px) = layer.kernel, layer.padding
    sy, sx = layer.stride or layer.kernel
    rows, columns = len(range(-py, height + py - ky + 1, sy)), len(range(-px, width + px - kx + 1, sx))
    return [
        ((c * height + oy * sy - py + a) * width + ox * sx - px + b, (c * rows + oy) * columns + ox)
        for c in range(channels)
        for oy in range(rows)
        for ox in range(columns)
        for a in range(ky)
        for b in range(kx)
        if 0 <= oy * sy - py + a < height and 0 <= ox * sx - px + b < width
    ]


def events_behind(network, name, spikes, t, n, network_value):
    """How many spikes reach each output of the node at step t, or None where its values were not made by spikes.

    `network_value(name)` gives the node's values at that step: a MaxPool2d sends one spike where its value is not zero.
    """
    if name == "input":
        return None
    node = network[name]
    kind = type(node.layer).__name__
    if kind in ("IF", "LIF"):
        return [int(s) for s in np.asarray(spikes[name][t, n]).ravel()]
    sources = [events_behind(network, source, spikes, t, n, network_value) for source in node.inputs]
    if any(source is None for source in sources) or kind in ("Linear", "Conv2d"):
        return None
    if kind == "MaxPool2d":
        return [int(value != 0) for value in network_value(name)]
    if kind == "Scale":
        return sources[0]
    if kind == "Concat":
        return [event for source in sources for event in source]
    if kind in ("AvgPool2d", "SumPool2d", "GlobalAvgPool2d"):
        result = [0] * int(np.prod(network.shapes[name]))
        for i, o in windows(node.layer, network.shapes[node.inputs[0]]):
            result[o] += sources[0][i]
        return result
    if kind == "Add":
        return [sum(parts) for parts in zip(*sources, strict=True)]
    assert kind == "Flatten"
    return sources[0]
