"""NIR's nodes without a state in ours: weights, pools, scales. Sizes are ours; those in the file are only compared."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from refsnn.formats.asymmetric import padded_kernel, undilated
from refsnn.formats.nir.graph import NirNode
from refsnn.formats.refusals import refusal, refuse
from refsnn.layers import AvgPool2d, Conv1d, Conv2d, Flatten, Layer, Linear, Scale, Shape, SumPool2d
from refsnn.neurons import LIF, Firing, Reset, spread

Array = np.ndarray[Any, Any]
DIAGONAL = 4096  # neurons up to which a number of its own for each is said as a square weight matrix


def stateless(node: NirNode, path: str, name: str, before: Shape, batch_axis: bool) -> Layer:
    """The layer of any type but the neurons'; `before` is the shape of what it reads."""
    match node.type:
        case "Affine" | "Linear":
            return _linear(node, path, name)
        case "Conv1d" | "Conv2d":
            return _convolution(node, path, name, 1 if node.type == "Conv1d" else 2)
        case "SumPool2d" | "AvgPool2d":
            return _pool(node, path, name)
        case "Flatten":
            return _flatten(node, path, name, before, batch_axis)
        case "Scale":
            return scale(_numbers(node["scale"]), path, name, before)
        case "Threshold":
            # v = x, and nothing is left of it in the next step
            theta = collapsed(_numbers(node["threshold"]))
            return LIF(decay=0.0, v_threshold=theta, reset=Reset.NONE, firing=Firing.ABOVE_THRESHOLD)
    raise AssertionError(node.type)


def collapsed(values: Array) -> Any:
    """One number where all are equal, which is what most files mean; otherwise the array."""
    values = np.asarray(values, np.float64)
    return float(values.flat[0]) if values.size and (values == values.flat[0]).all() else values


def scale(factor: Array, path: str, name: str, before: Shape) -> Layer:
    """The product factor * x: one factor, one for each channel of a map, or one for each number of a row."""
    one = collapsed(factor)
    if isinstance(one, float):
        return Scale(factor=one)
    each = np.asarray(spread(factor, before, f"{name}.scale"))
    if len(before) == 1 and len(each) <= DIAGONAL:
        return Linear(weight=np.diag(each))
    channels = each.reshape(len(each), -1)
    if len(before) == 3 and (channels == channels[:, :1]).all():
        return Conv2d(weight=np.ascontiguousarray(channels[:, :1])[:, :, None, None], groups=len(each))
    raise refusal("unsupported-node", path, name, f"factors of shape {list(factor.shape)} for values of shape {list(before)}",
           "give one factor, one for each channel, or put them into the weights")  # fmt: skip


def _linear(node: NirNode, path: str, name: str) -> Linear:
    weight = node["weight"]
    if weight.ndim < 2 or any(size != 1 for size in weight.shape[:-2]):
        refuse("unsupported-node", path, name, f"a weight of shape {list(weight.shape)}, expected [outputs, inputs]",
               "apply it to one axis")  # fmt: skip
    weight = _native(weight.reshape(weight.shape[-2:]))
    return Linear(weight=weight, bias=_bias(node, weight, path, name) if node.type == "Affine" else None)


def _bias(node: NirNode, weight: Array, path: str, name: str) -> Array:
    """One number, or one for each output."""
    bias = node.parameters.get("bias", np.zeros(len(weight), weight.dtype))
    if not isinstance(bias, np.ndarray) or bias.size not in (1, len(weight)) or bias.size != max(bias.shape, default=1):
        found = list(bias.shape) if isinstance(bias, np.ndarray) else "text"
        refuse("damaged", path, name, f"a bias of {found} for {len(weight)} outputs", "give one number for each output")
    return _native(np.broadcast_to(bias.reshape(-1), weight.shape[:1]))


def _native(array: Array) -> Array:
    return np.ascontiguousarray(array, array.dtype.newbyteorder("="))


def _numbers(value: Any) -> Array:
    return np.asarray(value, np.float64)


def _convolution(node: NirNode, path: str, name: str, axes: int) -> Layer:
    weight, padding = _native(node["weight"]), node["padding"]
    if weight.ndim != 2 + axes or not weight.size:
        refuse("damaged", path, name, f"a weight of shape {list(weight.shape)} in {node.type}", "write it again")
    stride, dilation = (_sizes(node, key, path, name, axes) for key in ("stride", "dilation"))
    if isinstance(padding, str):
        before, after = _named_padding(padding, weight, stride, dilation, path, name)
        odd = any((a - b) % gap for a, b, gap in zip(after, before, dilation, strict=True))
        if odd:
            weight, dilation = undilated(weight, dilation), (1,) * axes
        bias = _bias(node, weight, path, name)
        weight, padding = padded_kernel(weight, before, after, dilation)
    else:
        bias, padding = _bias(node, weight, path, name), _sizes(node, "padding", path, name, axes)
    given: Mapping[str, Any] = {"weight": weight, "bias": bias, "groups": _sizes(node, "groups", path, name, 1)[0]}
    if axes == 1:
        return Conv1d(**given, stride=stride[0], padding=padding[0], dilation=dilation[0])
    return Conv2d(**given, stride=stride, padding=padding, dilation=dilation)


def _named_padding(
    padding: str, weight: Array, stride: tuple[int, ...], dilation: tuple[int, ...], path: str, name: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Before and after each axis: none, or dilation * (kernel - 1) in all with the smaller half in front, as torch has it."""
    totals = tuple(gap * (size - 1) for gap, size in zip(dilation, weight.shape[2:], strict=True))
    if padding not in ("same", "valid") or (padding == "same" and max(stride) > 1):
        why = "with a stride over 1" if padding == "same" else "which is neither 'same' nor 'valid'"
        refuse("unsupported-node", path, name, f"padding {padding!r} {why}", "give the padding in numbers")
    if padding == "valid":
        totals = (0,) * len(totals)
    return tuple(total // 2 for total in totals), tuple(total - total // 2 for total in totals)


def _sizes(node: NirNode, key: str, path: str, name: str, axes: int) -> Any:
    """Whole numbers, one for each axis; one stands for all."""
    given = np.atleast_1d(node[key])
    values = np.broadcast_to(given, (axes,)) if given.shape in ((1,), (axes,)) else None
    if values is None or (values != np.round(values)).any():
        refuse("damaged", path, f"{name}.{key}", f"{given.tolist()}, expected {axes} whole numbers", "write it again")
    return tuple(int(value) for value in values)


def _pool(node: NirNode, path: str, name: str) -> Layer:
    kind = SumPool2d if node.type == "SumPool2d" else AvgPool2d
    kernel = _sizes(node, "kernel_size", path, name, 2)
    stride = _sizes(node, "stride", path, name, 2) if "stride" in node.parameters else kernel
    padding: Any = _sizes(node, "padding", path, name, 2) if "padding" in node.parameters else (0, 0)
    return kind(kernel=kernel, stride=stride, padding=padding)


def _flatten(node: NirNode, path: str, name: str, before: Shape, batch_axis: bool) -> Layer:
    """All axes in one row; which axes the file means depends on whether it counts one for the batch."""
    default = {"start_dim": 1, "end_dim": -1}
    start, end = (int(np.asarray(node.parameters.get(key, value)).ravel()[0]) for key, value in default.items())
    axes = len(before) + batch_axis
    first, last = (value + axes if value < 0 else value for value in (start, end))
    first, last = max(first - batch_axis, 0), min(last, axes - 1) - batch_axis
    if (first, last) != (0, len(before) - 1) and len(before) > 1:
        refuse("unsupported-node", path, name,
               f"flattens axes {start} to {end} of {list(before)}, of which the first is no batch axis in NIR",
               "write start_dim=0, or give Semantics(..., batch_axis=True) where the file counts one")  # fmt: skip
    return Flatten()
