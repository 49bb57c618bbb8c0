"""A chip, a network's structure and a placement -> a price list: linear forms of measured counts for energy and for time.

The forms are made once; pricing a run is then a few sums over its arrays (evaluation.py). A count is named by (node, base):
the number of the node in the activity, or CHIP for what is counted once a step, and the field of NodeActivity.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm

from hwmodel import routing
from hwmodel.accesses import COUNTS, COVERED_BY, ESSENTIAL, Place, Terms
from hwmodel.chip import Action, ChipSpec, Component, Execution, words
from hwmodel.percore import PerCore
from hwmodel.placement import Placement
from refsnn.trace import Activity, NodeActivity

CHIP = -1
ROUTED = ("packets", "hops")
ALL = ""  # the group of what the chip does for all layers
Key = tuple[int, str] | tuple[int, str, int]  # node, base; with the core behind it where counts are per core
Form = dict[Key, Fraction]


@dataclass(frozen=True)
class Line:
    """An action on behalf of one node (None: of the chip): how often it happens, as a form."""

    node: int | None
    component: Component
    action: Action
    form: Form


@dataclass(frozen=True)
class Resource:
    """Something that works on its own, with how long it takes as a form: in cycles, or in seconds on a self-timed chip."""

    group: str
    name: str
    form: dict[Key, Fraction | float]


@dataclass(frozen=True)
class PriceList:
    """Everything that the chip charges for this network."""

    chip: ChipSpec
    placement: Placement
    lines: tuple[Line, ...]
    resources: tuple[Resource, ...]
    links: tuple[Resource, ...] = ()
    uncovered: tuple[tuple[int, str], ...] = field(default=())  # (node, essential count) that no action counts


def price_list(activity: Activity, chip: ChipSpec, placement: Placement, cores: PerCore | None) -> PriceList:
    """The chip's price list for networks of this structure; time is per core where counts per core are given."""
    lines = tuple(_lines(activity, chip, placement, measured=cores is not None))
    found = words(chip)
    missing = [name for name in ESSENTIAL if not found & set(COVERED_BY[name]) and name not in chip.included]
    return PriceList(
        chip=chip,
        placement=placement,
        lines=lines,
        resources=tuple(_resources(activity, lines, placement, chip, cores)),
        links=tuple(routing.links(activity, lines, placement, chip, cores)),
        uncovered=tuple((i, name) for i in range(len(activity.nodes)) for name in missing),
    )


def _lines(activity: Activity, chip: ChipSpec, placement: Placement, *, measured: bool) -> Iterator[Line]:
    for number, node in enumerate(activity.nodes):
        for component in chip.components:
            place = _place(node, activity, chip, placement, component)
            for action in component.actions:
                per_node = [
                    _routed(node, word) if measured and word in ROUTED else COUNTS[word].of(node, place)
                    for word in action.counts
                    if not COUNTS[word].of_chip
                ]
                form = _form(number, per_node, action.times)
                if form:
                    yield Line(number, component, action, form)
    for component in chip.components:
        for action in component.actions:
            chips = [COUNTS[word].terms(activity.nodes[0], Place()) for word in action.counts if COUNTS[word].of_chip]
            form = _form(CHIP, chips, action.times)
            if form:
                yield Line(None, component, action, form)


def _routed(node: NodeActivity, word: str) -> Terms:
    """Packets and hops as counts per core say, in place of an even spread."""
    return {word: Fraction(1)} if node.kind == "neuron" else {}


def _form(number: int, terms: list[Terms], times: int) -> Form:
    form: Form = {}
    for each in terms:
        for base, value in each.items():
            key = (CHIP if base in ("steps", "first", "last") else number, base)
            form[key] = form.get(key, Fraction(0)) + value * times
    return {key: value for key, value in form.items() if value}


def _place(node: NodeActivity, activity: Activity, chip: ChipSpec, placement: Placement, component: Component) -> Place:
    packets, hops = routing.per_spike(node.node, placement, chip)
    return Place(
        lanes=component.lanes,
        width=component.width or 1,
        crossbar=(chip.crossbar.rows, chip.crossbar.columns) if chip.crossbar else (1, 1),
        last=node is activity.nodes[-1],
        packets=packets,
        hops=hops,
        weights_fit=("weights", node.node) not in placement.off_chip,
        membranes_fit=("membranes", node.node) not in placement.off_chip,
    )


def _resources(
    activity: Activity, lines: tuple[Line, ...], placement: Placement, chip: ChipSpec, cores: PerCore | None
) -> Iterator[Resource]:
    """For every group and component, for every core where its counts are known, else for an even share.

    What the chip does once a step it does on every core where layers work side by side, and in turn with them otherwise.
    """
    in_turn = chip.execution is Execution.SEQUENTIAL
    groups = [*dict.fromkeys(placement.groups.values()), *([ALL] if in_turn else [])]
    for group in groups:
        count = placement.cores.get(group, 1)
        each = range(count) if cores is not None and count > 1 else (None,)
        for component in chip.components:
            mine = [
                line
                for line in lines
                if line.component is component
                and (
                    group == ALL or not in_turn
                    if line.node is None
                    else placement.groups[activity.nodes[line.node].node] == group
                )
                and not routing.on_links(line, chip)
            ]
            for core in each:
                form = _time(mine, activity, Fraction(1, component.instances), count, core, cores)
                if form:
                    yield Resource(group, component.name, form)


def _time(
    lines: list[Line], activity: Activity, share: Fraction, count: int, core: int | None, cores: PerCore | None
) -> dict[Key, Fraction | float]:
    form: dict[Key, Fraction | float] = {}
    for line in lines:
        duration = duration_of(line.action)
        if not duration:
            continue
        for key, value in line.form.items():
            index, base = key[0], key[1]
            here: Key = key
            parts = 1 if line.node is None else count  # what the chip does in every step it does on each core
            if core is not None and cores is not None and index != CHIP and cores.has(activity.nodes[index].node, base):
                here, parts = (index, base, core), 1
            form[here] = form.get(here, 0) + value * share * duration / parts
    return form


def duration_of(action: Action) -> int | float:
    """Cycles, or seconds."""
    if action.cycles is not None:
        return action.cycles
    return action.time.value if action.time else 0


def denominator(form: dict[Key, Fraction | float]) -> int:
    """The smallest number that makes all coefficients whole, on a clocked chip."""
    return lcm(*(value.denominator for value in form.values() if isinstance(value, Fraction)))
