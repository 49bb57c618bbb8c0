"""Laws of the schedules that learn from residual potentials, SRP and COS: twins, an interpreter in fractions, what they cost."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from fraction_interpreter import Cell, _add, _conv, _conv1d, _exact, _flat, _linear, _numbers, _pool, _scaled, _shaped
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from same import assert_identical, assert_same_trace

from refsnn import Exact, FixedPoint, Float32, Float64, Frames, Network, Node, Q, Record, convert, simulate, verify
from refsnn import strategies as snn
from refsnn.errors import ShapeError, SpecError, UnsupportedLayerError
from refsnn.layers import QCFS, Linear, MaxMode, MaxPool2d
from refsnn.neurons import IF, LIF, Reset

schedules = st.sampled_from(["srp:1", "srp:2", "srp", "cos:1", "cos:2", "cos:3"])


def run(network, x, steps, **options):
    return simulate(network, x, steps=steps, record=Record(spikes=network.neurons, v=network.neurons), **options)


def subtracting(network):
    return all(network[name].layer.reset is Reset.SUBTRACT for name in network.neurons)


@given(case=snn.cases(kinds=(IF,), largest_pool=3), schedule=schedules, scale=st.floats(0.1, 3), arithmetic=st.sampled_from([Float32(), Float64()]))  # fmt: skip
def test_naive_and_fast_are_equal_bit_for_bit(case, schedule, scale, arithmetic):
    network, x, steps = case
    assume(subtracting(network) and steps >= 3)
    options = {"schedule": schedule, "arithmetic": arithmetic}
    fast = run(network, x * scale, steps, backend="fast", **options)
    assert_same_trace(run(network, x * scale, steps, backend="naive", **options), fast)


def decimal(network):
    """Weights, biases and voltages times 0.1 and rounded: what were ties is decided by these roundings now."""
    nodes = []
    for node in network.nodes:
        layer = node.layer
        if isinstance(layer, IF):
            layer = replace(layer, v_threshold=layer.v_threshold * 0.1, v_init=layer.v_init * 0.1)
        elif hasattr(layer, "weight"):
            bias = None if layer.bias is None else layer.bias * 0.1
            layer = replace(layer, weight=layer.weight * 0.1, bias=bias)
        nodes.append(Node(node.name, layer, node.inputs))
    return Network(network.name, network.input_shape, tuple(nodes))


def srp(layer, currents, front):
    """[(spikes, v)] of one neuron, those in front included."""
    cell, result = Cell(layer), []
    result += [(cell.step(current), cell.v) for current in currents[:front]]
    speaks = cell.v > Fraction(layer.v_threshold) / 1000
    cell = Cell(layer)
    for current in currents[front:]:
        fired = cell.step(current)
        result.append((fired if speaks else 0, cell.v))
    return result


def cos(layer, currents, rehearsed):
    """[(spikes, v)] of one neuron in the run that counts."""
    theta, cell, with_spike, without = Fraction(layer.v_threshold), Cell(layer), [], []
    for current in currents[:rehearsed]:
        before = cell.v + current
        if cell.step(current):
            with_spike.append(before)
        else:
            without.append(cell.v)
    left, cell = cell.v, Cell(layer)
    if left < 0 and with_spike:
        cell.v -= max(theta, min(with_spike) - Fraction(999, 1000) * theta)
    elif left >= theta and without:
        cell.v += max(theta, Fraction(1001, 1000) * theta - max(without))
    return [(cell.step(current), cell.v) for current in currents]


def interpreted(network, sample, steps, schedule):
    """(spikes, v, readout) as fraction_interpreter.interpret gives them, layer by layer, over the steps that count."""
    kind, _, before = schedule.partition(":")
    before = int(before or 4)
    front = before if kind == "srp" else 0
    values, spikes, v = {"input": [_exact(_numbers(sample))] * (front + steps)}, {}, {}
    for node in network.nodes:
        sources = [values[name] for name in node.inputs]
        if isinstance(node.layer, IF):
            currents = [_flat(step) for step in sources[0]]
            fire = srp if kind == "srp" else cos
            trains = [fire(node.layer, [step[m] for step in currents], before) for m in range(len(currents[0]))]
            worth = Fraction(node.layer.amplitude)
            values[node.name] = [
                _shaped([train[t][0] * worth for train in trains], sources[0][t]) for t in range(front + steps)
            ]
            spikes[node.name] = [[train[t][0] for train in trains] for t in range(front, front + steps)]
            v[node.name] = [[train[t][1] for train in trains] for t in range(front, front + steps)]
        else:
            values[node.name] = [
                layer_value(node.layer, [source[t] for source in sources]) for t in range(front + steps)
            ]
    outputs = [_flat(step) for step in values[network.nodes[-1].name][front:]]
    return (
        spikes,
        v,
        [[sum(step[k] for step in outputs[: t + 1]) for k in range(len(outputs[0]))] for t in range(steps)],
    )


def layer_value(layer, sources):
    kind = type(layer).__name__
    if kind == "Concat":
        return [plane for source in sources for plane in source]
    if kind == "Scale":
        return _scaled(sources[0], Fraction(layer.factor))
    if kind == "Flatten":
        return _flat(sources[0])
    if kind == "Add":
        return _add(sources)
    return {"Linear": _linear, "Conv1d": _conv1d, "Conv2d": _conv}.get(kind, _pool)(layer, sources[0])


@settings(max_examples=60)
@given(case=snn.cases(kinds=(IF,)), schedule=schedules, off_grid=st.booleans())
def test_exact_runs_are_those_of_fractions(case, schedule, off_grid):
    network, x, steps = case
    assume(subtracting(network) and steps >= 3)
    network = decimal(network) if off_grid else network
    ours = run(network, x, steps, schedule=schedule, arithmetic=Exact())
    for n in range(len(x)):
        spikes, v, readout = interpreted(network, x[n], steps, schedule)
        for name in network.neurons:
            assert ours.spikes[name][:, n].reshape(steps, -1).tolist() == spikes[name]
            assert ours.counts[name][n].ravel().tolist() == [sum(train) for train in zip(*spikes[name], strict=True)]
            expected = np.array([[float(p) for p in step] for step in v[name]])
            assert np.allclose(ours.v[name][:, n].reshape(steps, -1), expected, rtol=1e-9, atol=1e-9)
            assert_identical(ours.residual[name], ours.v[name][-1])
        expected = np.array([[float(y) for y in step] for step in readout])
        assert np.allclose(ours.readout[:, n], expected, rtol=1e-9, atol=1e-9)


def chain(theta, weights):
    """Two layers of neurons and a readout, all connected."""
    first, second, last = (Linear(weight=w) for w in weights)
    neuron = IF(v_threshold=theta, v_init=theta / 2, amplitude=theta)
    return Network("chain", (first.weight.shape[1],), (
        Node("w1", first, ("input",)), Node("a", neuron, ("w1",)), Node("w2", second, ("a",)), Node("b", neuron, ("w2",)),
        Node("out", last, ("b",)),
    ))  # fmt: skip


chains = st.builds(chain, st.sampled_from([0.5, 1.0, 1.25]), st.tuples(*map(snn.tensors, [(4, 3), (5, 4), (2, 5)])))


@given(
    network=chains,
    x=snn.tensors((2, 3)),
    schedule=schedules,
    arithmetic=st.sampled_from([Float32(), Exact()]),
    data=st.data(),
)
def test_every_neuron_has_its_own_threshold(network, x, schedule, arithmetic, data):
    """A layer of neurons with other thresholds, seen one by one, is as many layers of one."""
    theta = np.array(data.draw(st.lists(st.sampled_from([0.5, 1.0, 1.25]), min_size=4, max_size=4)))
    cut = Network("cut", network.input_shape, network.nodes[:2])
    options = {"schedule": schedule, "arithmetic": arithmetic}

    def with_threshold(values):
        layer = replace(network["a"].layer, v_threshold=values, v_init=values / 2, amplitude=values)
        return run(Network("cut", cut.input_shape, (cut.nodes[0], Node("a", layer, ("w1",)))), x, 4, **options)

    together = with_threshold(theta)
    for m, value in enumerate(theta.tolist()):
        alone = with_threshold(value)
        assert_identical(together.spikes["a"][..., m], alone.spikes["a"][..., m])
        assert_identical(together.v["a"][..., m], alone.v["a"][..., m])


@settings(max_examples=300)
@given(
    currents=st.lists(snn.dyadic(-3, 3, bits=1), min_size=6, max_size=6),
    start=st.sampled_from([0.0, 0.5, 1.0]),
    theta=st.sampled_from([0.5, 1.0, 1.5]),
    scale=st.sampled_from([1.0, 0.1, 0.7]),
    schedule=st.sampled_from(["srp:2", "srp:3", "cos:2", "cos:3", "cos:6"]),
)
def test_a_neuron_under_any_current_is_that_of_fractions(currents, start, theta, scale, schedule):
    """Multiples of 0.1 and 0.7: what is left is often 0, or the threshold, but for roundings."""
    neuron = IF(v_threshold=theta * scale, v_init=start * theta * scale)
    kind, _, before = schedule.partition(":")
    steps = len(currents) - (int(before) if kind == "srp" else 0)
    scaled = [current * scale for current in currents]
    network = Network("one", (1,), (Node("n", neuron, ("input",)),))
    frames = Frames(np.array(scaled).reshape(-1, 1, 1))
    ours = run(network, frames, steps, schedule=schedule, arithmetic=Exact())
    fire = srp if kind == "srp" else cos
    expected = fire(neuron, [Fraction(current) for current in scaled], int(before))[-steps:]
    assert ours.spikes["n"].ravel().tolist() == [fired for fired, _ in expected]
    assert np.allclose(ours.v["n"].ravel(), [float(v) for _, v in expected], rtol=0, atol=1e-12)


@given(case=snn.cases(kinds=(IF,)), schedule=schedules, longer=st.integers(0, 4))
def test_a_longer_run_begins_with_the_shorter_one(case, schedule, longer):
    """Its activity too: what the steps before cost stands in the first step of both."""
    network, x, steps = case
    assume(subtracting(network) and steps >= 3)
    short, long = (run(network, x, t, schedule=schedule) for t in (steps, steps + longer))
    assert_identical(long.readout[:steps], short.readout)
    for name in network.neurons:
        assert_identical(long.spikes[name][:steps], short.spikes[name])
    for ours, theirs in zip(long.activity.nodes, short.activity.nodes, strict=True):
        for name, counts in theirs.counts().items():
            assert_identical(ours.counts()[name][:steps], counts)


@given(network=chains, x=snn.tensors((2, 3)), steps=st.integers(3, 6), schedule=schedules)
def test_what_the_steps_before_cost_stands_in_the_first(network, x, steps, schedule):
    trace = run(network, x, steps, schedule=schedule)
    kind, _, before = schedule.partition(":")
    before = int(before or 4)
    assert trace.total_steps == steps + before
    assert trace.latency_steps == steps + (before if kind == "srp" else 2 * before)
    first = np.zeros((steps, 1), np.int64)
    first[0] = before
    front = simulate(network, x, steps=before).activity  # what the network does in lockstep
    sent = {name: trace.spikes[name].reshape(steps, 2, -1).sum(2) for name in network.neurons}
    seen = {name: sent[name].copy() for name in network.neurons}  # by whoever reads the spikes
    for name in network.neurons:
        if kind == "srp":
            sent[name][0] += front[name].spikes_out.sum(0)
        elif name == "a":
            seen[name][0] += sent[name][:before].sum(0)
    seen = sent if kind == "srp" else seen
    activity = trace.activity
    for name, size in (("a", 4), ("b", 5)):
        assert activity[name].updates.tolist() == (size * (1 + first) * np.ones((1, 2))).tolist()
        assert activity[name].spikes_out.tolist() == sent[name].tolist()
    assert activity["w1"].macs.tolist() == (4 * (1 + first) * (x != 0).sum(1)).tolist()
    assert activity["w2"].synops.tolist() == (5 * seen["a"]).tolist()
    assert activity["w2"].events_in.tolist() == seen["a"].tolist()
    assert activity["out"].synops.tolist() == (2 * seen["b"]).tolist()


def single(currents, schedule, **options):
    """Spike count of one neuron, threshold 1 from 1/2, under these currents."""
    neuron = options.pop("neuron", IF(v_threshold=1.0, v_init=0.5))
    network = Network("one", (1,), (Node("n", neuron, ("input",)),))
    frames = Frames(np.array(currents, float).reshape(-1, 1, 1))
    return simulate(network, frames, schedule=schedule, **options)


def test_on_paper():
    """2, -2, 0: one spike too many, v = -1/2 is left. 0, 0, 2: one too few, v = 3/2 is left."""
    assert single([2, -2, 0], "lockstep", steps=3).counts["n"].item() == 1
    assert single([2, -2, 0] * 2, "srp:3", steps=3).counts["n"].item() == 0
    surplus = single([2, -2, 0], "cos:3", steps=3, arithmetic=Float64())  # from 1/2 - (2.5 - 0.999) = -1.001
    assert surplus.counts["n"].item() == 0
    assert surplus.residual["n"].item() == pytest.approx(-1.001)
    assert single([0, 0, 2], "lockstep", steps=3).counts["n"].item() == 1
    assert single([0, 0, 2], "cos:3", steps=3).counts["n"].item() == 2  # from 1.5: the first step fires
    assert single([0, 0, 2] * 2, "srp:3", steps=3).counts["n"].item() == 1  # SRP repairs no deficit


def test_a_neuron_that_fired_in_every_step_keeps_its_potential():
    """Nothing is missing: T spikes are all there can be."""
    assert single([3, 3, -9], "cos:2", steps=3).residual["n"].item() == 0.5 + 3 + 3 - 9 - 2


def test_the_silent_fire_inside():
    trace = single([-1, 2, 2], "srp:1", steps=2)
    assert trace.counts["n"].item() == 0
    assert trace.residual["n"].item() == 0.5 + 2 + 2 - 2


def test_exact_decides_who_is_silent():
    """The float 0.001 is more than a thousandth, by less than float64's product of the threshold with it can tell."""
    neuron = IF(v_threshold=1.0, v_init=0.001)
    options = {"steps": 1, "neuron": neuron}
    assert single([0, 1], "srp:1", arithmetic=Float64(), **options).counts["n"].item() == 0
    assert single([0, 1], "srp:1", arithmetic=Exact(), **options).counts["n"].item() == 1


@pytest.mark.parametrize(
    ("start", "currents"),
    [
        (0.1, [1.2, -0.30000000000000004]),  # 0 is left; in real numbers less, after a spike
        (0.1, [0.2, 1.7]),  # 1 is left; in real numbers less
        (0.3, [0.7, -0.5]),  # reaches 1 at once; in real numbers not, and nothing has to be corrected
    ],
)
def test_exact_decides_what_is_left(start, currents):
    neuron = IF(v_threshold=1.0, v_init=start)
    expected = cos(neuron, [Fraction(current) for current in currents], 2)
    traces = [single(currents, "cos:2", steps=2, arithmetic=kind, neuron=neuron) for kind in (Exact(), Float64())]
    exact, rounded = ((trace.counts["n"].item(), round(trace.residual["n"].item(), 12)) for trace in traces)
    assert exact == (sum(fired for fired, _ in expected), round(float(expected[-1][1]), 12))
    assert rounded != exact


def test_frames_have_to_last_for_the_steps_in_front_too():
    with pytest.raises(ShapeError, match="the drive has 5 frames, the run asks for 7 steps"):
        single([1] * 5, "srp", steps=3)


def test_the_number_of_steps_is_in_the_name():
    assert single([1] * 8, "srp", steps=4).schedule == "srp:4"
    assert single([1] * 6, "cos:2", steps=4).schedule == "cos:2"


PLAIN = Network("n", (1,), (Node("n", IF(v_threshold=1.0), ("input",)),))


@pytest.mark.parametrize(
    ("network", "options", "kind", "message"),
    [
        (PLAIN, {"schedule": "srp:0"}, SpecError,
         "schedule: 'srp:0': expected a whole number of at least 1 behind the colon, as in 'srp:4'"),
        (PLAIN, {"schedule": "cos:x"}, SpecError,
         "schedule: 'cos:x': expected a whole number of at least 1 behind the colon, as in 'cos:4'"),
        (PLAIN, {"schedule": "cos"}, SpecError,
         "schedule: cos:4 rehearses the first 4 of T steps, but T is 2; take more steps, or cos:2"),
        (PLAIN, {"schedule": "srq"}, SpecError, "schedule: 'srq' is none; did you mean 'srp'?"),
        (PLAIN, {"schedule": "lockstep:2"}, SpecError, "schedule: 'lockstep:2' is none; did you mean 'lockstep'?"),
        (Network("l", (1,), (Node("n", LIF(v_threshold=1.0, decay=0.5), ("input",)),)), {"schedule": "srp"},
         UnsupportedLayerError,
         "n: srp:4 needs IF neurons with reset: subtract, whose charge is not lost; found LIF with reset: subtract"),
        (Network("d", (1,), (Node("n", IF(v_threshold=1.0), ("input",), (1,)),)), {"schedule": "srp"}, UnsupportedLayerError,
         "n: srp:4 works on all steps of a layer at once; an edge with a delay needs lockstep"),
        (Network("m", (1, 2, 2), (Node("n", IF(v_threshold=1.0), ("input",)),
                                  Node("p", MaxPool2d(kernel=2, mode=MaxMode.COUNT), ("n",)))), {"schedule": "srp"},
         UnsupportedLayerError,
         "p: MaxPool2d with mode: count would go on counting from the steps that srp:4 runs in front; use cos, or a network "
         "without it"),
        (PLAIN, {"schedule": "srp", "arithmetic": FixedPoint(Q(8, 4), Q(16, 4), Q(16, 4))}, UnsupportedLayerError,
         "fixed point runs in lockstep or pipeline; srp sums or compares what has no format"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_so(network, options, kind, message):
    with pytest.raises(kind) as error:
        simulate(network, np.ones((1, *network.input_shape)), steps=2, **options)
    assert str(error.value) == message


@pytest.mark.parametrize("schedule", ["srp", "cos:2"])
def test_verify_knows_that_the_charge_is_gone(schedule):
    network = Network("one", (1,), (Node("n", QCFS(threshold=1.0, levels=4), ("input",)),))
    with pytest.raises(
        UnsupportedLayerError, match=f"schedule {schedule}: verify reads from potentials what a layer received"
    ):
        verify(network, convert(network), np.ones((1, 1)), steps=4, schedule=schedule)
