"""Hypothesis strategies for networks, neurons, inputs and readouts; for our tests and for yours.

    from hypothesis import given
    from refsnn import simulate, strategies as snn

    @given(case=snn.cases())
    def test_my_backend(case):
        network, x, steps = case
        ...

Every number drawn is dyadic, k / 2^s with few bits, so that float sums of this size are exact in any order: what differs
then is a mistake, not rounding. Ties (a potential exactly at the threshold) are frequent for the same reason.
"""

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from refsnn.layers import (
    QCFS,
    Add,
    AvgPool2d,
    BatchNorm,
    Concat,
    Conv1d,
    Conv2d,
    Flatten,
    GlobalAvgPool2d,
    Layer,
    Linear,
    MaxMode,
    MaxPool2d,
    Pool,
    Scale,
    Shape,
    SumPool2d,
)
from refsnn.network import INPUT, Network, Node
from refsnn.neurons import IF, LI, LIF, CubaLIF, Firing, Leak, Neuron, Reset, ResetTime

Array = np.ndarray[Any, Any]


def dyadic(low: int, high: int, *, bits: int = 2) -> st.SearchStrategy[float]:
    """Multiples of 2^-bits from `low` to `high`."""
    return st.integers(low << bits, high << bits).map(lambda k: k / (1 << bits))


def tensors(shape: Shape, low: int = -2, high: int = 2) -> st.SearchStrategy[Array]:
    """float32 arrays of multiples of 1/4."""
    return hnp.arrays(np.int8, shape, elements=st.integers(4 * low, 4 * high), fill=st.just(0)).map(
        lambda a: (a / 4).astype(np.float32)
    )


@st.composite
def neurons(draw: st.DrawFn, *, kinds: tuple[type, ...] = (IF, LIF)) -> Neuron:
    """IF and LIF with every comparator and reset, one spike a step."""
    kind = draw(st.sampled_from(kinds))
    threshold = draw(st.sampled_from([0.5, 1.0, 2.0, 1.25]))
    return kind(
        v_threshold=threshold,
        v_init=draw(st.sampled_from([0.0, threshold / 2, -1.0])),
        reset=draw(st.sampled_from(Reset)),
        v_reset=draw(st.sampled_from([0.0, -0.5, 0.25])),
        firing=draw(st.sampled_from(Firing)),
        amplitude=draw(st.sampled_from([1.0, threshold, 0.5])),
        **(draw(_leaks(Leak.FACTOR)) if issubclass(kind, LIF) else {}),
    )


@st.composite
def any_neurons(draw: st.DrawFn, shape: Shape, *, kinds: tuple[type, ...] = (IF, LIF, CubaLIF)) -> Neuron:
    """Every kind of neuron with every choice there is, some parameters one number per channel or per neuron."""
    kind = draw(st.sampled_from(kinds))

    def values(choices: list[float]) -> Any:
        lengths = draw(st.sampled_from([None, None, None, shape[:1], shape]))
        if lengths is None or prod(lengths) == 1:
            return draw(st.sampled_from(choices))
        count = prod(lengths)
        picked = draw(st.lists(st.sampled_from(choices), min_size=count, max_size=count))
        return np.array(picked).reshape(lengths)

    return kind(
        v_threshold=values([0.5, 1.0, 2.0, 1.25]),
        v_init=values([0.0, 0.5, -1.0]),
        reset=draw(st.sampled_from(Reset)),
        v_reset=values([0.0, -0.5, 0.25]),
        reset_time=draw(st.sampled_from(ResetTime)),
        firing=draw(st.sampled_from(Firing)),
        amplitude=values([1.0, 2.0, 0.5]),
        max_spikes=draw(st.sampled_from([1, 1, 2, None])),
        v_negative=draw(st.none() | st.sampled_from([-1.0, 0.0, -0.25])),
        negative_firing=draw(st.sampled_from(Firing)),
        negative_after_positive=draw(st.booleans()),
        refractory=draw(st.sampled_from([0, 0, 1, 2])),
        v_min=draw(st.none() | st.sampled_from([-1.0, 0.0])),
        v_max=draw(st.none() | st.sampled_from([1.0, 2.0])),
        **(draw(_leaks(*Leak)) if kind is not IF else {}),
        **(draw(_synapses()) if kind is CubaLIF else {}),
    )


def _leaks(*forms: Leak) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "decay": st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]),
            "gain": st.sampled_from([1.0, 0.5]),
            "v_leak": st.sampled_from([0.0, 0.5, -0.25]),
            "leak": st.sampled_from(forms),
        }
    )


def _synapses() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"current_decay": st.sampled_from([0.0, 0.5, 0.75]), "current_gain": st.sampled_from([1.0, -0.5])}
    )


def integrators() -> st.SearchStrategy[LI]:
    return st.builds(lambda leaks, v_init: LI(v_init=v_init, **leaks), _leaks(*Leak), st.sampled_from([0.0, 0.5]))


@st.composite
def convolutions(draw: st.DrawFn, shape: Shape) -> Conv2d:
    """A convolution that fits the shape: strides, paddings, dilations, groups, with and without bias."""
    channels, height, width = shape
    groups = draw(st.sampled_from([g for g in (1, 2, 4) if channels % g == 0]))
    outputs = groups * draw(st.integers(1, 2))
    padding = (draw(st.integers(0, 2)), draw(st.integers(0, 2)))
    dilation = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    kernel = tuple(
        draw(st.integers(1, min(3, (size + 2 * pad - 1) // gap + 1)))
        for size, pad, gap in zip((height, width), padding, dilation, strict=True)
    )
    return Conv2d(
        weight=draw(tensors((outputs, channels // groups, *kernel))),
        bias=draw(st.none() | tensors((outputs,))),
        stride=(draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        padding=padding,
        dilation=dilation,
        groups=groups,
    )


@st.composite
def convolutions_1d(draw: st.DrawFn, shape: Shape) -> Conv1d:
    """A one-dimensional convolution that fits the shape."""
    flat = draw(
        convolutions((shape[0], 1, shape[1])).filter(lambda conv: conv.weight.shape[2] == 1 and conv.padding[0] == 0)
    )
    return Conv1d(weight=flat.weight[:, :, 0], bias=flat.bias, stride=flat.stride[1], padding=flat.padding[1],
                  dilation=flat.dilation[1], groups=flat.groups)  # fmt: skip


@st.composite
def pools(
    draw: st.DrawFn, shape: Shape, *, kinds: tuple[type, ...] = (AvgPool2d, SumPool2d, MaxPool2d), largest: int = 2
) -> Pool:
    """A pool that fits the shape; with windows of up to two by two pixels a mean stays dyadic."""
    padding = (draw(st.integers(0, 1)), draw(st.integers(0, 1)))
    kernel = tuple(
        draw(st.integers(max(1, 2 * pad), max(2 * pad, min(largest, size + pad))))
        for size, pad in zip(shape[1:], padding, strict=True)
    )
    stride = draw(st.none() | st.tuples(st.integers(1, 2), st.integers(1, 2)))
    kind: Any = draw(st.sampled_from(kinds))
    pool: Pool = kind(kernel=(kernel[0], kernel[1]), stride=stride, padding=padding)
    return pool


@st.composite
def linears(draw: st.DrawFn, features: int, outputs: int | None = None) -> Linear:
    outputs = draw(st.integers(1, 5)) if outputs is None else outputs
    return Linear(weight=draw(tensors((outputs, features))), bias=draw(st.none() | tensors((outputs,))))


@dataclass
class _Builder:
    """Nodes so far, and the shape that the last one gives."""

    nodes: list[Node]
    shape: Shape
    last: str = INPUT

    def add(self, layer: Layer, shape: Shape, inputs: tuple[str, ...] | None = None) -> None:
        name = f"{type(layer).__name__.lower()}{len(self.nodes)}"
        self.nodes.append(Node(name, layer, inputs or (self.last,)))
        self.last, self.shape = name, shape


@st.composite
def networks(draw: st.DrawFn, *, kinds: tuple[type, ...] = (IF, LIF), largest_pool: int = 2) -> Network:
    """Spiking networks: convolutions, pools, residual sums, concatenations and scales on a small image, then linear layers;
    or one-dimensional convolutions on a short signal.
    """
    builder = _Builder([], (draw(st.sampled_from([1, 2, 4])), draw(st.integers(1, 5)), draw(st.integers(1, 5))))
    if draw(st.integers(0, 4)) == 0:
        builder.shape = builder.shape[:2]
    first = builder.shape
    for block in draw(st.lists(st.sampled_from(["conv", "pool", "residual", "concat", "scale"]), max_size=3)):
        if len(builder.shape) == 2:
            conv1d = draw(convolutions_1d(builder.shape))
            builder.add(conv1d, conv1d.output_shape(builder.shape))
            builder.add(draw(neurons(kinds=kinds)), builder.shape)
        elif block == "conv":
            conv = draw(convolutions(builder.shape))
            builder.add(conv, conv.output_shape(builder.shape))
            builder.add(draw(neurons(kinds=kinds)), builder.shape)
        elif block == "pool":
            pool = draw(pools(builder.shape, largest=largest_pool))
            if _is_power_of_two(prod(builder.shape[1:])) and draw(st.booleans()):
                pool = GlobalAvgPool2d()
            builder.add(pool, pool.output_shape(builder.shape))
        elif block == "scale":
            builder.add(Scale(factor=draw(st.sampled_from([0.5, 2.0, -1.0]))), builder.shape)
        elif builder.nodes:
            channels, skipped = builder.shape[0], builder.last
            builder.add(Conv2d(weight=draw(tensors((channels, channels, 3, 3))), padding=(1, 1)), builder.shape)
            if draw(st.booleans()):
                builder.add(draw(neurons(kinds=kinds)), builder.shape)
            join = Add() if block == "residual" else Concat()
            builder.add(join, join.output_shape(builder.shape, builder.shape), (builder.last, skipped))
            builder.add(draw(neurons(kinds=kinds)), builder.shape)
    builder.add(Flatten(), (prod(builder.shape),))
    for _ in range(draw(st.integers(0, 1))):
        linear = draw(linears(prod(builder.shape)))
        builder.add(linear, linear.output_shape(builder.shape))
        builder.add(draw(neurons(kinds=kinds)), builder.shape)
    builder.add(draw(linears(prod(builder.shape))), builder.shape)
    return Network("drawn", first, tuple(builder.nodes))


def _is_power_of_two(number: int) -> bool:
    return number & (number - 1) == 0


@st.composite
def source_networks(draw: st.DrawFn, *, levels: int | None = None, every: bool = False) -> Network:
    """QCFS networks: convolution, sometimes BatchNorm, QCFS, sometimes a pool; then linear layers.

    every: with thresholds per channel, and pools that follow spike counts, too.
    """
    builder = _Builder([], (draw(st.sampled_from([1, 2])), draw(st.integers(2, 5)), draw(st.integers(2, 5))))
    first = builder.shape
    count = levels or draw(st.sampled_from([1, 2, 4, 8]))

    def activation() -> QCFS:
        choices = st.sampled_from([0.5, 1.0, 2.0, 1.25])
        channels = builder.shape[0]
        each = st.lists(choices, min_size=channels, max_size=channels).map(np.array)
        return QCFS(threshold=draw(choices | each if every else choices), levels=count)

    for _ in range(draw(st.integers(0, 2))):
        conv = draw(convolutions(builder.shape))
        builder.add(conv, conv.output_shape(builder.shape))
        if draw(st.booleans()):
            builder.add(draw(batch_norms(builder.shape[0])), builder.shape)
        builder.add(activation(), builder.shape)
        if draw(st.booleans()):
            pool = draw(pools(builder.shape, kinds=(AvgPool2d, SumPool2d, *((MaxPool2d,) if every else ()))))
            pool = replace(pool, mode=MaxMode.COUNT) if isinstance(pool, MaxPool2d) else pool
            builder.add(pool, pool.output_shape(builder.shape))
    builder.add(Flatten(), (prod(builder.shape),))
    linear = draw(linears(prod(builder.shape)))
    builder.add(linear, linear.output_shape(builder.shape))
    builder.add(activation(), builder.shape)
    builder.add(draw(linears(prod(builder.shape))), builder.shape)
    return Network("drawn", first, tuple(builder.nodes))


@st.composite
def batch_norms(draw: st.DrawFn, channels: int) -> BatchNorm:
    """BatchNorm whose factor is no power of two."""
    return BatchNorm(
        weight=draw(tensors((channels,), 1, 2)),
        bias=draw(tensors((channels,))),
        mean=draw(tensors((channels,))),
        var=draw(tensors((channels,), 0, 2)),
    )


@st.composite
def recurrent_networks(draw: st.DrawFn) -> Network:
    """Fully connected networks of every kind of neuron with edges back, across and with delays; sometimes an LI readout."""
    size, width = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    nodes = [Node("in", draw(linears(size, width)), (INPUT,), (draw(st.integers(0, 2)),))]
    back = draw(st.sampled_from(["cell", "next"]))
    nodes.append(Node("back", draw(linears(width, width)), (back,), (draw(st.integers(1, 3)),)))
    nodes.append(Node("sum", Add(), ("in", "back"), (0, draw(st.integers(0, 1)))))
    nodes.append(Node("cell", draw(any_neurons((width,))), ("sum",)))
    nodes.append(Node("on", draw(linears(width, width)), ("cell",), (draw(st.integers(0, 2)),)))
    nodes.append(Node("next", draw(any_neurons((width,))), ("on",)))
    nodes.append(Node("out", draw(linears(width)), ("next",)))
    if draw(st.booleans()):
        nodes.append(Node("li", draw(integrators()), ("out",)))
    return Network("recurrent", (size,), tuple(nodes))


@st.composite
def any_cases(draw: st.DrawFn, *, max_steps: int = 6) -> tuple[Network, Array, int]:
    """Networks of every kind of neuron: one block of convolution, neurons, pool, with delays; or a recurrent one."""
    if draw(st.booleans()):
        network = draw(recurrent_networks())
    else:
        builder = _Builder([], (draw(st.sampled_from([1, 2])), draw(st.integers(2, 4)), draw(st.integers(2, 4))))
        first = builder.shape
        conv = draw(convolutions(builder.shape))
        builder.add(conv, conv.output_shape(builder.shape))
        builder.add(draw(any_neurons(builder.shape) | neurons()), builder.shape)
        if draw(st.booleans()):
            pool = draw(pools(builder.shape))
            if isinstance(pool, MaxPool2d) and _sends_ones(builder.nodes[-1].layer):
                pool = replace(pool, mode=draw(st.sampled_from(MaxMode)))
            builder.add(pool, pool.output_shape(builder.shape))
        builder.add(Flatten(), (prod(builder.shape),))
        linear = draw(linears(prod(builder.shape)))
        builder.add(linear, linear.output_shape(builder.shape))
        builder.add(draw(any_neurons(builder.shape)), builder.shape)
        builder.add(draw(linears(prod(builder.shape))), builder.shape)
        network = Network("drawn", first, tuple(builder.nodes))
    return network, draw(inputs(network)), draw(st.integers(1, max_steps))


def _sends_ones(layer: Layer) -> bool:
    return isinstance(layer, Neuron) and layer.max_spikes == 1 and layer.v_negative is None


def inputs(network: Network, *, max_samples: int = 3) -> st.SearchStrategy[Array]:
    """float32[N, *input_shape] in multiples of 1/4 between -1 and 2."""
    return st.integers(1, max_samples).flatmap(lambda n: tensors((n, *network.input_shape), -1, 2))


@st.composite
def cases(
    draw: st.DrawFn, *, kinds: tuple[type, ...] = (IF, LIF), max_steps: int = 6, largest_pool: int = 2
) -> tuple[Network, Array, int]:
    """A spiking network, inputs for it, and a number of steps."""
    network = draw(networks(kinds=kinds, largest_pool=largest_pool))
    return network, draw(inputs(network)), draw(st.integers(1, max_steps))


@st.composite
def readouts(draw: st.DrawFn, *, max_steps: int = 6) -> tuple[Array, Array]:
    """A readout float64[T, N, K] with frequent ties, and labels int64[N]."""
    shape = draw(st.integers(1, max_steps)), draw(st.integers(1, 12)), draw(st.integers(2, 4))
    per_step = draw(hnp.arrays(np.int64, shape, elements=st.integers(-4, 4)))
    labels = draw(hnp.arrays(np.int64, shape[1], elements=st.integers(0, shape[2] - 1)))
    return np.cumsum(per_step, axis=0).astype(np.float64), labels
