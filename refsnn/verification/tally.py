"""From arrays of one layer to the numbers of its verdict, and from the verdicts of chunks to that of all samples."""

from collections import Counter
from typing import Any

import numpy as np

from refsnn.findings import Finding
from refsnn.neurons import spread
from refsnn.verification.correspondence import Pair
from refsnn.verification.numbers import Numbers
from refsnn.verification.verdict import RESIDUAL_BINS, TERMS, Comparison, ErrorSplit, LayerVerdict, Term, Ties

Array = np.ndarray[Any, Any]


def layer_verdict(
    name: str, pair: Pair, numbers: Numbers, exact: Numbers, steps: int, tie: Array, ties: Ties | None
) -> LayerVerdict:
    """One layer on some samples; `exact` are the numbers of a run in real numbers, `tie` where end to end is left open."""
    theta = np.asarray(spread(pair.neuron.v_threshold, numbers.n.shape[1:]))
    low, high, bins = RESIDUAL_BINS
    at = np.clip(numbers.v / theta, low, np.nextafter(high, low))
    return LayerVerdict(
        node=name,
        levels=numbers.levels,
        local=compared(local_difference(numbers), 1, numbers.ideal_open),
        end_to_end=compared(np.where(tie, 0, source_difference(numbers, steps)), numbers.levels, tie),
        saturated_high=int(((numbers.n == steps) & (numbers.v >= theta)).sum()),
        saturated_low=int(((numbers.n == 0) & (numbers.v < 0)).sum()),
        split=_split(numbers, exact),
        residual=tuple(np.histogram(at, bins=bins, range=(low, high))[0].tolist()),
        ties=ties,
    )


def local_difference(numbers: Numbers) -> Array:
    """N - N in spikes; 0 where rounding leaves N open."""
    return np.where(numbers.ideal_open, 0, numbers.n - numbers.ideal)


def source_difference(numbers: Numbers, steps: int) -> Array:
    """N - T * level / levels, in 1 / levels of a spike."""
    return numbers.n * numbers.levels - numbers.level * steps


def compared(difference: Array, unit: int, tie: Array) -> Comparison:
    """The classes of a difference in 1/unit spikes that is 0 at ties."""
    ties = int(tie.sum())
    found = difference[difference != 0]
    sizes = tuple((value / unit, count) for value, count in sorted(Counter(found.tolist()).items()))
    return Comparison(
        neurons=difference.size,
        exact=difference.size - found.size - ties,
        tie=ties,
        deficit=int((found < 0).sum()),
        surplus=int((found > 0).sum()),
        largest_deficit=float(max(0, -sizes[0][0])) if sizes else 0.0,
        largest_surplus=float(max(0, sizes[-1][0])) if sizes else 0.0,
        sizes=sizes,
    )


def _split(numbers: Numbers, exact: Numbers) -> ErrorSplit:
    fired = exact.n * exact.levels
    ideal = exact.ideal * exact.levels
    parts = {
        "unevenness": fired - ideal,
        "quantisation": ideal - exact.own_clipped,
        "clipping": exact.own_clipped - exact.own,
        "arrived": exact.own - exact.target,
        "rounding": (numbers.n * numbers.levels - numbers.target) - (fired - exact.target),
        "total": numbers.n * numbers.levels - numbers.target,
    }
    return ErrorSplit(**{
        name: Term(sum=float(part.sum()) / numbers.levels, size=float(np.abs(part).sum()) / numbers.levels)
        for name, part in parts.items()
    })  # fmt: skip


def merged(parts: tuple[LayerVerdict, ...]) -> LayerVerdict:
    """One layer over all chunks."""
    ties = [part.ties for part in parts if part.ties is not None]
    return LayerVerdict(
        node=parts[0].node,
        levels=parts[0].levels,
        local=_together([part.local for part in parts]),
        end_to_end=_together([part.end_to_end for part in parts]),
        saturated_high=sum(part.saturated_high for part in parts),
        saturated_low=sum(part.saturated_low for part in parts),
        split=_added([part.split for part in parts]),
        residual=tuple(np.sum([part.residual for part in parts], axis=0).tolist()),
        ties=_nearest(ties) if ties else None,
    )


def _together(parts: list[Comparison]) -> Comparison:
    sizes: Counter[float] = Counter()
    for part in parts:
        sizes.update(dict(part.sizes))
    return Comparison(
        neurons=sum(part.neurons for part in parts),
        exact=sum(part.exact for part in parts),
        tie=sum(part.tie for part in parts),
        deficit=sum(part.deficit for part in parts),
        surplus=sum(part.surplus for part in parts),
        largest_deficit=max(part.largest_deficit for part in parts),
        largest_surplus=max(part.largest_surplus for part in parts),
        sizes=tuple(sorted(sizes.items())),
    )


def _added(splits: list[ErrorSplit]) -> ErrorSplit:
    def term(name: str) -> Term:
        terms = [getattr(split, name) for split in splits]
        return Term(sum=sum(one.sum for one in terms), size=sum(one.size for one in terms))

    return ErrorSplit(**{name: term(name) for name in ("total", *TERMS)})


def _nearest(ties: list[Ties]) -> Ties:
    first = min(ties, key=lambda one: one.nearest)
    return Ties(
        nearest=first.nearest,
        sample=first.sample,
        index=first.index,
        exactly=sum(one.exactly for one in ties),
        float32_error=max(one.float32_error for one in ties),
        float32_may_differ=sum(one.float32_may_differ for one in ties),
    )


def first_findings(name: str, pair: Pair, numbers: Numbers, tie: Array, steps: int, first_sample: int) -> list[Finding]:
    """For each law the first difference by sample and neuron, with the cause that the numbers show."""
    end_to_end = np.where(tie, 0, source_difference(numbers, steps))
    found = []
    for law, difference, expected in (
        ("layer-local count", local_difference(numbers), numbers.ideal),
        ("count = source level", end_to_end, numbers.level * steps / numbers.levels),
    ):
        if difference.any():
            sample, *index = (int(i) for i in np.argwhere(difference)[0])
            place = (sample, *index)
            found.append(
                Finding(law=law, node=name, step=None, sample=first_sample + sample, index=tuple(index),
                        expected=f"{float(expected[place]):g} spikes in {steps} steps", actual=int(numbers.n[place]),
                        cause=_cause(pair, numbers, place, steps))
            )  # fmt: skip
    return found


def _cause(pair: Pair, numbers: Numbers, place: tuple[int, ...], steps: int) -> str:
    shape = numbers.n.shape[1:]
    n, v, ideal = int(numbers.n[place]), float(numbers.v[place]), int(numbers.ideal[place])
    theta = float(np.broadcast_to(np.asarray(spread(pair.neuron.v_threshold, shape)), shape)[place[1:]])
    if n < ideal and v == theta and pair.neuron.firing.value == ">":
        return f"it met its threshold {theta:.6g} exactly, and fires only above it"
    if n < ideal:
        return f"current came too late: v = {v:.6g} is left at or above the threshold {theta:.6g}"
    if n > ideal:
        return f"current was taken back after a spike: v = {v:.6g} is left below 0"
    if abs(ideal * numbers.levels - numbers.own[place]) >= 1:
        level = float(numbers.own[place]) / steps
        return f"exact on what it received, but {ideal} of {steps} steps is not level {level:.4g} of {numbers.levels}"
    return "exact on what it received: the difference arrived from before"
