"""Counts per core as the model reads them: those of refsnn.core_activity, and what they say of packets, hops and links."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hwmodel.chip import ChipSpec
from hwmodel.placement import Placement
from hwmodel.routing import links_between, tiles_of
from refsnn.errors import SpecError
from refsnn.trace import Activity, CoreActivity

IntArray = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, eq=False)
class PerCore:
    """A run's counts on the cores of a placement."""

    counts: CoreActivity
    packets: dict[str, IntArray]  # spiking node -> packets that its spikes become: int64[T, N]
    hops: dict[str, IntArray]  # spiking node -> links that they cross together
    links: IntArray  # packets over each link that is used: int64[links, T, N]; without a mesh none

    def has(self, node: str, base: str) -> bool:
        """Whether this count of the node is known for each of its group's cores."""
        return self.counts.has(node, base)

    def of(self, node: str, base: str) -> IntArray:
        """The count: int64[cores, T, N]."""
        return self.counts.of(node, base)


def per_core(activity: Activity, counts: CoreActivity, placement: Placement, chip: ChipSpec) -> PerCore:
    """The counts with their packets routed; a SpecError where they were counted for another placement."""
    if dict(counts.cores) != placement.cores:
        raise SpecError(
            f"cores: counted for {dict(counts.cores)}, but on chip {chip.name!r} the network has {placement.cores}; count "
            "with hwmodel.place(activity, chip).blocks"
        )
    shape = activity.n_steps, activity.n_samples
    spiking = [node.node for node in activity.nodes if node.kind == "neuron"]
    packets = {name: np.zeros(shape, np.int64) for name in spiking}
    hops = {name: np.zeros(shape, np.int64) for name in spiking}
    loads: dict[Any, IntArray] = {}
    mesh = bool(placement.splits) and chip.cores is not None and chip.cores.mesh is not None
    tiles = tiles_of(placement, chip) if mesh else {}
    for (source, node), sent in counts.packets.items():
        packets[source] += sent.sum((0, 1))
        if not mesh:
            continue
        for a, b in np.ndindex(sent.shape[:2]):
            way = links_between(tiles[placement.groups[source]][a], tiles[placement.groups[node]][b])
            hops[source] += sent[a, b] * len(way)
            for link in way:
                loads[link] = loads[link] + sent[a, b] if link in loads else sent[a, b].copy()
    links = np.stack(list(loads.values())) if loads else np.zeros((0, *shape), np.int64)
    return PerCore(counts, packets, hops, links)
