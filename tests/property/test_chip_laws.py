"""Laws of scaling, of crossbars, and of chips whose cores take a layer each."""

from dataclasses import replace
from itertools import pairwise, permutations, product
from math import isclose, sqrt

import pytest
from activities import activity, convolution, linear, neurons
from hypothesis import example, given
from hypothesis import strategies as st

import hwmodel
from hwmodel import strategies as hw
from hwmodel.accesses import COUNTS, Place
from hwmodel.chip import figures
from hwmodel.cores import LayerCores
from hwmodel.decision import DecisionSpec
from hwmodel.figures import Figure, Grade, Kind
from hwmodel.layer_placement import check_layers, kernel_words
from hwmodel.library import specs_folder
from hwmodel.scaling import scaled, scaling_rule
from refsnn.errors import CapacityError, SpecError
from refsnn.trace import Geometry, neuron_groups

RULE = scaling_rule(specs_folder() / "scaling" / "stillmaker_baas.yaml")
TABLE = {  # Stillmaker and Baas 2017, as in accelergy's library: nm -> a, b, c
    130: (7.171, -6.709, 2.904), 90: (4.762, -4.781, 2.092), 65: (3.755, -4.398, 1.975), 45: (1.103, -0.362, 0.2767),
    32: (0.9559, -0.7823, 0.471), 20: (0.373, -0.1582, 0.04104), 16: (0.2958, -0.1241, 0.03024),
    14: (0.2363, -0.09675, 0.02239), 10: (0.2068, -0.09311, 0.02375), 7: (0.1776, -0.09097, 0.02447),
}  # fmt: skip
voltages = st.floats(0.5, 1.2)
nodes = st.floats(3, 250)  # nm
# products and quotients of a handful of floats: off by a few units in the last place each
REL = 32 * 2**-53


def at(nm, voltage):
    a, b, c = TABLE[nm]
    return a * voltage**2 + b * voltage + c


def naive(nm, voltage):
    """The rule once more: walk the table, straight lines in between, the square root of the ratio outside."""
    known = sorted(TABLE)
    if nm > known[-1] or nm < known[0]:
        end = known[-1] if nm > known[-1] else known[0]
        return at(end, voltage) * sqrt(nm / end)
    for small, large in pairwise(known):
        if small <= nm <= large:
            return at(small, voltage) + (at(large, voltage) - at(small, voltage)) * (nm - small) / (large - small)
    raise AssertionError(nm)


@given(nm=st.sampled_from(list(TABLE)) | nodes, voltage=voltages)
def test_the_rule_is_the_published_table(nm, voltage):
    # the tolerance: 1 - share loses digits where terms of opposite sign nearly cancel
    assert RULE.energy(nm * 1e-9, voltage) == pytest.approx(naive(nm, voltage), rel=1e-9)


@given(a=nodes, b=nodes, voltage=voltages)
def test_a_larger_node_takes_more_energy_at_every_voltage(a, b, voltage):
    small, large = sorted((a, b))
    assert RULE.energy(small * 1e-9, voltage) <= RULE.energy(large * 1e-9, voltage) * (1 + REL)


@given(nm=st.sampled_from(list(TABLE)), a=voltages, b=voltages)
def test_more_voltage_takes_more_energy_where_the_fitted_parabola_rises(nm, a, b):
    """All do from 0.59 V on; that of 65 nm, with its least energy at 0.586 V, is the last."""
    lowest = -TABLE[nm][1] / (2 * TABLE[nm][0])
    assert lowest < 0.586
    low, high = sorted((max(a, lowest), max(b, lowest)))
    assert RULE.energy(nm * 1e-9, low) <= RULE.energy(nm * 1e-9, high) * (1 + REL)


@given(nm=nodes, voltage=st.floats(0, 0.4999) | st.floats(1.2001, 5))
def test_other_voltages_are_refused(nm, voltage):
    with pytest.raises(SpecError, match=r"lies outside of 500 mV to 1\.2 V, for which Stillmaker and Baas holds"):
        RULE.energy(nm * 1e-9, voltage)


def marginal(chip):
    """The chip with every average taken for a marginal energy, so that it can be scaled."""
    components = []
    for component in chip.components:
        prices = [replace(action.energy, kind=Kind.MARGINAL) for action in component.actions]
        actions = [replace(action, energy=price) for action, price in zip(component.actions, prices, strict=True)]
        components.append(replace(component, actions=actions))
    return replace(chip, components=components)


def values(chip):
    return {name: (figure.nominal, figure.interval) for name, (_, figure) in figures(chip).items()}


PACKAGED = [hwmodel.load_chip(name) for name in ("loihi", "truenorth", "digital_45nm_dram", "odin")]
chips = st.sampled_from(PACKAGED) | hw.chips().map(marginal)


@given(chip=chips, nm=nodes, voltage=voltages)
def test_scaling_there_and_back_is_the_identity(chip, nm, voltage):
    there = scaled(chip, RULE, node=nm * 1e-9, voltage=voltage)
    back = scaled(there, RULE, node=chip.technology.node, voltage=chip.technology.voltage)
    # TrueNorth's hops hold for another voltage than its events, and come back as what they cost at the chip's
    for (name, (_, old)), (_, new) in zip(figures(chip).items(), figures(back).values(), strict=True):
        if old.voltage is not None and name.endswith("energy"):
            factor = RULE.energy(chip.technology.node, chip.technology.voltage) / RULE.energy(
                chip.technology.node, old.voltage
            )
        else:
            factor = 1.0
        assert (new.nominal is None) == (old.nominal is None)
        if old.nominal is not None:
            for a, b in zip((new.nominal, *new.interval), (old.nominal, *old.interval), strict=True):
                assert isclose(a, b * factor, rel_tol=REL, abs_tol=0.0)


@given(chip=chips, nm=nodes, voltage=voltages)
def test_scaling_multiplies_marginal_energies_and_leaves_the_rest(chip, nm, voltage):
    there = scaled(chip, RULE, node=nm * 1e-9, voltage=voltage)
    assert (there.technology.node, there.technology.voltage) == (nm * 1e-9, voltage)
    assert (there.clock, there.cores, there.included) == (chip.clock, chip.cores, chip.included)
    outside = {c.name for c in chip.components if c.external}
    old, new = figures(chip), figures(there)
    assert list(old) == list(new)
    for name, (unit, figure) in old.items():
        after = new[name][1]
        if unit == "J" and name.partition(":")[0] not in outside and figure.nominal is not None:
            here = figure.node or chip.technology.node, figure.voltage or chip.technology.voltage
            factor = RULE.energy(nm * 1e-9, voltage) / RULE.energy(*here)
            assert isclose(after.nominal, figure.nominal * factor, rel_tol=REL, abs_tol=0.0)
            assert after.grade is Grade.ESTIMATED
            assert after.source.startswith("scaled by ")
            assert after.source.endswith(figure.source)
            assert (after.node, after.voltage) == (None, None)
        else:
            assert (after.nominal, after.interval, after.source, after.grade) == (
                figure.nominal, figure.interval, figure.source, figure.grade,
            )  # fmt: skip
            if figure.nominal is not None:
                assert after.node == (figure.node or chip.technology.node)


@given(chip=chips, a=nodes, b=nodes, low=voltages, high=voltages)
def test_two_scalings_in_a_row_are_one(chip, a, b, low, high):
    twice = scaled(scaled(chip, RULE, node=a * 1e-9, voltage=low), RULE, node=b * 1e-9, voltage=high)
    once = scaled(chip, RULE, node=b * 1e-9, voltage=high)
    for one, other in zip(values(once).values(), values(twice).values(), strict=True):
        assert (one[0] is None) == (other[0] is None)
        assert one[0] is None or isclose(one[0], other[0], rel_tol=REL, abs_tol=0.0)


@given(chip=hw.chips(), voltage=voltages)
def test_a_chip_with_an_average_is_refused_and_only_such_a_one(chip, voltage):
    averages = [
        action for component in chip.components for action in component.actions
        if action.energy.kind is Kind.AVERAGE and action.energy.nominal is not None
    ]  # fmt: skip
    if not averages:
        scaled(chip, RULE, node=28e-9, voltage=voltage)
        return
    with pytest.raises(SpecError, match="is an operating point's average, which holds static power"):
        scaled(chip, RULE, node=28e-9, voltage=voltage)


@given(chip=chips, nm=nodes, voltage=voltages, outside=st.booleans())
def test_whoever_decides_on_the_chip_is_scaled_with_it(chip, nm, voltage, outside):
    price = Figure(kind=Kind.MARGINAL, grade=Grade.ESTIMATED, source="drawn", nominal=1e-13)
    decision = DecisionSpec(
        where="here", energies={"adds": price}, message=price if outside else None, round_trip=price
    )
    there = scaled(replace(chip, decision=decision), RULE, node=nm * 1e-9, voltage=voltage).decision
    factor = RULE.energy(nm * 1e-9, voltage) / RULE.energy(chip.technology.node, chip.technology.voltage)
    assert there.energies["adds"].nominal == pytest.approx(1e-13 * (1 if outside else factor), rel=REL)
    assert there.round_trip.nominal == 1e-13
    assert (there.message is not None) == outside
    if outside:
        assert (there.message.nominal, there.message.node) == (1e-13, chip.technology.node)


@st.composite
def geometries(draw):
    groups = draw(st.integers(1, 3))
    return Geometry(
        in_channels=groups * draw(st.integers(1, 9)), out_channels=groups * draw(st.integers(1, 9)), groups=groups,
        in_size=(draw(st.integers(1, 4)), draw(st.integers(1, 4))), out_size=(draw(st.integers(1, 4)), draw(st.integers(1, 4))),
        kernel=(draw(st.integers(1, 3)), draw(st.integers(1, 3))),
    )  # fmt: skip


@given(shape=geometries(), rows=st.integers(1, 12), columns=st.integers(1, 12))
def test_arrays_that_are_read_are_those_that_hold_a_weight_of_the_window(shape, rows, columns):
    """Every weight is put on its array: one array for each kernel position (reads), all positions as one, or stacked."""
    inputs, outputs = shape.in_channels // shape.groups, shape.out_channels // shape.groups
    reads, windows, stacks = set(), set(), set()
    taps = list(product(range(shape.kernel[0]), range(shape.kernel[1])))
    for group, (number, tap), i, o in product(range(shape.groups), enumerate(taps), range(inputs), range(outputs)):
        reads.add((group, tap, i // rows, o // columns))
        windows.add((group, i // rows, o // columns))
        stacks.add((group, (number * inputs + i) // rows, o // columns))
    pixels = shape.out_size[0] * shape.out_size[1]
    layer = replace(linear("fc", ("input",), 1, 1, steps=1), geometry=shape)
    for word, found in (("crossbar_reads", reads), ("crossbar_windows", windows), ("crossbar_stacks", stacks)):
        assert COUNTS[word].of(layer, Place(crossbar=(rows, columns))) == {"steps": len(found) * pixels}


@given(spikes=st.integers(0, 10_000), steps=st.integers(1, 20))
def test_truenorth_is_static_power_and_a_price_for_each_event(spikes, steps):
    """Affine in the events at a fixed tick: nothing else, and no step faster than its tick."""
    run = activity(
        linear("fc", ("input",), 256, 256, steps=steps, events_in=spikes, synops=128 * spikes),
        neurons("if", ("fc",), 256, steps=steps, spikes_out=spikes),
    )
    chip = hwmodel.load_chip("truenorth")
    price = chip.components[0].actions[0].energy.nominal
    report = hwmodel.estimate(run, chip)
    assert report.energy_j == pytest.approx(chip.static.nominal * 1e-3 * steps + 128 * spikes * price, rel=1e-12)
    assert report.mean_latency_s == pytest.approx(1e-3 * steps, rel=1e-12)


@given(shape=geometries())
def test_kernels_with_bit_fields_take_less_than_four_times_their_weights(shape):
    weights = kernel_words(shape, power_of_two=False)
    assert weights == shape.in_channels // shape.groups * shape.out_channels * shape.kernel[0] * shape.kernel[1]
    assert weights <= kernel_words(shape, power_of_two=True) < 4 * weights


@st.composite
def layer_cores(draw):
    count = draw(st.integers(1, 4))
    sizes = st.lists(st.sampled_from([4, 16, 64, 256]), min_size=count, max_size=count)
    return LayerCores(
        weights=draw(sizes), neurons=draw(sizes), biases=1, power_of_two=draw(st.booleans()), max_kernel=3, strides=[1],
        max_in=(8, 8), max_out=(8, 8), fan_out=1,
    )  # fmt: skip


@example(  # two convolutions of maps of one pixel are no linear layers: 9 words each
    cores=LayerCores(weights=[4, 16], neurons=[4, 4], biases=1, power_of_two=False, max_kernel=3, strides=[1], max_in=(8, 8),
                     max_out=(8, 8), fan_out=1),
    sizes=[(1, 1), (1, 1)],
)  # fmt: skip
@given(cores=layer_cores(), sizes=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=4))
def test_layers_are_placed_exactly_when_some_assignment_of_cores_holds_them(cores, sizes):
    """Every assignment tried out; the one that is given is one that holds them."""
    made, source, channels = [], "input", 1
    for i, (outputs, size) in enumerate(sizes):
        made += [
            convolution(f"conv{i}", (source,), channels, outputs, size, steps=1),
            neurons(f"if{i}", (f"conv{i}",), outputs * size**2, steps=1),
        ]
        source, channels = f"if{i}", outputs
    run = activity(*made)
    layers = [node for node in run.nodes if node.kind == "weight"]

    def holds(core, node):
        words = kernel_words(node.geometry, power_of_two=cores.power_of_two)
        return words <= cores.weights[core] and node.n_neurons <= cores.neurons[core]

    possible = any(
        all(holds(core, node) for core, node in zip(chosen, layers, strict=True))
        for chosen in permutations(range(len(cores.weights)), len(layers))
    )
    try:
        found = check_layers(run, neuron_groups(run), "drawn", cores)
    except CapacityError:
        assert not possible
        return
    assert possible
    assert len(set(found.values())) == len(layers)
    assert all(holds(found[node.node], node) for node in layers)
