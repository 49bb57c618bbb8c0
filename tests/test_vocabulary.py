"""Every word of the vocabulary on runs small enough for paper, and what happens in front of or beyond the usual step."""

from dataclasses import replace

import numpy as np
import pytest

import hwmodel
from hwmodel.accesses import COUNTS
from hwmodel.chip import Action, ChipSpec, Component, Crossbar, Execution, Family, Part, Technology
from hwmodel.cores import Cores
from hwmodel.figures import Figure, Grade, Kind
from refsnn import Network, Node, simulate
from refsnn.errors import CapacityError
from refsnn.layers import AvgPool2d, Conv2d, Flatten, Linear
from refsnn.neurons import IF

ONE = Figure(kind=Kind.MARGINAL, grade=Grade.ESTIMATED, source="paper", nominal=1.0)
NOTHING = Figure(kind=Kind.STATIC, grade=Grade.ESTIMATED, source="paper", nominal=0.0)


def chip(words, *, family=Family.ACCUMULATOR_ARRAY, execution=Execution.SEQUENTIAL, **fields):
    """Every word an action of its own, each 1 J and one cycle of a clock of 1 Hz; accesses of 2 bit, words of 1 bit."""
    actions = [Action(name=word, counts=[word], energy=ONE, cycles=1) for word in words]
    return ChipSpec(
        name="paper", description="", family=family, execution=execution, technology=Technology(node=45e-9, voltage=None),
        components=[Component(name="part", part=Part.LUMPED, width=2, word=1, actions=actions), *fields.pop("more", [])],
        static=NOTHING, clock=1.0, **fields,
    )  # fmt: skip


def counted(activity, spec):
    return {action: count for (_, action), (count, _) in hwmodel.estimate(activity, spec).by_component().items()}


@pytest.fixture
def activity():
    """Two inputs, both on, and two neurons of which the first fires in step 2 and the second never; three neurons behind them
    that all fire then. Two steps, one sample.
    """
    network = Network("net", (2,), (
        Node("fc1", Linear(weight=np.array([[0.5, 0.5], [0.0, 0.0]])), ("input",)),
        Node("if1", IF(v_threshold=2.0), ("fc1",)),
        Node("fc2", Linear(weight=np.ones((3, 2))), ("if1",)),
        Node("if2", IF(v_threshold=1.0), ("fc2",)),
    ))  # fmt: skip
    return simulate(network, np.ones((1, 2)), steps=2).activity


EXPECTED = {
    "events": 4 + 1,  # two pixels in each step, one spike
    "synops": 3,
    "macs": 8,
    "rows": 4 * 1 + 1 * 2,  # rows of 2 in one access, of 3 in two
    "updates": 4 + 6,
    "driven_updates": 4 + 3,  # the second layer in step 2
    "idle_updates": 3,
    "update_rows": 2 * 1 + 2 * 2,
    "spikes": 1 + 3,
    "aer_words": 1 + 3,  # addresses of 1 and of 2 bit, each in one access
    "bitmap_words": 2 * 1 + 2 * 2,
    "run_length_words": (1 + 0) + (3 + 2),  # three silent neurons fill a code of 2 bit once in each step
    "packets": 4,
    "image_loads": 1,
    "readout_words": 2 * 2,
    "final_readout_words": 2,
    "steps": 2,
    "samples": 1,
}


def test_words_on_paper(activity):
    assert counted(activity, chip(EXPECTED)) == EXPECTED | {"static power x time": 1}


def test_times_multiplies(activity):
    spec = chip(["synops"])
    actions = [replace(spec.components[0].actions[0], times=256)]
    assert (
        counted(activity, replace(spec, components=[replace(spec.components[0], actions=actions)]))["synops"] == 3 * 256
    )


@pytest.fixture
def pooled():
    """Four pixels, three on; 2 x 2 neurons of one channel that fire at once; their mean; two outputs. One step."""
    network = Network("net", (1, 2, 2), (
        Node("conv", Conv2d(weight=np.ones((1, 1, 1, 1))), ("input",)),
        Node("if1", IF(v_threshold=1.0), ("conv",)),
        Node("pool", AvgPool2d(kernel=(2, 2)), ("if1",)),
        Node("flat", Flatten(), ("pool",)),
        Node("fc", Linear(weight=np.ones((2, 1))), ("flat",)),
    ))  # fmt: skip
    return simulate(network, np.array([[[[1.0, 1.0], [1.0, 0.0]]]]), steps=1).activity


def test_pools_add_what_reaches_them(pooled):
    assert counted(pooled, chip(["adds", "synops"])) == {
        "adds": 3,
        "synops": 6,
        "static power x time": 1,
        "macs": 3,
        "updates": 4,
    }


def test_what_has_no_place_on_the_chip_is_fetched_in_every_step(activity):
    """Ten weights of 1 bit: a memory of 1 byte holds the first layer's 4; the second's 6 come from outside, 2 an access, in
    both steps. Five potentials: one byte holds them all.
    """
    actions = [Action(name="read", counts=["rows"], energy=ONE)]

    def memory(name, capacity, holds, **fields):  # fmt: skip
        return Component(
            name=name, part=Part.MEMORY, width=2, word=1, capacity=capacity, holds=holds, actions=actions, **fields
        )

    more = [
        memory("sram", 1, "weights"),
        memory("dram", 100, "weights", external=True),
        memory("states", 1, "membranes"),
    ]
    spec = chip(["spilled_weight_words", "spilled_membrane_words"], more=more)
    report = hwmodel.estimate(activity, spec)
    assert report.off_chip == (("weights", "fc2"),)
    assert counted(activity, spec)["spilled_weight_words"] == 2 * 3
    assert "spilled_membrane_words" not in counted(activity, spec)
    small = replace(spec, components=[*spec.components[:2], memory("dram", 1, "weights", external=True)])
    with pytest.raises(CapacityError, match="10 weights of 1 bit take 2 bytes, dram has 1"):
        hwmodel.estimate(activity, small)


def test_crossbars_are_read_whatever_is_in_them():
    """A kernel of 3 x 3 from 5 to 7 channels on arrays of 4 x 4: 2 x 2 arrays for each of 9 positions and 4 output pixels; the
    whole window of 45 inputs stands along the rows of 12 arrays, for 2 blocks of outputs.
    """
    network = Network(
        "net", (5, 2, 2), (Node("conv", Conv2d(weight=np.zeros((7, 5, 3, 3)), padding=(1, 1)), ("input",)),)
    )
    activity = simulate(network, np.zeros((1, 5, 2, 2)), steps=3).activity
    words = ["crossbar_reads", "crossbar_windows", "crossbar_stacks", "crossbar_outputs"]
    spec = chip(words, family=Family.CROSSBAR, crossbar=Crossbar(rows=4, columns=4))
    assert counted(activity, spec) == {
        "crossbar_reads": 3 * 4 * 9 * 4, "crossbar_windows": 3 * 4 * 4, "crossbar_stacks": 3 * (12 * 2) * 4,
        "crossbar_outputs": 3 * 7 * 2, "static power x time": 1,
    }  # fmt: skip


def test_every_word_is_on_paper_here_or_in_test_cost():
    here = {*EXPECTED, "adds", "spilled_weight_words", "spilled_membrane_words", "crossbar_reads", "crossbar_windows",
            "crossbar_stacks", "crossbar_outputs", "hops"}  # fmt: skip
    frame = {
        "dense_macs",
        "weight_words",
        "input_words",
        "output_words",
        "image_words",
    }  # test_the_source_frame_is_the_baseline
    assert here | frame == set(COUNTS)


def test_packets_cross_links_in_the_slot_in_which_they_are_sent():
    """Two neurons on tiles 0 and 1 of a row, what they send to on tile 2.

    Both fire in step 2 and in step 4. A spike takes 2 and 1 links: the link between tiles 1 and 2 carries both, 2 cycles; the
    other work takes none. if1 is at depth 0, so slot 2 and slot 4 of five last 2 cycles.
    """
    network = Network("net", (1,), (
        Node("fc1", Linear(weight=np.array([[0.5], [0.5]])), ("input",)),
        Node("if1", IF(v_threshold=1.0), ("fc1",)),
        Node("fc2", Linear(weight=np.ones((1, 2))), ("if1",)),
        Node("if2", IF(v_threshold=9.0), ("fc2",)),
    ))  # fmt: skip
    activity = simulate(network, np.ones((1, 1)), steps=4).activity
    cores = Cores(count=4, neurons=1, mesh=(4, 1))
    spec = chip(["hops"], family=Family.MANY_CORE, execution=Execution.PARALLEL, cores=cores)
    report = hwmodel.estimate(activity, spec)
    assert counted(activity, spec)["hops"] == 4 * 1.5
    assert report.cores == {"if1": 2, "if2": 1}
    assert report.step_cycles.tolist() == [[2], [0], [2], [0]]  # the first readout is there after slots 1 and 2


def test_steps_in_front_have_barriers_and_ticks_of_their_own(activity):
    """Three steps stand in front: the first step has four barriers, or lasts four ticks; the second one."""
    three = replace(activity, in_front=3)
    barrier = replace(chip(["steps"]), barrier=replace(ONE, nominal=5.0), components=[replace(
        chip(["steps"]).components[0], actions=[Action(name="steps", counts=["steps"], energy=ONE)])])  # fmt: skip
    assert hwmodel.estimate(three, barrier).step_cycles.tolist() == [[20], [5]]
    tick = replace(barrier, barrier=None, tick=replace(ONE, nominal=7.0))
    assert hwmodel.estimate(three, tick).step_cycles.tolist() == [[28], [7]]
    assert hwmodel.estimate(three, tick).overruns == 0
    slow = replace(chip(["updates"]), tick=replace(ONE, nominal=4.0))  # five updates in a step
    assert hwmodel.estimate(activity, slow).overruns == 1


def test_a_chip_has_only_so_many_crossbars():
    """7 outputs of 45 inputs on arrays of 4 x 4: 12 along the rows, 2 along the columns."""
    network = Network(
        "net", (5, 2, 2), (Node("conv", Conv2d(weight=np.zeros((7, 5, 3, 3)), padding=(1, 1)), ("input",)),)
    )
    activity = simulate(network, np.zeros((1, 5, 2, 2)), steps=1).activity
    spec = chip(["crossbar_stacks"], family=Family.CROSSBAR, crossbar=Crossbar(rows=4, columns=4, count=24))
    hwmodel.estimate(activity, spec)
    with pytest.raises(CapacityError) as error:
        hwmodel.estimate(activity, replace(spec, crossbar=Crossbar(rows=4, columns=4, count=23)))
    assert str(error.value) == (
        "chip 'paper' cannot hold the network: its weights need 24 crossbars of 4 x 4, it has 23; take a larger chip or a smaller "
        "network"
    )


def test_neurons_of_layers_in_turn_have_no_more_inputs_either(activity):
    cores = Cores(count=1, neurons=10, fan_in=1)
    with pytest.raises(CapacityError, match="every neuron of fc1 has 2 inputs, on this chip it may have 1"):
        hwmodel.estimate(activity, chip(["synops"], family=Family.MANY_CORE, cores=cores))


def test_packets_of_a_deeper_layer_cross_later():
    """Three neurons in a row on three tiles; the first two fire in steps 2 and 4. The first is at depth 0, so its packets cross in
    slots 2 and 4; the second at depth 1, slots 3 and 5. The first readout is there after slots 1 to 3.
    """
    network = Network("net", (1,), (
        Node("fc0", Linear(weight=np.array([[0.5]])), ("input",)),
        Node("if0", IF(v_threshold=1.0), ("fc0",)),
        Node("fc1", Linear(weight=np.ones((1, 1))), ("if0",)),
        Node("if1", IF(v_threshold=1.0), ("fc1",)),
        Node("fc2", Linear(weight=np.ones((1, 1))), ("if1",)),
        Node("if2", IF(v_threshold=9.0), ("fc2",)),
    ))  # fmt: skip
    activity = simulate(network, np.ones((1, 1)), steps=4).activity
    spec = chip(
        ["hops"], family=Family.MANY_CORE, execution=Execution.PARALLEL, cores=Cores(count=3, neurons=1, mesh=(3, 1))
    )
    assert hwmodel.estimate(activity, spec).step_cycles.tolist() == [[2], [1], [1], [0]]
