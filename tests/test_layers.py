"""Layers: shapes, fan-out, and what does not fit."""

import numpy as np
import pytest
from brute_force import connections
from hypothesis import given
from hypothesis import strategies as st

from refsnn import Network, Node, forward, simulate
from refsnn import strategies as snn
from refsnn.errors import FormatError, ShapeError, SpecError, UnsupportedLayerError
from refsnn.layers import LAYERS, Add, AvgPool2d, BatchNorm, Concat, Conv2d, Flatten, Linear, MaxPool2d, ReLU
from refsnn.neurons import IF, LIF


@given(data=st.data(), shape=st.tuples(st.sampled_from([1, 2, 4]), st.integers(1, 7), st.integers(1, 7)))
def test_fan_out_counts_every_connection(data, shape):
    layer = data.draw(snn.convolutions(shape))
    found = np.zeros(shape, np.int64).ravel()
    for i, _ in connections(layer, shape):
        found[i] += 1
    assert layer.fan_out(shape).ravel().tolist() == found.tolist()


def test_a_convolution_counts_its_borders():
    """Conv2d(1, 5, 2x2) on the 3x3 identity: corners have 1 window, the centre 4, so 1 + 4 + 1 = 6 windows of 5 outputs:
    30 accumulates, where multiplying 3 spikes by 5 outputs and 4 taps would say 60.
    """
    weight = np.ones((5, 1, 2, 2), np.float32)
    network = Network("eye", (1, 3, 3), (
        Node("one", Conv2d(weight=np.ones((1, 1, 1, 1), np.float32)), ("input",)),
        Node("spikes", IF(v_threshold=1.0), ("one",)),
        Node("conv", Conv2d(weight=weight), ("spikes",)),
    ))  # fmt: skip
    activity = simulate(network, np.eye(3)[None, None], steps=1).activity
    assert activity["conv"].synops.tolist() == [[30]]
    assert activity["conv"].dense_ops == 80
    assert activity["one"].macs.tolist() == [[3]]
    assert activity["spikes"].spikes_out.tolist() == [[3]]


def test_a_spike_behind_a_pool_is_an_event_for_every_window_it_reaches():
    """2x2 spikes, all firing, pooled to one value: four events of two accumulates each, not one."""
    network = Network("pool", (1, 2, 2), (
        Node("one", Conv2d(weight=np.ones((1, 1, 1, 1), np.float32)), ("input",)),
        Node("spikes", IF(v_threshold=1.0), ("one",)),
        Node("pool", AvgPool2d(kernel=2), ("spikes",)),
        Node("flat", Flatten(), ("pool",)),
        Node("fc", Linear(weight=np.ones((2, 1), np.float32)), ("flat",)),
    ))  # fmt: skip
    trace = simulate(network, np.ones((1, 1, 2, 2)), steps=1)
    assert trace.activity["fc"].synops.tolist() == [[8]]
    assert trace.activity["fc"].events_in.tolist() == [[4]]
    assert trace.readout.tolist() == [[[1.0, 1.0]]]


@pytest.mark.parametrize(
    ("layer", "shapes", "message"),
    [
        (Linear(weight=np.ones((2, 3))), [(4,)], "n: weight expects 3 inputs, but the node before gives [4]"),
        (Linear(weight=np.ones((2, 3))), [(1, 1, 3)], "n: weight expects 3 inputs, but the node before gives [1, 1, 3]"),
        (Conv2d(weight=np.ones((2, 3, 1, 1))), [(2, 4, 4)], "n: weight expects 3 input channels, but the node before gives [2, 4, 4]"),
        (Conv2d(weight=np.ones((2, 1, 5, 1))), [(1, 3, 3)], "n: a kernel of 5 (dilation 1) does not fit into 3 + 2 * 0 (padding)"),
        (AvgPool2d(kernel=2), [(4,)], "n: a pool expects channels, height, width, but the node before gives [4]"),
        (BatchNorm(weight=np.ones(2), bias=np.ones(2), mean=np.ones(2), var=np.ones(2)), [(3, 1, 1)],
         "n: mean has 2 channels, but the node before gives [3, 1, 1]"),
        (IF(v_threshold=1.0), [(2,), (2,)], "n: IF expects one input, got 2"),
        (Add(), [(2,)], "n: Add expects two inputs or more, got 1; name them in 'inputs'"),
    ],
)  # fmt: skip
def test_layers_that_do_not_fit(layer, shapes, message):
    with pytest.raises(ShapeError) as error:
        Network("net", shapes[0], (Node("n", layer, ("input",) * len(shapes)),))
    assert str(error.value) == message


def test_a_max_pool_is_or_on_spikes_and_one_event():
    """Three of four pixels fire: one spike for the window, so two accumulates behind it."""
    network = Network("or", (1, 2, 2), (
        Node("one", Conv2d(weight=np.ones((1, 1, 1, 1), np.float32)), ("input",)),
        Node("spikes", IF(v_threshold=1.0, amplitude=0.5), ("one",)),
        Node("pool", MaxPool2d(kernel=2), ("spikes",)),
        Node("flat", Flatten(), ("pool",)),
        Node("fc", Linear(weight=np.ones((2, 1), np.float32)), ("flat",)),
    ))  # fmt: skip
    trace = simulate(network, np.array([[[[1.0, 1.0], [0.0, 1.0]]]]), steps=1)
    assert trace.activity["fc"].synops.tolist() == [[2]]
    assert trace.readout.tolist() == [[[0.5, 0.5]]]


def test_a_max_pool_takes_no_part_of_its_padding():
    network = Network("max", (1, 2, 2), (Node("pool", MaxPool2d(kernel=2, padding=1), ("input",)),))
    assert forward(network, np.full((1, 1, 2, 2), -3.0)).output.tolist() == [[-3.0] * 4]
    with pytest.raises(
        ValueError, match="padding \\[1, 1\\] is over half of the kernel \\[1, 1\\]: windows would be empty"
    ):
        MaxPool2d(kernel=1, padding=1)


def test_concat_refuses_what_does_not_lie_side_by_side():
    wide = Conv2d(weight=np.ones((1, 1, 1, 1)), padding=1)
    with pytest.raises(
        ShapeError, match=r"cat: Concat expects equal shapes but for the channels, got \[1, 2, 2\] and \[1, 4, 4\]"
    ):
        Network("net", (1, 2, 2), (Node("wide", wide, ("input",)), Node("cat", Concat(), ("input", "wide"))))


def test_add_refuses_unequal_shapes():
    with pytest.raises(ShapeError, match=r"sum: Add expects equal shapes, got \[2, 2\] and \[4\]"):
        Network("net", (2, 2), (Node("flat", Flatten(), ("input",)), Node("sum", Add(), ("input", "flat"))))


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (Linear, {"weight": np.ones(3)}, "weight has shape [3], expected [outputs, inputs]"),
        (Linear, {"weight": np.ones((2, 3)), "bias": np.ones(3)}, "bias has shape [3], but weight has 2 outputs"),
        (Conv2d, {"weight": np.ones((3, 1, 1, 1)), "groups": 2}, "3 output channels do not divide into 2 groups"),
        (Linear, {"weight": np.array([["a"]])}, "expected numbers, got a tensor of dtype <U1"),
        (BatchNorm, {"weight": np.ones(2), "bias": np.ones(3), "mean": np.ones(2), "var": np.ones(2)},
         "bias has shape [3], expected one number per channel: [2]"),
        (BatchNorm, {"weight": np.ones(2), "bias": np.ones(2), "mean": np.ones(2), "var": np.array([1.0, -1.0])},
         "var has a negative value at index 1"),
        (IF, {"v_threshold": np.array([1.0, -1.0])}, "expected a number greater than 0, got -1"),
        (IF, {"v_threshold": 1.0, "v_negative": 1.0}, "v_negative is not below v_threshold"),
        (IF, {"v_threshold": 1.0, "v_min": 1.0, "v_max": 0.0}, "v_min is above v_max"),
        (IF, {"v_threshold": 1.0, "max_spikes": 0}, "Input should be greater than or equal to 1"),
        (LIF, {"v_threshold": 1.0, "decay": 1.5}, "expected a number from 0 to 1, got 1.5"),
    ],
)  # fmt: skip
def test_parameters_that_make_no_layer(kind, fields, message):
    with pytest.raises(ValueError, match="validation error") as error:
        kind(**fields)
    assert message in str(error.value)


def test_weights_are_finite():
    with pytest.raises(FormatError, match=r"tensor: nan at index \[0, 1\]; every number must be finite"):
        Linear(weight=np.array([[1.0, np.nan]]))


def test_networks_name_what_they_lack():
    net = Network("net", (2,), (Node("flat", Flatten(), ("input",)),))
    with pytest.raises(SpecError, match="network 'net' has no node 'flt'; did you mean 'flat'"):
        net["flt"]
    with pytest.raises(SpecError, match="network 'none' has no nodes; give it at least one"):
        Network("none", (2,), ())


def test_tensors_cannot_be_written_through():
    layer = Linear(weight=np.ones((2, 2)))
    with pytest.raises(ValueError, match="read-only"):
        layer.weight[0, 0] = 5


def test_every_layer_has_a_kernel():
    from refsnn.kernels import LAYERS as KERNELS
    from refsnn.kernels import NEURONS

    assert set(LAYERS.values()) == set(KERNELS) | set(NEURONS)


def test_what_does_not_spike_is_not_simulated(ann):
    with pytest.raises(UnsupportedLayerError, match="act1: QCFS does not spike; convert the network first"):
        simulate(ann, np.zeros((1, 1, 8, 8)), steps=1)


def test_a_window_without_a_spike_is_no_event_behind_a_max_pool():
    """Two windows, spikes in the first only: one event and three accumulates a step, in both backends."""
    network = Network("m", (1, 2, 4), (
        Node("if", IF(v_threshold=1.0), ("input",)),
        Node("pool", MaxPool2d(kernel=2), ("if",)),
        Node("flat", Flatten(), ("pool",)),
        Node("fc", Linear(weight=np.ones((3, 2))), ("flat",)),
    ))  # fmt: skip
    x = np.array([[[[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]]])
    for backend in ("naive", "fast"):
        activity = simulate(network, x, steps=2, backend=backend).activity["fc"]
        assert activity.events_in.ravel().tolist() == [1, 1]
        assert activity.synops.ravel().tolist() == [3, 3]


def test_relu_is_the_positive_part():
    """Without -0.0, whose sign a sum behind it could carry on."""
    network = Network("relu", (4,), (Node("act", ReLU(), ("input",)),))
    result = forward(network, np.array([[-1.5, -0.0, 0.0, 2.5]]))
    assert result.output.tolist() == [[0.0, 0.0, 0.0, 2.5]]
    assert not np.signbit(result.output).any()
    assert result.preactivations["act"].tolist() == [[-1.5, 0.0, 0.0, 2.5]]
    assert result.activations["act"].tolist() == result.output.tolist()
    assert not result.levels


def test_relu_does_not_spike():
    network = Network("relu", (4,), (Node("act", ReLU(), ("input",)),))
    with pytest.raises(UnsupportedLayerError, match="act: ReLU does not spike; convert the network first"):
        simulate(network, np.zeros((1, 4)), steps=1)
