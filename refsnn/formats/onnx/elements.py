"""Operators of ONNX that act on each number: Relu, Clip, Add, Sub, Mul, Div, Sum; and QCFS, put together from several."""

from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from refsnn.formats.load_report import Fate
from refsnn.formats.onnx.builder import Builder
from refsnn.formats.onnx.graph import OnnxNode
from refsnn.formats.onnx.quantiser import Quantiser, bounds
from refsnn.formats.onnx.values import Flow, Known
from refsnn.formats.onnx.weights import with_bias
from refsnn.layers import QCFS, Add, AvgPool2d, ReLU, Scale, SumPool2d

Array = np.ndarray[Any, Any]
SPREAD = 1 << 20  # neurons over which a few thresholds are spread


def relu(b: Builder, node: OnnxNode) -> None:
    """Relu -> ReLU."""
    b.give(node, b.add(node, ReLU(), (b.flow(node),)))


def clip(b: Builder, node: OnnxNode) -> None:
    """Clip to 0 and above -> ReLU; other bounds are read only as part of QCFS."""
    flow = b.flow(node)
    values = tuple(b.value(node, i) for i in range(len(node.inputs)))
    low, high = bounds(node, tuple(v if isinstance(v, Known) else None for v in values))
    # before operator set 11 the bounds that are left out are the largest float32 numbers
    edge = float(np.finfo(np.float32).max)
    if low is None or low.size != 1 or low.item() != 0 or (high is not None and (high.size != 1 or high.item() < edge)):
        shown = [None if bound is None or bound.size != 1 else bound.item() for bound in (low, high)]
        b.refuse(node, f"clips to {shown}; only [0, None], which is ReLU, and Clip inside QCFS are read")
    _use(b, node, "bound")
    b.give(node, b.add(node, ReLU(), (flow,)))


def add(b: Builder, node: OnnxNode) -> None:
    """Add -> Add of two branches; of a constant -> the bias of the layer in front."""
    values = tuple(b.value(node, i) for i in range(len(node.inputs)))
    for i, value in enumerate(values):
        if len(values) == 2 and isinstance(value, Known):
            _shifted(b, node, 1 - i, value, minus=False)
            return
    flows = tuple(b.flow(node, i) for i in range(len(values)))
    b.give(node, b.add(node, Add(), flows) if len(flows) > 1 else flows[0])


def subtract(b: Builder, node: OnnxNode) -> None:
    """Sub -> Scale by -1 and Add; of a constant -> the bias of the layer in front."""
    value = b.value(node, 1)
    if isinstance(value, Known):
        _shifted(b, node, 0, value, minus=True)
        return
    first, second = b.flow(node, 0), b.flow(node, 1)
    negative = b.add(node, Scale(factor=-1.0), (second,), "minus")
    b.give(node, b.add(node, Add(), (first, negative)))


def _shifted(b: Builder, node: OnnxNode, i: int, known: Known, *, minus: bool) -> None:
    flow = b.flow(node, i)
    if known.stored.dtype.kind == "f" and not np.isfinite(known.stored).all():
        b.refuse(node, "NaN or infinity in a constant", "train it without", code="not-finite")
    if with_bias(b, node, node.inputs[i], flow, known, minus=minus):
        return
    if known.stored.size and not known.stored.any() and known.stored.ndim <= 1:
        b.use(known, f"{b.name_of(node)} (adds 0)")
        b.give(node, flow)
        return
    b.refuse(node, "adds a constant to what is not the sum of a Conv, Gemm or MatMul without a bias",
             "give the layer before it a bias")  # fmt: skip


def multiply(b: Builder, node: OnnxNode) -> None:
    """Mul by one number -> Scale; behind a nameless mean over windows, by their area -> SumPool2d, as it is written here."""
    values = tuple(b.value(node, i) for i in range(2))
    where = [i for i, value in enumerate(values) if isinstance(value, Known)]
    if len(where) != 1:
        b.refuse(node, "multiplies branches with each other")
    known = values[where[0]]
    assert isinstance(known, Known)
    _scaled(b, node, 1 - where[0], known, _number(b, node, known))


def divide(b: Builder, node: OnnxNode) -> None:
    """Div by one number whose reciprocal is exact -> Scale."""
    known = b.value(node, 1)
    if not isinstance(known, Known):
        b.refuse(node, "divides by what is no constant")
    number = _number(b, node, known)
    if not number or Fraction(1 / number) * Fraction(number) != 1:
        b.refuse(node, f"divides by {number:g}, whose reciprocal would be rounded", "multiply by a number instead")
    _scaled(b, node, 0, known, 1 / number)


def _number(b: Builder, node: OnnxNode, known: Known) -> float:
    if known.stored.size != 1 or known.stored.dtype.kind not in "fiu" or not np.isfinite(known.stored).all():
        b.refuse(node, f"a factor of shape {list(known.stored.shape)}; Scale has one finite number",
                 "let BatchNormalization or the weights scale channels")  # fmt: skip
    return float(known.stored.item())


def _scaled(b: Builder, node: OnnxNode, i: int, known: Known, factor: float) -> None:
    flow = b.flow(node, i)
    if known.stored.ndim > 1 + len(flow.shape):
        b.refuse(node, f"a factor of shape {list(known.stored.shape)}; Scale has one number")
    producer = b.producers.get(node.inputs[i])
    last = b.nodes[-1] if b.nodes else None
    if (
        producer is not None and producer.op == "AveragePool" and not producer.name and b.only_reader(node.inputs[i])
        and last is not None and last.name == flow.source and isinstance(pool := last.layer, AvgPool2d)
        and factor == prod(pool.kernel)
    ):  # fmt: skip
        source = b.nodes.pop().inputs[0]
        shape = next(
            made for value in b.values.values() if isinstance(made := value, Flow) and made.source == source
        ).shape
        layer: Any = SumPool2d(kernel=pool.kernel, stride=pool.stride, padding=pool.padding)
        b.use(known, f"{b.name_of(node)} (area)")
        b.give(node, b.add(node, layer, (Flow(source, shape),)))
        return
    b.use(known, f"{b.name_of(node)}.factor")
    b.give(node, b.add(node, b.made(node, Scale, factor=factor), (flow,)))


def quantise(b: Builder, chain: tuple[OnnxNode, ...], first: str, found: Quantiser) -> None:
    """A chain of nodes -> QCFS under the last one's name."""
    node = chain[-1]
    source = b.values.get(first)
    if not isinstance(source, Flow) or source.pads:
        b.refuse(node, "QCFS of what a Pad or nothing gives")
    threshold = _per_channel(b, node, found.threshold, source.shape)
    for member in chain:
        _use(b, member, "threshold and levels", b.name_of(node))
    if any(member.op in ("Round", "QuantizeLinear") for member in chain):
        b.report(
            Fate.DEFAULTED,
            f"{b.name_of(node)}.ties",
            "up, where the file rounds x*levels/threshold = k + 1/2 to even k",
        )
    layer = b.made(node, QCFS, threshold=threshold, levels=found.levels)
    b.give(node, b.add(node, layer, (source,)))


def _per_channel(b: Builder, node: OnnxNode, values: Array, shape: tuple[int, ...]) -> Any:
    """One number, one per channel, or one for each neuron."""
    if values.size == 1:
        return float(values.item())
    full = (1,) * (1 + len(shape) - values.ndim) + values.shape
    if len(full) != 1 + len(shape) or full[0] != 1:
        b.refuse(node, f"thresholds of shape {list(values.shape)} for samples of shape {list(shape)}")
    inner = values.reshape(full[1:])
    if prod(shape) > max(SPREAD, 4 * values.size):
        b.refuse(node, f"thresholds of shape {list(values.shape)} for each of {list(shape)}", code="too-large")
    if full[1] == shape[0] and all(n == 1 for n in full[2:]):
        return inner.reshape(shape[0])
    try:
        return np.broadcast_to(inner, shape).copy()
    except ValueError:
        b.refuse(node, f"thresholds of shape {list(values.shape)} for samples of shape {list(shape)}")


def _use(b: Builder, node: OnnxNode, what: str, name: str = "") -> None:
    for i in range(len(node.inputs)):
        if isinstance(known := b.values.get(node.inputs[i]), Known):
            b.use(known, f"{name or b.name_of(node)} ({what})")
