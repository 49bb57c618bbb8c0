"""Assertions that say first what differs first."""

from typing import Any

import numpy as np

from refsnn import laws
from refsnn.arithmetic import Arithmetic, Exact, Float32
from refsnn.drive import Drive
from refsnn.findings import Finding
from refsnn.network import Network
from refsnn.verification import Verdict, verify

Array = np.ndarray[Any, Any]
SHOWN = 5  # findings in a message


class Broken(AssertionError):
    """What should hold does not; the message says what, and the first places where."""


def assert_exact(
    ann: Network,
    snn: Network,
    x: Array,
    *,
    steps: int,
    schedule: str = "lockstep",
    arithmetic: Arithmetic = Exact(),
) -> Verdict:
    """The verdict of `verify`, if no neuron's count leaves its source's level; else Broken with the first findings.

    In a float arithmetic a neuron so close to where its count changes that rounding decides is no difference: look at the
    verdict's ties. Raises what verify raises.
    """
    __tracebackhide__ = True
    verdict = verify(ann, snn, x, steps=steps, schedule=schedule, arithmetic=arithmetic)
    if not verdict:
        raise Broken(_message(str(verdict).splitlines()[0], verdict.findings))
    return verdict


def assert_laws(
    network: Network,
    x: Array | Drive,
    *,
    steps: int,
    arithmetic: Arithmetic = Float32(),
    only: tuple[laws.Law, ...] = laws.LAWS,
) -> laws.LawReport:
    """The report of `laws.check`, if no law that applies is broken; else Broken with the first findings.

    A law that does not apply breaks nothing: ask the report for what was `applied` and what was `left_out`, or call the law
    itself, which then refuses. Raises what laws.check raises.
    """
    __tracebackhide__ = True
    report = laws.check(network, x, steps=steps, arithmetic=arithmetic, laws=only)
    if not report:
        raise Broken(_message(str(report).splitlines()[0], report.findings))
    return report


def _message(head: str, findings: tuple[Finding, ...]) -> str:
    rest = len(findings) - SHOWN
    more = [f"  and {rest} more"] if rest > 0 else []
    return "\n".join([head, *(f"  {finding}" for finding in findings[:SHOWN]), *more])
