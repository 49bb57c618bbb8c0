"""Laws of conversion: the quantiser, folding, exactness of what must be exact, and what verify says of the rest."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
from fraction_interpreter import interpret
from hypothesis import assume, given
from hypothesis import strategies as st
from same import assert_identical

import refsnn
from refsnn import Exact, Float64, Network, Node, convert, fold_batch_norm, forward, simulate, verify
from refsnn import strategies as snn
from refsnn.conversion.replacement import if_neuron
from refsnn.layers import QCFS, BatchNorm, Linear, ReLU
from refsnn.neurons import IF


def one_layer(activation):
    weights = Node("w", Linear(weight=np.eye(3)), ("input",))
    return Network(
        "one", (3,), (weights, Node("act", activation, ("w",)), Node("out", Linear(weight=np.eye(3)), ("act",)))
    )


@given(
    quarters=st.lists(st.integers(0, 99), min_size=3, max_size=3),
    threshold=st.sampled_from([0.5, 1.0, 1.25, 3.0]),
    steps=st.sampled_from([1, 2, 4, 8, 16]),
)
def test_one_qcfs_layer_is_one_if_layer_at_t_equal_l(quarters, threshold, steps):
    """theta * clip(floor(z/theta * L + 1/2) / L, 0, 1), in Fractions, against the neuron's rate.

    z lies on quarters of a level, from one level below 0 to one above the top: every second quarter is a tie, and all
    numbers are exact in float64.
    """
    source = one_layer(QCFS(threshold=threshold, levels=steps))
    at_levels = [Fraction(k % (4 * steps + 9) - 4, 4) for k in quarters]
    x = np.array([[float(level * Fraction(threshold) / steps) for level in at_levels]])
    expected = [max(0, min(steps, int((level + Fraction(1, 2)) // 1))) for level in at_levels]
    trace = simulate(convert(source), x, steps=steps, arithmetic=Float64())
    assert trace.counts["act"].ravel().tolist() == expected
    result = forward(source, x, arithmetic=Float64())
    assert result.levels["act"].ravel().tolist() == expected
    assert [Fraction(a) * steps for a in result.activations["act"].ravel().tolist()] == [
        n * Fraction(threshold) for n in expected
    ]


def test_ties_between_levels_round_up():
    """Not to even, as round() does: 1/2, 3/2, 5/2, 7/2 of a level give 1, 2, 3, 4."""
    source = one_layer(QCFS(threshold=1.0, levels=4))
    assert forward(source, np.array([[0.125, 0.375, 0.625]])).levels["act"].tolist() == [[1, 2, 3]]


@given(network=snn.source_networks(), data=st.data())
def test_folding_keeps_the_function(network, data):
    """Equal within rounding: a relative error of some units in the last place of float64 per weight, far below 1e-9 of
    values of at most 1e5 (three layers of at most 36 weights of at most 2, factors of at most 2 / sqrt(1e-5)).
    """
    x = data.draw(snn.inputs(network))
    before, after = linear_part(network), linear_part(fold_batch_norm(network))
    plain, folded = (forward(n, x, arithmetic=Float64()).output for n in (before, after))
    scale = max(1.0, float(np.abs(plain).max()))
    assert np.abs(plain - folded).max() <= 1e-9 * scale


def linear_part(network):
    """The network up to its first activation, which is continuous, so that rounding stays rounding."""
    first = next(i for i, node in enumerate(network.nodes) if isinstance(node.layer, QCFS))
    return Network(network.name, network.input_shape, network.nodes[:first])


@given(network=snn.source_networks())
def test_folding_leaves_no_batch_norm_and_conversion_keeps_names(network):
    folded, spiking = fold_batch_norm(network), convert(network)
    assert not any(isinstance(node.layer, BatchNorm) for node in folded.nodes)
    assert [node.name for node in folded.nodes] == [node.name for node in spiking.nodes]
    assert list(spiking.neurons) == [node.name for node in network.nodes if isinstance(node.layer, QCFS)]
    assert spiking.shapes == folded.shapes


@given(network=snn.source_networks(), data=st.data())
def test_the_first_layer_is_exact_and_integrate_then_fire_is_exact_everywhere(network, data):
    """At T = L, in real numbers: without exception, ties included."""
    x = data.draw(snn.inputs(network))
    steps = next(node.layer.levels for node in network.nodes if isinstance(node.layer, QCFS))
    first = verify(network, convert(network), x, steps=steps).layers[0]
    assert first.local.exact == first.end_to_end.exact == first.local.neurons
    delayed = verify(network, convert(network), x, steps=steps, schedule="integrate_then_fire")
    assert delayed
    assert all(layer.local.exact == layer.end_to_end.exact == layer.local.neurons for layer in delayed.layers)


@given(network=snn.source_networks(), steps=st.integers(1, 8), data=st.data())
def test_the_four_classes_add_up(network, steps, data):
    x = data.draw(snn.inputs(network))
    verdict = verify(network, convert(network), x, steps=steps)
    for layer in verdict.layers:
        for c in (layer.local, layer.end_to_end):
            assert c.neurons == len(x) * np.prod(network.shapes[layer.node])
            assert c.exact + c.tie + c.deficit + c.surplus == c.neurons
            assert (c.largest_deficit > 0) == (c.deficit > 0)
            assert (c.largest_surplus > 0) == (c.surplus > 0)
    assert bool(verdict) == (not any(layer.end_to_end.deficit + layer.end_to_end.surplus for layer in verdict.layers)
                             and not any(layer.local.deficit + layer.local.surplus for layer in verdict.layers))  # fmt: skip


@given(network=snn.source_networks(), steps=st.integers(1, 6), data=st.data())
def test_layer_local_classes_equal_an_exact_count(network, steps, data):
    """The verdict's layer-local deficits and surpluses are those that the interpreter finds, where
    N = clip(floor(Q / theta), 0, T) is computed from currents in fractions; in float64 too, all numbers being dyadic.
    """
    assume(not any(isinstance(node.layer, BatchNorm) for node in network.nodes))
    x = data.draw(snn.inputs(network, max_samples=2))
    spiking = convert(network)
    expected = {}
    for name in spiking.neurons:
        theta = Fraction(spiking[name].layer.v_threshold)
        deficit = surplus = 0
        for sample in x:
            spikes, v, _ = interpret(spiking, sample, steps)
            for m, residual in enumerate(v[name][-1]):
                n = sum(step[m] for step in spikes[name])
                ideal = max(0, min(steps, int((residual + theta * n) // theta)))
                deficit += n < ideal
                surplus += n > ideal
        expected[name] = (deficit, surplus, 0)
    for arithmetic in (Exact(), Float64()):
        for layer in verify(network, spiking, x, steps=steps, arithmetic=arithmetic).layers:
            assert (layer.local.deficit, layer.local.surplus, layer.local.tie) == expected[layer.node]


@given(
    currents=st.lists(snn.dyadic(-2, 3), min_size=1, max_size=8),
    thresholds=st.lists(st.sampled_from([0.25, 0.5, 1.0, 1.5, 2.0, 4.0]), min_size=2, max_size=2),
    half=st.booleans(),
)
def test_raising_the_threshold_never_raises_a_count(currents, thresholds, half):
    low, high = sorted(thresholds)
    frames = refsnn.Frames(np.array(currents).reshape(-1, 1, 1))
    counts = []
    for theta in (low, high):
        neuron = IF(v_threshold=theta, v_init=theta / 2 if half else 0.0)
        network = Network(
            "one", (1,), (Node("w", Linear(weight=np.ones((1, 1))), ("input",)), Node("n", neuron, ("w",)))
        )
        counts.append(simulate(network, frames, steps=len(currents), arithmetic=Float64()).counts["n"].item())
    assert counts[1] <= counts[0]


@given(network=snn.source_networks(), steps=st.integers(1, 6), data=st.data())
def test_verify_sees_a_changed_potential(network, steps, data):
    """A neuron that starts at 0 instead of theta / 2 is another network: its counts are compared all the same."""
    x = data.draw(snn.inputs(network))
    spiking = convert(network)
    changed = Network(spiking.name, spiking.input_shape, tuple(
        replace(node, layer=replace(node.layer, v_init=0.0)) if isinstance(node.layer, IF) else node for node in spiking.nodes
    ))  # fmt: skip
    counts = simulate(changed, x, steps=steps, arithmetic=Float64()).counts
    levels = forward(fold_batch_norm(network), x, arithmetic=Float64()).levels
    verdict = verify(network, changed, x, steps=steps)
    for layer in verdict.layers:
        c = layer.end_to_end
        unequal = int((counts[layer.node] * network[layer.node].layer.levels != levels[layer.node] * steps).sum())
        assert c.deficit + c.surplus <= unequal <= c.deficit + c.surplus + c.tie


def test_the_if_neuron_of_an_activation():
    neuron = if_neuron(3.0)
    assert (neuron.v_threshold, neuron.v_init, neuron.amplitude) == (3.0, 1.5, 3.0)
    assert if_neuron(3.0, 0.25).v_init == 0.75


@given(case=snn.source_networks(), data=st.data())
def test_forward_is_equal_in_both_backends(case, data):
    x = data.draw(snn.inputs(case))
    fast, naive = forward(case, x), forward(case, x, backend="naive")
    assert_identical(fast.output, naive.output)
    for name in fast.levels:
        assert_identical(fast.levels[name], naive.levels[name])
        assert_identical(fast.activations[name], naive.activations[name])


@given(network=snn.relu_networks(), data=st.data())
def test_relu_networks_compute_what_the_interpreter_computes(network, data):
    assume(not any(isinstance(node.layer, BatchNorm) for node in network.nodes))
    x = data.draw(snn.inputs(network, max_samples=2))
    result = forward(network, x, arithmetic=Float64())
    assert list(result.activations) == [node.name for node in network.nodes if isinstance(node.layer, ReLU)]
    for name, activations in result.activations.items():
        position = [node.name for node in network.nodes].index(name)
        cut = Network("cut", network.input_shape, network.nodes[: position + 1])
        for n in range(len(x)):
            expected = interpret(cut, x[n], 1)[2][0]
            assert [Fraction(a) for a in activations[n].ravel().tolist()] == expected
    for n in range(len(x)):
        assert [Fraction(y) for y in result.output[n].tolist()] == interpret(network, x[n], 1)[2][0]
    assert_identical(forward(network, x).output, forward(network, x, backend="naive").output)
