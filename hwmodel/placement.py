"""Where weights, potentials and neurons live; what does not fit is an error with numbers."""

from dataclasses import dataclass
from math import ceil, prod

from hwmodel.chip import ChipSpec, Component, Execution
from hwmodel.layer_placement import check_layers
from hwmodel.splitting import Split, check_fan_in, split_group
from refsnn.errors import CapacityError
from refsnn.trace import Activity, Blocks, NodeActivity, neuron_groups


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Groups of nodes, a layer of neurons together with what feeds it, and where they are."""

    groups: dict[str, str]  # node -> the node after which its group is called
    depth: dict[str, int]  # group -> groups that a spike passes on the longest way to it
    splits: dict[str, Split]  # group -> its share of each core and what reaches it; empty where layers have no cores
    shared: int  # cores that every group works on; 1 on a chip without cores
    off_chip: frozenset[tuple[str, str]]  # (what, node): weights or membranes that are fetched in every step

    @property
    def blocks(self) -> dict[str, Blocks]:
        """Group -> how its neurons are split over cores."""
        return {
            group: self.splits[group].blocks if group in self.splits else Blocks(self.shared, 1)
            for group in dict.fromkeys(self.groups.values())
        }

    @property
    def cores(self) -> dict[str, int]:
        """Group -> cores that work on it."""
        return {group: blocks.count for group, blocks in self.blocks.items()}


def place(activity: Activity, chip: ChipSpec) -> Placement:
    """Groups and their cores; a CapacityError when the chip cannot hold the network.

    Where layers run in parallel each group has whole cores to itself, as few as hold its neurons, weights and axons; where
    they run in turn they share all cores. A chip with layer_cores gives each layer one core that is large enough. Weights and
    potentials that no memory on the chip can hold are left to the external one, if there is one.
    """
    groups = neuron_groups(activity)
    off_chip = frozenset((what, node) for what in ("weights", "membranes") for node in _left_out(activity, chip, what))
    splits: dict[str, Split] = {}
    shared = 1
    _check_crossbars(activity, chip)
    if chip.layer_cores is not None:
        check_layers(activity, groups, chip.name, chip.layer_cores)
    if chip.cores is not None and chip.execution is Execution.PARALLEL:
        for name in reversed(dict.fromkeys(groups.values())):  # a sender's axons depend on who receives
            splits[name] = split_group(activity, groups, name, chip.name, chip.cores, splits)
        _check_count(activity, chip, sum(each.blocks.count for each in splits.values()))
    elif chip.cores is not None:
        shared = _shared_cores(activity, chip)
        _check_count(activity, chip, shared)
        check_fan_in(activity.nodes, chip.name, chip.cores)
    return Placement(
        groups=groups, depth=_depths(activity, groups), splits=splits, shared=shared, off_chip=off_chip
    )  # fmt: skip


def potentials(node: NodeActivity, activity: Activity) -> int:
    """Potentials that the node has to store: one per neuron, and one per output that is only summed up."""
    summed_up = node.kind == "weight" and node is activity.nodes[-1]
    return node.n_neurons if node.kind in ("neuron", "integrator") or summed_up else 0


def _depths(activity: Activity, groups: dict[str, str]) -> dict[str, int]:
    """Edges back do not count: what they carry is a step late by itself."""
    depth: dict[str, int] = {}
    seen: set[str] = set()
    for node in activity.nodes:
        mine = groups[node.node]
        before = [depth[groups[name]] + 1 for name in node.inputs if name in seen and groups[name] != mine]
        depth[mine] = max([depth.get(mine, 0), *before])
        seen.add(node.node)
    return depth


def _left_out(activity: Activity, chip: ChipSpec, what: str) -> list[str]:
    """Nodes whose weights or potentials go to the external memory: in the network's order, all that no longer fit."""
    memories = [component for component in chip.components if component.holds == what]
    inside = [component for component in memories if not component.external]
    outside = [component for component in memories if component.external]
    needed = {node.node: node.n_weights if what == "weights" else potentials(node, activity) for node in activity.nodes}
    for component in outside or inside:
        _check_memory(chip, component, what, sum(needed.values()))
    left, used = [], 0
    for node, numbers in needed.items():
        if outside and any(_bytes(used + numbers, component) > (component.capacity or 0) for component in inside):
            left.append(node)
        else:
            used += numbers
    return left


def _check_memory(chip: ChipSpec, component: Component, what: str, numbers: int) -> None:
    needed = _bytes(numbers, component)
    if needed > (component.capacity or 0):
        raise CapacityError(
            f"chip {chip.name!r} cannot hold the network: {numbers} {what} of {component.word} bit take {needed} "
            f"bytes, {component.name} has {component.capacity}; take a larger chip or a smaller network"
        )


def _bytes(numbers: int, component: Component) -> int:
    return ceil(numbers * (component.word or 1) / 8)


def _shared_cores(activity: Activity, chip: ChipSpec) -> int:
    """Enough for all potentials, and for all weights shared out over them."""
    assert chip.cores is not None
    cores = chip.cores
    numbers = sum(potentials(node, activity) for node in activity.nodes)
    bits = sum(node.n_weights for node in activity.nodes) * (cores.weight_bits or 0)
    return max(1, ceil(numbers / cores.neurons), ceil(bits / (8 * cores.weight_memory)) if cores.weight_memory else 1)


def _check_crossbars(activity: Activity, chip: ChipSpec) -> None:
    """Arrays for all weights, a part of a layer's kernel to each; a design point has as many as it takes."""
    crossbar = chip.crossbar
    if crossbar is None or crossbar.count is None:
        return
    needed = sum(
        shape.groups * ceil(shape.in_channels * prod(shape.kernel) / shape.groups / crossbar.rows)
        * ceil(shape.out_channels / shape.groups / crossbar.columns)
        for node in activity.nodes if node.kind == "weight" for shape in [node.geometry] if shape is not None
    )  # fmt: skip
    if needed > crossbar.count:
        raise CapacityError(
            f"chip {chip.name!r} cannot hold the network: its weights need {needed} crossbars of {crossbar.rows} x "
            f"{crossbar.columns}, it has {crossbar.count}; take a larger chip or a smaller network"
        )


def _check_count(activity: Activity, chip: ChipSpec, needed: int) -> None:
    cores = chip.cores
    assert cores is not None
    if needed > cores.count:
        neurons = sum(potentials(node, activity) for node in activity.nodes)
        weights = sum(node.n_weights for node in activity.nodes)
        bits = f" of {cores.weight_bits} bit" if cores.weight_bits else ""
        memory = f", {cores.weight_memory} bytes of weights" if cores.weight_memory else ""
        raise CapacityError(
            f"chip {chip.name!r} cannot hold the network: {neurons} neurons and {weights} weights{bits} "
            f"need {needed} cores, it has {cores.count} (each {cores.neurons} neurons{memory}); take a larger chip or a "
            "smaller network"
        )
