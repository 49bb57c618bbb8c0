"""What a layer is: its parameters, its output shape, and how many connections each of its inputs has.

Shapes are channels first and leave out steps and samples: (channels, height, width) or (features,).
"""

from enum import Enum
from math import prod
from typing import Annotated, Any, ClassVar, get_args

import numpy as np
from pydantic import BeforeValidator, WithJsonSchema
from pydantic.dataclasses import dataclass

from refsnn.arithmetic import finite
from refsnn.errors import ShapeError
from refsnn.neurons import CONFIG, LI, Natural, Neuron, Positive, PositiveValues, Scalar, Stateful, numbers, spread
from refsnn.specs import Count

Shape = tuple[int, ...]


def _tensor(value: Any) -> np.ndarray[Any, Any]:
    if not isinstance(value, np.ndarray):
        raise ValueError(f"expected a tensor of the weights file, got {value!r}")
    if value.dtype.kind not in "fiu":
        raise ValueError(f"expected numbers, got a tensor of dtype {value.dtype}")
    view = finite("tensor", value).view()
    view.flags.writeable = False
    return view


def _pair(value: Any) -> Any:
    return (value, value) if isinstance(value, int) and not isinstance(value, bool) else value


Tensor = Annotated[np.ndarray, BeforeValidator(_tensor), WithJsonSchema({"type": "string"})]
PairOfCounts = Annotated[tuple[Count, Count], BeforeValidator(_pair)]
PairOfNaturals = Annotated[tuple[Natural, Natural], BeforeValidator(_pair)]


@dataclass(frozen=True, kw_only=True, config=CONFIG, eq=False)
class Linear:
    """current[o] = sum over i of weight[o, i] * x[i], then + bias[o]."""

    kind: ClassVar[str] = "weight"
    weight: Tensor  # [outputs, inputs]
    bias: Tensor | None = None  # [outputs]

    def __post_init__(self) -> None:
        _check_weight(self.weight, self.bias, 2, "[outputs, inputs]")

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        outputs, features = self.weight.shape
        if shape != (features,):
            raise ShapeError(f"weight expects {features} inputs, but the node before gives {_text(shape)}")
        return (outputs,)

    def fan_out(self, shape: Shape) -> np.ndarray[Any, np.dtype[np.int64]]:
        return np.full(shape, len(self.weight), np.int64)

    @property
    def row_length(self) -> int:
        """Outputs that lie side by side and receive the same input: one row of a weight memory."""
        return len(self.weight)

    @property
    def fan_in(self) -> int:
        """Inputs of one output, borders not subtracted."""
        return int(self.weight.shape[1])


@dataclass(frozen=True, kw_only=True, config=CONFIG, eq=False)
class Conv2d:
    """current[o, y, x] = sum over (ky, kx, c) of weight[o, c, ky, kx] * input[c, y*s + ky*d - p, x*s + kx*d - p], + bias[o]."""

    kind: ClassVar[str] = "weight"
    weight: Tensor  # [outputs, inputs / groups, kernel height, kernel width]
    bias: Tensor | None = None
    stride: PairOfCounts = (1, 1)
    padding: PairOfNaturals = (0, 0)
    dilation: PairOfCounts = (1, 1)
    groups: Count = 1

    def __post_init__(self) -> None:
        _check_weight(self.weight, self.bias, 4, "[outputs, inputs / groups, height, width]")
        if len(self.weight) % self.groups:
            raise ValueError(f"{len(self.weight)} output channels do not divide into {self.groups} groups")

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        channels = self.weight.shape[1] * self.groups
        if len(shape) != 3 or shape[0] != channels:
            raise ShapeError(f"weight expects {channels} input channels, but the node before gives {_text(shape)}")
        sizes = [
            _window_count(shape[1 + i], self.weight.shape[2 + i], self.stride[i], self.padding[i], self.dilation[i])
            for i in (0, 1)
        ]
        return (len(self.weight), *sizes)

    def fan_out(self, shape: Shape) -> np.ndarray[Any, np.dtype[np.int64]]:
        rows, columns = (
            _windows_over(shape[1 + i], self.weight.shape[2 + i], self.stride[i], self.padding[i], self.dilation[i])
            for i in (0, 1)
        )
        return np.broadcast_to(np.multiply.outer(rows, columns) * self.row_length, shape)

    @property
    def row_length(self) -> int:
        """Output channels of one group: they receive the same input through one tap of the kernel."""
        return len(self.weight) // self.groups

    @property
    def fan_in(self) -> int:
        return prod(self.weight.shape[1:])


@dataclass(frozen=True, kw_only=True, config=CONFIG, eq=False)
class Conv1d:
    """current[o, x] = sum over (kx, c) of weight[o, c, kx] * input[c, x*s + kx*d - p], then + bias[o]."""

    kind: ClassVar[str] = "weight"
    weight: Tensor  # [outputs, inputs / groups, width]
    bias: Tensor | None = None
    stride: Count = 1
    padding: Natural = 0
    dilation: Count = 1
    groups: Count = 1

    def __post_init__(self) -> None:
        _check_weight(self.weight, self.bias, 3, "[outputs, inputs / groups, width]")
        if len(self.weight) % self.groups:
            raise ValueError(f"{len(self.weight)} output channels do not divide into {self.groups} groups")

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        channels = self.weight.shape[1] * self.groups
        if len(shape) != 2 or shape[0] != channels:
            raise ShapeError(f"weight expects {channels} input channels, but the node before gives {_text(shape)}")
        count, _, width = self.as_conv2d.output_shape((shape[0], 1, shape[1]))
        return count, width

    @property
    def as_conv2d(self) -> Conv2d:
        """The same sums over an image of one row."""
        return Conv2d(
            weight=self.weight[:, :, None, :],
            bias=self.bias,
            stride=(1, self.stride),
            padding=(0, self.padding),
            dilation=(1, self.dilation),
            groups=self.groups,
        )

    def fan_out(self, shape: Shape) -> np.ndarray[Any, np.dtype[np.int64]]:
        return self.as_conv2d.fan_out((shape[0], 1, shape[1]))[:, 0]

    @property
    def row_length(self) -> int:
        return len(self.weight) // self.groups

    @property
    def fan_in(self) -> int:
        return prod(self.weight.shape[1:])


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class _Pool2d:
    """What all pools have; stride defaults to the kernel, incomplete windows are left out."""

    kind: ClassVar[str] = "pool"
    kernel: PairOfCounts
    stride: PairOfCounts | None = None
    padding: PairOfNaturals = (0, 0)

    @property
    def strides(self) -> tuple[int, int]:
        return self.stride or self.kernel

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        _check_map(shape)
        sizes = [_window_count(shape[1 + i], self.kernel[i], self.strides[i], self.padding[i], 1) for i in (0, 1)]
        return (shape[0], *sizes)


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class AvgPool2d(_Pool2d):
    """Mean over windows, zeros of the padding included."""


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class SumPool2d(_Pool2d):
    """Sum over windows."""


class MaxMode(Enum):
    """What the largest of a window of spike trains is."""

    OR = "or"  # the largest value at each step: a spike where any input of the window spikes
    LEADER = "leader"  # the spikes of the input that has spiked most so far, this step included; of equals the first
    COUNT = "count"  # a spike whenever the largest number of spikes so far grows: in all the largest of their counts


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class MaxPool2d(_Pool2d):
    """Largest value of each window, in the sense of `mode`. The padding takes no part.

    The OR of spike trains does not fire at the largest of their rates, and neither need the leader's; `count` does, for
    every input and after every step, so it is the only one that `convert` takes. `leader` (Rueckauer et al., 2017) and
    `count` remember the spikes so far and take spikes of 0 or 1 only.
    """

    mode: MaxMode = MaxMode.OR

    def __post_init__(self) -> None:
        if any(2 * pad > size for pad, size in zip(self.padding, self.kernel, strict=True)):
            raise ValueError(
                f"padding {list(self.padding)} is over half of the kernel {list(self.kernel)}: windows would be empty"
            )


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class GlobalAvgPool2d:
    """Mean over the whole map of each channel: [channels, 1, 1]."""

    kind: ClassVar[str] = "pool"

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        _check_map(shape)
        return (shape[0], 1, 1)

    @staticmethod
    def as_pool(shape: Shape) -> AvgPool2d:
        """The pool with one window over the map."""
        return AvgPool2d(kernel=(shape[1], shape[2]))


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Flatten:
    """All features in a row: channels, then height, then width."""

    kind: ClassVar[str] = "reshape"

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        return (prod(shape),)


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Add:
    """Sum of the inputs, in the order in which `inputs` names them."""

    kind: ClassVar[str] = "add"

    def output_shape(self, *inputs: Shape) -> Shape:
        if len(inputs) < 2:
            raise ShapeError(f"Add expects two inputs or more, got {len(inputs)}; name them in 'inputs'")
        if len(set(inputs)) > 1:
            raise ShapeError(f"Add expects equal shapes, got {' and '.join(map(_text, inputs))}")
        return inputs[0]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Concat:
    """The inputs one after the other along the channels, in the order in which `inputs` names them."""

    kind: ClassVar[str] = "reshape"

    def output_shape(self, *inputs: Shape) -> Shape:
        if len(inputs) < 2:
            raise ShapeError(f"Concat expects two inputs or more, got {len(inputs)}; name them in 'inputs'")
        if len({shape[1:] for shape in inputs}) > 1:
            raise ShapeError(
                f"Concat expects equal shapes but for the channels, got {' and '.join(map(_text, inputs))}"
            )
        return (sum(shape[0] for shape in inputs), *inputs[0][1:])


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Scale:
    """The product factor * x. Scaled spikes are still spikes, worth something else."""

    kind: ClassVar[str] = "reshape"
    factor: Scalar

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        return shape


@dataclass(frozen=True, kw_only=True, config=CONFIG, eq=False)
class BatchNorm:
    """(x - mean) / sqrt(var + eps) * weight + bias per channel, as at inference; `convert` folds it away."""

    kind: ClassVar[str] = "norm"
    weight: Tensor
    bias: Tensor
    mean: Tensor
    var: Tensor
    eps: Positive = 1e-5

    def __post_init__(self) -> None:
        for name in ("weight", "bias", "mean", "var"):
            shape = getattr(self, name).shape
            if shape != self.mean.shape or len(shape) != 1:
                raise ValueError(
                    f"{name} has shape {_text(shape)}, expected one number per channel: {_text(self.mean.shape)}"
                )
        if (self.var < 0).any():
            raise ValueError(f"var has a negative value at index {int(np.argmax(self.var < 0))}")

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        if shape[0] != len(self.mean):
            raise ShapeError(f"mean has {len(self.mean)} channels, but the node before gives {_text(shape)}")
        return shape


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class QCFS:
    """threshold * clip(floor(z / threshold * levels + 1/2) / levels, 0, 1): the activation that `convert` makes an IF neuron."""

    kind: ClassVar[str] = "activation"
    threshold: PositiveValues  # one number, or one per channel
    levels: Count

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        spread(self.threshold, shape, "threshold")
        return shape


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class ReLU:
    """max(x, 0): the activation of a plain source network; `convert` needs `balance` to give it a threshold."""

    kind: ClassVar[str] = "activation"

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        return shape


Conv = Conv1d | Conv2d
WeightLayer = Linear | Conv1d | Conv2d
Pool = AvgPool2d | SumPool2d | MaxPool2d | GlobalAvgPool2d
Layer = WeightLayer | Pool | Flatten | Add | Concat | Scale | BatchNorm | QCFS | ReLU | Stateful
LAYERS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Layer)}
MANY_INPUTS = (Add, Concat)


def kind_of(layer: Layer) -> str:
    """weight, pool, reshape, add, norm, activation, neuron or integrator (a neuron without spikes)."""
    if isinstance(layer, LI):
        return "integrator"
    return "neuron" if isinstance(layer, Neuron) else layer.kind


def default_of(item: Any) -> Any:
    """A field's default; pydantic keeps a wrapper of its own around some."""
    return getattr(item.default, "default", item.default)


def output_shape(layer: Layer, inputs: tuple[Shape, ...]) -> Shape:
    """Shape of what the layer gives for inputs of these shapes; a ShapeError when it cannot take them."""
    if not isinstance(layer, MANY_INPUTS) and len(inputs) != 1:
        raise ShapeError(f"{type(layer).__name__} expects one input, got {len(inputs)}")
    if not isinstance(layer, Stateful):
        return layer.output_shape(*inputs)
    for name, value in numbers(layer).items():
        spread(value, inputs[0], name)
    return inputs[0]


def _check_map(shape: Shape) -> None:
    if len(shape) != 3:
        raise ShapeError(f"a pool expects channels, height, width, but the node before gives {_text(shape)}")


def _check_weight(weight: np.ndarray[Any, Any], bias: np.ndarray[Any, Any] | None, ndim: int, axes: str) -> None:
    if weight.ndim != ndim or not weight.size:
        raise ValueError(f"weight has shape {_text(weight.shape)}, expected {axes}")
    if bias is not None and bias.shape != (len(weight),):
        raise ValueError(f"bias has shape {_text(bias.shape)}, but weight has {len(weight)} outputs")


def _window_count(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    count = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    if count < 1:
        raise ShapeError(
            f"a kernel of {kernel} (dilation {dilation}) does not fit into {size} + 2 * {padding} (padding)"
        )
    return count


def _windows_over(
    size: int, kernel: int, stride: int, padding: int, dilation: int
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """For each position along one axis, how many (window, tap) pairs read it."""
    starts = np.arange(_window_count(size, kernel, stride, padding, dilation)) * stride - padding
    read = np.add.outer(starts, np.arange(kernel) * dilation).ravel()
    return np.bincount(read[(read >= 0) & (read < size)], minlength=size).astype(np.int64)


def _text(shape: Shape) -> str:
    return f"[{', '.join(map(str, shape))}]"
