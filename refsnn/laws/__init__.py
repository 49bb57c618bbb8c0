"""Laws that hold for every spiking network, to be checked on yours.

    from refsnn import laws

    report = laws.check(network, x, steps=8)  # x: some samples
    print(report)  # which laws hold, which were broken and where, which do not apply and why
    laws.charge_balance(network, x, steps=8)  # one law: a list of findings, empty where it holds

docs/laws.md has the equations, where they apply, and their sources.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from refsnn.arithmetic import Arithmetic, Float32
from refsnn.drive import Drive
from refsnn.findings import Finding
from refsnn.laws.changing import SCALING, SILENCE
from refsnn.laws.charging import CHARGE, QUANTISED
from refsnn.laws.counting import WITHIN
from refsnn.laws.law import Case, Outcome
from refsnn.laws.law import Law as Law
from refsnn.laws.repeating import BACKENDS, PREFIX, SAMPLES, THREADS_EQUAL
from refsnn.network import Network

charge_balance, integrate_then_fire, count_within_steps = CHARGE, QUANTISED, WITHIN
prefix, sample_independence, thread_independence, backends_equal = PREFIX, SAMPLES, THREADS_EQUAL, BACKENDS
silence, power_of_two_scaling = SILENCE, SCALING

LAWS = (
    prefix, sample_independence, thread_independence, backends_equal, charge_balance, integrate_then_fire,
    count_within_steps, silence, power_of_two_scaling,
)  # fmt: skip


@dataclass(frozen=True)
class LawReport:
    """True when no law that applies was broken."""

    network: str
    steps: int
    arithmetic: str
    samples: int
    outcomes: tuple[tuple[Law, Outcome], ...]

    def __bool__(self) -> bool:
        return not self.findings

    @property
    def findings(self) -> tuple[Finding, ...]:
        """For each law that was broken what broke it first."""
        return tuple(finding for _, outcome in self.outcomes for finding in outcome.findings)

    @property
    def applied(self) -> dict[str, tuple[str, ...]]:
        """Law -> the nodes where it was checked."""
        return {law.name: outcome.nodes for law, outcome in self.outcomes if outcome.nodes}

    @property
    def left_out(self) -> dict[str, dict[str, str]]:
        """Law -> node, or 'network' for all of them -> why the law says nothing there."""
        return {law.name: dict(outcome.left_out) for law, outcome in self.outcomes if outcome.left_out}

    def __str__(self) -> str:
        head = (
            f"{self.network}: T = {self.steps}, {self.arithmetic}, {self.samples} samples: "
            f"{len(self.applied)} of {len(self.outcomes)} laws apply, "
            f"{'all of them hold' if self else 'not all of them hold'}"
        )
        rows = []
        for law, outcome in self.outcomes:
            state = "holds" if outcome.nodes else "does not apply"
            rows.append(f"  {law.name}: {'BROKEN' if outcome.findings else state}: {law.statement}")
            rows += [f"    {finding}" for finding in outcome.findings]
            rows += [f"    not checked: {node}: {why}" for node, why in outcome.left_out.items()]
        return "\n".join([head, *rows])


def check(
    network: Network,
    x: np.ndarray[Any, Any] | Drive,
    *,
    steps: int,
    arithmetic: Arithmetic = Float32(),
    laws: tuple[Law, ...] = LAWS,
) -> LawReport:
    """Which laws hold for a run of the network on x, which were broken and where, and which do not apply and why.

    x: [N, *input_shape], or a drive. Every law runs the network a few times and keeps every spike and potential, one in plain
    NumPy: give few samples, but two at least, or the laws that compare samples do not apply.
    Raises what simulate raises: ShapeError, UnsupportedLayerError, SpecError, NothingCompared for no samples.
    """
    case = Case.of(network, x, steps, arithmetic)
    outcomes = tuple((law, law.check(case)) for law in laws)
    return LawReport(network.name, steps, arithmetic.name, case.drive.n_samples, outcomes)
