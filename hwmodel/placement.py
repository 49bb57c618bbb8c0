"""Where weights and potentials live; what does not fit is an error with numbers."""

from dataclasses import dataclass
from math import ceil

from hwmodel.chip import ChipSpec, Component, Cores, Execution
from refsnn.errors import CapacityError
from refsnn.trace import Activity, NodeActivity


@dataclass(frozen=True)
class Placement:
    """Groups of nodes, a layer of neurons together with what feeds it, and how many cores work on each."""

    groups: dict[str, str]  # node -> the node after which its group is called
    cores: dict[str, int]  # group -> cores; 1 on a chip without cores


def place(activity: Activity, chip: ChipSpec) -> Placement:
    """Groups and their cores; a CapacityError when the chip cannot hold the network.

    Where layers run in parallel each group has whole cores to itself; where they run in turn they share all cores.
    """
    groups = _groups(activity)
    for component in chip.components:
        _check_memory(activity, chip, component)
    names = list(dict.fromkeys(groups.values()))
    if chip.cores is None:
        return Placement(groups, dict.fromkeys(names, 1))
    if chip.execution is Execution.PARALLEL:
        cores = {
            name: _cores([n for n in activity.nodes if groups[n.node] == name], activity, chip.cores) for name in names
        }
        needed = sum(cores.values())
    else:
        needed = _cores(list(activity.nodes), activity, chip.cores)
        cores = dict.fromkeys(names, needed)
    if needed > chip.cores.count:
        neurons = sum(_potentials(node, activity) for node in activity.nodes)
        weights = sum(node.n_weights for node in activity.nodes)
        raise CapacityError(
            f"chip {chip.name!r} cannot hold the network: {neurons} neurons and {weights} weights of {chip.cores.weight_bits} "
            f"bit need {needed} cores, it has {chip.cores.count} (each {chip.cores.neurons} neurons, "
            f"{chip.cores.weight_memory} bytes of weights); take a larger chip or a smaller network"
        )
    return Placement(groups, cores)


def _groups(activity: Activity) -> dict[str, str]:
    """Each node belongs to the first layer of neurons that its output reaches; the readout is a group of its own."""
    group: dict[str, str] = {}
    for node in reversed(activity.nodes):
        if node.kind in ("neuron", "integrator"):
            group[node.node] = node.node
            continue
        # a reader that comes earlier reads over an edge back, and has no group yet
        readers = [reader.node for reader in activity.nodes if node.node in reader.inputs and reader.node in group]
        group[node.node] = group[readers[0]] if readers else node.node
    return {node.node: group[node.node] for node in activity.nodes}


def _cores(members: list[NodeActivity], activity: Activity, cores: Cores) -> int:
    """Enough for the members' potentials, and for their weights shared out over them."""
    potentials = sum(_potentials(node, activity) for node in members)
    weights = sum(node.n_weights for node in members)
    return max(1, ceil(potentials / cores.neurons), ceil(weights * cores.weight_bits / (8 * cores.weight_memory)))


def _check_memory(activity: Activity, chip: ChipSpec, component: Component) -> None:
    if component.capacity is None or component.word is None:
        return
    held = [node.n_weights if component.holds == "weights" else _potentials(node, activity) for node in activity.nodes]
    needed = ceil(sum(held) * component.word / 8)
    if needed > component.capacity:
        raise CapacityError(
            f"chip {chip.name!r} cannot hold the network: {sum(held)} {component.holds} of {component.word} bit take {needed} "
            f"bytes, {component.name} has {component.capacity}; take a larger chip or a smaller network"
        )


def _potentials(node: NodeActivity, activity: Activity) -> int:
    """Potentials that the node has to store: one per neuron, and one per output that is only summed up."""
    summed_up = node.kind == "weight" and node is activity.nodes[-1]
    return node.n_neurons if node.kind in ("neuron", "integrator") or summed_up else 0
