"""Laws of the simulator: twins, prefix, sample independence, chunks, charge balance, closed form, silence, scaling,
agreement with an independent interpreter in exact rational numbers, counts by enumeration.
"""

from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np
from brute_force import connections, events_behind
from fraction_interpreter import Cell, interpret
from hypothesis import assume, given
from hypothesis import strategies as st
from same import assert_identical, assert_same_trace

import refsnn
from refsnn import Float32, Float64, Network, Node, Record, laws, simulate
from refsnn import strategies as snn
from refsnn.layers import Linear
from refsnn.neurons import IF, LIF, Firing, Reset
from refsnn.properties import charge, count_under_constant_current, ideal_count

ARITHMETICS = st.sampled_from([Float32(), Float64()])


def run(network, x, steps, backend="fast", **options):
    everything = Record(spikes=network.neurons, v=network.neurons)
    return simulate(network, x, steps=steps, record=everything, backend=backend, **options)


@given(case=snn.cases(), arithmetic=ARITHMETICS)
def test_naive_and_fast_are_equal_bit_for_bit(case, arithmetic):
    network, x, steps = case
    assert laws.backends_equal(network, x, steps=steps, arithmetic=arithmetic) == []


@given(case=snn.cases(largest_pool=3), scale=st.floats(0.1, 3), arithmetic=ARITHMETICS)
def test_naive_and_fast_round_alike(case, scale, arithmetic):
    """Inputs and means that are not dyadic: every sum rounds, and the order of sums shows."""
    network, x, steps = case
    x = x * scale + np.sin(np.arange(x.size)).reshape(x.shape) / 3
    assert laws.backends_equal(network, x, steps=steps, arithmetic=arithmetic) == []


@given(case=snn.cases(kinds=(IF,)))
def test_twins_agree_on_integrate_then_fire(case):
    network, x, steps = case
    assume(all(network[name].layer.reset is Reset.SUBTRACT for name in network.neurons))
    options = {"schedule": "integrate_then_fire"}
    assert_same_trace(run(network, x, steps, backend="naive", **options), run(network, x, steps, **options))


@given(case=snn.cases(), longer=st.integers(1, 4))
def test_a_longer_run_begins_with_the_shorter_one(case, longer):
    network, x, steps = case
    assert laws.prefix(network, x, steps=steps + longer) == []


@given(case=snn.cases())
def test_counts_and_residuals_are_those_of_the_steps(case):
    network, x, steps = case
    trace = run(network, x, steps)
    for name in network.neurons:
        assert_identical(trace.residual[name], trace.v[name][-1])
        assert_identical(trace.counts[name], trace.spikes[name].sum(0, dtype=np.int32))


@given(network=snn.networks(), steps=st.integers(1, 6), data=st.data())
def test_a_sample_does_not_depend_on_the_others(network, steps, data):
    x = data.draw(snn.inputs(network).filter(lambda x: len(x) > 1))
    assert laws.sample_independence(network, x, steps=steps) == []
    assert laws.thread_independence(network, x, steps=steps) == []


@given(case=snn.cases())
def test_constant_current_is_the_same_frame_at_every_step(case):
    network, x, steps = case
    frames = refsnn.Frames(np.broadcast_to(x, (steps + 1, *x.shape)))
    assert_same_trace(run(network, frames, steps), run(network, x, steps))


@given(case=snn.cases())
def test_an_independent_interpreter_in_fractions_agrees(case):
    network, x, steps = case
    ours = run(network, x, steps, arithmetic=Float64())
    for n in range(len(x)):
        spikes, v, readout = interpret(network, x[n], steps)
        for name in network.neurons:
            assert ours.spikes[name][:, n].reshape(steps, -1).tolist() == spikes[name]
            assert [[Fraction(p) for p in step] for step in ours.v[name][:, n].reshape(steps, -1).tolist()] == v[name]
        assert [[Fraction(y) for y in step] for step in ours.readout[:, n].tolist()] == readout


def single(neuron):
    """One neuron that receives its input as current; the readout is its output."""
    return Network("single", (1,), (Node("w", Linear(weight=np.ones((1, 1))), ("input",)), Node("n", neuron, ("w",))))


@given(neuron=snn.neurons(), currents=st.lists(snn.dyadic(-3, 3), min_size=1, max_size=12))
def test_a_neuron_under_any_current_agrees_with_the_interpreter(neuron, currents):
    network, steps = single(neuron), len(currents)
    frames = np.array(currents).reshape(steps, 1, 1)
    ours = run(network, refsnn.Frames(frames), steps, arithmetic=Float64())
    spikes, v = [], []
    cell = Cell(neuron)
    for current in currents:
        spikes.append(cell.step(Fraction(current)))
        v.append(cell.v)
    assert ours.spikes["n"].ravel().tolist() == spikes
    assert [Fraction(p) for p in ours.v["n"].ravel().tolist()] == v


@given(case=snn.cases(kinds=(IF,)))
def test_charge_balance(case):
    """v[T] = v_init + sum of currents - v_threshold * n for reset by subtraction: the currents come from the interpreter
    side of the law, a layer that is run again on the spikes that were recorded.
    """
    network, x, steps = case
    assume(all(network[name].layer.reset is Reset.SUBTRACT for name in network.neurons))
    for n in range(len(x)):
        _, v, _ = interpret(network, x[n], steps)
        received = currents_of(network, x[n], steps)
        ours = run(network, x, steps, arithmetic=Float64())
        for name in network.neurons:
            theta = network[name].layer.v_threshold
            total = [
                network[name].layer.v_init + sum(step[m] for step in received[name]) for m in range(len(v[name][0]))
            ]
            assert charge(ours.counts[name][n].ravel(), ours.residual[name][n].ravel(), theta).tolist() == [
                float(q) for q in total
            ]


def currents_of(network, sample, steps):
    """What each spiking node receives at each step: the readout of the network cut off before it, per step."""
    received = {}
    for name in network.neurons:
        position = [node.name for node in network.nodes].index(network[name].inputs[0])
        cut = Network("cut", network.input_shape, network.nodes[: position + 1])
        summed = interpret(cut, sample, steps)[2]
        previous = [[Fraction(0)] * len(summed[0]), *summed[:-1]]
        received[name] = [
            [a - b for a, b in zip(now, before, strict=True)] for now, before in zip(summed, previous, strict=True)
        ]
    return received


@given(
    theta=st.sampled_from([0.25, 1.0, 1.25, 3.0]),
    start=st.integers(0, 15),
    current=snn.dyadic(-4, 8, bits=4),
    steps=st.integers(1, 24),
)
def test_closed_form_of_an_if_neuron_under_constant_current(theta, start, current, steps):
    """n = clip(floor((v_init + T * current) / theta), 0, T) for 0 <= v_init < theta."""
    v_init = theta * start / 16
    neuron = IF(v_threshold=theta, v_init=v_init)
    trace = simulate(single(neuron), np.array([[current]]), steps=steps, arithmetic=Float64())
    expected = count_under_constant_current(Fraction(current), Fraction(theta), Fraction(v_init), steps)
    assert trace.counts["n"].item() == expected


@given(case=snn.cases())
def test_silence_without_drive(case):
    """No input, no bias, potentials that start and rest below the threshold: no spike, and nobody has work."""
    network, x, steps = case
    assert laws.silence(network, x, steps=steps) == []


@given(neuron=snn.neurons(), current=snn.dyadic(-3, 3))
def test_a_reset_leaves_silent_neurons_untouched(neuron, current):
    """The potential of a neuron that did not fire is its charge, whatever its neighbour did."""
    pair = Network("pair", (2,), (Node("w", Linear(weight=np.eye(2)), ("input",)), Node("n", neuron, ("w",))))
    beside_a_firing_one = run(pair, np.array([[current, 100.0]]), 1)
    beside_a_silent_one = run(pair, np.array([[current, -100.0]]), 1)
    assert_identical(beside_a_firing_one.v["n"][..., 0], beside_a_silent_one.v["n"][..., 0])


@given(case=snn.cases(), exponent=st.integers(-3, 3))
def test_scaling_by_a_power_of_two_changes_no_spike(case, exponent):
    """Weights into a layer, its threshold and its potentials times 2^k: the same spikes."""
    network, x, steps = case
    factor = 2.0**exponent
    scaled = []
    for node in network.nodes:
        layer = node.layer
        if isinstance(layer, IF | LIF):
            voltages = {
                name: getattr(layer, name) * factor for name in ("v_threshold", "v_init", "v_reset", "amplitude")
            }
            layer = replace(layer, **voltages, **({"v_leak": layer.v_leak * factor} if isinstance(layer, LIF) else {}))
        elif getattr(layer, "bias", None) is not None:
            layer = replace(layer, bias=layer.bias * np.float32(factor))
        scaled.append(Node(node.name, layer, node.inputs))
    other = run(Network("scaled", network.input_shape, tuple(scaled)), x * np.float32(factor), steps)
    mine = run(network, x, steps)
    for name in network.neurons:
        assert_identical(other.spikes[name], mine.spikes[name])


@given(
    charges=st.lists(snn.dyadic(-2, 3), min_size=6, max_size=6),
    theta=st.sampled_from([0.5, 1.0, 1.75]),
    v_init=st.sampled_from([0.0, 0.25, -0.5, 2.0]),
    firing=st.sampled_from(Firing),
)
def test_the_ideal_count_follows_from_count_and_residual_alone(charges, theta, v_init, firing):
    """N = clip(floor(Q / theta), 0, T) = clip(n + floor(v / theta), 0, T), for either comparator and any v_init."""
    steps = len(charges)
    frames = np.array(charges).reshape(steps, 1, 1)
    neuron = IF(v_threshold=theta, v_init=v_init, firing=firing)
    trace = simulate(single(neuron), refsnn.Frames(frames), steps=steps, arithmetic=Float64())
    count, v = trace.counts["n"], trace.residual["n"]
    q = Fraction(v_init) + sum(Fraction(c) for c in charges)
    expected = max(0, min(steps, int(q // Fraction(theta))))
    assert ideal_count(count, v, theta, steps).item() == expected
    exact = (
        0 <= v.item() < theta or (count.item() == steps and v.item() >= theta) or (count.item() == 0 and v.item() < 0)
    )
    assert exact == (count.item() == expected)


@given(case=snn.cases())
def test_counts_equal_an_enumeration_of_connections(case):
    network, x, steps = case
    trace = run(network, x, steps)
    for node in network.nodes:
        if type(node.layer).__name__ not in ("Linear", "Conv1d", "Conv2d"):
            continue
        wires = connections(node.layer, network.shapes[node.inputs[0]])
        work = trace.activity[node.name]
        assert work.dense_ops == len(wires)
        for t in range(steps):
            for n in range(len(x)):
                values_of = partial(real_values, network, sample=x[n], t=t)
                events = events_behind(network, node.inputs[0], trace.spikes, t, n, values_of)
                if events is None:
                    values = values_of(node.inputs[0])
                    active = [value != 0 for value in values]
                    assert work.macs[t, n] == sum(active[i] for i, _ in wires)
                    assert work.synops[t, n] == 0
                    assert work.events_in[t, n] == sum(active)
                else:
                    assert work.synops[t, n] == sum(events[i] for i, _ in wires)
                    assert work.macs[t, n] == 0
                    assert work.events_in[t, n] == sum(events)


def real_values(network, name, *, sample, t):
    """The values that a node gives at step t, from the interpreter."""
    if name == "input":
        return sample.ravel().tolist()
    position = [node.name for node in network.nodes].index(name)
    summed = interpret(Network("cut", network.input_shape, network.nodes[: position + 1]), sample, t + 1)[2]
    before = summed[t - 1] if t else [Fraction(0)] * len(summed[0])
    return [a - b for a, b in zip(summed[t], before, strict=True)]
