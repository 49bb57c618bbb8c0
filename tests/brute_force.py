"""Counting by enumeration: every connection of every layer, one by one. Shares no code with refsnn.counting."""

import numpy as np


def connections(layer, shape):
    """(input index, output index) of every connection of a Linear or Conv2d, as flat indices."""
    weight = np.asarray(layer.weight)
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


def windows(layer, shape):
    """(input index, output index) of every pixel of every window of a pool."""
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


def events_behind(network, name, spikes, t, n):
    """How many spikes reach each output of the node at step t, or None where its values were not made by spikes."""
    if name == "input":
        return None
    node = network[name]
    kind = type(node.layer).__name__
    if kind in ("IF", "LIF"):
        return [int(s) for s in np.asarray(spikes[name][t, n]).ravel()]
    sources = [events_behind(network, source, spikes, t, n) for source in node.inputs]
    if any(source is None for source in sources) or kind in ("Linear", "Conv2d"):
        return None
    if kind == "AvgPool2d":
        result = [0] * int(np.prod(network.shapes[name]))
        for i, o in windows(node.layer, network.shapes[node.inputs[0]]):
            result[o] += sources[0][i]
        return result
    if kind == "Add":
        return [sum(parts) for parts in zip(*sources, strict=True)]
    assert kind == "Flatten"
    return sources[0]
