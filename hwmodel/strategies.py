"""Hypothesis strategies for chips; for our tests and for yours.

from hypothesis import given
from hwmodel import strategies as hw

@given(chip=hw.chips())
def test_my_report(chip):
...
"""

from typing import Any

from hypothesis import strategies as st

from hwmodel.accesses import COUNTS
from hwmodel.chip import Action, ChipSpec, Component, Cores, Execution, Family, Figure, Grade, Kind

FRAME_COUNTS = ("dense_macs", "weight_words", "input_words", "output_words", "image_words")
EVENT_COUNTS = tuple(name for name in COUNTS if name not in FRAME_COUNTS)
SOURCE = "drawn by hwmodel.strategies"


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
    counts = EVENT_COUNTS if family is Family.EVENT_DRIVEN else FRAME_COUNTS
    clock = draw(st.sampled_from([1e6, 5e8, None]))
    components = [
        draw(_components(f"component {number}", counts, clocked=clock is not None))
        for number in range(1, draw(st.integers(1, 3)) + 1)
    ]
    cores = Cores(count=4096, neurons=256, weight_memory=32768, weight_bits=8)
    return ChipSpec(
        name="drawn",
        description=SOURCE,
        technology="none",
        family=family,
        execution=draw(st.sampled_from([Execution.SEQUENTIAL, Execution.PARALLEL])),
        components=components,
        static=draw(figures(1e-6, kinds=(Kind.STATIC,))),
        clock=clock,
        barrier=draw(st.none() | figures(1e-9)),
        cores=draw(st.sampled_from([None, cores])),
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
    return Component(name=name, actions=actions, instances=draw(st.integers(1, 4)), **memory)


@st.composite
def _actions(draw: st.DrawFn, name: str, counts: tuple[str, ...], *, clocked: bool) -> Action:
    counted = draw(st.lists(st.sampled_from(counts), min_size=1, max_size=3, unique=True))
    cycles = draw(st.none() | st.integers(1, 8)) if clocked else None
    time = None if clocked else draw(st.none() | figures(1e-9))
    return Action(name=name, counts=counted, energy=draw(figures(1e-12)), cycles=cycles, time=time)
