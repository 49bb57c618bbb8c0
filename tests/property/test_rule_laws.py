"""Laws of other tools' rules, and of what a recorded run tells them."""

from dataclasses import replace
from math import fsum, isclose

import numpy as np
import pytest
from brute_force import connections, windows
from hypothesis import assume, given
from hypothesis import strategies as st

from hwmodel import rules
from hwmodel.rules.wiring import drive_spikes
from refsnn import Bernoulli, Network, Node, Record, simulate
from refsnn import strategies as snn
from refsnn.effective import layer_inputs, membrane_changes, nonzero_fan_out
from refsnn.errors import SpecError, UnsupportedLayerError
from refsnn.layers import Conv2d, Linear, MaxPool2d, kind_of
from refsnn.messages import messages
from refsnn.neurons import IF, LIF
from refsnn.patches import patch_counts
from refsnn.trace import Activity
from refsnn.wiring import connected

NAMES = rules.names()
LOADED = {name: rules.load(name) for name in NAMES}
FROM_ACTIVITY = [name for name in NAMES if not name.startswith(("sanafe", "spikesim:event", "timeloop"))]
LINEAR = [
    name
    for name in FROM_ACTIVITY
    if not name.startswith(("keras_spiking:cpu", "keras_spiking:gpu", "keras_spiking:arm"))
]
ANY = [LOADED[name] for name in FROM_ACTIVITY]
REL = 1e-12  # sums of a few hundred float products


def close(a, b):
    return isclose(a, b, rel_tol=REL, abs_tol=0.0)


@st.composite
def runs(draw, record=False):
    """A network, its input (real, or spikes), its run, and where each sample could have stopped."""
    network, x, steps = draw(snn.cases() | snn.any_cases())
    drive = x
    if draw(st.booleans()):
        drive = Bernoulli(np.clip(x, 0, 1), seed=draw(st.integers(0, 3)))
    kept = Record(spikes=network.neurons, v=network.stateful) if record else Record()
    trace = simulate(network, drive, steps=steps, record=kept)
    exits = draw(st.lists(st.integers(1, steps), min_size=len(x), max_size=len(x)))
    return network, drive, trace, np.array(exits)


def part(activity, chosen):
    """The activity of some samples."""
    nodes = tuple(node.with_counts({k: c[:, chosen] for k, c in node.counts().items()}) for node in activity.nodes)
    return replace(activity, nodes=nodes, steps_run=activity.steps_run[chosen])


@given(run=runs())
def test_rules_are_additive_over_samples(run):
    """Where all samples are alike in what drives them: an image that is black everywhere looks like silent spikes."""
    activity = run[2].activity
    parts = [part(activity, slice(n, n + 1)) for n in range(activity.n_samples)]
    assume(all(drive_spikes(one) == drive_spikes(activity) for one in parts))
    for rule in ANY:
        whole, singly = rule.price(activity), [rule.price(one) for one in parts]
        for quantity, (count, _) in whole.totals().items():
            assert count == sum(one.count(quantity) for one in singly)
        if whole.energy_j is not None:
            assert close(whole.energy_j, fsum(one.energy_j for one in singly))
        if whole.latency_s is not None:
            assert whole.latency_s.tolist() == [one.latency_s[0] for one in singly]


@given(run=runs(), pick=st.integers(0, 99))
def test_a_nodes_rows_do_not_depend_on_what_others_did(run, pick):
    """But for what drives the network, and the neurons behind a layer of weights, which its rows may contain."""
    activity = run[2].activity
    node = activity.nodes[pick % len(activity.nodes)]
    near = {
        node.node,
        *(other.node for other in activity.nodes if node.node in other.inputs or "input" in other.inputs),
    }
    idle = tuple(
        other if other.node in near else other.with_counts({k: c * 0 for k, c in other.counts().items()})
        for other in activity.nodes
    )
    alone = Activity(idle, activity.steps_run, activity.n_steps)
    assume(drive_spikes(alone) == drive_spikes(activity))
    for rule in ANY:
        mine = [row for row in rule.price(activity).rows if row.node == node.node]
        assert mine == [row for row in rule.price(alone).rows if row.node == node.node]


@given(run=runs())
def test_stopping_early_is_pricing_the_stopped_run(run):
    network, drive, trace, exits = run
    steps = int(exits[0])
    stopped = trace.activity.until(np.full(trace.n_samples, steps))
    shorter = simulate(network, drive, steps=steps).activity
    for rule in ANY:
        assert rule.price(stopped).rows == rule.price(shorter).rows


@given(run=runs(record=True))
def test_stopping_early_with_evidence_is_pricing_the_stopped_run(run):
    network, drive, trace, exits = run
    steps = int(exits[0])
    record = Record(spikes=network.neurons, v=network.stateful)

    def known(trace):
        changes = membrane_changes(trace) if network.stateful else {}
        return rules.Evidence(layer_inputs(network, trace, drive), changes, patch_counts(network, trace, drive, 64))

    shorter = simulate(network, drive, steps=steps, record=record)
    stopped = trace.activity.until(np.full(trace.n_samples, steps))
    of_all, of_some = known(trace), known(shorter)
    for rule in [*ANY, LOADED["spikesim:event_rram"]]:
        assert rule.price(stopped, of_all).rows == rule.price(shorter.activity, of_some).rows


@given(run=runs())
def test_the_same_activity_twice_costs_twice_as_much(run):
    """T and 2 T steps of the same activity: every count doubles, but those that Lemaire's equations charge once an inference."""
    activity, twice = run[2].activity, repeated(run[2].activity)
    for name in LINEAR:
        before, after = LOADED[name].price(activity), LOADED[name].price(twice)
        once = name.startswith("lemaire")
        for quantity in ("weight read", "potential write") if once else before.totals():
            assert after.count(quantity) == 2 * before.count(quantity)
        if before.energy_j is not None and not once:
            assert close(after.energy_j, 2 * before.energy_j)


def repeated(activity):
    nodes = tuple(n.with_counts({k: np.concatenate([c, c]) for k, c in n.counts().items()}) for n in activity.nodes)
    return Activity(nodes, 2 * activity.steps_run, 2 * activity.n_steps)


@given(run=runs())
def test_keras_spiking_doubles_with_the_steps_and_frames_do_not(run):
    """E(46) = 2 * E(23), bit for bit; a device that does not spike does one frame whatever the steps."""
    activity, twice = run[2].activity, repeated(run[2].activity)
    for device, factor in (("loihi", 2), ("spinnaker", 2), ("spinnaker2", 2), ("cpu", 1), ("gpu", 1), ("arm", 1)):
        rule = LOADED[f"keras_spiking:{device}"]
        assert rule.price(twice).energy_j == factor * rule.price(activity).energy_j


@given(run=runs(), rule=st.sampled_from(ANY))
def test_reports_add_up(run, rule):
    report = rule.price(run[2].activity)
    priced = [row.energy_j for row in report.rows if row.energy_j is not None]
    assert all(energy >= 0 for energy in priced)
    assert report.energy_j == (fsum(priced) if priced else None)
    assert sum(count for count, _ in report.totals().values()) == sum(row.count for row in report.rows)
    data = report.as_data()
    assert data["samples"] == run[2].n_samples
    assert len(str(report).splitlines()) == 1 + len(report.totals()) + len(report.figures) + len(report.notes)


@given(run=runs(record=True))
def test_any_run_can_be_compared(run):
    network, drive, trace, _ = run
    evidence = rules.Evidence(layer_inputs(network, trace, drive), membrane_changes(trace) if network.stateful else {})
    all_rules = list(LOADED.values())
    for found in (rules.compare(trace.activity, all_rules), rules.compare(trace.activity, all_rules, evidence)):
        assert [line.rule for line in found.lines] == NAMES
        assert {line.rule for line in found.lines if line.report is None} == (
            {name for name in NAMES if name.startswith(("sanafe", "timeloop"))}
            | ({name for name in NAMES if name.startswith("spikesim:event")} if any(
                isinstance(node.layer, Conv2d) and node.layer.groups == 1 for node in network.nodes) else set())
        )  # fmt: skip
        assert "not priced" in str(found)


# where rules count the same thing


@given(run=runs(record=True))
def test_rules_agree_where_they_count_the_same(run):
    """sinabs' synops are ours; NeuroBench's operations are those too when no weight is 0 and no pool stands between; SpikingJelly's
    accumulates are NeuroBench's ACs and MACs of layers that read 0 and 1.
    """
    network, drive, trace, _ = run
    activity = trace.activity
    evidence = rules.Evidence(layer_inputs(network, trace, drive))
    bench = LOADED["neurobench"].price(activity, evidence).rows
    jelly = LOADED["spikingjelly_horowitz:fp32"].price(activity, evidence).rows
    sinabs = LOADED["sinabs"].price(activity).rows
    for node in activity.nodes:
        if node.kind != "weight":
            continue
        ours = int(node.synops.sum() + node.macs.sum())
        assert [row.count for row in sinabs if row.node == node.node] == [ours]
        if not (network[node.node].layer.weight == 0).any() and _plain_spikes(network, node.inputs[0], drive):
            effective = [row.count for row in bench if row.node == node.node][:2]
            assert sum(effective) == ours
            if evidence.inputs[node.node].binary.all():
                assert sum(row.count for row in jelly if row.node == node.node) == ours


def _plain_spikes(network, source, drive):
    """Whether each number that is read from the source is one spike, of 1, or none: so that events are numbers."""
    if source == "input":
        return isinstance(drive, Bernoulli)
    layer = network[source].layer
    return type(layer) in (IF, LIF) and layer.max_spikes == 1


@given(data=st.data())
def test_without_borders_a_convolution_is_counted_too_often_by_the_taps_in_its_padding(data):
    """One spike of each pixel, a sample each: the mean field of syops-counter and keras-spiking gives outputs * kernel, a map of
    connections those that exist. Between them are the taps of kernels that hang over the border.
    """
    shape = data.draw(st.tuples(st.integers(1, 2), st.integers(1, 5), st.integers(1, 5)))
    conv = replace(data.draw(snn.convolutions(shape)), bias=None)
    network = Network("one", shape, (Node("conv", conv, ("input",)), Node("if", IF(v_threshold=1e3), ("conv",))))
    pixels = int(np.prod(shape))
    activity = simulate(network, Bernoulli(np.eye(pixels).reshape(pixels, *shape)), steps=1).activity
    existing = len(connections(conv, shape))
    outputs = activity["conv"].n_neurons
    (mean_field,) = [
        row.count for row in LOADED["syops"].price(activity).rows if (row.node, row.quantity) == ("conv", "AC")
    ]
    assert mean_field == outputs * conv.fan_in
    assert LOADED["sinabs"].price(activity).count("synops") == existing
    keras = LOADED["keras_spiking:loihi"].price(activity)
    assert keras.count("synaptic operation") == outputs * conv.fan_in
    (py, px), (channels, height, width) = conv.padding, shape
    tall, wide = height + 2 * py, width + 2 * px
    padded = [
        divmod(i % (tall * wide), wide) for i, _ in connections(replace(conv, padding=(0, 0)), (channels, tall, wide))
    ]
    hanging = sum(not (py <= y < py + height and px <= x < px + width) for y, x in padded)
    assert mean_field - existing == hanging


# what a recorded run tells


@given(run=runs(record=True))
def test_what_layers_read_by_enumeration(run):
    """Numbers, pairs without zeros and synops of every connection, one by one, from what the simulator itself handed on."""
    network, drive, trace, _ = run
    inputs = layer_inputs(network, trace, drive)
    for node in network.nodes:
        if kind_of(node.layer) != "weight":
            continue
        source = node.inputs[0]
        if source != "input" and kind_of(network[source].layer) != "neuron":
            continue
        if source == "input":
            given_x = drive.inputs(trace.steps, slice(None)) if isinstance(drive, Bernoulli) else drive[None]
        else:
            given_x = trace.spikes[source]
        x = np.broadcast_to(given_x, (trace.steps, *given_x.shape[1:])).reshape(trace.steps, trace.n_samples, -1)
        x = _late(x.astype(float), max(node.delays[0], 0))
        wires = connections(node.layer, network.shapes[source])
        nonzero = _nonzero_wires(node.layer, network.shapes[source], wires)
        found = inputs[node.name]
        for t in range(trace.steps):
            for n in range(trace.n_samples):
                numbers = x[t, n]
                assert found.nonzero[t, n] == np.count_nonzero(numbers)
                assert found.pairs[t, n] == sum(numbers[i] != 0 for i, _ in nonzero)
                assert found.reached[t, n] == pytest.approx(sum(numbers[i] for i, _ in wires), abs=1e-9)
                assert found.ternary[t, n] == (set(numbers) <= {-1.0, 0.0, 1.0})
                assert found.binary[t, n] == (set(numbers) <= {0.0, 1.0})
                assert found.two_valued[t, n] == (len(set(numbers)) <= 2 and min(numbers) >= 0 and max(numbers) <= 1)
                spiking = source != "input" or isinstance(drive, Bernoulli)
                assert found.synops[t, n] == (sum(abs(numbers[i]) for i, _ in nonzero) if spiking else 0)


def _late(x, delay):
    return np.concatenate([np.zeros((min(delay, len(x)), *x.shape[1:])), x])[: len(x)]


def _nonzero_wires(layer, shape, wires):
    """Those over weights that are not zero: of a convolution tap by tap, each tap alone."""
    weight = np.asarray(layer.weight)
    if isinstance(layer, Linear):
        return [(i, o) for i, o in wires if weight[o, i] != 0]
    return [
        wire
        for channel in range(len(weight))
        for wire in _taps(layer, shape, channel, np.argwhere(weight[channel] != 0))
    ]


def _taps(layer, shape, channel, taps):
    """(input, output) of these taps of one output channel."""
    weight = np.asarray(layer.weight)
    tall, wide = (1, *weight.shape[2:]) if weight.ndim == 3 else weight.shape[2:]
    per_group = weight.shape[1]
    _, height, width = (shape[0], 1, shape[1]) if weight.ndim == 3 else shape
    pair = lambda value, other: (other, value) if weight.ndim == 3 else value  # noqa: E731
    (sy, sx), (py, px), (dy, dx) = pair(layer.stride, 1), pair(layer.padding, 0), pair(layer.dilation, 1)
    group = channel * layer.groups // len(weight)
    found = []
    rows = len(range(-py, height + py - dy * (tall - 1), sy))
    columns = len(range(-px, width + px - dx * (wide - 1), sx))
    for c, *place in taps:
        ky, kx = (0, place[0]) if weight.ndim == 3 else place
        for oy in range(rows):
            for ox in range(columns):
                y, x = oy * sy - py + ky * dy, ox * sx - px + kx * dx
                if 0 <= y < height and 0 <= x < width:
                    i = ((group * per_group + c) * height + y) * width + x
                    found.append((i, (channel * rows + oy) * columns + ox))
    return found


@given(data=st.data())
def test_connection_matrices_are_the_enumerated_connections(data):
    shape = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5)))
    layer = data.draw(snn.convolutions(shape) | snn.pools(shape).filter(lambda pool: not isinstance(pool, MaxPool2d)))
    wires = connections(layer, shape) if isinstance(layer, Conv2d) else windows(layer, shape)
    matrix = connected(layer, shape)
    expected = np.zeros(matrix.shape, int)
    for i, o in wires:
        expected[o, i] += 1
    assert matrix.toarray().tolist() == expected.tolist()
    if isinstance(layer, Conv2d):
        sparse = replace(layer, weight=np.where(layer.weight > 0, layer.weight, 0))
        reach = np.zeros(int(np.prod(shape)), int)
        for i, _ in _nonzero_wires(sparse, shape, wires):
            reach[i] += 1
        assert nonzero_fan_out(sparse, shape).ravel().tolist() == reach.tolist()


@given(run=runs(record=True), tile=st.integers(1, 3))
def test_touched_patches_by_enumeration(run, tile):
    network, drive, trace, _ = run
    counts = patch_counts(network, trace, drive, tile)
    for name, found in counts.items():
        node, layer = network[name], network[name].layer
        source, shape = node.inputs[0], network.shapes[node.inputs[0]]
        if source == "input" and isinstance(drive, Bernoulli):
            x = drive.inputs(trace.steps, slice(None))
        elif source in network.neurons and type(network[source].layer) in (IF, LIF):
            x = trace.spikes[source]
        else:
            continue
        one = replace(layer, weight=layer.weight[:1], bias=None)
        windows_of: dict[int, list[int]] = {}
        for i, o in connections(one, shape):
            windows_of.setdefault(o, []).append(i)
        flat = _late(x.reshape(trace.steps, trace.n_samples, -1).astype(int), node.delays[0])
        pixels = shape[1] * shape[2]
        for t, n in np.ndindex(trace.steps, trace.n_samples):
            touched = {}
            for o, read in windows_of.items():
                for i in read:
                    if flat[t, n, i]:
                        key = o, i // pixels // tile
                        touched[key] = touched.get(key, 0) + 1
            assert found.patches[t, n] == len(touched)
            assert found.sites[t, n] == len({o for o, _ in touched})
            rows = [sum(count for (_, k), count in touched.items() if k == j) for j in range(found.rows.shape[2])]
            assert found.rows[t, n].tolist() == rows


@given(data=st.data(), steps=st.integers(1, 5))
def test_messages_by_enumeration(data, steps):
    """Every spike, every connection, every core, one after the other."""
    network = data.draw(snn.networks())
    network = replace_input_delays(network)
    assume(network.neurons)
    x = data.draw(snn.inputs(network))
    drive = Bernoulli(np.clip(x, 0, 1), seed=1)
    record = Record(spikes=network.neurons, v=network.neurons)
    trace = simulate(network, drive, steps=steps, schedule="pipeline", record=record)
    place = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1)), min_size=1, max_size=3)
    cores = {name: data.draw(place) for name in ("input", *network.neurons)}
    try:
        did = messages(network, trace, drive, cores)
    except (UnsupportedLayerError, SpecError) as error:
        assume(
            any(
                part in str(error)
                for part in ("MaxPool2d", "behind the weights", "more than one spike", "take 2", "take 0")
            )
        )
        return
    sent = {name: trace.spikes[name].reshape(steps, len(x), -1) for name in network.neurons}
    sent["input"] = drive.inputs(steps, slice(None)).reshape(steps, len(x), -1)
    at = lambda name, i, n: tuple(cores[name][i * len(cores[name]) // n])  # noqa: E731
    for t, n in np.ndindex(steps, len(x)):
        packets, met = {}, {}
        for target in network.neurons:
            size = int(np.prod(network.shapes[target]))
            for (sender, _), wires in enumerated(network, target).items():
                for i, o in wires:
                    if sent[sender][t, n, i]:
                        there = at(target, o, size)
                        here = at(sender, i, sent[sender].shape[2])
                        packets.setdefault((sender, i, there), here)
                        met[there] = met.get(there, 0) + 1
        expected = np.zeros((len(did.cores),) * 2, int)
        for (_, _, there), here in packets.items():
            expected[did.cores.index(here), did.cores.index(there)] += 1
        assert did.packets[t, n].tolist() == expected.tolist()
        total = sum(did.synapses.values(), start=np.zeros_like(did.fired))
        assert {core: count for core, count in zip(did.cores, total[t, n].tolist(), strict=True) if count} == met


def replace_input_delays(network):
    """The same network with one step on every edge from the input, as on a chip whose inputs are neurons."""
    nodes = tuple(
        Node(node.name, node.layer, node.inputs, tuple(int(source == "input") for source in node.inputs))
        for node in network.nodes
    )
    return Network(network.name, network.input_shape, nodes)


def enumerated(network, target):
    """(sender, layer of weights) -> (neuron of the sender, neuron of the target) that it connects, by following single wires."""
    found: dict[tuple[str, str | None], set[tuple[int, int]]] = {}

    def follow(name, pairs, weights):
        node = network[name]
        start = 0
        for source in node.inputs:
            shape, size = network.shapes[source], int(np.prod(network.shapes[source]))
            kind = type(node.layer).__name__
            if kind_of(node.layer) == "weight":
                wires = connections(node.layer, shape)
            elif kind_of(node.layer) == "pool":
                wires = windows(node.layer, shape)
            else:
                wires = [(i, i + (start if kind == "Concat" else 0)) for i in range(size)]
            start += size
            back: dict[int, set[int]] = {}
            for i, o in wires:
                back.setdefault(o, set()).add(i)
            reached = {(i, end) for middle, end in pairs for i in back.get(middle, ())}
            over = name if kind_of(node.layer) == "weight" else weights
            if source == "input" or kind_of(network[source].layer) == "neuron":
                found.setdefault((source, over), set()).update(reached)
            else:
                follow(source, reached, over)

    size = int(np.prod(network.shapes[target]))
    follow(target, {(o, o) for o in range(size)}, None)
    return found


@given(case=snn.cases() | snn.any_cases(), schedule=st.sampled_from(["lockstep", "pipeline"]))
def test_what_is_replayed_came_in_when_it_ran(case, schedule):
    """Pools of every kind, delays and cycles included: without weights of zero the synops are the simulator's."""
    network, x, steps = case
    record = Record(spikes=network.neurons, v=network.stateful)
    trace = simulate(network, x, steps=steps, schedule=schedule, record=record)
    inputs = layer_inputs(network, trace, x)
    for node in trace.activity.nodes:
        if node.kind == "weight" and not (network[node.node].layer.weight == 0).any():
            assert inputs[node.node].synops.tolist() == node.synops.tolist()
