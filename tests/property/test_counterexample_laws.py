"""Laws of counterexamples: the cone is the network, shrinking keeps what goes wrong, files give cases back."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from fraction_interpreter import interpret
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import refsnn
from refsnn import Exact, Network, Node, convert, fold_batch_norm, forward, simulate
from refsnn import strategies as snn
from refsnn.counterexample import Case, cause, history, load_case, save_case, search
from refsnn.counterexample.cone import INPUTS, cone_of
from refsnn.counterexample.shrinking import _measure, _Test, complexity, shrunk
from refsnn.errors import FormatError, SpecError, UnsupportedLayerError
from refsnn.layers import QCFS, BatchNorm, Linear, MaxPool2d
from refsnn.neurons import IF, Firing

KEPT = Path(__file__).parents[1] / "cases" / "digits.case.yaml"


@st.composite
def drawn(draw):
    """A case of dyadic numbers without max pools; the networks may agree on it."""
    source = draw(snn.source_networks(every=True))
    assume(not any(isinstance(node.layer, BatchNorm | MaxPool2d) for node in source.nodes))
    spiking, firing = convert(source), draw(st.sampled_from(Firing))
    nodes = [
        replace(node, layer=replace(node.layer, firing=firing)) if isinstance(node.layer, IF) else node
        for node in spiking.nodes
    ]
    x = draw(snn.inputs(source, max_samples=1))[0].astype(np.float64)
    schedule = draw(st.sampled_from(["lockstep", "pipeline", "integrate_then_fire"]))
    return Case(source, Network(source.name, source.input_shape, tuple(nodes)), x, draw(st.integers(1, 6)), schedule)


@given(case=drawn(), data=st.data())
def test_a_cone_counts_as_the_neuron_it_was_cut_out_for(case, data):
    name = data.draw(st.sampled_from(case.snn.neurons))
    index = tuple(data.draw(st.integers(0, size - 1)) for size in case.snn.shapes[name])
    cone = cone_of(case, name, index)
    small = cone.case()
    whole, part = (
        simulate(c.snn, c.x[None], steps=c.steps, schedule=c.schedule, arithmetic=Exact()).counts[name]
        for c in (case, small)
    )
    assert part.shape == (1, 1)
    assert part.item() == whole[(0, *index)]
    levels = [forward(c.source, c.x[None], arithmetic=Exact()).levels[name] for c in (case, small)]
    assert levels[1].item() == levels[0][(0, *index)]


@st.composite
def uneven(draw):
    """Cases of two fully connected layers that disagree; T is the number of levels, or one more or less."""
    inputs, hidden, outputs, levels = (draw(st.integers(low, high)) for low, high in ((1, 2), (1, 4), (1, 2), (2, 5)))
    first, second = draw(snn.tensors((hidden, inputs), 0, 2)), draw(snn.tensors((outputs, hidden)))
    nodes = (
        Node("u", Linear(weight=first), ("input",)), Node("a", QCFS(threshold=1.25, levels=levels), ("u",)),
        Node("w", Linear(weight=second, bias=draw(snn.tensors((outputs,)))), ("a",)),
        Node("b", QCFS(threshold=0.5, levels=levels), ("w",)),
    )  # fmt: skip
    source = Network("uneven", (inputs,), nodes)
    steps = levels + draw(st.sampled_from([0, 0, 0, 1, -1]))
    case = Case(source, convert(source), draw(snn.tensors((inputs,), 0, 2)).astype(np.float64), steps)
    assume(case.disagreement() is not None)
    return case


@given(case=uneven())
@settings(max_examples=20, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
def test_what_is_shrunk_goes_wrong_in_the_same_way_and_nothing_more_can_go(case):
    found = case.disagreement()
    cone = cone_of(case, found.node, found.index)
    small = shrunk(cone)
    again = small.case().disagreement()
    assert again is not None
    assert again.is_like(cone.case().disagreement())
    assert _measure(small) <= _measure(cone)
    assert not small.case().verdict()
    test = _Test(small, lambda tried: None)
    for number in range(INPUTS, len(small.stages) - 1):
        size = len(small.x) if number == INPUTS else len(small.stages[number].bias)
        for left_out in range(size) if size > 1 else ():
            assert not test(small.only(number, np.delete(np.arange(size), left_out)))
    assert not any(test(replace(small, steps=steps, stages=tuple(
        replace(s, levels=steps if s.levels == small.steps else s.levels) for s in small.stages))) for steps in range(1, small.steps))  # fmt: skip


@given(case=uneven())
@settings(max_examples=30, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
def test_the_history_is_the_interpreters_and_the_cause_names_its_numbers(case):
    found = case.disagreement()
    told = history(case, found)
    spikes, v, _ = interpret(case.snn, case.x, case.steps)
    at = int(np.ravel_multi_index(found.index, case.snn.shapes[found.node]))
    assert told.spikes.tolist() == [step[at] for step in spikes[found.node]]
    assert [Fraction(value) for value in told.v] == [step[at] for step in v[found.node]]
    layer = case.snn[found.node].layer
    start = np.broadcast_to(
        refsnn.neurons.spread(layer.v_init, case.snn.shapes[found.node]), case.snn.shapes[found.node]
    )
    assert start[found.index] + told.current.sum() == told.v[-1] + told.theta * told.count
    said = cause(case, found, told, case.verdict())
    if found.born and found.sign > 0:
        ideal = max(0, min(case.steps, int((start[found.index] + told.current.sum()) // told.theta)))
        assert f"worth {ideal} of {case.steps} spikes, sent were {told.count}" in said


@given(case=drawn())
@settings(max_examples=30)
def test_files_give_cases_back(case, tmp_path_factory):
    path = tmp_path_factory.mktemp("case") / "one.case.yaml"
    save_case(case, path, "a cause: with, 'signs'")
    again = load_case(path)
    assert (again.source.digest, again.snn.digest) == (as_float64(case.source).digest, as_float64(case.snn).digest)
    assert np.array_equal(again.x, case.x)
    assert (again.steps, again.schedule, again.origin) == (case.steps, case.schedule, case.origin)
    before = path.read_bytes()
    save_case(again, path, "a cause: with, 'signs'")
    assert path.read_bytes() == before


def as_float64(network):
    """Files hold numbers, not types."""

    def wide(layer):
        arrays = {k: v.astype(np.float64) for k, v in vars(layer).items() if isinstance(v, np.ndarray)}
        return replace(layer, **arrays) if arrays else layer

    return Network(
        network.name, network.input_shape, tuple(replace(node, layer=wide(node.layer)) for node in network.nodes)
    )


def test_complexity_orders_numbers_as_people_do():
    assert sorted([0.3, 1.0, -1.0, 0.0, 0.5, 2.0, 1000.0, 0.125], key=complexity) == [
        0.0,
        1.0,
        -1.0,
        0.5,
        2.0,
        0.125,
        1000.0,
        0.3,
    ]


def test_the_digits_have_a_counterexample_of_two_neurons(ann, snn, test_data):
    """Found in their second layer, with one input, one neuron in front and three steps: the same at every call."""
    found, again = (search(ann, snn, test_data.x, steps=8) for _ in range(2))
    assert found.case.size == (2, 3, 3, 2)
    assert found.smallest.origin == "digits: layer act2, neuron [2, 1, 0], T = 8, lockstep"
    assert found.case.snn.digest == again.case.snn.digest
    assert (found.inputs_tried, found.cases_tried) == (again.inputs_tried, again.cases_tried)
    spikes, _, _ = interpret(found.case.snn, found.case.x, found.case.steps)
    levels = forward(found.case.source, found.case.x[None], arithmetic=Exact()).levels
    counts = {name: [sum(step[0] for step in train)] for name, train in spikes.items()}
    assert counts["act1"] == levels["act1"][0].tolist()
    assert counts["act2"] != levels["act2"][0].tolist()


def test_the_kept_case_is_still_one():
    case = load_case(KEPT)
    verdict = case.verdict()
    assert not verdict
    assert [layer.local.surplus for layer in verdict.layers] == [0, 1]
    assert str(verdict.findings[0]) == (
        "layer act2, sample 0, neuron [0]: layer-local count: expected 0 spikes in 3 steps, got 1 "
        "(current was taken back after a spike: v = -0.5 is left below 0)"
    )


def test_nothing_is_found_where_equality_is_proved(ann, snn, test_data):
    assert search(ann, snn, test_data.x[:5], steps=8, schedule="integrate_then_fire", examples=30) is None


def test_inputs_far_from_the_data_are_tried_too():
    """No sample disagrees; only inputs above 1 reach the second layer's negative weights in time."""
    source = Network("far", (1,), (
        Node("w", Linear(weight=np.ones((1, 1))), ("input",)), Node("a", QCFS(threshold=1.0, levels=4), ("w",)),
        Node("u", Linear(weight=np.array([[-1.0]]), bias=np.array([0.5])), ("a",)), Node("b", QCFS(threshold=1.0, levels=4), ("u",)),
    ))  # fmt: skip
    x = np.zeros((3, 1))
    assert refsnn.verify(source, convert(source), x, steps=4)
    found = search(source, convert(source), x, steps=4, domain=refsnn.Domain(low=0, high=1, bits=3))
    assert found is not None
    assert found.whole.x.item() * 8 == round(found.whole.x.item() * 8) > 0


def test_a_network_that_is_no_weighted_sum_keeps_the_whole_case():
    source = Network("pooled", (1, 2, 2), (
        Node("a", QCFS(threshold=1.0, levels=4), ("input",)),
        Node("max", MaxPool2d(kernel=(2, 2), mode="count"), ("a",)), Node("flat", refsnn.layers.Flatten(), ("max",)),
        Node("u", Linear(weight=np.array([[-2.0]]), bias=np.array([0.5])), ("flat",)), Node("b", QCFS(threshold=1.0, levels=4), ("u",)),
    ))  # fmt: skip
    found = search(source, convert(source), np.full((1, 1, 2, 2), 0.25), steps=4)
    assert found.smallest is None
    assert found.why_whole == "max: MaxPool2d is no weighted sum"
    assert found.case is found.whole
    with pytest.raises(UnsupportedLayerError, match="max: MaxPool2d is no weighted sum"):
        cone_of(found.whole, "b", (0,))


@pytest.mark.parametrize(("edit", "message"), [
    (("case: 1", "case: 2"), "expected version 1, got 2"),
    (("steps: 3", "steps: 0"), "steps"),
    (("steps: 3", "setps: 3"), "unknown key; did you mean 'steps'?"),
    (("x: [0.5]", "x: [0.5, 1.0]"), "has shape [2], but input is [1]"),
    (("x: [0.5]", "x: [half]"), "expected numbers, in lists of equal length"),
    (("x: [0.5]", "x: [.nan]"), "nan"),
    (("schedule: lockstep", "schedule: lockstp"), "did you mean 'lockstep'?"),
    (("layer: IF", "layer: IFF"), "unknown layer 'IFF'"),
])  # fmt: skip
def test_damaged_cases_are_refused(tmp_path, edit, message):
    text = KEPT.read_text()
    assert edit[0] in text
    path = tmp_path / "damaged.case.yaml"
    path.write_text(text.replace(*edit, 1))
    with pytest.raises((SpecError, FormatError)) as error:
        load_case(path)
    assert message in str(error.value)


def test_the_origin_of_the_whole_case_is_folded(ann, snn, test_data):
    case = Case(fold_batch_norm(ann), snn, test_data.x[0], 8)
    assert case.disagreement().node == "act2"
    assert case.disagreement().born


def test_networks_of_other_weights_keep_the_whole_case(ann, snn, test_data):
    """Both are compared by their own weights; there is no one small network that goes wrong."""
    first = next(node for node in snn.nodes if node.name == "conv1")
    changed = replace(first, layer=replace(first.layer, weight=first.layer.weight * 1.5))
    other = Network(snn.name, snn.input_shape, tuple(changed if node is first else node for node in snn.nodes))
    found = search(ann, other, test_data.x[:3], steps=8, examples=20)
    assert found.smallest is None
    assert (
        found.why_whole
        == "with one and the same weights the neuron does not go wrong, so it is the weights that differ"
    )
