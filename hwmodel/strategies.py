"""Hypothesis strategies for chips; for our tests and for yours.

from hypothesis import given
from hwmodel import strategies as hw

@given(chip=hw.chips())
def test_my_report(chip):
...
"""

from typing import Any

from hypothesis import strategies as st

from hwmodel.accesses import COUNTS, Drive
from hwmodel.chip import Action, ChipSpec, Component, Crossbar, Execution, Family, Part, Technology
from hwmodel.cores import Cores
from hwmodel.figures import Figure, Grade, Kind

SOURCE = "drawn by hwmodel.strategies"
CORES = Cores(count=4096, neurons=256, weight_memory=32768, weight_bits=8, mesh=(32, 32), per_tile=4)


@st.composite
def figures(draw: st.DrawFn, unit: float, *, kinds: tuple[Kind, ...] = (Kind.MARGINAL, Kind.AVERAGE)) -> Figure:
    """Prices of 0 to 1000 units (unit: in SI, 1e-12 for pJ), some with an interval, some unknown; the source says they are drawn.

    Shrinks to a measured, marginal 0.
    """
    kind, grade = draw(st.sampled_from(kinds)), draw(st.sampled_from(Grade))
    if grade is Grade.UNKNOWN:
        return Figure(kind=kind, grade=grade, source=SOURCE)
    nominal = draw(st.integers(0, 1000))
    low = draw(st.none() | st.integers(0, nominal))
    high = draw(st.none() | st.integers(nominal, 2000))
    return Figure(
        kind=kind,
        grade=grade,
        source=SOURCE,
        nominal=nominal * unit,
        low=None if low is None else low * unit,
        high=None if high is None else high * unit,
    )


@st.composite
def chips(draw: st.DrawFn, *, families: tuple[Family, ...] = tuple(Family)) -> ChipSpec:
    """Valid chips: event-driven ones priced by events, frame-based ones by connections; clocked or self-timed; up to
    three components of up to three actions; some with a memory, a barrier, or cores.

    Memories and cores are large enough for every network that refsnn.strategies draws. Shrinks to an event-driven, clocked chip
    with one action that counts events and costs nothing.
    """
    family = draw(st.sampled_from(families))
    cores = draw(st.sampled_from([None, CORES])) if family is Family.MANY_CORE else None
    counts = _counts(family, on_mesh=cores is not None)
    clock = draw(st.sampled_from([1e6, 5e8, None]))
    components = [
        draw(_components(f"component {number}", counts, clocked=clock is not None))
        for number in range(1, draw(st.integers(1, 3)) + 1)
    ]
    return ChipSpec(
        name="drawn",
        description=SOURCE,
        technology=Technology(node=45e-9, voltage=0.9),
        family=family,
        execution=draw(st.sampled_from([Execution.SEQUENTIAL, Execution.PARALLEL])),
        components=components,
        static=draw(figures(1e-6, kinds=(Kind.STATIC,))),
        clock=clock,
        barrier=draw(st.none() | figures(1e-9)),
        tick=draw(st.none() | figures(1e-9)),
        cores=cores,
        crossbar=Crossbar(rows=draw(st.integers(1, 64)), columns=8) if family is Family.CROSSBAR else None,
    )


def strategy_of(kind: type[Any]) -> st.SearchStrategy[Any]:
    """The strategy of a type that this package offers to st.from_type."""
    offered: dict[type[Any], st.SearchStrategy[Any]] = {ChipSpec: chips(), Figure: figures(1e-12)}
    return offered[kind]


@st.composite
def _components(draw: st.DrawFn, name: str, counts: tuple[str, ...], *, clocked: bool) -> Component:
    actions = [
        draw(_actions(f"action {number}", counts, clocked=clocked)) for number in range(1, draw(st.integers(1, 3)) + 1)
    ]
    memory: dict[str, Any] = {}
    if draw(st.booleans()):
        word = draw(st.integers(1, 32))
        memory = {"word": word, "width": word * draw(st.integers(1, 8)), "capacity": 1 << 24,
                  "holds": draw(st.sampled_from(["weights", "membranes"]))}  # fmt: skip
    else:
        memory = {"width": draw(st.integers(1, 64))}
    part = draw(st.sampled_from(Part))
    return Component(name=name, part=part, actions=actions, instances=draw(st.integers(1, 4)), **memory)


@st.composite
def _actions(draw: st.DrawFn, name: str, counts: tuple[str, ...], *, clocked: bool) -> Action:
    counted = draw(st.lists(st.sampled_from(counts), min_size=1, max_size=3, unique=True))
    cycles = draw(st.none() | st.integers(1, 8)) if clocked else None
    time = None if clocked else draw(st.none() | figures(1e-9))
    times = draw(st.integers(1, 3))
    return Action(name=name, counts=counted, times=times, energy=draw(figures(1e-12)), cycles=cycles, time=time)


def _counts(family: Family, *, on_mesh: bool) -> tuple[str, ...]:
    """The words that a chip of this family may use."""
    drive = Drive.FRAME if family is Family.FRAME_BASED else Drive.EVENT
    return tuple(
        name for name, word in COUNTS.items()
        if drive in word.drives and (family is Family.CROSSBAR or not word.crossbar) and (on_mesh or not word.mesh)
    )  # fmt: skip
