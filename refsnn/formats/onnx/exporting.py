"""A source network as ONNX bytes: the same network gives the same bytes, and read again it is the same network."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from refsnn.errors import UnsupportedLayerError
from refsnn.files import write_atomic
from refsnn.formats.onnx.tensors import BFLOAT16, TYPES
from refsnn.formats.onnx.wire import encoded
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
    MaxMode,
    MaxPool2d,
    ReLU,
    Scale,
    SumPool2d,
)  # fmt: skip
from refsnn.network import INPUT, Network, Node

Array = np.ndarray[Any, Any]
OPSET, IR_VERSION = 13, 8  # what every runtime of the last years reads
DATA_TYPES = {np.dtype(text): number for number, (text, _) in TYPES.items() if number != BFLOAT16}
FLOAT, INT, INTS = 1, 2, 7  # types of attributes


@dataclass(frozen=True)
class Exported:
    """The file, and what it cannot say."""

    content: bytes
    remarks: tuple[str, ...]


def write_onnx(network: Network, path: str | Path) -> tuple[str, ...]:
    """Write the source network; what ONNX cannot say comes back as sentences. The file is whole or not there."""
    made = onnx_bytes(network)
    write_atomic(path, made.content)
    return made.remarks


def onnx_bytes(network: Network) -> Exported:
    """The source network in float32, or in float64 where it has numbers that float32 does not.

    Weights keep their own type; a Cast that changes no number stands behind those of another. QCFS is written as Div, Clip, Mul,
    Add, Floor, Div, Mul; the last one has the node's name, the others have none.
    Raises UnsupportedLayerError for a network with neurons or delays, and for numbers that float64 does not hold.
    """
    _refuse_steps(network)
    export = _Export(network, _number_type(network))
    for node in network.nodes:
        export.write(node)
    return Exported(encoded("model", export.model()), tuple(export.remarks))


def _refuse_steps(network: Network) -> None:
    for node in network.nodes:
        found = f"an edge with a delay of {max(node.delays)}" if any(node.delays) else type(node.layer).__name__
        if any(node.delays) or not isinstance(node.layer, WRITTEN):
            raise UnsupportedLayerError(
                f"{node.name}: {found} needs steps, which ONNX has no operator for; write the source network, from before "
                "'convert', or the spiking one with 'dump' or as NIR"
            )


def _number_type(network: Network) -> np.dtype[Any]:
    """float32 if it holds every number of the network, otherwise float64."""
    narrow = True
    for node in network.nodes:
        for name in (item.name for item in fields(node.layer)):
            value = getattr(node.layer, name)
            if not isinstance(value, float | np.ndarray) or name == "eps":
                continue
            values = np.asarray(value)
            if values.dtype.newbyteorder("<") not in DATA_TYPES or not _held(values, np.dtype("<f8")):
                raise UnsupportedLayerError(
                    f"{node.name}: {name} of {values.dtype} holds numbers that float64 does not; round them"
                )
            narrow = narrow and _held(values, np.dtype("<f4"))
    return np.dtype("<f4") if narrow else np.dtype("<f8")


def _held(values: Array, dtype: np.dtype[Any]) -> bool:
    with np.errstate(over="ignore"):
        there = values.astype(dtype)
        # whole numbers come back as Python's: int64 and float64 are compared as float64 otherwise
        return bool((there == values).all()) and (
            values.dtype.kind == "f" or there.astype(object).tolist() == values.tolist()
        )


@dataclass
class _Export:
    """Lives for one call of onnx_bytes."""

    network: Network
    dtype: np.dtype[Any]
    nodes: list[dict[str, Any]] = field(default_factory=list)
    tensors: list[dict[str, Any]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.taken = {INPUT, *(node.name for node in self.network.nodes)}

    def write(self, node: Node) -> None:
        """The operators of one node; the last one has its name, and gives a value of that name."""
        layer: Any = node.layer
        x = node.inputs[0]
        match layer:
            case Linear():
                self._weighted(node, "Gemm", transB=1)
            case Conv1d():
                pads = [layer.padding] * 2
                self._weighted(
                    node, "Conv", strides=[layer.stride], pads=pads, dilations=[layer.dilation], group=layer.groups
                )
            case Conv2d():
                geometry = {"strides": [*layer.stride], "pads": [*layer.padding] * 2, "dilations": [*layer.dilation]}
                self._weighted(node, "Conv", **geometry, group=layer.groups)
            case AvgPool2d():
                self._op("AveragePool", [x], node.name, node.name, **_windows(layer), count_include_pad=1)
            case SumPool2d():
                mean = self._op(
                    "AveragePool", [x], self._free(f"{node.name}/mean"), **_windows(layer), count_include_pad=1
                )
                self._op("Mul", [mean, self._number(node, "area", prod(layer.kernel))], node.name, node.name)
            case MaxPool2d():
                self._op("MaxPool", [x], node.name, node.name, **_windows(layer))
                if layer.mode is not MaxMode.OR:
                    self.remarks.append(
                        f"{node.name}: ONNX does not say that the mode is {layer.mode.value}; give it when you read"
                    )
            case BatchNorm():
                self._batch_norm(node, layer)
            case Scale():
                self._op("Mul", [x, self._number(node, "factor", layer.factor)], node.name, node.name)
            case QCFS():
                self._quantise(node, layer)
            case Add():
                self._op("Add" if len(node.inputs) == 2 else "Sum", node.inputs, node.name, node.name)
            case Concat() | Flatten():
                self._op(type(layer).__name__, node.inputs, node.name, node.name, axis=1)
            case ReLU() | GlobalAvgPool2d():
                self._op("Relu" if isinstance(layer, ReLU) else "GlobalAveragePool", [x], node.name, node.name)

    def _weighted(self, node: Node, op: str, **attributes: Any) -> None:
        layer: Any = node.layer
        names = ["weight", "bias"] if layer.bias is not None else ["weight"]
        self._op(
            op,
            [node.inputs[0], *(self._tensor(node, n, getattr(layer, n)) for n in names)],
            node.name,
            node.name,
            **attributes,
        )

    def _batch_norm(self, node: Node, layer: BatchNorm) -> None:
        parameters = [self._tensor(node, name, getattr(layer, name)) for name in ("weight", "bias", "mean", "var")]
        eps = float(np.float32(layer.eps))
        if eps == 0 or not np.isfinite(eps):
            raise UnsupportedLayerError(f"{node.name}: eps {layer.eps:g} is beyond float32, in which ONNX has it")
        if eps != layer.eps:
            self.remarks.append(f"{node.name}: ONNX has eps in float32: {layer.eps!r} became {eps!r}")
        self._op("BatchNormalization", [node.inputs[0], *parameters], node.name, node.name, epsilon=eps)

    def _quantise(self, node: Node, layer: QCFS) -> None:
        """Threshold * clip(floor(x / threshold * levels + 1/2) / levels, 0, 1), clipped before the floor as in training."""
        shape = self.network.shapes[node.name]
        values = np.asarray(layer.threshold)
        channels = values.reshape(-1, *[1] * (len(shape) - 1)) if values.ndim == 1 else values
        threshold = self._tensor(node, "threshold", channels.astype(self.dtype))
        levels, zero, one, half = (
            self._number(node, name, value)
            for name, value in (("levels", layer.levels), ("0", 0), ("1", 1), ("half", 0.5))
        )
        value = node.inputs[0]
        for op, *operands in (
            ("Div", threshold),
            ("Clip", zero, one),
            ("Mul", levels),
            ("Add", half),
            ("Floor",),
            ("Div", levels),
        ):
            value = self._op(op, [value, *operands], self._free(f"{node.name}/{op.lower()}"))
        self._op("Mul", [value, threshold], node.name, node.name)

    def _op(self, op: str, inputs: Iterable[str], output: str, name: str = "", **attributes: Any) -> str:
        """The operator's output."""
        described = [_attribute(key, value) for key, value in sorted(attributes.items())]
        self.nodes.append(
            {"input": list(inputs), "output": [output], "name": name, "op_type": op, "attribute": described}
        )
        return output

    def _number(self, node: Node, name: str, value: float) -> str:
        return self._tensor(node, name, np.asarray(value, self.dtype))

    def _tensor(self, node: Node, name: str, values: Array) -> str:
        """The name under which the numbers stand, in the type in which the network is computed."""
        held, little = self._free(f"{node.name}.{name}"), values.astype(values.dtype.newbyteorder("<"))
        self.tensors.append({"dims": list(values.shape), "data_type": DATA_TYPES[little.dtype], "name": held,
                             "raw_data": little.tobytes()})  # fmt: skip
        if little.dtype == self.dtype:
            return held
        return self._op("Cast", [held], self._free(f"{held}/cast"), to=DATA_TYPES[self.dtype])

    def _free(self, wanted: str) -> str:
        """A name for a value that nothing has yet."""
        name, number = wanted, 2
        while name in self.taken:
            name, number = f"{wanted}_{number}", number + 1
        self.taken.add(name)
        return name

    def model(self) -> dict[str, Any]:
        network, last = self.network, self.network.nodes[-1].name
        graph = {
            "node": self.nodes, "name": network.name or "network", "initializer": self.tensors,
            "input": [self._value(INPUT, network.input_shape)], "output": [self._value(last, network.shapes[last])],
        }  # fmt: skip
        return {
            "ir_version": IR_VERSION,
            "producer_name": "refsnn",
            "graph": graph,
            "opset_import": [{"version": OPSET}],
        }

    def _value(self, name: str, shape: tuple[int, ...]) -> dict[str, Any]:
        dims = [{"dim_param": "N"}, *({"dim_value": size} for size in shape)]
        return {"name": name, "type": {"tensor_type": {"elem_type": DATA_TYPES[self.dtype], "shape": {"dim": dims}}}}


def _windows(pool: Any) -> dict[str, Any]:
    return {"kernel_shape": [*pool.kernel], "strides": [*pool.strides], "pads": [*pool.padding] * 2}


def _attribute(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        return {"name": name, "ints": value, "type": INTS}
    return (
        {"name": name, "f": value, "type": FLOAT}
        if isinstance(value, float)
        else {"name": name, "i": value, "type": INT}
    )


WRITTEN = (
    Linear, Conv1d, Conv2d, AvgPool2d, SumPool2d, MaxPool2d, GlobalAvgPool2d, Flatten, Add, Concat, Scale, BatchNorm, QCFS, ReLU,
)  # fmt: skip
