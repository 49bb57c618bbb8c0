"""ONNX: our forward is the reference evaluator's, and what is written is read again."""

import numpy as np
import onnx
import onnx.reference
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from onnx_graphs import graphs
from same import assert_identical

import refsnn
from refsnn.arithmetic import Exact, Float64
from refsnn.errors import LoadError, UnsupportedLayerError
from refsnn.formats.limits import Limits
from refsnn.formats.model_file import Source
from refsnn.formats.onnx.exporting import onnx_bytes
from refsnn.formats.onnx.network import network_of
from refsnn.formats.opening import read
from refsnn.strategies import networks, recurrent_networks, relu_networks, source_networks, tensors

sources = source_networks(every=True) | relu_networks()


def model(content):
    return read(Source("m.onnx", memoryview(content), Limits()))


def reference(made, x):
    try:
        return onnx.reference.ReferenceEvaluator(made).run(None, {"x": x})[0]
    except ValueError as error:
        if "zero-size array to reduction" in str(error):
            reject()  # onnx 1.23 has no value for some padded windows of MaxPool that reach one pixel
        raise


@given(st.data(), graphs())
def test_a_graph_computes_what_the_reference_evaluator_computes(data, graph):
    """Bit for bit: every number is dyadic, so that float64 sums them exactly in any order."""
    made = graph.model()
    x = data.draw(tensors((2, *graph.first))).astype(np.float64)
    network, report = network_of(model(made.SerializeToString()), "drawn")
    expected = reference(made, x).reshape(2, -1)
    np.testing.assert_array_equal(refsnn.forward(network, x, arithmetic=Float64()).output, expected)
    np.testing.assert_array_equal(refsnn.forward(network, x, arithmetic=Exact()).output, expected)
    assert {entry.name for entry in report} >= {tensor.name for tensor in made.graph.initializer}


@given(graphs())
def test_a_graph_that_was_read_and_written_is_the_same_network(graph):
    network, _ = network_of(model(graph.model().SerializeToString()), "drawn")
    again, _ = network_of(model(onnx_bytes(network).content), "drawn")
    assert again.digest == network.digest


@given(sources)
def test_a_network_that_is_written_is_read_again(network):
    """But for eps, which ONNX has in float32, and for the mode of MaxPool2d, it is the very network."""
    made = onnx_bytes(network)
    onnx.checker.check_model(onnx.load_from_string(made.content), full_check=True)
    again, _ = network_of(model(made.content), network.name)
    assert [node.name for node in again.nodes] == [node.name for node in network.nodes]
    assert (again.digest == network.digest) == (not made.remarks) or _strides_spelled_out(network)
    assert network_of(model(onnx_bytes(again).content), network.name)[0].digest == again.digest
    assert onnx_bytes(network).content == made.content


def _strides_spelled_out(network):
    """A pool whose stride is given though it is the kernel's size: the same pool, and another digest."""
    return any(getattr(n.layer, "stride", None) == getattr(n.layer, "kernel", 0) for n in network.nodes)


@given(networks().filter(lambda n: n.is_spiking) | recurrent_networks())
def test_a_network_with_steps_is_refused(network):
    with pytest.raises(
        UnsupportedLayerError, match=r"needs steps, which ONNX has no operator for; write the source network"
    ):
        onnx_bytes(network)


@given(graphs(), st.floats(0, 1, exclude_max=True), st.integers(0, 255))
def test_a_damaged_file_gives_a_network_or_one_sentence(graph, where, byte):
    content = bytearray(graph.model().SerializeToString())
    content[int(where * len(content))] = byte
    message = ""
    try:
        network_of(model(bytes(content)), "drawn")
    except LoadError as error:
        message = str(error)
    assert "\n" not in message


@given(graphs(), st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_refused_wherever_it_ends(graph, cut):
    content = graph.model().SerializeToString()
    with pytest.raises(LoadError):
        network_of(model(content[: int(cut * len(content))]), "drawn")


TYPES = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")


@given(st.data(), st.sampled_from(TYPES), st.booleans())
def test_tensors_are_those_that_the_onnx_package_reads(data, kind, raw):
    dtype = np.dtype(kind)
    shape = tuple(data.draw(st.lists(st.integers(0, 3), max_size=3)))
    bits = data.draw(
        st.binary(min_size=int(np.prod(shape)) * dtype.itemsize, max_size=int(np.prod(shape)) * dtype.itemsize)
    )
    values = (
        np.frombuffer(bits, dtype).reshape(shape) if kind != "?" else np.frombuffer(bits, np.uint8).reshape(shape) > 99
    )
    number = onnx.helper.np_dtype_to_tensor_dtype(dtype)
    if raw:
        tensor = onnx.numpy_helper.from_array(values, "t")
    else:
        values = np.nan_to_num(values) if dtype.kind == "f" else values  # Python's floats lose a NaN's payload
        tensor = onnx.helper.make_tensor("t", number, shape, values.ravel().tolist())
    made = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [], [tensor]))
    found = model(made.SerializeToString()).tensors["t"]
    assert_identical(found, onnx.numpy_helper.to_array(tensor).astype(dtype.newbyteorder("<")))
