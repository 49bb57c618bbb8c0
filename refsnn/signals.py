"""What nodes give each other: numbers, or spikes as bits, or work that is only done where somebody reads its result.

All signals have `values` [S, N, *shape] (S = T or, when every step has the same, 1), `events`, the number of spikes behind each
value (None for values that spikes did not make), and `of`, the same part of all steps.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from refsnn.kernels import kernel
from refsnn.kernels.bits import count, unpack, unpack_channels_last
from refsnn.kernels.fan_in import SummingPool, as_map
from refsnn.kernels.packed import Plan, currents
from refsnn.kernels.pool import spikes_behind
from refsnn.layers import Shape

Array = np.ndarray[Any, Any]
Part = Callable[[Array], Array]  # of an array whose first axis is the step


@dataclass(frozen=True, eq=False)
class Signal:
    """Numbers as they are."""

    values: Array
    events: Array | None

    @property
    def spiking(self) -> bool:
        return self.events is not None

    def of(self, part: Part) -> "Signal":
        return Signal(part(self.values), None if self.events is None else part(self.events))


@dataclass(frozen=True, eq=False)
class Spikes:
    """Spikes of one value, as bits (kernels/bits.py)."""

    bits: Array  # uint8[T, N, H, W, bytes]
    shape: Shape
    amplitude: Any  # in the arithmetic's format
    spiking: ClassVar[bool] = True

    @cached_property
    def events(self) -> Array:
        return unpack(self.bits, self.shape)

    @cached_property
    def total(self) -> Array:
        """How many there are: int64[T, N]."""
        return count(self.bits, np.ones(as_map(self.shape)[1:], np.int64))

    @cached_property
    def values(self) -> Array:
        """In memory channels lie side by side, as they do in the currents that they are added to."""
        fired = unpack_channels_last(self.bits, self.shape)
        worth = np.where(fired, self.amplitude, self.amplitude.dtype.type(0))
        return np.moveaxis(worth, -1, 2).reshape(*fired.shape[:2], *self.shape)

    def of(self, part: Part) -> "Spikes":
        return replace(self, bits=part(self.bits))


@dataclass(frozen=True, eq=False)
class HandedOn:
    """Spikes behind a pool that adds up, behind Flatten, or both: to a weight layer the pool is fan-in, no map of means."""

    origin: "AnySignal"
    pool: SummingPool | None
    flat: bool
    backend: str
    spiking: ClassVar[bool] = True

    @cached_property
    def events(self) -> Array:
        """Every spike that reaches a window is one."""
        spikes = self.origin.events
        assert spikes is not None
        pool = self.pool
        return self._by_step(spikes, lambda a: a if pool is None else spikes_behind(pool, a.astype(np.int32)))

    @cached_property
    def values(self) -> Array:
        pool = self.pool
        return self._by_step(self.origin.values, lambda a: a if pool is None else kernel(pool, self.backend)(pool, a))

    def _by_step(self, array: Array, made: Callable[[Array], Array]) -> Array:
        result = made(array.reshape(-1, *array.shape[2:]))
        return result.reshape(*array.shape[:2], *((-1,) if self.flat else result.shape[1:]))

    def of(self, part: Part) -> "HandedOn":
        return replace(self, origin=self.origin.of(part))


@dataclass(frozen=True, eq=False)
class Currents:
    """What a weight layer makes of spikes as bits: a neuron behind it takes plan and bits, anything else the numbers."""

    plan: Plan
    bits: Array
    events: ClassVar[None] = None
    spiking: ClassVar[bool] = False

    @cached_property
    def values(self) -> Array:
        return currents(self.plan, self.bits)

    def of(self, part: Part) -> Signal:
        return Signal(self.values, None).of(part)


AnySignal = Signal | Spikes | HandedOn | Currents


def n_samples_of(signal: AnySignal) -> int:
    match signal:
        case Spikes() | Currents():
            return int(signal.bits.shape[1])
        case HandedOn():
            return n_samples_of(signal.origin)
    return int(signal.values.shape[1])


def bits_behind(signal: AnySignal) -> tuple[Spikes, SummingPool | None] | None:
    """The spikes as bits behind the signal, and the pool on their way; None where there are none."""
    if isinstance(signal, Spikes):
        return signal, None
    if isinstance(signal, HandedOn) and isinstance(signal.origin, Spikes):
        return signal.origin, signal.pool
    return None


def at(signal: AnySignal, t: int) -> AnySignal:
    """One step of the signal."""
    return signal.of(lambda a: a[t if len(a) > 1 else 0][None])


def every_step(signal: AnySignal, steps: int) -> AnySignal:
    """With every step written out."""
    return signal.of(lambda a: np.broadcast_to(a, (steps, *a.shape[1:])))


def delayed(signal: AnySignal, delay: int, steps: int) -> AnySignal:
    """The signal `delay` steps later; before it nothing arrives."""
    return signal if delay == 0 else signal.of(lambda a: later(a, delay, steps))


def later(a: Array, delay: int, steps: int) -> Array:
    """All steps of an array, each `delay` steps later; before it zeros."""
    if delay == 0:
        return a
    silence = np.zeros((min(delay, steps), *a.shape[1:]), a.dtype)
    return np.concatenate([silence, np.broadcast_to(a, (steps, *a.shape[1:]))[: max(steps - delay, 0)]])


def joined(parts: list[AnySignal]) -> AnySignal:
    """Signals of a kind one after the other."""
    first = parts[0]
    if isinstance(first, HandedOn):
        return replace(first, origin=joined([part.origin for part in parts if isinstance(part, HandedOn)]))
    if isinstance(first, Spikes):
        return replace(first, bits=np.concatenate([part.bits for part in parts if isinstance(part, Spikes)]))
    events = [part.events for part in parts if part.events is not None]
    return Signal(np.concatenate([part.values for part in parts]), np.concatenate(events) if events else None)
