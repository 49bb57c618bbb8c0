"""Loops only: each layer's whole-array `naive` kernel and, beside it, its compiled `fast` twin, equal bit for bit.

What makes that possible:

1. The order of sums is part of the specification. An output is the sum over its active (nonzero) inputs in ascending
   index - for a convolution kernel row, kernel column, input channel; for a pool window row, window column - starting
   from zero, and then the bias. Each product is rounded before it is added. No BLAS, no `.sum()`, no `fastmath`, no
   parallel reduction; what runs side by side are outputs and samples. (Adding the zero products of the silent inputs
   changes no bit of such a sum, so the naive kernels may.)
2. No literals in an equation: parameters arrive in the state's dtype.
3. Choices by selection, never by multiplication with a mask: -0.0, inf and NaN then behave alike in both twins.
4. Everything that a sample gets depends on that sample only.

The kernels of weight layers take a pool in front as a third argument: it is then fan-in (fan_in.py). `packed` holds what the
simulator runs on spikes: weight layer and neurons at once, on bits. How it is built, from the outside in:

    packed      fire, currents, fire_currents on plans
    plan        a weight layer prepared: tables (fan_in), weight rows in blocks (rows), how events are listed (listing)
    loops       over samples, parts of the outputs, lines: gather for any layer, spread for 3 x 3 kernels with stride 1
    target      what becomes of a line's currents
    runs, spread, bias, fire, transpose, words  the innermost loops, built from LLVM's vector instructions (vectors); each
                has a twin in Python for NUMBA_DISABLE_JIT=1

Bit equality was measured on x86-64. LLVM may contract a multiply and an add elsewhere even without `fastmath`.

LAYERS: layer type -> its kernels, (layer, inputs) -> output, arrays [B, *shape], one dtype throughout.
NEURONS: neuron type -> its kernels, (neuron, current [S, B, M], state, steps) -> Fired (general.py); arrays in the neuron have
    the node's whole shape.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from refsnn.errors import SpecError, did_you_mean
from refsnn.kernels import conv, elementwise, general, linear, neuron, pool
from refsnn.layers import (
    QCFS,
    Add,
    AvgPool2d,
    BatchNorm,
    Concat,
    Conv1d,
    Conv2d,
    Flatten,
    GlobalAvgPool2d,
    Linear,
    MaxPool2d,
    ReLU,
    Scale,
    SumPool2d,
)
from refsnn.neurons import IF, LI, LIF, CubaLIF


@dataclass(frozen=True)
class Kernel:
    """Two implementations of one specification."""

    naive: Callable[..., Any]
    fast: Callable[..., Any]


LAYERS: dict[type[Any], Kernel] = {
    Linear: Kernel(linear.naive, linear.fast),
    Conv1d: Kernel(conv.naive, conv.fast),
    Conv2d: Kernel(conv.naive, conv.fast),
    AvgPool2d: Kernel(pool.naive, pool.fast),
    SumPool2d: Kernel(pool.naive, pool.fast),
    MaxPool2d: Kernel(pool.naive, pool.fast),
    GlobalAvgPool2d: Kernel(pool.naive, pool.fast),
    # nothing that a loop could reorder: one implementation serves both
    Add: Kernel(elementwise.add, elementwise.add),
    Flatten: Kernel(elementwise.flatten, elementwise.flatten),
    Concat: Kernel(elementwise.concat, elementwise.concat),
    Scale: Kernel(elementwise.scale, elementwise.scale),
    BatchNorm: Kernel(elementwise.batch_norm, elementwise.batch_norm),
    QCFS: Kernel(elementwise.qcfs, elementwise.qcfs),
    ReLU: Kernel(elementwise.relu, elementwise.relu),
}

NEURONS: dict[type[Any], Kernel] = {
    IF: Kernel(neuron.naive, neuron.fast),
    LIF: Kernel(neuron.naive, neuron.fast),
    CubaLIF: Kernel(general.naive, general.fast),
    LI: Kernel(general.naive, general.fast),
}

BACKENDS = ("fast", "naive")


def kernel(layer: Any, backend: str) -> Callable[..., Any]:
    """The implementation of a layer or neuron that `backend` names."""
    if backend not in BACKENDS:
        raise SpecError(f"backend: {backend!r} is none{did_you_mean(backend, list(BACKENDS))}")
    chosen: Callable[..., Any] = getattr((LAYERS | NEURONS)[type(layer)], backend)
    return chosen


def compared_kernel(layer: Any, backend: str) -> Callable[..., Any]:
    """The neuron's implementation that also gives the potentials which were compared: Exact needs them."""
    chosen = kernel(layer, backend)
    return neuron.fast_with_compared if chosen is neuron.fast else chosen
