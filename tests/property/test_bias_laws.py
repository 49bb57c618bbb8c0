"""Laws of bias calibration: by how much each bias moves, and that nothing else does."""

from fractions import Fraction

import numpy as np
import pytest
from fraction_interpreter import interpret
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from same import assert_identical

from refsnn import Exact, MaxBalance, Network, Node, calibrate_bias, convert, simulate
from refsnn import strategies as snn
from refsnn.errors import SpecError, UnsupportedLayerError
from refsnn.layers import QCFS, Add, AvgPool2d, BatchNorm, Conv2d, Linear
from refsnn.neurons import IF

sources = st.one_of(snn.source_networks(), snn.relu_networks()).filter(
    lambda network: not any(isinstance(node.layer, BatchNorm) for node in network.nodes)
)


def spiking_of(network, x):
    if any(isinstance(node.layer, QCFS) for node in network.nodes):
        return convert(network)
    try:
        return convert(network, balance=MaxBalance(), calibration=x)
    except UnsupportedLayerError:
        return None  # a layer that answers no sample


def until(network, name):
    position = [node.name for node in network.nodes].index(name)
    return network.nodes[: position + 1]


@settings(max_examples=40)
@given(network=sources, steps=st.integers(1, 4), data=st.data())
def test_every_bias_moves_by_the_mean_error_of_its_channel(network, steps, data):
    """In fractions: source and spiking network by the interpreter, the layers before with the biases they were given."""
    x = data.draw(snn.inputs(network, max_samples=2))
    before = spiking_of(network, x)
    assume(before is not None)
    after = calibrate_bias(network, before, x, steps=steps, arithmetic=Exact())
    for name in before.neurons:
        weight = before[name].inputs[0]
        here = tuple(
            Node(node.name, before[weight].layer if node.name == weight else node.layer, node.inputs)
            for node in until(after, name)
        )
        partly, cut = (
            Network("partly", network.input_shape, here),
            Network("cut", network.input_shape, until(network, name)),
        )
        theta, shape = Fraction(float(before[name].layer.v_threshold)), network.shapes[name]
        errors = []
        for sample in x:
            activation = interpret(cut, sample, 1)[2][0]
            spikes = interpret(partly, sample, steps)[0][name]
            counts = [sum(step[m] for step in spikes) for m in range(len(activation))]
            errors.append([float(a - theta * n / steps) for a, n in zip(activation, counts, strict=True)])
        expected = np.array(errors).reshape(len(x), shape[0], -1).mean(axis=(0, 2))
        old = before[weight].layer.bias
        moved = after[weight].layer.bias - (0 if old is None else old)
        assert np.abs(moved - expected).max() <= 1e-9 * max(1.0, np.abs(expected).max())


@settings(max_examples=40)
@given(network=sources, steps=st.integers(1, 4), data=st.data())
def test_nothing_but_biases_changes(network, steps, data):
    x = data.draw(snn.inputs(network, max_samples=2))
    before = spiking_of(network, x)
    assume(before is not None)
    after = calibrate_bias(network, before, x, steps=steps)
    assert [(n.name, n.inputs, type(n.layer)) for n in after.nodes] == [
        (n.name, n.inputs, type(n.layer)) for n in before.nodes
    ]
    for old, new in zip(before.nodes, after.nodes, strict=True):
        if hasattr(old.layer, "weight"):
            assert_identical(new.layer.weight, old.layer.weight)
        else:
            assert new.layer is old.layer
    assert after.nodes[-1].layer is before.nodes[-1].layer  # no neurons behind it


@given(network=snn.source_networks(), data=st.data())
def test_where_the_network_is_exact_no_bias_moves(network, data):
    """At T = L under integrate_then_fire, but for the rounding of what levels are worth."""
    x = data.draw(snn.inputs(network))
    steps = next(node.layer.levels for node in network.nodes if isinstance(node.layer, QCFS))
    before = convert(network)
    after = calibrate_bias(network, before, x, steps=steps, schedule="integrate_then_fire", arithmetic=Exact())
    for old, new in zip(before.nodes, after.nodes, strict=True):
        if getattr(new.layer, "bias", None) is not None:
            bias = np.zeros_like(new.layer.bias) if old.layer.bias is None else old.layer.bias
            assert np.abs(new.layer.bias - bias).max() <= 1e-9 * max(1.0, np.abs(bias).max())


def test_one_neuron_on_paper():
    """z = 0.3 at theta = 1, T = 2 from 1/2: Q = 1.1, one spike, so the output is 1/2; the source, with L = 4, gives 1/4."""
    network = Network("one", (1,), (
        Node("w", Linear(weight=np.array([[0.3]])), ("input",)), Node("act", QCFS(threshold=1.0, levels=4), ("w",)),
    ))  # fmt: skip
    seen = []
    calibrated = calibrate_bias(
        network, convert(network), np.array([[1.0]]), steps=2, progress=lambda done, total: seen.append((done, total))
    )
    assert calibrated["w"].layer.bias.tolist() == [-0.25]
    assert seen == [(1, 1)]
    # Q = 0.5 + 2 * 0.05 is below the threshold: this is one step of a correction, not a solution
    assert simulate(calibrated, np.array([[1.0]]), steps=2).counts["act"].tolist() == [[0]]


def test_a_residual_sum_takes_the_bias_of_the_layer_that_it_adds():
    act = QCFS(threshold=1.0, levels=4)
    network = Network("skip", (1,), (
        Node("w", Linear(weight=np.eye(1)), ("input",)), Node("act", act, ("w",)),
        Node("again", Linear(weight=np.array([[0.3]])), ("act",)), Node("sum", Add(), ("act", "again")),
        Node("last", act, ("sum",)),
    ))  # fmt: skip
    calibrated = calibrate_bias(network, convert(network), np.array([[0.3]]), steps=2)
    assert calibrated["w"].layer.bias is not None
    assert calibrated["again"].layer.bias is not None


def test_neurons_without_a_weight_layer_are_named():
    act = QCFS(threshold=1.0, levels=4)
    nodes = (
        Node("conv", Conv2d(weight=np.ones((1, 1, 1, 1))), ("input",)),
        Node("pool", AvgPool2d(kernel=2), ("conv",)),
    )
    network = Network("pooled", (1, 2, 2), (*nodes, Node("act", act, ("pool",))))
    with pytest.raises(UnsupportedLayerError) as error:
        calibrate_bias(network, convert(network), np.ones((1, 1, 2, 2)), steps=2)
    assert str(error.value) == (
        "act: no Linear, Conv1d or Conv2d that nothing else reads stands in front of it to take a bias; it reads pool (pool)"
    )


def test_networks_that_do_not_correspond_are_refused(ann):
    other = Network("other", (1,), (Node("n", IF(v_threshold=1.0), ("input",)),))
    with pytest.raises(SpecError) as error:
        calibrate_bias(ann, other, np.zeros((1, 1, 8, 8)), steps=2)
    assert str(error.value) == (
        "calibrate_bias compares nodes of the same names: neurons n against activations act1, act2, act3; "
        "give the network that this one was converted from"
    )
