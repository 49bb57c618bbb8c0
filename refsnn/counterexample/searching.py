"""Looking for an input for which the conversion is not exact: in the data, near it, and anywhere in the domain."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, find, settings, target
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from refsnn.conversion import fold_batch_norm
from refsnn.counterexample.case import Case
from refsnn.counterexample.cone import cone_of
from refsnn.counterexample.shrinking import shrunk
from refsnn.drive import as_drive
from refsnn.errors import UnsupportedLayerError
from refsnn.network import Network
from refsnn.strategies import inputs_for
from refsnn.verification import Domain
from refsnn.verification.correspondence import pairs_of

Array = np.ndarray[Any, Any]
Watch = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found: the input in the whole network, and the smallest case that goes wrong in the same way.

    whole: x as found. smallest: None where the networks cannot be written out in small, and why_whole says why.
    """

    whole: Case
    smallest: Case | None
    why_whole: str
    inputs_tried: int
    cases_tried: int

    @property
    def case(self) -> Case:
        """The smallest there is."""
        return self.smallest or self.whole


def search(
    ann: Network,
    snn: Network,
    x: Array,
    *,
    steps: int,
    schedule: str = "lockstep",
    domain: Domain | None = None,
    examples: int = 200,
    watch: Watch = lambda tried: None,
) -> Found | None:
    """A smallest input, number of steps and sub-network for which the SNN leaves its source, or None: not refuted, no proof.

    Hypothesis draws inputs near the samples x (a few coordinates changed, or none) and from the whole domain (default: from the
    smallest to the largest number of x), aims at the largest disagreement, and shrinks what it finds. The neuron that disagrees
    is then cut out with what it depends on, and pruned (shrinking.py). The same call gives the same result.
    Raises SpecError when nodes do not correspond, NothingCompared for no samples.
    """
    source = fold_batch_norm(ann)
    pairs_of(source, snn, steps)
    samples = as_drive(x, snn.input_shape).inputs(1, slice(None))[0].astype(np.float32)
    ends = (float(samples.min()), float(samples.max())) if domain is None else (domain.low, domain.high)
    near = np.clip(samples, np.float32(ends[0]), np.float32(ends[1]))
    empty = Case(source, snn, samples[0], steps, schedule)
    tried = [0]

    def disagrees(one: Array) -> bool:
        tried[0] += 1
        watch(tried[0])
        found = replace(empty, x=one[0]).disagreement()
        target(0.0 if found is None else float(found.total), label="differing spikes")
        return found is not None

    drawn: st.SearchStrategy[Array] = st.one_of(
        inputs_for(snn, near=near, domain=ends, max_samples=1), inputs_for(snn, domain=ends, max_samples=1)
    )
    if domain is not None and domain.bits is not None:
        scale = 2.0**domain.bits
        drawn = drawn.map(lambda one: np.round(one * scale) / scale)
    chosen = settings(
        max_examples=examples, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.target, Phase.shrink),
    )  # fmt: skip
    try:
        x_found = find(drawn, disagrees, settings=chosen)
    except NoSuchExample:
        return None
    whole = replace(empty, x=x_found[0])
    found = whole.disagreement()
    assert found is not None
    origin = f"{snn.name}: layer {found.node}, neuron {list(found.index)}, T = {steps}, {schedule}"
    whole = replace(whole, origin=origin)
    inputs_tried, cases = tried[0], [0]

    def count(done: int) -> None:
        cases[0] = done
        watch(inputs_tried + done)

    try:
        cone = cone_of(whole, found.node, found.index)
    except UnsupportedLayerError as error:
        return Found(whole, None, str(error), inputs_tried, 0)
    alone = cone.case().disagreement()
    if alone is None or not alone.is_like(found):
        why = "with one and the same weights the neuron does not go wrong, so it is the weights that differ"
        return Found(whole, None, why, inputs_tried, 0)
    smallest = shrunk(cone, count).case()
    return Found(whole, smallest, "", inputs_tried, cases[0])
