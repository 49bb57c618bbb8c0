"""Counting rules on the examples of the tools' own tests and documentation, through networks of ours."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from shared_cases import case

from hwmodel import rules
from hwmodel.figures import Figure, Grade, Kind
from hwmodel.rules import odin
from refsnn import EventList, Frames, Network, Node, Record, forward, preset, simulate
from refsnn.effective import effective_synops, frame_inputs, layer_inputs, membrane_changes
from refsnn.layers import Add, AvgPool2d, BatchNorm, Conv1d, Conv2d, Flatten, Linear, MaxPool2d, ReLU, Scale
from refsnn.neurons import IF


def network(shape, *layers):
    """The layers one after the other."""
    names = ["input", *(f"{type(layer).__name__.lower()}{i}" for i, layer in enumerate(layers))]
    nodes = [Node(names[i + 1], layer, (names[i],)) for i, layer in enumerate(layers)]
    return Network("case", shape, tuple(nodes))


def linear(outputs, inputs, value=0.25, **more):
    return Linear(weight=np.full((outputs, inputs), value), **more)


def figure(joules):
    return Figure(kind=Kind.MARGINAL, grade=Grade.ESTIMATED, source="a user's", nominal=joules)


def events(x):
    """Spike counts x [T, N, ...] as events."""
    t, n, *place = (np.repeat(axis, x[x > 0]) for axis in np.nonzero(x))
    return EventList(t, n, np.ravel_multi_index(place, x.shape[2:]), x.shape[1], x.shape[2:])


# keras-spiking

KERAS_DEVICES = {"cpu": (8.6e-9, 8.6e-9, False), "gpu": (0.3e-9, 0.3e-9, False), "arm": (0.9e-9, 0.9e-9, False),
                 "loihi": (27.1e-12, 81e-12, True), "spinnaker": (13.3e-9, 26e-9, True),
                 "spinnaker2": (450e-12, 2.19e-9, True)}  # fmt: skip


@pytest.mark.parametrize("device", KERAS_DEVICES)
def test_keras_spiking_devices(device):
    rule = rules.load(f"keras_spiking:{device}")
    assert (rule.energy_per_synop.nominal, rule.energy_per_neuron.nominal, rule.spiking) == KERAS_DEVICES[device]


def test_keras_spiking_documentation():
    """Dense(128, relu) of 784 inputs: 8.64e-04 J on its CPU, 1.03e-05 J on a device of one's own."""
    net = network((784,), linear(128, 784), ReLU())
    activity = forward(net, np.ones((1, 784))).activity
    report = rules.load("keras_spiking:cpu").price(activity)
    assert report.totals()["synaptic operation"][0] == 100352
    assert report.totals()["neuron update"][0] == 128
    assert report.energy_j == pytest.approx(0.0008641279999999999, rel=1e-15)
    assert f"{report.energy_per_inference_j:.2e}" == "8.64e-04"
    mine = replace(rules.load("keras_spiking:cpu"), energy_per_synop=figure(1e-10), energy_per_neuron=figure(2e-9))
    assert mine.price(activity).energy_j == pytest.approx(1.02912e-05, rel=1e-15)
    assert f"{mine.price(activity).energy_j:.2e}" == "1.03e-05"


def test_keras_spiking_statistics_of_a_small_layer_and_of_the_notebook():
    small = rules.load("keras_spiking:cpu").price(
        forward(network((10,), linear(5, 10), ReLU()), np.ones((1, 10))).activity
    )
    assert (small.count("synaptic operation"), small.count("neuron update")) == (50, 5)
    conv = Conv2d(weight=np.ones((2, 1, 7, 7)))
    net = network((1, 28, 28), conv, ReLU(), Flatten(), linear(128, 968), ReLU(), linear(10, 128))
    activity = forward(net, np.ones((1, 1, 28, 28))).activity
    report = rules.load("keras_spiking:cpu").price(activity)
    assert [row.count for row in report.rows] == [47432, 968, 123904, 128, 1280]
    assert report.energy_j == pytest.approx(0.0014939232, rel=1e-15)
    assert rules.load("keras_spiking:gpu").price(activity).energy_j == pytest.approx(5.21136e-05, rel=1e-15)


def test_keras_spiking_loihi_equation():
    """Dense(128) of 784 inputs that fire at 37.5 Hz, 46 steps of 1 ms: 6762 spikes of 5 samples are that rate."""
    at = np.arange(6762) * (5 * 46 * 784) // 6762
    n, t, i = np.unravel_index(at, (5, 46, 784))
    net = network((784,), linear(128, 784), IF(v_threshold=1e6))
    activity = simulate(net, EventList(t, n, i, 5, (784,)), steps=46).activity
    report = rules.load("keras_spiking:loihi").price(activity)
    totals = report.totals()
    assert totals["synaptic operation"][0] == 5 * 100352 * 46 * Fraction(375, 10000)
    assert totals["synaptic operation"][1] / 5 == pytest.approx(4.69120512e-06, rel=1e-12)
    assert totals["neuron update"][1] / 5 == pytest.approx(4.769280000000001e-07, rel=1e-12)


def test_keras_spiking_reads_real_inputs_as_rates_in_hz():
    """A quirk: an image of 0.5 everywhere is 0.5 Hz, 0.0005 events an input and step."""
    net = network((4,), linear(3, 4), IF(v_threshold=1.0))
    x = np.full((1, 4), 0.5)
    trace = simulate(net, x, steps=2, record=Record(spikes=net.neurons))
    rule = rules.load("keras_spiking:loihi")
    exact = rule.price(trace.activity, rules.Evidence(layer_inputs(net, trace, x)))
    assert float(exact.count("synaptic operation")) == pytest.approx(12 * 0.5 * 1e-3 * 2, rel=1e-15)
    assert rule.price(trace.activity).count("synaptic operation") == 24
    assert "reads real values" in rule.price(trace.activity).notes[0]


# NeuroBench


def five():
    """Ones, the first ten of them 5."""
    return np.where(np.arange(20) < 10, 5.0, 1.0)[None]


def spoiled(*shape):
    """Ones, the first of them 4: not taken for spikes."""
    x = np.ones((1, *shape))
    x.flat[0] = 4.0
    return x


NEUROBENCH = {  # ANNs of NeuroBench's tests: (layers, input, MACs); ReLU for its sigmoids, whose outputs are not 0 either
    "Linear(20,25,nobias)-Sigmoid-Linear(25,25)-ReLU": ((linear(25, 20), ReLU(), linear(25, 25)), five(), 1125),
    "Linear20-20,Sig,Linear20-25,Sig,Linear25-25,Sig,Linear25-25,Sig": (
        (linear(20, 20), ReLU(), linear(25, 20), ReLU(), linear(25, 25), ReLU(), linear(25, 25)), five(), 2150),
    "Conv2d(1,1,3,nobias)": ((Conv2d(weight=np.full((1, 1, 3, 3), 0.25)),), spoiled(1, 3, 3), 9),
    "Conv2d(1,1,3,nobias) on 12 x 12": ((Conv2d(weight=np.full((1, 1, 3, 3), 0.25)),), spoiled(1, 12, 12), 900),
    "Conv1d(5,1,5,nobias)": ((Conv1d(weight=np.full((1, 5, 5), 0.25)),), spoiled(5, 10), 150),
}  # fmt: skip


@pytest.mark.parametrize("name", NEUROBENCH)
def test_neurobench_of_source_networks(name):
    layers, x, macs = NEUROBENCH[name]
    net = network(x.shape[1:], *layers)
    activity = forward(net, x).activity
    for evidence in (rules.Evidence(), rules.Evidence(frame_inputs(net, x))):
        report = rules.load("neurobench").price(activity, evidence)
        assert (report.count("Effective_MACs"), report.count("Effective_ACs")) == (macs, 0)
        assert report.count("Dense") == macs


def test_neurobench_leaves_out_zero_weights():
    """Its documentation: three weights of 0 and one input of 0 leave 4 of 9 operations."""
    weight = np.array([[1.3, 0, -3.2], [0, 1.2, -5.1], [-1.1, 2.7, 0]])
    net, x = network((3,), Linear(weight=weight)), np.array([[0, 1.3, -1.0]])
    report = rules.load("neurobench").price(forward(net, x).activity, rules.Evidence(frame_inputs(net, x)))
    assert (report.count("Effective_MACs"), report.count("Dense")) == (4, 9)


def leaky(theta=1.0):
    return preset("snntorch.Leaky>=0.8", beta=0.9, threshold=theta, reset_mechanism="zero", reset_delay=False)


@pytest.mark.parametrize(("x", "updates"), [(np.ones((10, 5, 20)), 50), (np.zeros((10, 5, 20)), 5)])
def test_neurobench_of_a_spiking_network(x, updates):
    """Linear(20, 5) and Leaky, five samples of ten steps: 1000 ACs, as all inputs are 1 (a quirk, they are real here);
    50 updates as all potentials change, or 5 in the first step alone; four operations an update.
    """
    net = network((20,), linear(5, 20, 0.03125), leaky(1e3))
    trace = simulate(net, Frames(x), steps=10, record=Record(spikes=net.neurons, v=net.neurons))
    evidence = rules.Evidence(layer_inputs(net, trace, Frames(x)), membrane_changes(trace))
    report = rules.load("neurobench").price(trace.activity, evidence)
    assert report.per_inference("Effective_ACs") == (1000 if x.any() else 0)
    assert report.count("Effective_MACs") == 0
    assert report.per_inference("Dense") == 1000
    assert report.per_inference("MembraneUpdates") == updates
    assert report.per_inference("Effective Neuron Ops") == 4 * updates
    assert report.per_inference("Neuron Dense Ops") == 200
    without = rules.load("neurobench").price(trace.activity)
    assert without.per_inference("Effective_MACs") == (1000 if x.any() else 0)
    assert without.per_inference("MembraneUpdates") == 50
    assert len(without.notes) == 2


def test_neurobench_sparsity_and_footprint():
    """Two spikes a sample among 50 activations are a sparsity of 0.96. 20-256-256-256-35 has 145955 parameters, which with five
    numbers a layer of neurons are 583900 bytes, and with the potentials of 256 samples 1406172.
    """
    weight = np.zeros((5, 20))
    weight[0] = 0.25  # 5 a step: the first neuron reaches 25 at steps 5 and 10
    net = network((20,), Linear(weight=weight), IF(v_threshold=25.0))
    activity = simulate(net, Frames(np.ones((10, 5, 20))), steps=10).activity
    assert rules.load("neurobench").price(activity).figures["ActivationSparsity"] == 0.96
    sizes = (20, 256, 256, 256, 35)
    layers = [
        layer
        for inputs, outputs in pairwise(sizes)
        for layer in (linear(outputs, inputs, 0.0, bias=np.zeros(outputs)), leaky())
    ]
    activity = simulate(network((20,), *layers), np.zeros((1, 20)), steps=1).activity
    assert sum(node.n_weights for node in activity.nodes) == 145955
    rule = rules.load("neurobench")
    assert rule.price(activity).figures["Footprint"] == 4 * 145955
    kept = replace(rule, buffers_per_neuron_layer=5)
    assert kept.price(activity).figures["Footprint"] == 583900
    assert replace(kept, state_batch=256).price(activity).figures["Footprint"] == 1406172


# sinabs

DOTS = np.zeros((2, 3), np.int64)
DOTS[0, 0], DOTS[1, 2] = 3, 5
EYE = np.broadcast_to(np.eye(3, dtype=np.int64), (2, 1, 3, 3))
SINABS = {  # layer, spike counts of the samples, the mean over them
    "Linear(3,5)": (linear(5, 3), DOTS, 20),
    "Linear(3,5) two batches 3 then 6 (average)": (linear(5, 3), np.array([[3, 0, 0], [6, 0, 0]]), 22.5),
    "Conv2d(1,5,k=2) on eye(3) batch2 (edge-aware connection map)": (Conv2d(weight=np.ones((5, 1, 2, 2))), EYE, 30),
    "same, second batch x2, average": (Conv2d(weight=np.ones((5, 1, 2, 2))), np.concatenate([EYE, 2 * EYE]), 45),
}  # fmt: skip


@pytest.mark.parametrize("name", SINABS)
def test_sinabs(name):
    layer, counts, expected = SINABS[name]
    net = network(counts.shape[1:], layer)
    report = rules.load("sinabs").price(simulate(net, events(counts[None]), steps=1).activity)
    assert report.per_inference("synops") == expected


def test_a_rule_without_borders_counts_twice_as_much_here():
    """Spikes x channels x kernel: 3 spikes of each eye are 3 * 5 * 4 = 60 synops, not 30."""
    net = network((1, 3, 3), Conv2d(weight=np.ones((5, 1, 2, 2))), IF(v_threshold=1e3))
    activity = simulate(net, events(EYE[None]), steps=1).activity
    assert rules.load("spikingjelly_lemaire").price(activity).per_inference("address AC") == 60
    assert rules.load("sinabs").price(activity).per_inference("synops") == 30


# syops-counter


def test_syops_counts_of_its_tests():
    for layer, shape, operations in (
        (Conv2d(weight=np.zeros((2, 3, 3, 3)), bias=np.zeros(2)), (3, 224, 224), 2759904),
        (Linear(weight=np.zeros((2, 3)), bias=np.zeros(2)), (3,), 8),
    ):
        net = network(shape, layer)
        report = rules.load("syops").price(simulate(net, np.full((1, *shape), 0.5), steps=1).activity)
        assert report.count("operations") == operations
        assert report.count("MAC") == operations


def test_syops_counts_of_norms_pools_and_activations():
    """BatchNorm twice its inputs, pools and ReLU once; behind a scale a spike is no 0 or 1."""
    norm = BatchNorm(weight=np.ones(2), bias=np.ones(2), mean=np.zeros(2), var=np.ones(2))
    net = network((2, 4, 4), norm, ReLU(), AvgPool2d(kernel=2), MaxPool2d(kernel=2), Flatten(), linear(3, 2))
    report = rules.load("syops").price(forward(net, np.full((1, 2, 4, 4), 0.5)).activity)
    counted = [(row.node, row.count) for row in report.rows if row.quantity == "operations"]
    assert counted == [("batchnorm0", 64), ("relu1", 32), ("avgpool2d2", 32), ("maxpool2d3", 8), ("linear5", 6)]
    scaled = network((2,), IF(v_threshold=1.0), Scale(factor=0.5), linear(3, 2))
    report = rules.load("syops").price(simulate(scaled, np.ones((1, 2)), steps=1).activity)
    assert (report.count("MAC"), report.count("AC")) == (6, 2)


SYOPS_README = [("spiking_resnet18", 0.1, 0.14, 0.734), ("sew_resnet18", 0.5, 2.75, 13.1),
                ("DSNN18", 1.69, 0.2, 2.44), ("resnet18", 0.0, 1.82, 8.372)]  # fmt: skip


@pytest.mark.parametrize(("name", "acs", "macs", "energy"), SYOPS_README)
def test_syops_prices_of_its_readme(name, acs, macs, energy):
    """G operations times pJ are mJ."""
    rule = rules.load("syops")
    assert (rule.accumulate.nominal, rule.multiply_accumulate.nominal) == (0.9e-12, 4.6e-12)
    total = 1e12 * (acs * rule.accumulate.nominal + macs * rule.multiply_accumulate.nominal)
    digits = len(str(energy).partition(".")[2])
    assert round(total, digits) == energy


# ODIN


def test_odin_cycles():
    rule = rules.load("odin")
    assert isinstance(rule, odin.Odin)
    assert rule.cycles(spikes=1) == 1 + 512
    assert rule.cycles(spikes=0, time_references=1) == 512
    assert rule.cycles(spikes=0, virtual=1) == 1 + 2
    assert rule.cycles(spikes=0, single_synapses=1) == 2
    assert rule.cycles(spikes=10, time_references=4, virtual=7, single_synapses=3) == 5130 + 2048 + 21 + 6


def test_odin_of_a_run():
    """Two inputs spike in each of 3 steps, two neurons fire in all of them: 12 spikes, 3 time references."""
    net = network((2,), linear(2, 2, 1.0), IF(v_threshold=1.0))
    activity = simulate(net, events(np.ones((3, 1, 2), np.int64)), steps=3).activity
    report = rules.load("odin").price(activity)
    assert report.count("spike events") == 12
    assert report.count("cycles") == 12 * 513 + 3 * 512
    assert report.latency_s == pytest.approx((12 * 513 + 3 * 512) / 75e6, rel=1e-15)
    assert report.energy_j is None


def test_odin_counts_an_input_spike_once_however_many_layers_read_it():
    lin = linear(1, 2, 1.0)
    nodes = (Node("a", lin, ("input",)), Node("b", lin, ("input",)), Node("sum", Add(), ("a", "b")))
    activity = simulate(Network("n", (2,), nodes), events(np.ones((3, 1, 2), np.int64)), steps=3).activity
    assert rules.load("odin").price(activity).count("spike events") == 6


def test_effective_synops_leave_out_zero_weights():
    weight = np.array([[1.0, 0.0], [0.0, 0.0], [2.0, 3.0]])
    net = network((2,), Linear(weight=weight), IF(v_threshold=1e3))
    x = events(np.array([[[1, 1]], [[1, 0]]]))
    trace = simulate(net, x, steps=2, record=Record(spikes=net.neurons))
    assert trace.activity["linear0"].synops.tolist() == [[6], [3]]
    assert effective_synops(net, trace, x)["linear0"].tolist() == [[3], [2]]


# the files that these facts are copied from


def test_the_files_say_the_same():
    keras = case("keras_spiking_cases.json")
    assert {name: tuple(values) for name, values in keras["devices_J"].items()} == KERAS_DEVICES
    by_name = {entry["name"].split()[0]: entry for entry in keras["cases"]}
    assert by_name["docstring_dense_784_128_relu_cpu"]["exact_J"] == 0.0008641279999999999
    assert by_name["docstring_my_cpu"]["exact_J"] == 1.02912e-05
    assert by_name["notebook_model"]["cpu_J"] == 0.0014939232
    assert by_name["notebook_model"]["gpu_J"] == 5.21136e-05
    check = by_name["loihi_equation_check"]
    assert [check[key] for key in ("connections", "neurons", "rate_hz", "dt", "T")] == [100352, 128, 37.5, 0.001, 46]
    assert (check["synop_J"], check["neuron_J"]) == (4.69120512e-06, 4.769280000000001e-07)
    # no layer of ours repeats its inputs
    assert set(by_name) - {"upsampling2d_4x4x3_x2", "td_dense_10_5_relu"} == {
        "docstring_dense_784_128_relu_cpu", "docstring_my_cpu", "notebook_model", "loihi_equation_check"
    }  # fmt: skip


def test_neurobenchs_file_says_the_same():
    bench = case("neurobench_cases.json")
    cells = {"LSTMCell(25,5) bias": 615, "RNNCell(25,5)": 150, "GRUCell(25,5)": 465}  # of which refsnn has none
    for entry in bench["synops"]:
        name = entry["model"]
        if name in cells:
            assert entry["MAC"] == cells[name]
        elif name == "Linear(20,5,nobias)-snn.Leaky(0.9)":
            assert (entry["MAC"], entry["AC"]) == (0, 1000)
        else:
            name += " on 12 x 12" if "12,12" in entry["input"] else ""
            assert (entry["MAC"], entry["AC"]) == (NEUROBENCH[name][2], 0)
    assert bench["docs_example"]["effective_synops"] == 4
    assert bench["membrane_updates"][0]["expected"] == 50
    assert bench["activation_sparsity_by_layer"][0]["expected"] == 0.96
    assert [(entry["effective"], entry["dense"]) for entry in bench["neuron_operations"]] == [(200, 200), (20, 200)]
    footprint = bench["footprint_bytes"]
    assert [footprint[key] for key in ("params", "footprint_snntorch_0.7.0", "else")] == [145955, 583900, 1406172]


def test_the_smaller_files_say_the_same():
    sinabs = case("sinabs_synops_cases.json")
    assert {entry["layer"]: entry["synops"] for entry in sinabs["cases"]} == {
        name: expected for name, (_, _, expected) in SINABS.items()
    }
    assert sinabs["naive_counter_value_for_conv_case"].startswith("theta*Cout*K = 3*5*4 = 60")
    syops = case("syops_cases.json")
    assert [tuple(row) for row in syops["table"]] == SYOPS_README
    assert [entry["ops_total"] for entry in syops["unit_tests"]] == [2759904, 8]
    cycles = case("odin_event_cycles.json")["equation"]
    assert cycles == "cycles = 513*N_spikes + 512*N_time_ref + 3*N_virtual + 2*N_single_syn"
