"""NIR both ways: what is read, written and read again is the same network."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from nir_graphs import DT, graphs, model, stored
from same import assert_identical

from refsnn import Float64, Frames, Network, Record, simulate
from refsnn import strategies as snn
from refsnn.errors import LoadError, UnsupportedLayerError
from refsnn.formats.nir_export import export
from refsnn.formats.nir_hdf5 import content_of
from refsnn.formats.nir_import import network_of
from refsnn.formats.nir_losses import Lost, is_threshold
from refsnn.formats.nir_semantics import Semantics
from refsnn.neurons import IF, LIF

pytest.importorskip("h5py")
NIR = Semantics(profile="nir", dt=DT, if_scaling="dt")
OWN = Semantics(profile="refsnn")


def imported(graph, how=NIR):
    return network_of(model(graph), how, "n")[0]


def read_or_skip(graph):
    """The network, unless the graph is a cycle of delays or a pair of edges that meet twice."""
    try:
        return imported(graph)
    except LoadError as error:
        assume(error.code not in ("cycle",))
        raise


@given(graph=graphs())
def test_nir_to_refsnn_to_nir_to_refsnn_is_one_network(graph):
    network = read_or_skip(graph)
    try:
        again = export(network, dt=DT)
    except UnsupportedLayerError as error:
        assume("twice" not in str(error))
        raise
    assert [loss for loss in again.losses if loss.lost is Lost.RESULTS] == []
    assert imported(again.graph).digest == network.digest
    assert imported(again.graph, OWN).digest == network.digest


@given(graph=graphs())
def test_the_order_of_edges_changes_nothing(graph):
    network = read_or_skip(graph)
    turned = type(graph)(graph.nodes, graph.edges[::-1])
    assert imported(turned).digest == network.digest


@settings(max_examples=10)
@given(graph=graphs())
def test_files_hold_what_the_graph_says(graph):
    """Through HDF5 and the process that reads it: the same arrays, and the same bytes each time."""
    assert content_of(graph) == content_of(graph)
    written, direct = stored(graph), model(graph)
    assert sorted(written.tensors) == sorted(direct.tensors)
    for name, values in direct.tensors.items():
        assert written.tensors[name].dtype == values.dtype
        assert np.array_equal(written.tensors[name], values)
    assert sorted(written.graph.edges) == sorted(direct.graph.edges)


@given(network=snn.any_networks())
def test_any_network_comes_back_exactly_from_what_refsnn_stored(network):
    """Whatever NIR lost of it."""
    try:
        exported = export(network, dt=DT)
    except UnsupportedLayerError:
        assume(False)
    assert imported(exported.graph, OWN).digest == network.digest


@given(graph=graphs(), data=st.data())
def test_where_nothing_is_lost_the_numbers_are_the_same(graph, data):
    """Spikes worth something become a Scale behind them: the spikes and potentials of every neuron, bit for bit."""
    nodes = []
    for node in (plain := read_or_skip(graph)).nodes:
        worth = data.draw(st.sampled_from([1.0, 2.0, -0.5]))
        spiking = isinstance(node.layer, IF | LIF) and not is_threshold(node.layer)
        nodes.append(replace(node, layer=replace(node.layer, amplitude=worth)) if spiking else node)
    network = Network("n", plain.input_shape, tuple(nodes))
    try:
        exported = export(network, dt=DT)
    except UnsupportedLayerError as error:
        assume("twice" not in str(error))
        raise
    assume(all(loss.lost is Lost.FORM for loss in exported.losses))
    again = imported(exported.graph)
    steps = data.draw(st.integers(1, 4))
    x = Frames(data.draw(snn.tensors((steps, 1, *network.input_shape))))
    traces = [
        simulate(each, x, steps=steps, arithmetic=Float64(), record=Record(spikes=each.neurons, v=each.stateful))
        for each in (network, again)
    ]
    for name in network.stateful:
        assert_identical(traces[0].v[name], traces[1].v[name])
    for name in network.neurons:
        assert np.array_equal(traces[0].spikes[name], traces[1].spikes[name])
    assert np.array_equal(traces[0].readout, traces[1].readout)
