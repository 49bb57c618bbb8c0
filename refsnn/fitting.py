"""What of a network takes which fixed-point format, and whether all of it is there already."""

from dataclasses import replace
from typing import Any

import numpy as np

from refsnn.arithmetic import FixedPoint
from refsnn.errors import FormatError, UnsupportedLayerError
from refsnn.fixed import CARRIED_BITS, MOST_BITS, Overflow, Q, Rounding, in_range, on_grid, out_of_range
from refsnn.kernels import conv, linear
from refsnn.kernels.fan_in import SummingPool
from refsnn.kernels.general import Fired
from refsnn.kernels.packed import Plan, integer_plan
from refsnn.kernels.state import Fits
from refsnn.layers import BatchNorm, Conv1d, Conv2d, Linear, Scale, Shape, WeightLayer, kind_of
from refsnn.network import Network, Node
from refsnn.neurons import DECAYS, LI, Neuron, Stateful, numbers
from refsnn.rounding import Span
from refsnn.spans import spans

Array = np.ndarray[Any, Any]
NAIVE: dict[type[Any], Any] = {Linear: linear.naive, Conv1d: conv.naive, Conv2d: conv.naive}  # term by term


def parameters(node: Node) -> dict[str, Any]:
    """The node's numbers that have a format, by name."""
    if isinstance(node.layer, WeightLayer):
        return {n: v for n in ("weight", "bias") if (v := getattr(node.layer, n)) is not None}
    if isinstance(node.layer, Stateful):
        return {name: value for name, value in numbers(node.layer).items() if name != "amplitude"}
    return {}


def format_of(name: str, arithmetic: FixedPoint) -> Q:
    """The format of a parameter."""
    if name in DECAYS:
        return Q(MOST_BITS, arithmetic.decay_fraction, Rounding.NEAREST_EVEN, Overflow.REFUSE)
    return {"weight": arithmetic.weight, "bias": arithmetic.current}.get(name, arithmetic.membrane)


def check_fits(network: Network, arithmetic: FixedPoint) -> None:
    """Raises FormatError for the first parameter that is not in its format."""
    for node in network.nodes:
        if isinstance(node.layer, BatchNorm):
            raise UnsupportedLayerError(f"{node.name}: BatchNorm has no fixed-point form; fold it first")
        for name, values in parameters(node).items():
            format_of(name, arithmetic).holds(f"{node.name}: {name}", values)


def check_carried(network: Network, x: Array, arithmetic: FixedPoint, spiking_input: bool) -> None:
    """Raises FormatError where a sum needs more bits than a float64 carries exactly before it is rounded."""

    def rounded(node: Node, span: Span) -> Span:
        if isinstance(node.layer, LI):
            return Span(max(-arithmetic.membrane.low, arithmetic.membrane.high), 0.0, arithmetic.membrane.fraction)
        if isinstance(node.layer, Neuron):
            return span
        if span.error or span.grid is None:
            raise FormatError(
                f"{node.name}: its sums are not exact in {CARRIED_BITS} bits before they are rounded (numbers up to "
                f"{span.size:.3g}; inputs and amplitudes of many bits, or means over windows that are no power of two); "
                "round the input with Q.of, give amplitudes of few bits, sum instead of a mean"
            )
        if not gives_currents(network, node, spiking_input):
            return span
        return Span(
            min(span.size, max(-arithmetic.current.low, arithmetic.current.high)), 0.0, arithmetic.current.fraction
        )

    spans(network, x, arithmetic.dtype, rounded=rounded, highest=arithmetic.membrane.high)


def gives_currents(network: Network, node: Node, spiking_input: bool) -> bool:
    """Whether the node computes real-valued numbers, which take the current's format; spikes are worth what they are worth."""
    kind = kind_of(node.layer)
    computes = kind in ("weight", "pool", "add") or isinstance(node.layer, Scale)
    return computes and not network.sends_spikes(node.name, spiking_input)


def fits_of(arithmetic: FixedPoint) -> Fits:
    """The formats of a neuron's sums."""
    return Fits(arithmetic.current.fit, arithmetic.membrane.fit)


def fitted(name: str, values: Array, q: Q, first_sample: int) -> tuple[Array, Array]:
    """Currents [S, B, ...] in their format, and how many of each sample were beyond it: int64[B]."""
    k = on_grid(values, q.fit)
    beyond = out_of_range(k, q.fit)
    if q.overflow is Overflow.REFUSE and beyond.any():
        sample = int(np.argwhere(beyond)[0][1])
        raise FormatError(q.beyond(f"{name}: current of sample {first_sample + sample}", k[:, sample] * q.step))
    return in_range(k, q.fit), beyond.sum(axis=(0, *range(2, beyond.ndim)))


def fitted_sums(
    name: str, layer: WeightLayer, x: Array, pool: SummingPool | None, q: Q, first_sample: int
) -> tuple[Array, Array]:
    """Currents [S, B, ...] whose every partial sum took the format, and how many did not fit it, for inputs [S, B, ...]."""
    overflows = np.zeros(x.shape[:2], np.int64).ravel()

    def each(total: Array) -> Array:
        values, beyond = fitted(name, total.reshape(1, *total.shape), q, first_sample)
        overflows[...] += beyond
        return values[0]

    sums = NAIVE[type(layer)](layer, x.reshape(-1, *x.shape[2:]), pool, each)
    return sums.reshape(*x.shape[:2], *sums.shape[1:]), overflows.reshape(x.shape[:2]).sum(0)


def whole_weights(layer: WeightLayer, shape: Shape, pool: SummingPool | None, q: Q) -> Plan | None:
    """The layer, in weights of up to eight bits, prepared for sums of whole numbers; None where it is not of that kind."""
    if q.bits > 8:
        return None
    whole: Any = replace(layer, weight=layer.weight / q.step, bias=None)
    return integer_plan(whole, shape, pool)


def refuse_overflow(name: str, arithmetic: FixedPoint, fired: Fired, first_sample: int) -> None:
    """Raises FormatError for potentials or synaptic currents beyond a format that refuses overflow."""
    if not fired.overflows.any():
        return
    sample = int(np.argmax(fired.overflows > 0))
    for what, q, values in (
        ("synaptic current", arithmetic.current, fired.state.current[sample]),
        ("potential", arithmetic.membrane, np.stack([fired.compared[:, sample], fired.v[:, sample]])),
    ):
        if q.overflow is Overflow.REFUSE:
            k = on_grid(values, q.fit)
            if out_of_range(k, q.fit).any():
                raise FormatError(q.beyond(f"{name}: {what} of sample {first_sample + sample}", values))
    if Overflow.REFUSE in (arithmetic.current.overflow, arithmetic.membrane.overflow):
        raise FormatError(
            f"{name}: a term of the potential of sample {first_sample + sample} does not fit {arithmetic.membrane} or "
            f"{arithmetic.current}; take more bits, or overflow: saturate or wrap"
        )
