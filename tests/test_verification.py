"""verify(): the digits, ties, and what does not correspond."""

from dataclasses import replace

import numpy as np
import pytest

import refsnn
from refsnn import Network, Node, convert, verify
from refsnn.errors import NothingCompared, SpecError, UnsupportedLayerError
from refsnn.layers import QCFS, BatchNorm, Concat, Linear, MaxPool2d
from refsnn.neurons import IF
from refsnn.schedules import schedule_of
from refsnn.verification.correspondence import Pair
from refsnn.verification.float32 import potential_errors
from refsnn.verification.numbers import Numbers
from refsnn.verification.tally import first_findings, layer_verdict


def test_the_digits_at_t_equal_l(ann, snn, test_data):
    verdict = verify(ann, snn, test_data.x, steps=8)
    first, *deeper = verdict.layers
    assert first.local == first.end_to_end
    assert (first.local.exact, first.local.tie) == (409_600, 0)
    assert not verdict
    # measured once, and the same on every machine: float64 sums in a specified order
    assert [layer.end_to_end.exact for layer in deeper] == [195_834, 23_357]
    assert [layer.local.exact for layer in deeper] == [195_834, 24_981]
    assert verdict.same_decision == 397
    assert [f.node for f in verdict.findings] == ["act2", "act2", "act3", "act3"]
    assert str(verdict.findings[0]) == (
        "layer act2, sample 0, neuron [2, 1, 0]: layer-local count: expected 0 spikes in 8 steps, got 1 "
        "(current was taken back after a spike: v = -0.304072 is left below 0)"
    )
    assert "act2: 195834/204800 exact end to end (683 too few, 8283 too many, 0 ties)" in str(verdict)


def test_the_digits_integrate_then_fire(ann, snn, test_data):
    verdict = verify(ann, snn, test_data.x, steps=8, schedule="integrate_then_fire")
    assert verdict
    assert verdict.same_decision == verdict.samples == 400
    assert verdict.latency_steps == 32
    assert [layer.end_to_end.exact for layer in verdict.layers] == [409_600, 204_800, 25_600]


def test_accuracy_within_half_a_point_of_the_source(ann, trace, test_data):
    source = refsnn.forward(ann, test_data.x).output.argmax(-1)
    decided = trace.readout[-1].argmax(-1)
    assert abs((decided == test_data.labels).mean() - (source == test_data.labels).mean()) <= 0.005


def test_in_float_a_tie_is_reported_as_a_tie_and_exact_decides_it():
    """0.1 * 1.25 is 0.125 in float64, half a level of four; the real product of these floats is a little more."""
    source = Network("tie", (1,), (
        Node("w", Linear(weight=np.array([[0.1]])), ("input",)),
        Node("act", QCFS(threshold=1.0, levels=4), ("w",)),
        Node("out", Linear(weight=np.ones((2, 1))), ("act",)),
    ))  # fmt: skip
    x = np.array([[1.25], [3.0]])
    (layer,) = verify(source, convert(source), x, steps=4, arithmetic=refsnn.Float64()).layers
    assert (layer.end_to_end.tie, layer.end_to_end.exact) == (1, 1)
    assert (layer.local.tie, layer.local.exact) == (1, 1)
    verdict = verify(source, convert(source), x, steps=4)
    assert verdict
    assert (verdict.layers[0].end_to_end.tie, verdict.layers[0].end_to_end.exact) == (0, 2)


def test_a_sum_that_no_rounding_can_touch_is_no_tie():
    """1 * 0.125: on the edge, but exactly, and >= fires on it: floor(1/2 + 1/2) = 1."""
    source = Network("edge", (1,), (
        Node("w", Linear(weight=np.ones((1, 1))), ("input",)),
        Node("act", QCFS(threshold=1.0, levels=4), ("w",)),
        Node("out", Linear(weight=np.ones((2, 1))), ("act",)),
    ))  # fmt: skip
    (layer,) = verify(source, convert(source), np.array([[0.125]]), steps=4, arithmetic=refsnn.Float64()).layers
    assert (layer.local.exact, layer.local.tie) == (1, 0)


def test_other_steps_than_levels_are_compared_as_rates(ann, snn, test_data):
    """At T = 4 a level of 3 out of 8 is 1.5 spikes: nobody can fire that often, so the first layer differs honestly."""
    verdict = verify(ann, snn, test_data.x[:50], steps=4)
    first = verdict.layers[0]
    assert first.local.exact == first.local.neurons
    assert first.end_to_end.exact < first.end_to_end.neurons
    levels = refsnn.forward(refsnn.fold_batch_norm(ann), test_data.x[:50], arithmetic=refsnn.Float64()).levels["act1"]
    assert first.end_to_end.deficit + first.end_to_end.surplus >= int((levels % 2).sum())
    assert first.end_to_end.largest_deficit == 0.5


@pytest.mark.parametrize("change", [{"v_threshold": 0.5}, {"reset": "to_value"}])
def test_networks_that_do_not_correspond(ann, snn, test_data, change):
    nodes = [replace(node, layer=replace(node.layer, **change)) if node.name == "act1" else node for node in snn.nodes]
    with pytest.raises((SpecError, UnsupportedLayerError)) as error:
        verify(ann, Network("other", snn.input_shape, tuple(nodes)), test_data.x, steps=8)
    assert str(error.value) in (
        "act1: v_threshold is 0.5, but the source's threshold is 0.8922812938690186",
        "act1: counts of IF neurons that lose charge have no source level",
    )


@pytest.mark.parametrize("chunk", [1, 7])
def test_chunks_change_no_verdict(ann, snn, test_data, monkeypatch, chunk):
    """Twenty digits; and one neuron that leaves its source (level 1 of 8 in 4 steps) in the third sample only."""
    source = Network("late", (1,), (
        Node("w", Linear(weight=np.ones((1, 1))), ("input",)),
        Node("act", QCFS(threshold=1.0, levels=8), ("w",)),
        Node("out", Linear(weight=np.ones((2, 1))), ("act",)),
    ))  # fmt: skip
    late = np.array([[0.0], [0.25], [0.125]])
    whole = verify(ann, snn, test_data.x[3:23], steps=8)
    monkeypatch.setattr("refsnn.verification.comparison.CHUNK", chunk)
    assert verify(ann, snn, test_data.x[3:23], steps=8) == whole
    (finding,) = verify(source, convert(source), late, steps=4).findings
    assert (finding.sample, finding.index, finding.expected, finding.actual) == (2, (0,), "0.5 spikes in 4 steps", 1)


def test_nothing_compared_is_no_pass():
    plain = Network("plain", (2,), (Node("fc", Linear(weight=np.eye(2)), ("input",)),))
    with pytest.raises(NothingCompared, match="network 'plain' has no spiking layer; there is nothing to compare"):
        verify(plain, plain, np.ones((1, 2)), steps=2)


def test_a_network_with_other_neurons_is_refused(ann, specs, test_data):
    lif = refsnn.load(specs / "networks" / "digits_lif.yaml")
    with pytest.raises(SpecError) as error:
        verify(ann, lif, test_data.x, steps=8)
    assert str(error.value) == (
        "network 'digits_lif' does not correspond to its source 'digits': spiking nodes lif1, lif2, lif3 against activations "
        "act1, act2, act3; give the network that convert made of this source"
    )


def test_conversion_refuses_what_it_cannot_say(snn):
    with pytest.raises(UnsupportedLayerError, match="act1: network 'digits' spikes already; nothing to convert"):
        convert(snn)
    plain = Network("plain", (2,), (Node("fc", Linear(weight=np.eye(2)), ("input",)),))
    with pytest.raises(
        UnsupportedLayerError, match="network 'plain' has no QCFS or ReLU activation to replace; train it with one"
    ):
        convert(plain)
    norm = BatchNorm(weight=np.ones(2), bias=np.ones(2), mean=np.ones(2), var=np.ones(2))
    with pytest.raises(UnsupportedLayerError, match="bn: BatchNorm can be folded only into a Linear, Conv1d or"):
        convert(
            Network("bn", (2,), (Node("bn", norm, ("input",)), Node("act", QCFS(threshold=1.0, levels=2), ("bn",))))
        )
    pooled = (Node("pool", MaxPool2d(kernel=1), ("input",)), Node("act", QCFS(threshold=1.0, levels=2), ("pool",)))
    with pytest.raises(
        UnsupportedLayerError, match="pool: MaxPool2d: spikes that are ORed do not fire at the largest rate"
    ):
        convert(Network("max", (1, 2, 2), pooled))


def test_where_rounding_decides_nothing_is_claimed():
    """Three neurons that fired once: v at -2^-60, within the bound of the edge; at -1/4, a surplus; at 1/4, exact."""
    ones, v = np.ones((1, 3), np.int64), np.array([[-(2.0**-60), -0.25, 0.25]])
    numbers = Numbers(
        levels=4, n=ones, v=v, ideal=np.array([[0, 0, 1]]), level=ones, own_clipped=4 * ones, own=4 * ones, target=4 * ones,
        ideal_open=np.array([[True, False, False]]), level_open=np.zeros((1, 3), bool),
    )  # fmt: skip
    pair = Pair(QCFS(threshold=1.0, levels=4), IF(v_threshold=1.0), QCFS(threshold=1.0, levels=4))
    local = layer_verdict("n", pair, numbers, numbers, 4, numbers.ideal_open, None).local
    assert (local.exact, local.tie, local.deficit, local.surplus, local.sizes) == (1, 1, 0, 1, ((1.0, 1),))
    found = first_findings("n", pair, numbers, numbers.ideal_open, 4, 0)
    assert [(finding.law, finding.index) for finding in found] == [("layer-local count", (1,))]


def test_behind_a_difference_a_tie_of_the_sum_is_no_tie_of_the_comparison():
    """The first neuron differs (level 1 of 8 in 4 steps). The second's charge is 1 within rounding, but its level is not open."""
    source = Network("beside", (2,), (
        Node("u", Linear(weight=np.array([[1.0, 0.0]])), ("input",)), Node("first", QCFS(threshold=1.0, levels=8), ("u",)),
        Node("w", Linear(weight=np.array([[0.0, 0.1]])), ("input",)), Node("second", QCFS(threshold=1.0, levels=8), ("w",)),
        Node("both", Concat(), ("first", "second")), Node("out", Linear(weight=np.ones((2, 2))), ("both",)),
    ))  # fmt: skip
    verdict = verify(source, convert(source), np.array([[0.125, 1.25]]), steps=4, arithmetic=refsnn.Float64())
    first, second = verdict.layers
    assert (first.end_to_end.tie, first.end_to_end.exact) == (0, 0)
    assert (second.local.tie, second.end_to_end.tie) == (1, 0)


def test_neurons_that_float32_may_turn_are_counted(ann, snn, test_data):
    x, names = test_data.x[:20], snn.neurons
    trace = refsnn.simulate(snn, x, steps=8, arithmetic=refsnn.Exact(), record=refsnn.Record(margin=names))
    errors = potential_errors(snn, x, trace.counts, 8, schedule_of("lockstep"))
    for layer in verify(ann, snn, x, steps=8).layers:
        assert layer.ties.float32_may_differ == (trace.margin[layer.node] <= errors[layer.node]).sum() > 0
