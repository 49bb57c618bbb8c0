"""Pricing rules that know memories, crossbars and mappings, on the figures that their tools print or document."""

from dataclasses import replace
from math import ceil, prod

import numpy as np
import pytest
from shared_cases import case

from hwmodel import rules
from hwmodel.rules.lemaire import Errata, Lemaire
from hwmodel.rules.spikesim import SpikeSim
from hwmodel.rules.spikingjelly_lemaire import SpikingJellyLemaire
from hwmodel.rules.timeloop import LevelCounts, Timeloop
from refsnn import EventList, Frames, Network, Node, simulate
from refsnn.effective import layer_inputs
from refsnn.errors import SpecError
from refsnn.layers import Add, Conv2d, Linear
from refsnn.neurons import IF, LIF
from refsnn.patches import patch_counts


def spikes(x):
    """Single spikes x [T, N, ...]."""
    t, n, *place = np.nonzero(x)
    return EventList(t, n, np.ravel_multi_index(place, x.shape[2:]), x.shape[1], x.shape[2:])


# SpikingJelly


def test_spikingjelly_compute_energies():
    """Linear(4, 3) on [1, 0, 1, 0]: 6 accumulates, 5.4 pJ; on 2 x 4 of 0.5: 24 MACs, 110.4 pJ; fp16, two outputs: 1.6 pJ."""
    three, two = (Network("n", (4,), (Node("fc", Linear(weight=np.full((n, 4), 0.3)), ("input",)),)) for n in (3, 2))
    row = spikes(np.array([[[1, 0, 1, 0]]]))
    report = rules.load("spikingjelly_horowitz:fp32").price(simulate(three, row, steps=1).activity)
    assert (report.count("AC"), report.count("MAC")) == (6, 0)
    assert report.energy_j * 1e12 == pytest.approx(5.4, rel=1e-15)
    report = rules.load("spikingjelly_horowitz:fp32").price(simulate(three, np.full((2, 4), 0.5), steps=1).activity)
    assert (report.count("AC"), report.count("MAC")) == (0, 24)
    assert report.energy_j * 1e12 == pytest.approx(110.4, rel=1e-15)
    report = rules.load("spikingjelly_horowitz:fp16").price(simulate(two, row, steps=1).activity)
    assert report.energy_j * 1e12 == pytest.approx(1.6, rel=1e-15)


def test_spikingjelly_counts_both_spikes_of_a_sum():
    """x + y of ones, 2 x 3: 12 accumulates, twice the additions; 10.8 pJ."""
    ones = IF(v_threshold=1.0)
    nodes = (Node("x", ones, ("input",)), Node("y", ones, ("input",)), Node("sum", Add(), ("x", "y")))
    activity = simulate(Network("n", (2, 3), nodes), np.ones((1, 2, 3)), steps=1).activity
    report = rules.load("spikingjelly_horowitz:fp32").price(activity)
    (summed,) = [row for row in report.rows if (row.node, row.quantity) == ("sum", "AC")]
    assert summed.count == 12
    assert summed.energy_j * 1e12 == pytest.approx(10.8, rel=1e-15)


HOROWITZ = {("fp32", "accumulate"): 0.9, ("fp32", "multiply_accumulate"): 4.6, ("fp16", "accumulate"): 0.4,
            ("fp16", "multiply_accumulate"): 1.5, ("int8", "accumulate"): 0.03, ("int8", "multiply_accumulate"): 0.23}  # fmt: skip


@pytest.mark.parametrize(("precision", "operation"), HOROWITZ)
def test_prices_are_horowitz(precision, operation):
    found = getattr(rules.load(f"spikingjelly_horowitz:{precision}"), operation).nominal
    assert found == pytest.approx(HOROWITZ[precision, operation] * 1e-12, rel=1e-15)


def test_spikingjellys_memory_prices():
    rule = rules.load("spikingjelly_lemaire")
    assert isinstance(rule, SpikingJellyLemaire)
    kib = 1024
    prices = {0: 0.0, 8 * kib: 2.5, 20 * kib: 3.75, 32 * kib: 5.0, 1024 * kib: 25.0, 2048 * kib: 25.0}
    for capacity, expected in prices.items():
        assert rule.byte_j(capacity) * 1e12 == pytest.approx(expected, rel=1e-15)


def test_spikingjellys_events_on_crossbars():
    """Conv2d(2, 2, 2) on 3 x 3, crossbars of 2: two spikes in opposite corners touch two of four windows."""
    net = Network("n", (2, 3, 3), (Node("conv", Conv2d(weight=np.ones((2, 2, 2, 2))), ("input",)),))
    x = np.zeros((1, 1, 2, 3, 3), np.int64)
    x[0, 0, 0, 0, 0] = x[0, 0, 1, 2, 2] = 1
    trace = simulate(net, spikes(x), steps=1)
    touched = patch_counts(net, trace, spikes(x), tile=2)["conv"]
    assert (touched.patches.tolist(), touched.rows.tolist(), touched.sites.tolist()) == ([[2]], [[[2]]], [[2]])
    real = np.zeros((1, 2, 3, 3))
    real[0, 0, 0, 0] = 0.5  # one window alone has something in it: all of them are computed
    dense = patch_counts(net, simulate(net, real, steps=1), real, tile=2)["conv"]
    assert (dense.patches.tolist(), dense.rows.tolist(), dense.sites.tolist()) == ([[4]], [[[32]]], [[4]])
    rule = replace(rules.load("spikesim:event_rram"), crossbar_size=2)
    assert isinstance(rule, SpikeSim)
    report = rule.price(trace.activity, rules.Evidence(patches={"conv": touched}))
    assert [report.count(name) for name in ("patch control", "crossbar rows", "output sites")] == [2, 2, 2]
    expected = 2 * rule.control_j + 2 * 1.76423e-12 / 8 + 2 * 5.096e-12
    assert report.energy_j == pytest.approx(expected, rel=1e-15)
    with pytest.raises(SpecError, match=r"conv: needs evidence.patches; make them with refsnn.patches.patch_counts"):
        rule.price(trace.activity)


# SpikeSim

VGG9 = {"in_ch": (3, 64, 64, 128, 128, 256, 256), "out_ch": (64, 64, 128, 128, 256, 256, 256),
        "in_dim": (32, 32, 16, 16, 8, 8, 8), "out_dim": (32, 16, 16, 8, 8, 8, 4)}  # fmt: skip


@pytest.fixture(scope="module")
def vgg9():
    """Convolutions of VGG9 on CIFAR10; what pools do there a stride does here. Nothing fires: the tool does not look."""
    nodes, source = [], "input"
    for i, (into, out, before, after) in enumerate(zip(*VGG9.values(), strict=True)):
        conv = Conv2d(weight=np.zeros((out, into, 3, 3), np.float32), padding=1, stride=before // after)
        nodes += [Node(f"conv{i}", conv, (source,)), Node(f"if{i}", IF(v_threshold=1.0), (f"conv{i}",))]
        source = f"if{i}"
    net = Network("vgg9", (3, 32, 32), tuple(nodes))
    return simulate(net, np.zeros((1, 3, 32, 32)), steps=5).activity


def test_spikesim_prints_these_figures(vgg9):
    report = rules.load("spikesim:rram").price(vgg9)
    cycles = [row.count // 5 for row in report.rows]
    assert cycles == [1024, 256, 512, 256, 512, 1024, 256]
    assert report.figures["PEs"] == 48
    assert report.figures["tiles"] == 6
    assert report.figures["area, um2"] == pytest.approx(8425528.755833998, rel=1e-14)
    assert report.energy_j * 1e12 == pytest.approx(15906934.026240002, rel=1e-14)
    assert f"{report.energy_j * 1e12:.6f}" == "15906934.026240"
    assert report.latency_s[0] * 1e9 == pytest.approx(62832640.0, rel=1e-14)


def test_spikesims_price_of_a_cycle():
    rram, sram = rules.load("spikesim:rram"), rules.load("spikesim:sram")
    assert isinstance(rram, SpikeSim)
    assert isinstance(sram, SpikeSim)
    assert rram.pe_cycle_j(9) * 1e12 == pytest.approx(828.4861472, rel=1e-14)
    # what differs between them is the crossbar
    assert (sram.pe_cycle_j(9) - rram.pe_cycle_j(9)) * 1e12 == pytest.approx(8 * 9 * (671.089 - 1.76423), rel=1e-12)


def test_spikesim_wants_its_layers_in_order(vgg9):
    nodes = tuple(node for node in vgg9.nodes if node.node != "conv0")
    turned = replace(vgg9, nodes=tuple(reversed(nodes)))
    assert "in the order of their number of PEs" in rules.load("spikesim:rram").price(turned).notes[0]


# Timeloop and Accelergy

LEVELS = (
    LevelCounts(level="psum_spad", instances=126, numbers={"read": 57344, "update": 86016}),
    LevelCounts(level="weights_spad", instances=126, numbers={"read": 86016, "write": 1536}),
    LevelCounts(level="ifmap_spad", instances=126, numbers={"read": 86016, "write": 10752}),
    LevelCounts(level="shared_glb", instances=1, numbers={"read": 1354752, "write": 157296, "update": 401408}),
    LevelCounts(level="DRAM", instances=1, numbers={"read": 13824 + 157296, "update": 401408}),
    LevelCounts(level="mac", instances=126, numbers={"compute": 86016}),
)
PRINTED = {"psum_spad": 4190338.25, "weights_spad": 10893306.24, "ifmap_spad": 1216735.96, "shared_glb": 4066687.03,
           "DRAM": 36641792.0, "mac": 2250969.22}  # pJ  # fmt: skip
PER_COMPUTE = {"mac": 207.69, "psum_spad": 386.77, "weights_spad": 1006.69, "ifmap_spad": 112.37, "shared_glb": 375.27,
               "DRAM": 3380.86}  # fJ, leakage included  # fmt: skip


def test_timeloop_prints_these_levels():
    """AlexNet-like 3 -> 32 channels, 3 x 3, stride 2, 224 x 224 on eyeriss_like: 86016 cycles, 10838016 MACs, 59.28 uJ."""
    rule = rules.load("timeloop_eyeriss")
    assert isinstance(rule, Timeloop)
    report = rule.price_counts(LEVELS, cycles=86016)
    for level, printed in PRINTED.items():
        rows = [row for row in report.rows if row.node == level]
        work = sum(row.energy_j for row in rows if row.quantity != "leak") * 1e12
        assert work == pytest.approx(printed, abs=0.01)  # its last digit
        with_leak = sum(row.energy_j for row in rows) * 1e15 / 10838016
        assert round(with_leak, 2) == pytest.approx(PER_COMPUTE[level], abs=0.0101)
    leak = sum(row.energy_j for row in report.rows if row.quantity == "leak")
    assert f"{leak * 1e9:.1f}" == "20.3"
    assert f"{report.energy_j * 1e6:.2f}" == "59.28"
    assert report.count("compute") == 10838016
    assert report.energy_j * 1e15 / 10838016 == pytest.approx(5469.65, abs=0.01)


def test_timeloop_prices_no_activity(vgg9):
    with pytest.raises(
        SpecError, match="prices the counts of a mapping, which an activity does not hold; call price_counts"
    ):
        rules.load("timeloop_eyeriss").price(vgg9)
    with pytest.raises(SpecError, match="level 'shared_gbl' is none; did you mean 'shared_glb'?"):
        rules.load("timeloop_eyeriss").price_counts(
            [LevelCounts(level="shared_gbl", instances=1, numbers={})], cycles=1
        )
    with pytest.raises(SpecError, match="DRAM: action 'reed' is none; did you mean 'read'?"):
        rules.load("timeloop_eyeriss").price_counts(
            [LevelCounts(level="DRAM", instances=1, numbers={"reed": 1})], cycles=1
        )


# Lemaire

LEMAIRE = {"input read": 300, "output write": 12, "weight read": 3000, "bias read": 0, "potential read": 3080,
           "potential write": 3080, "multiply-accumulate": 0, "addition": 3092, "address multiply-accumulate": 0,
           "address addition": 3000}  # fmt: skip


def fully_connected(neuron=IF):
    """128 inputs that spike 300 times in 8 steps, 10 neurons that fire 12 times: two of them count twice."""
    weight = np.ones((10, 128))
    weight[:2] = 2.0
    more = {"decay": 1.0} if neuron is LIF else {}
    net = Network("fc", (128,), (
        Node("fc", Linear(weight=weight), ("input",)), Node("if", neuron(v_threshold=250.0, **more), ("fc",)),
    ))  # fmt: skip
    t, i = np.divmod(np.arange(300) * 1024 // 300, 128)
    return simulate(net, EventList(t, 0 * t, i, 1, (128,)), steps=8).activity


def test_lemaires_example():
    activity = fully_connected()
    assert activity["if"].spikes_out.sum() == 12
    report = rules.load("lemaire:iconip_int16").price(activity)
    assert {name: count for name, (count, _) in report.totals().items()} == LEMAIRE
    parts = {
        "io": ("input read", "output write"), "w": ("weight read",), "pot": ("potential read", "potential write"),
        "ops": ("addition", "multiply-accumulate"), "addr": ("address addition", "address multiply-accumulate"),
    }  # fmt: skip
    energies = {"io": 4172.8128, "w": 40269.695999999996, "pot": 81322.74304, "ops": 309.20000000000005, "addr": 300.0}
    for part, names in parts.items():
        assert 1e12 * sum(report.totals()[name][1] for name in names) == pytest.approx(energies[part], rel=1e-14)
    assert report.energy_j * 1e12 == pytest.approx(126374.45184, rel=1e-14)


def test_lemaires_memory_and_operation_prices():
    for bits, (add, multiply) in {8: (0.03, 0.2), 16: (0.1, 3.1), 32: (0.1, 3.1)}.items():
        for law in ("iconip", "t_louis"):
            rule = rules.load(f"lemaire:{law}_int{bits}")
            assert isinstance(rule, Lemaire)
            assert rule.addition.nominal == pytest.approx(add * 1e-12, rel=1e-15)
            assert rule.multiplication.nominal == pytest.approx(multiply * 1e-12, rel=1e-15)
            access = rule.memory.access_j(1000, rule.bits) * 1e12
            expected = 1.09e-5 * 1000 * bits + 13.2 if law == "iconip" else 10 / (64 // bits)
            assert access == pytest.approx(expected, rel=1e-14)


def test_lemaires_errata():
    """As printed: an extra factor of inputs, no reset. As coded: addresses for each input instead of each spike."""
    rule, activity = rules.load("lemaire:iconip_int16"), fully_connected()
    assert replace(rule, errata=Errata.ARTICLE).price(activity).count("addition") == 300 * 128 * 10 + 80
    assert replace(rule, errata=Errata.QUALIA).price(activity).count("address addition") * 128 == 3000
    leaky = rule.price(fully_connected(LIF))
    assert leaky.count("multiply-accumulate") == 80


def test_lemaires_leak_behind_a_real_input_is_a_multiplication_an_inference():
    neurons = LIF(v_threshold=1.0, decay=0.5)
    net = Network("n", (4,), (Node("fc", Linear(weight=np.ones((3, 4))), ("input",)), Node("lif", neurons, ("fc",))))
    report = rules.load("lemaire:iconip_int32").price(simulate(net, np.full((2, 4), 0.5), steps=5).activity)
    assert report.count("leak multiplication") == 2 * 3
    assert report.totals()["leak multiplication"][1] == pytest.approx(6 * 3.1e-12, rel=1e-15)
    assert report.count("multiply-accumulate") == 2 * 12


def test_lemaire_looks_at_the_steps_that_ran_alone():
    """Ones first, halves then: who stops after the first step has read spikes."""
    net = Network("n", (4,), (Node("fc", Linear(weight=np.ones((3, 4))), ("input",)),))
    drive = Frames(np.array([[[1.0] * 4], [[0.5] * 4]]))
    trace = simulate(net, drive, steps=2)
    evidence, rule = rules.Evidence(layer_inputs(net, trace, drive)), rules.load("lemaire:iconip_int32")
    assert rule.price(trace.activity.until(np.array([1])), evidence).count("multiply-accumulate") == 0
    assert rule.price(trace.activity, evidence).count("multiply-accumulate") == 12


@pytest.mark.parametrize(("stride", "groups"), [(1, 1), (2, 1), (1, 2)])
def test_lemaires_equations_of_a_convolution(stride, groups):
    """Spikes: Eqs. 1.4, 5, 7, 9, 13, 14, 16; a real input: Eqs. 1.1, 1.2, 3, 11."""
    conv = Conv2d(
        weight=np.full((4, 2 // groups, 3, 3), 0.25), bias=np.full(4, 0.5), stride=stride, padding=1, groups=groups
    )
    net = Network("conv", (2, 5, 5), (Node("conv", conv, ("input",)), Node("if", IF(v_threshold=1.0), ("conv",))))
    rng = np.random.default_rng(1)
    steps, x = 3, (rng.random((3, 1, 2, 5, 5)) < 0.4).astype(np.int64)
    activity = simulate(net, spikes(x), steps=steps).activity
    outputs, spiked, sent = activity["conv"].n_neurons, int(x.sum()), int(activity["if"].spikes_out.sum())
    assert sent > 0
    report = rules.load("lemaire:t_louis_int32").price(activity)
    fan_out = spiked * 4 // groups * 9
    expected = {
        "input read": spiked, "output write": sent, "weight read": fan_out, "bias read": outputs * steps,
        "potential read": fan_out + outputs * steps, "potential write": fan_out + outputs * steps,
        "addition": spiked * 4 // groups * ceil(3 / stride) ** 2 + outputs * steps + sent, "multiply-accumulate": 0,
        "address addition": fan_out, "address multiply-accumulate": 2 * spiked,
    }  # fmt: skip
    assert {name: count for name, (count, _) in report.totals().items()} == expected
    image = simulate(net, np.full((1, 2, 5, 5), 0.5), steps=steps).activity
    report, sent = rules.load("lemaire:t_louis_int32").price(image), int(image["if"].spikes_out.sum())
    dense = outputs * 2 // groups * 9
    assert report.count("input read") == dense
    assert report.count("multiply-accumulate") == dense
    assert report.count("addition") == outputs + sent
    assert report.count("address addition") == prod((2, 5, 5)) + outputs + 4 * 9


# the files that these facts are copied from


def test_the_files_say_the_same():
    jelly = case("spikingjelly_energy_cases.json")
    prices = [entry.get("E_fp32_pJ", entry.get("E_pJ")) for entry in jelly["cases"]]
    assert prices == [5.4, 110.4, 1.6, 10.8, None]
    assert [entry.get("mac") for entry in jelly["cases"]][:2] == [0, 24]
    event = jelly["cases"][4]
    assert [event[key] for key in (
        "active_patch_tile_count", "active_row_count", "active_output_tile_site_count", "dense_patch_tile_count", "dense_row_count",
    )] == [2, 2, 2, 4, 32]  # fmt: skip
    assert jelly["lemaire_memory_pJ_per_byte"] == {"8KiB": 2.5, "32KiB": 5.0, "1MiB": 25.0}
    table = case("horowitz_45nm.json")["pJ"]
    adds = {"fp32": table["fp_add"]["32"], "fp16": table["fp_add"]["16"], "int8": table["int_add"]["8"]}
    for precision, add in adds.items():
        assert (HOROWITZ[precision, "accumulate"], HOROWITZ[precision, "multiply_accumulate"]) == (
            add,
            table["mac"][precision],
        )


def test_spikesims_file_says_the_same():
    ela = case("spikesim_ela_case.json")
    assert {key: tuple(ela["inputs"][key]) for key in VGG9} == VGG9
    assert [line.split()[-2 if line.split()[-1][-1] in "2JsM" else -1] for line in ela["stdout"]] == [
        "48.0", "6.0", "8425528.755833998", "15906934.026240002", "62832640.0"
    ]  # fmt: skip
    assert ela["derived"]["PE_cycle_energy_pJ"] == 828.4861472
    assert ela["derived"]["pe_cycles_per_layer_per_timestep"] == [1024, 256, 512, 256, 512, 1024, 256]
    rram = rules.load("spikesim:rram")
    named = {"Tile_buff": "tile_buffer", "Temp_Buff": "temporary_buffer", "Sub": "subtractor", "ADC": "adc", "MUX": "mux",
             "Htree": "htree", "mem_fetch": "memory_fetch", "neuron": "neuron", "xbar_rram": "crossbar"}  # fmt: skip
    for theirs, ours in named.items():
        assert getattr(rram, ours).nominal * 1e12 == pytest.approx(ela["components_pJ"][theirs], rel=1e-14)


def test_timeloops_file_says_the_same():
    eyeriss = case("timeloop_eyeriss_like_case.json")
    rule = rules.load("timeloop_eyeriss")
    assert isinstance(rule, Timeloop)
    for level, prices in eyeriss["ERT_pJ"].items():
        for action, price in prices.items():
            part = rule.levels[level]
            ours = part.leak if action == "leak" else part.actions[action]
            if (level, action) != ("mac", "leak"):  # which no total contains
                assert ours.nominal * 1e12 == pytest.approx(price, rel=1e-15)
    assert {level: entry["E"] for level, entry in eyeriss["levels"].items()} == {
        level: energy for level, energy in PRINTED.items() if level != "mac"
    }
    assert (eyeriss["mac_energy_pJ"], eyeriss["cycles"], eyeriss["total_uJ"]) == (PRINTED["mac"], 86016, 59.28)
    for counts in LEVELS[:-1]:
        entry = eyeriss["levels"][counts.level]
        assert (entry["inst"], entry["block"]) == (counts.instances, rule.levels[counts.level].block)
        found: dict[str, int] = {}
        for tensor in ("Weights", "Inputs", "Outputs"):
            for action, count in entry.get(tensor, {}).items():
                name = {"reads": "read", "fills": "write", "updates": "update"}[action]
                found[name] = found.get(name, 0) + count
        assert found == counts.numbers


def test_lemaires_file_says_the_same():
    example = case("lemaire_equations_and_example.json")["example_fc"]
    names = {"rd_in": "input read", "wr_out": "output write", "rd_w": "weight read", "rd_bias": "bias read",
             "rd_pot": "potential read", "wr_pot": "potential write", "mac_ops": "multiply-accumulate", "acc_ops": "addition",
             "mac_addr": "address multiply-accumulate", "acc_addr_paper": "address addition"}  # fmt: skip
    assert {names[key]: count for key, count in example["counts"].items()} == LEMAIRE
    assert example["energy_pJ"]["total"] == 126374.45184
