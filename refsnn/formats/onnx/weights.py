"""Operators of ONNX with weights: Conv, Gemm, MatMul, BatchNormalization; and Add behind them, which is their bias."""

from dataclasses import fields, replace
from math import isfinite, prod
from typing import Any

import numpy as np

from refsnn.formats.asymmetric import padded_kernel, undilated
from refsnn.formats.onnx.builder import Builder
from refsnn.formats.onnx.graph import OnnxNode
from refsnn.formats.onnx.values import Flow, Known, Sides
from refsnn.layers import BatchNorm, Conv1d, Conv2d, Linear

Array = np.ndarray[Any, Any]
GROWN = 1 << 20  # weights that zeros for the padding may make of any kernel; of a larger one four times its own


def sides(b: Builder, node: OnnxNode, size: tuple[int, ...], kernel: tuple[int, ...], stride: Any, gaps: Any) -> Sides:
    """Zeros before and after each axis, from `pads` or `auto_pad`."""
    axes, mode = len(size), node.attributes.get("auto_pad", b"NOTSET")
    pads = node.attributes.get("pads", (0,) * 2 * axes)
    if len(pads) != 2 * axes or min(pads, default=0) < 0:
        b.refuse(node, f"pads {list(pads)}: expected {2 * axes} numbers of 0 or more")
    if mode in (b"NOTSET", b"") or mode == b"VALID":
        return tuple((0, 0) if mode == b"VALID" else (pads[i], pads[axes + i]) for i in range(axes))
    if mode not in (b"SAME_UPPER", b"SAME_LOWER"):
        b.refuse(node, f"auto_pad {mode!r}", code="damaged")
    whole = [
        max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        for n, k, s, d in zip(size, kernel, stride, gaps, strict=True)
    ]
    upper = mode == b"SAME_UPPER"
    return tuple((p // 2, p - p // 2) if upper else (p - p // 2, p // 2) for p in whole)


def numbers_of(b: Builder, node: OnnxNode, name: str, count: int, default: int = 1) -> tuple[int, ...]:
    """An attribute with a number for each axis of the kernel."""
    given = tuple(node.attributes.get(name, (default,) * count))
    if len(given) != count or not all(isinstance(g, int) and 1 <= g < 1 << 31 for g in given):
        b.refuse(node, f"{name} {list(given)}: expected {count} numbers of 1 or more", code="damaged")
    return given


def conv(b: Builder, node: OnnxNode) -> None:
    """Conv -> Conv1d or Conv2d; pads that differ from side to side become zeros in the kernel."""
    flow = b.flow(node, padded=True)
    weight = b.numbers(node, 1, "weight")
    axes = weight.ndim - 2
    if axes not in (1, 2) or len(flow.shape) != axes + 1:
        b.refuse(node, f"a kernel of {weight.ndim} axes over {len(flow.shape)}; there are Conv1d and Conv2d")
    kernel = weight.shape[2:]
    if tuple(node.attributes.get("kernel_shape", kernel)) != kernel:
        b.refuse(
            node,
            f"kernel_shape {list(node.attributes['kernel_shape'])}, but a weight of {list(weight.shape)}",
            code="damaged",
        )
    stride, gaps = (numbers_of(b, node, name, axes) for name in ("strides", "dilations"))
    bias = b.numbers(node, 2, "bias") if b.value(node, 2) is not None else None
    zeros = flow.pads or ((0, 0),) * axes
    size = tuple(n + sum(pad) for n, pad in zip(flow.shape[1:], zeros, strict=True))
    own = sides(b, node, size, kernel, stride, gaps)
    before, after = (tuple(z[i] + o[i] for z, o in zip(zeros, own, strict=True)) for i in (0, 1))
    taps = prod((k - 1) * d + 1 + abs(x - y) for k, d, x, y in zip(kernel, gaps, before, after, strict=True))
    if before != after and taps * prod(weight.shape[:2]) > max(GROWN, 4 * weight.size):
        b.refuse(node, f"pads {[*before, *after]} would need a kernel of {taps} taps", code="too-large")
    if any((x - y) % d for x, y, d in zip(before, after, gaps, strict=True)):
        weight, gaps = undilated(weight, gaps), (1,) * axes
    grown, padding = padded_kernel(weight, before, after, gaps)
    if grown is not weight:
        text = f"weight, with zeros from {list(kernel)} to {list(grown.shape[2:])} for the pads {[*before, *after]}"
        b.use(b.known(node, 1), f"{b.name_of(node)}.{text}")
    shared: dict[str, Any] = {"weight": grown, "bias": bias, "groups": node.attributes.get("group", 1)}
    geometry = {"stride": stride, "padding": padding, "dilation": gaps}
    if axes == 1:
        layer: Any = b.made(node, Conv1d, **shared, **{key: value[0] for key, value in geometry.items()})
    else:
        layer = b.made(node, Conv2d, **shared, **geometry)
    b.give(node, b.add(node, layer, (replace(flow, pads=()),)))


def gemm(b: Builder, node: OnnxNode) -> None:
    """Alpha * x @ B + beta * C -> Linear; alpha and beta other than 1 go into the weights, without rounding."""
    flow, weight = b.flow(node), b.numbers(node, 1, "weight")
    if node.attributes.get("transA", 0) or weight.ndim != 2 or len(flow.shape) != 1:
        b.refuse(node, "only samples (rows) times a matrix is a Linear layer", "flatten in front of it")
    weight = weight if node.attributes.get("transB", 0) else weight.T
    weight = _times(b, node, weight, node.attributes.get("alpha", 1.0))
    bias = None
    if b.value(node, 2) is not None and node.attributes.get("beta", 1.0) != 0:
        bias = _times(b, node, b.numbers(node, 2, "bias"), node.attributes.get("beta", 1.0))
        bias = _per_output(b, node, bias, (len(weight),))
    b.give(node, b.add(node, b.made(node, Linear, weight=weight, bias=bias), (flow,)))


def matmul(b: Builder, node: OnnxNode) -> None:
    """X @ B -> Linear without bias; an Add behind it brings one."""
    flow, weight = b.flow(node), b.numbers(node, 1, "weight")
    if weight.ndim != 2 or len(flow.shape) != 1:
        b.refuse(node, f"a matrix of shape {list(weight.shape)} times samples of shape {list(flow.shape)} is no Linear layer",
                 "flatten in front of it")  # fmt: skip
    b.give(node, b.add(node, b.made(node, Linear, weight=weight.T), (flow,)))


def batch_norm(b: Builder, node: OnnxNode) -> None:
    """BatchNormalization at inference -> BatchNorm."""
    flow = b.flow(node)
    if (
        node.attributes.get("training_mode", 0)
        or not node.attributes.get("spatial", 1)
        or (b.opset < 7 and not node.attributes.get("is_test", 0))
    ):
        b.refuse(
            node, "normalises with the batch's own mean, as in training", "export it in evaluation mode: model.eval()"
        )
    names = ("weight", "bias", "mean", "var")
    parameters = {name: b.numbers(node, i, name) for i, name in enumerate(names, 1)}
    layer = b.made(node, BatchNorm, **parameters, eps=float(node.attributes.get("epsilon", np.float32(1e-5))))
    b.give(node, b.add(node, layer, (flow,)))


def with_bias(b: Builder, node: OnnxNode, value: str, flow: Flow, known: Known, *, minus: bool = False) -> bool:
    """Whether the constant became the bias of the layer in front, which has none and whose sums nothing else reads."""
    producer = b.producers.get(value)
    if producer is None or producer.op not in ("MatMul", "Gemm", "Conv") or not b.only_reader(value) or flow.pads:
        return False
    index = [made.name for made in b.nodes].index(flow.source)
    made = b.nodes[index]
    layer: Any = made.layer
    if not isinstance(layer, Linear | Conv1d | Conv2d) or layer.bias is not None:
        return False
    bias = _per_output(b, node, -known.stored if minus and known.stored.dtype.kind == "f" else known.values, flow.shape)
    if minus and known.stored.dtype.kind != "f":
        return False
    b.use(known, f"{made.name}.bias")
    same = {item.name: getattr(layer, item.name) for item in fields(layer)}
    b.nodes[index] = replace(made, layer=b.made(node, type(layer), **{**same, "bias": bias}))
    b.give(node, flow)
    return True


def _per_output(b: Builder, node: OnnxNode, values: Array, shape: tuple[int, ...]) -> Array:
    """A bias of any shape that is one number for each output channel, as one axis."""
    full = (1,) * (1 + len(shape) - values.ndim) + values.shape
    if len(full) != 1 + len(shape) or full[0] != 1 or any(n != 1 for n in full[2:]) or full[1] not in (1, shape[0]):
        b.refuse(node, f"adds a constant of shape {list(values.shape)} to {list(shape)}: no one number per channel")
    return np.ascontiguousarray(np.broadcast_to(values.reshape(full[1]), (shape[0],)))


def _times(b: Builder, node: OnnxNode, values: Array, factor: float) -> Array:
    """The products; those of float32 numbers fit into float64."""
    if factor == 1:
        return values
    if not isfinite(factor):
        b.refuse(node, f"a factor of {factor}", code="not-finite")
    if values.dtype.itemsize > 4 or (values.dtype.kind != "f" and values.dtype.itemsize > 2):
        b.refuse(node, f"a factor of {factor:g} on {values.dtype} would be rounded", "export float32 weights")
    return values.astype(np.float64) * factor
