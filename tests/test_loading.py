"""Load reports: every tensor of a file once, and what neither the spec nor the file says."""

import json

import numpy as np
import pytest
from harness import run_here
from hypothesis import given
from same import assert_identical

import refsnn
from refsnn.errors import LoadError, ShapeError, SpecError
from refsnn.formats import load_with_report, open_model
from refsnn.formats.load_report import Fate
from refsnn.formats.loading import GRAPHS
from refsnn.formats.model_file import Format
from refsnn.formats.opening import READERS
from refsnn.strategies import networks

HEAD = "name: n\ninput: [2]\nweights: w.npz\n"
NODES = "nodes:\n  - {name: fc, layer: Linear, weight: fc.weight}\n"


@pytest.fixture
def folder(tmp_path):
    np.savez(tmp_path / "w.npz", **{"fc.weight": np.ones((3, 2), np.float16), "fc.steps": np.int64(7)})
    (tmp_path / "n.yaml").write_text(HEAD + NODES)
    return tmp_path


def lines(report):
    return [(entry.fate.value, entry.name, entry.what, entry.shape, entry.dtype) for entry in report.entries]


def test_every_tensor_has_a_line_with_what_became_of_it(folder):
    report = load_with_report(folder / "n.yaml").report
    assert lines(report) == [
        ("mapped", "fc.weight", "fc.weight", (3, 2), "float16"),
        ("ignored", "fc.steps", "named by no node", (), "int64"),
    ]
    assert (report.path, report.format, report.summary) == (str(folder / "w.npz"), "npz", "1 ignored")


def test_strict_refuses_what_is_left_and_takes_what_the_spec_ignores(folder):
    with pytest.raises(LoadError) as error:
        refsnn.load(folder / "n.yaml", strict=True)
    assert str(error.value) == (
        f"{folder / 'w.npz'}: fc.steps: ignored: named by no node; say it in the spec, or load without --strict"
    )
    (folder / "n.yaml").write_text(f"{HEAD}ignore: ['*.steps']\n{NODES}")
    report = load_with_report(folder / "n.yaml", strict=True).report
    assert [entry.what for entry in report.of(Fate.IGNORED)] == ["the spec ignores *.steps"]
    assert report.summary == ""


def test_what_frameworks_do_differently_is_reported_where_the_spec_leaves_it_out(folder):
    (folder / "n.yaml").write_text(
        HEAD + NODES + "  - {name: lif, layer: LIF, decay: 0.5, v_threshold: 1.0, firing: '>', v_init: 0.0}\n"
    )
    report = load_with_report(folder / "n.yaml").report
    assert [(entry.name, entry.what) for entry in report.of(Fate.DEFAULTED)] == [
        ("lif.reset", "subtract, as the spec says nothing"),
        ("lif.reset_time", "same_step, as the spec says nothing"),
        ("lif.max_spikes", "1, as the spec says nothing"),
        ("lif.gain", "1.0, as the spec says nothing"),
    ]
    assert report.summary == "1 ignored, 4 defaulted"


def test_a_tensor_that_two_nodes_share_has_one_line(folder):
    (folder / "n.yaml").write_text(
        HEAD.replace("[2]", "[2, 1, 1]") + "ignore: [fc.steps]\nnodes:\n  - {name: a, layer: Flatten}\n"
        "  - {name: fc1, layer: Linear, weight: fc.weight}\n  - {name: fc2, layer: Linear, weight: fc.weight, inputs: [a]}\n"
    )
    (line, _) = load_with_report(folder / "n.yaml").report.entries
    assert (line.fate, line.what) == (Fate.MAPPED, "fc1.weight; fc2.weight")


def test_a_prefix_is_stripped_and_reported(folder):
    np.savez(folder / "w.npz", **{"model.fc.weight": np.ones((3, 2))})
    (folder / "n.yaml").write_text(f"{HEAD}prefix: model.\n{NODES}")
    (line,) = load_with_report(folder / "n.yaml", strict=True).report.entries
    assert (line.name, line.what) == ("model.fc.weight", "fc.weight (as fc.weight)")
    (folder / "n.yaml").write_text(f"{HEAD}prefix: modle.\n{NODES}")
    with pytest.raises(SpecError) as error:
        refsnn.load(folder / "n.yaml")
    assert str(error.value) == (
        f"{folder / 'n.yaml'}:4:1: prefix: no tensor of {folder / 'w.npz'} begins with 'modle.'; did you mean 'model.'?"
    )
    np.savez(folder / "w.npz", **{"model.fc.weight": np.ones((3, 2)), "fc.weight": np.ones((3, 2))})
    (folder / "n.yaml").write_text(f"{HEAD}prefix: model.\n{NODES}")
    with pytest.raises(SpecError, match="has both 'fc.weight' and 'model.fc.weight', one name without the prefix"):
        refsnn.load(folder / "n.yaml")


@given(network=networks())
def test_a_written_network_loads_strictly_every_tensor_mapped(network, tmp_path_factory):
    """Nothing that load reports is left to a default by dump."""
    folder = tmp_path_factory.mktemp("written")
    refsnn.dump(network, folder / "n.yaml")
    loaded = load_with_report(folder / "n.yaml", strict=True)
    assert loaded.network.digest == network.digest
    if (folder / "n.safetensors").exists():
        names = [entry.name for entry in loaded.report.entries]
        assert sorted(names) == sorted(open_model(folder / "n.safetensors").tensors)


def test_the_packaged_networks_load_strictly(specs):
    for name in ("digits", "digits_lif"):
        assert refsnn.load(specs / "networks" / f"{name}.yaml", strict=True).nodes


# --- layouts, scales: the numbers are those of the definition ------------------------------------------------------


def mapped(folder, tensors, parameter, layer="Linear", shape="[12]", rest=""):
    np.savez(folder / "w.npz", **tensors)
    (folder / "n.yaml").write_text(
        f"name: n\ninput: {shape}\nweights: w.npz\nnodes:\n  - {{name: fc, layer: {layer}, weight: {parameter}{rest}}}\n"
    )
    loaded = load_with_report(folder / "n.yaml")
    return loaded.network.nodes[0].layer.weight, loaded.report


def test_layouts_are_permutations_of_axes(tmp_path):
    plain = np.arange(24.0).reshape(2, 12)
    assert_identical(mapped(tmp_path, {"k": plain.T}, "{tensor: k, layout: in_out}")[0], plain)
    kernel = np.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    for layout in ("OIHW", "HWIO", "OHWI"):
        stored = np.einsum("OIHW->" + layout, kernel)
        weight, report = mapped(tmp_path, {"k": stored}, f"{{tensor: k, layout: {layout}}}", "Conv2d", "[3, 9, 9]")
        assert_identical(weight, kernel)
        assert report.entries[0].what == f"fc.weight ({layout})"
    row = np.arange(24.0).reshape(2, 3, 4)
    assert_identical(
        mapped(tmp_path, {"k": np.einsum("OIW->WIO", row)}, "{tensor: k, layout: WIO}", "Conv1d", "[3, 9]")[0], row
    )


def test_a_depthwise_kernel_becomes_groups(tmp_path):
    """Output m of channel i is ours number i * M + m: Keras, DepthwiseConv2D."""
    stored = np.arange(2 * 2 * 3 * 2.0).reshape(2, 2, 3, 2)  # height, width, inputs, multiplier
    weight, _ = mapped(tmp_path, {"k": stored}, "{tensor: k, layout: HWIM}", "Conv2d", "[3, 4, 4]", ", groups: 3")
    assert weight.shape == (6, 1, 2, 2)
    for i in range(3):
        for m in range(2):
            assert_identical(weight[2 * i + m, 0], np.ascontiguousarray(stored[:, :, i, m]))


def test_a_linear_behind_a_map_flattened_channels_last_sums_the_same_products(tmp_path):
    rng = np.random.default_rng(0)
    kernel, image = rng.integers(-9, 9, (12, 5)), rng.integers(-9, 9, (2, 3, 2))  # height, width, channels
    weight, _ = mapped(tmp_path, {"k": kernel}, "{tensor: k, layout: in_out, flatten: [2, 3, 2]}")
    assert_identical(weight @ image.transpose(2, 0, 1).ravel(), image.ravel() @ kernel)


def test_whole_numbers_with_a_scale_are_rounded_once_in_float32(tmp_path):
    q, scale = np.array([[-128, 127, 3]], np.int8), np.float32(0.1)
    weight, report = mapped(tmp_path, {"q": q, "s": scale}, "{tensor: q, scale: s, zero_point: 3}", shape="[3]")
    assert_identical(weight, (q.astype(np.float32) - np.float32(3)) * scale)
    assert [entry.what for entry in report.entries] == ["fc.weight (whole numbers times a scale)", "scale of fc.weight"]
    rows = np.array([[2, 4], [2, 4]], np.int8)
    tensors = {"q": rows, "s": np.array([0.5, 2.0], np.float32), "z": np.array([0, 2], np.int8)}
    weight, _ = mapped(tmp_path, tensors, "{tensor: q, scale: s, zero_point: z}", shape="[2]")
    assert_identical(weight, np.array([[1, 2], [0, 4]], np.float32))


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("{tensor: q, layout: HWIO}", "nodes[0].weight: layout HWIO is of 4 axes, the tensor has 2"),
        ("{tensor: q, flatten: [2, 2, 2]}", "nodes[0].weight: flatten: 2 * 2 * 2 inputs, but the tensor has shape [2, 2] (outputs, inputs)"),
        ("{tensor: w, scale: 0.5}", "nodes[0].weight: scale and zero_point are of whole numbers, the tensor has dtype float64"),
        ("{tensor: q, zero_point: 3}", "nodes[0].weight: zero_point needs a scale"),
        ("{tensor: q, scale: 0.5, zero_point: -16777215}", "nodes[0].weight: the tensor minus its zero point is beyond 2^24, where float32 is not exact"),
        ("{tensor: q, scale: s3}", "nodes[0].weight: scale has shape [3], expected one number or one for each output"),
        ("{tensor: q, scale: t}", "nodes[0].weight.scale: {weights} has no tensor 't'; known: q, w, s3"),
        ("{tensr: q}", "nodes[0].weight.tensr: unknown key; did you mean 'tensor'?"),
        ("{tensor: q, layout: io}", "nodes[0].weight.layout: input should be 'out_in', 'in_out', 'OIHW', 'HWIO', 'OHWI', 'HWIM', 'OIW' or 'WIO', got 'io'"),
    ],
)  # fmt: skip
def test_mistakes_of_references_name_their_place(tmp_path, parameter, message):
    tensors = {"q": np.ones((2, 2), np.int8), "w": np.ones((2, 2)), "s3": np.ones(3)}
    with pytest.raises(SpecError) as error:
        mapped(tmp_path, tensors, parameter, shape="[2]")
    assert message.format(weights=tmp_path / "w.npz") in str(error.value).replace(" (layer fc)", "")


# --- files that carry a graph, and the command line ----------------------------------------------------------------


def test_each_format_with_a_graph_that_is_read_has_a_module_that_makes_networks():
    from importlib import import_module

    for form, module in GRAPHS.items():
        if form in READERS:
            assert callable(import_module(f"refsnn.formats.{module}").network_of)


def test_a_graph_becomes_a_network_with_its_entries(tmp_path, monkeypatch, snn):
    """The reader's own entries are the report; an error of the graph names the file."""
    import sys
    from types import SimpleNamespace

    from refsnn.formats import loading
    from refsnn.formats.load_report import Entry
    from refsnn.formats.model_file import Format, ModelFile
    from refsnn.layers import MaxMode

    entry = Entry(Fate.DEFAULTED, "act1.alpha", "0.01, the operator's default")
    monkeypatch.setattr(
        loading, "open_model", lambda path, limits: ModelFile(str(path), Format.ONNX, {}, graph=object())
    )
    reader = SimpleNamespace(network_of=lambda model, name: (snn, (entry,)))
    monkeypatch.setitem(sys.modules, "refsnn.formats.onnx.network", reader)
    loaded = load_with_report(tmp_path / "net.onnx")
    assert (loaded.network, loaded.report.entries, loaded.report.format) == (snn, (entry,), "ONNX")
    with pytest.raises(SpecError, match="semantics are for NIR files, this is ONNX; leave them out"):
        load_with_report(tmp_path / "net.onnx", semantics="norse")

    taken = {}
    reader.network_of = lambda model, name, *, input_shape=None, max_mode=MaxMode.OR: (
        taken.update(shape=input_shape, mode=max_mode) or (snn, ())
    )
    load_with_report(tmp_path / "net.onnx", choices={"input_shape": (1, 8, 8), "max_mode": "leader"})
    assert taken == {"shape": (1, 8, 8), "mode": MaxMode.LEADER}
    for choices, message in (
        ({"input_shap": 1}, "'input_shap' is no choice for ONNX; did you mean 'input_shape'?"),
        ({"max_mode": "first"}, "max_mode: 'first' is none; known: or, leader, count"),
    ):
        with pytest.raises(SpecError) as error:
            refsnn.load(tmp_path / "net.onnx", choices=choices)
        assert str(error.value) == f"{tmp_path / 'net.onnx'}: {message}"

    def broken(model, name):
        raise ShapeError("fc1: does not fit")

    reader.network_of = broken
    with pytest.raises(ShapeError) as error:
        refsnn.load(tmp_path / "net.onnx")
    assert str(error.value) == f"{tmp_path / 'net.onnx'}: fc1: does not fit"


def test_weights_without_a_spec_are_refused_with_the_way_on(folder):
    with pytest.raises(LoadError) as error:
        refsnn.load(folder / "w.npz")
    assert error.value.code == "no-layers"
    assert "'refsnn init WEIGHTS' writes a first one" in str(error.value)


def test_the_summary_shows_the_report_in_100_columns(folder, capsys):
    np.savez(folder / "w.npz", **{"fc.weight": np.ones((3, 2)), "\x1b[31m" + "x" * 200: np.ones(2)})
    text = run_here("summary", folder / "n.yaml", "--report", capsys=capsys)
    assert text.code == 0, text.err
    assert max(map(len, text.out.splitlines()[4:])) <= 100
    assert "\x1b" not in text.out
    assert "\\x1b[31m" in text.out
    report = json.loads(run_here("summary", folder / "n.yaml", "--format", "json", capsys=capsys).out)["report"]
    assert report["summary"] == "1 ignored"
    assert report["entries"][0] == {
        "fate": "mapped", "name": "fc.weight", "what": "fc.weight", "shape": [3, 2], "dtype": "float64", "stated": False
    }  # fmt: skip


def test_other_commands_say_in_one_line_that_something_was_left(folder, capsys):
    np.savez(folder / "x.npz", x=np.ones((1, 2)))
    (folder / "n.yaml").write_text(HEAD + NODES + "  - {name: if1, layer: IF, v_threshold: 1.0}\n")
    result = run_here("run", folder / "n.yaml", folder / "x.npz", capsys=capsys)
    assert result.err.splitlines()[0] == (
        f"load: {folder / 'n.yaml'}: 1 ignored, 5 defaulted; 'refsnn summary --report' says what"
    )
    strict = run_here("run", folder / "n.yaml", folder / "x.npz", "--strict", capsys=capsys)
    assert (strict.code, strict.out) == (3, "")
    assert "ignored: named by no node (and 5 more)" in strict.err


def test_semantics_and_choices_come_together_from_the_command_line():
    from refsnn.opened import choices_of

    assert choices_of(None, None, ()) == (None, {})
    assert choices_of(None, None, ("input_shape=[1, 28, 28]", "ties_up=true", "mode=leader")) == (
        None, {"input_shape": (1, 28, 28), "ties_up": True, "mode": "leader"}
    )  # fmt: skip
    with pytest.raises(SpecError, match="--set: expected KEY=VALUE, got 'ties_up'"):
        choices_of(None, None, ("ties_up",))
    with pytest.raises(
        SpecError, match="--dt: is the step of a NIR file, whose neurons --semantics PROFILE names; give both"
    ):
        choices_of(None, 1e-4, ())


def test_a_spec_leaves_nothing_open(folder):
    with pytest.raises(SpecError, match="semantics and choices are for files that hold their own graph"):
        refsnn.load(folder / "n.yaml", choices={"input_shape": (2,)})


def test_numbers_beside_the_tensors_can_be_named_too(tmp_path, monkeypatch):
    from refsnn.formats import loading
    from refsnn.formats.model_file import Format, ModelFile

    attributes = {"threshold": 2.5, "epoch": 7, "name": "run", "flag": True, "huge": 10**40, "w": 3}
    model = ModelFile("w.pt", Format.TORCH, {"w": np.ones((2, 2))}, attributes)
    monkeypatch.setattr(loading, "open_model", lambda path, limits: model)
    (tmp_path / "n.yaml").write_text(
        "name: n\ninput: [2]\nnodes:\n  - {name: fc, layer: Linear, weight: w}\n"
        "  - {name: q, layer: QCFS, threshold: threshold, levels: 4}\n"
    )
    loaded = load_with_report("w.pt", spec=tmp_path / "n.yaml", strict=True)
    assert loaded.network.nodes[1].layer.threshold == 2.5
    assert lines(loaded.report) == [
        ("mapped", "w", "fc.weight", (2, 2), "float64"), ("mapped", "threshold", "q.threshold", None, None)
    ]  # fmt: skip


@pytest.mark.skipif(Format.NIR not in READERS and Format.HDF5 not in READERS, reason="NIR is not read")
def test_nir_is_written_with_a_step_and_read_back_as_it_was(tmp_path, capsys, specs):
    pytest.importorskip("refsnn.formats.nir.exporting")
    lif = specs / "networks" / "digits_lif.yaml"
    refused = run_here("convert", lif, "-o", tmp_path / "n.nir", capsys=capsys)
    assert refused.code == 2
    assert "NIR counts in seconds; give the length of a step with --dt SECONDS" in refused.err
    written = run_here("convert", lif, "-o", tmp_path / "n.nir", "--dt", "1e-3", "--allow-loss", capsys=capsys)
    assert written.code == 0, written.err
    again = run_here("summary", tmp_path / "n.nir", "--semantics", "refsnn", "--format", "json", capsys=capsys)
    assert json.loads(again.out)["digest"] == refsnn.load(lif).digest


def test_a_readers_remark_stands_in_the_tensors_line(tmp_path, monkeypatch):
    """bfloat16 that was raised to float32, and something that was passed over."""
    from refsnn.formats import loading
    from refsnn.formats.model_file import ModelFile, Note

    notes = (Note("w", "bfloat16, read as float32", False), Note("optimizer", "a dict of a training run", True))
    model = ModelFile("w.pt", Format.TORCH, {"w": np.ones((2, 2), np.float32)}, notes=notes)
    monkeypatch.setattr(loading, "open_model", lambda path, limits: model)
    (tmp_path / "n.yaml").write_text("name: n\ninput: [2]\nnodes:\n  - {name: fc, layer: Linear, weight: w}\n")
    assert lines(load_with_report("w.pt", spec=tmp_path / "n.yaml").report) == [
        ("mapped", "w", "fc.weight; bfloat16, read as float32", (2, 2), "float32"),
        ("ignored", "optimizer", "a dict of a training run", None, None),
    ]


def test_half_precision_weights_give_the_results_of_their_exact_values(specs, tmp_path):
    tensors = open_model(specs / "networks" / "digits.safetensors").tensors
    spec = specs / "networks" / "digits.yaml"
    for name, kind in (("half", np.float16), ("single", np.float32)):
        np.savez(
            tmp_path / f"{name}.npz", **{key: values.astype(np.float16).astype(kind) for key, values in tensors.items()}
        )
    x = refsnn.load_data(specs / "data" / "digits_test.npz", limit=5).x
    half, single = (refsnn.load(tmp_path / f"{name}.npz", spec=spec) for name in ("half", "single"))
    assert_identical(refsnn.forward(half, x).output, refsnn.forward(single, x).output)
    one, two = (refsnn.simulate(refsnn.convert(network), x, steps=4).readout for network in (half, single))
    assert_identical(one, two)


@pytest.mark.skipif(Format.TORCH not in READERS, reason="PyTorch files are not read")
@pytest.mark.parametrize("name", ["mnist_qcfs_L8", "cifar_w32_L8"])
def test_from_pytorch_to_safetensors_and_back_is_the_same_network(name, tmp_path):
    from pathlib import Path

    spec = Path(__file__).resolve().parents[2] / "shared" / "models" / f"{name}.yaml"
    if not spec.exists():
        pytest.skip(f"{spec} is not there")
    network = refsnn.load(spec)
    refsnn.dump(network, tmp_path / "one.yaml")
    again = refsnn.load(tmp_path / "one.yaml", strict=True)
    assert again.digest == network.digest
    refsnn.dump(again, tmp_path / "two.yaml")
    assert (tmp_path / "two.safetensors").read_bytes() == (tmp_path / "one.safetensors").read_bytes()


@pytest.mark.parametrize("name", ["../w.npz", "sub/../../w.npz", "/w.npz", "C:\\w.npz", "..\\w.npz"])
def test_a_spec_names_weights_beside_it_or_below_only(name, tmp_path):
    """A stranger's spec opens nothing else; whoever loads it may give other weights."""
    folder = tmp_path / "inner"
    (folder / "sub").mkdir(parents=True)
    nodes = "nodes:\n  - {name: fc, layer: Linear, weight: w}\n"
    (folder / "net.yaml").write_text(f"name: n\ninput: [3]\nweights: '{name}'\n{nodes}")
    for place in (tmp_path / "w.npz", folder / "sub" / "w.npz"):
        np.savez(place, w=np.ones((2, 3)))
    with pytest.raises(LoadError) as error:
        refsnn.load(folder / "net.yaml")
    assert error.value.code == "outside-file"
    assert refsnn.load(tmp_path / "w.npz", spec=folder / "net.yaml").nodes
    (folder / "net.yaml").write_text(f"name: n\ninput: [3]\nweights: sub/w.npz\n{nodes}")
    assert refsnn.load(folder / "net.yaml").nodes
