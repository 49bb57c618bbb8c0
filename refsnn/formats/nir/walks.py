"""Walks over graphs of names: which edges close a cycle, and orders in which sources stand before their readers."""

from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from refsnn.network import INPUT

Sources = Mapping[str, tuple[str, ...]]  # of each node


class Walk(NamedTuple):
    """A depth-first walk: nodes as they are met, and the edges (source, target) that lead back to where it came from."""

    met: tuple[str, ...]
    back: frozenset[tuple[str, str]]


def walked_from_input(sources: Sources, roots: Iterable[str] = ()) -> Walk:
    """The walk from the input, readers in sorted order; then from what it does not meet, in the order of `roots` or sorted."""
    readers: dict[str, list[str]] = {name: [] for name in (INPUT, *sources)}
    for target in sorted(sources):
        for source in set(sources[target]):
            readers[source].append(target)
    met: dict[str, None] = {}
    on_the_way: set[str] = set()
    back = set()
    for root in (INPUT, *roots, *sorted(sources)):
        if root in met:
            continue
        met[root] = None
        on_the_way.add(root)
        stack = [(root, iter(readers[root]))]
        while stack:
            here, ahead = stack[-1]
            for target in ahead:
                if target in on_the_way:
                    back.add((here, target))
                elif target not in met:
                    met[target] = None
                    on_the_way.add(target)
                    stack.append((target, iter(readers[target])))
                    break
            else:
                stack.pop()
                on_the_way.discard(here)
    return Walk(tuple(met)[1:], frozenset(back))


def closing(reads: Mapping[str, tuple[tuple[str, int], ...]]) -> frozenset[tuple[str, str]]:
    """The edges without a delay that close a cycle of such edges: those that lead back in a walk over edges without a delay.

    Where the walk from the input ends, since all edges ahead have a delay, it goes on in the order of the walk over all edges.
    """
    everything = {target: tuple(s for s, _ in edges) for target, edges in reads.items()}
    at_once = {target: tuple(s for s, steps in edges if not steps) for target, edges in reads.items()}
    return walked_from_input(at_once, walked_from_input(everything).met).back


def ordered(sources: Sources, last: str | None) -> tuple[str, ...] | None:
    """Sources before readers, of those that could be next the first by name; `last` at the end. None where that cannot be."""
    missing = {name: {s for s in found if s != INPUT} for name, found in sources.items()}
    readers: dict[str, list[str]] = {name: [] for name in sources}
    for name, found in missing.items():
        for source in found:
            readers[source].append(name)
    ready = [name for name, found in missing.items() if not found and name != last]
    heapify(ready)
    done = []
    while ready:
        done.append(heappop(ready))
        for name in readers[done[-1]]:
            missing[name].discard(done[-1])
            if not missing[name] and name != last:
                heappush(ready, name)
    if last is not None and len(done) == len(sources) - 1 and not missing[last]:
        return (*done, last)
    return tuple(done) if last is None and len(done) == len(sources) else None
