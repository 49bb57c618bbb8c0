"""What holds for every input, and why: proved statements only, never what a search merely did not refute."""

from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from refsnn.conversion import fold_batch_norm
from refsnn.errors import SpecError
from refsnn.layers import QCFS, MaxMode, MaxPool2d
from refsnn.network import INPUT, Network
from refsnn.neurons import Firing, spread
from refsnn.potentials import firing_errors
from refsnn.rounding import Span
from refsnn.schedules import Schedule, schedule_of
from refsnn.spans import spans
from refsnn.verification.correspondence import Pair, pairs_of
from refsnn.verification.intervals import Interval, currents

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Domain:
    """Which inputs are meant: every number from low to high; multiples of 2^-bits where bits is given (bits=0: whole numbers)."""

    low: float
    high: float
    bits: int | None = None

    def __post_init__(self) -> None:
        if not -inf < self.low <= self.high < inf:
            raise SpecError(f"domain: expected two finite numbers, the lower first, got {self.low:g}:{self.high:g}")

    def __str__(self) -> str:
        grid = "" if self.bits is None else f" in multiples of 2^-{self.bits}"
        return f"inputs from {self.low:g} to {self.high:g}{grid}"


@dataclass(frozen=True, kw_only=True)
class LayerCertificate:
    """What is proved of one spiking layer for every input of the domain, in real numbers; counts of neurons.

    local: fire as often as the T-step quantiser on the currents that they receive. end_to_end: and as the source's levels say.
    no_deficit, no_surplus: of all neurons, including the local ones.
    float32_error: bound on what a float32 simulator's potentials can be off when it received the same spikes, its sums in any
    order, in thresholds; 0 where no partial sum is rounded at all; None where nothing is known of the input.
    """

    node: str
    neurons: int
    local: int
    end_to_end: int
    no_deficit: int
    no_surplus: int
    why: str
    float32_error: float | None

    @property
    def order_independent(self) -> bool:
        return self.float32_error == 0


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """True when every count of every layer is proved equal to the source's level, so the readout too."""

    domain: Domain | None  # None: every input there is
    layers: tuple[LayerCertificate, ...]

    def __bool__(self) -> bool:
        return all(layer.end_to_end == layer.neurons for layer in self.layers)


def certify(
    ann: Network, snn: Network, *, steps: int, schedule: str = "lockstep", domain: Domain | None = None
) -> Certificate:
    """What can be proved of the SNN's counts for every constant input of the domain, without running it.

    A neuron with v_init in [0, theta) that fires at v >= theta counts as the quantiser does when its current is the same in
    every step, or all of its currents z have 0 <= z <= theta, or all z >= theta, or all z <= 0 (z >= 0: no surplus; z <= theta:
    no deficit); on a schedule that counts charge it always does. Bounds of z come from the domain and the weights. Equality
    with the source needs T = L and v_init = theta / 2 besides, and the same of every layer before.
    Raises SpecError when nodes do not correspond.
    """
    source = fold_batch_norm(ann)
    return certificate_of(source, snn, pairs_of(source, snn, steps), steps, schedule_of(schedule), domain)


def certificate_of(
    source: Network, snn: Network, pairs: dict[str, Pair], steps: int, schedule: Schedule, domain: Domain | None
) -> Certificate:
    """The certificate of networks that are known to correspond."""
    bounds = currents(snn, steps, None if domain is None else (domain.low, domain.high), schedule.edge_delay)
    given = Span(inf, inf, None)
    if domain is not None:
        given = Span(max(abs(domain.low), abs(domain.high)), 0.0, domain.bits)
    float32 = spans(snn, given, np.dtype(np.float32), steps)
    layers: dict[str, LayerCertificate] = {}
    for name, pair in pairs.items():
        current = snn[name].inputs[0]
        constant, prompt = not _reads_spikes(snn, current), _prompt(snn, name, schedule)
        proof = _proof(pair, bounds[name], constant and prompt, steps, schedule)
        behind = [layer for other, layer in layers.items() if _reads(snn, current, other)]
        before = prompt and all(layer.end_to_end == layer.neurons for layer in behind)
        equal = before and _is_the_quantiser(pair, steps) and _same_weights(source, snn, name, pairs)
        theta = float(np.min(pair.neuron.v_threshold))
        error = max(firing_errors(pair.neuron, float32[current], steps, np.dtype(np.float32), schedule))
        layers[name] = LayerCertificate(
            node=name,
            neurons=proof.local.size,
            local=int(proof.local.sum()),
            end_to_end=int(proof.local.sum()) if equal else 0,
            no_deficit=int(proof.no_deficit.sum()),
            no_surplus=int(proof.no_surplus.sum()),
            why=proof.why,
            float32_error=None if error == inf else error / theta,
        )
    return Certificate(domain=domain, layers=tuple(layers.values()))


@dataclass(frozen=True, eq=False)
class _Proof:
    """Arrays of the layer's shape: for which neurons what is proved; and by what."""

    local: Array
    no_deficit: Array
    no_surplus: Array
    why: str


def _proof(pair: Pair, current: Interval, constant: bool, steps: int, schedule: Schedule) -> _Proof:
    shape = current.low.shape
    theta, v_init = (
        np.broadcast_to(np.asarray(spread(v, shape)), shape) for v in (pair.neuron.v_threshold, pair.neuron.v_init)
    )
    everywhere = np.ones(shape, np.bool_)
    if pair.neuron.firing is not Firing.AT_THRESHOLD:
        return _Proof(~everywhere, ~everywhere, ~everywhere, "nothing: it does not fire at the threshold itself")
    if steps == 1 or schedule.name == "integrate_then_fire":
        why = "one step has one current" if steps == 1 else "it fires by the sum of all its currents"
        return _Proof(everywhere, everywhere, everywhere, why)
    starts = (v_init >= 0) & (v_init < theta)
    if schedule.counts_charge:
        return _Proof(starts, starts, starts, f"{schedule.name} makes the count that of the mean current")
    if constant:
        return _Proof(starts, starts, starts, "its current is the same in every step")
    low, high = current.low, current.high
    local = starts & ((low >= 0) & (high <= theta) | (low >= theta) | (high <= 0))
    no_deficit, no_surplus = local | starts & (high <= theta), local | starts & (low >= 0)
    found = local.any() or no_deficit.any() or no_surplus.any()
    return _Proof(
        local, no_deficit, no_surplus, "bounds of its currents" if found else "nothing: currents of both signs"
    )


def _is_the_quantiser(pair: Pair, steps: int) -> bool:
    """Whether T steps under constant current are the source's own activation: T = L, v_init = theta / 2, spikes worth theta."""
    neuron = pair.neuron
    return (
        isinstance(pair.activation, QCFS)
        and pair.activation.levels == steps
        and np.array_equal(np.asarray(neuron.v_init) * 2, neuron.v_threshold)
        and np.array_equal(neuron.amplitude, neuron.v_threshold)
    )


def _same_weights(source: Network, snn: Network, name: str, pairs: dict[str, Pair]) -> bool:
    """Whether all that lies between this layer and the spiking layers before it is the same in both networks."""
    asked = [snn[name].inputs[0]]
    while asked:
        here = asked.pop()
        if here == INPUT or here in pairs:
            continue
        layer = snn[here].layer
        if not same_layer(source, snn, here) or (isinstance(layer, MaxPool2d) and layer.mode is not MaxMode.COUNT):
            return False
        asked += snn[here].inputs
    return True


def same_layer(source: Network, snn: Network, name: str) -> bool:
    """Whether the node is the same in both: layer, parameters, numbers of its tensors, what it reads."""
    ours, theirs = snn[name], source[name]
    if ours.edges != theirs.edges or type(ours.layer) is not type(theirs.layer):
        return False
    return all(
        np.array_equal(np.asarray(value), np.asarray(getattr(theirs.layer, field)))
        if isinstance(value, np.ndarray)
        else value == getattr(theirs.layer, field)
        for field, value in vars(ours.layer).items()
        if not field.startswith("_")
    )


def _prompt(snn: Network, name: str, schedule: Schedule) -> bool:
    """Whether nothing is on its way for a step on any edge between this layer and the spiking layers before it."""
    asked = [name]
    while asked:
        here = snn[asked.pop()]
        for source, delay in here.edges:
            spiking = source in snn.neurons
            if delay or (spiking and schedule.edge_delay):
                return False
            asked += [] if spiking or source == INPUT else [source]
    return True


def _reads_spikes(network: Network, name: str) -> bool:
    return any(_reads(network, name, neuron) for neuron in network.neurons)


def _reads(network: Network, name: str, earlier: str) -> bool:
    """Whether the node is `earlier` or depends on it."""
    asked, seen = [name], set()
    while asked:
        here = asked.pop()
        if here == earlier:
            return True
        if here != INPUT and here not in seen:
            seen.add(here)
            asked += network[here].inputs
    return False
