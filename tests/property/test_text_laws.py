"""Laws of files: specs and goldens."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from same import assert_same_trace

import refsnn
from refsnn import Record, golden, simulate
from refsnn import strategies as snn
from refsnn.errors import GoldenError
from refsnn.layers import Linear
from refsnn.neurons import IF


@given(network=snn.networks() | snn.source_networks() | snn.relu_networks())
def test_dump_and_load_is_the_identity(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("net") / "net.yaml"
    spec, weights = refsnn.dump(network, path)
    again = refsnn.load(path)
    assert again.digest == network.digest
    assert (again.name, again.input_shape, again.shapes) == (network.name, network.input_shape, network.shapes)
    first = spec.read_bytes(), weights.read_bytes()
    refsnn.dump(again, path)
    assert (spec.read_bytes(), weights.read_bytes()) == first


@given(case=snn.cases())
def test_a_loaded_network_computes_the_same_bits(case, tmp_path_factory):
    network, x, steps = case
    path = tmp_path_factory.mktemp("net") / "net.yaml"
    refsnn.dump(network, path)
    assert_same_trace(simulate(refsnn.load(path), x, steps=steps), simulate(network, x, steps=steps))


@given(case=snn.cases(), data=st.data())
def test_flip_one_spike_and_that_spike_is_reported(case, data, tmp_path_factory):
    network, x, steps = case
    if not network.neurons:
        return
    trace = simulate(network, x, steps=steps, record=Record(spikes=network.neurons))
    path = tmp_path_factory.mktemp("golden") / "run.golden"
    golden.record(trace, path)
    same = golden.check(path, simulate(network, x, steps=steps, record=Record(spikes=network.neurons)))
    assert same
    assert (
        same.compared
        == sum(a.size for kind in (trace.spikes, trace.counts, trace.residual) for a in kind.values())
        + trace.readout.size
    )
    node = data.draw(st.sampled_from(network.neurons))
    where = tuple(data.draw(st.integers(0, size - 1)) for size in trace.spikes[node].shape)
    spikes = np.array(trace.spikes[node])
    spikes[where] ^= True
    verdict = golden.check(path, replace(trace, spikes={**trace.spikes, node: spikes}))
    (finding,) = verdict.findings
    assert (finding.node, finding.step, finding.sample, finding.index) == (node, where[0] + 1, where[1], where[2:])
    assert (finding.expected, finding.actual) == (not spikes[where], bool(spikes[where]))
    assert verdict.differing == {f"spikes/{node}": 1}
    assert not verdict


@settings(max_examples=200)
@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_of_a_golden_file_is_noticed(position, bit, tmp_path_factory):
    network = refsnn.Network("one", (2,), (
        refsnn.Node("w", Linear(weight=np.eye(2, dtype=np.float32)), ("input",)),
        refsnn.Node("n", IF(v_threshold=1.0), ("w",)),
    ))  # fmt: skip
    trace = simulate(network, np.array([[0.5, 2.0]], np.float32), steps=3, record=Record(spikes=("n",)))
    path = tmp_path_factory.mktemp("golden") / "run.golden"
    golden.record(trace, path)
    content = bytearray(path.read_bytes())
    content[int(position * len(content))] ^= 1 << bit
    path.write_bytes(content)
    with pytest.raises(GoldenError):
        golden.check(path, trace)
