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


def _quantised(layer, value, shape):
    result = []
    for index, number in enumerate(_flat(value)):
        theta = _number(layer.threshold, index, shape)
        level = (number * layer.levels / theta + Fraction(1, 2)) // 1
        result.append(theta * max(0, min(layer.levels, level)) / layer.levels)
    return _shaped(result, value)


def _rectified(value):
    return [_rectified(part) for part in value] if isinstance(value, list) else max(value, Fraction(0))


def _scaled(value, factor):
    return [_scaled(part, factor) for part in value] if isinstance(value, list) else factor * value


def _add(values):
    first = values[0]
    if isinstance(first, list):
        return [_add(list(parts)) for parts in zip(*values, strict=True)]
    return sum(values, Fraction(0))


def _number(value, index, shape):
    """A parameter's number for the neuron at this flat index of a node of this shape."""
    if not hasattr(value, "shape") or value.shape == ():
        return Fraction(float(value))
    if value.shape == tuple(shape):
        return Fraction(float(_flat(_numbers(value))[index]))
    per_channel = 1
    for size in shape[1:]:
        per_channel *= size
    return Fraction(float(value[index // per_channel]))


VALUES = ("v_threshold", "v_init", "v_reset", "v_leak", "decay", "gain", "current_decay", "current_gain", "amplitude",
          "v_negative", "v_min", "v_max")  # fmt: skip


class Cell:
    """One neuron: what it remembers, and what it does in a step."""

    def __init__(self, layer, index=0, shape=(1,)):
        self.layer = layer
        self.kind = type(layer).__name__
        given = {name: getattr(layer, name, None) for name in VALUES}
        self.number = {name: _number(value, index, shape) for name, value in given.items() if value is not None}
        self.v = self.number["v_init"]
        self.current = Fraction(0)
        self.last = 0  # spikes in the step before
        self.rest = 0  # steps it stays refractory
        self.sum = 0  # of its spikes

    def reset(self, v, spikes):
        if spikes == 0 or self.layer.reset.value == "none":
            return v
        return (
            v - spikes * self.number["v_threshold"] if self.layer.reset.value == "subtract" else self.number["v_reset"]
        )

    def charged(self, v, x):
        if self.kind == "IF":
            return v + x
        if self.kind == "CubaLIF":
            x = self.current = self.number["current_decay"] * self.current + self.number["current_gain"] * x
        leak = self.number["v_leak"]
        if self.layer.leak.value == "towards":
            return v + self.number["gain"] * (x + leak - v)
        return leak + self.number["decay"] * (v - leak) + self.number["gain"] * x

    def spikes(self, v):
        layer, theta = self.layer, self.number["v_threshold"]
        if layer.v_negative is not None and (self.sum > 0 or not layer.negative_after_positive):
            lower = self.number["v_negative"]
            if v < lower or (v == lower and layer.negative_firing.value == ">="):
                return -1
        count = 0
        while (layer.max_spikes is None or count < layer.max_spikes) and (
            v > (count + 1) * theta or (v == (count + 1) * theta and layer.firing.value == ">=")
        ):
            count += 1
        return count

    def step(self, current):
        """How many spikes it sends."""
        if self.kind == "LI":
            self.v = self.charged(self.v, current)
            return 0
        layer, v, resting = self.layer, self.v, self.rest > 0
        if layer.reset_time.value == "before_charge":
            v = self.reset(v, self.last)
        v = self.charged(v, Fraction(0) if resting else current)
        if layer.reset_time.value == "after_charge":
            v = self.reset(v, self.last)
        count = 0 if resting else self.spikes(v)
        if layer.reset_time.value == "same_step":
            v = self.reset(v, count)
        if layer.v_min is not None:
            v = max(v, self.number["v_min"])
        if layer.v_max is not None:
            v = min(v, self.number["v_max"])
        self.v, self.last, self.sum = v, count, self.sum + count
        self.rest = layer.refractory if count else max(self.rest - 1, 0)
        return count


class FollowingPool:
    """A MaxPool2d that follows spike counts."""

    def __init__(self):
        self.counts = None

    def step(self, layer, x):
        height, width = len(x[0]), len(x[0][0])
        before = self.counts or [[[0] * width for _ in range(height)] for _ in x]
        self.counts = [
            [[b + (value != 0) for b, value in zip(*rows, strict=True)] for rows in zip(plane_b, plane_x, strict=True)]
            for plane_b, plane_x in zip(before, x, strict=True)
        ]
        (ky, kx), (py, px) = layer.kernel, layer.padding
        sy, sx = layer.kernel if layer.stride is None else layer.stride
        rows, columns = (height + 2 * py - ky) // sy + 1, (width + 2 * px - kx) // sx + 1

        def window(c, r, z):
            places = [(r * sy + a - py, z * sx + b - px) for a in range(ky) for b in range(kx)]
            places = [(y, w) for y, w in places if 0 <= y < height and 0 <= w < width]
            largest = max(self.counts[c][y][w] for y, w in places)
            leaders = [(y, w) for y, w in places if self.counts[c][y][w] == largest]
            if layer.mode.value == "leader":
                return x[c][leaders[0][0]][leaders[0][1]]
            if largest == max(before[c][y][w] for y, w in places):
                return Fraction(0)
            return next(x[c][y][w] for y, w in leaders if x[c][y][w] != 0)

        return [[[window(c, r, z) for z in range(columns)] for r in range(rows)] for c in range(len(x))]


def interpret(network, sample, steps, *, frames=False):
    """(spikes, v, readout) of one sample: spikes[node][t] and v[node][t] flat lists, readout[t] a list of Fractions.

    frames: sample[t] is the input of step t; else every step has the same.
    """
    cells, pools, spikes, potentials, readout, sent = {}, {}, {}, {}, [], []
    spiking = any(hasattr(node.layer, "v_init") for node in network.nodes)  # else a max pool means the largest value
    inputs = [_exact(_numbers(x)) for x in (sample[:steps] if frames else [sample])]
    for t in range(steps):
        values = {"input": inputs[t if frames else 0]}
        sent.append(values)

        def arriving(name, delay, now=t):
            if delay == 0:
                return sent[now][name]
            if now - delay >= 0:
                return sent[now - delay][name]
            return _zeros(network.shapes[name])

        for node in network.nodes:
            sources = [arriving(name, delay) for name, delay in zip(node.inputs, node.delays, strict=True)]
            kind = type(node.layer).__name__
            if kind in ("IF", "LIF", "CubaLIF", "LI"):
                currents, shape = _flat(sources[0]), network.shapes[node.name]
                here = cells.setdefault(node.name, [Cell(node.layer, i, shape) for i in range(len(currents))])
                fired = [cell.step(current) for cell, current in zip(here, currents, strict=True)]
                potentials.setdefault(node.name, []).append([cell.v for cell in here])
                if kind == "LI":
                    values[node.name] = _shaped([cell.v for cell in here], sources[0])
                    continue
                spikes.setdefault(node.name, []).append(fired)
                worth = [f * cell.number["amplitude"] for f, cell in zip(fired, here, strict=True)]
                values[node.name] = _shaped(worth, sources[0])
            elif kind == "Linear":
                values[node.name] = _linear(node.layer, sources[0])
            elif kind == "Conv2d":
                values[node.name] = _conv(node.layer, sources[0])
            elif kind == "QCFS":
                values[node.name] = _quantised(node.layer, sources[0], network.shapes[node.name])
            elif kind == "ReLU":
                values[node.name] = _rectified(sources[0])
            elif kind == "Conv1d":
                values[node.name] = _conv1d(node.layer, sources[0])
            elif kind == "Concat":
                values[node.name] = [plane for source in sources for plane in source]
            elif kind == "Scale":
                values[node.name] = _scaled(sources[0], Fraction(node.layer.factor))
            elif kind == "MaxPool2d" and node.layer.mode.value != "or" and spiking:
                values[node.name] = pools.setdefault(node.name, FollowingPool()).step(node.layer, sources[0])
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


def _zeros(shape):
    return [_zeros(shape[1:]) for _ in range(shape[0])] if shape else Fraction(0)


def _shaped(flat, like):
    """The flat list in the nesting of `like`."""
    remaining = iter(flat)

    def fill(part):
        return [fill(p) for p in part] if isinstance(part, list) else next(remaining)

    return fill(like)
