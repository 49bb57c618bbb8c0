"""Laws of core_activity: an enumeration of wires and spikes, sums over cores, packets and events, one core, until."""

import numpy as np
import pytest
from brute_cores import Cores
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from refsnn import Constant, FixedPoint, Float64, Frames, Network, Node, Q, Record, core_activity, simulate
from refsnn import strategies as snn
from refsnn.errors import ShapeError, SpecError, UnsupportedLayerError
from refsnn.layers import (
    Add,
    AvgPool2d,
    BatchNorm,
    Concat,
    Conv1d,
    Conv2d,
    Flatten,
    GlobalAvgPool2d,
    Linear,
    MaxMode,
    MaxPool2d,
    Scale,
)
from refsnn.network import INPUT
from refsnn.neurons import IF, LI
from refsnn.trace import Blocks, core_ranges, neuron_groups

RECORDED = ("synops", "macs", "updates", "driven", "spikes")


def traced(network, drive, steps, **options):
    integrators = tuple(name for name in network.stateful if name not in network.neurons)
    record = Record(spikes=network.neurons, v=integrators)
    return simulate(network, drive, steps=steps, record=record, **options)


def placed(draw, network, trace):
    """Cores for every group, from one to more than it has neurons."""
    groups = dict.fromkeys(neuron_groups(trace.activity).values())
    numbers = {group: draw(st.integers(1, 1 + min(6, int(np.prod(network.shapes[group]))))) for group in groups}
    if draw(st.booleans()):
        return numbers
    return {group: Blocks(draw(st.integers(1, 3)), draw(st.integers(1, 3))) for group in groups}


def assert_enumerated(network, drive, steps, schedule, data):
    trace = traced(network, drive, steps, schedule=schedule, arithmetic=Float64())
    cores = placed(data.draw, network, trace)
    wires = Cores(network, drive, steps, schedule).shared(cores)
    if not wires.countable():
        with pytest.raises(UnsupportedLayerError):
            core_activity(network, trace, cores, drive)
        return False
    counted, expected = core_activity(network, trace, cores, drive), wires.counts()
    for kind, of_nodes in expected.items():
        ours = getattr(counted, kind)
        assert {name for name in ours if ours[name].any()} <= set(of_nodes)
        for name, values in of_nodes.items():
            assert name in ours, (kind, name)
            assert ours[name].dtype == np.int64
            assert (ours[name] == values).all(), (kind, name)
    assert_adds_up(network, trace, counted)
    return True


def assert_adds_up(network, trace, counted):
    """Over cores to the activity; packets over the cores they come from to the events of those that spikes alone make."""
    for node in network.nodes:
        work = trace.activity[node.name]
        for kind in RECORDED:
            if node.name in getattr(counted, kind):
                total = getattr(counted, kind)[node.name].sum(0)
                assert (total == (work.spikes_out if kind == "spikes" else getattr(work, kind))).all()
            else:
                assert not (work.spikes_out if kind == "spikes" else getattr(work, kind)).any()
    for name, events in counted.events.items():
        sent = [packets.sum(0) for (_, node), packets in counted.packets.items() if node == name]
        if sent and _reads_only_neurons(network, name):
            assert (sum(sent) == events).all()


def _reads_only_neurons(network, name):
    waiting = list(network[name].inputs)
    while waiting:
        here = waiting.pop()
        if here == INPUT:
            return False
        if here not in network.neurons:
            if here in network.stateful or hasattr(network[here].layer, "weight"):
                return False
            waiting += network[here].inputs
    return True


@settings(suppress_health_check=list(HealthCheck))
@given(case=snn.cases(), schedule=st.sampled_from(["lockstep", "pipeline"]), data=st.data())
def test_counts_of_cores_equal_an_enumeration(case, schedule, data):
    network, x, steps = case
    assume(assert_enumerated(network, Constant(x), steps, schedule, data))


@given(
    network=snn.any_networks(),
    steps=st.integers(1, 4),
    schedule=st.sampled_from(["lockstep", "pipeline"]),
    data=st.data(),
)
def test_counts_of_cores_of_every_kind_of_neuron_equal_an_enumeration(network, steps, schedule, data):
    drive = data.draw(snn.drives(network, max_samples=2))
    assert assert_enumerated(network, drive, steps, schedule, data)


@st.composite
def wired(draw):
    """Everything that may stand between spikes, weights and neurons, with delays on every edge."""
    shape, nodes = (2, draw(st.integers(2, 4)), draw(st.integers(2, 4))), []
    delays, ones = st.sampled_from([0, 0, 0, 0, 1, 2]), np.ones(4, np.float32)

    def add(name, layer, *inputs):
        nodes.append(Node(name, layer, inputs, tuple(draw(delays) for _ in inputs)))

    def conv(inputs, groups, outputs=4):
        return Conv2d(weight=draw(snn.tensors((outputs, inputs // groups, 3, 3))), padding=(1, 1), groups=groups)

    one, other, third = (draw(st.sampled_from([1, 2])) for _ in range(3))
    add("first", conv(2, one), INPUT)
    add("norm", BatchNorm(weight=ones, bias=2 * ones, mean=ones, var=ones), "first")
    add("fires", draw(snn.neurons()), "norm")
    add("second", conv(4, other), "fires")
    add("scaled", Scale(factor=0.5), "second")
    add("residual", Add(), "scaled", *draw(st.sampled_from([["fires"], ["fires", "fires"], ["second"]])))
    add("sums", draw(st.sampled_from([IF(v_threshold=1.0), LI(decay=0.5)])), "residual")
    join = draw(st.sampled_from([Add(), Concat()]))
    add("spikes", join, "fires", "fires")
    wide = 8 if isinstance(join, Concat) else 4
    add("pooled", draw(snn.pools((wide, *shape[1:]))), "spikes")
    read = nodes[-1].layer.output_shape((wide, *shape[1:]))
    add("left", conv(wide, third), "pooled")
    add("right", conv(wide, 1, 2), "pooled")
    add("wide", Concat(), "left", "right")
    add("both", draw(snn.neurons()), "wide")
    add("flat", Flatten(), "both")
    add("more", Flatten(), "sums")
    add("all", Concat(), "flat", "more")
    count = 6 * read[1] * read[2] + 4 * shape[1] * shape[2]
    add("dense", draw(snn.linears(count, 3)), "all")
    add("last", draw(snn.neurons()), "dense")
    if draw(st.booleans()):
        add("readout", draw(snn.linears(3, 5)), "last")
    return Network("wired", shape, tuple(nodes))


@settings(suppress_health_check=list(HealthCheck))
@given(network=wired(), steps=st.integers(2, 5), data=st.data())
def test_whatever_stands_between_spikes_weights_and_neurons(network, steps, data):
    drive = data.draw(snn.drives(network, max_samples=1))
    doubled = network["residual"].inputs[1] == "second"  # its outputs come twice
    assert assert_enumerated(network, drive, steps, "lockstep", data) != doubled


def corner(**options):
    """3 x 3 pixels, a 3 x 3 kernel, two channels: 18 neurons, then a readout of 3."""
    conv = Conv2d(weight=np.zeros((2, 1, 3, 3)), padding=(1, 1))
    nodes = (
        Node("first", IF(v_threshold=1.0, **options), (INPUT,)),
        Node("conv", conv, ("first",)),
        Node("second", IF(v_threshold=1.0), ("conv",)),
        Node("flat", Flatten(), ("second",)),
        Node("out", Linear(weight=np.ones((3, 18))), ("flat",)),
    )
    return Network("corner", (1, 3, 3), nodes)


def test_a_spike_in_the_corner_by_paper():
    """It reaches pixels 0, 1, 3, 4 of both channels, neurons 0, 1, 3, 4 and 9, 10, 12, 13: on cores of neurons 0-4, 5-9, 10-14 and
    15-17 that are 4, 1, 3 and none.
    """
    x = np.zeros((1, 1, 3, 3))
    x[0, 0, 0, 0] = 1
    network = corner()
    trace = traced(network, x, 1)
    counted = core_activity(network, trace, {"first": 2, "second": 4, "out": 1}, x)
    assert counted.synops["conv"][:, 0, 0].tolist() == [4, 1, 3, 0]
    assert counted.events["conv"][:, 0, 0].tolist() == [1, 1, 1, 0]
    assert counted.driven["second"][:, 0, 0].tolist() == [4, 1, 3, 0]
    assert counted.updates["second"][:, 0, 0].tolist() == [5, 5, 5, 3]
    assert counted.packets["first", "conv"][:, :, 0, 0].tolist() == [[1, 1, 1, 0], [0, 0, 0, 0]]
    assert counted.spikes["first"][:, 0, 0].tolist() == [1, 0]
    assert counted.updates["first"][:, 0, 0].tolist() == [5, 4]
    assert counted.events["first"][:, 0, 0].tolist() == [1, 0]  # the input is their current
    assert counted.packets["second", "out"].shape == (4, 1, 1, 1)
    assert not counted.macs["conv"].any()
    assert counted.groups == {"first": "first", "conv": "second", "second": "second", "flat": "out", "out": "out"}


def test_spikes_stand_where_they_were_fired_and_packets_where_they_arrive():
    """In pipeline a step later; the last step's packets arrive after the run."""
    x = np.ones((1, 1, 3, 3))
    network = corner()
    trace = traced(network, x, 2, schedule="pipeline")
    counted = core_activity(network, trace, {"first": 1, "second": 1, "out": 1}, x)
    assert counted.spikes["first"].ravel().tolist() == [9, 9]
    assert counted.packets["first", "conv"].ravel().tolist() == [0, 9]
    assert counted.events["conv"].ravel().tolist() == [0, 9]


def test_several_spikes_a_step_are_several_packets():
    x = np.zeros((1, 1, 3, 3))
    x[0, 0, 1, 1] = 3
    network = corner(max_spikes=None)
    counted = core_activity(network, traced(network, x, 1), {"first": 9, "second": 2, "out": 1}, x)
    assert counted.packets["first", "conv"][4, :, 0, 0].tolist() == [3, 3]
    assert counted.packets["first", "conv"].sum() == 6
    assert counted.synops["conv"].ravel().tolist() == [27, 27]


@pytest.mark.parametrize("mode", MaxMode)
def test_a_largest_of_spikes_works_where_it_is_read(mode):
    """Both spikes of a window are sent, one event of the pool is added up: the second step's by whichever goes on."""
    nodes = (
        Node("first", IF(v_threshold=1.0), (INPUT,)),
        Node("pool", MaxPool2d(kernel=(1, 2), mode=mode), ("first",)),
        Node("flat", Flatten(), ("pool",)),
        Node("out", Linear(weight=np.ones((3, 1))), ("flat",)),
    )
    network, x = Network("largest", (1, 1, 2), nodes), np.ones((1, 1, 1, 2))
    counted = core_activity(network, traced(network, x, 2), {"first": 1, "out": 3}, x)
    assert counted.packets["first", "out"][0, :, :, 0].tolist() == [[2, 2]] * 3
    assert counted.events["out"][:, :, 0].tolist() == [[2, 2]] * 3
    assert counted.synops["out"][:, :, 0].tolist() == [[1, 1]] * 3


@given(case=snn.any_cases(), data=st.data())
def test_parts_of_the_samples_change_nothing_and_until_cuts(case, data):
    network, x, steps = case
    x = np.concatenate([x, x[::-1]])
    trace = traced(network, x, steps)
    cores = placed(data.draw, network, trace)
    whole = core_activity(network, trace, cores, x)
    exit_step = np.array(data.draw(st.lists(st.integers(1, steps), min_size=len(x), max_size=len(x))))
    stopped, activity = whole.until(exit_step), trace.activity.until(exit_step)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("refsnn.core_counts.CHUNK_BYTES", 1)  # one sample at a time
        apart = core_activity(network, trace, cores, x)
    for kind in ("synops", "macs", "events", "updates", "driven", "spikes", "packets"):
        assert list(getattr(apart, kind)) == list(getattr(whole, kind))
        for name, counts in getattr(whole, kind).items():
            assert (getattr(apart, kind)[name] == counts).all()
            assert not counts.flags.writeable
            if kind in ("synops", "macs", "updates", "driven"):
                assert (getattr(stopped, kind)[name].sum(0) == getattr(activity[name], kind)).all()


@given(n=st.integers(1, 200), cores=st.integers(1, 40))
def test_ranges_are_even_one_after_the_other_and_none_is_left_out(n, cores):
    ranges = core_ranges(n, cores)
    assert np.concatenate(ranges).tolist() == list(range(n))
    assert len(ranges) == cores
    full, rest = divmod(n, -(-n // cores))
    assert [len(part) for part in ranges if len(part)] == [-(-n // cores)] * full + [rest] * (rest > 0)


def test_blocks_on_paper():
    """Three channels of 3 x 2 in two blocks and two bands: two channels and two rows, two and one, one and two, one and one."""
    assert [part.tolist() for part in Blocks(2, 2).neurons(3, 3, 2)] == [
        [0, 1, 2, 3, 6, 7, 8, 9], [4, 5, 10, 11], [12, 13, 14, 15], [16, 17]
    ]  # fmt: skip


def test_ranges_by_paper():
    assert [part.tolist() for part in core_ranges(10, 4)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    assert [part.tolist() for part in core_ranges(4, 3)] == [[0, 1], [2, 3], []]


def simple(*nodes, shape=(1, 2, 2)):
    """The nodes one after the other, called a, b, c, ..."""
    names = [INPUT, *"abcdefgh"]
    return Network("simple", shape, tuple(Node(names[i + 1], layer, (names[i],)) for i, layer in enumerate(nodes)))


CONV, FIRES = Conv2d(weight=np.ones((1, 1, 1, 1))), IF(v_threshold=1.0)
OUT = Linear(weight=np.ones((1, 4)))
AMBIGUOUS = (
    "so that it is on no core for certain; count networks in which every weight layer is read by one layer of neurons, directly or "
    "over Add, Concat, Flatten, Scale or BatchNorm"
)


def twice_read():
    return Network("twice", (1, 2, 2), (Node("w", CONV, (INPUT,)), Node("n", FIRES, ("w",)), Node("m", FIRES, ("w",))))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (simple(CONV, CONV, FIRES), f"a: each of its outputs is no neuron's current as it is, {AMBIGUOUS}"),
        (twice_read(), f"w: each of its outputs is two neurons' current, {AMBIGUOUS}"),
        (
            simple(CONV, AvgPool2d(kernel=(2, 2)), FIRES),
            "b: AvgPool2d of what no spikes made, in front of the neurons of 'c': no output of a layer behind it is one neuron's "
            "current; count networks in which pools read spikes",
        ),
        (
            Network("round", (1, 2, 2), (Node("w", CONV, (INPUT,)), Node("sum", Add(), ("w", "sum"), (0, 1)), Node("n", FIRES, ("sum",)))),
            "sum: it reads itself over sum, with no weights and no neurons between; count networks in which every cycle has neurons",
        ),
        (
            Network("also", (1, 2, 2), (Node("w", CONV, (INPUT,)), Node("n", FIRES, ("w",)), Node("v", CONV, ("w",)), Node("m", FIRES, ("v",)))),
            "v: it reads currents of 'w', which no trace holds; count networks with neurons in between",
        ),
    ],
)  # fmt: skip
def test_networks_whose_weights_end_in_no_single_neurons_are_refused_by_name(network, message):
    x = np.ones((1, *network.input_shape))
    trace = traced(network, x, 1)
    cores = dict.fromkeys(neuron_groups(trace.activity).values(), 1)
    with pytest.raises(UnsupportedLayerError) as error:
        core_activity(network, trace, cores, x)
    assert str(error.value) == message


def test_other_schedules_and_rounded_numbers_are_refused():
    x = np.ones((1, 1, 2, 2))
    network = simple(FIRES, Flatten(), OUT)
    with pytest.raises(UnsupportedLayerError) as error:
        core_activity(network, traced(network, x, 4, schedule="cos"), {"a": 1, "c": 1}, x)
    assert str(error.value) == (
        "trace: its schedule is cos:4; cores are counted step by step, of runs in lockstep or pipeline"
    )
    pooled = simple(AvgPool2d(kernel=(1, 1)), CONV, FIRES)
    fixed = FixedPoint(weight=Q(8, 2), current=Q(16, 4), membrane=Q(16, 4))
    with pytest.raises(UnsupportedLayerError) as error:
        core_activity(pooled, traced(pooled, x, 1, arithmetic=fixed), {"c": 1}, x)
    assert str(error.value) == (
        "a: it rounds numbers to the format of currents, which no trace holds; count networks whose weight layers read the "
        "input or spikes"
    )


def test_what_is_missing_is_said_by_name():
    network, x = (
        simple(FIRES, Flatten(), OUT, LI(decay=0.5), Scale(factor=1.0), Linear(weight=np.ones((1, 1)))),
        np.ones((1, 1, 2, 2)),
    )
    trace, cores = traced(network, x, 1), {"a": 1, "d": 2, "f": 1}
    assert core_activity(network, trace, cores, x).macs["f"].sum() == 1
    bare = simulate(network, x, steps=1)
    spiking_only = simulate(network, x, steps=1, record=Record(spikes=("a",)))
    for given_trace, given_cores, given_x, given_network, message in (
        (bare, cores, x, network, "a: its spikes were not recorded; simulate with record=Record(spikes=network.neurons)"),
        (
            spiking_only, cores, x, network,
            "d: its potentials, which 'f' reads, were not recorded; simulate with record=Record(spikes=network.neurons, v=('d',))",
        ),
        (trace, cores, 2 * x, network, "trace: it is of another input than x; give the x of that run"),
        (trace, cores, x, simple(FIRES), "trace: it is of another network ('simple') than 'simple'; give the network that ran"),
        (trace, {"a": 1, "d": 2}, x, network, "cores: group 'f' is missing; say how many cores each of a, d, f has"),
        (trace, {**cores, "e": 1}, x, network, "cores: 'e' is no group of this network; known: a, d, f"),
        (trace, {**cores, "d": 0}, x, network, "cores: d: expected a whole number of at least 1, or Blocks of them, got 0"),
    ):  # fmt: skip
        with pytest.raises(SpecError) as error:
            core_activity(given_network, given_trace, given_cores, given_x)
        assert str(error.value) == message


def test_exit_steps_beyond_the_run_are_refused():
    network, x = simple(FIRES), np.ones((1, 1, 2, 2))
    counted = core_activity(network, traced(network, x, 2), {"a": 1}, x)
    with pytest.raises(ShapeError) as error:
        counted.until(np.array([3]))
    assert str(error.value) == "exit_step[0] is 3, but this run has steps 1..2"


def test_frames_of_a_signal_and_a_mean_of_spikes_as_readout():
    """A Conv1d with real input at every step of its own; the readout is a pool of spikes, whose events are theirs."""
    nodes = (
        Node("w", Conv1d(weight=np.ones((2, 1, 3)), padding=1), (INPUT,)),
        Node("n", IF(v_threshold=1.0), ("w",)),
        Node("flat", Flatten(), ("n",)),
    )
    network = Network("signal", (1, 4), nodes)
    x = Frames(np.array([[1.0, 0, 0, 0], [0, 0, 0, 1]]).reshape(2, 1, 1, 4))
    counted = core_activity(network, traced(network, x, 2), {"n": 2, "flat": 1}, x)
    assert counted.macs["w"][:, :, 0].tolist() == [[2, 2], [2, 2]]  # a channel on each core
    assert counted.driven["n"][:, :, 0].tolist() == [[2, 2], [2, 2]]
    assert counted.events["flat"][0, :, 0].tolist() == [4, 4]
    assert counted.packets["n", "flat"][:, 0, :, 0].tolist() == [[2, 2], [2, 2]]


def test_a_mean_over_the_map_as_readout_is_fan_in_of_its_own_group():
    network, x = simple(FIRES, GlobalAvgPool2d()), np.ones((1, 1, 2, 2))
    counted = core_activity(network, traced(network, x, 1), {"a": 4, "b": 1}, x)
    assert counted.packets["a", "b"].ravel().tolist() == [1, 1, 1, 1]
    assert counted.events["b"].item() == 4


def test_each_part_of_a_concatenation_goes_where_its_channels_are_read():
    """Two layers of one neuron side by side in front of a convolution in two groups: each is sent to the core of its own group."""
    nodes = (
        Node("a", IF(v_threshold=1.0), (INPUT,)),
        Node("b", IF(v_threshold=1.0), (INPUT,)),
        Node("side", Concat(), ("a", "b")),
        Node("conv", Conv2d(weight=np.ones((2, 1, 1, 1)), groups=2), ("side",)),
        Node("n", IF(v_threshold=1.0), ("conv",)),
    )
    network, x = Network("side", (1, 1, 1), nodes), np.ones((1, 1, 1, 1))
    counted = core_activity(network, traced(network, x, 1), {"a": 1, "b": 1, "n": 2}, x)
    assert counted.packets["a", "conv"].ravel().tolist() == [1, 0]
    assert counted.packets["b", "conv"].ravel().tolist() == [0, 1]


def test_two_convolutions_side_by_side_and_spikes_beside_them():
    """Channel 0 of the neurons is the first convolution's and twice the spikes themselves; channel 1 the second's."""
    one = Conv2d(weight=np.ones((1, 1, 1, 1)))
    nodes = (
        Node("a", IF(v_threshold=1.0), (INPUT,)),
        Node("left", one, ("a",)),
        Node("sum", Add(), ("left", "a", "a")),
        Node("right", one, ("a",)),
        Node("side", Concat(), ("sum", "right")),
        Node("n", IF(v_threshold=1.0), ("side",)),
    )
    network, x = Network("beside", (1, 1, 2), nodes), np.ones((1, 1, 1, 2))
    counted = core_activity(network, traced(network, x, 1), {"a": 2, "n": 2}, x)
    assert counted.synops["left"].ravel().tolist() == [2, 0]
    assert counted.synops["right"].ravel().tolist() == [0, 2]
    # each spike is sent once to the core that adds it twice
    assert counted.packets["a", "n"][:, :, 0, 0].tolist() == [[1, 0], [1, 0]]
    assert counted.packets["a", "right"][:, :, 0, 0].tolist() == [[0, 1], [0, 1]]
    assert counted.events["n"].ravel().tolist() == [2, 0]


def test_events_of_two_layers_that_are_added_up_are_those_of_both():
    nodes = (
        Node("a", IF(v_threshold=1.0), (INPUT,)),
        Node("b", IF(v_threshold=1.0), (INPUT,)),
        Node("sum", Add(), ("a", "b")),
        Node("out", Linear(weight=np.ones((2, 2))), ("sum",)),
    )
    network, x = Network("both", (2,), nodes), np.array([[1.0, 0.0]])
    counted = core_activity(network, traced(network, x, 1), {"a": 1, "b": 1, "out": 2}, x)
    assert counted.packets["a", "out"].ravel().tolist() == [1, 1]
    assert counted.packets["b", "out"].ravel().tolist() == [1, 1]
    assert counted.events["out"].ravel().tolist() == [2, 2]
    assert counted.synops["out"].ravel().tolist() == [2, 2]
