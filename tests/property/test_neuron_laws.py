"""Every neuron with every choice, recurrent edges, delays and schedules: against the interpreter in fractions, the twins
against each other, and closed forms.
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from fraction_interpreter import interpret
from hypothesis import assume, given
from hypothesis import strategies as st
from same import assert_identical

import refsnn
from refsnn import Exact, Float32, Float64, Network, Node, Record, laws, simulate
from refsnn import strategies as snn
from refsnn.errors import UnsupportedLayerError
from refsnn.layers import Add, Linear, MaxMode, MaxPool2d
from refsnn.neurons import IF, LI, LIF, CubaLIF, Firing, Leak, Reset, ResetTime
from refsnn.properties import count_under_constant_current
from refsnn.schedules import SCHEDULES


def run(network, x, steps, backend="fast", **options):
    everything = Record(spikes=network.neurons, v=network.stateful)
    return simulate(network, x, steps=steps, record=everything, backend=backend, **options)


def fractions(array):
    return [[Fraction(number) for number in step] for step in array.tolist()]


@given(case=snn.any_cases(), arithmetic=st.sampled_from([Float64(), Exact()]))
def test_the_interpreter_in_fractions_agrees(case, arithmetic):
    network, x, steps = case
    ours = run(network, x, steps, arithmetic=arithmetic)
    for n in range(len(x)):
        spikes, v, readout = interpret(network, x[n], steps)
        for name in network.neurons:
            assert ours.spikes[name][:, n].reshape(steps, -1).tolist() == spikes[name]
            assert ours.counts[name][n].ravel().tolist() == [sum(train) for train in zip(*spikes[name], strict=True)]
        for name in network.stateful:
            assert fractions(ours.v[name][:, n].reshape(steps, -1)) == v[name]
            assert_identical(ours.residual[name], ours.v[name][-1])
        assert fractions(ours.readout[:, n]) == readout


@given(case=snn.any_cases(), arithmetic=st.sampled_from([Float32(), Float64()]), scale=st.floats(0.1, 3))
def test_naive_and_fast_round_alike(case, arithmetic, scale):
    network, x, steps = case
    x = x * scale + np.sin(np.arange(x.size)).reshape(x.shape) / 3
    assert laws.backends_equal(network, x, steps=steps, arithmetic=arithmetic) == []


@given(case=snn.any_cases(), longer=st.integers(1, 4))
def test_prefix_and_sample_independence(case, longer):
    network, x, steps = case
    assert laws.prefix(network, x, steps=steps + longer) == []
    if len(x) > 1:
        assert laws.sample_independence(network, x, steps=steps) == []


@given(case=snn.any_cases(), data=st.data())
def test_exact_decides_networks_whose_constants_round(case, data):
    """Thresholds, weights and inputs in tenths: ties in decimal that floats break. Exact agrees with the fractions."""
    network, x, steps = case

    def tenths(layer):
        changed = {}
        for name in ("v_threshold", "weight", "v_init", "decay", "current_decay"):
            value = getattr(layer, name, None)
            if value is not None:
                changed[name] = value * 0.9 if isinstance(value, float) else np.asarray(value, np.float64) * 0.9
        if getattr(layer, "leak", None) is Leak.TOWARDS:
            changed["gain"] = layer.gain * 0.9
            changed["decay"] = 1 - changed["gain"]
        return replace(layer, **changed)

    network = Network("tenths", network.input_shape, tuple(replace(n, layer=tenths(n.layer)) for n in network.nodes))
    x = x.astype(np.float64) * 0.7
    ours = run(network, x, steps, arithmetic=Exact())
    n = data.draw(st.integers(0, len(x) - 1))
    spikes, v, _ = interpret(network, x[n], steps)
    for name in network.neurons:
        assert ours.spikes[name][:, n].reshape(steps, -1).tolist() == spikes[name]
        expected = np.array([[float(p) for p in step] for step in v[name]])
        assert np.allclose(ours.v[name][:, n].reshape(steps, -1), expected, rtol=1e-9, atol=1e-9)  # near the real ones


@given(case=snn.any_cases())
def test_a_pipeline_is_lockstep_with_a_step_on_every_edge_from_a_neuron(case):
    network, x, steps = case
    assume(not any(isinstance(node.layer, MaxPool2d) and node.layer.mode is not MaxMode.OR for node in network.nodes))
    slower = tuple(
        replace(node, delays=tuple(max(d, int(s in network.neurons)) for s, d in node.edges)) for node in network.nodes
    )
    by_edges = run(Network("slow", network.input_shape, slower), x, steps)
    pipeline = run(network, x, steps, schedule="pipeline")
    assert_identical(pipeline.readout, by_edges.readout)
    for name in network.stateful:
        assert_identical(pipeline.v[name], by_edges.v[name])


@given(neuron=snn.any_neurons((3,)), currents=st.lists(snn.dyadic(-3, 3), min_size=1, max_size=12))
def test_a_reset_before_the_next_charge_changes_no_spike(neuron, currents):
    """Only the recorded potential differs from a reset in the same step; the clamp must not come in between."""
    assume(neuron.v_min is None and neuron.v_max is None)
    frames = refsnn.Frames(np.repeat(np.array(currents), 3).reshape(-1, 1, 3))
    trains = []
    for time in (ResetTime.SAME_STEP, ResetTime.BEFORE_CHARGE):
        network = Network("n", (3,), (Node("n", replace(neuron, reset_time=time), ("input",)),))
        trains.append(run(network, frames, len(currents)).spikes["n"])
    assert_identical(*trains)


@given(currents=st.lists(snn.dyadic(-3, 3), min_size=1, max_size=12), theta=st.sampled_from([0.5, 1.0, 1.25]))
def test_without_a_limit_the_count_is_the_largest_quotient_so_far(currents, theta):
    """Subtraction leaves the potential below the threshold, so n(t) = max over t of floor(Q(t) / theta), 0 at least."""
    neuron = IF(v_threshold=theta, max_spikes=None)
    frames = refsnn.Frames(np.array(currents).reshape(-1, 1, 1))
    trace = run(Network("n", (1,), (Node("n", neuron, ("input",)),)), frames, len(currents))
    quotients = np.floor(np.cumsum(currents) / theta)
    assert trace.spikes["n"].ravel().cumsum().tolist() == np.maximum.accumulate(np.maximum(quotients, 0)).tolist()


def source_like(draw_threshold, weights):
    return Network("two", (2,), (
        Node("w1", Linear(weight=weights[0]), ("input",)),
        Node("a", IF(v_threshold=draw_threshold, v_init=draw_threshold / 2), ("w1",)),
        Node("w2", Linear(weight=weights[1]), ("a",)),
        Node("b", IF(v_threshold=1.0, v_init=0.5, amplitude=0.5), ("w2",)),
        Node("out", Linear(weight=weights[2]), ("b",)),
    ))  # fmt: skip


@given(
    x=snn.tensors((3, 2)), steps=st.integers(1, 9), theta=st.sampled_from([0.5, 1.0, 1.25, 0.3]),
    weights=st.tuples(snn.tensors((3, 2)), snn.tensors((3, 3)), snn.tensors((2, 3))),
    schedule=st.sampled_from(["integrate_then_fire", "averaged_current", "signed_correction"]),
    arithmetic=st.sampled_from([Exact(), Float64()]), backend=st.sampled_from(["fast", "naive"]),
)  # fmt: skip
def test_exact_schedules_fire_as_often_as_the_quantiser(x, steps, theta, weights, schedule, arithmetic, backend):
    """clip(floor(Q / theta), 0, T) in every layer on what it received, in fractions: for any input, weights and T."""
    if arithmetic == Float64():
        theta, steps = {0.3: 0.5}.get(theta, theta), 1 << (steps % 4)  # so that nothing rounds
    network = source_like(theta, weights)
    trace = run(network, x, steps, schedule=schedule, arithmetic=arithmetic, backend=backend)
    for sample in range(len(x)):
        given_to = [Fraction(float(v)) * steps for v in x[sample]]
        for w, name in zip(weights, ("a", "b"), strict=False):
            neuron = network[name].layer
            q = [sum(Fraction(float(k)) * g for k, g in zip(row, given_to, strict=True)) for row in w]
            counts = [
                max(0, min(steps, (Fraction(neuron.v_init) + total) // Fraction(neuron.v_threshold))) for total in q
            ]
            assert trace.counts[name][sample].tolist() == counts
            given_to = [Fraction(neuron.amplitude) * count for count in counts]
            left = [
                Fraction(neuron.v_init) + total - Fraction(neuron.v_threshold) * n
                for total, n in zip(q, counts, strict=True)
            ]
            assert np.allclose(trace.residual[name][sample], [float(v) for v in left], rtol=0, atol=1e-12)


def test_what_exactness_costs_in_steps():
    network = source_like(1.0, (np.eye(3, 2), np.eye(3), np.eye(2, 3)))
    steps = {
        name: (trace.total_steps, trace.latency_steps, trace.activity["a"].updates.sum().item() // 3)
        for name in SCHEDULES
        for trace in [run(network, np.ones((1, 2)), 4, schedule=name)]
    }
    assert steps == {
        "lockstep": (4, 4, 4),
        "pipeline": (4, 4, 4),
        "integrate_then_fire": (8, 12, 8),
        "averaged_current": (8, 12, 8),
        "signed_correction": (11, 18, 11),
    }


@pytest.mark.parametrize("schedule", ["integrate_then_fire", "averaged_current", "signed_correction"])
@pytest.mark.parametrize(
    ("neuron", "found"),
    [
        (LIF(v_threshold=1.0, decay=0.5), "found LIF with reset: subtract"),
        (IF(v_threshold=1.0, reset=Reset.NONE), "found IF with reset: none"),
        (IF(v_threshold=1.0, v_min=0.0), "found IF with reset: subtract"),
        (LI(decay=0.5), "found LI with reset: none"),
    ],
)
def test_schedules_that_count_charge_refuse_neurons_that_lose_it(schedule, neuron, found):
    network = Network("n", (1,), (Node("n", neuron, ("input",)),))
    with pytest.raises(UnsupportedLayerError, match=f"n: {schedule} needs IF neurons .* {found}"):
        simulate(network, np.ones((1, 1)), steps=2, schedule=schedule)


@given(x=snn.tensors((2, 2, 4, 4)), steps=st.integers(1, 8), pool=snn.pools((2, 4, 4), kinds=(MaxPool2d,), largest=3))
def test_a_pool_that_follows_counts_sends_the_largest_of_them(x, steps, pool):
    network = Network("pool", (2, 4, 4), (
        Node("if", IF(v_threshold=1.0, v_init=0.5), ("input",)),
        Node("pool", replace(pool, mode=MaxMode.COUNT), ("if",)),
    ))  # fmt: skip
    trace = run(network, x, steps, arithmetic=Float64())
    counts = np.full((*trace.counts["if"].shape[:2], 8, 8), -1)
    counts[:, :, 2:6, 2:6] = trace.counts["if"]
    out = trace.readout[-1].reshape(len(x), *network.shapes["pool"])
    (ky, kx), (sy, sx), (py, px) = pool.kernel, pool.strides, pool.padding
    for n, c, y, z in np.ndindex(out.shape):
        top, left = 2 + y * sy - py, 2 + z * sx - px
        assert out[n, c, y, z] == counts[n, c, top : top + ky, left : left + kx].max()


def test_a_spike_goes_around_a_ring_of_two_with_its_delays():
    """By paper: one current at t = 1, a threshold of 1; the spike comes back 1 + 2 steps later, and again."""
    network = Network("ring", (1,), (
        Node("in", Linear(weight=np.eye(1)), ("input",)),
        Node("sum", Add(), ("in", "b"), (0, 1)),
        Node("a", IF(v_threshold=1.0), ("sum",)),
        Node("b", IF(v_threshold=1.0), ("a",), (2,)),
    ))  # fmt: skip
    frames = refsnn.Frames(np.eye(10, 1).reshape(10, 1, 1))
    trace = run(network, frames, 10)
    assert trace.spikes["a"].ravel().nonzero()[0].tolist() == [0, 3, 6, 9]
    assert trace.spikes["b"].ravel().nonzero()[0].tolist() == [2, 5, 8]


def test_a_synapse_by_paper():
    """i = i/2 + x, v = v/2 + i, one current of 4: i = 4 2 1 1/2, v = 4 4 3 2; threshold 5 is never reached."""
    neuron = CubaLIF(v_threshold=5.0, decay=0.5, current_decay=0.5)
    network = Network("n", (1,), (Node("n", neuron, ("input",)),))
    trace = run(network, refsnn.Frames(np.array([4.0, 0, 0, 0]).reshape(4, 1, 1)), 4)
    assert trace.v["n"].ravel().tolist() == [4.0, 4.0, 3.0, 2.0]


def test_a_leaky_readout_by_paper():
    network = Network("n", (1,), (Node("n", LI(decay=0.5, v_init=8.0), ("input",)),))
    trace = run(network, np.ones((1, 1)), 3)
    assert trace.readout.ravel().tolist() == [5.0, 8.5, 11.25]  # v = 5, 3.5, 2.75
    assert trace.counts == {}


@given(current=snn.dyadic(-2, 2), theta=st.sampled_from([0.5, 1.0]), steps=st.integers(1, 9))
def test_thresholds_of_channels_are_thresholds_of_their_own(current, theta, steps):
    thresholds = np.array([theta, 2 * theta])
    neuron = IF(v_threshold=thresholds, v_init=thresholds / 2, amplitude=thresholds)
    network = Network("n", (2, 1, 2), (Node("n", neuron, ("input",)),))
    trace = run(network, np.full((1, 2, 1, 2), current), steps)
    expected = [count_under_constant_current(current, t, t / 2, steps) for t in thresholds for _ in range(2)]
    assert trace.counts["n"].ravel().tolist() == expected
    assert trace.readout[-1].ravel().tolist() == [
        n * t for n, t in zip(expected, np.repeat(thresholds, 2), strict=True)
    ]


@given(firing=st.sampled_from(Firing), v=snn.dyadic(-3, 3))
def test_a_negative_spike_gives_the_threshold_back(firing, v):
    neuron = IF(v_threshold=1.0, v_init=v, v_negative=-1.0, negative_firing=firing)
    trace = run(Network("n", (1,), (Node("n", neuron, ("input",)),)), np.zeros((1, 1)), 1)
    fires = v < -1 or (v == -1 and firing is Firing.AT_THRESHOLD)
    assert trace.counts["n"].item() == (-1 if fires else int(v >= 1))
    assert trace.residual["n"].item() == v - trace.counts["n"].item()


@given(
    case=snn.cases() | snn.any_cases(),
    arithmetic=st.sampled_from([Float32(), Float64(), Exact()]),
    longer=st.integers(0, 3),
)
def test_what_is_recorded_changes_nothing(case, arithmetic, longer):
    """Recorded potentials need currents that stand in memory; without them spikes go as bits from neuron to neuron."""
    network, x, steps = case
    x = x * 0.7
    whole = run(network, x, steps, arithmetic=arithmetic)
    bare = simulate(network, x, steps=steps, arithmetic=arithmetic, backend="fast")
    assert_identical(bare.readout, whole.readout)
    for name in network.neurons:
        assert_identical(bare.counts[name], whole.counts[name])
        assert_identical(bare.residual[name], whole.residual[name])
    for ours, theirs in zip(bare.activity.nodes, whole.activity.nodes, strict=True):
        for count, values in ours.counts().items():
            assert_identical(values, theirs.counts()[count])
    assert_identical(
        simulate(network, x, steps=steps + longer, arithmetic=arithmetic, backend="fast").readout[:steps], whole.readout
    )


@given(case=snn.cases(), data=st.data())
def test_exact_on_bits_decides_as_fractions_do(case, data):
    """As above with constants that round, without records: the packed kernels' doubts."""
    network, x, steps = case
    thirds = {"v_threshold": 0.9, "v_init": 0.9, "decay": 0.9}

    def rough(layer):
        return replace(layer, **{k: getattr(layer, k) * f for k, f in thirds.items() if hasattr(layer, k)})

    network = Network("rough", network.input_shape, tuple(replace(n, layer=rough(n.layer)) for n in network.nodes))
    x = x.astype(np.float64) * 0.9
    ours = simulate(network, x, steps=steps, arithmetic=Exact(), backend="fast", record=Record(spikes=network.neurons))
    n = data.draw(st.integers(0, len(x) - 1))
    spikes, _, _ = interpret(network, x[n], steps)
    for name in network.neurons:
        assert ours.spikes[name][:, n].reshape(steps, -1).tolist() == spikes[name]
        assert ours.counts[name][n].ravel().tolist() == [sum(train) for train in zip(*spikes[name], strict=True)]


@pytest.mark.parametrize("schedule", ["integrate_then_fire", "averaged_current", "signed_correction"])
@pytest.mark.parametrize("steps", [2, 4])
def test_every_sequence_of_currents_ends_at_the_quantisers_count(schedule, steps):
    """All sequences of nine currents from -14 to 14 on a threshold of 4, from v = 2: counts and what is left.

    One correction step fewer would be too few for some of them, and saturated neurons keep what they could not send.
    """
    currents = np.array(np.meshgrid(*[[-14, -8, -5, -1, 0, 2, 4, 7, 14]] * steps)).reshape(steps, -1, 1).astype(float)
    network = Network("n", (1,), (Node("n", IF(v_threshold=4.0, v_init=2.0), ("input",)),))
    for backend in ("fast", "naive"):
        trace = run(network, refsnn.Frames(currents), steps, schedule=schedule, arithmetic=Float64(), backend=backend)
        q = 2 + currents[:, :, 0].sum(0)
        expected = np.clip(np.floor(q / 4), 0, steps)
        assert (trace.counts["n"][:, 0] == expected).all()
        assert (trace.residual["n"][:, 0] == q - 4 * expected).all()


def test_exact_counts_multiples_of_the_threshold_in_real_numbers():
    """k inputs of weight 0.1 on a threshold of 0.1 are k spikes; float64 adds up to less than that for some k."""
    floats = 0
    for k in range(2, 60):
        network = Network("n", (k,), (
            Node("w", Linear(weight=np.full((1, k), 0.1)), ("input",)),
            Node("n", IF(v_threshold=0.1, max_spikes=None), ("w",)),
        ))  # fmt: skip
        for backend in ("fast", "naive"):
            trace = simulate(network, np.ones((1, k)), steps=1, arithmetic=Exact(), backend=backend)
            assert trace.counts["n"].item() == k
        floats += simulate(network, np.ones((1, k)), steps=1, arithmetic=Float64()).counts["n"].item() != k
    assert floats > 0


def test_exact_decides_the_negative_threshold_in_real_numbers():
    """Ten times -0.1 is -1.0 in tenths of the float 0.1: at the negative threshold of ten of them, though float64 stops short."""
    tenth = 0.1
    network = Network("n", (10,), (
        Node("w", Linear(weight=np.full((1, 10), -tenth)), ("input",)),
        Node("n", IF(v_threshold=1.0, v_negative=-float(10 * tenth)), ("w",)),
    ))  # fmt: skip
    counts = {
        arithmetic.name: simulate(network, np.ones((1, 10)), steps=1, arithmetic=arithmetic, backend="fast")
        .counts["n"]
        .item()
        for arithmetic in (Exact(), Float64())
    }
    # in real numbers ten floats of 0.1 are a little more than 1.0, so at or below -1.0; float64's ordered sum is -0.999...
    assert counts == {"Exact": -1, "Float64": 0}


@given(
    theta=st.sampled_from([0.1, 0.3, 0.6, 1.0, 1.5]),
    decay=st.sampled_from([1.0, 0.9]),
    v_init=st.sampled_from([0.0, 0.1]),
)
def test_exact_looks_through_an_integrator(theta, decay, v_init):
    """Sums of sums of tenths, next to thresholds in tenths: doubts that only the integrator's real values settle."""
    network = Network("n", (1,), (
        Node("li", LI(decay=decay, v_init=v_init), ("input",)),
        Node("n", IF(v_threshold=theta, reset=Reset.NONE), ("li",)),
    ))  # fmt: skip
    x = np.array([[0.1]])
    spikes, _, _ = interpret(network, x[0], 5)
    assert run(network, x, 5, arithmetic=Exact()).spikes["n"][:, 0].tolist() == spikes["n"]
