"""The smallest cone that still disagrees: fewer layers, steps, neurons, inputs, weights; then simpler numbers."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from refsnn.counterexample.cone import INPUTS, Cone, Stage
from refsnn.errors import RefSNNError

Array = np.ndarray[Any, Any]
Watch = Callable[[int], None]  # told how many candidates have been tried
Place = tuple[int, str, int, int]  # of a number: stage (or INPUTS), kind, source, flat index
FEW = 400  # weights that are tried to be dropped
MERGED = 24  # neurons of a stage of which any two are tried as one
FEWER = 80  # numbers that are tried to be simpler, one by one


def shrunk(cone: Cone, watch: Watch = lambda tried: None) -> Cone:
    """A cone that disagrees still and of which no tried part can be left out. Every accepted change makes it smaller."""
    test = _Test(cone, watch)
    while True:
        before = _measure(cone)
        for reduce in (_cut, _fewer_steps, _fewer_neurons, _merged, _own_inputs, _fewer_weights, _normalised, _simpler):
            cone = reduce(cone, test)
        if _measure(cone) >= before:
            return cone


class _Test:
    """Whether a candidate disagrees in the way the first one did; counts what it was asked."""

    def __init__(self, first: Cone, watch: Watch) -> None:
        self.tried, self.watch, self.wanted = 0, watch, first.case().disagreement()
        assert self.wanted is not None, "only what disagrees can be shrunk"

    def __call__(self, cone: Cone) -> bool:
        self.tried += 1
        self.watch(self.tried)
        try:
            found = cone.case().disagreement()
        except RefSNNError:  # no network at all, such as one whose sums overflow
            return False
        return found is not None and self.wanted is not None and found.is_like(self.wanted)


def _measure(cone: Cone) -> tuple[int, ...]:
    numbers = [value for stage in cone.stages for value in _numbers(stage)] + cone.x.tolist()
    return (*cone.case().size, sum(complexity(value) for value in numbers))


def complexity(value: float) -> int:
    """Bits of numerator and denominator, and one for a minus: 0 is the simplest number, then 1."""
    exact = Fraction(value)
    return exact.denominator.bit_length() + abs(exact.numerator).bit_length() + (value < 0)


def _numbers(stage: Stage) -> list[float]:
    weights = [value for matrix in stage.weights.values() for value in matrix.ravel().tolist()]
    return [*weights, *stage.bias.tolist(), *stage.theta.tolist()]


def _cut(cone: Cone, test: _Test) -> Cone:
    """Up to the first stage that disagrees, and its one neuron."""
    found = cone.case().disagreement()
    assert found is not None
    number = [stage.name for stage in cone.stages].index(found.node)
    candidate = cone.up_to(number).only(number, np.array(found.index))
    return candidate if test(candidate) else cone


def _fewer_steps(cone: Cone, test: _Test) -> Cone:
    """Fewer steps, with the last current as it is or as much larger; where there were as many levels as steps, still so."""
    for steps in range(1, cone.steps):
        stages = tuple(replace(s, levels=steps if s.levels == cone.steps else s.levels) for s in cone.stages)
        for factor in (1.0, cone.steps / steps):
            last = stages[-1]
            stronger = {source: matrix * factor for source, matrix in last.weights.items()}
            last = replace(last, weights=stronger, bias=last.bias * factor)
            candidate = replace(cone, steps=steps, stages=(*stages[:-1], last))
            if test(candidate):
                return candidate
    return cone


def _fewer_neurons(cone: Cone, test: _Test) -> Cone:
    """From the last stage but one to the inputs: first without the whole stage, then without parts of it."""
    for number in range(len(cone.stages) - 2, INPUTS - 1, -1):
        if number != INPUTS:
            without = cone.without_stage(number)
            if test(without):
                cone = without
                continue
        size = len(cone.x) if number == INPUTS else len(cone.stages[number].bias)
        kept = _fewest(list(range(size)), partial(_passes_with, test, cone, number))
        cone = cone.only(number, np.array(kept))
    return cone


def _passes_with(test: "_Test", cone: Cone, number: int, kept: list[int]) -> bool:
    return test(cone.only(number, np.array(kept)))


def _merged(cone: Cone, test: _Test) -> Cone:
    """One neuron for two: its own current, and what both send."""
    for number in range(len(cone.stages) - 1):
        i = j = 0
        while i < len(cone.stages[number].bias) <= MERGED:
            j = j + 1 if j + 1 != i else i + 1
            if j >= len(cone.stages[number].bias):
                i, j = i + 1, -1
            elif test(candidate := _with_both(cone, number, i, j)):
                cone, i, j = candidate, 0, 0
    return cone


def _with_both(cone: Cone, number: int, i: int, j: int) -> Cone:
    """Neuron i of the stage sends what i and j sent; j is left out."""
    stages = list(cone.stages)
    for later, stage in enumerate(stages):
        if number in stage.weights:
            matrix = stage.weights[number].copy()
            matrix[:, i] += matrix[:, j]
            stages[later] = replace(stage, weights={**stage.weights, number: matrix})
    kept = np.delete(np.arange(len(cone.stages[number].bias)), j)
    return replace(cone, stages=tuple(stages)).only(number, kept)


def _own_inputs(cone: Cone, test: _Test) -> Cone:
    """An input for each neuron of the first stage that is its current, where those are fewer numbers."""
    first = cone.stages[0]
    if any(INPUTS in stage.weights for stage in cone.stages[1:]) or INPUTS not in first.weights:
        return cone
    current = first.weights[INPUTS] @ cone.x + first.bias
    stages = (replace(first, weights={INPUTS: np.eye(len(current))}, bias=np.zeros(len(current))), *cone.stages[1:])
    candidate = replace(cone, x=current, stages=stages)
    return candidate if _measure(candidate) < _measure(cone) and test(candidate) else cone


def _fewer_weights(cone: Cone, test: _Test) -> Cone:
    """Weights and biases that can be 0."""
    places = [place for place in _places(cone) if _at(cone, place) != 0 and place[1] in ("weight", "bias")]
    if len(places) > FEW:
        return cone
    kept = set(_fewest(places, lambda few: test(_zeroed(cone, set(places) - set(few)))))
    return _zeroed(cone, set(places) - kept)


def _fewest(items: list[Any], test: Callable[[list[Any]], bool]) -> list[Any]:
    """A sublist that still passes, at least one long, none of whose tried parts could go: halves first, then smaller parts."""
    part = len(items) // 2
    while part:
        start = 0
        while start < len(items):
            fewer = items[:start] + items[start + part :]
            if fewer and test(fewer):
                items = fewer
            else:
                start += part
        part //= 2
    return items


def _normalised(cone: Cone, test: _Test) -> Cone:
    """Thresholds of 1: what comes in is divided by them, what goes out multiplied."""
    for number, stage in enumerate(cone.stages):
        if (stage.theta == 1).all():
            continue
        stages = list(cone.stages)
        into = {source: matrix / stage.theta[:, None] for source, matrix in stage.weights.items()}
        stages[number] = replace(stage, weights=into, bias=stage.bias / stage.theta, theta=np.ones_like(stage.theta))
        for later, reader in enumerate(stages):
            if number in reader.weights:
                stages[later] = replace(
                    reader, weights=dict(reader.weights) | {number: reader.weights[number] * stage.theta}
                )
        candidate = replace(cone, stages=tuple(stages))
        if test(candidate):
            cone = candidate
    return cone


def _simpler(cone: Cone, test: _Test) -> Cone:
    """Every number as simple as possible: all to the same grid first, then one by one."""
    for bits in range(7):
        candidate = cone
        for place in _places(cone):
            rounded = round(_at(cone, place) * 2**bits) / 2**bits
            if place[1] != "theta" or rounded > 0:
                candidate = _with(candidate, place, rounded)
        if _total(candidate) < _total(cone) and test(candidate):
            cone = candidate
            break
    places = [place for place in _places(cone) if _at(cone, place)]
    if len(places) > FEWER:
        return cone
    for place in places:
        for simpler in _candidates(_at(cone, place)):
            if place[1] == "theta" and simpler <= 0:
                continue
            candidate = _with(cone, place, simpler)
            if test(candidate):
                cone = candidate
                break
    return cone


def _total(cone: Cone) -> int:
    return sum(complexity(_at(cone, place)) for place in _places(cone))


def _candidates(value: float) -> Iterator[float]:
    """Simpler numbers, the simplest first."""
    near = {round(value * 2**bits) / 2**bits for bits in range(7)}
    yield from sorted(
        (v for v in near | {0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5} if complexity(v) < complexity(value)), key=complexity
    )


def _places(cone: Cone) -> list[Place]:
    found: list[Place] = [(INPUTS, "x", 0, i) for i in range(len(cone.x))]
    for number, stage in enumerate(cone.stages):
        for source, matrix in stage.weights.items():
            found += [(number, "weight", source, i) for i in range(matrix.size)]
        found += [(number, kind, 0, i) for kind in ("bias", "theta") for i in range(len(stage.bias))]
    return found


def _array(cone: Cone, place: Place) -> Array:
    number, kind, source, _ = place
    if kind == "x":
        return cone.x
    stage = cone.stages[number]
    array: Array = stage.weights[source] if kind == "weight" else getattr(stage, kind)
    return array


def _at(cone: Cone, place: Place) -> float:
    return float(_array(cone, place).flat[place[3]])


def _with(cone: Cone, place: Place, value: float) -> Cone:
    changed = _array(cone, place).copy()
    changed.flat[place[3]] = value
    number, kind, source, _ = place
    if kind == "x":
        return replace(cone, x=changed)
    stage = cone.stages[number]
    new: Any = {"weights": dict(stage.weights) | {source: changed}} if kind == "weight" else {kind: changed}
    stages = list(cone.stages)
    stages[number] = replace(stage, **new)
    return replace(cone, stages=tuple(stages))


def _zeroed(cone: Cone, places: set[Place]) -> Cone:
    for place in places:
        cone = _with(cone, place, 0.0)
    return cone
