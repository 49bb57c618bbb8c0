"""What an activity tells of the numbers that a layer reads: whether spikes made them, and what happened on their way."""

from dataclasses import dataclass
from math import prod

from refsnn.trace import Activity, NodeActivity

INPUT = "input"


@dataclass(frozen=True)
class Reading:
    """Of one node's inputs, all of them together."""

    spiking: bool  # spikes made them, and pools, Add or Flatten at most handed them on
    ones: bool  # each is 0 or 1: nothing on the way averages, adds up or scales
    window: int  # numbers that averaging pools on the way divide by


def reading(activity: Activity, node: NodeActivity, asked: frozenset[str] = frozenset()) -> Reading:
    """What the node reads, by the wiring alone: spikes are 1, whatever the amplitude. asked: nodes that wait for the answer."""
    read = [_given(activity, source, asked | {node.node}) for source in node.inputs]
    joined = len(read) == 1 or node.layer == "Concat"
    return Reading(
        spiking=all(one.spiking for one in read),
        ones=joined and all(one.ones for one in read),
        window=max(one.window for one in read),
    )


def _given(activity: Activity, name: str, asked: frozenset[str]) -> Reading:
    if name in asked:
        return Reading(True, True, 1)  # a cycle adds nothing to what enters it
    if name == INPUT:
        spiking = drive_spikes(activity)
        return Reading(spiking, spiking, 1)
    node = activity[name]
    if node.kind == "neuron":
        return Reading(True, True, 1)
    if node.kind not in ("pool", "add", "reshape"):
        return Reading(False, False, 1)
    read = reading(activity, node, asked)
    averages = node.layer in ("AvgPool2d", "GlobalAvgPool2d")
    window = prod(node.geometry.kernel) if averages and node.geometry else 1
    changed = node.layer in ("SumPool2d", "Add", "Scale") or window > 1
    return Reading(read.spiking, read.ones and not changed, read.window * window)


def drive_spikes(activity: Activity) -> bool:
    """Whether the input is spikes: no layer that reads nothing else had to multiply."""
    return not any(
        node.macs.any() for node in activity.nodes if node.kind == "weight" and _sources(activity, node) == {INPUT}
    )


def _sources(activity: Activity, node: NodeActivity) -> set[str]:
    found: set[str] = set()
    waiting, asked = list(node.inputs), set(node.inputs)
    while waiting:
        name = waiting.pop()
        if name == INPUT or activity[name].kind not in ("pool", "add", "reshape"):
            found.add(name)
            continue
        more = set(activity[name].inputs) - asked
        waiting += more
        asked |= more
    return found


def neurons_behind(activity: Activity, node: NodeActivity) -> NodeActivity | None:
    """The neurons that read this layer directly, and nothing beside it; None where there are none."""
    readers = [other for other in activity.nodes if node.node in other.inputs]
    if len(readers) == 1 and readers[0].kind == "neuron":
        return readers[0]
    return None
