"""What a spec says of a parameter that stands in the weights file: the tensor's name, or how to make it of one.

weight: fc1.weight
weight: {tensor: fc1.kernel, layout: in_out, flatten: [7, 7, 32]}
weight: {tensor: fc1.weight_q, scale: fc1.scale, zero_point: 3}
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass as plain_dataclass
from enum import Enum
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from refsnn import specs
from refsnn.errors import did_you_mean
from refsnn.formats.model_file import Array, Tensors
from refsnn.formats.refusals import refuse
from refsnn.neurons import CONFIG

SizeOfMap = Annotated[list[specs.Count], Field(min_length=3, max_length=3)]


class Layout(Enum):
    """The order of a stored tensor's axes; ours is outputs, inputs, then height and width."""

    OUT_IN = "out_in"
    IN_OUT = "in_out"  # Keras and Flax: Dense
    OIHW = "OIHW"
    HWIO = "HWIO"  # Keras and Flax: Conv
    OHWI = "OHWI"
    HWIM = "HWIM"  # Keras DepthwiseConv2D: M outputs for each input, which become I * M groups' outputs
    OIW = "OIW"
    WIO = "WIO"


# axes of the stored tensor in our order
ORDER: Mapping[Layout, tuple[int, ...]] = {
    Layout.OUT_IN: (0, 1),
    Layout.IN_OUT: (1, 0),
    Layout.OIHW: (0, 1, 2, 3),
    Layout.HWIO: (3, 2, 0, 1),
    Layout.OHWI: (0, 3, 1, 2),
    Layout.HWIM: (2, 3, 0, 1),
    Layout.OIW: (0, 1, 2),
    Layout.WIO: (2, 1, 0),
}


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Reference:
    """A tensor of the file and what is done to it, in this order: layout, flatten, then zero point and scale."""

    tensor: str
    layout: Layout | None = None
    flatten: SizeOfMap | None = None  # of a Linear behind a map that was flattened height, width, channels
    scale: float | str | None = None  # one number, or a tensor of one number for each output
    zero_point: int | str | None = None


@plain_dataclass(frozen=True)
class Use:
    """A tensor of the file that a node needed."""

    tensor: str  # its name in the file
    what: str  # the parameter it became, and how


@plain_dataclass(frozen=True, eq=False)
class Weights:
    """The tensors that a spec can name: by their names in the file, without the prefix that the spec gives."""

    path: str  # what messages call the file
    tensors: Tensors
    full: Mapping[str, str]  # name in the spec -> name in the file

    def array(self, name: str, wrong: Callable[[str], Exception]) -> Array:
        """The tensor with this name, every number of it finite."""
        if not self.tensors:
            raise wrong(f"{name!r} names a tensor, but no weights file is named; add 'weights: FILE' or a number")
        if name not in self.tensors:
            raise wrong(f"{self.path} has no tensor {name!r}{did_you_mean(name, list(self.tensors))}")
        values = self.tensors[name]
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            index = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
            refuse(
                "not-finite", self.path, name, f"{values[index]} at index {list(index)}", "every number must be finite"
            )
        return values


def named_weights(path: str, tensors: Tensors, prefix: str, wrong: Callable[[str], Exception]) -> Weights:
    """The tensors under the names that the spec uses; what does not begin with the prefix keeps its name."""
    full = {name.removeprefix(prefix): name for name in tensors}
    if prefix and not any(name.startswith(prefix) for name in tensors):
        heads = sorted({name.partition(".")[0] + "." for name in tensors if "." in name})
        raise wrong(f"no tensor of {path} begins with {prefix!r}{did_you_mean(prefix, heads)}")
    if len(full) < len(tensors):
        twice = next(name for name in tensors if full[name.removeprefix(prefix)] != name)
        raise wrong(f"{path} has both {full[twice.removeprefix(prefix)]!r} and {twice!r}, one name without the prefix")
    return Weights(path, {short: tensors[name] for short, name in full.items()}, full)


def resolved(
    document: specs.Document, where: specs.Path_, value: Any, weights: Weights, node: str
) -> tuple[Any, tuple[Use, ...]]:
    """The array that a text or mapping at `where` stands for, and the tensors that it took."""
    target = f"{node}.{where[-1]}"
    if isinstance(value, str):
        array = weights.array(value, lambda message: document.error(where, message))
        return array, (_use(weights, value, target),)
    reference: Reference = specs.build(Reference, document, value, where)

    def number(key: str) -> tuple[Any, tuple[Use, ...]]:
        given = getattr(reference, key)
        if not isinstance(given, str):
            return given, ()
        found = weights.array(given, lambda message: document.error((*where, key), message))
        return found, (_use(weights, given, f"{key} of {target}"),)

    array = weights.array(reference.tensor, lambda message: document.error((*where, "tensor"), message))
    try:
        arranged = _arranged(array, reference)
        (scale, scales), (zero, zeros) = number("scale"), number("zero_point")
        values = arranged if scale is None and zero is None else _scaled(arranged, scale, zero)
    except ValueError as error:
        raise document.error(where, str(error)) from error
    done = [reference.layout.value] if reference.layout else []
    done += ["flattened height, width, channels"] if reference.flatten else []
    done += ["whole numbers times a scale"] if scale is not None else []
    how = f" ({', '.join(done)})" if done else ""
    return values, (_use(weights, reference.tensor, target + how), *scales, *zeros)


def _use(weights: Weights, name: str, what: str) -> Use:
    full = weights.full[name]
    return Use(full, what if full == name else f"{what} (as {name})")


def _arranged(array: Array, reference: Reference) -> Array:
    """The tensor with our order of axes and of inputs: a permutation of its numbers."""
    if reference.layout is not None:
        order = ORDER[reference.layout]
        if array.ndim != len(order):
            raise ValueError(f"layout {reference.layout.value} is of {len(order)} axes, the tensor has {array.ndim}")
        array = array.transpose(order)
        if reference.layout is Layout.HWIM:
            array = array.reshape(-1, 1, *array.shape[2:])
    if reference.flatten is not None:
        height, width, channels = reference.flatten
        if array.ndim != 2 or array.shape[1] != height * width * channels:
            raise ValueError(
                f"flatten: {height} * {width} * {channels} inputs, but the tensor has shape {list(array.shape)} "
                "(outputs, inputs)"
            )
        array = array.reshape(-1, height, width, channels).transpose(0, 3, 1, 2).reshape(len(array), -1)
    return np.ascontiguousarray(array)


def _scaled(array: Array, scale: Any, zero: Any) -> Array:
    """float32(q - zero_point) * float32(scale): the difference is exact below 2^24, the product rounded once."""
    if array.dtype.kind not in "iu":
        raise ValueError(f"scale and zero_point are of whole numbers, the tensor has dtype {array.dtype}")
    if scale is None:
        raise ValueError("zero_point needs a scale")
    shift = np.asarray(0 if zero is None else zero)
    if shift.dtype.kind not in "iu":
        raise ValueError(f"zero_point has dtype {shift.dtype}, expected whole numbers")
    difference = array.astype(np.int64) - _per_output(shift.astype(np.int64), array, "zero_point")
    if np.abs(difference).max(initial=0) >= 1 << 24:
        raise ValueError("the tensor minus its zero point is beyond 2^24, where float32 is not exact")
    return difference.astype(np.float32) * _per_output(np.asarray(scale, np.float32), array, "scale")


def _per_output(values: Array, array: Array, what: str) -> Array:
    if values.size == 1:
        return values.reshape(())
    if values.shape != array.shape[:1]:
        raise ValueError(f"{what} has shape {list(values.shape)}, expected one number or one for each output")
    return values.reshape(-1, *[1] * (array.ndim - 1))
