"""Laws of the strategies: what is drawn lies in the domain that they name, meets what it should meet, and shrinks to what they say."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from same import assert_same_trace

import refsnn
from hwmodel import strategies as hw
from hwmodel.accesses import COUNTS
from hwmodel.chip import Family
from hwmodel.figures import Grade
from refsnn import Exact, Float64, Network, Node, Record, simulate
from refsnn import strategies as snn
from refsnn.errors import ShapeError, SpecError
from refsnn.layers import Linear
from refsnn.neurons import IF
from refsnn.properties import count_under_constant_current


def charges(network, x, steps):
    """v_init + T * current of each neuron of a layer of weights and one of neurons, in fractions."""
    weight, neuron = network.nodes[0].layer.weight, network.nodes[1].layer
    currents = [sum(Fraction(float(w)) * Fraction(float(a)) for w, a in zip(row, x[0], strict=True)) for row in weight]
    return [Fraction(neuron.v_init) + steps * current for current in currents]


@given(case=snn.tie_cases(near=False))
def test_the_charge_of_a_tie_is_a_multiple_of_the_threshold(case):
    theta = Fraction(case[0].nodes[1].layer.v_threshold)
    assert all(charge % theta == 0 for charge in charges(*case))


@given(case=snn.tie_cases())
def test_a_near_tie_is_one_place_of_a_weight_off(case):
    network, x, steps = case
    theta = Fraction(network.nodes[1].layer.v_threshold)
    for charge, weight in zip(charges(*case), network.nodes[0].layer.weight[:, -1], strict=True):
        off = abs(charge - round(charge / theta) * theta)
        # the place above a power of two is twice the place below it
        places = {Fraction(float(np.spacing(np.abs(np.nextafter(weight, side))))) for side in (weight, np.float32(0))}
        assert off in {0} | {steps * place * abs(Fraction(float(x[0, -1]))) for place in places}


def test_near_ties_lie_on_both_sides():
    for side in (-1, 1):
        find(snn.tie_cases(), lambda case, side=side: any(side * (q - round(q)) > 0 for q in charges(*case)))


@given(case=snn.tie_cases(), schedule=st.sampled_from(["lockstep", "integrate_then_fire", "averaged_current"]))
def test_exact_decides_ties_and_near_ties_by_the_closed_form(case, schedule):
    network, x, steps = case
    neuron = network.nodes[1].layer
    expected = [
        count_under_constant_current(
            (charge - Fraction(neuron.v_init)) / steps, Fraction(neuron.v_threshold), Fraction(neuron.v_init), steps
        )
        for charge in charges(*case)
    ]
    assert simulate(network, x, steps=steps, arithmetic=Exact(), schedule=schedule).counts["n"][0].tolist() == expected


@given(weight=snn.weights((2, 3)), data=st.data(), steps=st.integers(1, 8))
def test_exact_counts_weights_that_round(weight, data, steps):
    nodes = Node("w", Linear(weight=weight), ("input",)), Node("n", IF(v_threshold=0.7), ("w",))
    network = Network("drawn", (3,), nodes)
    x = data.draw(snn.inputs_for(network, domain=(-1, 1), max_samples=1))
    counts = simulate(network, x, steps=steps, arithmetic=Exact()).counts["n"][0].tolist()
    assert counts == [
        count_under_constant_current(charge / steps, Fraction(0.7), Fraction(0), steps)
        for charge in charges(network, x, steps)
    ]


def identity(size):
    return Network("identity", (size,), (Node("w", Linear(weight=np.eye(size)), ("input",)),))


@given(low=st.floats(-3, 3), width=st.floats(0.001, 3), data=st.data())
def test_inputs_lie_in_their_domain(low, width, data):
    """Also where its bounds are no float32."""
    x = data.draw(snn.inputs_for(identity(4), domain=(low, low + width)))
    assert x.dtype == np.float32
    assert x.shape[1:] == (4,)
    assert (x.astype(np.float64) >= low).all()
    assert (x.astype(np.float64) <= low + width).all()


@given(near=snn.tensors((3, 6), 0, 1), data=st.data())
def test_inputs_near_samples_are_them_but_for_four_numbers(near, data):
    for x in data.draw(snn.inputs_for(identity(6), near=near)):
        assert min((x != sample).sum() for sample in near) <= 4
        assert ((x >= 0) & (x <= 1)).all()


def test_inputs_shrink_to_zeros_and_to_the_first_sample():
    every_phase = settings(phases=tuple(Phase))
    small = find(snn.inputs_for(identity(9)), lambda x: x.sum() > 0.5, settings=every_phase)
    assert small.tolist()[0].count(0.0) == 8
    near = np.linspace(0, 1, 12, dtype=np.float32).reshape(2, 6)
    assert (
        find(snn.inputs_for(identity(6), near=near), lambda x: True, settings=every_phase).tolist() == near[:1].tolist()
    )
    elsewhere = snn.inputs_for(identity(6), near=near)
    changed = find(elsewhere, lambda x: all((x[0] != sample).any() for sample in near), settings=every_phase)
    assert (changed != near[0]).sum() == 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"near": np.zeros((2, 3))}, ShapeError, "near: samples have shape [2, 3], expected [M, 4]"),
        ({"near": np.full((1, 4), 2.0)}, SpecError, "near: 2.0 at index [0, 0] lies outside the domain 0 to 1; give domain="),
        ({"domain": (1.0, 0.0)}, SpecError, "domain: no float32 lies from 1.0 to 0.0; give a lower and a higher finite number"),
    ],
)  # fmt: skip
def test_inputs_are_refused(options, error, message):
    with pytest.raises(error) as caught:
        snn.inputs_for(identity(4), **options)
    assert str(caught.value) == message


def recorded(network, drive, steps, **options):
    return simulate(network, drive, steps=steps, record=Record(spikes=network.neurons, v=network.stateful), **options)


@given(network=snn.networks() | snn.any_networks(), steps=st.integers(1, 6), data=st.data())
def test_every_drive_runs_alike_in_both_backends(network, steps, data):
    drive = data.draw(snn.drives(network))
    assert_same_trace(recorded(network, drive, steps, backend="naive"), recorded(network, drive, steps, backend="fast"))


@given(case=snn.cases() | snn.any_cases(), arithmetic=snn.arithmetics())
def test_every_arithmetic_runs_alike_in_both_backends(case, arithmetic):
    network, x, steps = case
    if isinstance(arithmetic, refsnn.FixedPoint):
        network = refsnn.quantise(network, arithmetic)
    naive, fast = (recorded(network, x, steps, arithmetic=arithmetic, backend=backend) for backend in ("naive", "fast"))
    assert_same_trace(naive, fast)
    assert {name: count.tolist() for name, count in naive.overflows.items()} == {
        name: count.tolist() for name, count in fast.overflows.items()
    }


@given(case=snn.cases() | snn.any_cases(), fixed=snn.fixed_points())
def test_a_quantised_network_is_quantised(case, fixed):
    """Rounding is done once: what is in its format stays what it is."""
    once = refsnn.quantise(case[0], fixed)
    assert refsnn.quantise(once, fixed).digest == once.digest


@given(q=snn.formats(), numbers=st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=5))
def test_a_format_holds_what_it_makes(q, numbers):
    """Rounding to a format that saturates or wraps gives numbers of that format; one that refuses, says so."""
    try:
        made = q.of("numbers", np.array(numbers) * 2.0**-20)
    except refsnn.errors.FormatError:
        assert q.overflow is refsnn.Overflow.REFUSE
        return
    q.holds("numbers", made)


@given(chip=hw.chips())
def test_a_chip_is_complete(chip):
    """Every count is in the vocabulary, every figure says where it comes from, and a chip's family counts its own work only."""
    for component in chip.components:
        for action in component.actions:
            assert set(action.counts) <= set(COUNTS)
            assert action.energy.source
            assert (action.energy.nominal is None) == (action.energy.grade is Grade.UNKNOWN)
            assert action.cycles is None or chip.clock is not None
    counted = {count for component in chip.components for action in component.actions for count in action.counts}
    assert ("dense_macs" in counted) <= (chip.family is Family.FRAME_BASED)


@given(case=snn.tie_cases(near=False))
def test_float_runs_decide_ties_as_real_numbers_do(case):
    """Dyadic sums of this size are exact in float64."""
    network, x, steps = case
    ours = simulate(network, x, steps=steps, arithmetic=Float64()).counts["n"]
    assert ours.tolist() == simulate(network, x, steps=steps, arithmetic=Exact()).counts["n"].tolist()
