"""Laws of exact arithmetic and of the rounding bounds: what Exact decides is what fractions decide, and no float is further
from its real number than its bound says.

The networks here have weights, thresholds and leaks that are no dyadic numbers but were dyadic ones before they were
multiplied by 0.1 and rounded, so that potentials lie a few roundings from their thresholds all the time.
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from fraction_interpreter import Cell, _add, _conv, _conv1d, _exact, _flat, _linear, _numbers, _pool, _scaled, interpret
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import refsnn
from refsnn import (
    Exact,
    Float32,
    Float64,
    Frames,
    Network,
    Node,
    Record,
    convert,
    fold_batch_norm,
    forward,
    simulate,
    verify,
)
from refsnn import strategies as snn
from refsnn.errors import UnsupportedLayerError
from refsnn.layers import QCFS, BatchNorm, Conv2d, Linear, ReLU
from refsnn.neurons import IF, LIF, Firing, Reset
from refsnn.potentials import charge_error, potentials
from refsnn.rounding import Span, grid_of
from refsnn.spans import level_error, spans


def decimal(network):
    """The spiking network with weights, biases and voltages times 0.1, leaks times 0.9; spikes are worth what they were.

    In real numbers without the rounding of these products the potentials would be 0.1 times dyadic numbers that often equal
    their threshold; as it is, each such tie is decided by the roundings of the constants.
    """
    nodes = []
    for node in network.nodes:
        layer = node.layer
        if isinstance(layer, IF | LIF):
            names = ["v_threshold", "v_init", "v_reset"] + (["v_leak"] if isinstance(layer, LIF) else [])
            layer = replace(layer, **{name: getattr(layer, name) * 0.1 for name in names})
            if isinstance(layer, LIF):
                layer = replace(layer, decay=layer.decay * 0.9 if layer.decay < 1 else 1.0)
        elif hasattr(layer, "weight"):
            layer = _weights_times(layer, 0.1, 0.1)
        nodes.append(Node(node.name, layer, node.inputs))
    return Network(network.name, network.input_shape, tuple(nodes))


def decimal_source(network):
    """The QCFS network with weights times 0.1; biases and thresholds times 0.1 once more with every weight layer."""
    nodes, scale = [], 1.0
    for node in network.nodes:
        layer = node.layer
        if isinstance(layer, QCFS):
            layer = replace(layer, threshold=layer.threshold * scale)
        elif hasattr(layer, "weight") and not isinstance(layer, BatchNorm):
            scale *= 0.1
            layer = _weights_times(layer, 0.1, scale)
        nodes.append(Node(node.name, layer, node.inputs))
    return Network(network.name, network.input_shape, tuple(nodes))


def _weights_times(layer, factor, bias_factor):
    bias = None if layer.bias is None else layer.bias.astype(np.float64) * bias_factor
    return replace(layer, weight=layer.weight.astype(np.float64) * factor, bias=bias)


def run(network, x, steps, backend="fast", **options):
    return simulate(
        network, x, steps=steps, record=Record(spikes=network.neurons, v=network.neurons), backend=backend, **options
    )


def test_three_tenths_are_not_one_tenth_and_two_tenths():
    """0.1 + 0.2 rounds to 0.30000000000000004, over the float 0.3; the real sum of the floats 0.1 and 0.2 is over it too.
    0.1 + 0.7 rounds to 0.7999999999999999, under the float 0.8; so is the real sum. With the order turned round, ten tenths
    are 0.9999999999999999 in float64, but over 1 in real numbers: there Exact and Float64 part.
    """
    tenths = Network("tenths", (10,), (
        Node("w", Linear(weight=np.full((1, 10), 0.1)), ("input",)), Node("n", IF(v_threshold=1.0), ("w",)),
    ))  # fmt: skip
    assert sum(Fraction(0.1) for _ in range(10)) > 1
    assert run(tenths, np.ones((1, 10)), 1, arithmetic=Exact()).counts["n"].item() == 1
    assert run(tenths, np.ones((1, 10)), 1, arithmetic=Float64()).counts["n"].item() == 0


@pytest.mark.parametrize("backend", ["fast", "naive"])
def test_exact_decides_a_group_by_its_own_channels(backend):
    """Ten tenths again, in the second of two groups; the first receives nothing."""
    network = Network("groups", (20, 1, 1), (
        Node("w", Conv2d(weight=np.full((2, 10, 1, 1), 0.1), groups=2), ("input",)),
        Node("n", IF(v_threshold=1.0), ("w",)),
    ))  # fmt: skip
    x = np.repeat([0.0, 1.0], 10).reshape(1, 20, 1, 1)
    counts = [
        run(network, x, 1, backend, arithmetic=arithmetic).counts["n"].ravel().tolist()
        for arithmetic in (Exact(), Float64())
    ]
    assert counts == [[0, 1], [0, 0]]


@given(
    tenths=st.lists(st.integers(-3, 9), min_size=2, max_size=8),
    at=st.integers(1, 8),
    firing=st.sampled_from(Firing),
    decay=st.sampled_from([None, 1.0]),
)
def test_exact_decides_a_potential_that_is_its_threshold_but_for_roundings(tenths, at, firing, decay):
    """Currents k * 0.1, threshold the float nearest to 0.1 * (their sum after some step)."""
    threshold = 0.1 * sum(tenths[:at])
    assume(threshold > 0)
    common = {"v_threshold": threshold, "firing": firing}
    layer = IF(**common) if decay is None else LIF(decay=decay, **common)
    network = Network(
        "tenths", (1,), (Node("w", Linear(weight=np.array([[0.1]])), ("input",)), Node("n", layer, ("w",)))
    )
    frames = Frames(np.array(tenths, np.float64).reshape(-1, 1, 1))
    ours = run(network, frames, len(tenths), arithmetic=Exact())
    cell = Cell(layer)
    assert ours.spikes["n"].ravel().tolist() == [cell.step(Fraction(0.1) * k) for k in tenths]


@given(
    tenths=st.lists(st.integers(-3, 9), min_size=1, max_size=6),
    levels=st.sampled_from([1, 2, 4, 8]),
    level=st.integers(1, 8),
    steps=st.integers(1, 8),
)
def test_exact_decides_a_level_that_is_a_tie_but_for_roundings(tenths, levels, level, steps):
    """z = the sum of k * 0.1, threshold such that z * L / threshold + 1/2 is a whole number but for roundings: the level is that
    of fractions, and the layer, under constant current, is exact for every T = L and layer-local for every T.
    """
    level = min(level, levels)
    threshold = 0.1 * sum(tenths) * levels / (level - 0.5)
    assume(threshold > 0)
    network = Network("tie", (len(tenths),), (
        Node("w", Linear(weight=np.full((1, len(tenths)), 0.1)), ("input",)),
        Node("act", QCFS(threshold=threshold, levels=levels), ("w",)),
        Node("out", Linear(weight=np.ones((2, 1))), ("act",)),
    ))  # fmt: skip
    x = np.array([tenths], np.float64)
    z = Fraction(0.1) * sum(tenths)
    expected = max(0, min(levels, int((z * levels / Fraction(threshold) + Fraction(1, 2)) // 1)))
    assert forward(network, x, arithmetic=Exact()).levels["act"].item() == expected
    for schedule in ("lockstep", "integrate_then_fire"):
        assert verify(network, convert(network), x, steps=levels, schedule=schedule)
        local = verify(network, convert(network), x, steps=steps, schedule=schedule).layers[0].local
        assert local.exact == 1


def test_exact_sees_what_underflows():
    """2^-600 * 2^-600 is 0 in float64; added to a potential that equals its threshold it fires a > neuron in real numbers.
    And numbers so small that their grid has no float: the bounds say so instead of overflowing.
    """
    tiny = 2.0**-600
    smallest = 2.0**-1074
    layer = IF(v_threshold=smallest, v_init=smallest, firing=">")
    network = Network(
        "tiny", (1,), (Node("w", Linear(weight=np.array([[tiny]])), ("input",)), Node("n", layer, ("w",)))
    )
    assert run(network, np.array([[tiny]]), 1, arithmetic=Exact()).counts["n"].item() == 1
    assert run(network, np.array([[tiny]]), 1, arithmetic=Float64()).counts["n"].item() == 0
    known = spans(network, np.array([[tiny]]), np.dtype(np.float64))["w"]
    assert known.grid is None
    assert 0 < known.error < 1e-300


@settings(max_examples=150)
@given(case=snn.cases(), backend=st.sampled_from(["fast", "naive"]))
def test_exact_fires_as_fractions_do(case, backend):
    network, x, steps = case
    network = decimal(network)
    ours = run(network, x, steps, arithmetic=Exact(), backend=backend)
    for n in range(len(x)):
        spikes, v, _ = interpret(network, x[n], steps)
        for name in network.neurons:
            assert ours.spikes[name][:, n].reshape(steps, -1).tolist() == spikes[name]
            for mine, real in zip(ours.v[name][:, n].reshape(steps, -1), v[name], strict=True):
                # far wider than the bounds; a wrong decision would be off by a threshold, at least 0.05
                assert all(abs(Fraction(a) - b) < Fraction(1, 10**9) for a, b in zip(mine.tolist(), real, strict=True))


@given(case=snn.cases(kinds=(IF,)))
def test_exact_integrates_then_fires_as_fractions_do(case):
    network, x, steps = case
    assume(all(network[name].layer.reset is Reset.SUBTRACT for name in network.neurons))
    network = decimal(network)
    ours = simulate(
        network,
        x,
        steps=steps,
        arithmetic=Exact(),
        schedule="integrate_then_fire",
        backend="fast",
        record=Record(spikes=network.neurons),
    )
    for n in range(len(x)):
        for name in network.neurons:
            layer = network[name].layer
            trains = {m: ours.spikes[m][:, n] for m in network.neurons}
            for index in np.ndindex(network.shapes[name]):
                q = charge_of(network, name, x[n], trains, index, steps)
                theta = Fraction(layer.v_threshold)
                expected, v = [], q
                for _ in range(steps):
                    fires = v > theta or (layer.firing.value == ">=" and v == theta)
                    v -= theta if fires else 0
                    expected.append(fires)
                assert ours.spikes[name][(slice(None), n, *index)].tolist() == expected


def charge_of(network, name, sample, trains, index, steps):
    """v_init + the sum of currents of one neuron, given the spikes of all others, by the interpreter's layers."""
    flat = int(np.ravel_multi_index(index, network.shapes[name]))
    total = Fraction(network[name].layer.v_init)
    for t in range(steps):
        total += current_of(network, network[name].inputs[0], sample, trains, t)[flat]
    return total


def current_of(network, name, sample, trains, t):
    """All values of a node at step t as flat fractions: a network of the stateless layers up to it, run for one step."""
    needed, order = {name}, []
    for node in reversed(network.nodes):
        if node.name in needed and not isinstance(node.layer, IF | LIF):
            order.insert(0, node)
            needed |= set(node.inputs)
    values = {"input": _exact(_numbers(sample))}
    for spiking in network.neurons:
        if spiking in needed:
            amplitude = Fraction(network[spiking].layer.amplitude)
            values[spiking] = _scaled(_exact(_numbers(trains[spiking][t].astype(np.float64))), amplitude)
    for node in order:
        sources, layer = [values[source] for source in node.inputs], node.layer
        kind = type(layer).__name__
        if kind == "Concat":
            values[node.name] = [plane for source in sources for plane in source]
        elif kind == "Add":
            values[node.name] = _add(sources)
        elif kind == "Flatten":
            values[node.name] = _flat(sources[0])
        elif kind == "Scale":
            values[node.name] = _scaled(sources[0], Fraction(layer.factor))
        else:
            compute = {"Linear": _linear, "Conv1d": _conv1d, "Conv2d": _conv}.get(kind, _pool)
            values[node.name] = compute(layer, sources[0])
    return _flat(values[name])


@given(network=snn.source_networks(), data=st.data())
def test_exact_levels_are_those_of_fractions(network, data):
    assume(not any(isinstance(node.layer, BatchNorm) for node in network.nodes))
    x = data.draw(snn.inputs(network, max_samples=2))
    network = decimal_source(network)
    if data.draw(st.booleans(), label="ReLU in front of the last QCFS"):
        last = [node.name for node in network.nodes if isinstance(node.layer, QCFS)][-1]
        network = Network(network.name, network.input_shape, tuple(
            replace(node, layer=ReLU()) if isinstance(node.layer, QCFS) and node.name != last else node for node in network.nodes
        ))  # fmt: skip
    result = forward(network, x, arithmetic=Exact())
    for name, levels in result.levels.items():
        position = [node.name for node in network.nodes].index(name)
        cut = Network("cut", network.input_shape, network.nodes[: position + 1])
        layer = network[name].layer
        for n in range(len(x)):
            values = interpret(cut, x[n], 1)[2][0]
            expected = [value * layer.levels / Fraction(layer.threshold) for value in values]
            assert levels[n].ravel().tolist() == expected


@given(network=snn.source_networks(), steps=st.integers(1, 6), data=st.data())
def test_exact_verdicts_are_those_of_fractions(network, steps, data):
    """No ties: deficits and surpluses, layer-local and end to end, as the interpreter finds them."""
    assume(not any(isinstance(node.layer, BatchNorm) for node in network.nodes))
    x = data.draw(snn.inputs(network, max_samples=2))
    network = decimal_source(network)
    spiking = convert(network)
    levels = forward(network, x, arithmetic=Exact()).levels
    for layer in verify(network, spiking, x, steps=steps).layers:
        theta, count = Fraction(spiking[layer.node].layer.v_threshold), network[layer.node].layer.levels
        local, end_to_end = [0, 0], [0, 0]
        for n in range(len(x)):
            spikes, v, _ = interpret(spiking, x[n], steps)
            for m, residual in enumerate(v[layer.node][-1]):
                fired = sum(step[m] for step in spikes[layer.node])
                ideal = max(0, min(steps, fired + int(residual // theta)))
                local[0] += fired < ideal
                local[1] += fired > ideal
                target = int(levels[layer.node][n].ravel()[m]) * steps
                end_to_end[0] += fired * count < target
                end_to_end[1] += fired * count > target
        assert [layer.local.deficit, layer.local.surplus, layer.local.tie] == [*local, 0]
        assert [layer.end_to_end.deficit, layer.end_to_end.surplus, layer.end_to_end.tie] == [*end_to_end, 0]


@given(
    network=snn.source_networks(every=True),
    schedule=st.sampled_from(["integrate_then_fire", "averaged_current", "signed_correction"]),
    data=st.data(),
)
def test_schedules_that_count_charge_are_exact_at_t_equal_l_without_exception(network, schedule, data):
    """Thresholds per channel and pools that follow counts included."""
    x = data.draw(snn.inputs(network))
    network = decimal_source(network)
    steps = next(node.layer.levels for node in network.nodes if isinstance(node.layer, QCFS))
    verdict = verify(network, convert(network), x, steps=steps, schedule=schedule)
    assert verdict, str(verdict)
    lockstep = verify(network, convert(network), x, steps=steps)
    assert lockstep.layers[0].end_to_end.exact == lockstep.layers[0].end_to_end.neurons


@given(case=snn.cases(largest_pool=3), off_grid=st.booleans(), arithmetic=st.sampled_from([Float32(), Float64()]))
def test_no_potential_is_further_from_its_real_number_than_its_bound(case, off_grid, arithmetic):
    network, x, steps = case
    if off_grid:
        network = decimal(network)
    ours = run(network, x, steps, arithmetic=arithmetic)
    known = spans(network, x, arithmetic.dtype)
    for n in range(len(x)):
        spikes, v, _ = interpret(network, x[n], steps)
        agreed = True  # bounds hold as long as every spike before, in every layer, was decided right
        for t in range(steps):
            for name in network.neurons:
                layer = network[name].layer
                charged = potentials(layer, known[network[name].inputs[0]], steps, arithmetic.dtype).errors
                theta = Fraction(layer.v_threshold)
                mine = ours.v[name][t, n].ravel().tolist()
                for m, (a, b) in enumerate(zip(mine, v[name][t], strict=True)):
                    fired = spikes[name][t][m]
                    agreed &= fired == bool(ours.spikes[name][t, n].ravel()[m])
                    if agreed and not fired:
                        assert abs(Fraction(a) - b) <= charged[t]
                    elif agreed and layer.reset is Reset.SUBTRACT:
                        # the reset's own rounding and the threshold's cast on top
                        slack = (2 * np.finfo(arithmetic.dtype).eps) * (abs(b) + theta) if charged[t] else 0
                        assert abs(Fraction(a) - b) <= Fraction(charged[t]) + Fraction(slack)
            if not agreed:
                break


@given(network=snn.source_networks(), data=st.data(), arithmetic=st.sampled_from([Float32(), Float64()]))
def test_floats_claim_no_difference_where_there_is_none(network, data, arithmetic):
    """At T = L the first layer is exact in real numbers: a float run that goes another way there has to call it a tie."""
    assume(not any(isinstance(node.layer, BatchNorm) for node in network.nodes))
    x = data.draw(snn.inputs(network))
    network = decimal_source(network)
    steps = next(node.layer.levels for node in network.nodes if isinstance(node.layer, QCFS))
    first = verify(network, convert(network), x, steps=steps, arithmetic=arithmetic).layers[0]
    for c in (first.local, first.end_to_end):
        assert (c.deficit, c.surplus) == (0, 0)
        assert c.exact + c.tie == c.neurons


def test_a_float_run_that_goes_the_other_way_is_a_tie():
    """z = k * 0.1, threshold such that z * 8 / threshold + 1/2 is 3 but for roundings: for some k the quantiser's three roundings
    and the neuron's eight sums fall on different sides, in float64. All of these are ties, none is a difference.
    """
    parted = 0
    for k in range(1, 40):
        network = Network("part", (k,), (
            Node("w", Linear(weight=np.full((1, k), 0.1)), ("input",)),
            Node("act", QCFS(threshold=0.1 * k * 8 / 2.5, levels=8), ("w",)),
            Node("out", Linear(weight=np.ones((2, 1))), ("act",)),
        ))  # fmt: skip
        x = np.ones((1, k))
        float_run = simulate(convert(network), x, steps=8, arithmetic=Float64()).counts["act"].item()
        level = forward(network, x, arithmetic=Float64()).levels["act"].item()
        (layer,) = verify(network, convert(network), x, steps=8, arithmetic=Float64()).layers
        assert (layer.end_to_end.tie, layer.end_to_end.deficit, layer.end_to_end.surplus) == (1, 0, 0)
        parted += float_run != level
    assert parted > 0


def test_in_float_a_tie_of_the_sum_is_a_tie_of_the_comparison():
    """One layer, T = L = 8, Q further from a multiple of theta than the source's rounding reaches, nearer than that of T sums."""
    network = Network("near", (1,), (
        Node("w", Linear(weight=np.array([[0.1]])), ("input",)),
        Node("act", QCFS(threshold=1.0, levels=8), ("w",)),
        Node("out", Linear(weight=np.ones((2, 1))), ("act",)),
    ))  # fmt: skip
    spiking = convert(network)
    span = spans(network, np.array([[4.4]]), np.dtype(np.float64))["w"]
    of_source = level_error(network["act"].layer, span, np.dtype(np.float64))
    of_sum = charge_error(spiking["act"].layer, span, 8, np.dtype(np.float64))
    assert of_sum > 2 * of_source
    between = (of_source + of_sum) / 2
    x = np.array([[(4 - 0.5 + between) / 8 / 0.1]])
    layer = verify(network, spiking, x, steps=8, arithmetic=Float64()).layers[0]
    assert (layer.local.tie, layer.end_to_end.tie) == (1, 1)
    exact = verify(network, spiking, x, steps=8).layers[0]
    assert (exact.local.exact, exact.end_to_end.exact) == (1, 1)


@given(case=snn.cases(kinds=(IF,)))
def test_no_bound_is_needed_on_a_grid(case):
    """Dyadic weights and inputs of few bits: nothing is rounded, and the bounds know it."""
    network, x, steps = case
    known = spans(network, x, np.dtype(np.float64))
    for name in network.neurons:
        layer = network[name].layer
        bounds = potentials(layer, known[network[name].inputs[0]], steps, np.dtype(np.float64))
        assert (max(bounds.errors), bounds.last_error) == (0.0, 0.0)
        assert charge_error(layer, known[network[name].inputs[0]], steps, np.dtype(np.float64)) == 0.0


@given(values=st.lists(st.integers(-(2**30), 2**30), min_size=1), shift=st.integers(-20, 20))
def test_the_grid_is_the_finest_bit(values, shift):
    grid = grid_of(np.array(values, np.float64) * 2.0**-shift)
    scaled = [Fraction(value) / Fraction(2) ** shift * Fraction(2) ** grid for value in values]
    assert all(value.denominator == 1 for value in scaled)
    if any(values):
        assert any(value % 2 for value in scaled)


def test_exact_needs_folded_batch_norm(ann, test_data):
    with pytest.raises(UnsupportedLayerError, match="BatchNorm"):
        forward(ann, test_data.x[:1], arithmetic=Exact())
    assert forward(fold_batch_norm(ann), test_data.x[:1], arithmetic=Exact()).levels


@given(below=st.sampled_from([-1.0, 0.0, 0.5, 0.9]), currents=st.lists(snn.dyadic(-2, 2), min_size=1, max_size=6))
def test_the_bound_on_sizes_covers_spikes_of_minus_one(below, currents):
    """A negative threshold above 0 gives a threshold back to a potential that is positive already."""
    neuron = IF(v_threshold=1.0, v_negative=below)
    network = Network("n", (1,), (Node("n", neuron, ("input",)),))
    frames = np.array(currents).reshape(-1, 1, 1)
    v = run(network, refsnn.Frames(frames), len(currents), arithmetic=Float64()).v["n"]
    largest = Span(float(np.abs(frames).max()), 0.0, None)
    assert np.abs(v).max() <= potentials(neuron, largest, len(currents), np.dtype(np.float64)).size
