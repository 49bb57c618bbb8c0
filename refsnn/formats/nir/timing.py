"""When the values of a NIR graph arrive, and in what order its nodes are computed."""

from collections.abc import Mapping
from dataclasses import dataclass

from refsnn.formats.load_report import Entry, Fate
from refsnn.formats.nir.flat import Edge, Flat
from refsnn.formats.nir.graph import NEURONS
from refsnn.formats.nir.semantics import PROFILES, Semantics
from refsnn.formats.nir.walks import closing, ordered, walked_from_input
from refsnn.formats.refusals import refuse, shown
from refsnn.network import INPUT

Reads = Mapping[str, tuple[Edge, ...]]


@dataclass(frozen=True, eq=False)
class Timed:
    """What each node reads and how many steps later; the nodes in order."""

    reads: Reads
    met: tuple[str, ...]  # in the order of the walk from the input: each but for the first reads one before it
    order: tuple[str, ...]
    last: bool  # whether the node that is read out stands at the end; nothing else is then needed for the readout
    entries: tuple[Entry, ...]


def timed(flat: Flat, how: Semantics, path: str) -> Timed:
    """The delays of the profile, and one step on the edges that close a cycle: by the rule, or those that were given."""
    reads = {name: _late(flat, edges) if PROFILES[how.profile].late else edges for name, edges in flat.reads.items()}
    at_once = _sources(reads, at_once=True)
    for edge in how.delayed or ():
        if edge[0] not in at_once.get(edge[1], ()):
            refuse("missing-semantics", path, f"{edge[0]} -> {edge[1]}", "no edge without a delay, so none to be delayed",
                   f"name edges of the graph; of cycles, by the rule: {_listed(closing(reads))}")  # fmt: skip
    back = closing(reads) if how.delayed is None else frozenset(how.delayed)
    reads = {
        name: tuple(sorted((s, 1 if not steps and (s, name) in back else steps) for s, steps in edges))
        for name, edges in reads.items()
    }
    met = walked_from_input(_sources(reads, at_once=False)).met
    order, last = _order(reads, flat.read_out)
    if order is None:
        rest = _listed(closing(reads))
        refuse(
            "cycle", path, rest, "a cycle of which no edge takes a step", "name an edge of it in Semantics(delayed=...)"
        )
    why = "closes a cycle: takes one step, by the rule" if how.delayed is None else "takes one step, as was given"
    fate = Fate.DEFAULTED if how.delayed is None else Fate.MAPPED
    return Timed(reads, met, order, last, tuple(Entry(fate, f"{s} -> {t}", why) for s, t in sorted(back)))


def _late(flat: Flat, edges: tuple[Edge, ...]) -> tuple[Edge, ...]:
    """One step on edges from neurons that fire by the potential before."""
    return tuple((s, max(steps, 1) if s != INPUT and flat.nodes[s].type in NEURONS else steps) for s, steps in edges)


def _order(reads: Reads, read_out: tuple[Edge, ...]) -> tuple[tuple[str, ...] | None, bool]:
    """All sources before their readers where that can be, otherwise those that are read in the same step."""
    at_once, everything = _sources(reads, at_once=True), _sources(reads, at_once=False)
    back = walked_from_input(everything).back
    if any((s, t) in back for t, sources in at_once.items() for s in sources):
        ahead = at_once
    else:
        ahead = {t: tuple(s for s in sources if (s, t) not in back) for t, sources in everything.items()}
    only = read_out[0][0] if len(read_out) == 1 and read_out[0][1] == 0 and read_out[0][0] != INPUT else None
    order = ordered(ahead, only) or (ordered(at_once, only) if only else None)
    if only is not None and order is not None:
        return order, True
    return ordered(ahead, None) or ordered(at_once, None), False


def _sources(reads: Reads, *, at_once: bool) -> dict[str, tuple[str, ...]]:
    return {t: tuple(s for s, steps in edges if not at_once or not steps) for t, edges in reads.items()}


def _listed(edges: frozenset[tuple[str, str]]) -> str:
    return shown(", ".join(f"{source} -> {target}" for source, target in sorted(edges)) or "none")
