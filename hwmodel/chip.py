"""ChipSpec: a chip's structure, limits and figures; every figure says where it comes from."""

from dataclasses import field
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, ValidationInfo, WithJsonSchema
from pydantic.dataclasses import dataclass

from hwmodel.accesses import COUNTS
from hwmodel.units import quantity
from refsnn import specs
from refsnn.errors import SpecError, did_you_mean
from refsnn.offers import offer
from refsnn.specs import Count

CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)


class Kind(Enum):
    """What a figure is the price of."""

    MARGINAL = "marginal"  # of one more event
    AVERAGE = (
        "operating_point_average"  # all power divided by a rate: contains static power, does not scale with events
    )
    STATIC = "static"  # of time passing


class Grade(Enum):
    """How a figure was come by."""

    MEASURED = "measured"
    PRE_SILICON = "pre-silicon"
    FITTED = "fitted"
    DERIVED = "derived"  # computed from other figures
    ESTIMATED = "estimated"
    UNKNOWN = "unknown"  # no figure: what it would price is listed, and totals are lower bounds


class Family(Enum):
    """What drives the work."""

    EVENT_DRIVEN = "event_driven"  # spikes: priced with the spiking network's activity
    FRAME_BASED = "frame_based"  # every connection of every frame: priced with the source network's


class Execution(Enum):
    """How a step's layers share the chip."""

    PARALLEL = "parallel"  # each layer on cores of its own: a step lasts as long as its busiest layer
    SEQUENTIAL = "sequential"  # one layer after the other: a step lasts as long as all of them


def _number(unit: str) -> Any:
    """A quantity in `unit`: in a spec file a text, from Python also a number in SI."""

    def convert(value: Any, info: ValidationInfo) -> Any:
        in_spec = info.context is not None
        return value if isinstance(value, int | float) and not in_spec else quantity(value, unit)

    return BeforeValidator(convert)


TEXT = WithJsonSchema({"type": "string"})
Bits = Annotated[int, _number("bit"), TEXT]
Bytes = Annotated[int, _number("B"), TEXT]
Hertz = Annotated[float, Field(gt=0), _number("Hz"), TEXT]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Figure:
    """A price: nominal value and interval in SI units, what it is the price of, and where it comes from."""

    kind: Kind
    grade: Grade
    source: Annotated[str, Field(min_length=1)]  # paper and table, or from what it was derived
    nominal: Annotated[float, Field(ge=0)] | None = None  # None for grade unknown, and only for it
    low: Annotated[float, Field(ge=0)] | None = None  # None: as nominal
    high: Annotated[float, Field(ge=0)] | None = None

    def __post_init__(self) -> None:
        if (self.nominal is None) != (self.grade is Grade.UNKNOWN):
            raise ValueError("a figure has a nominal value, or the grade 'unknown'")
        if self.nominal is None and (self.low is not None or self.high is not None):
            raise ValueError("an unknown figure has no low or high")
        if self.nominal is not None and not self.interval[0] <= self.nominal <= self.interval[1]:
            raise ValueError(f"nominal {self.nominal} does not lie between low {self.low} and high {self.high}")

    @property
    def interval(self) -> tuple[float, float]:
        """(low, high); (0, infinity) for an unknown figure."""
        if self.nominal is None:
            return 0.0, float("inf")
        return (
            self.nominal if self.low is None else self.low,
            self.nominal if self.high is None else self.high,
        )


def _figure(unit: str) -> Any:
    """A Figure whose values are quantities in `unit`."""

    def convert(data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {
            key: quantity(value, unit) if key in ("nominal", "low", "high") else value for key, value in data.items()
        }

    return BeforeValidator(convert)


Energy = Annotated[Figure, _figure("J")]
Time = Annotated[Figure, _figure("s")]
Power = Annotated[Figure, _figure("W")]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Action:
    """Something a component does, how often, and for how much."""

    name: str
    counts: Annotated[list[str], Field(min_length=1)]  # from the vocabulary of accesses.py, added up
    energy: Energy
    cycles: Count | None = None  # of the component's clock, each time
    time: Time | None = None  # on a self-timed chip, each time


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Component:
    """A part that works on its own; what its actions take adds up."""

    name: str
    actions: Annotated[list[Action], Field(min_length=1)]
    instances: Count = 1  # alike, sharing the work evenly
    width: Bits | None = None  # memories: bits moved by one access
    word: Bits | None = None  # memories: bits of one number
    capacity: Bytes | None = None
    holds: str | None = None  # weights or membranes: what has to fit into the capacity

    def __post_init__(self) -> None:
        if (self.width is None) != (self.word is None):
            raise ValueError("a memory has both a width and a word")
        if self.width is not None and self.word is not None and (self.word < 1 or self.width < self.word):
            raise ValueError(f"an access of {self.width} bit does not hold a word of {self.word} bit")
        if self.holds not in (None, "weights", "membranes"):
            raise ValueError(f"holds is {self.holds!r}; it is 'weights' or 'membranes'")
        if (self.holds is None) != (self.capacity is None) or (self.holds and self.word is None):
            raise ValueError("a memory that holds something has holds, capacity, width and word")

    @property
    def lanes(self) -> int:
        """Numbers moved by one access."""
        return 1 if self.width is None or self.word is None else self.width // self.word


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Cores:
    """What each of a many-core chip's cores can hold; a layer takes whole cores."""

    count: Count
    neurons: Count
    weight_memory: Bytes
    weight_bits: Bits


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class ChipSpec:
    """A chip, or a design point. Energies in J, times in s."""

    name: str
    description: str
    family: Family
    execution: Execution
    components: Annotated[list[Component], Field(min_length=1)]
    static: Power  # of the whole chip, whatever it does
    technology: str  # node and voltage of the figures
    clock: Hertz | None = None  # None: self-timed
    barrier: Time | None = None  # at the end of every step
    cores: Cores | None = None
    references: dict[str, str] = field(default_factory=dict)  # short name used in sources -> the publication
    assumptions: tuple[str, ...] = ()  # what the model takes for granted on this chip

    def __post_init__(self) -> None:
        for component in self.components:
            for action in component.actions:
                if action.cycles is not None and self.clock is None:
                    raise ValueError(f"{component.name}.{action.name} takes cycles, but the chip has no clock")


offer(Figure, ChipSpec)


def specs_folder() -> Path:
    """Where chips, networks and data are: inside the installed package, at the top of a checkout."""
    here = Path(__file__).resolve().parent
    return here / "specs" if (here / "specs").is_dir() else here.parent / "specs"


def chip_names() -> list[str]:
    """Names of the packaged chips."""
    return sorted(path.stem for path in (specs_folder() / "chips").glob("*.yaml"))


def load_chip(name: str | Path) -> ChipSpec:
    """A packaged chip by its name, or the chip spec at a path (one that ends in .yaml or .yml)."""
    if Path(name).suffix in (".yaml", ".yml"):
        path = Path(name)
    elif str(name) in chip_names():
        path = specs_folder() / "chips" / f"{name}.yaml"
    else:
        raise SpecError(
            f"chip {str(name)!r} is not packaged{did_you_mean(str(name), chip_names())}; or give a path to a .yaml"
        )
    document = specs.read(path)
    chip: ChipSpec = specs.build(ChipSpec, document, document.data)
    for i, component in enumerate(chip.components):
        for j, action in enumerate(component.actions):
            for k, count in enumerate(action.counts):
                if count not in COUNTS:
                    where = ("components", i, "actions", j, "counts", k)
                    raise document.error(where, f"unknown count {count!r}{did_you_mean(count, list(COUNTS))}")
    return chip
