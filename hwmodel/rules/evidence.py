"""What some rules look at and an activity does not hold: values that layers read, potentials that changed, messages of cores.

refsnn makes them from a recorded run (refsnn.effective, refsnn.patches, refsnn.messages); here stands only what they have.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from refsnn.trace import IntArray

Numbers = np.ndarray[Any, Any]


class LayerInput(Protocol):
    """What one weight layer or pool read in each step, [T, N]; a spike is read as 1."""

    @property
    def nonzero(self) -> IntArray: ...
    @property
    def pairs(self) -> IntArray:
        """Pairs of a number and a weight, neither of them 0."""
        ...

    @property
    def ternary(self) -> Numbers:
        """Whether every number is -1, 0 or 1."""
        ...

    @property
    def binary(self) -> Numbers:
        """Whether every number is 0 or 1."""
        ...

    @property
    def two_valued(self) -> Numbers:
        """Whether there are at most two different numbers, all from 0 to 1."""
        ...

    @property
    def total(self) -> Numbers: ...
    @property
    def magnitude(self) -> Numbers:
        """Sum of the absolute values."""
        ...

    @property
    def reached(self) -> Numbers:
        """Sum of each number times its connections."""
        ...


class Patches(Protocol):
    """What the spikes of each step touch of a convolution on crossbars."""

    @property
    def patches(self) -> IntArray:
        """[T, N]: (window, tile of input channels) with a spike."""
        ...

    @property
    def rows(self) -> IntArray:
        """[T, N, tiles]: spikes in the windows."""
        ...

    @property
    def sites(self) -> IntArray:
        """[T, N]: windows with a spike in any tile."""
        ...

    @property
    def tile(self) -> int:
        """Input channels of one crossbar."""
        ...


class Messages(Protocol):
    """Events of cores on a mesh, [T, N, C]; packets [T, N, from, to]."""

    @property
    def cores(self) -> tuple[tuple[int, int], ...]: ...
    @property
    def neurons(self) -> IntArray: ...
    @property
    def updated(self) -> IntArray: ...
    @property
    def fired(self) -> IntArray: ...
    @property
    def packets(self) -> IntArray: ...
    @property
    def synapses(self) -> Mapping[str, IntArray]: ...
    @property
    def input_spikes(self) -> IntArray: ...


@dataclass(frozen=True, eq=False)
class Evidence:
    """All of it, of the run whose activity is priced; what is missing a rule replaces by what it can, and says so."""

    inputs: Mapping[str, LayerInput] = field(default_factory=dict)  # by weight layer and pool
    changes: Mapping[str, IntArray] = field(default_factory=dict)  # by node of neurons: potentials that changed [T, N]
    patches: Mapping[str, Patches] = field(default_factory=dict)  # by convolution
    messages: Messages | None = None

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """(steps, samples) of everything, under its name."""
        yield from ((f"inputs[{name!r}]", read.nonzero.shape) for name, read in self.inputs.items())
        yield from ((f"changes[{name!r}]", changed.shape) for name, changed in self.changes.items())
        yield from ((f"patches[{name!r}]", touched.patches.shape) for name, touched in self.patches.items())
        if self.messages is not None:
            yield "messages", self.messages.input_spikes.shape


NO_EVIDENCE = Evidence()
