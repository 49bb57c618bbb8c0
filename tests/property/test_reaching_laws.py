"""Laws of NodeActivity.driven: an enumeration of wires, the twins, prefix and until, what it can be at most."""

from math import prod

import numpy as np
import pytest
from brute_force import connections, windows
from brute_reach import Wires
from hypothesis import assume, given
from hypothesis import strategies as st

from refsnn import Constant, Float64, Frames, Network, Node, forward, laws, simulate
from refsnn import strategies as snn
from refsnn.kernels import bits, reach
from refsnn.layers import Add, AvgPool2d, BatchNorm, Concat, Conv2d, Flatten, Linear, MaxPool2d, SumPool2d
from refsnn.network import INPUT
from refsnn.neurons import IF, LI, Reset

shapes = st.tuples(st.sampled_from([1, 2, 4]), st.integers(1, 6), st.integers(1, 6))


def driven(network, x, steps, **options):
    activity = simulate(network, x, steps=steps, **options).activity
    return {name: activity[name].driven for name in network.stateful}


def assert_enumerated(network, drive, steps, schedule="lockstep"):
    wires = Wires(network, drive, steps, schedule)
    for backend in ("naive", "fast"):
        counted = driven(network, drive, steps, schedule=schedule, arithmetic=Float64(), backend=backend)
        for name in network.stateful:
            for t in range(steps):
                for n in range(drive.n_samples):
                    assert counted[name][t, n] == len(wires.driven(name, t, n)), (backend, name, t, n)


@given(case=snn.cases(), schedule=st.sampled_from(["lockstep", "pipeline"]))
def test_driven_neurons_equal_an_enumeration_of_wires(case, schedule):
    network, x, steps = case
    assert_enumerated(network, Constant(x), steps, schedule)


@given(
    network=snn.any_networks(),
    steps=st.integers(1, 6),
    schedule=st.sampled_from(["lockstep", "pipeline"]),
    data=st.data(),
)
def test_driven_neurons_of_every_kind_equal_an_enumeration(network, steps, schedule, data):
    """Cycles, delays, several spikes a step, spikes of -1, integrators; every drive."""
    assert_enumerated(network, data.draw(snn.drives(network)), steps, schedule)


@st.composite
def wired(draw):
    """Neurons behind what the other strategies leave out: pools of currents and of spikes, norms, sums of maps in groups, delays."""
    shape = (4, draw(st.integers(2, 5)), draw(st.integers(2, 5)))
    nodes, delays = [], st.integers(0, 2)

    def add(name, layer, *inputs):
        nodes.append(Node(name, layer, inputs, tuple(draw(delays) for _ in inputs)))

    def conv(groups):
        return Conv2d(weight=draw(snn.tensors((4, 4 // groups, 3, 3))), padding=(1, 1), groups=groups)

    ones = np.ones(4, np.float32)
    add("first", conv(draw(st.sampled_from([1, 2, 4]))), INPUT)
    add("fires", draw(snn.neurons()), "first")
    add("second", conv(draw(st.sampled_from([1, 2, 4]))), "fires")
    add("third", conv(draw(st.sampled_from([1, 2, 4]))), draw(st.sampled_from([INPUT, "fires", "first"])))
    add(
        "norm",
        BatchNorm(weight=ones, bias=ones, mean=ones, var=ones),
        draw(st.sampled_from(["second", INPUT, "fires"])),
    )
    joined = draw(st.sampled_from(["second", "third", INPUT, "fires"]))
    add("join", draw(st.sampled_from([Add(), Concat()])), "norm", joined)
    width = (8 if isinstance(nodes[-1].layer, Concat) else 4, *shape[1:])
    add("pool", draw(snn.pools(width)), "join")
    pooled = nodes[-1].layer.output_shape(width)
    add("behind", draw(snn.neurons()), "pool")
    add("spikes", draw(snn.pools(pooled)), "behind")
    add("direct", draw(snn.neurons()), "spikes")
    add("flat", Flatten(), "join")
    add("sums", LI(decay=0.5), "flat")
    add("out", draw(snn.linears(prod(width))), "sums")
    add("last", draw(snn.neurons()), "out")
    return Network("wired", shape, tuple(nodes))


@given(network=wired(), steps=st.integers(1, 4), data=st.data())
def test_driven_neurons_behind_anything_equal_an_enumeration(network, steps, data):
    assert_enumerated(network, data.draw(snn.drives(network, max_samples=1)), steps)


@given(data=st.data(), shape=shapes, seed=st.integers(0, 2**32), samples=st.integers(1, 3))
def test_a_field_is_what_the_connections_are_and_its_kernels_are_equal(data, shape, seed, samples):
    layer = data.draw(snn.convolutions(shape) | snn.pools(shape, largest=3))
    assume(getattr(layer, "groups", 1) == 1)
    pool = None
    if isinstance(layer, AvgPool2d | SumPool2d | MaxPool2d):
        wires, field = windows(layer, shape), reach.field_of(layer, shape)
    else:
        inside = shape
        if data.draw(st.booleans()):
            pool = data.draw(snn.pools(inside, kinds=(AvgPool2d, SumPool2d), largest=3))
            inside = pool.output_shape(inside)
            layer = data.draw(snn.convolutions(inside).filter(lambda conv: conv.groups == 1))
        wires, field = connections(layer, inside), reach.field_behind(layer, shape, pool)
        if pool is not None:
            through = windows(pool, shape)
            wires = [(i, o) for i, k in through for j, o in wires if j == k]
    events = np.random.Generator(np.random.PCG64(seed)).random((samples, *shape)) < 0.2
    maps = layer.output_shape(inside if pool else shape)
    expected = np.zeros((samples, prod(maps)), np.bool_)
    for i, o in wires:
        expected[:, o] |= events.reshape(samples, -1)[:, i]
    expected = expected.reshape(samples, *maps)
    if isinstance(layer, Conv2d):  # all channels are read, each output's alike
        assert (expected == expected[:, :1]).all()
        one_map, expected = events.any(1), expected[:, 0]
        assert (reach.on_bits(bits.pack(events[None]), field) == expected).all()
    else:
        one_map, expected = events.reshape(-1, *shape[1:]), expected.reshape(-1, *maps[1:])
    for kernel in (reach.naive, reach.fast):
        assert (kernel(one_map, field) == expected).all()


@given(seed=st.integers(0, 2**32), width=st.integers(60, 200), channels=st.sampled_from([1, 16, 17, 33, 64, 80, 130]))
def test_rows_longer_than_a_word_and_pixels_of_any_number_of_channels(seed, width, channels):
    spikes = np.random.Generator(np.random.PCG64(seed)).random((1, 2, channels, 2, width)) < 0.5 / channels
    conv = Conv2d(weight=np.ones((1, channels, 2, 5)), padding=(1, 2), stride=(1, 2))
    field = reach.field_of(conv, spikes.shape[2:])
    expected = reach.naive(spikes[0].any(1), field)
    assert (reach.fast(spikes[0].any(1), field) == expected).all()
    assert (reach.on_bits(bits.pack(spikes), field) == expected).all()


@given(network=snn.any_networks(), longer=st.integers(1, 3), steps=st.integers(1, 3), data=st.data())
def test_a_longer_run_begins_with_the_shorter_one_and_until_cuts_it(network, longer, steps, data):
    x = data.draw(snn.inputs(network))
    whole = simulate(network, x, steps=steps + longer).activity
    short = driven(network, x, steps)
    stopped = whole.until(np.full(len(x), steps))
    for name in network.stateful:
        assert (whole[name].driven[:steps] == short[name]).all()
        assert (stopped[name].driven[:steps] == short[name]).all()
        assert not stopped[name].driven[steps:].any()


SCHEDULES = ["lockstep", "pipeline", "integrate_then_fire", "averaged_current", "signed_correction", "srp:2", "cos:2"]


@pytest.mark.parametrize("schedule", SCHEDULES)
@given(case=snn.cases(kinds=(IF,)))
def test_no_more_neurons_are_driven_than_updated_and_only_where_somebody_worked(schedule, case):
    """Behind weight layers alone: neurons are driven exactly where accumulates or multiply-accumulates were done."""
    network, x, steps = case
    assume(steps >= 2 and all(network[name].layer.reset is Reset.SUBTRACT for name in network.neurons))
    activity = simulate(network, x, steps=steps, schedule=schedule).activity
    for name in network.neurons:
        assert (activity[name].driven <= activity[name].updates).all()
        before = activity[network[name].inputs[0]]
        if before.kind == "weight" and schedule != "cos:2":
            assert ((activity[name].driven > 0) == (before.synops + before.macs > 0)).all()
            assert (activity[name].driven <= before.synops + before.macs).all()


@pytest.mark.parametrize("schedule", ["integrate_then_fire", "averaged_current", "signed_correction", "cos:2"])
@given(case=snn.cases(kinds=(IF,)))
def test_in_other_schedules_events_drive_when_they_are_taken_in(schedule, case):
    """Once in each of T steps, what follows them being idle; in cos in the rehearsal of the first steps too."""
    network, x, steps = case
    assume(steps >= 2 and all(network[name].layer.reset is Reset.SUBTRACT for name in network.neurons))
    wires = Wires(network, Constant(x), steps, schedule)
    for name, counted in driven(network, x, steps, schedule=schedule, arithmetic=Float64()).items():
        expected = np.array([[len(wires.driven(name, t, n)) for n in range(len(x))] for t in range(steps)])
        if schedule == "cos:2":
            expected[0] += expected[:2].sum(0)
        assert (counted == expected).all()


def test_steps_in_front_drive_as_they_update():
    """By paper: srp:2 runs two steps of the same constant current in front; three neurons, one of two inputs not zero."""
    layer = Linear(weight=np.zeros((3, 2)))
    network = Network("two", (2,), (Node("w", layer, (INPUT,)), Node("n", IF(v_threshold=1.0), ("w",))))
    x = np.array([[0.0, 1.0], [0.0, 0.0]])
    activity = simulate(network, x, steps=2, schedule="srp:2").activity["n"]
    assert activity.driven.tolist() == [[9, 0], [3, 0]]
    assert activity.updates.tolist() == [[9, 9], [3, 3]]


def test_a_bias_and_a_weight_of_zero():
    """A bias alone drives nobody, an event does over whatever weight; a Linear drives all or none."""
    layer = Linear(weight=np.zeros((3, 2)), bias=np.ones(3))
    network = Network("two", (2,), (Node("w", layer, (INPUT,)), Node("n", IF(v_threshold=1.0), ("w",))))
    assert driven(network, np.array([[0.0, 0.0], [0.0, 2.0]]), 2)["n"].tolist() == [[0, 3], [0, 3]]


def test_borders_by_paper():
    """One event in the corner of 3 x 3 pixels reaches 4 of 9 outputs of a 3 x 3 kernel with padding 1, in both channels."""
    conv = Conv2d(weight=np.zeros((2, 1, 3, 3)), padding=(1, 1))
    network = Network("corner", (1, 3, 3), (Node("w", conv, (INPUT,)), Node("n", IF(v_threshold=1.0), ("w",))))
    x = np.zeros((1, 1, 3, 3))
    x[0, 0, 0, 0] = 1
    assert driven(network, x, 1)["n"].tolist() == [[8]]


@pytest.mark.parametrize("backend", ["naive", "fast"])
def test_groups_by_paper(backend):
    """A spike of the first of four channels reaches the outputs of its group: 1 of 2 groups of 3 outputs."""
    grouped = Conv2d(weight=np.zeros((6, 2, 1, 1)), groups=2)
    nodes = (
        Node("first", IF(v_threshold=1.0), (INPUT,)),
        Node("w", grouped, ("first",)),
        Node("n", IF(v_threshold=1.0), ("w",)),
    )
    x = np.zeros((1, 4, 1, 2))
    x[0, 0, 0, 0] = 1
    assert driven(Network("groups", (4, 1, 2), nodes), x, 1, backend=backend)["n"].tolist() == [[3]]


def test_around_a_cycle_of_sums_an_event_goes_on():
    """A sum that reads itself a step later hands on what it was given once: the neuron behind it is driven ever after."""
    nodes = (
        Node("w", Linear(weight=np.ones((2, 1))), (INPUT,), (1,)),
        Node("sum", Add(), ("w", "sum"), (0, 1)),
        Node("n", IF(v_threshold=100.0), ("sum",)),
    )
    once = Frames(np.array([1.0, 0, 0, 0]).reshape(4, 1, 1))
    assert driven(Network("round", (1,), nodes), once, 4)["n"].ravel().tolist() == [0, 2, 2, 2]


@given(case=snn.cases())
def test_chunks_and_samples_change_nothing(case):
    network, x, steps = case
    assert laws.sample_independence(network, np.concatenate([x, x]), steps=steps) == []


def test_a_source_network_has_no_neurons_to_drive():
    network = Network("source", (2,), (Node("w", Linear(weight=np.ones((3, 2))), (INPUT,)),))
    assert forward(network, np.ones((2, 2))).activity.total("driven") == 0
