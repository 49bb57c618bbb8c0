"""Packets between cores on a mesh: x first, then y. Cores stand tile after tile, row by row, group after group.

A spike goes to every core of the reading group that needs it; without counts per core, spikes are taken to be spread evenly
over the sending group's cores, and the cores they reach over the receiving group's.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from hwmodel.chip import ChipSpec
from hwmodel.placement import Placement
from refsnn.trace import Activity

if TYPE_CHECKING:
    from hwmodel.percore import PerCore
    from hwmodel.pricing import Key, Line, Resource

IntArray = np.ndarray[Any, np.dtype[np.int64]]
LINK = -2  # in a form: packets over a link, from counts per core


def on_links(line: "Line", chip: ChipSpec) -> bool:
    """Whether the action is the crossing of a link: its time is that of the busiest link, not of a core."""
    return chip.cores is not None and chip.cores.mesh is not None and line.action.counts == ["hops"]


def per_spike(source: str, placement: Placement, chip: ChipSpec) -> tuple[Fraction, Fraction]:
    """Packets of a spike of this node, and links that they cross together, on average."""
    packets, hops = Fraction(0), Fraction(0)
    for group, split in placement.splits.items():
        for feed in split.feeds:
            if feed.source == source:
                packets += feed.packets
                if chip.cores is not None and chip.cores.mesh is not None:
                    hops += feed.packets * _distance(placement, source, group, chip)
    return (packets if placement.splits else Fraction(1)), hops


def tiles_of(placement: Placement, chip: ChipSpec) -> dict[str, IntArray]:
    """Group -> column and row of the tile of each of its cores: int64[cores, 2]."""
    assert chip.cores is not None
    assert chip.cores.mesh is not None
    found, first = {}, 0
    for group, count in placement.cores.items():
        tile = (first + np.arange(count)) // chip.cores.per_tile
        found[group] = np.stack([tile % chip.cores.mesh[0], tile // chip.cores.mesh[0]], axis=1)
        first += count
    return found


def links_between(a: IntArray, b: IntArray) -> list[tuple[int, int, int, int]]:
    """The way from tile a to tile b, x first, then y: (x, y, next x, next y) for each link."""
    (x, y), (to_x, to_y) = (int(v) for v in a), (int(v) for v in b)
    way = []
    while (x, y) != (to_x, to_y):
        dx = (to_x > x) - (to_x < x)
        dy = 0 if dx else (to_y > y) - (to_y < y)
        way.append((x, y, x + dx, y + dy))
        x, y = x + dx, y + dy
    return way


def _distance(placement: Placement, source: str, group: str, chip: ChipSpec) -> Fraction:
    """Links between a core of the one group and a core of the other, on average over all pairs."""
    tiles = tiles_of(placement, chip)
    a, b = tiles[placement.groups[source]], tiles[group]
    total = 0
    for axis in (0, 1):
        size = int(max(a[:, axis].max(), b[:, axis].max())) + 1
        # |i - j| summed over pairs = for every border between i and i + 1, pairs on its two sides
        left_a = np.cumsum(np.bincount(a[:, axis], minlength=size))
        left_b = np.cumsum(np.bincount(b[:, axis], minlength=size))
        total += int((left_a * (len(b) - left_b) + (len(a) - left_a) * left_b).sum())
    return Fraction(total, len(a) * len(b))


def links(
    activity: Activity, lines: "tuple[Line, ...]", placement: Placement, chip: ChipSpec, cores: "PerCore | None"
) -> "Iterator[Resource]":
    """For every link that no other is always at least as busy as: how long its packets take."""
    from hwmodel.pricing import Resource, duration_of

    if not placement.splits or chip.cores is None or chip.cores.mesh is None:
        return
    numbers = {node.node: i for i, node in enumerate(activity.nodes)}
    for component in chip.components:
        crossing = [line for line in lines if line.component is component and on_links(line, chip)]
        if not crossing or not duration_of(crossing[0].action):
            continue
        duration = duration_of(crossing[0].action)
        if cores is not None:
            for k in range(len(cores.links)):
                yield Resource("", component.name, {(LINK, "packets", k): Fraction(1) * duration})
            continue
        feeds = [(feed, group) for group, split in placement.splits.items() for feed in split.feeds]
        loads = np.stack([_loads(placement, feed.source, group, chip) for feed, group in feeds], axis=1)
        a_b = [placement.cores[placement.groups[f.source]] * placement.cores[group] for f, group in feeds]
        for row in _undominated(loads):
            form: dict[Key, Fraction | float] = {}
            for (feed, _), pairs, load in zip(feeds, a_b, row, strict=True):
                if load:
                    key = numbers[feed.source], "spikes_out"
                    form[key] = form.get(key, 0) + feed.packets * Fraction(int(load), pairs) * duration
            if form:
                yield Resource("", component.name, form)


def _loads(placement: Placement, source: str, group: str, chip: ChipSpec) -> IntArray:
    """Pairs of cores whose way leads over each link: all links to the right, left, down and up, one after the other."""
    assert chip.cores is not None
    assert chip.cores.mesh is not None
    columns, rows = chip.cores.mesh
    tiles = tiles_of(placement, chip)
    a = np.zeros((columns, rows), np.int64)
    b = np.zeros((columns, rows), np.int64)
    np.add.at(a, tuple(tiles[placement.groups[source]].T), 1)
    np.add.at(b, tuple(tiles[group].T), 1)
    wide = b.sum(1)  # receivers in each column: the way along x does not ask in which row they are
    right = np.cumsum(a, 0)[:-1] * (len(tiles[group]) - np.cumsum(wide))[:-1, None]
    left = (a.sum(0) - np.cumsum(a, 0))[:-1] * np.cumsum(wide)[:-1, None]
    tall = a.sum(0)  # senders in each row: along y the way is in the receiver's column
    down = np.cumsum(tall)[None, :-1] * (wide[:, None] - np.cumsum(b, 1))[:, :-1]
    up = (tall.sum() - np.cumsum(tall))[None, :-1] * np.cumsum(b, 1)[:, :-1]
    return np.concatenate([part.ravel() for part in (right, left, down, up)])


def _undominated(loads: IntArray) -> IntArray:
    """Rows that no other row is at least as large as everywhere."""
    kept: list[IntArray] = []
    for row in sorted(map(tuple, np.unique(loads, axis=0)), key=sum, reverse=True):
        candidate = np.array(row)
        if candidate.any() and not any((other >= candidate).all() for other in kept):
            kept.append(candidate)
    return np.array(kept, np.int64).reshape(len(kept), loads.shape[1])
