"""Spiking networks."""

from dataclasses import dataclass, replace
from math import prod

from hypothesis import strategies as st

from refsnn.layers import Add, Concat, Conv2d, Flatten, GlobalAvgPool2d, Layer, MaxMode, MaxPool2d, Scale, Shape
from refsnn.network import INPUT, Network, Node
from refsnn.neurons import IF, LIF, Neuron
from refsnn.strategies.arrays import tensors
from refsnn.strategies.cells import any_neurons, integrators, neurons
from refsnn.strategies.parts import convolutions, convolutions_1d, linears, pools


@dataclass
class Builder:
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
    or one-dimensional convolutions on a short signal. Shrinks to one Linear behind one pixel, without neurons.
    """
    builder = Builder([], (draw(st.sampled_from([1, 2, 4])), draw(st.integers(1, 5)), draw(st.integers(1, 5))))
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
def recurrent_networks(draw: st.DrawFn) -> Network:
    """Fully connected networks of every kind of neuron with edges back, across and with delays; sometimes an LI readout.

    Shrinks to layers of one neuron without delays but for the edge back.
    """
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
def any_networks(draw: st.DrawFn) -> Network:
    """Networks of every kind of neuron: one block of convolution, neurons and pool, then linear layers; or a recurrent one.

    Shrinks to the block, with layers of one neuron.
    """
    if draw(st.booleans()):
        return draw(recurrent_networks())
    builder = Builder([], (draw(st.sampled_from([1, 2])), draw(st.integers(2, 4)), draw(st.integers(2, 4))))
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
    return Network("drawn", first, tuple(builder.nodes))


def _sends_ones(layer: Layer) -> bool:
    return isinstance(layer, Neuron) and layer.max_spikes == 1 and layer.v_negative is None
