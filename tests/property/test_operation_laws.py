"""Each operation alone, 200 examples each: every layer and every kind of neuron against the interpreter in fractions, both
backends, on numbers and on spikes, with another input at each step.
"""

from dataclasses import replace

import numpy as np
import pytest
from fraction_interpreter import interpret
from hypothesis import given, settings
from hypothesis import strategies as st

from refsnn import Float64, Frames, Network, Node, Record, forward, simulate
from refsnn import strategies as snn
from refsnn.layers import (
    QCFS,
    Add,
    AvgPool2d,
    Concat,
    Flatten,
    GlobalAvgPool2d,
    MaxMode,
    MaxPool2d,
    Scale,
    SumPool2d,
)
from refsnn.neurons import IF, LIF, CubaLIF

EXAMPLES = max(200, settings().max_examples)
MAPS = st.tuples(st.integers(1, 3), st.integers(2, 4), st.integers(2, 4))
SIGNALS = st.tuples(st.integers(1, 3), st.integers(2, 6))
VECTORS = st.tuples(st.integers(1, 5))
BINARY = IF(v_threshold=1.0, v_init=0.5, amplitude=0.5)  # sends the operation spikes instead of numbers


def pool(kind, **options):
    return MAPS, lambda shape: snn.pools(shape, kinds=(kind,)).map(lambda layer: replace(layer, **options))


# shapes, then the layer for a shape
OPERATIONS = {
    "Linear": (VECTORS, lambda shape: snn.linears(shape[0])),
    "Conv1d": (SIGNALS, snn.convolutions_1d),
    "Conv2d": (MAPS, snn.convolutions),
    "AvgPool2d": pool(AvgPool2d),
    "SumPool2d": pool(SumPool2d),
    "MaxPool2d or": pool(MaxPool2d, mode=MaxMode.OR),
    "MaxPool2d leader": pool(MaxPool2d, mode=MaxMode.LEADER),
    "MaxPool2d count": pool(MaxPool2d, mode=MaxMode.COUNT),
    "GlobalAvgPool2d": (
        st.tuples(st.integers(1, 3), st.sampled_from([1, 2, 4]), st.sampled_from([1, 2, 4])),
        lambda _: st.just(GlobalAvgPool2d()),
    ),
    "Add": (MAPS | VECTORS, lambda _: st.just(Add())),
    "Concat": (MAPS | VECTORS, lambda _: st.just(Concat())),
    "Scale": (MAPS | VECTORS, lambda _: st.builds(Scale, factor=snn.dyadic(-2, 2))),
    "Flatten": (MAPS | SIGNALS, lambda _: st.just(Flatten())),
    "IF": (MAPS | VECTORS, lambda shape: snn.any_neurons(shape, kinds=(IF,))),
    "LIF": (MAPS | VECTORS, lambda shape: snn.any_neurons(shape, kinds=(LIF,))),
    "CubaLIF": (MAPS | VECTORS, lambda shape: snn.any_neurons(shape, kinds=(CubaLIF,))),
    "LI": (MAPS | VECTORS, lambda _: snn.integrators()),
}


@st.composite
def cases(draw, name):
    """The operation alone, or behind neurons; its inputs [T, N, *shape]."""
    shapes, layers = OPERATIONS[name]
    shape = draw(shapes)
    spiking = name in ("MaxPool2d leader", "MaxPool2d count") or draw(st.booleans())
    nodes = [Node("spikes", BINARY, ("input",))] if spiking else []
    source = nodes[-1].name if nodes else "input"
    layer = draw(layers(shape))
    if isinstance(layer, Add | Concat):
        nodes.append(Node("other", Scale(factor=draw(st.sampled_from([1.0, -0.5]))), (source,)))
        nodes.append(Node("op", layer, (source, "other")))
    else:
        nodes.append(Node("op", layer, (source,)))
    steps, samples = draw(st.integers(1, 4)), draw(st.integers(1, 2))
    return Network("one", shape, tuple(nodes)), draw(snn.tensors((steps, samples, *shape), -2, 2))


@pytest.mark.parametrize("name", OPERATIONS)
@settings(max_examples=EXAMPLES)
@given(data=st.data(), backend=st.sampled_from(["naive", "fast"]), recorded=st.booleans())
def test_an_operation_is_what_fractions_say(name, data, backend, recorded):
    """Without records the fast backend sends spikes as bits."""
    network, x = data.draw(cases(name))
    steps, samples = x.shape[:2]
    record = Record(spikes=network.neurons, v=network.stateful) if recorded else Record()
    trace = simulate(network, Frames(x), steps=steps, arithmetic=Float64(), backend=backend, record=record)
    for n in range(samples):
        spikes, v, readout = interpret(network, x[:, n], steps, frames=True)
        assert trace.readout[:, n].reshape(steps, -1).tolist() == readout  # floats and fractions compare exactly
        for node in network.neurons:
            assert trace.counts[node][n].ravel().tolist() == [sum(train) for train in zip(*spikes[node], strict=True)]
            assert trace.residual[node][n].ravel().tolist() == v[node][-1]
        for node in record.spikes:
            assert trace.spikes[node][:, n].reshape(steps, -1).tolist() == spikes[node]
        for node in record.v:
            assert trace.v[node][:, n].reshape(steps, -1).tolist() == v[node]


@settings(max_examples=EXAMPLES)
@given(
    shape=MAPS | VECTORS, threshold=st.sampled_from([0.5, 1.0, 1.25, 2.0]), levels=st.sampled_from([1, 2, 4, 8]), data=st.data()
)  # fmt: skip
def test_qcfs_is_what_fractions_say(shape, threshold, levels, data):
    """Inputs at whole and half levels and between them, so that ties are frequent."""
    layer = QCFS(threshold=threshold, levels=levels)
    quarters = data.draw(snn.tensors((2, *shape), -2, 4))
    x = quarters.astype(np.float64) * 2 * threshold / levels
    network = Network("one", shape, (Node("op", layer, ("input",)),))
    for backend in ("naive", "fast"):
        output = forward(network, x, arithmetic=Float64(), backend=backend).output
        for n in range(len(x)):
            (expected,) = interpret(network, x[n], 1)[2]
            # a level of the threshold 1.25 is dyadic too
            assert output[n].ravel().tolist() == expected
