"""The twin: the source network on the same chip, so that spikes are compared with what they replace.

Two of them. `dense`: the same weights, every input of every layer a nonzero number, on the chip as it is: each input fetches its
weights anew. `quantised`: activations of ceil(log2(T + 1)) bit, which hold what T steps can say, and data reuse: every weight,
input and output passes the chip's memories once a frame, sums stay in registers. The second is the fair baseline of the
literature (Dampfhoffer et al. 2023; Yan et al. 2024) and favours the source network, since ideal reuse is charged nothing.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from hwmodel.chip import Action, ChipSpec, Component, Family
from hwmodel.model import estimate
from refsnn.errors import SpecError
from refsnn.trace import Activity, NodeActivity


@dataclass(frozen=True, kw_only=True)
class Twin:
    """A frame of the source network. Energy in J, time in s, per inference."""

    name: str
    bits: int | None  # of an activation; None: as the chip's own
    energy_j: float
    latency_s: float
    is_lower_bound: bool
    assumptions: tuple[str, ...]


def twins(activity: Activity, chip: ChipSpec, *, steps: int) -> list[Twin]:
    """The dense twin, and the quantised one where the chip has memories of its own to reuse data in."""
    if chip.family in (Family.FRAME_BASED, Family.CROSSBAR):
        return []  # the one runs frames anyway, the other does the same work for spikes as for numbers
    report = estimate(dense_frame(activity), chip)
    bound = report.is_lower_bound
    found = [Twin(name="source, dense", bits=None, energy_j=report.mean_energy_j, latency_s=report.mean_latency_s,
                  is_lower_bound=bound, assumptions=("every input nonzero, weights fetched for every input",))]  # fmt: skip
    with suppress(SpecError):  # a chip whose figures lump compute and memory together says nothing about reuse
        found.append(quantised_twin(activity, chip, steps=steps))
    return found


def dense_frame(activity: Activity) -> Activity:
    """One sample, one step: every input of a weight layer is a real number that is not 0, every neuron sends its value."""

    def node_of(node: NodeActivity) -> NodeActivity:
        one = {name: np.zeros((1, 1), np.int64) for name in node.counts()}
        if node.kind == "weight":
            one |= {"events_in": one["events_in"] + node.n_inputs, "macs": one["macs"] + node.dense_ops}
        if node.kind in ("neuron", "integrator"):
            one |= {name: one[name] + node.n_neurons for name in ("updates", "driven")}
        if node.kind == "neuron":
            one["spikes_out"] = one["spikes_out"] + node.n_neurons
        return node.with_counts(one)

    return replace(
        activity, nodes=tuple(map(node_of, activity.nodes)), steps_run=np.ones(1, np.int64), n_steps=1
    )  # fmt: skip


def quantised_twin(activity: Activity, chip: ChipSpec, *, steps: int) -> Twin:
    """A frame with activations of ceil(log2(steps + 1)) bit and ideal reuse; a SpecError where the chip has no such memories.

    energy = MACs * price of a MAC * bits / weight bits (an array multiplier's energy grows with both operands) + one read of
    each weight + one read of each input and one write of each output in words of that many bits + static power * time.
    """
    bits = ceil(np.log2(steps + 1))
    weights, states = _memory(chip, "weights"), _memory(chip, "membranes")
    unit, mac = _action(chip, "macs")
    layers = [node for node in activity.nodes if node.kind == "weight"]
    macs = sum(node.dense_ops for node in layers)
    read_weights = sum(-(-node.n_weights // weights.lanes) for node in layers)
    lanes = max(1, (states.width or 1) // bits)
    inputs = sum(-(-node.n_inputs // lanes) for node in layers)
    outputs = sum(-(-node.n_neurons // lanes) for node in layers)
    read, write = _reading(states), _writing(states)
    share = bits / (weights.word or bits)
    energy = (
        macs * mac.energy.value * share
        + read_weights * _reading(weights).energy.value
        + inputs * read.energy.value
        + outputs * write.energy.value
    )
    busy = [
        macs * _each(mac) / unit.instances,
        read_weights * _each(_reading(weights)) / weights.instances,
        (inputs * _each(read) + outputs * _each(write)) / states.instances,
    ]
    time = (ceil(max(busy)) / chip.clock) if chip.clock else max(busy)
    figures = (mac.energy, _reading(weights).energy, read.energy, write.energy, chip.static)
    return Twin(
        name=f"source, {bits} bit, reuse",
        bits=bits,
        energy_j=energy + time * chip.static.value,
        latency_s=time,
        is_lower_bound=any(figure.nominal is None for figure in figures),
        assumptions=(
            f"a MAC of {bits} x {weights.word} bit costs {bits}/{weights.word} of the chip's",
            "ideal reuse: each weight, input and output passes the memories once a frame, sums stay in registers",
        ),
    )


def _memory(chip: ChipSpec, what: str) -> Component:
    for component in chip.components:
        if component.holds == what and not component.external:
            return component
    raise SpecError(f"chip {chip.name!r} has no memory of its own for {what}; reuse cannot be priced on it")


def _action(chip: ChipSpec, word: str) -> tuple[Component, Action]:
    for component in chip.components:
        for action in component.actions:
            if word in action.counts:
                return component, action
    raise SpecError(f"chip {chip.name!r} has no action that counts {word!r}; a source network cannot be priced on it")


def _reading(memory: Component) -> Action:
    return next((action for action in memory.actions if "read" in action.name), memory.actions[0])


def _writing(memory: Component) -> Action:
    return next((action for action in memory.actions if "write" in action.name), memory.actions[-1])


def _each(action: Action) -> float:
    """Cycles, or seconds."""
    if action.cycles is not None:
        return float(action.cycles)
    return action.time.value if action.time else 0.0
