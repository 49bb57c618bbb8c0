"""Which ONNX operators are read, by what, and with which inputs and attributes."""

from collections.abc import Callable, Mapping

import numpy as np

from refsnn.formats.onnx import elements, maps, shapes, weights
from refsnn.formats.onnx.builder import Builder
from refsnn.formats.onnx.graph import OnnxNode
from refsnn.formats.refusals import shown

Read = Callable[[Builder, OnnxNode], None]
POOL = "kernel_shape strides pads auto_pad dilations ceil_mode"
QUANTISER = "axis saturate block_size output_dtype precision"
# operator -> what reads it, and the attributes that it may have
OPERATORS: Mapping[str, tuple[Read, str]] = {
    "Add": (elements.add, "broadcast"),
    "AveragePool": (maps.average_pool, f"{POOL} count_include_pad"),
    "BatchNormalization": (weights.batch_norm, "epsilon momentum training_mode spatial is_test"),
    "Cast": (shapes.hand_on, "to saturate round_mode"),
    "Clip": (elements.clip, "min max"),
    "Concat": (shapes.concat, "axis"),
    "Conv": (weights.conv, "kernel_shape strides pads auto_pad dilations group"),
    "Div": (elements.divide, "broadcast"),
    "Dropout": (shapes.hand_on, "ratio seed is_test"),
    "Flatten": (shapes.flatten, "axis"),
    "Gather": (shapes.gather, "axis"),
    "Gemm": (weights.gemm, "alpha beta transA transB broadcast"),
    "GlobalAveragePool": (maps.global_average_pool, ""),
    "Identity": (shapes.hand_on, ""),
    "LogSoftmax": (shapes.softmax, "axis"),
    "MatMul": (weights.matmul, ""),
    "MaxPool": (maps.max_pool, f"{POOL} storage_order"),
    "Mul": (elements.multiply, "broadcast"),
    "Pad": (maps.pad, "mode pads paddings value"),
    "ReduceMean": (maps.reduce_mean, "axes keepdims noop_with_empty_axes"),
    "Relu": (elements.relu, ""),
    "Reshape": (shapes.reshape, "shape allowzero"),
    "Shape": (shapes.shape, ""),
    "Softmax": (shapes.softmax, "axis"),
    "Squeeze": (shapes.squeeze, "axes"),
    "Sub": (elements.subtract, "broadcast"),
    "Sum": (elements.add, ""),
    "Transpose": (shapes.transpose, "perm"),
    "Unsqueeze": (shapes.unsqueeze, "axes"),
}
UNSET = ("block_size", "output_dtype", "precision")  # allowed only as 0, which says nothing
# attribute -> what it has to be, where that is no whole number
KINDS: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(
        [
            "kernel_shape",
            "strides",
            "pads",
            "paddings",
            "dilations",
            "axes",
            "perm",
            "shape",
            "value_ints",
            "value_floats",
        ],
        (tuple,),
    ),
    **dict.fromkeys(["alpha", "beta", "epsilon", "momentum", "ratio", "min", "max", "value_float"], (float,)),
    **dict.fromkeys(["auto_pad", "mode", "round_mode"], (bytes,)),
    "value": (float, np.ndarray),
}
# read as part of QCFS, or where every input is in the file
PARTS: Mapping[str, str] = {
    "Floor": "", "Round": "", "Max": "", "Min": "", "QuantizeLinear": QUANTISER, "DequantizeLinear": QUANTISER,
    "Constant": "value value_float value_floats value_int value_ints", "Neg": "", "Sqrt": "",
    "ConstantOfShape": "value", "Slice": "",
}  # fmt: skip
MOST_INPUTS: Mapping[str, int] = {
    **dict.fromkeys(
        ["Add", "Div", "Gather", "MatMul", "Mul", "ReduceMean", "Reshape", "Squeeze", "Sub", "Unsqueeze"], 2
    ),
    **dict.fromkeys(["Clip", "Conv", "DequantizeLinear", "Dropout", "Gemm", "QuantizeLinear"], 3),
    "Pad": 4,
    "BatchNormalization": 5,
    "Slice": 5,
    **dict.fromkeys(["Concat", "Max", "Min", "Sum"], 1 << 16),
}  # of the others one
SUPPORTED = ", ".join(sorted([*OPERATORS, *PARTS]))


def check(b: Builder, node: OnnxNode) -> None:
    """Raises for an operator or attribute that nothing here reads."""
    if node.domain or node.op not in (*OPERATORS, *PARTS):
        what = f"operator {shown(node.op, 40)!r}" + (f" of {shown(node.domain, 40)!r}" if node.domain else "")
        b.refuse(node, f"{what} has no layer that says it exactly", f"supported: {SUPPORTED}")
    if len(node.inputs) not in range(node.op != "Constant", MOST_INPUTS.get(node.op, 1) + 1):
        b.refuse(node, f"has {len(node.inputs)} inputs", "export it again", "damaged")
    if not node.outputs or not node.outputs[0]:
        b.refuse(node, "gives nothing", code="damaged")
    allowed = (OPERATORS[node.op][1] if node.op in OPERATORS else PARTS[node.op]).split()
    for attribute, held in node.attributes.items():
        if not isinstance(held, KINDS.get(attribute, (int,))) or (
            isinstance(held, tuple) and attribute != "value_floats" and not all(isinstance(n, int) for n in held)
        ):
            b.refuse(node, f"attribute {shown(attribute, 40)!r} is {type(held).__name__}", "export it again", "damaged")
        if attribute not in allowed or (attribute in UNSET and held):
            b.refuse(
                node,
                f"attribute {shown(attribute, 40)!r} is not read",
                f"its attributes are {', '.join(allowed) or 'none'}",
            )
