"""What the values of an ONNX graph are while it becomes a network, and what may be computed of constants."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from refsnn.formats.onnx.graph import OnnxNode
from refsnn.layers import Shape

Array = np.ndarray[Any, Any]
Sides = tuple[tuple[int, int], ...]
FLOATS: dict[int, np.dtype[Any]] = {1: np.dtype(np.float32), 10: np.dtype(np.float16), 11: np.dtype(np.float64)}
INTEGERS: dict[int, np.dtype[Any]] = {
    n: np.dtype(t)
    for n, t in {2: "u1", 3: "i1", 4: "u2", 5: "i2", 6: "i4", 7: "i8", 9: "?", 12: "u4", 13: "u8"}.items()
}
NUMBERS: dict[int, np.dtype[Any]] = {**FLOATS, **INTEGERS}


@dataclass(frozen=True)
class Flow:
    """Numbers that depend on the samples: what a node of the network gives."""

    source: str
    shape: Shape  # without the axis of the samples
    pads: Sides = ()  # zeros before and after each axis behind the channels, which a layer has yet to take in


@dataclass(frozen=True, eq=False)
class Known:
    """Numbers that are in the file. They are kept as they are stored when a Cast changes none of them."""

    stored: Array
    dtype: np.dtype[Any]  # as the graph sees them
    names: tuple[str, ...]  # tensors of the file that they come from

    @property
    def values(self) -> Array:
        return self.stored.astype(self.dtype, copy=False)


@dataclass(frozen=True)
class Sizes:
    """Lengths of axes; None is the number of samples."""

    sizes: tuple[int | None, ...]
    scalar: bool = False


Value = Flow | Known | Sizes


def axes_of(node: OnnxNode, known: Known | None, ndim: int) -> tuple[int, ...] | None:
    """Axes from 0 on, from the attribute (old operator sets) or the second input (new ones); None: not given."""
    given = node.attributes.get("axes") if known is None else tuple(int(axis) for axis in known.values.ravel())
    return None if given is None else tuple(sorted(axis % ndim if -ndim <= axis < ndim else ndim for axis in given))


def folded(node: OnnxNode, inputs: tuple[Known | None, ...], most: int) -> Known | None:
    """The value of an operator whose inputs are all in the file; None for one that is not computed here.

    most: bytes that a result may have; more raises a ValueError, as does what the operator cannot take.
    """
    names = tuple(dict.fromkeys(name for known in inputs if known is not None for name in known.names))
    if node.op == "Constant":
        return _constant(node)
    if node.op not in FOLDED or not inputs or inputs[0] is None:
        return None
    first = inputs[0]
    _check_size(sum(known.stored.nbytes for known in inputs if known is not None), most)
    if node.op == "Cast":
        to = NUMBERS.get(node.attributes.get("to", 0))
        if to is None:
            return None
        with np.errstate(all="ignore"):
            cast = first.values.astype(to)
            same = bool((cast.astype(first.dtype) == first.values).all())
        return Known(first.stored if same else cast, to, names)
    arrays = [known.values for known in inputs if known is not None]
    if node.op in MOVED:
        made = MOVED[node.op](node, inputs)
        return Known(made, first.dtype, names)
    if node.op == "Shape":
        return Known(np.array(first.stored.shape, np.int64), np.dtype(np.int64), ())
    if node.op == "Gather":
        axis = node.attributes.get("axis", 0)
        _check_size(arrays[0].nbytes // max(arrays[0].shape[axis], 1) * arrays[1].size, most)
        return Known(np.take(arrays[0], arrays[1], axis), first.dtype, names)
    if node.op == "ConstantOfShape":
        return _filled(node, first, most)
    shapes = [a.shape for a in arrays][: 1 if node.op == "DequantizeLinear" else None]
    _check_size(prod(np.broadcast_shapes(*shapes)) * 8, most)
    with np.errstate(all="ignore"):
        made = ARITHMETIC[node.op](node, arrays)
    return Known(made, made.dtype, names)


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise ValueError(f"{size} bytes computed of constants, {max(most, 0)} are left")


def _filled(node: OnnxNode, sizes: Known, most: int) -> Known:
    shape = [int(size) for size in sizes.values.ravel()]
    value = np.asarray(node.attributes.get("value", np.zeros(1, np.float32)))
    _check_size(prod(shape) * 8 if min(shape, default=0) >= 0 else most + 1, most)
    return Known(np.full(shape, value.reshape(())), value.dtype, ())


def _sliced(node: OnnxNode, inputs: tuple[Known | None, ...]) -> Array:
    """Part of an array, from operator set 10 on."""
    x, *numbers = [None if known is None else known.stored for known in inputs]
    assert x is not None
    starts, ends, axes, steps = (
        [] if a is None else [int(n) for n in a.ravel()] for a in [*numbers, None, None, None][:4]
    )
    taken = [slice(None)] * x.ndim
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis, step = axes[i] if axes else i, steps[i] if steps else 1
        n = x.shape[axis]
        first, last = (edge + n if edge < 0 else edge for edge in (start, end))
        if step > 0:
            taken[axis] = slice(min(max(first, 0), n), min(max(last, 0), n), step)
        else:
            taken[axis] = slice(min(max(first, 0), n - 1), None if last < 0 else min(last, n - 1), step)
    return x[tuple(taken)]


def _constant(node: OnnxNode) -> Known | None:
    for name, dtype in (
        ("value", None),
        ("value_float", "f4"),
        ("value_floats", "f4"),
        ("value_int", "i8"),
        ("value_ints", "i8"),
    ):
        if name in node.attributes:
            array = np.asarray(node.attributes[name], dtype)
            return Known(array, array.dtype, (node.outputs[0],) if array.size > 1 else ())
    return None


def _reshaped(node: OnnxNode, inputs: tuple[Known | None, ...]) -> Array:
    x, sizes = inputs
    assert x is not None
    assert sizes is not None
    keeps = not node.attributes.get("allowzero", 0)
    target = [x.stored.shape[i] if size == 0 and keeps else int(size) for i, size in enumerate(sizes.values.ravel())]
    return x.stored.reshape(target)


def _squeezed(node: OnnxNode, inputs: tuple[Known | None, ...]) -> Array:
    x = inputs[0]
    assert x is not None
    return np.squeeze(x.stored, axes_of(node, inputs[1] if len(inputs) > 1 else None, x.stored.ndim))


def _unsqueezed(node: OnnxNode, inputs: tuple[Known | None, ...]) -> Array:
    x, given = inputs[0], inputs[1] if len(inputs) > 1 else None
    assert x is not None
    count = len(node.attributes["axes"]) if given is None else given.stored.size
    return np.expand_dims(x.stored, axes_of(node, given, x.stored.ndim + count) or ())


def _transposed(node: OnnxNode, inputs: tuple[Known | None, ...]) -> Array:
    assert inputs[0] is not None
    return np.transpose(inputs[0].stored, node.attributes.get("perm"))


def _joined(node: OnnxNode, inputs: tuple[Known | None, ...]) -> Array:
    return np.concatenate([known.values for known in inputs if known is not None], node.attributes["axis"])


def _dequantised(node: OnnxNode, arrays: list[Array]) -> Array:
    """(x - zero point) * scale, one scale for all or one along the axis."""
    x, scale, *zero = arrays
    if scale.ndim == 1 and scale.size > 1:
        along = [1] * x.ndim
        along[node.attributes.get("axis", 1)] = -1
        scale, zero = scale.reshape(along), [z.reshape(along) for z in zero]
    elif scale.size > 1:
        raise ValueError("scales in blocks")
    shifted = x.astype(np.int64) - (zero[0].astype(np.int64) if zero else 0)
    return shifted.astype(scale.dtype) * scale


MOVED: Mapping[str, Callable[[OnnxNode, tuple[Known | None, ...]], Array]] = {
    "Identity": lambda node, inputs: inputs[0].stored,  # type: ignore[union-attr]
    "Reshape": _reshaped, "Squeeze": _squeezed, "Unsqueeze": _unsqueezed, "Transpose": _transposed, "Concat": _joined,
    "Slice": _sliced,
}  # fmt: skip
ARITHMETIC: Mapping[str, Callable[[OnnxNode, list[Array]], Array]] = {
    "Add": lambda node, a: a[0] + a[1], "Sub": lambda node, a: a[0] - a[1], "Mul": lambda node, a: a[0] * a[1],
    # ONNX rounds quotients of whole numbers to zero; nobody's weights need that
    "Div": lambda node, a: np.divide(a[0], a[1], dtype=a[0].dtype), "Neg": lambda node, a: -a[0],
    "Sqrt": lambda node, a: np.sqrt(a[0]), "DequantizeLinear": _dequantised,
}  # fmt: skip
FOLDED = {"Cast", "ConstantOfShape", "Shape", "Gather", *MOVED, *ARITHMETIC}
