"""NIR both ways: what is read, written and read again is the same network."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from nir_graphs import DT, graphs, model, source, stored, tree
from same import assert_identical

from refsnn import Float64, Frames, Network, Record, simulate
from refsnn import strategies as snn
from refsnn.errors import LoadError, UnsupportedLayerError
from refsnn.formats.hdf5.tree import Group
from refsnn.formats.nir.exporting import export
from refsnn.formats.nir.file import from_tree
from refsnn.formats.nir.graph import PARAMETERS
from refsnn.formats.nir.hdf5 import content_of
from refsnn.formats.nir.importing import network_of
from refsnn.formats.nir.losses import Lost, is_threshold
from refsnn.formats.nir.semantics import PROFILES, Semantics
from refsnn.formats.refusals import CODES
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


NUMBERS = st.sampled_from([np.int8, np.int64, np.uint64, np.float16, np.float64, np.bool_]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))
)
WRONG = st.one_of(NUMBERS, st.text(max_size=3), st.tuples(st.text(max_size=2)), st.just(()))
EDGES = st.one_of(st.lists(st.tuples(st.text(max_size=1), st.sampled_from("abz")), max_size=3).map(tuple), WRONG)


def damaged(draw, group):
    """The tree with something in it changed, taken away or added."""
    datasets, groups = dict(group.datasets), dict(group.groups)
    for name in draw(st.lists(st.sampled_from([*sorted(datasets), "padding", "metadata", "x"]), max_size=2)):
        datasets[name] = draw(EDGES if name == "edges" else WRONG)
    for name in draw(st.lists(st.sampled_from(sorted(datasets)), max_size=1)) if datasets else ():
        del datasets[name]
    if "type" in datasets and draw(st.integers(0, 5)) == 0:
        datasets["type"] = draw(st.sampled_from([*PARAMETERS, "NIRGraph", "Izhikevich", ""]))
    for name in draw(st.lists(st.sampled_from(sorted(groups)), max_size=2)) if groups else ():
        groups[name] = damaged(draw, groups[name])
    return Group(group.attributes, groups, datasets)


@given(made=graphs(), profile=st.sampled_from(sorted(PROFILES)), dt=st.sampled_from([None, DT, 1e300]), data=st.data())
def test_a_damaged_graph_gives_a_network_or_one_sentence(made, profile, dt, data):
    root = Group(
        {}, {"node": damaged(data.draw, tree(made))}, {"version": data.draw(st.sampled_from(["1", np.ones(2)]))}
    )
    message, code = "", "strict"
    try:
        with np.errstate(all="ignore"):
            network, entries = network_of(from_tree(source(b""), root), Semantics(profile=profile, dt=dt), "n")
        assert entries
        assert network.digest
    except LoadError as error:
        message, code = str(error), error.code
    assert "\n" not in message
    assert code in CODES
