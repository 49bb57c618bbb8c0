"""One node at work: what it makes of what arrives, in which kernels, and what the trace keeps of it."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from refsnn.arithmetic import Arithmetic, Exact, FixedPoint, finite
from refsnn.counting import spike_counts
from refsnn.errors import UnsupportedLayerError
from refsnn.exact import ExactValues, decide, edge_distance, exact_neuron
from refsnn.fitting import fits_of, fitted, fitted_sums, gives_currents, refuse_overflow, whole_weights
from refsnn.fixed import Accumulate
from refsnn.kernels import compared_kernel, kernel
from refsnn.kernels.bits import Bits, pack, set_train, unpack
from refsnn.kernels.fan_in import as_map
from refsnn.kernels.fan_in import worth as fan_in_worth
from refsnn.kernels.general import Fired
from refsnn.kernels.packed import currents, fire, fire_currents, plan
from refsnn.kernels.pool import follow
from refsnn.kernels.state import State, at_rest
from refsnn.layers import (
    Add,
    AvgPool2d,
    Concat,
    Conv1d,
    Conv2d,
    Flatten,
    GlobalAvgPool2d,
    Layer,
    Linear,
    MaxMode,
    MaxPool2d,
    Scale,
    SumPool2d,
    WeightLayer,
)
from refsnn.network import INPUT, Network, Node
from refsnn.neurons import IF, LI, LIF, Neuron, Stateful, is_binary, is_plain, spread, spread_over
from refsnn.potentials import firing_errors
from refsnn.results import Results
from refsnn.rounding import Span
from refsnn.schedules import Schedule, as_it_comes
from refsnn.signals import AnySignal, Currents, HandedOn, Signal, Spikes, every_step
from refsnn.spans import spans

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Exactly:
    """What a run in Exact keeps to settle doubts: error bounds, and what has been decided so far."""

    spans: dict[str, Span]
    decided: dict[str, Array | Bits]
    values: ExactValues

    @classmethod
    def of(cls, network: Network, inputs: Array, steps: int, schedule: Schedule) -> "Exactly":
        decided: dict[str, Array | Bits] = {INPUT: inputs}
        known = spans(network, inputs, Exact().dtype, steps)
        return cls(known, decided, ExactValues(network, decided, schedule.edge_delay))


@dataclass(frozen=True, eq=False)
class Context:
    """What is the same for all nodes of a run of one chunk of samples."""

    network: Network
    steps: int  # T, and those in front of them
    arithmetic: Arithmetic
    backend: str
    schedule: Schedule
    results: Results
    exactly: Exactly | None
    spiking_input: bool
    first_sample: int

    @property
    def on_bits(self) -> bool:
        """Whether plain neurons send spikes as bits, and weight layers take them so."""
        return self.backend == "fast" and not isinstance(self.arithmetic, FixedPoint)  # whose neurons round


class Worker:
    """One node at work: it remembers its state between calls and writes what the trace keeps."""

    def __init__(self, run: Context, node: Node, n_samples: int) -> None:
        self.run, self.node = run, node
        self.shape = run.network.shapes[node.name]
        self.n_samples = n_samples
        self.memory: Any = None  # what it remembers, from its first step on
        if isinstance(node.layer, Stateful):
            self.layer = spread_over(node.layer, self.shape)

    def silence(self) -> Signal:
        """What arrives before anything was sent: zeros, and no spikes where the node sends spikes."""
        values = np.zeros((1, self.n_samples, *self.shape), self.run.arithmetic.dtype)
        spiking = self.run.network.sends_spikes(self.node.name, self.run.spiking_input)
        return Signal(values, np.zeros(values.shape, np.bool_) if spiking else None)

    def advance(self, sources: tuple[AnySignal, ...], first: int, steps: int) -> AnySignal:
        """What the node gives in so many steps from step `first` (from 0) on."""
        source = sources[0]
        match self.node.layer:
            case layer if isinstance(layer, Stateful):
                if self._fires_on_bits(steps):
                    return self._fire_on_bits(source, steps)
                return self._fire(source.values, first, steps)
            case MaxPool2d() as layer if layer.mode is not MaxMode.OR:
                return self._follow(layer, source, first, steps)
            case AvgPool2d() | SumPool2d() | GlobalAvgPool2d() as layer if source.spiking:
                return HandedOn(source, layer, False, self.run.backend)
            case Flatten() if isinstance(source, HandedOn):
                return replace(source, flat=True)
            case Flatten() if isinstance(source, Spikes):
                return HandedOn(source, None, True, self.run.backend)
            case Linear() | Conv1d() | Conv2d() as layer if isinstance(self.run.arithmetic, FixedPoint):
                return self._weigh_fixed(layer, source, self.run.arithmetic, steps)
            case Linear() | Conv1d() | Conv2d() as layer:
                return self._weigh(layer, source)
        return self._fitted(layer_output(self.node.layer, sources, self.run.backend), steps)

    def _weigh(self, layer: WeightLayer, source: AnySignal) -> AnySignal:
        """Currents of a weight layer; a pool of spikes in front of it is fan-in."""
        run = self.run
        origin, pool = (source.origin, source.pool) if isinstance(source, HandedOn) else (source, None)
        if isinstance(origin, Spikes):
            shape, bits = origin.shape, origin.bits
            if isinstance(source, HandedOn) and len(shape) == 2:
                shape = (shape[0], 1, shape[1])  # a signal is a map of one row to Flatten too
            made = run.network.memo.of(
                (self.node.name, "plan", run.arithmetic.dtype),
                lambda: plan(layer, shape, origin.amplitude, run.arithmetic.dtype, pool),
            )
            return Currents(made, bits)
        values = source.values if pool is None else origin.values
        flat = values.reshape(-1, *values.shape[2:])
        summed = kernel(layer, run.backend)(layer, flat, pool)
        return Signal(summed.reshape(*values.shape[:2], *self.shape), None)

    def _weigh_fixed(self, layer: WeightLayer, source: AnySignal, arithmetic: FixedPoint, steps: int) -> Signal:
        """Currents in fixed point, each or each partial sum in its format."""
        run, name = self.run, self.node.name
        origin, pool = (source.origin, source.pool) if isinstance(source, HandedOn) else (source, None)
        if arithmetic.accumulate is Accumulate.EVERY_STEP:
            x = source.values if pool is None else origin.values
            values, beyond = fitted_sums(name, layer, x, pool, arithmetic.current, run.first_sample)
            run.results.overflows[name][...] += beyond * (steps if len(values) == 1 else 1)
            return Signal(values, None)
        if isinstance(origin, Spikes):
            shape = as_map(origin.shape) if isinstance(source, HandedOn) and len(origin.shape) == 2 else origin.shape
            made = run.network.memo.of(
                (name, "whole", arithmetic.weight), lambda: whole_weights(layer, shape, pool, arithmetic.weight)
            )
            if made is not None:
                # whole numbers, exact in any order; then what a spike is worth and the bias, exact in a float64 still
                worth = arithmetic.weight.step * fan_in_worth(origin.amplitude, pool, shape)
                bias = (
                    0.0
                    if layer.bias is None
                    else layer.bias.astype(np.float64).reshape(-1, *[1] * (len(self.shape) - 1))
                )
                return self._fitted(Signal(currents(made, origin.bits) * worth + bias, None), steps)
        return self._fitted(self._weigh(layer, source), steps)

    def _fitted(self, signal: AnySignal, steps: int) -> Any:
        """In fixed point, currents in their format."""
        run, name = self.run, self.node.name
        if not isinstance(run.arithmetic, FixedPoint) or not gives_currents(run.network, self.node, run.spiking_input):
            return signal
        values, beyond = fitted(name, signal.values, run.arithmetic.current, run.first_sample)
        # what every step has the same overflows in every step
        run.results.overflows[name][...] += beyond * (steps if len(values) == 1 else 1)
        return Signal(values, None)

    def _fires_on_bits(self, steps: int) -> bool:
        run = self.run
        whole = steps == run.steps and run.schedule.fire is as_it_comes and self.node.name not in run.results.v
        return run.on_bits and whole and is_plain(self.layer)

    def _fire_on_bits(self, source: AnySignal, steps: int) -> Spikes:
        """The plain neurons behind a weight layer together with it, without their currents ever standing in memory."""
        run, name, layer = self.run, self.node.name, self.layer
        assert isinstance(layer, IF | LIF)
        shape = self.n_samples, *self.shape
        counts = run.results.counts[name] if name in run.results.counts else np.empty(shape, np.int32)
        kept = name in run.results.residual
        residual = run.results.residual[name] if kept else np.empty(shape, run.arithmetic.dtype)
        nearest = None if run.exactly is None else np.empty(shape, residual.dtype)
        fill: Any = {"counts": counts, "residual": residual, "nearest": nearest}
        if isinstance(source, Currents):
            bits = fire(source.plan, layer, source.bits, **fill)
        else:
            bits = fire_currents(layer, source.values, steps, **fill)
        finite(f"{name}: potential in {run.arithmetic.name}", residual)
        if run.exactly is not None and nearest is not None:
            run.exactly.decided[name] = Bits(bits)
            if name in run.results.margin:
                run.results.margin[name][...] = nearest
            error = max(self._errors(run.exactly))
            for n, *index in np.argwhere(nearest <= error) if error > 0 else ():
                where = tuple(int(i) for i in index)
                exact = exact_neuron(run.exactly.values, name, int(n), where, steps, as_it_comes)
                if set_train(bits, int(n), where, exact.spikes[:, 0, 0] != 0):
                    counts[(n, *index)], residual[(n, *index)] = exact.spikes.sum(), float(exact.v[-1, 0, 0])
        if name in run.results.spikes:
            run.results.spikes[name][...] = unpack(bits, self.shape)
        return Spikes(bits, self.shape, run.arithmetic.dtype.type(layer.amplitude))

    def _fire(self, current: Array, first: int, steps: int) -> AnySignal:
        run, name = self.run, self.node.name
        flat = current.reshape(*current.shape[:2], -1)
        if first == 0:
            self.memory = at_rest(self.layer, self.n_samples, flat.shape[2], run.arithmetic.dtype)
            if name in run.results.counts:
                run.results.counts[name][...] = 0
        before: State = self.memory
        fired = run.schedule.fire(self._kernel(), self.layer, flat, before, steps)
        if isinstance(run.arithmetic, FixedPoint):
            refuse_overflow(name, run.arithmetic, fired, run.first_sample)
            run.results.overflows[name][...] += fired.overflows
        if run.exactly is not None and not isinstance(self.layer, LI):
            fired = self._decided(run.exactly, fired, first)
        self.memory = fired.state
        spikes, v = (a.reshape(steps, self.n_samples, *self.shape) for a in (fired.spikes, fired.v))
        finite(f"{name}: potential in {run.arithmetic.name}", v[-1])
        if name in run.results.residual:
            run.results.residual[name][...] = v[-1]
        # the steps in front are no part of the trace; with some of them all steps are here at once
        skipped = run.schedule.in_front
        kept = slice(first, first + steps - skipped)
        if name in run.results.v:
            run.results.v[name][kept] = v[skipped:]
        if isinstance(self.layer, LI):
            return Signal(v, None)
        if name in run.results.counts:
            run.results.counts[name][...] += spike_counts(spikes[skipped:])
        if name in run.results.spikes:
            run.results.spikes[name][kept] = spikes[skipped:]
        if (
            run.backend == "fast"
            and isinstance(run.arithmetic, FixedPoint)
            and steps == run.steps
            and is_binary(self.layer)
        ):
            amplitude = getattr(self.layer, "amplitude", None)
            if isinstance(amplitude, float):
                return Spikes(pack(spikes != 0), self.shape, run.arithmetic.dtype.type(amplitude))
        return sent(self.layer, spikes, self.shape, run.arithmetic.dtype)

    def _kernel(self) -> Any:
        run = self.run
        if isinstance(run.arithmetic, FixedPoint):
            return partial(kernel(self.layer, run.backend), fits=fits_of(run.arithmetic))
        return kernel(self.layer, run.backend) if run.exactly is None else compared_kernel(self.layer, run.backend)

    def _errors(self, exactly: Exactly) -> list[float]:
        """Bounds on the error of the potential that is compared at each step."""
        span, run = exactly.spans[self.node.inputs[0]], self.run
        return firing_errors(self.layer, span, run.steps, run.arithmetic.dtype, run.schedule)

    def _decided(self, exactly: Exactly, fired: Fired, first: int) -> Fired:
        run, name, steps = self.run, self.node.name, len(fired.spikes)
        assert isinstance(self.layer, Neuron)
        if first == 0:
            self.train = exactly.decided[name] = np.zeros((run.steps, self.n_samples, *self.shape), np.int32)
            self.errors = self._errors(exactly)
            if name in run.results.margin:
                run.results.margin[name][...] = np.inf
        if name in run.results.margin:
            margin = run.results.margin[name]
            here = edge_distance(self.layer, fired.compared).min(axis=0).reshape(margin.shape)
            np.minimum(margin, here, out=margin)
        errors = self.errors[first : first + steps]
        fired = decide(exactly.values, self.layer, name, run.schedule.fire, fired, errors, first)
        self.train[first : first + steps] = fired.spikes.reshape(steps, self.n_samples, *self.shape)
        return fired

    def _follow(self, layer: MaxPool2d, source: AnySignal, first: int, steps: int) -> Signal:
        if source.events is None or source.events.max(initial=0) > 1 or (source.values < 0).any():
            raise UnsupportedLayerError(
                f"{self.node.name}: MaxPool2d with mode: {layer.mode.value} follows spikes worth 0 or more, at most one a step; "
                "use mode: or for other values"
            )
        signal = every_step(source, steps)
        assert signal.events is not None
        values, events, self.memory = follow(layer, signal.values, signal.events, self.memory)
        return Signal(values, events)


def sent(layer: Stateful, spikes: Array, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Signal:
    """Spikes [T, B, *shape] as whoever reads them gets them."""
    amplitude = np.asarray(spread(layer.amplitude, shape)).astype(dtype)  # type: ignore[union-attr]
    silence = dtype.type(0)
    if is_binary(layer):
        fires = spikes.astype(np.bool_)
        return Signal(np.where(fires, amplitude, silence), fires)
    return Signal(np.where(spikes != 0, spikes.astype(dtype) * amplitude, silence), np.abs(spikes))


def layer_output(layer: Layer, sources: tuple[AnySignal, ...], backend: str) -> Signal:
    """What a layer without state gives for every step of its inputs."""
    length = max(len(source.values) for source in sources)
    n_samples = sources[0].values.shape[1]

    def all_steps(array: Array) -> Array:
        return np.broadcast_to(array, (length, *array.shape[1:])).reshape(length * n_samples, *array.shape[2:])

    values = kernel(layer, backend)(layer, *(all_steps(source.values) for source in sources))
    trains = [source.events for source in sources if source.spiking]
    events = None
    if len(trains) == len(sources):
        events = _passed_on(layer, [all_steps(train) for train in trains if train is not None], values)
    return Signal(
        values.reshape(length, n_samples, *values.shape[1:]),
        None if events is None else events.reshape(length, n_samples, *events.shape[1:]),
    )


def _passed_on(layer: Layer, spikes: list[Array], values: Array) -> Array | None:
    """How many spikes stand behind each output of a layer that hands spikes on; None for a layer that does not."""
    match layer:
        case MaxPool2d():
            return values != 0  # one spike for the window, however many came in
        case Flatten():
            return spikes[0].reshape(len(spikes[0]), -1)
        case Concat():
            return np.concatenate(spikes, axis=1)
        case Scale():
            return spikes[0]
        case Add():
            return sum((train.astype(np.int32) for train in spikes[1:]), start=spikes[0].astype(np.int32))
    return None
