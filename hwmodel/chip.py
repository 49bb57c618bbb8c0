"""ChipSpec: a chip's structure, limits and figures; every figure says where it comes from."""

from dataclasses import field
from enum import Enum
from typing import Annotated, Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from hwmodel.accesses import COUNTS, ESSENTIAL, Drive
from hwmodel.cores import Cores, LayerCores
from hwmodel.decision import DecisionSpec
from hwmodel.figures import CONFIG, Bits, Bytes, Energy, Hertz, Metres, Power, Time, Volts
from refsnn.errors import did_you_mean
from refsnn.offers import offer
from refsnn.specs import Count, PlacedError


class Family(Enum):
    """What the chip is built as, and with that what drives the work."""

    MANY_CORE = "many_core"  # event-driven: cores with neurons and weights of their own, spikes as packets between them
    ACCUMULATOR_ARRAY = (
        "accumulator_array"  # event-driven: adders shared by all neurons in turn, over a memory hierarchy
    )
    CROSSBAR = "crossbar"  # weights as conductances that compute where they are; converters and neurons around them
    FRAME_BASED = "frame_based"  # every connection of every frame, with reuse: runs the source network


class Execution(Enum):
    """How a step's layers share the chip."""

    PARALLEL = "parallel"  # each layer on a part of its own, as in a pipeline: a step is as long as its busiest layer
    SEQUENTIAL = "sequential"  # one layer after the other: a step lasts as long as all of them


class Part(Enum):
    """What a component is for: how the report splits the energy."""

    COMPUTE = "compute"
    MEMORY = "memory"
    COMMUNICATION = "communication"
    LUMPED = "lumped"  # a figure that holds more than one of them and cannot be split


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Action:
    """Something a component does, how often, and for how much."""

    name: str
    counts: Annotated[list[str], Field(min_length=1)]  # from the vocabulary of accesses.py, added up
    energy: Energy
    times: Count = 1  # how often the action happens for each that is counted
    cycles: Count | None = None  # of the component's clock, each time
    time: Time | None = None  # on a self-timed chip, each time

    def __post_init__(self) -> None:
        for i, name in enumerate(self.counts):
            if name not in COUNTS:
                raise PlacedError(("counts", i), f"unknown count {name!r}{did_you_mean(name, list(COUNTS))}")
        if len(set(self.counts)) < len(self.counts):
            raise ValueError(f"counts {', '.join(self.counts)} names one twice; 'times' multiplies")


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Component:
    """A part that works on its own; what its actions take adds up."""

    name: str
    part: Part
    actions: list[Action]
    instances: Count = 1  # alike, sharing the work evenly; of a memory: accesses at the same time
    width: Bits | None = None  # memories, queues and links: bits moved by one access
    word: Bits | None = None  # memories: bits of one number
    capacity: Bytes | None = None
    holds: str | None = None  # weights or membranes: what has to fit into the capacity
    external: bool = False  # off the chip: what fits nowhere else is fetched from here in every step; does not scale

    def __post_init__(self) -> None:
        if not self.actions:
            raise ValueError("nobody uses this component: it has no actions; give it one or leave it out")
        if len({action.name for action in self.actions}) < len(self.actions):
            raise ValueError("two actions have the same name")
        if self.word is not None and (self.width is None or self.width % self.word):
            raise ValueError(f"an access of {self.width} bit does not hold whole words of {self.word} bit")
        if self.holds not in (None, "weights", "membranes"):
            raise ValueError(f"holds is {self.holds!r}; it is 'weights' or 'membranes'")
        if (self.holds is None) != (self.capacity is None) or (self.holds and self.word is None):
            raise ValueError("a memory that holds something has holds, capacity, width and word")

    @property
    def lanes(self) -> int:
        """Numbers moved by one access."""
        return 1 if self.width is None or self.word is None else self.width // self.word


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Crossbar:
    """One array of conductances."""

    rows: Count  # inputs
    columns: Count  # outputs
    count: Count | None = None  # arrays on the chip; None: as many as it takes, a design point


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Technology:
    """What the figures hold for, where they do not say otherwise."""

    node: Metres | None  # None: not stated by the source
    voltage: Volts | None
    process: str = ""


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class ChipSpec:
    """A chip, or a design point. Energies in J, times in s."""

    name: str
    description: str
    family: Family
    execution: Execution
    technology: Technology
    components: Annotated[list[Component], Field(min_length=1)]
    static: Power  # of the whole chip, whatever it does
    clock: Hertz | None = None  # None: self-timed
    barrier: Time | None = None  # at the end of every step
    tick: Time | None = None  # a step never takes less, however little there is to do
    cores: Cores | None = None
    layer_cores: LayerCores | None = None
    crossbar: Crossbar | None = None
    decision: DecisionSpec | None = None  # None: it is not known what a policy that stops samples early costs here
    included: dict[str, str] = field(default_factory=dict)  # essential work that other figures already hold, and which
    references: dict[str, str] = field(default_factory=dict)  # short name used in sources -> the publication
    assumptions: tuple[str, ...] = ()  # what the model takes for granted on this chip

    def __post_init__(self) -> None:
        if len({component.name for component in self.components}) < len(self.components):
            raise ValueError("two components have the same name")
        if (self.family is Family.CROSSBAR) != (self.crossbar is not None):
            raise ValueError(
                f"a chip of family {self.family.value!r} has {'a' if self.crossbar is None else 'no'} crossbar"
            )
        if self.cores is not None and self.layer_cores is not None:
            raise ValueError("a chip has cores that layers share, or layer_cores that take one layer each, not both")
        for name in self.included:
            if name not in ESSENTIAL:
                raise ValueError(f"included names {name!r}; what can be included is {', '.join(ESSENTIAL)}")
        for i, component in enumerate(self.components):
            for j, action in enumerate(component.actions):
                problem = self._problem(component, action)
                if problem:
                    raise PlacedError(("components", i, "actions", j), problem)

    def _problem(self, component: Component, action: Action) -> str:
        """What this chip cannot do of what the action says; empty where there is nothing."""
        name = f"{component.name}: {action.name}"
        if action.cycles is not None and self.clock is None:
            return f"{name} takes cycles, but the chip has no clock; give it a time"
        if action.time is not None and self.clock is not None:
            return f"{name} takes a time, but the chip has a clock; give it cycles"
        driven = Drive.FRAME if self.family is Family.FRAME_BASED else Drive.EVENT
        for word in action.counts:
            needs = COUNTS[word]
            if driven not in needs.drives or (needs.crossbar and self.crossbar is None):
                return f"{name} counts {word!r}, which a chip of family {self.family.value!r} does not do"
            if needs.width and component.width is None:
                return f"{name} counts {word!r} in accesses of a width, but {component.name} has none"
            if needs.mesh and (self.cores is None or self.cores.mesh is None):
                return f"{name} counts {word!r}, but the chip has no cores on a mesh"
        return ""


offer(ChipSpec)


def words(chip: ChipSpec) -> set[str]:
    """All counts that the chip's actions use."""
    return {word for component in chip.components for action in component.actions for word in action.counts}


def figures(chip: ChipSpec) -> dict[str, Any]:
    """Every figure of the chip under a name for people, its unit, and the figure."""
    found: dict[str, Any] = {}
    for component in chip.components:
        for action in component.actions:
            found[f"{component.name}: {action.name}, energy"] = ("J", action.energy)
            if action.time:
                found[f"{component.name}: {action.name}, time"] = ("s", action.time)
    if chip.decision:
        found |= {f"decision: {name}, energy": ("J", figure) for name, figure in chip.decision.energies.items()}
        for name, unit, extra in (("operation, time", "s", chip.decision.time), ("message, energy", "J", chip.decision.message),
                                  ("round trip, time", "s", chip.decision.round_trip)):  # fmt: skip
            if extra:
                found[f"decision: {name}"] = (unit, extra)
    for name, figure in (("barrier at the end of a step", chip.barrier), ("least time of a step", chip.tick)):
        if figure:
            found[name] = ("s", figure)
    return {**found, "static power": ("W", chip.static)}
