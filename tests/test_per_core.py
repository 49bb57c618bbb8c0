"""Pricing with counts per core: on paper, and never beyond what one core could have to do."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hwmodel
import refsnn
from hwmodel.chip import Action, ChipSpec, Component, Execution, Family, Part, Technology
from hwmodel.cores import Cores
from hwmodel.figures import Figure, Grade, Kind
from refsnn import Network, Node, Record, simulate
from refsnn import strategies as snn
from refsnn.errors import CapacityError, SpecError, UnsupportedLayerError
from refsnn.layers import Linear
from refsnn.neurons import IF

ONE = Figure(kind=Kind.MARGINAL, grade=Grade.ESTIMATED, source="paper", nominal=1.0)


def chip(cores, words=("synops",)):
    actions = [Action(name=word, counts=[word], energy=ONE, cycles=1) for word in words]
    return ChipSpec(
        name="paper", description="", family=Family.MANY_CORE, execution=Execution.PARALLEL,
        technology=Technology(node=45e-9, voltage=None), cores=cores, clock=1.0,
        components=[Component(name=a.name, part=Part.LUMPED, actions=[a]) for a in actions],
        static=Figure(kind=Kind.STATIC, grade=Grade.ESTIMATED, source="paper", nominal=0.0),
    )  # fmt: skip


@pytest.fixture
def network():
    """Four inputs, each to a neuron of its own; they fire at once where the input is on; two outputs each."""
    return Network("net", (4,), (
        Node("fc1", Linear(weight=np.eye(4)), ("input",)),
        Node("if1", IF(v_threshold=1.0), ("fc1",)),
        Node("fc2", Linear(weight=np.ones((2, 4))), ("if1",)),
    ))  # fmt: skip


def priced(network, x, spec, steps=1):
    trace = simulate(network, x, steps=steps, record=Record(spikes=network.neurons))
    blocks = hwmodel.place(trace.activity, spec).blocks
    counts = refsnn.core_activity(network, trace, blocks, x)
    return trace, hwmodel.estimate(trace.activity, spec, cores=counts), hwmodel.estimate(trace.activity, spec)


def test_the_busiest_core_sets_the_pace(network):
    """if1 on cores of two neurons each, 0 and 1 fire: their core sends two spikes, the other none; an even split says one each."""
    spec = chip(Cores(count=3, neurons=2), ("spikes",))
    trace, measured, even = priced(network, np.array([[1.0, 1.0, 0.0, 0.0]]), spec)
    assert measured.cores == {"if1": 2, "fc2": 1}
    assert measured.step_cycles.tolist() == [[2]]
    assert even.step_cycles.tolist() == [[1]]
    assert measured.energy_j == even.energy_j == 2.0
    assert (measured.split_evenly, even.split_evenly) == (False, True)
    assert trace.activity["if1"].spikes_out.tolist() == [[2]]


def test_measured_packets_cross_the_links_they_really_cross(network):
    """1 x 3 tiles: if1 on tiles 0 and 1, the readout on tile 2. Both spikes come from tile 0: 2 links each, where an even spread
    has 1.5 on average. The link from 1 to 2 carries both, either way.
    """
    spec = chip(Cores(count=3, neurons=2, mesh=(3, 1)), ("hops", "packets"))
    _, measured, even = priced(network, np.array([[1.0, 1.0, 0.0, 0.0]]), spec)
    counts = {action: count for (_, action), (count, _) in measured.by_component().items()}
    assert (counts["packets"], counts["hops"]) == (2, 4)
    assert even.by_component()["hops", "hops"][0] == 2 * Fraction(3, 2)
    # the packets of a core on its router: both of one core, where an even split has one each; the link is as busy
    assert measured.step_cycles.tolist() == [[2]]
    assert even.step_cycles.tolist() == [[2]]


def test_counts_of_another_placement_are_refused(network):
    x = np.ones((1, 4))
    trace = simulate(network, x, steps=1, record=Record(spikes=network.neurons))
    counts = refsnn.core_activity(network, trace, {"if1": 1, "fc2": 1}, x)
    with pytest.raises(SpecError) as error:
        hwmodel.estimate(trace.activity, chip(Cores(count=3, neurons=2)), cores=counts)
    assert str(error.value) == (
        "cores: counted for {'if1': 1, 'fc2': 1}, but on chip 'paper' the network has {'if1': 2, 'fc2': 1}; count with "
        "hwmodel.place(activity, chip).blocks"
    )


@given(case=snn.cases(), neurons=st.integers(1, 30))
def test_measuring_cores_changes_no_energy_of_counts_and_no_step_gets_faster_than_an_even_split(case, neurons):
    """An even split is the least that the busiest core can have to do."""
    network, x, steps = case
    try:
        words = ("synops", "updates", "spikes", "macs")
        _, measured, even = priced(network, x, chip(Cores(count=10_000, neurons=neurons), words), steps)
    except (CapacityError, UnsupportedLayerError):
        return
    assert measured.energy_j == even.energy_j
    assert (measured.step_cycles >= even.step_cycles).all()
    assert [replace(row, cycles=None) for row in measured.rows] == [replace(row, cycles=None) for row in even.rows]
