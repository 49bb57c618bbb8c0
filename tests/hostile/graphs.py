"""ONNX files that point elsewhere, contain themselves, or lie about numbers."""

import struct

from hostile import valid
from hostile.cases import OPENED, case
from hostile.wires import chunk, external, gemm, graph, node, onnx, value_info, varint, weights, whole

LIES = ("damaged", "truncated", "size-lie", "too-large", "expansion")
OUTSIDE = ("outside-file", "damaged", "size-lie", "unsafe-name")
NODE = ("unsupported-node", "damaged", "missing-semantics")
SECRET = b"not for you" * 10


def outside():
    """External data: to anywhere, and to where it would be allowed had it been asked for."""
    places = {
        "up": "../secret.bin", "far-up": "../../../../../../etc/hostname", "absolute": "/etc/hostname", "beside": "beside.bin",
        "proc": "/proc/self/environ", "uri": "file:///etc/hostname", "http": "http://localhost/w", "nul": "a\0b", "empty": "",
        "dot": ".", "backslash": "..\\secret.bin", "symlink": "link.bin", "double": "a/../../secret.bin", "device": "/dev/zero",
        "long": "a/" * 3000 + "b", "encoded": "%2e%2e/secret.bin",
    }  # fmt: skip
    for name, location in places.items():
        model = onnx(graph(initializers=(weights(raw=None, rest=external(location=location)),)))
        yield case(
            f"onnx/external-{name}.onnx", model, *OUTSIDE, beside={"beside.bin": bytes(24), "link.bin": "/etc/hostname"}
        )
    odd = {
        "length-huge": {"location": "beside.bin", "offset": "0", "length": str(1 << 60)},
        "offset-negative": {"location": "beside.bin", "offset": "-24"},
        "offset-text": {"location": "beside.bin", "offset": "__import__('os')"},
        "more-keys": {"location": "beside.bin", "__class__": "x", "basepath": "/etc"},
        "no-location": {"offset": "0"},
    }
    for name, pairs in odd.items():
        model = onnx(graph(initializers=(weights(raw=None, rest=external(**pairs)),)))
        yield case(f"onnx/external-{name}.onnx", model, *OUTSIDE, beside={"beside.bin": bytes(24)})
    both = onnx(graph(initializers=(weights(rest=external(location="beside.bin")),)))
    yield case("onnx/external-and-raw.onnx", both, *OUTSIDE, beside={"beside.bin": bytes(24)})
    constant = node(
        "Constant",
        [],
        ["w"],
        chunk(5, chunk(1, "value") + chunk(5, weights(raw=None, rest=external(location="../x"))) + whole(20, 4)),
    )
    yield case("onnx/external-in-constant.onnx", onnx(graph((constant, gemm()), ())), *OUTSIDE, "unsupported-node")
    inner = chunk(
        5,
        chunk(1, "body")
        + chunk(6, graph(initializers=(weights(raw=None, rest=external(location="/etc/hostname")),)))
        + whole(20, 5),
    )
    yield case(
        "onnx/external-in-subgraph.onnx", onnx(graph((node("If", ["x"], ["y"], inner),))), *OUTSIDE, "unsupported-node"
    )


def tensors():
    """name, TensorProto, codes."""
    yield "raw-short", weights(raw=bytes(20)), LIES
    yield "raw-long", weights(raw=bytes(28)), LIES
    yield "raw-none", weights(raw=None), LIES
    yield "dims-negative", weights(dims=(-2, -3)), LIES
    yield "dims-huge", weights(dims=(1 << 40, 1 << 10)), LIES
    yield "dims-overflow", weights(dims=(1 << 32, 1 << 32), raw=b""), LIES
    yield "dims-overflow-to-six", weights(dims=((1 << 63) + 3, 2)), LIES
    yield "dims-zero-times-huge", weights(dims=(0, 1 << 62), raw=b""), (*LIES, "ShapeError", "unsupported-node")
    yield "dims-many", weights(dims=(1,) * 70, raw=bytes(4)), LIES
    yield "kind-strings", weights(kind=8, raw=None, rest=chunk(6, "a") * 6), ("unsupported-type", *LIES, *NODE)
    yield "kind-complex", weights(kind=14, raw=bytes(48)), ("unsupported-type", *LIES, *NODE)
    yield "kind-unknown", weights(kind=99), ("unsupported-type", *LIES, *NODE)
    yield "kind-none", weights(kind=0), ("unsupported-type", *LIES, *NODE)
    yield "kind-fp8", weights(kind=17, raw=bytes(6)), ("unsupported-type", *LIES, *NODE)
    yield "kind-int4", weights(kind=22, raw=bytes(3)), ("unsupported-type", *LIES, *NODE)
    yield "floats-short", weights(raw=None, rest=chunk(4, bytes(20))), LIES
    yield "floats-odd", weights(raw=None, rest=chunk(4, bytes(23))), LIES
    yield "floats-and-raw", weights(rest=chunk(4, bytes(24))), (*LIES, "overlap")
    yield "segment", weights(rest=chunk(3, whole(1, 0) + whole(2, 1 << 40))), (*LIES, "unsupported-type")


def nodes():
    """name, GraphProto, codes: operators and edges."""
    yield "custom-domain", graph((node("Gemm", ["x", "w"], ["y"], chunk(7, "com.evil")),)), NODE
    yield (
        "custom-op",
        graph((node("PyOp", ["x"], ["y"], chunk(5, chunk(1, "code") + chunk(4, "os.system") + whole(20, 3))),)),
        NODE,
    )
    yield "op-named-eval", graph((node("__class__", ["x"], ["y"]),)), NODE
    yield "op-empty", graph((node("", ["x"], ["y"]),)), NODE
    yield "cycle", graph((node("Add", ["x", "z"], ["y"]), node("Relu", ["y"], ["z"]))), ("cycle", *NODE)
    yield "own-input", graph((node("Relu", ["y"], ["y"]),)), ("cycle", *NODE)
    yield "output-twice", graph((node("Relu", ["x"], ["y"]), node("Relu", ["x"], ["y"]))), ("duplicate-name", *NODE)
    yield "initializer-twice", graph(initializers=(weights(), weights())), ("duplicate-name", *NODE)
    yield "dangling", graph((node("Relu", ["nowhere"], ["y"]),)), NODE
    yield "no-output", graph((node("Relu", ["x"], ["z"]),)), NODE
    yield (
        "input-huge",
        whole(99, 1) + graph((gemm(),)).replace(value_info("x", 1, 3), value_info("x", 1, 1 << 62)),
        (*NODE, "ShapeError", *LIES),
    )
    yield (
        "sparse",
        graph(rest=chunk(15, chunk(1, weights()) + chunk(2, weights("i", (1,), 7, bytes(8))) + whole(3, 1 << 40))),
        (*NODE, "unsupported-type"),
    )
    yield "quantised", graph(rest=chunk(14, chunk(1, "w"))), (*NODE, "unsupported-type", OPENED)
    inner = graph()
    for _ in range(300):
        body = chunk(5, chunk(1, "body") + chunk(6, inner) + whole(20, 5))
        inner = graph((node("If", ["x"], ["y"], body),))
    yield "subgraphs-deep", inner, ("nesting", *NODE)
    wide = b"".join(chunk(5, chunk(1, f"a{i}") + whole(3, i) + whole(20, 2)) for i in range(20_000))
    yield "attributes-many", graph((node("Relu", ["x"], ["y"], wide),)), ("nesting", "too-large", *NODE)
    yield (
        "pads-huge",
        graph((node("MaxPool", ["x"], ["y"], chunk(5, chunk(1, "kernel_shape") + whole(8, 1 << 62) + whole(20, 7))),)),
        NODE,
    )
    yield (
        "reshape-huge",
        graph((node("Reshape", ["x", "s"], ["y"]),), (weights("s", (1,), 7, struct.pack("<q", 1 << 62)),)),
        (*NODE, "ShapeError", *LIES),
    )
    expand = weights("s", (1,), 7, struct.pack("<q", 1 << 33))
    yield "expand-huge", graph((node("ConstantOfShape", ["s"], ["w"]), gemm()), (expand,)), (*NODE, *LIES)
    yield "empty", b"", NODE


def bytes_of():
    """name, file, codes: below the level of messages."""
    good = onnx()
    yield "length-beyond", whole(1, 8) + b"\x3a" + varint(1 << 40) + good[2:], LIES
    yield "length-64-bits", whole(1, 8) + b"\x3a" + b"\xff" * 9 + b"\x01", LIES
    yield "varint-endless", whole(1, 8) + b"\x3a" + b"\xff" * 1000, LIES
    yield "wire-type-7", good + b"\x3f\x00", (*LIES, "unknown-format")
    yield "groups-deep", whole(1, 8) + b"\x3b" * 100_000, (*LIES, "nesting", "unknown-format")
    yield "field-zero", good + b"\x00\x00", (*LIES, "unknown-format")
    yield "two-graphs", good + chunk(7, graph()), (*LIES, "duplicate-name", *NODE)
    yield "no-graph", whole(1, 8) + chunk(2, "x") + chunk(8, whole(2, 17)), (*LIES, *NODE)
    yield "only-ir-version", whole(1, 8) + b"\x3a\x00", (*LIES, *NODE)
    function = (
        chunk(1, "f")
        + chunk(4, "x")
        + chunk(5, "y")
        + chunk(7, node("f", ["x"], ["y"], chunk(7, "local")))
        + chunk(10, "local")
    )
    called = graph((node("f", ["x"], ["y"], chunk(7, "local")),))
    yield "function-of-itself", onnx(called, chunk(25, function)), ("cycle", *NODE)
    chain = b"".join(
        chunk(25, chunk(1, f"f{i}") + chunk(4, "x") + chunk(5, "y") + b"".join(
            chunk(7, node(f"f{i + 1}", ["x"], [f"y{k}"], chunk(7, "local"))) for k in range(9)) + chunk(10, "local"))
        for i in range(30)
    )  # fmt: skip
    yield (
        "functions-billion-laughs",
        onnx(graph((node("f0", ["x"], ["y"], chunk(7, "local")),)), chain),
        ("nesting", *NODE),
    )
    yield "opset-huge", onnx(rest=chunk(8, chunk(1, "") + whole(2, 1 << 62))), (*NODE, *LIES, "duplicate-name")
    many = graph(initializers=(weights(), *(weights(f"w{i}", (0,), 1, b"") for i in range(100_001))))
    yield "initializers-many", onnx(many), ("nesting", "too-large", *NODE)
    yield "names-not-utf8", onnx(graph((node("Relu", ["x"], ["y"]).replace(b"Relu", b"Re\xff\xfe"),))), (*LIES, *NODE)
    yield "zip-after", good + valid.npz(), (*LIES, "unknown-format")


def cases():
    yield from outside()
    for name, tensor, codes in tensors():
        yield case(f"onnx/tensor-{name}.onnx", onnx(graph(initializers=(tensor,))), *codes)
    for name, inner, codes in nodes():
        yield case(f"onnx/graph-{name}.onnx", onnx(inner), *codes)
    for name, content, codes in bytes_of():
        yield case(f"onnx/{name}.onnx", content, *codes)
