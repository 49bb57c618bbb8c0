"""A network's edges as NIR has them: sums where several edges meet, steps in Delay nodes or by the rule for cycles."""

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import numpy as np

from refsnn.errors import UnsupportedLayerError
from refsnn.formats.nir.flat import Edge
from refsnn.formats.nir.losses import Loss, Lost
from refsnn.formats.nir.walks import closing
from refsnn.layers import Add
from refsnn.network import Network
from refsnn.neurons import IF, LIF

SUM = ".sum"


@dataclass(frozen=True, eq=False)
class Wiring:
    """What the nodes that compute read, Adds opened and spikes behind what they are worth; and what the Output reads."""

    reads: Mapping[str, tuple[Edge, ...]]
    read_out: tuple[Edge, ...]
    output: str  # the Output's name
    worth: Mapping[str, str]  # neurons with an amplitude -> the Scale behind them
    by_rule: frozenset[tuple[str, str]]  # edges of one step that a reader finds: they close a cycle
    losses: tuple[Loss, ...]


def wired(network: Network) -> Wiring:
    """The edges without Adds. The same source twice in one sum is refused: NIR's edges are a set."""
    names = {"input", *(node.name for node in network.nodes)}
    worth = {n.name: unique(f"{n.name}.amplitude", names) for n in network.nodes
             if isinstance(n.layer, IF | LIF) and np.any(np.asarray(n.layer.amplitude) != 1)}  # fmt: skip
    losses: list[Loss] = []
    opened = _opened(network, worth, losses)
    reads: dict[str, tuple[Edge, ...]] = {}
    for node in network.nodes:
        if not isinstance(node.layer, Add):
            reads[node.name] = opened[node.name]
            if node.name in worth:
                reads[worth[node.name]] = ((node.name, 0),)
    last = network.nodes[-1]
    summed = isinstance(last.layer, Add)
    read_out = opened[last.name] if summed else ((worth.get(last.name, last.name), 0),)
    wanted = last.name.removesuffix(SUM) if summed and last.name.endswith(SUM) else "output"
    for name, edges in (*reads.items(), (last.name, read_out)):
        if len(set(edges)) < len(edges):
            raise UnsupportedLayerError(
                f"{name}: adds the same values twice, which NIR's edges cannot say; scale them by 2"
            )
    late = frozenset((s, t) for t, edges in reads.items() for s, steps in edges if steps)
    at_once = {t: tuple((s, 0) for s, _ in edges) for t, edges in reads.items()}
    only_ones = all(steps <= 1 for edges in reads.values() for _, steps in edges)
    once = all(len({s for s, _ in edges}) == len(edges) for edges in reads.values())
    by_rule = late if late and only_ones and once and closing(at_once) == late else frozenset()
    losses += [
        Loss(Lost.FORM, f"{s} -> {t}", "takes a step, since it closes a cycle; NIR does not say so")
        for s, t in sorted(by_rule)
    ]
    return Wiring(reads, read_out, unique(wanted or "output", names), worth, by_rule, tuple(losses))


def unique(name: str, taken: set[str]) -> str:
    """The name, or with enough '_' behind it to be none of those taken; taken from now on."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _opened(network: Network, worth: Mapping[str, str], losses: list[Loss]) -> dict[str, tuple[Edge, ...]]:
    """What each node reads, through the Adds before it, sorted as a reader adds it up."""
    adds = {node.name: node for node in network.nodes if isinstance(node.layer, Add)}
    try:
        order = tuple(
            TopologicalSorter({n: [s for s in a.inputs if s in adds] for n, a in adds.items()}).static_order()
        )
    except CycleError as error:
        raise UnsupportedLayerError(
            f"{error.args[1][0]}: a cycle of nothing but Adds, which NIR cannot say; put a Scale of 1 into it"
        ) from error
    found: dict[str, tuple[Edge, ...]] = {}
    for node in (*(adds[name] for name in order), *(n for n in network.nodes if n.name not in adds)):
        edges: list[Edge] = []
        for source, steps in node.edges:
            edges += (
                [(s, d + steps) for s, d in found[source]] if source in adds else [(worth.get(source, source), steps)]
            )
        found[node.name] = tuple(sorted(edges))
        nested = any(source in adds for source in node.inputs) and node.name in adds
        if node.name in adds and len(edges) > 2 and (nested or tuple(edges) != found[node.name]):
            losses.append(
                Loss(
                    Lost.ROUNDING, node.name, "adds in another order: NIR's edges have none, readers sort them by name"
                )
            )
    return found
