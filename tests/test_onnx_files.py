"""ONNX files: read as the onnx package reads them, or refused with a reason; and as a network, or refused by the node's name."""

import hashlib
import os
import time
import tracemalloc
from pathlib import Path

import numpy as np
import onnx
import onnx.reference
import pytest
from harness import run_here
from onnx import TensorProto, helper, numpy_helper
from same import assert_identical

import refsnn
from refsnn.arithmetic import Exact, Float64
from refsnn.errors import LoadError, UnsupportedLayerError
from refsnn.formats import open_model, sniffing
from refsnn.formats.limits import Limits
from refsnn.formats.load_report import Fate
from refsnn.formats.model_file import Format, Source
from refsnn.formats.onnx.exporting import onnx_bytes, write_onnx
from refsnn.formats.onnx.file import read
from refsnn.formats.onnx.network import network_of
from refsnn.formats.onnx.operators import OPERATORS, PARTS
from refsnn.formats.onnx.wire import MESSAGES, encoded
from refsnn.layers import QCFS, AvgPool2d, BatchNorm, Conv2d, Flatten, Linear, MaxMode, MaxPool2d, ReLU, Scale
from refsnn.network import Network, Node

CASES = Path(__file__).resolve().parents[2] / "shared" / "cases" / "onnx"


def source(content, limits=Limits()):
    return Source("m.onnx", memoryview(content), limits)


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def made(nodes, tensors=(), shape=("N", 4), out=None, opset=13, inputs=("x",)):
    """A model whose last node's output is the graph's."""
    tensors = [numpy_helper.from_array(np.asarray(v), n) for n, v in dict(tensors).items()]
    inputs = [value(name, shape) for name in inputs]
    graph = helper.make_graph(nodes, "g", inputs, [value(nodes[-1].output[0], out)], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def chain(*steps, tensors=(), **more):
    """Operators one behind the other, each (operator, further inputs, attributes)."""
    nodes, last = [], "x"
    for i, (op, others, attributes) in enumerate(steps):
        nodes.append(helper.make_node(op, [last, *others], [f"v{i}"], name=f"n{i}", **attributes))
        last = f"v{i}"
    return made(nodes, tensors, **more)


def network(model, **options):
    return network_of(read(source(model.SerializeToString())), "net", **options)


def layers(net):
    return [type(node.layer).__name__ for node in net.nodes]


def refused(call, code=None):
    with pytest.raises(LoadError) as error:
        call()
    assert code is None or error.value.code == code, error.value
    return str(error.value)


# ---- the wire ----


def test_the_table_of_messages_is_that_of_the_onnx_package():
    """Every field of the table has the package's name, number and kind, and none of the package's fields is missing."""
    names = {"model": "ModelProto", "opset": "OperatorSetIdProto", "graph": "GraphProto", "node": "NodeProto", "attribute": "AttributeProto",
             "tensor": "TensorProto", "entry": "StringStringEntryProto", "value": "ValueInfoProto", "type": "TypeProto",
             "tensor_type": "TypeProto.Tensor", "shape": "TensorShapeProto", "dim": "TensorShapeProto.Dimension"}  # fmt: skip
    for ours, theirs in names.items():
        kind = onnx
        for part in theirs.split("."):
            kind = getattr(kind, part)
        known = {field.number: field for field in kind.DESCRIPTOR.fields}
        for number, (name, held, many) in MESSAGES[ours].items():
            if number not in known:
                assert (ours, name) in {
                    ("type", "opaque_type"),
                    ("model", "configuration"),
                    ("node", "device_configurations"),
                }
                continue
            field = known[number]
            repeated = field.is_repeated
            assert (field.name, repeated) == (name, many or held in ("varints", "floats", "doubles"))
            assert field.type in {"int": (3, 5, 14), "float": (2,), "text": (9,), "varints": (3, 4, 5), "floats": (2,), "doubles": (1,),
                                  "bytes": (9, 11, 12), "skip": (9, 11)}.get(held, (11,))  # fmt: skip
        assert set(known) <= set(MESSAGES[ours])


def test_fields_may_come_in_any_order_and_numbers_one_by_one():
    """Protobuf leaves both to the writer; the graph may come first, dims need not be packed."""
    model = chain(("Relu", [], {}), ("Flatten", [], {}), tensors={"unused": np.ones((2, 3), np.float32)})
    graph = model.graph.SerializeToString()
    length = bytes([len(graph) & 127 | 128, len(graph) >> 7])
    swapped = b"\x3a" + length + graph + b"\x42\x02\x10\x0d" + b"\x12\x01r" + b"\x08\x08"
    assert onnx.load_from_string(swapped).graph == model.graph
    for content in (swapped, model.SerializeToString()):
        assert sniffing.sniffed(source(content)) is Format.ONNX
        assert network_of(read(source(content)), "net")[0].digest == network(model)[0].digest
    single = b"\x08\x02\x08\x03" + b"\x10\x01\x42\x01t" + b"\x4a\x18" + np.arange(6, dtype="<f4").tobytes()
    tensor = onnx.TensorProto.FromString(single)
    graph = b"\x2a" + bytes([len(single)]) + single
    found = read(source(b"\x08\x08\x3a" + bytes([len(graph)]) + graph)).tensors["t"]
    assert_identical(found, numpy_helper.to_array(tensor).astype("<f4"))


def test_what_is_no_onnx_is_not_taken_for_it():
    assert not sniffing._looks_like_onnx(memoryview(b"\x08\x03" + b"plain text that follows"))
    assert not sniffing._looks_like_onnx(memoryview(b":-) a text that begins like a graph, and is none"))
    assert not sniffing._looks_like_onnx(memoryview(b"\x81\xa6params\x81\xa1wx"))  # msgpack
    assert not sniffing._looks_like_onnx(memoryview(b"\x08"))


def test_bfloat16_is_raised_without_rounding_and_noted():
    values = np.array([1.0, -2.5, 3e38], np.float32)
    bits = (values.view(np.uint32) >> 16).astype(np.uint16)
    tensor = TensorProto(name="b", data_type=TensorProto.BFLOAT16, dims=[3], raw_data=bits.tobytes())
    model = helper.make_model(helper.make_graph([], "g", [], [], [tensor]))
    found = read(source(model.SerializeToString()))
    assert_identical(found.tensors["b"], (bits.astype(np.uint32) << 16).view(np.float32))
    assert [(note.name, note.text, note.ignored) for note in found.notes] == [
        ("b", "bfloat16 raised to float32, without rounding", False)
    ]


# ---- hostile files ----


def tensor(**fields):
    base = {"dims": [2], "data_type": 1, "name": "w", "raw_data": bytes(8)}
    return encoded("model", {"ir_version": 8, "graph": {"initializer": [base | fields]}})


def node_with(**fields):
    return encoded(
        "model", {"ir_version": 8, "graph": {"node": [{"output": ["y"], "name": "n", "op_type": "If", **fields}]}}
    )


def nested(depth):
    """Graphs within attributes within graphs: what a recursive reader recurses into."""
    content = b""
    for _ in range(depth):
        attribute = b"\x32" + varint(len(content)) + content
        node = b"\x2a" + varint(len(attribute)) + attribute
        content = b"\x0a" + varint(len(node)) + node
    return b"\x08\x08\x3a" + varint(len(content)) + content


def varint(number):
    return encoded("entry", {"key": "x" * number})[1:-number] if number else b"\x00"


HOSTILE = {
    "texts": (tensor(data_type=8), "unsupported-type", "w: a tensor of texts, which is not read"),
    "complex": (tensor(data_type=14), "unsupported-type", "w: a tensor of complex64, which is not read"),
    "int4": (tensor(data_type=22), "unsupported-type", "w: a tensor of int4, which is not read"),
    "float8": (tensor(data_type=17), "unsupported-type", "w: a tensor of float8e4m3fn, which is not read"),
    "no type": (tensor(data_type=99), "unsupported-type", "w: a tensor of data_type 99, which is not read"),
    "size lie": (tensor(dims=[1 << 40]), "size-lie", "[1099511627776] of float32 declares 4398046511104 bytes of numbers, but 8 are there"),
    "overflow": (tensor(dims=[1 << 62, 4]), "size-lie", "declares 73786976294838206464 bytes of numbers, but 8 are there"),
    "negative": (tensor(dims=[-2]), "damaged", "dims [-2]: expected up to 8 sizes of 0 or more"),
    "axes": (tensor(dims=[1] * 99), "damaged", "expected up to 8 sizes of 0 or more"),
    "two places": (tensor(int64_data=[1, 2], data_type=7), "damaged", "int64 with numbers in raw_data and int64_data"),
    "external": (tensor(raw_data=b"", data_location=1, external_data=[{"key": "location", "value": "../../etc/passwd"}]), "outside-file",
                 "w: its numbers are in another file, '../../etc/passwd'"),
    "truth": (tensor(dims=[8], data_type=9, raw_data=b"\x02" * 8), "damaged", "a truth value that is neither 0 nor 1"),
    "too small": (tensor(dims=[1], data_type=3, raw_data=b"", int32_data=[300]), "damaged", "a number that int8 cannot hold"),
    "segment": (tensor(segment=b""), "unsupported-type", "a segment of a tensor"),
    "sparse": (encoded("model", {"ir_version": 8, "graph": {"sparse_initializer": [b""]}}), "unsupported-node", "a model with sparse initialisers"),
    "training": (encoded("model", {"ir_version": 8, "graph": {}, "training_info": [b""]}), "unsupported-node", "a model with training information"),
    "functions": (encoded("model", {"ir_version": 8, "graph": {}, "functions": [b""]}), "unsupported-node", "a model with functions of its own"),
    "no graph": (b"\x08\x08\x12\x01x", "damaged", "a model with no graph"),
    "subgraph": (node_with(attribute=[{"name": "then_branch", "g": b"", "type": 5}]), "unsupported-node",
                 "node 'n' (If): attribute 'then_branch' holds a graph of its own, which is not read"),
    "nested": (nested(3000), "unsupported-node", "holds a graph of its own, which is not read"),
    "twice": (b"\x08\x08\x3a\x00\x3a\x00", "duplicate-name", "model at byte 0 has two of graph: readers may take either, or both"),
    "same names": (encoded("model", {"ir_version": 8, "graph": {"initializer": [{"name": "w", "data_type": 1, "raw_data": bytes(4)}] * 2}}), "duplicate-name",
                   "w: two initialisers have this name"),
    "same attributes": (node_with(attribute=[{"name": "a", "i": 1, "type": 2}] * 2), "duplicate-name", "two attributes 'a'"),
    "unknown field": (b"\x08\x08\x3a\x02\x78\x01", "damaged", "graph at byte 4: field 15 of wire type 0, which ONNX has not"),
    "group": (b"\x08\x08\x3a\x01\x0b", "damaged", "graph at byte 4: field 1 of wire type 3, which ONNX has not"),
    "inner length": (b"\x08\x08\x3a\x02\x0a\x7f\x42\x02\x10\x0d", "size-lie", "graph declares 127 bytes at byte 6, but 0 are there"),
    "outer length": (b"\x08\x08\x3a\x7f\x0a\x00", "truncated", "model declares 127 bytes at byte 4, but 2 are there"),
    "long number": (b"\x08" + b"\xff" * 11, "damaged", "model at byte 11: a number without end"),
    "ends in a number": (b"\x08\x08\x3a\xff", "truncated", "the file ends within model at byte 4"),
    "no text": (b"\x08\x08\x3a\x04\x12\x02\xff\xfe", "damaged", "a text at byte 6: no UTF-8"),
    "many fields": (b"\x08\x08\x3a" + varint(400_000) + b"\x0a\x00" * 200_000, "nesting", "over 30000 fields"),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_files_are_refused_in_little_time_and_memory(what):
    content, code, reason = HOSTILE[what]
    start = time.process_time()
    message = refused(lambda: network_of(read(source(content)), "net"), code)
    seconds = time.process_time() - start
    tracemalloc.start()
    refused(lambda: network_of(read(source(content)), "net"), code)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert reason in message
    assert "\n" not in message
    assert peak < 64 * 2**20 + 3 * len(content)
    assert seconds < 2


def test_numbers_of_variable_length_are_read_up_to_a_limit():
    """They unpack to eight times their bytes."""
    many = (
        encoded("tensor", {"dims": [1 << 22], "data_type": 7, "name": "w"})
        + b"\x3a"
        + varint(1 << 22)
        + b"\x01" * (1 << 22)
    )
    graph = b"\x2a" + varint(len(many)) + many
    content = b"\x08\x08\x3a" + varint(len(graph)) + graph
    tracemalloc.start()
    message = refused(lambda: read(source(content)), "too-large")
    assert tracemalloc.get_traced_memory()[1] < 64 * 2**20 + 3 * len(content)
    tracemalloc.stop()
    assert message.endswith("4194304 numbers of variable length, at most 2097152 are read; export it with raw_data")


GROWING = {
    "broadcast": chain(("Relu", [], {}), ("Reshape", ["huge"], {})),
    "doubling": chain(("Relu", [], {}), ("Reshape", ["huge"], {})),
    "fill": chain(("Relu", [], {}), ("Reshape", ["huge"], {})),
}
GROWING["broadcast"].graph.initializer.extend(
    [
        numpy_helper.from_array(np.ones((1 << 16, 1), np.float32), "a"),
        numpy_helper.from_array(np.ones((1, 1 << 16), np.float32), "b"),
    ]
)
GROWING["broadcast"].graph.node.insert(0, helper.make_node("Add", ["a", "b"], ["huge"], name="grow"))
GROWING["doubling"].graph.initializer.append(numpy_helper.from_array(np.ones(1 << 16, np.float32), "d0"))
for _i in range(30):
    GROWING["doubling"].graph.node.insert(
        _i, helper.make_node("Concat", [f"d{_i}"] * 2, [f"d{_i + 1}" if _i < 29 else "huge"], name="grow", axis=0)
    )
GROWING["fill"].graph.initializer.append(numpy_helper.from_array(np.array([1 << 40]), "n"))
GROWING["fill"].graph.node.insert(0, helper.make_node("ConstantOfShape", ["n"], ["huge"], name="grow"))


@pytest.mark.parametrize("what", GROWING)
def test_arithmetic_on_constants_cannot_grow_without_end(what):
    content = GROWING[what].SerializeToString()
    tracemalloc.start()
    message = refused(lambda: network_of(read(source(content)), "net"), "damaged")
    assert tracemalloc.get_traced_memory()[1] < 64 * 2**20 + 3 * len(content)
    tracemalloc.stop()
    assert "(Concat" in message or "'grow'" in message
    assert "bytes computed of constants" in message


# ---- external data ----


@pytest.fixture
def external(tmp_path):
    """A model whose tensor w is in another file, and what writes other entries into it."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "w.bin").write_bytes(b"head" + np.arange(3, dtype="<f4").tobytes())

    def model(allowed=None, **entries):
        base = {"location": "w.bin", "offset": "4", "length": "12"} | entries
        kept = [{"key": key, "value": text} for key, text in base.items() if text is not None]
        content = tensor(dims=[3], raw_data=b"", data_location=1, external_data=kept)
        return source(content, Limits(external_data=allowed and str(allowed)))

    return folder, model


def test_external_data_is_read_from_the_folder_that_is_named(external):
    folder, model = external
    found = read(model(folder)).tensors["w"]
    assert_identical(found, np.arange(3, dtype="<f4"))
    digest = hashlib.sha1((folder / "w.bin").read_bytes(), usedforsecurity=False).hexdigest()
    assert_identical(read(model(folder, checksum=digest)).tensors["w"], found)
    (folder / "sub").mkdir()
    (folder / "w.bin").rename(folder / "sub" / "w.bin")
    assert_identical(read(model(folder, location="sub/w.bin", length=None)).tensors["w"], found)


@pytest.mark.parametrize(
    ("entries", "code", "reason"),
    [
        ({"location": "../outside.bin"}, "outside-file", "no plain path below the folder"),
        ({"location": "/etc/passwd"}, "outside-file", "no plain path below the folder"),
        ({"location": "sub/../../outside.bin"}, "outside-file", "no plain path below the folder"),
        ({"location": "..\\outside.bin"}, "outside-file", "no plain path below the folder"),
        ({"location": "link.bin"}, "outside-file", "is not a file of the folder"),
        ({"location": "out/outside.bin"}, "outside-file", "is not a file of the folder"),
        ({"location": "hard.bin"}, "outside-file", "has another name (a hard link)"),
        ({"location": "fifo"}, "outside-file", "is no ordinary file"),
        ({"location": "out"}, "outside-file", "is not a file of the folder"),
        ({"location": "none.bin"}, "outside-file", "is not a file of the folder"),
        ({"location": None}, "damaged", "external data without a location"),
        ({"offset": "8"}, "size-lie", "needs 12 bytes and declares 12 from 8, but the external file has 16"),
        ({"length": "8"}, "size-lie", "needs 12 bytes and declares 8 from 4, but the external file has 16"),
        ({"offset": "-4"}, "damaged", "external data with offset '-4'"),
        ({"offset": "9" * 19}, "damaged", "external data with offset"),
        ({"basepath": "/"}, "damaged", "external data with the key 'basepath'"),
        ({"__class__": "x"}, "damaged", "external data with the key '__class__'"),
        ({"checksum": "0" * 40}, "damaged", "but the external file's is"),
    ],
)
def test_external_data_stays_within_its_folder(external, tmp_path, entries, code, reason):
    folder, model = external
    (tmp_path / "outside.bin").write_bytes(bytes(16))
    (folder / "link.bin").symlink_to(tmp_path / "outside.bin")
    (folder / "out").symlink_to(tmp_path)
    os.link(tmp_path / "outside.bin", folder / "hard.bin")
    os.mkfifo(folder / "fifo")
    assert reason in refused(lambda: read(model(folder, **entries)), code)


def test_external_data_reaches_the_network_only_where_it_is_asked_for(tmp_path, capsys):
    """As the onnx package writes it."""
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)], "g", [value("x", [1, 3])], [value("y", [1, 2])],
        [numpy_helper.from_array(weight, "w")],
    )  # fmt: skip
    path = tmp_path / "m.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), path,
        save_as_external_data=True, location="m.data", size_threshold=0,
    )  # fmt: skip
    with pytest.raises(LoadError) as error:
        refsnn.load(path)
    assert error.value.code == "outside-file"
    (node,) = refsnn.load(path, limits=Limits(external_data=str(tmp_path))).nodes
    assert_identical(node.layer.weight, weight)
    assert run_here("summary", path, capsys=capsys).code == 3
    assert run_here("summary", path, "--external-data", tmp_path, capsys=capsys).code == 0


def test_two_external_tensors_share_no_bytes(external):
    folder, _ = external
    kept = [{"key": "location", "value": "w.bin"}, {"key": "offset", "value": "4"}]
    both = [{"dims": [3], "data_type": 1, "name": name, "data_location": 1, "external_data": kept} for name in "ab"]
    content = encoded("model", {"ir_version": 8, "graph": {"initializer": both}})
    assert "shares external bytes with another tensor" in refused(
        lambda: read(source(content, Limits(external_data=str(folder)))), "overlap"
    )


# ---- graphs ----

# of the ONNX backend tests: case -> layers, or why it is refused
BACKEND = {
    "test_AvgPool2d": ["AvgPool2d"], "test_BatchNorm2d_eval": ["BatchNorm"], "test_Conv2d": ["Conv2d"], "test_Conv2d_groups": ["Conv2d"],
    "test_Linear": ["Linear"], "test_ReLU": ["ReLU"], "test_operator_flatten": ["Flatten"],
    "test_operator_addmm": "a graph with 3 inputs (0, 1, 2); a network has one; export weights as initialisers, not as inputs",
    "test_operator_clip": "clips to [-0.5, 0.5]; only [0, None], which is ReLU, and Clip inside QCFS are read",
}  # fmt: skip


@pytest.mark.parametrize("case", BACKEND)
def test_the_onnx_projects_own_cases(case):
    """Their outputs are float32 sums of up to 18 products, in another order: 18 * 2^-24 * sum |w x| < 1e-6 * what these cases have."""
    folder = CASES / case
    if not folder.exists():
        pytest.skip(f"../shared/cases/onnx/{case} is not there")
    expected = BACKEND[case]
    if isinstance(expected, str):
        assert expected in refused(lambda: network_of(open_model(folder / "model.onnx"), case), "unsupported-node")
        return
    net, _ = network_of(open_model(folder / "model.onnx"), case)
    x, y = (
        numpy_helper.to_array(TensorProto.FromString((folder / "test_data_set_0" / f"{n}_0.pb").read_bytes()))
        for n in ("input", "output")
    )
    assert layers(net) == expected
    assert np.abs(refsnn.forward(net, x).output - y.reshape(len(y), -1)).max() < 1e-6
    assert np.abs(refsnn.forward(net, x, arithmetic=Exact()).output - y.reshape(len(y), -1)).max() < 1e-6


def test_a_gemm_on_paper():
    """y = 0.5 * x @ W^T + 2 * c: [1, 2] and W = [[1, 2], [3, -4]], c = [1, -1] give [0.5*5+2, 0.5*-5-2]."""
    w, c = np.array([[1, 2], [3, -4]], np.float32), np.array([[1, -1]], np.float32)
    net, report = network(
        chain(("Gemm", ["w", "c"], {"alpha": 0.5, "beta": 2.0, "transB": 1}), tensors={"w": w, "c": c}, shape=("N", 2))
    )
    assert refsnn.forward(net, np.array([[1, 2]])).output.tolist() == [[4.5, -4.5]]
    assert [(e.fate, e.name, e.what, e.shape, e.dtype) for e in report] == [
        (Fate.MAPPED, "w", "n0.weight", (2, 2), "float32"), (Fate.MAPPED, "c", "n0.bias", (1, 2), "float32"),
    ]  # fmt: skip


QUANTISED = (("Relu", [], {}), ("QuantizeLinear", ["s", "z"], {}), ("DequantizeLinear", ["s", "z"], {}))


@pytest.mark.parametrize(
    ("zero", "levels"), [(np.uint8(0), 255), (np.int8(0), 127), (np.int8(-128), 255), (np.uint16(0), 65535)]
)
def test_quantize_linear_pairs_are_qcfs_but_for_ties(zero, levels):
    """Behind a Relu; scale 0.25: 0.125 is a tie, which goes to 0 there and to 0.25 here, 0.375 one that goes to 0.5 in both."""
    model = chain(*QUANTISED, tensors={"s": np.float32(0.25), "z": zero}, opset=21)
    message = refused(lambda: network(model), "unsupported-node")
    assert message == ("m.onnx: node 'n1' (QuantizeLinear): rounds ties (x*levels/threshold = k + 1/2) to even, QCFS rounds them up; "
                       "allow it with ties_up=True")  # fmt: skip
    net, report = network(model, ties_up=True)
    assert layers(net) == ["QCFS"]
    assert (net.nodes[0].layer.threshold, net.nodes[0].layer.levels) == (0.25 * levels, levels)
    assert [(e.fate, e.name) for e in report if e.fate is not Fate.MAPPED] == [(Fate.DEFAULTED, "n2.ties")]
    x = np.array([[-1.0, 0.1, 0.13, 0.375]], np.float32)
    theirs = onnx.reference.ReferenceEvaluator(model).run(None, {"x": x})[0]
    assert_identical(refsnn.forward(net, x).output, theirs)
    assert refsnn.forward(net, np.full((1, 4), 0.125)).output[0, 0] == 0.25


def test_four_bits_between_quantize_linear_and_back():
    """As Brevitas writes them: a Clip of the whole numbers."""
    steps = (*QUANTISED[:2], ("Clip", ["low", "high"], {}), QUANTISED[2])
    tensors = {"s": np.float32(0.5), "z": np.uint8(0), "low": np.uint8(0), "high": np.uint8(15)}
    net, _ = network(chain(*steps, tensors=tensors), ties_up=True)
    assert (net.nodes[0].layer.threshold, net.nodes[0].layer.levels) == (7.5, 15)


def test_int8_weights_with_a_scale_for_each_channel():
    w, s = np.arange(-6, 6, dtype=np.int8).reshape(3, 4), np.array([0.5, 0.25, 2], np.float32)
    model = chain(("Gemm", ["wide"], {"transB": 1}), tensors={"w": w, "s": s})
    model.graph.node.insert(0, helper.make_node("DequantizeLinear", ["w", "s"], ["wide"], axis=0))
    net, report = network(model)
    assert_identical(net.nodes[0].layer.weight, w.astype(np.float32) * s[:, None])
    assert [(e.name, e.what) for e in report] == [("w", "n0.weight"), ("s", "n0.weight")]


CONSTANTS = {"half": np.float32(0.5), "t": np.float32(1.5), "n": np.float32(4), "zero": np.float32(0), "one": np.float32(1), "vector": np.ones(4, np.float32),
             "third": np.float32(3), "w": np.ones((4, 3), np.float32), "nan": np.full((4, 3), np.nan, np.float32), "shape": np.array([2, -1]),
             "k": np.ones((2, 2, 3, 3), np.float32), "p": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "off": np.float32(0.75)}  # fmt: skip
IMAGE = ("N", 2, 6, 6)
REFUSED = [
    (("LeakyRelu", [], {}), {}, "node 'n0' (LeakyRelu): operator 'LeakyRelu' has no layer that says it exactly; supported: Add, AveragePool, "),
    (("Gelu", [], {}), {"opset": 20}, "operator 'Gelu' has no layer"),
    (("Relu", [], {"domain": "com.example"}), {}, "operator 'Relu' of 'com.example' has no layer"),
    (("Relu", [], {"alpha": 1.0}), {}, "attribute 'alpha' is not read; its attributes are none"),
    (("Add", ["vector"], {"axis": 1, "broadcast": 1}), {"opset": 6}, "attribute 'axis' is not read; its attributes are broadcast"),
    (("QuantizeLinear", ["half"], {"output_dtype": 3}), {"opset": 21}, "attribute 'output_dtype' is not read"),
    (("Relu", [], {}), {"opset": 5}, "operator set 5; 6 to 28 are read; export it with opset_version=13"),
    (("Relu", [], {}), {"opset": 99}, "operator set 99; 6 to 28 are read; export it with opset_version=20"),
    (("Relu", [], {}), {"shape": ("N", "C", 4)}, "x: the input's shape is [N, C, 4]: sizes are left open; give input_shape, the shape of one sample"),
    (("Relu", [], {}), {"out": ("N", 5)}, "v0: declared as ['N', 5], but the graph gives [4] for each sample"),
    (("Relu", [], {}), {"inputs": ("x", "y")}, "a graph with 2 inputs (x, y); a network has one"),
    (("Identity", [], {}), {}, "the output is not what a layer gives; end the network with a layer"),
    (("Add", ["missing"], {}), {}, "reads 'missing', which nothing before it gives"),
    (("Floor", [], {}), {}, "is read only as part of QCFS, but here is floor(x + 0) + 0 in place of floor(x + 0.5)"),
    (("Clip", ["zero", "one"], {}), {}, "clips to [0.0, 1.0]; only [0, None], which is ReLU"),
    (("Add", ["t"], {}), {}, "adds a constant to what is not the sum of a Conv, Gemm or MatMul without a bias"),
    (("Mul", ["x"], {}), {}, "multiplies branches with each other"),
    (("Mul", ["vector"], {}), {}, "a factor of shape [4]; Scale has one finite number"),
    (("Div", ["third"], {}), {}, "divides by 3, whose reciprocal would be rounded; multiply by a number instead"),
    (("Gemm", ["w"], {"transA": 1}), {}, "only samples (rows) times a matrix is a Linear layer"),
    (("Gemm", ["nan"], {}), {}, "NaN or infinity in weight"),
    (("Gemm", ["x"], {}), {}, "input 1 is no constant of the file; export the weights as initialisers"),
    (("Flatten", [], {"axis": 0}), {}, "flattens from axis 0 on; only from axis 1 on the samples stay apart"),
    (("Reshape", ["shape"], {}), {}, "makes [2, -1] of samples of shape [4]; only to flatten each sample is read"),
    (("Transpose", [], {"perm": [1, 0]}), {}, "moves axes to [1, 0]; samples stay channels, height, width; export it with channels first"),
    (("Concat", ["x"], {"axis": 0}), {}, "joins along axis 0; only along the channels, axis 1"),
    (("Softmax", [], {"axis": 0}), {}, "is no layer but at the end, over the outputs"),
    (("Dropout", ["half", "on"], {}), {"tensors": {"on": np.array(True)}}, "drops numbers by chance, as in training"),
    (("BatchNormalization", ["vector"] * 4, {"training_mode": 1}), {"opset": 15}, "normalises with the batch's own mean, as in training"),
    (("AveragePool", [], {"kernel_shape": [2, 2], "pads": [1, 1, 1, 1]}), {"shape": IMAGE}, "a mean that leaves out the zeros of its padding"),
    (("AveragePool", [], {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0, 0, 1, 1], "count_include_pad": 1}), {"shape": ("N", 2, 5, 5)},
     "windows of 2 over 5 with pads 0 and 1 that no padding of both sides gives"),
    (("MaxPool", [], {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}), {"shape": IMAGE}, "windows of 3 over 6 with pads 0 and 0 that no padding"),
    (("MaxPool", [], {"kernel_shape": [2, 2], "dilations": [2, 2]}), {"shape": IMAGE}, "without kernel_shape, or with dilations over 1"),
    (("MaxPool", [], {"kernel_shape": [2]}), {"shape": ("N", 2, 6)}, "a pool over [2, 6]; pools go over channels, height, width"),
    (("Conv", ["k"], {"pads": [-1, 0, 0, 0]}), {"shape": IMAGE}, "pads [-1, 0, 0, 0]: expected 4 numbers of 0 or more"),
    (("Conv", ["k"], {"pads": [0, 0, 1 << 40, 0]}), {"shape": IMAGE}, "would need a kernel of"),
    (("Conv", ["k"], {"strides": [0, 1]}), {"shape": IMAGE}, "strides [0, 1]: expected 2 numbers of 1 or more"),
    (("Conv", ["k"], {"group": 0}), {"shape": IMAGE}, "node 'n0' (Conv): groups: "),
    (("Conv", ["k"], {"group": 2}), {"shape": IMAGE}, "weight expects 4 input channels, but the node before gives [2, 6, 6]"),
    (("Conv", ["k"], {"kernel_shape": [2, 2]}), {"shape": IMAGE}, "kernel_shape [2, 2], but a weight of [2, 2, 3, 3]"),
    (("Pad", ["p", "one"], {}), {"shape": IMAGE}, "pads with something else than zeros"),
    (("Pad", ["p"], {"mode": "reflect"}), {"shape": IMAGE}, "pads with something else than zeros"),
    (("ReduceMean", [], {"axes": [1]}), {"shape": IMAGE}, "a mean over axes (1,) of [2, 6, 6]; only height and width (axes 2, 3) are a pool"),
    (("Unsqueeze", ["shape"], {}), {}, "gives samples another axis"),
    (("Squeeze", ["shape"], {}), {}, "axes [2, -1] of 2"),
    (("Squeeze", ["one"], {}), {}, "axes: expected a few whole numbers"),
    (("Squeeze", [], {"axes": [1]}), {"opset": 11}, "squeezes axes (1,) of samples of shape [4]"),
    (("Relu", ["one"], {}), {}, "has 2 inputs"),
    (("Relu", [], {}), {"shape": ("N", 1 << 40)}, "the input's shape is [N, 1099511627776]; at most 1073741824 numbers"),
]  # fmt: skip


@pytest.mark.parametrize(("step", "more", "reason"), REFUSED, ids=[f"{row[0][0]}{i}" for i, row in enumerate(REFUSED)])
def test_what_no_network_of_ours_says_exactly(step, more, reason):
    more = {"tensors": {**CONSTANTS, **more.get("tensors", {})}, **{k: v for k, v in more.items() if k != "tensors"}}
    assert reason in refused(lambda: network(chain(step, **more)))


FLOORED = (("Mul", ["n"], {}), ("Add", ["half"], {}), ("Floor", [], {}), ("Div", ["n"], {}))


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ((("Div", ["t"], {}), ("Mul", ["n"], {}), ("Floor", [], {}), ("Div", ["n"], {}), ("Mul", ["t"], {})),
         "node 'n2' (Floor): is read only as part of QCFS, but here is floor(x + 0) + 0 in place of floor(x + 0.5)"),
        ((("Div", ["t"], {}), *FLOORED, ("Mul", ["t"], {})), "node 'n3' (Floor): is read only as part of QCFS, but here is levels -inf to inf"),
        ((("Clip", ["zero", "one"], {}), *FLOORED, ("Floor", [], {})), "node 'n5' (Floor): is read only as part of QCFS"),
        ((("Div", ["t"], {}), ("Clip", ["zero", "one"], {}), *FLOORED), "node 'n0' (Div): divides by 1.5, whose reciprocal would be rounded"),
        ((("Clip", ["zero", "one"], {}), ("Mul", ["n"], {}), ("Add", ["half"], {}), ("Floor", [], {})), "a step of 1 behind the floor, but of 0.25 before it"),
    ],
)  # fmt: skip
def test_what_is_nearly_qcfs(steps, reason):
    assert reason in refused(lambda: network(chain(*steps, tensors=CONSTANTS)), "unsupported-node")


def test_a_clip_at_half_a_level_is_a_whole_one_behind_the_floor():
    """clip(x, 0, 1.5) / 3 + 1/2 reaches 1 at its end: one level, worth 3."""
    steps = (
        ("Clip", ["zero", "t"], {}),
        ("Div", ["third"], {}),
        ("Add", ["half"], {}),
        ("Floor", [], {}),
        ("Mul", ["third"], {}),
    )
    assert network(chain(*steps, tensors=CONSTANTS))[0].nodes[0].layer == QCFS(threshold=3.0, levels=1)


def test_the_report_names_every_tensor_once_and_what_was_left_out():
    steps = [
        ("Conv", ["k"], {"pads": [0, 0, 1, 1], "strides": [2, 2]}),
        ("MaxPool", [], {"kernel_shape": [2, 2]}),
        ("Flatten", [], {}),
        ("Softmax", [], {}),
    ]
    tensors = {"k": CONSTANTS["k"], "unused": np.ones(3, np.float32)}
    model = chain(*steps, tensors=tensors, shape=(2, 2, 6, 6))
    model.graph.node.append(helper.make_node("Relu", ["v0"], ["aside"], name="aside"))
    net, report = network(model)
    assert [(e.fate.value, e.name, e.what) for e in report] == [
        ("mapped", "k", "n0.weight, n0.weight, with zeros from [3, 3] to [4, 4] for the pads [0, 0, 1, 1]"),
        ("ignored", "unused", "the output does not depend on it"),
        ("guessed", "x", "its first axis, 2 long, is taken for the samples"),
        ("defaulted", "n1.mode", "or: what the largest of spike trains is; a source network has none"),
        ("ignored", "n3", "Softmax at the end: the outputs are the numbers before it, in the same order"),
        ("ignored", "node 'aside' (Relu)", "the output does not depend on it"),
    ]
    assert network(model, max_mode=MaxMode.COUNT)[0].nodes[1].layer.mode is MaxMode.COUNT
    assert net.nodes[0].layer.weight.shape == (2, 2, 4, 4)


def test_open_sizes_are_given_by_the_caller():
    model = chain(("Relu", [], {}), ("GlobalAveragePool", [], {}), ("Flatten", [], {}), shape=("N", 2, "H", "W"))
    net, _ = network(model, input_shape=(2, 4, 3))
    assert net.input_shape == (2, 4, 3)
    message = refused(lambda: network(model, input_shape=(3, 4, 3)), "damaged")
    assert message.startswith("m.onnx: x: the input's shape is [N, 2, H, W], not [3, 4, 3] for each sample")


def test_names_from_a_file_are_harmless():
    model = chain(("Relu", [], {}), ("Relu", [], {}), ("Flatten", [], {}))
    model.graph.node[0].name = model.graph.node[1].name = "evil\x1b[31m\nname"
    model.graph.node[2].name = "input"
    net, _ = network(model)
    assert [node.name for node in net.nodes] == ["evil\\x1b[31m\\nname", "evil\\x1b[31m\\nname_2", "input_2"]


def test_the_same_network_from_three_formats(tmp_path):
    """ONNX, safetensors with a spec, and npz with one: the same digest, and the same outputs in Exact."""
    rng = np.random.default_rng(7)
    nodes = (
        Node("conv", Conv2d(weight=rng.normal(size=(4, 1, 3, 3)).astype(np.float32), bias=rng.normal(size=4).astype(np.float32), padding=(1, 1)), ("input",)),
        Node("act", QCFS(threshold=np.float64(np.float32(1.3)), levels=8), ("conv",)),
        Node("pool", AvgPool2d(kernel=(2, 2)), ("act",)),
        Node("flat", Flatten(), ("pool",)),
        Node("out", Linear(weight=rng.normal(size=(5, 16)).astype(np.float32)), ("flat",)),
    )  # fmt: skip
    net = Network("net", (1, 4, 4), nodes)
    assert write_onnx(net, tmp_path / "net.onnx") == ()
    refsnn.dump(net, tmp_path / "net.yaml")
    np.savez(tmp_path / "net.npz", **open_model(tmp_path / "net.safetensors").tensors)
    x = rng.normal(size=(3, 1, 4, 4))
    loaded = [network_of(open_model(tmp_path / "net.onnx"), "net")[0], refsnn.load(tmp_path / "net.yaml"),
              refsnn.load(tmp_path / "net.npz", spec=tmp_path / "net.yaml")]  # fmt: skip
    outputs = [refsnn.forward(each, x, arithmetic=Exact()).output for each in loaded]
    assert {each.digest for each in loaded} == {net.digest}
    for output in outputs:
        assert_identical(output, outputs[0])


def test_what_onnx_cannot_say_is_said(tmp_path):
    ones = np.ones(1)
    net = Network("net", (1, 2, 2), (Node("bn", BatchNorm(weight=ones, bias=ones, mean=ones, var=ones), ("input",)),
                                     Node("pool", MaxPool2d(kernel=(2, 2), mode=MaxMode.COUNT), ("bn",))))  # fmt: skip
    assert write_onnx(net, tmp_path / "net.onnx") == (
        "bn: ONNX has eps in float32: 1e-05 became 9.999999747378752e-06",
        "pool: ONNX does not say that the mode is count; give it when you read",
    )
    assert onnx_bytes(net).content == (tmp_path / "net.onnx").read_bytes()
    huge = Network("net", (1,), (Node("fc", Linear(weight=np.array([[2**53 + 1]])), ("input",)),))
    with pytest.raises(
        UnsupportedLayerError, match="fc: weight of int64 holds numbers that float64 does not; round them"
    ):
        onnx_bytes(huge)


def test_numbers_that_float32_does_not_hold_are_written_in_float64():
    net = Network("net", (2,), (Node("fc", Linear(weight=np.array([[1, 2]], np.int8), bias=np.array([0.1])), ("input",)),
                                Node("half", Scale(factor=0.5), ("fc",)), Node("act", ReLU(), ("half",))))  # fmt: skip
    model = onnx.load_from_string(onnx_bytes(net).content)
    assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.DOUBLE
    again, _ = network(model)
    assert again.digest == net.digest
    x = np.array([[0.3, -0.7], [2.0, 1.0]])
    assert_identical(
        onnx.reference.ReferenceEvaluator(model).run(None, {"input": x})[0],
        refsnn.forward(again, x, arithmetic=Float64()).output,
    )


def test_the_documentation_lists_every_operator():
    text = (Path(__file__).parents[1] / "docs" / "formats.md").read_text()
    for op in (*OPERATORS, *PARTS):
        assert f"`{op}`" in text, op
