"""Laws of placement and routing, against enumeration of connections, cores and links."""

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from brute_force import connections, windows
from hypothesis import assume, given
from hypothesis import strategies as st

from hwmodel import routing
from hwmodel.chip import Action, ChipSpec, Component, Execution, Family, Part, Technology
from hwmodel.cores import Cores
from hwmodel.figures import Figure, Grade, Kind
from hwmodel.placement import Placement, place
from hwmodel.splitting import Feed, Split
from refsnn import Network, Node, simulate
from refsnn import strategies as snn
from refsnn.errors import CapacityError
from refsnn.layers import AvgPool2d, Conv2d, Flatten, Linear
from refsnn.neurons import IF
from refsnn.trace import Blocks

PRICE = Figure(kind=Kind.MARGINAL, grade=Grade.ESTIMATED, source="drawn", nominal=1e-12)


def chip(cores):
    hop = Action(name="hop", counts=["spikes" if cores.mesh is None else "hops"], energy=PRICE, cycles=1)
    return ChipSpec(
        name="mesh", description="", family=Family.MANY_CORE, execution=Execution.PARALLEL, technology=Technology(node=45e-9, voltage=None),
        components=[Component(name="router", part=Part.COMMUNICATION, actions=[hop])], clock=1e6, cores=cores,
        static=Figure(kind=Kind.STATIC, grade=Grade.ESTIMATED, source="drawn", nominal=0.0),
    )  # fmt: skip


def core_of(blocks, shape, index):
    """Channel block and band of rows of a neuron."""
    channels, height, width = shape
    c, y = index // (height * width), index // width % height
    share, tall = -(-channels // blocks.channels), -(-height // blocks.bands)
    return c // share * blocks.bands + y // tall


@st.composite
def two_layers(draw):
    """A convolution with neurons, and behind them (a pool or not) a convolution, or a linear layer, with neurons."""
    first = draw(snn.convolutions((2, 5, 5)))
    nodes = [Node("conv1", first, ("input",)), Node("if1", IF(v_threshold=1.0), ("conv1",))]
    shape = Network("one", (2, 5, 5), tuple(nodes)).shapes["if1"]
    before = "if1"
    if draw(st.booleans()) and min(shape[1:]) >= 2:
        nodes.append(Node("pool", AvgPool2d(kernel=(2, 2)), ("if1",)))
        before, shape = "pool", (shape[0], shape[1] // 2, shape[2] // 2)
    if draw(st.booleans()):
        nodes.append(Node("conv2", draw(snn.convolutions(shape)), (before,)))
    else:
        nodes += [Node("flat", Flatten(), (before,)), Node("conv2", draw(snn.linears(int(np.prod(shape)))), ("flat",))]
    nodes.append(Node("if2", IF(v_threshold=1.0), ("conv2",)))
    return Network("two", (2, 5, 5), tuple(nodes))


def reached(network):
    """(spike of if1, neuron of if2) pairs."""
    names = [node.name for node in network.nodes]
    source = "flat" if "flat" in names else "pool" if "pool" in names else "if1"
    wires = connections(network["conv2"].layer, network.shapes[source])
    if "pool" not in names:
        return set(wires)
    pooled = {}
    for i, o in windows(network["pool"].layer, network.shapes["if1"]):
        pooled.setdefault(o, []).append(i)
    return {(spike, o) for i, o in wires for spike in pooled.get(i, [])}


@given(network=two_layers(), neurons=st.integers(1, 30), axons=st.integers(1, 100))
def test_spikes_reach_no_more_cores_and_cores_see_no_more_inputs_than_the_split_says(network, neurons, axons):
    activity = simulate(network, np.ones((1, 2, 5, 5)), steps=1).activity
    try:
        split = place(activity, chip(Cores(count=10_000, neurons=neurons, axons_in=axons, axons_out=200))).splits["if2"]
    except CapacityError:
        assume(False)
    shape = (*network.shapes["if2"], 1, 1)[:3]
    assert max(Counter(core_of(split.blocks, shape, i) for i in range(int(np.prod(shape)))).values()) <= neurons
    pairs = {(spike, core_of(split.blocks, shape, o)) for spike, o in reached(network)}
    (feed,) = split.feeds
    assert feed.packets >= Fraction(len(pairs), int(np.prod(network.shapes["if1"])))
    assert feed.most >= max(Counter(spike for spike, _ in pairs).values(), default=0)
    assert max(Counter(core for _, core in pairs).values(), default=0) <= axons


def test_a_kernel_of_three_in_bands_of_two_rows():
    """4 rows in two bands: rows 0 and 3 reach one band, rows 1 and 2 both: 1.5 packets a spike on average, in one block."""
    layers = [
        Node("conv1", Conv2d(weight=np.ones((2, 1, 3, 3)), padding=(1, 1)), ("input",)),
        Node("if1", IF(v_threshold=1.0), ("conv1",)),
        Node("conv2", Conv2d(weight=np.ones((2, 2, 3, 3)), padding=(1, 1)), ("if1",)),
        Node("if2", IF(v_threshold=1.0), ("conv2",)),
    ]
    activity = simulate(Network("net", (1, 4, 4), tuple(layers)), np.ones((1, 1, 4, 4)), steps=1).activity
    # 2 channels of 4 x 4 on cores of 16 neurons with 24 axons: 3 of 4 rows of 2 channels
    placement = place(activity, chip(Cores(count=16, neurons=16, axons_in=24)))
    assert placement.splits["if2"].blocks == Blocks(1, 2)
    assert placement.splits["if2"].feeds == (Feed(source="if1", packets=Fraction(3, 2), most=2),)
    assert placement.splits["if1"].blocks == Blocks(2, 1)  # no axons: its input is the image
    with pytest.raises(CapacityError) as error:
        place(activity, chip(Cores(count=16, neurons=16, axons_in=15)))
    assert str(error.value) == (
        "chip 'mesh' cannot hold the network: a core of if2 receives at least conv2 24 different inputs, it has 15 axons; take "
        "another chip or a network with smaller layers"
    )
    with pytest.raises(CapacityError) as error:
        place(activity, chip(Cores(count=16, neurons=16, fan_in=17)))
    assert str(error.value) == (
        "chip 'mesh' cannot hold the network: every neuron of conv2 has 18 inputs, on this chip it may have 17; take another "
        "chip or a network with smaller layers"
    )


@st.composite
def placements(draw):
    """Three groups on a mesh, wherever the ones before them end."""
    cores = Cores(count=1, neurons=1, mesh=(draw(st.integers(1, 4)), 8), per_tile=draw(st.integers(1, 3)))
    counts = draw(st.lists(st.integers(1, 5), min_size=3, max_size=3))
    assume(sum(counts) <= cores.mesh[0] * 8 * cores.per_tile)
    splits = {f"g{i}": Split(blocks=Blocks(count, 1), feeds=()) for i, count in enumerate(counts)}
    groups = {name: name for name in splits}
    return Placement(groups=groups, depth={}, splits=splits, shared=1, off_chip=frozenset()), cores


def route(a, b):
    """Links from tile a to tile b, x first."""
    (x, y), links = a, []
    while x != b[0]:
        step = 1 if b[0] > x else -1
        links.append(((x, y), (x + step, y)))
        x += step
    while y != b[1]:
        step = 1 if b[1] > y else -1
        links.append(((x, y), (x, y + step)))
        y += step
    return links


@given(drawn=placements())
def test_links_carry_what_routing_packet_by_packet_gives(drawn):
    placement, cores = drawn
    spec = chip(cores)
    tiles, at = {}, 0
    for group, count in placement.cores.items():
        tiles[group] = [
            ((at + i) // cores.per_tile % cores.mesh[0], (at + i) // cores.per_tile // cores.mesh[0])
            for i in range(count)
        ]
        at += count
    ways = [route(a, b) for a in tiles["g0"] for b in tiles["g2"]]
    loads = Counter(link for way in ways for link in way)
    found = routing._loads(placement, "g0", "g2", spec)
    assert sorted(n for n in found.tolist() if n) == sorted(loads.values())
    assert routing._distance(placement, "g0", "g2", spec) == Fraction(sum(map(len, ways)), len(ways))


@given(rows=st.lists(st.lists(st.integers(0, 3), min_size=2, max_size=2), min_size=1, max_size=8))
def test_links_that_are_never_the_busiest_are_left_out(rows):
    loads = np.array(rows, np.int64)
    kept = routing._undominated(loads)
    for weights in ((1, 0), (0, 1), (1, 1), (3, 1), (1, 5)):
        assert (kept @ weights).max(initial=0) == (loads @ weights).max()
    assert len(kept) <= len(np.unique(loads, axis=0))


def test_kernels_fill_the_memory_of_a_core():
    """Six outputs of four weights of 8 bit: 9 bytes hold two of them."""
    layers = (Node("fc1", Linear(weight=np.ones((6, 4))), ("input",)), Node("if1", IF(v_threshold=1.0), ("fc1",)))
    activity = simulate(Network("net", (4,), layers), np.ones((1, 4)), steps=1).activity
    assert place(activity, chip(Cores(count=9, neurons=9, weight_memory=9, weight_bits=8))).cores == {"if1": 3}
    with pytest.raises(CapacityError) as error:
        place(activity, chip(Cores(count=9, neurons=9, weight_memory=3, weight_bits=8)))
    assert str(error.value) == (
        "chip 'mesh' cannot hold the network: one channel of if1, of 24 weights, is over a core's 3 bytes; take another chip or a "
        "network with smaller layers"
    )
