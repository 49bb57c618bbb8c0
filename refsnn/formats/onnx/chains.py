"""Where in an ONNX graph QCFS stands: chains around each Floor, Round and QuantizeLinear."""

from collections.abc import Mapping
from dataclasses import dataclass

from refsnn.formats.onnx.builder import Builder
from refsnn.formats.onnx.graph import OnnxNode
from refsnn.formats.onnx.quantiser import FLOORS, Quantiser, Step, difference, quantiser, steps_of
from refsnn.formats.onnx.values import Known

FORM = "QCFS is threshold * clip(floor(x / threshold * levels + 1/2), 0, levels) / levels"
LONGEST = 8  # nodes on each side of the floor; the longest formulation known has eight in all
TIES = ("rounds ties (x*levels/threshold = k + 1/2) to even, QCFS rounds them up", "allow it with ties_up=True")


@dataclass(frozen=True, eq=False)
class Chain:
    """Nodes that together are QCFS of the value `first`."""

    nodes: tuple[OnnxNode, ...]
    first: str
    quantiser: Quantiser


@dataclass(frozen=True, eq=False)
class Link:
    """A node with one input that is not in the file, and what it does to it."""

    node: OnnxNode
    data: str
    steps: list[Step]


def chains(b: Builder, nodes: list[OnnxNode], *, ties_up: bool) -> Mapping[str, Chain]:
    """Output of each node that is part of a QCFS -> the chain.

    Of all chains around a floor the longest whose inner nodes have no names, as we write it; otherwise the longest that leaves
    the next floor what it needs.
    """
    links = {link.node.outputs[0]: link for node in nodes if (link := _link(b, node)) is not None}
    readers = {link.data: link for link in links.values() if b.only_reader(link.data)}
    found: dict[str, Chain] = {}
    for link in links.values():
        if link.node.op not in FLOORS or link.node.outputs[0] in found:
            continue
        chain, reason = _best(_before(b, link, links, found), link, _behind(link, readers))
        if chain is None:
            b.refuse(link.node, f"is read only as part of QCFS, but here is {reason}", FORM)
        rounds = next((n for n in chain.nodes if n.op in ("Round", "QuantizeLinear")), None)
        if rounds is not None and not ties_up:
            b.refuse(rounds, *TIES)
        found |= {node.outputs[0]: chain for node in chain.nodes}
    return found


def _link(b: Builder, node: OnnxNode) -> Link | None:
    known = tuple(value if isinstance(value := b.values.get(name), Known) else None for name in node.inputs)
    data = [name for name, value in zip(node.inputs, known, strict=True) if value is None and name]
    if len(data) != 1:
        return None
    steps = steps_of(node, known)
    return None if steps is None else Link(node, data[0], steps)


def _before(b: Builder, link: Link, links: Mapping[str, Link], taken: Mapping[str, Chain]) -> list[Link]:
    """What leads to the floor and to nothing else, the first one first."""
    before: list[Link] = []
    while len(before) < LONGEST and link.data in links and link.data not in taken and b.only_reader(link.data):
        link = links[link.data]
        before.insert(0, link)
    return before


def _behind(link: Link, readers: Mapping[str, Link]) -> list[Link]:
    behind: list[Link] = []
    while len(behind) < 3 * LONGEST and link.node.outputs[0] in readers:
        link = readers[link.node.outputs[0]]
        behind.append(link)
    return behind


def _best(before: list[Link], link: Link, behind: list[Link]) -> tuple[Chain | None, str]:
    """The chain, or why the longest one is none."""

    def part(start: int, stop: int) -> list[Link]:
        return [*before[start:], link, *behind[:stop]]

    most = _until_next(behind)
    spans = [(start, stop) for start in range(len(before) + 1) for stop in range(most + 1)]
    spans.sort(key=lambda span: span[0] - span[1])
    for nameless in (True, False):
        for start, stop in spans:
            named = any(member.node.name for member in part(start, stop)[:-1])
            if not (nameless and named) and not _why_not(part(start, stop)):
                return _chain(part(start, stop)), ""
    return None, _why_not(part(0, most))


def _until_next(behind: list[Link]) -> int:
    """How many of the nodes behind a floor it may take, so that enough is left for the next floor to be QCFS as well."""
    following = next((k for k, link in enumerate(behind) if link.node.op in FLOORS), None)
    if following is None:
        return min(len(behind), LONGEST)
    for start in range(following, max(following - LONGEST, 0) - 1, -1):
        for stop in range(following + 1, min(len(behind), following + 1 + LONGEST) + 1):
            if not _why_not(behind[start:stop]):
                return min(start, LONGEST)
    return min(following, LONGEST)


def _why_not(part: list[Link]) -> str:
    return difference([step for member in part for step in member.steps])


def _chain(part: list[Link]) -> Chain:
    found = quantiser([step for member in part for step in member.steps])
    return Chain(tuple(member.node for member in part), part[0].data, found)
