"""Figure: a price with its interval, what it is the price of, and where it comes from."""

from enum import Enum
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, ValidationInfo, WithJsonSchema
from pydantic.dataclasses import dataclass

from hwmodel.units import quantity
from refsnn.offers import offer
from refsnn.specs import PlacedError

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


def number(unit: str) -> Any:
    """A quantity in `unit`: in a spec file a text, from Python also a number in SI."""

    def convert(value: Any, info: ValidationInfo) -> Any:
        in_spec = info.context is not None
        return value if isinstance(value, int | float) and not in_spec else quantity(value, unit)

    return BeforeValidator(convert)


TEXT = WithJsonSchema({"type": "string"})
Bits = Annotated[int, Field(ge=1), number("bit"), TEXT]
Bytes = Annotated[int, Field(ge=1), number("B"), TEXT]
Hertz = Annotated[float, Field(gt=0), number("Hz"), TEXT]
Metres = Annotated[float, Field(gt=0), number("m"), TEXT]
Volts = Annotated[float, Field(gt=0), number("V"), TEXT]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Figure:
    """A price: nominal value and interval in SI units, what it is the price of, and where it comes from."""

    kind: Kind
    grade: Grade
    source: Annotated[str, Field(min_length=1)]  # paper and table, or from what it was derived
    nominal: Annotated[float, Field(ge=0)] | None = None  # None for grade unknown, and only for it
    low: Annotated[float, Field(ge=0)] | None = None  # None: as nominal
    high: Annotated[float, Field(ge=0)] | None = None
    node: Metres | None = None  # None: the chip's
    voltage: Volts | None = None  # None: the chip's

    def __post_init__(self) -> None:
        if (self.nominal is None) != (self.grade is Grade.UNKNOWN):
            raise ValueError("a figure has a nominal value, or the grade 'unknown'")
        if self.nominal is None and (self.low is not None or self.high is not None):
            raise ValueError("an unknown figure has no low or high")
        if self.nominal is not None and not self.interval[0] <= self.nominal <= self.interval[1]:
            raise ValueError(f"nominal {self.nominal} does not lie between low {self.low} and high {self.high}")

    @property
    def value(self) -> float:
        """Nominal value in SI; 0 for an unknown figure, whose work is listed as unpriced instead."""
        return self.nominal or 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """(low, high); (0, infinity) for an unknown figure."""
        if self.nominal is None:
            return 0.0, float("inf")
        return (
            self.nominal if self.low is None else self.low,
            self.nominal if self.high is None else self.high,
        )


def _value(key: str, value: Any, unit: str) -> Any:
    if key not in ("nominal", "low", "high"):
        return value
    try:
        return quantity(value, unit)
    except ValueError as error:
        raise PlacedError((key,), str(error)) from error


def _figure(unit: str, *kinds: Kind) -> Any:
    """A Figure whose values are quantities in `unit`, of one of these kinds."""

    def convert(data: Any) -> Any:
        if isinstance(data, dict):
            data = {key: _value(key, value, unit) for key, value in data.items()}
        kind = data.get("kind") if isinstance(data, dict) else getattr(data, "kind", None)
        known = {k.value for k in Kind}
        if (kind.value if isinstance(kind, Kind) else kind) in known - {k.value for k in kinds}:
            found = kind.value if isinstance(kind, Kind) else kind
            raise PlacedError(("kind",), f"kind is {found!r}; here it is {' or '.join(repr(k.value) for k in kinds)}")
        return data

    return BeforeValidator(convert)


Energy = Annotated[Figure, _figure("J", Kind.MARGINAL, Kind.AVERAGE)]
Time = Annotated[Figure, _figure("s", Kind.MARGINAL, Kind.AVERAGE)]
Power = Annotated[Figure, _figure("W", Kind.STATIC)]

offer(Figure)
