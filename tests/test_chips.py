"""The packaged chips: their figures, their limits, and what they say of networks that they can and cannot hold."""

import json
from decimal import Decimal

import pytest
from activities import activity, convolution, linear, neurons
from harness import run_here

import hwmodel
import refsnn
from hwmodel.chip import Family, figures
from hwmodel.figures import Grade
from hwmodel.layer_placement import kernel_words
from hwmodel.library import chip_schema, specs_folder
from refsnn.errors import CapacityError
from refsnn.specs import read

NAMES = hwmodel.chip_names()
REFUSED = {  # of the packaged digits network
    "odin": "1610 neurons and 13706 weights of 4 bit need 7 cores, it has 1 (each 256 neurons, 32768 bytes of weights); take a "
    "larger chip or a smaller network",
    "reckon": "1610 neurons and 13706 weights of 8 bit need 6 cores, it has 1 (each 272 neurons, 135168 bytes of weights); "
    "take a larger chip or a smaller network",
    "xylo": "1610 neurons and 13706 weights of 8 bit need 2 cores, it has 1 (each 1008 neurons, 64000 bytes of weights); take a "
    "larger chip or a smaller network",
    "truenorth": "a core of act3 receives at least fc1 512 different inputs, it has 256 axons; take another chip or a network "
    "with smaller layers",
    "tianjic": "a core of act3 receives at least fc1 512 different inputs, it has 256 axons; take another chip or a network "
    "with smaller layers",
}


def energy(name, component, action):
    (found,) = [
        a for c in hwmodel.load_chip(name).components for a in c.actions if (c.name, a.name) == (component, action)
    ]
    return found.energy


@pytest.mark.parametrize("name", NAMES)
def test_a_chip_loads_and_every_figure_says_where_it_comes_from(name):
    chip = hwmodel.load_chip(name)
    assert chip.name == name
    assert chip.description
    assert chip.assumptions
    for label, (_, figure) in figures(chip).items():
        if figure.grade not in (Grade.UNKNOWN, Grade.ESTIMATED):
            assert any(figure.source.startswith(reference) for reference in chip.references), (label, figure.source)
        assert "[M]" not in figure.source


def test_no_two_chips_share_a_name_and_all_families_are_there():
    chips = [hwmodel.load_chip(name) for name in NAMES]
    assert len({chip.name for chip in chips}) == len(chips) == 24
    assert {chip.family for chip in chips} == set(Family)


@pytest.mark.parametrize(
    ("chip", "component", "action", "low", "nominal", "high"),
    [
        ("loihi", "core", "accumulate", 23.6, 23.6, 35.5),
        ("loihi", "core", "active update", 81, 81, 81),
        ("loihi", "core", "inactive update", 52, 52, 81),
        ("loihi", "router", "spike within tile", 1.7, 1.7, 1.7),
        ("loihi", "router", "hop", 3.0, 3.5, 4.0),
        ("loihi_nahuku", "neuron pipeline", "access", 51.2, 51.2, 51.2),
        ("loihi_nahuku", "neuron pipeline", "update", 0, 21.6, 21.6),
        ("loihi_nahuku", "neuron pipeline", "spike", 69.3, 69.3, 69.3),
        ("loihi_nahuku", "neuron pipeline", "send packet", 111, 111, 111),
        ("loihi_nahuku", "message pipeline", "accumulate", 24.0, 35.5, 35.5),
        ("spinnaker", "processor", "synaptic event", 13.3e3, 13.3e3, 13.3e3),
        ("spinnaker", "processor", "neuron update", 26e3, 26e3, 26e3),
        ("spinnaker", "router", "packet", 800, 800, 800),
        ("spinnaker2", "processor", "synaptic event", 450, 450, 450),
        ("spinnaker2", "processor", "neuron update", 2190, 2190, 2190),
        ("odin", "core", "synaptic operation", 8.43, 8.43, 8.43),
        ("reckon", "core", "synaptic operation", 5.3, 5.3, 5.3),
        ("sne", "engine", "synaptic operation", 0.221, 0.221, 0.221),
        ("digital_45nm", "adder", "accumulate", 0.1, 0.1, 0.1),
        ("digital_45nm", "weight memory", "read", 20, 20, 20),
        ("digital_45nm_1mb", "weight memory", "read", 100, 100, 100),
        ("digital_45nm_dram", "weight DRAM", "read", 512, 700, 1300),
        ("digital_40nm", "adder", "multiply-accumulate", 12.89, 12.89, 12.89),
        ("neuromc_32nm", "adder", "accumulate", 0.582, 0.582, 0.582),
        ("neuromc_32nm", "weight DRAM", "read", 1300, 1300, 1300),
        ("isaac_ce", "crossbar", "convert", 1.5625, 1.5625, 1.667),
        ("eyeriss_like", "global buffer", "read", 18.183829, 18.183829, 18.183829),
        ("tpu_like", "sram", "read", 416.16, 416.16, 416.16),
    ],
)
def test_figures_are_those_of_their_sources_in_picojoules(chip, component, action, low, nominal, high):
    figure = energy(chip, component, action)
    assert [1e12 * each for each in (*figure.interval, figure.nominal)] == [
        pytest.approx(x) for x in (low, high, nominal)
    ]


def test_what_nobody_publishes_is_unknown():
    for name in ("loihi2", "akida", "tianjic", "speck", "xylo"):
        for component in hwmodel.load_chip(name).components:
            assert {action.energy.grade for action in component.actions} == {Grade.UNKNOWN}
    for name in ("reckon", "sne"):
        assert hwmodel.load_chip(name).components[0].actions[0].energy.kind.value == "operating_point_average"


def test_limits_are_those_of_the_papers():
    cores = {name: hwmodel.load_chip(name).cores for name in ("loihi", "loihi_nahuku", "truenorth", "odin", "tianjic")}
    for name in ("loihi", "loihi_nahuku"):
        loihi = cores[name]
        assert (loihi.count, loihi.neurons, loihi.axons_in, loihi.axons_out) == (128, 1024, 4096, 4096)
        assert loihi.weight_memory * 8 == 1_048_576
        assert (loihi.mesh, loihi.per_tile) == ((8, 4), 4)
    north = cores["truenorth"]
    assert (north.count, north.neurons, north.axons_in, north.fan_in, north.mesh) == (4096, 256, 256, 256, (64, 64))
    assert hwmodel.load_chip("truenorth").tick.value == 1e-3
    odin = cores["odin"]
    assert (odin.count, odin.neurons, odin.weight_memory * 8 // odin.weight_bits) == (1, 256, 65_536)
    assert (cores["tianjic"].count, cores["tianjic"].neurons, cores["tianjic"].fan_in) == (156, 256, 256)


def test_specks_memories():
    cores = hwmodel.load_chip("speck").layer_cores
    assert [words // 1024 for words in cores.weights] == [16, 16, 16, 32, 32, 64, 64, 16, 16]
    assert [potentials // 1024 for potentials in cores.neurons] == [64, 64, 64, 32, 32, 16, 16, 16, 16]
    assert sum(cores.neurons) == 327_680
    assert (cores.biases, cores.fan_out, cores.max_kernel, cores.strides) == (1024, 2, 16, [1, 2, 4, 8])
    assert (cores.max_in, cores.max_out) == ((128, 128), (64, 64))


def test_specks_worked_example_does_not_fit():
    """sinabs: 16 -> 32 channels, 3 x 3 on 64 x 64: 8 Ki words (16 * 32 * 4 * 4), but 131,072 potentials."""
    layer = convolution("conv", ("input",), 16, 32, 64, steps=1)
    assert kernel_words(layer.geometry, power_of_two=True) == 16 * 32 * 4 * 4 == 8192
    assert kernel_words(layer.geometry, power_of_two=False) == 16 * 32 * 9
    with pytest.raises(CapacityError) as error:
        hwmodel.estimate(activity(layer, neurons("if", ("conv",), 131_072, steps=1)), hwmodel.load_chip("speck"))
    assert str(error.value) == (
        "chip 'speck' cannot hold the network: conv needs 8192 words of kernel memory and 131072 potentials on one core; the "
        "cores have 16384/65536, 16384/65536, 16384/65536, 32768/32768, 32768/32768, 65536/16384, 65536/16384, 16384/16384, "
        "16384/16384; take another chip or a smaller layer"
    )


def test_the_schema_for_editors_knows_both_kinds_of_chip_files(specs):
    schema = chip_schema()
    kinds = [schema["$defs"][part["$ref"].rpartition("/")[2]] for part in schema["anyOf"]]
    assert len(kinds) == 2
    for path in sorted((specs / "chips").glob("*.yaml")):
        keys = set(read(path).data)
        assert any(set(kind["required"]) <= keys <= set(kind["properties"]) for kind in kinds), path


@pytest.mark.parametrize("name", NAMES)
def test_the_digits_network_is_priced_or_refused_with_numbers(name, ann, trace, test_data):
    chip = hwmodel.load_chip(name)
    run = refsnn.forward(ann, test_data.x).activity if chip.family is Family.FRAME_BASED else trace.activity
    if name in REFUSED:
        with pytest.raises(CapacityError) as error:
            hwmodel.estimate(run, chip)
        assert str(error.value) == f"chip '{name}' cannot hold the network: {REFUSED[name]}"
        return
    report = hwmodel.estimate(run, chip)
    assert json.loads(json.dumps(report.as_data(), allow_nan=False))["chip"] == name
    priced = [a for c in chip.components for a in c.actions if a.energy.nominal is not None]
    assert (report.energy_j > 0) == bool(priced or chip.static.nominal)
    unknown = [a for c in chip.components for a in c.actions if a.energy.nominal is None]
    assert report.is_lower_bound == bool(unknown or chip.static.nominal is None)
    assert not [row for row in report.rows if row.component == "none"], "work that the chip neither prices nor lists"
    assert bool(report.averages) == (name in ("reckon", "sne"))


@pytest.mark.parametrize("name", NAMES)
def test_the_command_shows_every_chip(name, capsys):
    text = run_here("chips", name, capsys=capsys)
    assert text.code == 0
    assert hwmodel.load_chip(name).description in " ".join(text.out.split())
    (data,) = json.loads(run_here("chips", name, "--format", "json", capsys=capsys).out)["chips"]
    assert data["name"] == name
    assert len(data["components"]) == len(hwmodel.load_chip(name).components)


def test_a_wide_layer_has_more_inputs_than_a_loihi_core_has_axons():
    def wide(inputs):
        return activity(
            neurons("sender", ("input",), inputs, steps=1),
            linear("fc", ("sender",), inputs, 10, steps=1, synops=10), neurons("if", ("fc",), 10, steps=1),
        )  # fmt: skip

    chip = hwmodel.load_chip("loihi")
    assert hwmodel.estimate(wide(4096), chip).cores == {"sender": 4, "if": 1}
    with pytest.raises(CapacityError) as error:
        hwmodel.estimate(wide(4097), chip)
    assert str(error.value) == (
        "chip 'loihi' cannot hold the network: a core of if receives at least fc 4097 different inputs, it has 4096 axons; "
        "take another chip or a network with smaller layers"
    )


def test_a_loihi_core_of_neurons_that_send_far_holds_fewer_of_them():
    """64 senders are read by 100 cores of 1024 neurons: 4096 outgoing axons are enough for 40 senders on a core."""
    readers = 100 * 1024
    run = activity(
        neurons("sender", ("input",), 64, steps=1),
        linear("fc", ("sender",), 64, readers, steps=1, synops=64), neurons("if", ("fc",), readers, steps=1),
    )  # fmt: skip
    assert hwmodel.estimate(run, hwmodel.load_chip("loihi")).cores == {"sender": 2, "if": 100}


def test_odins_cycles_are_those_of_its_documentation():
    """doc/README.md, Sec. 2.2.1: 513 cycles a spike event, 512 a time reference of all neurons."""
    run = activity(
        linear("fc", ("input",), 100, 50, steps=4, events_in=30, synops=1500), neurons("if", ("fc",), 50, steps=4)
    )
    report = hwmodel.estimate(run, hwmodel.load_chip("odin"))
    assert int(report.step_cycles.sum()) == 513 * 30 + 512 * 4
    counts = {action: count for (_, action), (count, _) in report.by_component().items()}
    assert counts["synaptic operation"] == 256 * 30, "the whole row, not the 50 connections of an event"
    assert report.unpriced == ("core time reference (4 times)",)


def test_odins_time_reference_is_one_a_step_however_many_layers_there_are():
    run = activity(
        linear("fc1", ("input",), 100, 50, steps=4, events_in=30, synops=1500), neurons("if1", ("fc1",), 50, steps=4),
        linear("fc2", ("if1",), 50, 20, steps=4), neurons("if2", ("fc2",), 20, steps=4),
    )  # fmt: skip
    assert int(hwmodel.estimate(run, hwmodel.load_chip("odin")).step_cycles.sum()) == 513 * 30 + 512 * 4


VGG9 = ([3, 64, 64, 128, 128, 256, 256], [64, 64, 128, 128, 256, 256, 256], [32, 16, 16, 8, 8, 8, 4])


def test_spikesims_energy_of_its_vgg9_to_the_last_digit():
    """ela_spikesim.py prints 15906934.02624 pJ for 5 steps; PE cycles 1024, 256, 512, 256, 512, 1024, 256 in each."""
    nodes = []
    for i, (inputs, outputs, size) in enumerate(zip(*VGG9, strict=True)):
        source = f"if{i - 1}" if i else "input"
        nodes += [
            convolution(f"conv{i}", (source,), inputs, outputs, size, steps=5),
            neurons(f"if{i}", (f"conv{i}",), outputs * size**2, steps=5),
        ]
    report = hwmodel.estimate(activity(*nodes), hwmodel.load_chip("rram_spikesim"))
    assert report.energy_j == pytest.approx(15906934.02624e-12, rel=1e-14)
    rows = [row for row in report.rows if row.component != "chip"]
    windows = {row.node: row.count for row in rows if row.action == "transfer"}
    assert list(windows.values()) == [5 * each for each in (1024, 256, 512, 256, 512, 1024, 256)]

    # the figures as they are written, in exact decimals
    written = {
        (component["name"], action["name"]): Decimal(action["energy"]["nominal"].removesuffix(" pJ"))
        for component in read(specs_folder() / "chips" / "rram_spikesim.yaml").data["components"]
        for action in component["actions"]
    }
    assert sum(row.count * written[row.component, row.action] for row in rows) == Decimal("15906934.02624")
    outputs = sum(channels * size**2 for channels, size in zip(*VGG9[1:], strict=True))
    assert int(report.step_cycles.sum()) == 5 * 26 * outputs
    assert report.mean_latency_s > 62_832_640e-9, "SpikeSim's own latency overlaps layers"


def test_isaacs_figures_add_up_to_the_power_that_they_were_taken_from():
    """Shafiee 2016, Table I: a unit of 8 arrays at full use, one read in 100 ns, takes 24.08 mW without buffers outside of it."""
    (crossbar, edram, *_) = hwmodel.load_chip("isaac_ce").components
    read_all = 8 * sum(action.times * action.energy.nominal for action in crossbar.actions)
    assert read_all / 100e-9 == pytest.approx(24.08e-3, rel=1e-4)
    per_kilobyte = sum(action.energy.nominal for action in edram.actions) * 1024
    assert per_kilobyte / 100e-9 == pytest.approx((20.7 + 7) * 1e-3, rel=1e-4)
    assert {action.times for action in edram.actions} == {128 // 8}


CIFAR = (  # a trained QCFS network: channels in and out, size of the map, spikes per neuron and step that were measured
    (3, 32, 32, 0.17), (32, 32, 32, 0.095), (32, 64, 16, 0.098), (64, 64, 16, 0.074), (64, 128, 8, 0.067), (128, 128, 8, 0.063),
)  # fmt: skip


def cifar(steps):
    """Its shape and rates, pools and biases left out."""
    nodes, source, spikes = [], "input", 0
    for i, (inputs, outputs, size, rate) in enumerate(CIFAR, 1):
        fired = round(rate * outputs * size**2) * steps
        nodes += [
            convolution(
                f"conv{i}", (source,), inputs, outputs, size, steps=steps, events_in=spikes, synops=9 * outputs * spikes
            ),
            neurons(f"if{i}", (f"conv{i}",), outputs * size**2, steps=steps, spikes_out=fired),
        ]
        source, spikes = f"if{i}", fired
    fired = round(0.078 * 256) * steps
    return activity(
        *nodes,
        linear("fc1", (source,), 2048, 256, steps=steps, events_in=spikes, synops=256 * spikes),
        neurons("if7", ("fc1",), 256, steps=steps, spikes_out=fired),
        linear("fc2", ("if7",), 256, 10, steps=steps, events_in=fired, synops=10 * fired),
    )


def test_weights_of_a_larger_network_are_fetched_from_dram_in_every_step():
    """conv1 to conv3 and fc2 fit into 32 KB at 8 bit: 864 + 9216 + 18432 + 2560; the rest are 782,336 weights, 8 an access."""
    run = cifar(8)
    assert sum(node.n_weights for node in run.nodes) == 813_408
    with pytest.raises(CapacityError) as error:
        hwmodel.estimate(run, hwmodel.load_chip("digital_45nm"))
    assert str(error.value) == (
        "chip 'digital_45nm' cannot hold the network: 813408 weights of 8 bit take 813408 bytes, weight memory has 32768; take "
        "a larger chip or a smaller network"
    )
    report = hwmodel.estimate(run, hwmodel.load_chip("digital_45nm_dram"))
    assert report.off_chip == tuple(("weights", node) for node in ("conv4", "conv5", "conv6", "fc1"))
    found = report.by_component()
    assert found["weight DRAM", "read"][0] == found["weight memory", "fill"][0] == 8 * 782_336 // 8
    assert found["weight DRAM", "read"][1] == pytest.approx(782_336 * 700e-12)
    assert ("potential DRAM", "read") not in found
    inside = hwmodel.estimate(run, hwmodel.load_chip("digital_45nm_1mb"))
    assert inside.off_chip == ()
    assert found["weight memory", "read"][0] == inside.by_component()["weight memory", "read"][0]


def test_potentials_that_do_not_fit_go_to_dram_and_back():
    """300,000 potentials of 32 bit are over 1 MiB: two an access, read and written in every step."""
    run = activity(linear("fc", ("input",), 1, 300_000, steps=3), neurons("if", ("fc",), 300_000, steps=3))
    report = hwmodel.estimate(run, hwmodel.load_chip("digital_22nm"))
    assert ("membranes", "if") in report.off_chip
    found = report.by_component()
    assert found["potential DRAM", "read"] == (3 * 150_000, pytest.approx(3 * 150_000 * 700e-12))
    assert found["potential DRAM", "write"] == (3 * 150_000, pytest.approx(3 * 150_000 * 750e-12))
    assert found["potential memory", "fill and empty"][0] == 2 * 3 * 150_000
