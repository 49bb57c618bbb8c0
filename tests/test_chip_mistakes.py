"""Chip files and networks that make no sense: every message says where, what was found, and what would do."""

from dataclasses import replace

import pytest
from activities import activity, convolution, linear, neurons, node

import hwmodel
from hwmodel.cores import LayerCores
from hwmodel.layer_placement import as_convolution, check_layers
from hwmodel.scaling import scaling_rule
from refsnn.errors import CapacityError, SpecError
from refsnn.trace import neuron_groups

CHIP = """\
name: small
description: cores on a mesh, a memory and adders
technology: {node: '45 nm', voltage: '0.9 V'}
family: many_core
execution: parallel
clock: '1 MHz'
cores: {count: 8, neurons: 256, weight_memory: '1 KiB', weight_bits: '8 bit', mesh: [4, 2]}
components:
  - name: memory
    part: memory
    holds: weights
    capacity: '1 KiB'
    width: '64 bit'
    word: '32 bit'
    actions:
      - name: read
        counts: [rows]
        cycles: 1
        energy: {nominal: '10 pJ', kind: marginal, grade: estimated, source: made up}
  - name: router
    part: communication
    actions:
      - name: hop
        counts: [hops]
        energy: {nominal: '1 pJ', kind: marginal, grade: estimated, source: made up}
static: {nominal: '1 uW', kind: static, grade: estimated, source: made up}
included: {updates: "in a hop"}
"""
READ = "components[0].actions[0]"


def changed(tmp_path, *changes, text=CHIP, name="small.yaml"):
    path = tmp_path / name
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text)
    return path


def test_the_file_that_the_mistakes_are_made_in_has_none(tmp_path):
    assert hwmodel.load_chip(changed(tmp_path)).cores.count == 8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([("'64 bit'", "'60 bit'")], ":9:5: components[0]: an access of 60 bit does not hold whole words of 32 bit"),
        ([("    width: '64 bit'\n", "")], ":9:5: components[0]: an access of None bit does not hold whole words of 32 bit"),
        ([("    capacity: '1 KiB'\n", "")], ":9:5: components[0]: a memory that holds something has holds, capacity, width and word"),
        ([("holds: weights", "holds: biases")], ":9:5: components[0]: holds is 'biases'; it is 'weights' or 'membranes'"),
        ([("capacity: '1 KiB'", "capacity: '1 KB'")], ":12:5: components[0].capacity: expected a quantity in B such as '32 KiB', got '1 KB'"),
        ([("capacity: '1 KiB'", "capacity: '1 kibibyte'")], ":12:5: components[0].capacity: expected a quantity in B such as '32 KiB', got '1 kibibyte'"),
        ([("capacity: '1 KiB'", "capacity: '0 B'")], ":12:5: components[0].capacity: input should be greater than or equal to 1, got 0.0"),
        ([("name: router", "name: memory")], ":1:1: two components have the same name"),
        ([("    actions:\n      - name: hop\n        counts: [hops]\n        energy: {nominal: '1 pJ', kind: marginal, grade: estimated, source: made up}\n", "    actions: []\n")],
         ":20:5: components[1]: nobody uses this component: it has no actions; give it one or leave it out"),
        ([("part: communication", "part: noc")], ":21:5: components[1].part: input should be 'compute', 'memory', 'communication' or 'lumped', got 'noc'"),
        ([("[rows]", "[row]")], f":17:18: {READ}.counts[0]: unknown count 'row'; did you mean 'rows'?"),
        ([("[rows]", "[synops, rows, flops]")], f":17:32: {READ}.counts[2]: unknown count 'flops'; did you mean 'hops'?"),
        ([("[rows]", "[rows, rows]")], f":16:9: {READ}: counts rows, rows names one twice; 'times' multiplies"),
        ([("[rows]", "[]")], f":17:9: {READ}.counts: list should have at least 1 item after validation, not 0, got []"),
        ([("[rows]", "[dense_macs]")], f":16:9: {READ}: memory: read counts 'dense_macs', which a chip of family 'many_core' does not do"),
        ([("[rows]", "[crossbar_reads]")], f":16:9: {READ}: memory: read counts 'crossbar_reads', which a chip of family 'many_core' does not do"),
        ([("many_core", "frame_based")], f":16:9: {READ}: memory: read counts 'rows', which a chip of family 'frame_based' does not do"),
        ([("many_core", "crossbar")], ":1:1: a chip of family 'crossbar' has a crossbar"),
        ([("clock: '1 MHz'", "clock: '1 MHz'\ncrossbar: {rows: 4, columns: 4}")], ":1:1: a chip of family 'many_core' has no crossbar"),
        ([("[hops]", "[aer_words]")], ":23:9: components[1].actions[0]: router: hop counts 'aer_words' in accesses of a width, but router has none"),
        ([(", mesh: [4, 2]", "")], ":23:9: components[1].actions[0]: router: hop counts 'hops', but the chip has no cores on a mesh"),
        ([("mesh: [4, 2]", "mesh: [3, 2]")], ":7:1: cores: a mesh of 3 x 2 tiles with 1 cores each does not hold 8 cores"),
        ([("mesh: [4, 2]", "mesh: [4, 2, 1]")], ":7:79: cores.mesh: tuple should have at most 2 items after validation, not 3, got [4, 2, 1]"),
        ([(", weight_bits: '8 bit'", "")], ":7:1: cores: a core's weight_memory is told together with its weight_bits"),
        ([("count: 8", "count: 0")], ":7:9: cores.count: input should be greater than or equal to 1, got 0"),
        ([("count: 8", "count: '8'")], ":7:9: cores.count: input should be a valid integer, got '8'"),
        ([("clock: '1 MHz'\n", "")], f":15:9: {READ}: memory: read takes cycles, but the chip has no clock; give it a time"),
        ([("cycles: 1", "time: {nominal: '1 ns', kind: marginal, grade: estimated, source: made up}")],
         f":16:9: {READ}: memory: read takes a time, but the chip has a clock; give it cycles"),
        ([("'10 pJ', kind: marginal", "'10 pJ', kind: static")], f":19:36: {READ}.energy.kind: kind is 'static'; here it is 'marginal' or 'operating_point_average'"),
        ([("'1 uW', kind: static", "'1 uW', kind: marginal")], ":26:27: static.kind: kind is 'marginal'; here it is 'static'"),
        ([("'10 pJ', kind: marginal", "'10 pJ', kind: typical")], f":19:36: {READ}.energy.kind: input should be 'marginal', 'operating_point_average' or 'static', got 'typical'"),
        ([("'10 pJ', kind: marginal, grade: estimated", "'10 pJ', kind: marginal, grade: unknown")], f":19:9: {READ}.energy: a figure has a nominal value, or the grade 'unknown'"),
        ([("'10 pJ', kind: marginal, grade: estimated", "'10 pJ', kind: marginal, grade: guess")],
         f":19:52: {READ}.energy.grade: input should be 'measured', 'pre-silicon', 'fitted', 'derived', 'estimated' or 'unknown', got 'guess'"),
        ([("'10 pJ'", "'10 nW'")], f":19:18: {READ}.energy.nominal: expected a quantity in J such as '23.6 pJ', got '10 nW'"),
        ([("'1 uW'", "'1 uJ'")], ":26:10: static.nominal: expected a quantity in W such as '104 mW', got '1 uJ'"),
        ([("nominal: '10 pJ'", "nominal: '10 pJ', voltage: '0.9'")], f":19:36: {READ}.energy.voltage: expected a quantity in V such as '0.75 V', got '0.9'"),
        ([("included: {updates", "included: {packets")], ":1:1: included names 'packets'; what can be included is synops, macs, updates"),
        ([("voltage: '0.9 V'", "voltag: '0.9 V'")], ":3:29: technology.voltag: unknown key; did you mean 'voltage'?"),
        ([("execution: parallel", "execution: both")], ":5:1: execution: input should be 'parallel' or 'sequential', got 'both'"),
    ],
)  # fmt: skip
def test_mistakes_in_a_chip_file(tmp_path, changes, message):
    path = changed(tmp_path, *changes)
    with pytest.raises(SpecError) as error:
        hwmodel.load_chip(path)
    assert str(error.value) == f"{path}{message}"


SCALED = """\
name: mine
description: scaled
scaled_from: digital_45nm
node: '28 nm'
voltage: '0.8 V'
"""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([("digital_45nm", "digital_54nm")], ":3:1: scaled_from: chip 'digital_54nm' is not packaged; did you mean 'digital_45nm'?"),
        ([("digital_45nm", "digital_22nm")],
         ":3:1: scaled_from: chip 'digital_22nm' is scaled itself; scale 'digital_45nm_dram', from which it was made"),
        ([("'0.8 V'", "'1.3 V'")],
         ":5:1: voltage: 1.3 V lies outside of 500 mV to 1.2 V, for which Stillmaker and Baas holds; take a voltage in between"),
        ([("'0.8 V'", "'0.499 V'")],
         ":5:1: voltage: 499 mV lies outside of 500 mV to 1.2 V, for which Stillmaker and Baas holds; take a voltage in between"),
        ([("digital_45nm", "neuromc_32nm")],
         ":3:1: scaled_from: chip 'neuromc_32nm': weight memory: read does not state its voltage; energies scale from a known one "
         "only"),
        ([("digital_45nm", "reckon")],
         ":3:1: scaled_from: chip 'reckon': core: synaptic operation is an operating point's average, which holds static power; "
         "only marginal energies scale"),
        ([("'28 nm'", "28")], ":4:1: node: expected a quantity in m such as '45 nm', got 28"),
        ([("'28 nm'", "'0 nm'")], ":4:1: node: input should be greater than 0, got 0.0"),
        ([("voltage: '0.8 V'\n", "")], ":1:1: missing key 'voltage'"),
        ([("voltage: '0.8 V'\n", "voltage: '0.8 V'\nclock: '1 GHz'\n")], ":6:1: clock: unknown key; known: name, description, scaled_from, node, voltage, assumptions"),
    ],
)  # fmt: skip
def test_mistakes_in_a_scaled_chip(tmp_path, changes, message):
    hwmodel.load_chip(changed(tmp_path, text=SCALED))
    path = changed(tmp_path, *changes, text=SCALED)
    with pytest.raises(SpecError) as error:
        hwmodel.load_chip(path)
    assert str(error.value) == f"{path}{message}"


RULE = """\
name: rule
source: made up
low: '0.5 V'
high: '1.2 V'
rows:
  - {node: '45 nm', a: 1, b: 0, c: 0}
  - {node: '32 nm', a: 0.5, b: 0, c: 0}
"""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([("'32 nm'", "'65 nm'")],
         ":7:6: rows[1].node: 65 nm stands behind 45 nm; order the rows from large nodes to small ones"),
        ([("'32 nm'", "'45 nm'")],
         ":7:6: rows[1].node: 45 nm stands behind 45 nm; order the rows from large nodes to small ones"),
        ([("  - {node: '32 nm', a: 0.5, b: 0, c: 0}\n", "")],
         ":5:1: rows: list should have at least 2 items after validation, not 1, got [{'node': '45 nm', 'a': 1, 'b': 0, 'c': 0}]"),
    ],
)  # fmt: skip
def test_mistakes_in_a_scaling_rule(tmp_path, changes, message):
    scaling_rule(changed(tmp_path, text=RULE))
    path = changed(tmp_path, *changes, text=RULE)
    with pytest.raises(SpecError) as error:
        scaling_rule(path)
    assert str(error.value) == f"{path}{message}"


CORES = LayerCores(
    weights=[256, 64], neurons=[128, 512], biases=4, power_of_two=True, max_kernel=5, strides=[1, 2], max_in=(16, 8),
    max_out=(8, 8), fan_out=1,
)  # fmt: skip
SIZES = "256/128, 64/512"


def placed(*nodes, cores=CORES):
    run = activity(*nodes)
    return check_layers(run, neuron_groups(run), "tiny", cores)


def conv(name, inputs, channels=1, outputs=2, size=8, **more):
    return convolution(name, inputs, channels, outputs, size, steps=1, **more)


def test_layers_get_cores_that_are_large_enough():
    """The second needs 2 * 2^(4 + 3) = 256 words, which only the first core has: the first layer has to leave it."""
    first, second = conv("conv1", ("input",), stride=2), conv("conv2", ("if1",), 2, 8, size=4)
    assert placed(first, neurons("if1", ("conv1",), 32, steps=1), second) == {"conv1": 1, "conv2": 0}
    both = placed(first, neurons("if1", ("conv1",), 32, steps=1), conv("conv2", ("if1",), 2, 1, size=4))
    assert sorted(both.values()) == [0, 1]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (conv("conv", ("input",), kernel=7, padding=3), "conv has a kernel of 7 x 7, at most 5"),
        (conv("conv", ("input",), stride=4), "conv has a stride of 4 x 4, known are [1, 2]"),
        (conv("conv", ("input",), size=10, stride=2), "conv has a map of 10 x 10, at most 16 x 8"),
        (conv("conv", ("input",), kernel=1), "conv has an output of 10 x 10, at most 8 x 8"),
        (conv("conv", ("input",), 4, 16), f"conv needs 1024 words of kernel memory and 1024 potentials on one core; the cores have {SIZES}"),
    ],
)  # fmt: skip
def test_a_layer_that_no_core_can_hold(layer, message):
    with pytest.raises(CapacityError) as error:
        placed(layer)
    assert str(error.value) == f"chip 'tiny' cannot hold the network: {message}; take another chip or a smaller layer"


def test_a_layer_with_too_many_biases():
    with pytest.raises(CapacityError) as error:
        placed(replace(conv("conv", ("input",)), n_biases=5))
    assert str(error.value) == (
        "chip 'tiny' cannot hold the network: conv has 5 biases, a core holds 4; take another chip or a smaller layer"
    )


def test_more_layers_than_cores_and_layers_that_only_fit_one_by_one():
    chain = [conv("conv1", ("input",)), neurons("if1", ("conv1",), 128, steps=1)]
    for i in (2, 3):
        chain += [conv(f"conv{i}", (f"if{i - 1}",), 2), neurons(f"if{i}", (f"conv{i}",), 128, steps=1)]
    with pytest.raises(CapacityError) as error:
        placed(*chain)
    assert str(error.value) == (
        "chip 'tiny' cannot hold the network: 3 weight layers need as many cores, it has 2; take another chip or a smaller layer"
    )
    large = [conv("conv1", ("input",), 1, 16, kernel=3, size=2), neurons("if1", ("conv1",), 64, steps=1),
             conv("conv2", ("if1",), 16, 1, kernel=3, size=2)]  # fmt: skip
    with pytest.raises(CapacityError) as error:
        placed(*large)
    assert str(error.value) == (
        f"chip 'tiny' cannot hold the network: its layers fit one by one, but not all at once on cores with {SIZES}; take "
        "another chip or a smaller layer"
    )


def test_a_core_that_would_have_to_send_to_too_many_layers():
    """Through a pool and a sum, which stand on the sender's core."""
    pool = node("pool", "pool", ("if1",), steps=1, geometry=conv("x", ("y",)).geometry, n_inputs=128, n_neurons=32)
    total = node("add", "add", ("if1", "add"), steps=1, n_inputs=256, n_neurons=128)
    with pytest.raises(CapacityError) as error:
        placed(
            conv("conv1", ("input",)), neurons("if1", ("conv1",), 128, steps=1), pool, conv("conv2", ("pool",), 2, 1),
            neurons("if2", ("conv2",), 64, steps=1), total, conv("conv3", ("add",), 2, 1),
            neurons("if3", ("conv3",), 64, steps=1),
        )  # fmt: skip
    assert str(error.value) == (
        "chip 'tiny' cannot hold the network: if1 sends to 2 layers, a core to 1; take another chip or a network with fewer "
        "branches"
    )


def test_a_core_has_one_kernel():
    total = node("add", "add", ("conv1", "conv2"), steps=1, n_inputs=256, n_neurons=128)
    with pytest.raises(CapacityError) as error:
        placed(conv("conv1", ("input",)), conv("conv2", ("input",)), total, neurons("if", ("add",), 128, steps=1))
    assert str(error.value) == (
        "chip 'tiny' cannot hold the network: if sums the currents of conv1 and conv2, but a core has one layer's kernel; take "
        "another chip or a network that sums spikes"
    )


def test_a_linear_layer_is_a_kernel_over_the_map_before_it():
    flat = node("flat", "reshape", ("if",), steps=1, n_inputs=24, n_neurons=24)
    run = activity(
        conv("conv", ("input",), 1, 6, size=2), neurons("if", ("conv",), 24, steps=1), flat,
        linear("fc", ("flat",), 24, 10, steps=1), linear("fc2", ("fc",), 10, 3, steps=1),
    )  # fmt: skip
    shape = as_convolution(run["fc"], run)
    assert (shape.in_channels, shape.out_channels, shape.in_size, shape.kernel, shape.out_size) == (
        6,
        10,
        (2, 2),
        (2, 2),
        (1, 1),
    )
    assert as_convolution(run["fc2"], run).kernel == (1, 1)
    loop = activity(neurons("if", ("fc",), 4, steps=1), linear("fc", ("if",), 4, 4, steps=1))
    assert as_convolution(loop["fc"], loop) == loop["fc"].geometry
    tick, tock = (
        node(a, "add", (b,), steps=1, n_inputs=4, n_neurons=4) for a, b in (("tick", "tock"), ("tock", "tick"))
    )
    around = activity(tick, tock, linear("fc", ("tick",), 4, 4, steps=1))
    assert as_convolution(around["fc"], around) == around["fc"].geometry


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("weights: [16384, 16384, 16384,", "weights: [16384, 16384,", ":6:1: layer_cores: 8 weight memories, but 9 neuron memories"),
        ("strides: [1, 2, 4, 8]", "strides: []", ":12:3: layer_cores.strides: list should have at least 1 item after validation, not 0, got []"),
        ("fan_out: 2", "fan_out: 2\n  fan_in: 2", ":16:3: layer_cores.fan_in: unknown key; did you mean 'max_in'?"),
        ("layer_cores:", "cores: {count: 1, neurons: 1}\nlayer_cores:",
         ":1:1: a chip has cores that layers share, or layer_cores that take one layer each, not both"),
    ],
)  # fmt: skip
def test_mistakes_in_layer_cores(tmp_path, specs, old, new, message):
    path = changed(tmp_path, (old, new), text=(specs / "chips" / "speck.yaml").read_text())
    with pytest.raises(SpecError) as error:
        hwmodel.load_chip(path)
    assert str(error.value).startswith(str(path))
    assert str(error.value).removeprefix(str(path)) == message
