"""A second implementation of the semantics, in exact rational numbers: step by step, neuron by neuron, no arrays.

Written from the documentation of the layers and neurons. It shares no code with refsnn: it reads a network's attributes
and nothing else.
"""

from fractions import Fraction
from itertools import product


def _numbers(array):
    return array if not hasattr(array, "shape") or array.shape == () else [_numbers(part) for part in array]


def _exact(value):
    return [_exact(part) for part in value] if isinstance(value, list) else Fraction(float(value))


def _flat(value):
    return [leaf for part in value for leaf in _flat(part)] if isinstance(value, list) else [value]


def _linear(layer, x):
    weight = _exact(_numbers(layer.weight))
    bias = [Fraction(0)] * len(weight) if layer.bias is None else _exact(_numbers(layer.bias))
    return [sum((w * value for w, value in zip(row, x, strict=True)), b) for row, b in zip(weight, bias, strict=True)]


def _conv(layer, x):
    weight = _exact(_numbers(layer.weight))
    outputs, per_group = len(weight), len(weight[0])
    tall, wide = len(weight[0][0]), len(weight[0][0][0])
    height, width = len(x[0]), len(x[0][0])
    (sy, sx), (py, px), (dy, dx) = layer.stride, layer.padding, layer.dilation
    rows = (height + 2 * py - dy * (tall - 1) - 1) // sy + 1
    columns = (width + 2 * px - dx * (wide - 1) - 1) // sx + 1
    result = []
    for o in range(outputs):
        first_channel = o // (outputs // layer.groups) * per_group
        bias = Fraction(0) if layer.bias is None else Fraction(float(layer.bias[o]))
        plane = [[bias] * columns for _ in range(rows)]
        for y, z, ky, kx, c in product(range(rows), range(columns), range(tall), range(wide), range(per_group)):
            iy, ix = y * sy + ky * dy - py, z * sx + kx * dx - px
            if 0 <= iy < height and 0 <= ix < width:
                plane[y][z] += weight[o][c][ky][kx] * x[first_channel + c][iy][ix]
        result.append(plane)
    return result


def _conv1d(layer, x):
    weight = _exact(_numbers(layer.weight))
    per_group, length = len(weight[0]), len(x[0])
    columns = (length + 2 * layer.padding - layer.dilation * (len(weight[0][0]) - 1) - 1) // layer.stride + 1
    result = []
    for o, filters in enumerate(weight):
        first_channel = o // (len(weight) // layer.groups) * per_group
        line = [Fraction(0) if layer.bias is None else Fraction(float(layer.bias[o]))] * columns
        for z, c, kx in product(range(columns), range(per_group), range(len(filters[0]))):
            ix = z * layer.stride + kx * layer.dilation - layer.padding
            if 0 <= ix < length:
                line[z] += filters[c][kx] * x[first_channel + c][ix]
        result.append(line)
    return result


def _pool(layer, x):
    kind = type(layer).__name__
    if kind == "GlobalAvgPool2d":
        return [[[sum(_flat(plane), Fraction(0)) / len(_flat(plane))]] for plane in x]
    (ky, kx), (py, px) = layer.kernel, layer.padding
    sy, sx = layer.kernel if layer.stride is None else layer.stride
    height, width = len(x[0]), len(x[0][0])
    rows, columns = (height + 2 * py - ky) // sy + 1, (width + 2 * px - kx) // sx + 1

    def window(plane, r, c):
        inside = [(r * sy + a - py, c * sx + b - px) for a in range(ky) for b in range(kx)]
        values = [plane[y][z] for y, z in inside if 0 <= y < height and 0 <= z < width]
        if kind == "MaxPool2d":
            return max(values)
        return sum(values, Fraction(0)) / (ky * kx if kind == "AvgPool2d" else 1)

    return [[[window(plane, r, c) for c in range(columns)] for r in range(rows)] for plane in x]


def _quantised(layer, value):
    if isinstance(value, list):
        return [_quantised(layer, part) for part in value]
    theta = Fraction(layer.threshold)
    level = (value * layer.levels / theta + Fraction(1, 2)) // 1
    return theta * max(0, min(layer.levels, level)) / layer.levels


def _scaled(value, factor):
    return [_scaled(part, factor) for part in value] if isinstance(value, list) else factor * value


def _add(values):
    first = values[0]
    if isinstance(first, list):
        return [_add(list(parts)) for parts in zip(*values, strict=True)]
    return sum(values, Fraction(0))


class Cell:
    """One neuron and its potential."""

    def __init__(self, layer):
        self.layer = layer
        self.v = Fraction(layer.v_init)

    def step(self, current):
        layer = self.layer
        if type(layer).__name__ == "LIF":
            leak = Fraction(layer.v_leak)
            self.v = leak + Fraction(layer.decay) * (self.v - leak) + Fraction(layer.gain) * current
        else:
            self.v = self.v + current
        theta = Fraction(layer.v_threshold)
        fires = self.v > theta or (layer.firing.value == ">=" and self.v == theta)
        if fires and layer.reset.value == "subtract":
            self.v = self.v - theta
        elif fires and layer.reset.value == "to_value":
            self.v = Fraction(layer.v_reset)
        return fires


def interpret(network, sample, steps):
    """(spikes, v, readout) of one sample: spikes[node][t] and v[node][t] flat lists, readout[t] a list of Fractions."""
    cells, spikes, potentials, readout = {}, {}, {}, []
    x = _exact(_numbers(sample))
    for _ in range(steps):
        values = {"input": x}
        for node in network.nodes:
            sources = [values[name] for name in node.inputs]
            kind = type(node.layer).__name__
            if kind in ("IF", "LIF"):
                currents = _flat(sources[0])
                here = cells.setdefault(node.name, [Cell(node.layer) for _ in currents])
                fired = [cell.step(current) for cell, current in zip(here, currents, strict=True)]
                spikes.setdefault(node.name, []).append(fired)
                potentials.setdefault(node.name, []).append([cell.v for cell in here])
                amplitude = Fraction(node.layer.amplitude)
                values[node.name] = _shaped([amplitude if f else Fraction(0) for f in fired], sources[0])
            elif kind == "Linear":
                values[node.name] = _linear(node.layer, sources[0])
            elif kind == "Conv2d":
                values[node.name] = _conv(node.layer, sources[0])
            elif kind == "QCFS":
                values[node.name] = _quantised(node.layer, sources[0])
            elif kind == "Conv1d":
                values[node.name] = _conv1d(node.layer, sources[0])
            elif kind == "Concat":
                values[node.name] = [plane for source in sources for plane in source]
            elif kind == "Scale":
                values[node.name] = _scaled(sources[0], Fraction(node.layer.factor))
            elif kind.endswith("Pool2d"):
                values[node.name] = _pool(node.layer, sources[0])
            elif kind == "Flatten":
                values[node.name] = _flat(sources[0])
            elif kind == "Add":
                values[node.name] = _add(sources)
            else:
                raise AssertionError(kind)
        output = _flat(values[network.nodes[-1].name])
        before = readout[-1] if readout else [Fraction(0)] * len(output)
        readout.append([a + b for a, b in zip(before, output, strict=True)])
    return spikes, potentials, readout


def _shaped(flat, like):
    """The flat list in the nesting of `like`."""
    remaining = iter(flat)

    def fill(part):
        return [fill(p) for p in part] if isinstance(part, list) else next(remaining)

    return fill(like)
