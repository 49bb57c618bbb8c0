"""What a law is: a check of one network on one input, and what comes of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from refsnn.arithmetic import Arithmetic, Float32
from refsnn.drive import Drive, as_drive
from refsnn.errors import UnsupportedLayerError
from refsnn.findings import Finding
from refsnn.network import Network
from refsnn.simulator import simulate
from refsnn.trace import Record, Trace

Array = np.ndarray[Any, Any]
EVERYWHERE = "network"  # under this name a law is left out as a whole
NOTHING = "nothing spikes"


@dataclass(frozen=True, eq=False)
class Case:
    """What a law is checked on."""

    network: Network
    drive: Drive
    steps: int
    arithmetic: Arithmetic

    @classmethod
    def of(cls, network: Network, x: Array | Drive, steps: int, arithmetic: Arithmetic) -> "Case":
        return cls(network, as_drive(x, network.input_shape), steps, arithmetic)

    def run(self, **options: Any) -> Trace:
        """A run with every spike and potential kept, compiled unless `options` say otherwise."""
        everything = Record(spikes=self.network.neurons, v=self.network.stateful)
        given: dict[str, Any] = {"backend": "fast", "record": everything, **options}
        return simulate(self.network, self.drive, steps=self.steps, arithmetic=self.arithmetic, **given)

    def with_network(self, network: Network) -> "Case":
        return replace(self, network=network)


@dataclass(frozen=True)
class Outcome:
    """Where a law was checked, what broke it, and where it says nothing."""

    nodes: tuple[str, ...] = ()  # none: the law does not apply
    findings: tuple[Finding, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)  # node, or EVERYWHERE -> why

    @classmethod
    def nowhere(cls, why: str) -> "Outcome":
        return cls(left_out={EVERYWHERE: why})


@dataclass(frozen=True)
class Law:
    """Something that holds for every run of every network that it applies to."""

    name: str
    statement: str  # the equation
    check: Callable[[Case], Outcome]

    def __call__(
        self, network: Network, x: Array | Drive, *, steps: int, arithmetic: Arithmetic = Float32()
    ) -> list[Finding]:
        """What breaks the law; nothing where it holds. x: [N, *input_shape], or a drive; few samples will do.

        Raises UnsupportedLayerError where the law says nothing of this network, and what simulate raises.
        """
        outcome = self.check(Case.of(network, x, steps, arithmetic))
        if not outcome.nodes:
            why = "; ".join(f"{node}: {reason}" for node, reason in outcome.left_out.items())
            raise UnsupportedLayerError(f"law {self.name!r} does not apply to {network.name!r}: {why}")
        return list(outcome.findings)
