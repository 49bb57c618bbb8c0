"""Operators of ONNX without weights, on maps: pools, Pad, ReduceMean."""

from math import prod

from refsnn.formats.load_report import Fate
from refsnn.formats.onnx.builder import Builder
from refsnn.formats.onnx.graph import OnnxNode
from refsnn.formats.onnx.values import Flow, Known
from refsnn.formats.onnx.weights import numbers_of, sides
from refsnn.layers import AvgPool2d, Flatten, GlobalAvgPool2d, MaxMode, MaxPool2d


def _windows(b: Builder, node: OnnxNode, flow: Flow) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], bool]:
    """Kernel, stride, and the padding under which our pool has the same windows; and whether ONNX pads at all."""
    if len(flow.shape) != 3:
        b.refuse(node, f"a pool over {list(flow.shape)}; pools go over channels, height, width")
    if "kernel_shape" not in node.attributes or set(node.attributes.get("dilations", (1,))) != {1}:
        b.refuse(node, "without kernel_shape, or with dilations over 1", "pool over neighbours")
    kernel, stride = (numbers_of(b, node, name, 2) for name in ("kernel_shape", "strides"))
    zeros = flow.pads or ((0, 0), (0, 0))
    size = tuple(n + sum(pad) for n, pad in zip(flow.shape[1:], zeros, strict=True))
    own = sides(b, node, size, kernel, stride, (1, 1))
    padding = []
    for n, k, s, z, (front, back) in zip(flow.shape[1:], kernel, stride, zeros, own, strict=True):
        before, reach = z[0] + front, n + sum(z) + front + back - k
        count = -(-reach // s) if node.attributes.get("ceil_mode", 0) else reach // s
        if count != (n + 2 * before - k) // s or count < 0:
            b.refuse(node, f"windows of {k} over {n} with pads {before} and {z[1] + back} that no padding of both sides gives",
                     "pad both sides alike, or let the pool leave out incomplete windows")  # fmt: skip
        padding.append(before)
    return kernel, stride, tuple(padding), any(map(any, own))


def average_pool(b: Builder, node: OnnxNode) -> None:
    """AveragePool -> AvgPool2d, which counts the zeros of the padding."""
    flow = b.flow(node, padded=True)
    kernel, stride, padding, pads = _windows(b, node, flow)
    if pads and not node.attributes.get("count_include_pad", 0):
        b.refuse(node, "a mean that leaves out the zeros of its padding: AvgPool2d counts them",
                 "train and export it with count_include_pad=True")  # fmt: skip
    layer = b.made(node, AvgPool2d, kernel=kernel, stride=None if stride == kernel else stride, padding=padding)
    b.give(node, b.add(node, layer, (Flow(flow.source, flow.shape),)))


def max_pool(b: Builder, node: OnnxNode) -> None:
    """MaxPool -> MaxPool2d, whose mode the file cannot say."""
    flow = b.flow(node)
    kernel, stride, padding, _ = _windows(b, node, flow)
    layer = b.made(
        node, MaxPool2d, kernel=kernel, stride=None if stride == kernel else stride, padding=padding, mode=b.max_mode
    )
    made = b.add(node, layer, (flow,))
    if b.max_mode is MaxMode.OR:
        b.report(
            Fate.DEFAULTED, f"{made.source}.mode", "or: what the largest of spike trains is; a source network has none"
        )
    b.give(node, made)


def global_average_pool(b: Builder, node: OnnxNode) -> None:
    """GlobalAveragePool -> GlobalAvgPool2d."""
    flow = b.flow(node)
    if len(flow.shape) != 3:
        b.refuse(node, f"a mean over {list(flow.shape)}; pools go over channels, height, width")
    b.give(node, b.add(node, GlobalAvgPool2d(), (flow,)))


def reduce_mean(b: Builder, node: OnnxNode) -> None:
    """ReduceMean over height and width -> GlobalAvgPool2d, and Flatten where the axes go."""
    flow = b.flow(node)
    axes = b.axes(node, 1, 1 + len(flow.shape))
    if axes is None or sorted(axes) != [2, 3] or len(flow.shape) != 3:
        b.refuse(node, f"a mean over axes {axes} of {list(flow.shape)}; only height and width (axes 2, 3) are a pool")
    keeps = node.attributes.get("keepdims", 1)
    pooled = b.add(node, GlobalAvgPool2d(), (flow,), "" if keeps else "mean")
    b.give(node, pooled if keeps else b.add(node, Flatten(), (pooled,)))


def pad(b: Builder, node: OnnxNode) -> None:
    """Pad with zeros: what reads it takes them in."""
    flow, rank = b.flow(node), 1 + len(b.flow(node).shape)
    new = b.value(node, 1) is not None
    pads = (
        b.integers(node, 1, "pads") if new else tuple(node.attributes.get("pads", node.attributes.get("paddings", ())))
    )
    filled = b.value(node, 2)
    if isinstance(filled, Known):
        b.use(filled, f"{b.name_of(node)} (value)")
    value = filled.values.ravel().tolist() if isinstance(filled, Known) else [node.attributes.get("value", 0.0)]
    order = b.axes(node, 3, rank)
    order = tuple(range(rank)) if order is None else order
    if node.attributes.get("mode", b"constant") != b"constant" or any(value) or len(pads) != 2 * len(order):
        b.refuse(node, "pads with something else than zeros", "pad with zeros")
    around = {axis: (pads[i], pads[len(order) + i]) for i, axis in enumerate(order)}
    spatial = tuple(around.get(axis, (0, 0)) for axis in range(2, rank))
    if any(around.get(axis, (0, 0)) != (0, 0) for axis in (0, 1)) or min(map(min, around.values()), default=0) < 0:
        b.refuse(node, f"pads {list(pads)}: only zeros around height and width are read")
    if max(map(max, spatial), default=0) > 1 << 20 or prod(flow.shape) == 0:
        b.refuse(node, f"pads {list(pads)}", code="too-large")
    b.give(node, Flow(flow.source, flow.shape, spatial if any(map(any, spatial)) else ()))
