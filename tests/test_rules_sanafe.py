"""SANA-FE's Loihi: its seven networks built here, simulated, and priced from what the cores did."""

from dataclasses import replace

import numpy as np
import pytest
from shared_cases import case

from hwmodel import rules
from hwmodel.figures import Figure, Grade, Kind
from hwmodel.rules.sanafe import Barrier, Event, SanaFe
from refsnn import EventList, Network, Node, Record, simulate
from refsnn.errors import CapacityError, SpecError, UnsupportedLayerError
from refsnn.layers import Add, Linear, MaxPool2d
from refsnn.messages import messages
from refsnn.neurons import IF

TWO = [[1, 0, 1, 0], [0, 1, 0, 0]]
SPARSE = {2: (5,), 3: (5,), 4: (0, 6), 5: (2, 6), 7: (0, 1, 5), 9: (7,), 10: (4, 9), 11: (0, 2, 7), 12: (4, 5, 7, 8),
          13: (2, 4, 9), 14: (1, 2, 4, 9), 15: (2, 9), 16: (9,), 17: (2,), 18: (6, 7), 19: (9,)}  # fmt: skip
TWENTY = [[int(t in SPARSE.get(i, ())) for t in range(10)] for i in range(20)]
# inputs, neurons, where they are, kind of synapse, threshold; energies in pJ (total, synapses, somas, network), time in ns,
# synapses met, packets, neurons updated, neurons fired: those of inputs included, as SANA-FE counts
CASES = {
    "same_core_dense": (TWO, 3, (0, 0), None, 10.0, (1461.3, 319.5, 808.8, 333.0), 2524.9, 9, 3, 12, 3),
    "same_tile_other_core": (TWO, 3, (0, 1), None, 10.0, (1461.3, 319.5, 808.8, 333.0), 2514.7, 9, 3, 12, 3),
    "tile1_core0": (TWO, 3, (1, 0), None, 10.0, (1473.9, 319.5, 808.8, 345.6), 4114.7, 9, 3, 12, 3),
    "tile5_core2": (TWO, 3, (5, 2), None, 10.0, (1482.9, 319.5, 808.8, 354.6), 4114.7, 9, 3, 12, 3),
    "conv_synapse": (TWO, 3, (0, 0), "conv", 10.0, (1357.8, 216.0, 808.8, 333.0), 2522.8, 9, 3, 12, 3),
    "fires_thr1.5": (TWO, 3, (0, 0), None, 1.5, (1669.2, 319.5, 1016.7, 333.0), 2614.9, 9, 3, 12, 6),
    "20x30_p0.2_T10_tile3": (
        TWENTY,
        30,
        (3, 0),
        None,
        1e3,
        (60415.8, 35145.0, 21192.0, 4078.8),
        14773.0,
        990,
        33,
        303,
        33,
    ),
}


def run(trains, neurons, place, theta):
    """A layer of inputs on core (0, 0) and one of neurons at `place`, all connected with weight 1."""
    net = Network("two", (len(trains),), (
        Node("fc", Linear(weight=np.ones((neurons, len(trains)))), ("input",), (1,)),
        Node("out", IF(v_threshold=theta, firing=">", reset="to_value"), ("fc",)),
    ))  # fmt: skip
    i, t = np.nonzero(trains)
    x = EventList(t, 0 * t, i, 1, (len(trains),))
    trace = simulate(net, x, steps=len(trains[0]), schedule="pipeline", record=Record(spikes=("out",), v=("out",)))
    return trace, messages(net, trace, x, {"input": (0, 0), "out": place})


@pytest.mark.parametrize("name", CASES)
def test_its_seven_networks(name):
    trains, neurons, place, synapse, theta, energies, time, met, packets, updated, fired = CASES[name]
    trace, did = run(trains, neurons, place, theta)
    rule = replace(rules.load("sanafe_loihi"), synapse=synapse)
    report = rule.price(trace.activity, rules.Evidence(messages=did))
    parts = {
        node: sum(row.energy_j for row in report.rows if row.node == node) for node in ("synapse", "soma", "network")
    }
    for found, expected in zip((report.energy_j, *parts.values()), energies, strict=True):
        assert found * 1e12 == pytest.approx(expected, rel=1e-12)
    assert report.latency_s[0] * 1e9 == pytest.approx(time, rel=1e-12)
    inputs = int(did.input_spikes.sum())
    assert sum(int(counts.sum()) for counts in did.synapses.values()) == met
    assert report.count("packet sent") == packets
    assert report.count("update") + inputs == updated
    assert report.count("spike") + inputs == fired


def test_a_spike_to_two_groups_on_one_core_is_one_packet():
    """Two layers read the same input: on one core each spike is one packet with four synapses, on two cores two with two."""
    lin = Linear(weight=np.ones((2, 1)))
    neurons = IF(v_threshold=9.0)
    net = Network("fork", (1,), (
        Node("a", lin, ("input",), (1,)), Node("one", neurons, ("a",)),
        Node("b", lin, ("input",), (1,)), Node("two", neurons, ("b",)),
        Node("sum", Add(), ("one", "two")),
    ))  # fmt: skip
    x = EventList(np.array([0]), np.array([0]), np.array([0]), 1, (1,))
    trace = simulate(net, x, steps=2, schedule="pipeline", record=Record(spikes=net.neurons, v=net.neurons))
    for second, packets in (((0, 1), 1), ((0, 2), 2)):
        did = messages(net, trace, x, {"input": (0, 0), "one": (0, 1), "two": second})
        assert int(did.packets.sum()) == packets
        assert int(did.synapses["Linear"].sum()) == 4


DEMO = "SANA-FE's example_chip.yaml"


def figure(value):
    return Figure(kind=Kind.MARGINAL, grade=Grade.ESTIMATED, source=DEMO, nominal=value)


def event(picojoules, nanoseconds):
    return Event(energy=figure(picojoules * 1e-12), time=figure(nanoseconds * 1e-9))


def test_its_example_chip():
    """Two inputs, of which one spikes at steps 1 and 3, two neurons, one of which inhibits itself, 100 steps: 6.44 nJ and 0.833 us."""
    neuron = IF(v_threshold=2.0, firing=">", reset="to_value")
    net = Network("example", (2,), (
        Node("a", Linear(weight=np.array([[-1.0, 1.0]])), ("input",), (1,)), Node("one", neuron, ("a",)),
        Node("b", Linear(weight=np.array([[2.0, 3.0]])), ("input",), (1,)),
        Node("back", Linear(weight=np.array([[-4.0]])), ("two",), (1,)), Node("sum", Add(), ("b", "back")),
        Node("two", neuron, ("sum",)),
    ))  # fmt: skip
    x = EventList(np.array([0, 2]), np.array([0, 0]), np.array([1, 1]), 1, (2,))
    trace = simulate(net, x, steps=100, schedule="pipeline", record=Record(spikes=net.neurons, v=net.neurons))
    did = messages(net, trace, x, {"input": [(0, 0), (0, 1)], "one": (0, 0), "two": (0, 0)})
    loihi = rules.load("sanafe_loihi")
    assert isinstance(loihi, SanaFe)
    chip = replace(
        loihi, access=event(20, 3), update=event(10, 1), spike=event(60, 30), synapses={"dense": event(20, 3)},
        packet_out=event(100, 5), packet_in=event(0, 0), barrier=[Barrier(tiles=1, time=figure(0.0))],
    )  # fmt: skip
    report = chip.price(trace.activity, rules.Evidence(messages=did))
    parts = {
        node: sum(row.energy_j for row in report.rows if row.node == node) for node in ("soma", "synapse", "network")
    }
    assert parts == pytest.approx({"soma": 6.04e-9, "synapse": 1e-10, "network": 3e-10}, rel=1e-12)
    assert report.energy_j == pytest.approx(6.44e-9, rel=1e-12)
    assert report.latency_s[0] == pytest.approx(8.33e-7, rel=1e-12)
    assert report.count("update") + 2 == 200
    assert report.count("spike") + 2 == report.count("packet sent") == 3
    assert int(did.synapses["Linear"].sum()) == 5


def test_what_stands_still_costs_its_accesses_and_the_barrier():
    trace, did = run(np.zeros((2, 4), int), 3, (0, 0), 1.0)
    report = rules.load("sanafe_loihi").price(trace.activity, rules.Evidence(messages=did))
    assert report.energy_j == pytest.approx(12 * 51.2e-12, rel=1e-12)
    assert report.latency_s[0] == pytest.approx(4 * (600e-9 + 18e-9), rel=1e-12)


def test_a_bias_or_a_current_updates_at_every_step():
    for bias, x in ((np.array([0.5, 0.0]), np.zeros((1, 1), np.int64)), (None, None)):
        net = Network("n", (1,), (
            Node("fc", Linear(weight=np.ones((2, 1)), bias=bias), ("input",), (1,)), Node("out", IF(v_threshold=9.0), ("fc",)),
        ))  # fmt: skip
        drive = EventList(x[0][:0], x[0][:0], x[0][:0], 1, (1,)) if x is not None else np.ones((1, 1))
        trace = simulate(net, drive, steps=3, schedule="pipeline", record=Record(spikes=("out",), v=("out",)))
        cores = {"out": (0, 0)} | ({"input": (0, 0)} if x is not None else {})
        assert messages(net, trace, drive, cores).updated.sum() == (3 if x is not None else 6)


def test_a_potential_at_the_start_updates_the_first_step():
    net = Network("n", (1,), (
        Node("fc", Linear(weight=np.ones((2, 1))), ("input",), (1,)), Node("out", IF(v_threshold=9.0, v_init=0.5), ("fc",)),
    ))  # fmt: skip
    drive = EventList(*np.zeros((3, 0), int), 1, (1,))
    trace = simulate(net, drive, steps=3, schedule="pipeline", record=Record(spikes=("out",), v=("out",)))
    assert messages(net, trace, drive, {"input": (0, 0), "out": (0, 0)}).updated.tolist() == [[[2]], [[2]], [[2]]]


def test_stopped_steps_cost_nothing():
    trace, did = run(TWO, 3, (0, 0), 1.5)
    rule = rules.load("sanafe_loihi")
    for steps in (1, 2, 3):
        stopped = rule.price(trace.activity.until(np.array([steps])), rules.Evidence(messages=did))
        shorter, less = run(np.array(TWO)[:, :steps], 3, (0, 0), 1.5)
        alone = rule.price(shorter.activity, rules.Evidence(messages=less))
        assert [(row.quantity, row.count) for row in stopped.rows] == [(row.quantity, row.count) for row in alone.rows]
        assert stopped.latency_s.tolist() == pytest.approx(alone.latency_s.tolist(), rel=1e-12)


def test_messages_of_what_cannot_be_sent_are_refused():
    lin, neuron = Linear(weight=np.ones((2, 2))), IF(v_threshold=1.0)
    x = EventList(*np.array([[0], [0], [0]]), 1, (2,))
    everything = Record(spikes=("out",), v=("out",))
    late = Network("n", (2,), (Node("fc", lin, ("input",), (1,)), Node("out", neuron, ("fc",))))
    soon = Network("n", (2,), (Node("fc", lin, ("input",)), Node("out", neuron, ("fc",))))
    cores = {"input": (0, 0), "out": (0, 0)}

    def sent(net, cores, record=everything, drive=x):
        return messages(net, simulate(net, drive, steps=2, schedule="pipeline", record=record), drive, cores)

    with pytest.raises(
        SpecError, match=r"out: spikes of 'input' take 0 steps, .* delays=\(1,\) on the edge from the input"
    ):
        sent(soon, cores)
    with pytest.raises(SpecError, match="cores: 'input' has no place; give it a \\(tile, core\\)"):
        sent(late, {"out": (0, 0)})
    with pytest.raises(SpecError, match="cores: 'fc' sends no spikes; map out, input"):
        sent(late, cores | {"fc": (0, 0)})
    with pytest.raises(SpecError, match="trace: no potentials of 'out' were recorded"):
        sent(late, cores, Record(spikes=("out",)))
    with pytest.raises(SpecError, match="trace: no spikes of 'out' were recorded"):
        sent(late, cores, Record(v=("out",)))
    with pytest.raises(UnsupportedLayerError, match="input: sends more than one spike a step, a packet carries one"):
        sent(late, cores, drive=EventList(*np.array([[0, 0], [0, 0], [0, 0]]), 1, (2,)))
    with pytest.raises(SpecError, match="trace: it is of another network"):
        messages(soon, simulate(late, x, steps=2, record=everything), x, cores)
    with pytest.raises(SpecError, match="trace: it is of another input"):
        messages(late, simulate(late, x, steps=2, record=everything), np.ones((1, 2)), cores)
    chain = Network("n", (2,), (Node("a", lin, ("input",), (1,)), Node("b", lin, ("a",)), Node("out", neuron, ("b",))))
    with pytest.raises(
        UnsupportedLayerError, match="b: weights behind the weights of 'a' without neurons between them"
    ):
        sent(chain, cores)
    pool = Network("n", (1, 1, 1), (Node("p", MaxPool2d(kernel=1), ("input",), (1,)), Node("out", neuron, ("p",))))
    with pytest.raises(UnsupportedLayerError, match="MaxPool2d passes on one of its inputs: that is no connection"):
        sent(pool, cores, drive=EventList(*np.array([[0], [0], [0]]), 1, (1, 1, 1)))


def test_what_the_chip_does_not_have_is_refused():
    trace, did = run(TWO, 3, (0, 0), 10.0)
    rule, evidence = rules.load("sanafe_loihi"), rules.Evidence(messages=did)
    with pytest.raises(SpecError, match="needs evidence.messages; make them with refsnn.messages.messages"):
        rule.price(trace.activity)
    with pytest.raises(SpecError, match="synapse 'desne' is none; did you mean 'dense'?"):
        replace(rule, synapse="desne").price(trace.activity, evidence)
    with pytest.raises(CapacityError, match=r"core \(0, 0\) has 3 neurons, it holds 2"):
        replace(rule, neurons_per_core=2).price(trace.activity, evidence)
    trace, did = run(TWO, 3, (32, 0), 10.0)
    with pytest.raises(CapacityError, match=r"core \(32, 0\) does not exist; there are 32 tiles of 4 cores"):
        rule.price(trace.activity, rules.Evidence(messages=did))


def test_the_file_says_the_same():
    oracle = case("sanafe_oracle.json")
    assert set(oracle["cases"]) == set(CASES)
    for name, (trains, neurons, _, synapse, _, energies, time, met, packets, updated, fired) in CASES.items():
        entry = oracle["cases"][name]
        assert (entry["args"]["rate_pattern"], entry["args"]["n_out"]) == (trains, neurons)
        assert entry["args"].get("synapse", "").removeprefix("loihi_").removesuffix("_synapse") == (synapse or "")
        result = entry["result"]["simple"]
        printed = [result["energy"][part] * 1e12 for part in ("total", "synapse", "soma", "network")]
        assert printed == pytest.approx(list(energies), rel=1e-12)
        assert result["sim_time"] * 1e9 == pytest.approx(time, rel=1e-12)
        counted = [result[key] for key in ("spikes", "packets_sent", "neurons_updated", "neurons_fired")]
        assert counted == [met, packets, updated, fired]
    example = oracle["example_chip_100steps"]
    assert (example["energy"]["total"], example["sim_time"]["simple"]) == (6.44e-9, 8.33e-7)
