"""Operators of ONNX that move numbers or hand them on: Flatten, Reshape, Concat, Transpose, Dropout, Softmax at the end."""

from math import prod

from refsnn.formats.load_report import Fate
from refsnn.formats.onnx.builder import Builder
from refsnn.formats.onnx.graph import OnnxNode
from refsnn.formats.onnx.values import Flow, Known, Sizes
from refsnn.layers import Concat
from refsnn.layers import Flatten as FlattenLayer

Target = list[int | None]


def flatten(b: Builder, node: OnnxNode) -> None:
    """Flatten from the first axis behind the samples on -> Flatten."""
    flow = b.flow(node)
    axis = node.attributes.get("axis", 1)
    if axis not in (1, -len(flow.shape)):
        b.refuse(node, f"flattens from axis {axis} on; only from axis 1 on the samples stay apart")
    b.give(node, b.add(node, FlattenLayer(), (flow,)))


def reshape(b: Builder, node: OnnxNode) -> None:
    """Reshape of each sample to one axis -> Flatten; to the shape that it has -> nothing."""
    flow, wanted = b.flow(node), b.value(node, 1)
    target: Target
    if isinstance(wanted, Sizes):
        target = list(wanted.sizes)
    elif wanted is None and "shape" in node.attributes:
        target = list(node.attributes["shape"])
    else:
        target = list(b.integers(node, 1, "shape"))
    if not node.attributes.get("allowzero", 0):
        own = (None, *flow.shape)
        target = [own[i] if size == 0 and i < len(own) else size for i, size in enumerate(target)]
    rest = _each_sample(b, target, flow)
    if rest == list(flow.shape):
        b.give(node, flow)
    elif rest == [prod(flow.shape)]:
        b.give(node, b.add(node, FlattenLayer(), (flow,)))
    else:
        b.refuse(node, f"makes {target} of samples of shape {list(flow.shape)}; only to flatten each sample is read")


def _each_sample(b: Builder, target: Target, flow: Flow) -> Target:
    """The target without the axis of the samples, its -1 made a number; empty where samples would mix."""
    if not target:
        return []
    features, (first, *rest) = prod(flow.shape), target
    given = prod(size for size in rest if size is not None and size != -1)
    if first == -1 and None not in rest and -1 not in rest:
        return rest if given == features else []
    if (first is not None and first != b.batch) or None in rest or rest.count(-1) > 1:
        return []
    missing = features // given if given else 0
    return [missing if size == -1 else size for size in rest]


def squeeze(b: Builder, node: OnnxNode) -> None:
    """Squeeze that leaves one axis for each sample -> Flatten."""
    flow = b.flow(node)
    axes = b.axes(node, 1, 1 + len(flow.shape))
    if axes is None or any(not 1 <= axis <= len(flow.shape) or flow.shape[axis - 1] != 1 for axis in axes):
        b.refuse(
            node,
            f"squeezes axes {axes} of samples of shape {list(flow.shape)}",
            "name axes of length 1, not the samples'",
        )
    if len(flow.shape) - len(axes) != 1 and axes:
        b.refuse(node, f"leaves more than one axis of {list(flow.shape)}; only to flatten each sample is read")
    b.give(node, b.add(node, FlattenLayer(), (flow,)) if axes else flow)


def unsqueeze(b: Builder, node: OnnxNode) -> None:
    """Unsqueeze of a length that Reshape needs."""
    value = b.value(node, 0)
    if not isinstance(value, Sizes) or not value.scalar:
        b.refuse(node, "gives samples another axis", "keep maps as channels, height, width")
    if isinstance(axes := b.value(node, 1), Known):
        b.use(axes, f"{b.name_of(node)} (axes)")
    b.give(node, Sizes(value.sizes))


def shape(b: Builder, node: OnnxNode) -> None:
    """The lengths of axes, the number of samples left open."""
    b.give(node, Sizes((None, *b.flow(node).shape)))


def gather(b: Builder, node: OnnxNode) -> None:
    """One of the lengths that Shape gives."""
    value, index = b.value(node, 0), b.integers(node, 1, "index")
    if not isinstance(value, Sizes) or value.scalar or len(index) != 1 or node.attributes.get("axis", 0):
        b.refuse(node, "picks numbers; only one length of a Shape is read")
    (i,) = index
    if not -len(value.sizes) <= i < len(value.sizes):
        b.refuse(node, f"index {i} of {len(value.sizes)} lengths", code="damaged")
    b.give(node, Sizes((value.sizes[i],), scalar=b.known(node, 1).stored.ndim == 0))


def concat(b: Builder, node: OnnxNode) -> None:
    """Concat along the channels -> Concat; of lengths -> lengths."""
    values = [b.value(node, i) for i in range(len(node.inputs))]
    axis = node.attributes.get("axis", 1)
    if any(isinstance(value, Sizes) for value in values):
        joined: list[int | None] = []
        for i, value in enumerate(values):
            joined += value.sizes if isinstance(value, Sizes) else b.integers(node, i, "shape")
        b.give(node, Sizes(tuple(joined)))
        return
    flows = tuple(b.flow(node, i) for i in range(len(values)))
    if axis not in (1, -len(flows[0].shape)):
        b.refuse(node, f"joins along axis {axis}; only along the channels, axis 1")
    b.give(node, b.add(node, Concat(), flows) if len(flows) > 1 else flows[0])


def transpose(b: Builder, node: OnnxNode) -> None:
    """Transpose that moves nothing; any other is refused."""
    flow = b.flow(node)
    order = node.attributes.get("perm", tuple(range(len(flow.shape), -1, -1)))
    moved = [axis for axis in order if axis == 0 or not 1 <= axis <= len(flow.shape) or flow.shape[axis - 1] != 1]
    if (
        moved != sorted(moved)
        or moved[:1] != [0]
        or len(order) != 1 + len(flow.shape)
        or tuple(order) != tuple(sorted(order))
    ):
        b.refuse(
            node, f"moves axes to {list(order)}; samples stay channels, height, width", "export it with channels first"
        )
    b.give(node, flow)


def hand_on(b: Builder, node: OnnxNode) -> None:
    """Identity, Dropout at inference, Cast between floating-point numbers: nothing."""
    value = b.value(node, 0)
    if value is None:
        b.refuse(node, "without an input", code="damaged")
    training = b.value(node, 2) if node.op == "Dropout" else None
    asked = isinstance(training, Known) and bool(training.values.any())
    if asked or (node.op == "Dropout" and b.opset < 7 and not node.attributes.get("is_test", 0)):
        b.refuse(node, "drops numbers by chance, as in training", "export it in evaluation mode: model.eval()")
    if node.op == "Dropout":
        for i in range(1, len(node.inputs)):
            if isinstance(given := b.value(node, i), Known):
                b.use(given, f"{b.name_of(node)} (no effect at inference)")
    if node.op == "Cast" and isinstance(value, Flow) and node.attributes.get("to") not in (1, 11):
        b.refuse(
            node,
            f"makes numbers of type {node.attributes.get('to')} of the samples' values",
            "compute in float32 throughout",
        )
    b.give(node, value)


def softmax(b: Builder, node: OnnxNode) -> None:
    """Softmax at the end -> nothing, reported: it leaves the order of the outputs."""
    flow = b.flow(node)
    last = node.outputs[0] == b.graph.outputs[0].name and b.only_reader(node.outputs[0])
    if not last or len(flow.shape) != 1 or node.attributes.get("axis", -1 if b.opset >= 13 else 1) not in (1, -1):
        b.refuse(node, "is no layer but at the end, over the outputs", "end the network with the layer before it")
    b.report(
        Fate.IGNORED, b.name_of(node), f"{node.op} at the end: the outputs are the numbers before it, in the same order"
    )
    b.give(node, flow)
