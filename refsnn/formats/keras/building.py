"""What Keras' layers are made into: nodes, and a report that has every tensor once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from refsnn.errors import FormatError, ShapeError
from refsnn.formats.load_report import Entry, Fate
from refsnn.formats.model_file import Array, ModelFile
from refsnn.formats.refusals import refusal, refuse
from refsnn.layers import Layer, ReLU, output_shape
from refsnn.network import Node

Sides = tuple[int, ...]
Config = Mapping[str, Any]
PLAIN = "replace it, or save the weights as npz and name the layers in a spec"
AGAIN = "save the model again"
NO_PADDING: tuple[tuple[tuple[int, int], ...], ...] = (
    (),
    ((0, 0),),
    ((0, 0), (0, 0)),
)  # by number of axes beside channels


@dataclass(frozen=True, eq=False)
class Value:
    """What a layer gives: the node that has it and its shape, as far as we have nodes for it."""

    node: str
    shape: tuple[int, ...]  # channels first
    order: Array | None  # of features behind a Flatten: the number in Keras' order of each of ours; None: the same
    padding: tuple[tuple[int, int], ...]  # zeros that ZeroPadding put around it, which the next convolution takes


@dataclass(frozen=True, eq=False)
class Building:
    """The network so far."""

    model: ModelFile
    nodes: list[Node]
    entries: dict[str, Entry]  # by the tensor's name

    def refuse(self, name: str, what: str, remedy: str = PLAIN) -> NoReturn:
        refuse("unsupported-node", self.model.path, name, what, remedy)

    def add(self, name: str, layer: Layer, *values: Value) -> Value:
        """The node, which reads the values; features in another order than Keras' keep theirs."""
        for value in values:
            self.plain(name, value)
        try:
            shape = output_shape(layer, tuple(value.shape for value in values))
        except ShapeError as error:
            raise refusal("damaged", self.model.path, name, str(error), AGAIN) from error
        self.nodes.append(Node(name, layer, tuple(value.node for value in values)))
        return Value(name, shape, values[0].order, NO_PADDING[len(shape) - 1])

    def plain(self, name: str, value: Value) -> None:
        if any(map(any, value.padding)):
            self.refuse(name, "a ZeroPadding with another reader than a convolution")

    def tensor(self, name: str, axes: int, what: str, *keys: str) -> Array:
        """The tensor under the first of the names that the file has; `what` it becomes goes to the report."""
        found = next((f"{name}/{key}" for key in keys if f"{name}/{key}" in self.model.tensors), None)
        if found is None:
            refuse("damaged", self.model.path, f"{name}/{keys[0]}", "is not in the file", AGAIN)
        value = self.model.tensors[found]
        if value.ndim != axes or value.dtype.kind != "f" or not value.size:
            refuse("damaged", self.model.path, found,
                   f"expected floats with {axes} axes, got {value.dtype} {list(value.shape)}", AGAIN)  # fmt: skip
        self.entries[found] = Entry(Fate.MAPPED, found, what, value.shape, str(value.dtype))
        return value

    def remark(self, name: str, what: str) -> None:
        """Say more about the kernel of the layer that was read last."""
        last = [key for key in self.entries if key.startswith(f"{name}/") and key.endswith("kernel")][-1]
        self.entries[last] = replace(self.entries[last], what=f"{self.entries[last].what}; {what}")

    def bias(self, name: str, config: Config) -> Array | None:
        return self.tensor(name, 1, f"{name}.bias", "bias") if config.get("use_bias", True) else None

    def made(self, name: str, kind: Callable[..., Layer], **given: Any) -> Layer:
        """The layer, or a LoadError with what is wrong with its numbers."""
        try:
            return kind(**given)
        except FormatError as error:
            raise refusal("not-finite", self.model.path, name, str(error), "train it again") from error
        except (ValueError, TypeError) as error:
            raise refusal("damaged", self.model.path, name, f"no layer of ours: {error}", AGAIN) from error


def checked(b: Building, name: str, order: Array, count: int) -> Array:
    if len(order) != count:
        refuse(
            "damaged",
            b.model.path,
            name,
            f"kernel has {count} inputs, but {len(order)} come in",
            AGAIN,
        )
    return order


def activated(b: Building, name: str, activation: Any, value: Value, end: bool, *, own: bool = False) -> Value:
    """The activation as a node: of its own layer under its name, of another one under name.relu."""
    if activation not in (None, "linear", "relu", *(["softmax"] if end else [])):
        told = activation if isinstance(activation, str) else "a function of its own"
        b.refuse(name, f"activation {told!r}", "relu, linear, and softmax at the end are read")
    if activation == "relu":
        return b.add(name if own else f"{name}.relu", ReLU(), value)
    if activation == "softmax":
        what = "left out: the largest output stays the largest"
        b.entries[f"{name}/softmax"] = Entry(Fate.IGNORED, f"{name}/softmax", what)
    return value


def same_sides(
    b: Building, name: str, config: Config, sizes: list[int], kernel: Sides, stride: Sides, dilation: Sides
) -> list[tuple[int, int]]:
    """Zeros before and behind each axis. 'same': outputs = ceil(size / stride), the odd zero behind; 'causal': all before."""
    padding = config.get("padding", "valid")
    if padding == "valid":
        return [(0, 0)] * len(kernel)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    if padding == "causal" and len(kernel) == 1:
        return [(reach[0] - 1, 0)]
    if padding != "same":
        b.refuse(name, f"padding {padding!r}", "'valid', 'same' and (Conv1D) 'causal' are read")
    totals = [max((-(-n // s) - 1) * s + r - n, 0) for n, s, r in zip(sizes, stride, reach, strict=True)]
    return [(total // 2, total - total // 2) for total in totals]


def channels_last(b: Building, name: str, config: Config) -> None:
    if config.get("data_format", "channels_last") != "channels_last":
        b.refuse(name, f"data_format {config['data_format']!r}", "save the model with data_format='channels_last'")


def setting(b: Building, name: str, config: Config, key: str, axes: int) -> Sides:
    """The setting as one whole number for each axis; 1 where it is missing."""
    told = config.get(key, 1)
    told = [told] * axes if isinstance(told, int) else told
    if not isinstance(told, list) or len(told) != axes:
        refuse("damaged", b.model.path, name, f"{key} is {told!r}", AGAIN)
    return tuple(count(b, name, number, key) for number in told)


def count(b: Building, name: str, value: Any, key: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 1 << 16:
        refuse("damaged", b.model.path, name, f"{key} is {value!r}", AGAIN)
    return value
