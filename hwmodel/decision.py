"""Where a chip's cutoff policy runs, and what its operations cost there."""

from pydantic.dataclasses import dataclass

from hwmodel.figures import CONFIG, Energy, Time
from refsnn.errors import did_you_mean
from refsnn.specs import Count, PlacedError

OPERATIONS = ("compares", "adds", "multiplies", "exponentials", "logarithms", "divisions", "table_reads", "state_reads",
              "state_writes", "readout_words")  # fmt: skip


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class DecisionSpec:
    """Prices of what a policy does after a step; an operation that is missing has no known price."""

    where: str  # on the chip, or which host
    energies: dict[str, Energy]  # operation -> each time
    cycles: Count | None = None  # of an operation, on a chip with a clock
    time: Time | None = None  # of an operation, on a self-timed one
    message: Energy | None = None  # from the chip to whoever decides and back, once a decision
    round_trip: Time | None = None

    def __post_init__(self) -> None:
        for name in self.energies:
            if name not in OPERATIONS:
                raise PlacedError(("energies", name), f"unknown operation{did_you_mean(name, list(OPERATIONS))}")
        if self.cycles is not None and self.time is not None:
            raise ValueError("an operation takes cycles of the chip's clock or a time, not both")
