"""Random ONNX graphs of operators that are read, in numbers that float64 sums exactly, made with the ONNX project's own helper."""

from dataclasses import dataclass, field
from math import prod

import numpy as np
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from refsnn.strategies import tensors

OPSETS = (7, 9, 11, 13, 18, 21, 25)


@dataclass
class Graph:
    """Operators so far; `value` is the last one's output, of samples of this shape."""

    opset: int
    shape: tuple
    value: str = "x"
    nodes: list = field(default_factory=list)
    initialisers: list = field(default_factory=list)
    first: tuple = ()

    def op(self, kind, *inputs, shape=None, **attributes):
        """Adds the operator to what is there; `inputs` come behind the last value unless one is None, which stands for it."""
        names = [self.value if i is None else i for i in (inputs if None in inputs else (None, *inputs))]
        output = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, names, [output], name=f"{kind}_{len(self.nodes)}", **attributes))
        self.value, self.shape = output, self.shape if shape is None else shape
        return output

    def constant(self, values):
        name = f"c{len(self.initialisers)}"
        self.initialisers.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def model(self):
        value = [
            helper.make_tensor_value_info(n, TensorProto.DOUBLE, ["N", *s])
            for n, s in (("x", self.first), (self.value, self.shape))
        ]
        graph = helper.make_graph(self.nodes, "drawn", value[:1], value[1:], self.initialisers)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)


def _wide(values):
    return values.astype(np.float64)


def _convolution(draw, g):
    channels, *size = g.shape
    groups = draw(st.sampled_from([n for n in (1, 2) if channels % n == 0]))
    kernel, gaps, strides = ([draw(st.integers(1, most)) for _ in size] for most in (3, 2, 2))
    kernel = [min(k, (n - 1) // d + 1) for k, n, d in zip(kernel, size, gaps, strict=True)]
    geometry = {"dilations": gaps, "strides": strides, "group": groups}
    kind = draw(st.sampled_from(["pads", "SAME_UPPER", "SAME_LOWER", "VALID"]))
    if kind.startswith("SAME") and set(gaps) != {1}:
        kind = "pads"  # the reference evaluator leaves dilations out of these
    if kind == "pads":
        geometry["pads"] = [draw(st.integers(0, 2)) for _ in size * 2]
        sums = [a + b for a, b in zip(geometry["pads"][: len(size)], geometry["pads"][len(size) :], strict=True)]
        rows = [
            (n + p - d * (k - 1) - 1) // s + 1 for n, p, d, k, s in zip(size, sums, gaps, kernel, strides, strict=True)
        ]
    else:
        geometry["auto_pad"] = kind
        rows = [
            (n - d * (k - 1) - 1) // s + 1 if kind == "VALID" else -(-n // s)
            for n, d, k, s in zip(size, gaps, kernel, strides, strict=True)
        ]
    outputs = groups * draw(st.integers(1, 2))
    weight = g.constant(_wide(draw(tensors((outputs, channels // groups, *kernel)))))
    bias = [g.constant(_wide(draw(tensors((outputs,)))))] if draw(st.booleans()) else []
    g.op("Conv", weight, *bias, shape=(outputs, *rows), kernel_shape=kernel, **geometry)
    if not bias and draw(st.booleans()):
        g.op(draw(st.sampled_from(["Add", "Sub"])), g.constant(_wide(draw(tensors((1, outputs, *[1] * len(size)))))))


def _padded(draw, g):
    around = [0, 0, *(draw(st.integers(0, 2)) for _ in range(2)), 0, 0, *(draw(st.integers(0, 2)) for _ in range(2))]
    shape = (g.shape[0], *(n + around[i] + around[i + 4] for i, n in enumerate(g.shape[1:], 2)))
    if g.opset < 11:
        g.op("Pad", shape=shape, pads=around)
    else:
        g.op("Pad", g.constant(np.array(around)), shape=shape)
    _convolution(draw, g)


def _pool(draw, g):
    kernel = [draw(st.sampled_from([k for k in (1, 2) if k <= n])) for n in g.shape[1:]]
    strides = [draw(st.integers(1, 2)) for _ in kernel]
    pads = [draw(st.integers(0, k - 1)) for k in kernel]
    shape = (
        g.shape[0],
        *((n + 2 * p - k) // s + 1 for n, p, k, s in zip(g.shape[1:], pads, kernel, strides, strict=True)),
    )
    mean = draw(st.booleans())
    more = {"count_include_pad": 1} if mean else {}
    g.op("AveragePool" if mean else "MaxPool", shape=shape, kernel_shape=kernel, strides=strides, pads=pads * 2, **more)


def _clipped(g, value, low, high):
    if g.opset < 11:
        return g.op("Clip", value, min=float(low), max=float(high))
    return g.op("Clip", value, g.constant(np.float64(low)), g.constant(np.float64(high)))


def _quantised(draw, g):
    """QCFS as different programs write it; thresholds and levels are powers of two, so that float64 has every step exactly."""
    levels = draw(st.sampled_from([1, 2, 4, 8]))
    theta = draw(st.sampled_from([0.5, 1.0, 2.0]))
    if draw(st.booleans()):
        theta = np.array([draw(st.sampled_from([0.5, 1.0, 2.0])) for _ in range(g.shape[0])]).reshape(
            -1, *[1] * (len(g.shape) - 1)
        )
    t, n, half = (g.constant(np.float64(v)) for v in (theta, levels, 0.5))
    form = draw(st.sampled_from(["clip first", "clip last", "step", "relu", "half first", "minimum"]))
    if form == "clip first":
        (
            g.op("Div", t),
            _clipped(g, None, 0, 1),
            g.op("Mul", n),
            g.op("Add", half),
            g.op("Floor"),
            g.op("Div", n),
            g.op("Mul", t),
        )
    elif form == "clip last":
        (
            g.op("Div", t),
            g.op("Mul", n, None),
            g.op("Add", half, None),
            g.op("Floor"),
            g.op("Div", n),
            _clipped(g, None, 0, 1),
            g.op("Mul", t, None),
        )
    elif form == "step":  # one division by the step, one multiplication by it
        step = g.constant(np.float64(theta) / levels)
        g.op("Div", step), g.op("Add", half), g.op("Floor"), _clipped(g, None, 0, levels), g.op("Mul", step)
    elif form == "relu":
        (
            g.op("Relu"),
            g.op("Div", t),
            g.op("Mul", n),
            g.op("Add", half),
            g.op("Floor"),
            _clipped(g, None, -3, levels),
            g.op("Div", n),
            g.op("Mul", t),
        )
    elif form == "half first":  # (x + theta / 2L) / theta * L
        shift = g.constant(np.float64(theta) / levels / 2)
        (
            g.op("Add", shift),
            g.op("Div", t),
            g.op("Mul", n),
            g.op("Floor"),
            g.op("Div", n),
            _clipped(g, None, 0, 1),
            g.op("Mul", t),
        )
    else:
        (
            g.op("Max", g.constant(np.float64(0))),
            g.op("Min", t),
            g.op("Div", t),
            g.op("Mul", n),
            g.op("Sub", g.constant(np.float64(-0.5))),
        )
        g.op("Floor"), g.op("Mul", t), g.op("Div", n)


def _joined(draw, g):
    first = g.value
    shape = g.shape
    g.op("Relu")
    kind = draw(st.sampled_from(["Add", "Sub", "Concat", "Sum"]))
    if kind == "Concat":
        g.op("Concat", None, first, shape=(2 * shape[0], *shape[1:]), axis=1)
    else:
        g.op(kind, None, first)


def _scaled(draw, g):
    kind = draw(st.sampled_from(["Mul", "Div"]))
    g.op(kind, g.constant(np.float64(draw(st.sampled_from([0.5, -2.0, 4.0])))))


def _handed_on(draw, g):
    kind = draw(st.sampled_from(["Identity", "Dropout", "Relu"]))
    g.op(kind)


def _flattened(draw, g):
    features = prod(g.shape)
    kind = draw(st.sampled_from(["Flatten", "Reshape", "Shape"]))
    if kind == "Flatten":
        g.op("Flatten", shape=(features,), axis=1)
    elif kind == "Reshape":
        target = draw(st.sampled_from([[0, -1], [-1, features], [0, features]]))
        g.op("Reshape", g.constant(np.array(target)), shape=(features,))
    else:
        value, shape = g.value, g.shape
        g.op("Shape"), g.op("Gather", g.constant(np.array(0)), axis=0)
        if g.opset < 13:
            g.op("Unsqueeze", axes=[0])
        else:
            g.op("Unsqueeze", g.constant(np.array([0])))
        target = g.op("Concat", None, g.constant(np.array([-1])), axis=0)
        g.value, g.shape = value, shape
        g.op("Reshape", target, shape=(features,))


def _averaged(draw, g):
    keeps = draw(st.booleans())
    shape = (g.shape[0], 1, 1) if keeps else (g.shape[0],)
    if keeps and draw(st.booleans()):
        g.op("GlobalAveragePool", shape=shape)
    elif g.opset < 18:
        g.op("ReduceMean", shape=shape, axes=[2, 3], keepdims=int(keeps))
    else:
        g.op("ReduceMean", g.constant(np.array([-2, 3])), shape=shape, keepdims=int(keeps))


def _linear(draw, g):
    outputs = draw(st.integers(1, 4))
    weight = _wide(draw(tensors((outputs, g.shape[0]))))
    bias = _wide(draw(tensors((outputs,))))
    kind = draw(st.sampled_from(["Gemm", "MatMul", "transposed"]))
    if kind == "Gemm":
        alpha, beta = (draw(st.sampled_from([1.0, 0.5, -2.0])) for _ in "ab")
        numbers = (np.float32(weight), np.float32(bias))  # float64 weights times alpha would be rounded
        if alpha == beta == 1:
            numbers = (weight, bias)
        names = [g.constant(n) for n in numbers]
        if numbers[0].dtype != np.float64:
            names = [_cast(g, name) for name in names]
        g.op("Gemm", *names, shape=(outputs,), alpha=alpha, beta=beta, transB=1)
    elif kind == "MatMul":
        g.op("MatMul", g.constant(weight.T.copy()), shape=(outputs,))
        g.op("Add", None, g.constant(bias)) if draw(st.booleans()) else g.op("Add", g.constant(bias), None)
    else:
        turned = f"t{len(g.nodes)}"
        g.nodes.append(helper.make_node("Transpose", [g.constant(weight)], [turned], perm=[1, 0]))
        g.op("MatMul", turned, shape=(outputs,))


def _cast(g, name):
    g.nodes.append(helper.make_node("Cast", [name], [f"{name}_wide"], to=TensorProto.DOUBLE))
    return f"{name}_wide"


@st.composite
def graphs(draw):
    """A graph; shrinks to one Flatten and one Gemm."""
    shape = (draw(st.sampled_from([1, 2])), draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    g = Graph(draw(st.sampled_from(OPSETS)), shape, first=shape)
    blocks = (_convolution, _padded, _pool, _quantised, _joined, _scaled, _handed_on)
    for block in draw(st.lists(st.sampled_from(blocks), max_size=4)):
        block(draw, g)
    if prod(g.shape[1:]) in (1, 2, 4, 8, 16) and draw(st.booleans()):
        _averaged(draw, g)
    _flattened(draw, g)
    for _ in range(draw(st.integers(0, 2))):
        _linear(draw, g)
        draw(st.sampled_from((_quantised, _handed_on)))(draw, g)
    _linear(draw, g)
    return g
