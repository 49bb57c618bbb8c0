"""`refsnn init`: layers guessed from names and shapes, and refused until somebody confirms them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from harness import run_here
from hypothesis import assume, given
from hypothesis import strategies as st

import refsnn
from refsnn.errors import LoadError
from refsnn.formats import open_model
from refsnn.formats.first_spec import first_spec
from refsnn.formats.load_report import Fate
from refsnn.formats.model_file import Format, ModelFile
from refsnn.formats.opening import READERS
from refsnn.layers import QCFS, BatchNorm, Conv2d, Flatten, Linear
from refsnn.network import Network, Node

SHARED = Path(__file__).resolve().parents[2] / "shared"


def spec_of(shapes, form=Format.TORCH, path="weights.pt", **values):
    """The first spec for zeros of these shapes."""
    tensors = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()} | values
    return first_spec(ModelFile(path, form, tensors), "net.yaml")


def confirmed(text, levels=(), shape=None):
    """The spec as it is when a user has deleted every guess and filled in what was asked."""
    text = re.sub(r",\n     guess: .*}\n", "}\n", text)
    text = re.sub(r"\nguess: .*\n", "\n", text)
    if shape is not None:
        text = re.sub(r"\ninput: .*\n", f"\ninput: {list(shape)}\n", text)
    for count in levels:
        text = text.replace("'???'", str(count), 1)
    return text


def nodes(text):
    return [line.strip()[2:] for line in confirmed(text).splitlines() if line.startswith("  - ")]


BN = ("weight", "bias", "running_mean", "running_var")
# the tensors of the MNIST network of the shared models, PyTorch's names and shapes
MNIST = {
    "0.weight": (16, 1, 3, 3), **{f"1.{name}": (16,) for name in BN}, "1.num_batches_tracked": (), "2.up": (1,),
    "4.weight": (32, 16, 3, 3), **{f"5.{name}": (32,) for name in BN}, "5.num_batches_tracked": (), "6.up": (1,),
    "9.weight": (128, 1568), "9.bias": (128,), "10.up": (1,), "11.weight": (10, 128), "11.bias": (10,),
}  # fmt: skip


def test_a_sequential_network_is_what_its_author_wrote():
    """Compared with the spec that was written by hand for these weights."""
    text = spec_of(MNIST).text
    assert nodes(text) == [
        "{name: conv1, layer: Conv2d, weight: 0.weight, padding: 1}",
        "{name: bn1, layer: BatchNorm, weight: 1.weight, bias: 1.bias, mean: 1.running_mean, var: 1.running_var, eps: 1.0e-05}",
        "{name: act1, layer: QCFS, threshold: 2.up, levels: '???'}",
        "{name: pool1, layer: AvgPool2d, kernel: 2}",
        "{name: conv2, layer: Conv2d, weight: 4.weight, padding: 1}",
        "{name: bn2, layer: BatchNorm, weight: 5.weight, bias: 5.bias, mean: 5.running_mean, var: 5.running_var, eps: 1.0e-05}",
        "{name: act2, layer: QCFS, threshold: 6.up, levels: '???'}",
        "{name: pool2, layer: AvgPool2d, kernel: 2}",
        "{name: flat, layer: Flatten}",
        "{name: fc1, layer: Linear, weight: 9.weight, bias: 9.bias}",
        "{name: act3, layer: QCFS, threshold: 10.up, levels: '???'}",
        "{name: fc2, layer: Linear, weight: 11.weight, bias: 11.bias}",
    ]
    assert "\ninput: [1, 28, 28]\n" in text
    assert "\nignore: ['*num_batches_tracked']\n" in text


@pytest.mark.parametrize("name", ["mnist_qcfs_L8", "cifar_w32_L8"])
def test_the_shared_models_give_back_their_networks(name, tmp_path):
    weights, spec = SHARED / "models" / f"{name}.pth", SHARED / "models" / f"{name}.yaml"
    if not weights.exists() or Format.TORCH not in READERS:
        pytest.skip(f"no {weights}, or nothing to read it")
    found = first_spec(open_model(weights), tmp_path / "net.yaml")
    wanted = refsnn.load(spec)
    (tmp_path / "net.yaml").write_text(confirmed(found.text, [8] * 7))
    assert "weights:" not in found.text  # they lie in another folder
    ours = refsnn.load(weights, spec=tmp_path / "net.yaml", strict=True)
    assert [type(n.layer) for n in ours.nodes] == [type(n.layer) for n in wanted.nodes]
    x = np.linspace(-1, 1, 2 * np.prod(wanted.input_shape)).reshape(2, *wanted.input_shape)
    assert np.array_equal(refsnn.forward(ours, x).output, refsnn.forward(wanted, x).output)


@st.composite
def chains(draw):
    """Conv, BatchNorm, QCFS (a threshold for each channel) and Linear in a row, named by numbers; one QCFS at least."""
    side, channels, row = draw(st.integers(1, 4)), draw(st.integers(1, 3)), []
    shape, maps = (channels, side, side), draw(st.integers(0, 2))
    made = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def behind(layer):
        row.append(
            Node(
                "flat" if isinstance(layer, Flatten) else f"layer{len(row)}", layer, (row[-1].name if row else "input",)
            )
        )

    if not maps:
        shape, channels = (channels,), channels
    for index in range(maps + draw(st.integers(0 if maps else 1, 2))):
        outputs = draw(st.integers(2, 4))
        if index < maps:
            kernel = draw(st.sampled_from([1, 3, 5]))
            bias = made.normal(size=outputs) if draw(st.booleans()) else None
            weight = made.normal(size=(outputs, channels, kernel, kernel))
            behind(Conv2d(weight=weight, bias=bias, padding=kernel // 2))
        else:
            if index == maps and maps:
                behind(Flatten())
                channels *= side * side
            behind(Linear(weight=made.normal(size=(outputs, channels)), bias=made.normal(size=outputs)))
        channels = outputs
        if draw(st.booleans()):
            parts = {name: made.normal(size=outputs) for name in ("weight", "bias", "mean")}
            behind(BatchNorm(**parts, var=made.uniform(1, 2, outputs)))
        if draw(st.booleans()):
            behind(QCFS(threshold=made.uniform(1, 2, outputs), levels=draw(st.integers(1, 16))))
    assume(any(isinstance(node.layer, QCFS) for node in row))
    return Network("chain", shape, tuple(row))


@given(network=chains())
def test_confirmed_guesses_give_back_the_network(network, tmp_path_factory):
    """From the weights alone: the order, the kinds and all parameters, but for the levels, which the user fills in."""
    folder = tmp_path_factory.mktemp("chain")
    _, weights = refsnn.dump(network, folder / "chain.yaml")
    found = first_spec(open_model(weights), folder / "net.yaml")
    levels = [node.layer.levels for node in network.nodes if isinstance(node.layer, QCFS)]
    known = None if any(isinstance(node.layer, Linear) for node in network.nodes) else network.input_shape
    (folder / "net.yaml").write_text(confirmed(found.text, levels, known))
    assert refsnn.load(folder / "net.yaml", strict=True).digest == network.digest


@given(network=chains())
def test_the_spec_is_refused_until_the_last_guess_is_confirmed(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("refused")
    _, weights = refsnn.dump(network, folder / "chain.yaml")
    text = first_spec(open_model(weights), folder / "net.yaml").text
    marked = [number for number, line in enumerate(text.splitlines(), 1) if re.search(r"^ *guess:|'\?\?\?'", line)]
    assert marked
    (folder / "net.yaml").write_text(text)
    with pytest.raises(LoadError) as error:
        refsnn.load(folder / "net.yaml")
    assert error.value.code == "unconfirmed"
    assert error.value.place.removeprefix("line").removeprefix("s").split(", ")[0].strip() == str(marked[0])
    # one guess left is enough
    last = confirmed(text, [8] * 20, network.input_shape).replace("nodes:", "guess: the rest\nnodes:")
    (folder / "net.yaml").write_text(last)
    with pytest.raises(LoadError, match="guesses of 'refsnn init' that nobody has confirmed"):
        refsnn.load(folder / "net.yaml")


def test_the_refusal_is_one_sentence_with_the_lines(tmp_path):
    (tmp_path / "n.yaml").write_text(
        "name: n\ninput: '???'\nnodes:\n  - {name: f, layer: Flatten,\n     guess: order}\n  - {name: q, layer: QCFS, threshold: 1.0, levels: '???', guess: so}\n"
    )
    with pytest.raises(LoadError) as error:
        refsnn.load(tmp_path / "n.yaml")
    assert str(error.value) == (
        f"{tmp_path / 'n.yaml'}: lines 2, 5, 6: guesses of 'refsnn init' that nobody has confirmed; "
        "correct each, fill in each ???, and delete its key 'guess'"
    )


def test_snntorchs_recurrent_neurons():
    """Names and shapes of the braille network of the NIR paper, reset to zero: an Add before it and an edge one step late."""
    shapes = {"fc1.weight": (38, 12), "fc1.bias": (38,), "lif1.threshold": (), "lif1.beta": (), "lif1.alpha": (),
              "lif1.recurrent.weight": (38, 38), "lif1.recurrent.bias": (38,), "fc2.weight": (7, 38), "fc2.bias": (7,),
              "lif2.threshold": (), "lif2.beta": ()}  # fmt: skip
    found = spec_of(shapes, **{"lif1.reset_mechanism_val": np.int64(1), "lif2.reset_mechanism_val": np.int64(2)})
    assert nodes(found.text) == [
        "{name: fc1, layer: Linear, weight: fc1.weight, bias: fc1.bias}",
        "{name: lif1.recurrent, layer: Linear, weight: lif1.recurrent.weight, bias: lif1.recurrent.bias, inputs: [{from: lif1, delay: 1}]}",
        "{name: lif1.input, layer: Add, inputs: [fc1, lif1.recurrent]}",
        "{name: lif1, preset: snntorch.Synaptic>=0.8, alpha: lif1.alpha, beta: lif1.beta, threshold: lif1.threshold, reset_mechanism: zero}",
        "{name: fc2, layer: Linear, weight: fc2.weight, bias: fc2.bias}",
        "{name: lif2, preset: snntorch.Leaky>=0.8, beta: lif2.beta, threshold: lif2.threshold, reset_mechanism: none}",
    ]
    assert "\ninput: [12]\n" in found.text


def test_a_norm_in_a_file_without_order_stands_behind_the_weights_that_it_fits():
    shapes = {"bn.weight": (8,), "bn.bias": (8,), "bn.mean": (8,), "bn.var": (8,), "conv1.weight": (4, 1, 3, 3),
              "conv2.weight": (8, 4, 3, 3), "conv3.weight": (2, 8, 3, 3)}  # fmt: skip
    found = nodes(spec_of(shapes, Format.SAFETENSORS).text)
    names = [line[7 : line.index(",")] for line in found]
    assert names == ["conv1", "act1", "conv2", "bn", "act2", "conv3"]


def test_a_kernel_of_even_size_takes_no_padding_so_that_the_map_was_larger():
    found = spec_of({"0.weight": (4, 1, 2, 2), "1.thresh": (4,), "3.weight": (5, 36)})
    assert nodes(found.text)[0] == "{name: conv1, layer: Conv2d, weight: 0.weight}"
    assert "\ninput: [1, 4, 4]\n" in found.text  # 36 = 4 * 3 * 3, and 3 + 2 - 1 = 4


def test_a_recurrent_spec_loads_once_confirmed(tmp_path):
    """The same names with numbers in them: the edge back is one step late, and a strict load leaves nothing over."""
    made = np.random.default_rng(0)
    tensors = {
        "fc1.weight": made.normal(size=(4, 3)), "lif1.threshold": np.float32(1), "lif1.beta": np.float32(0.9),
        "lif1.alpha": np.float32(0.5), "lif1.reset_mechanism_val": np.int64(1), "lif1.graded_spikes_factor": np.float32(1),
        "lif1.recurrent.weight": made.normal(size=(4, 4)), "lif1.recurrent.bias": made.normal(size=4),
    }  # fmt: skip
    np.savez(tmp_path / "w.npz", **tensors)
    (tmp_path / "n.yaml").write_text(confirmed(first_spec(open_model(tmp_path / "w.npz"), tmp_path / "n.yaml").text))
    network = refsnn.load(tmp_path / "n.yaml", strict=True)
    assert network["lif1.recurrent"].edges == (("lif1", 1),)
    assert network["lif1"].layer == refsnn.preset(
        "snntorch.Synaptic>=0.8", alpha=0.5, beta=np.float32(0.9), reset_mechanism="zero"
    )
    assert refsnn.simulate(network, np.ones((1, 3)), steps=3).readout.shape == (3, 1, 4)


@pytest.mark.parametrize("names", [("W1", "b1", "W2"), ("fc1_weight", "fc1_bias", "fc2_weight")])
def test_plain_arrays_with_their_inputs_first(names):
    shapes = dict(zip(names, [(6, 4), (4,), (4, 2)], strict=True))
    made = ["fc1", "fc2"]
    assert nodes(spec_of(shapes, Format.NPZ).text) == [
        f"{{name: {made[0]}, layer: Linear, weight: {{tensor: {names[0]}, layout: in_out}}, bias: {names[1]}}}",
        "{name: act1, layer: ReLU}",
        f"{{name: {made[1]}, layer: Linear, weight: {{tensor: {names[2]}, layout: in_out}}}}",
    ]
    turned = dict(zip(names, [(4, 6), (4,), (2, 4)], strict=True))
    assert "in_out" not in spec_of(turned, Format.NPZ).text


def test_sinabs_neurons_and_their_buffers():
    found = spec_of(
        {"0.weight": (4, 3), "1.tau_mem": (), "1.spike_threshold": (), "1.min_v_mem": (), "1.v_mem": (1, 4)}
    )
    assert nodes(found.text)[1] == (
        "{name: lif1, preset: sinabs.LIF, tau_mem: 1.tau_mem, spike_threshold: 1.spike_threshold, min_v_mem: 1.min_v_mem}"
    )
    assert "\nignore: ['*v_mem']\n" in found.text.replace("'*min_v_mem', ", "")


def test_kernels_of_keras_and_flax_have_their_outputs_last():
    shapes = {
        "conv2d/kernel:0": (3, 3, 1, 4), "conv2d/bias:0": (4,), "batch_normalization/gamma:0": (4,),
        "batch_normalization/beta:0": (4,), "batch_normalization/moving_mean:0": (4,),
        "batch_normalization/moving_variance:0": (4,), "dense/kernel:0": (100, 5), "dense/bias:0": (5,),
    }  # fmt: skip
    found = spec_of(dict(sorted(shapes.items())), Format.KERAS_H5)
    assert nodes(found.text) == [
        "{name: conv2d, layer: Conv2d, weight: {tensor: 'conv2d/kernel:0', layout: HWIO}, bias: 'conv2d/bias:0', padding: 1}",
        "{name: batch_normalization, layer: BatchNorm, weight: 'batch_normalization/gamma:0', bias: 'batch_normalization/beta:0', "
        "mean: 'batch_normalization/moving_mean:0', var: 'batch_normalization/moving_variance:0', eps: 0.001}",
        "{name: act1, layer: ReLU}",
        "{name: flat, layer: Flatten}",
        "{name: dense, layer: Linear, weight: {tensor: 'dense/kernel:0', layout: in_out, flatten: [5, 5, 4]}, bias: 'dense/bias:0'}",
    ]
    assert "\ninput: [1, 5, 5]\n" in found.text
    flax = spec_of(
        {"params/Dense_0/kernel": (3, 2), "params/Dense_10/kernel": (5, 4), "params/Dense_2/kernel": (2, 5)},
        Format.FLAX,
    )
    assert [line for line in nodes(flax.text) if "Linear" in line] == [
        "{name: Dense_0, layer: Linear, weight: {tensor: params/Dense_0/kernel, layout: in_out}}",
        "{name: Dense_2, layer: Linear, weight: {tensor: params/Dense_2/kernel, layout: in_out}}",
        "{name: Dense_10, layer: Linear, weight: {tensor: params/Dense_10/kernel, layout: in_out}}",
    ]


def test_a_common_prefix_and_tensors_without_a_place_are_named():
    found = spec_of({"model.fc.weight": (3, 2), "model.pos.table": (9,), "model.\x1b[31m.x": (1,)})
    assert "\nprefix: model.\n" in found.text
    assert nodes(found.text) == ["{name: fc, layer: Linear, weight: fc.weight}"]
    assert "\n# not placed: model.pos.table [9]\n" in found.text
    assert "\x1b" not in found.text
    assert [entry.name for entry in found.report.of(Fate.IGNORED)] == ["model.pos.table", "model.\x1b[31m.x"]


def test_a_file_without_weights_is_refused():
    with pytest.raises(LoadError, match="no tensor here looks like a layer's weights") as error:
        spec_of({"x": (3,)})
    assert error.value.code == "no-layers"


@given(
    names=st.lists(st.text(max_size=12), unique=True, max_size=6),
    shapes=st.lists(st.lists(st.integers(0, 4), max_size=5), min_size=6, max_size=6),
    form=st.sampled_from(Format),
)
def test_any_names_and_shapes_give_a_spec_that_is_read_as_yaml_or_one_sentence(names, shapes, form):
    from refsnn.specs import parse

    message = ""
    try:
        found = spec_of(dict(zip(names, map(tuple, shapes), strict=False)), form)
    except LoadError as error:
        message = str(error)
    assert "\n" not in message
    if message:
        return
    assert set(parse(found.text, "net.yaml").data) >= {"name", "input", "weights", "nodes"}
    assert {entry.name for entry in found.report.entries} >= set(names[:6])


def test_the_command_prints_or_writes_and_never_overwrites(tmp_path, capsys, monkeypatch, specs):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.safetensors").write_bytes((specs / "networks" / "digits.safetensors").read_bytes())
    printed = run_here("init", "w.safetensors", capsys=capsys)
    assert (printed.code, printed.err) == (0, "")
    assert run_here("init", "w.safetensors", "-o", "w.yaml", capsys=capsys).code == 0
    assert (tmp_path / "w.yaml").read_text() == printed.out
    again = run_here("init", "w.safetensors", "-o", "w.yaml", capsys=capsys)
    assert again.code == 2
    assert "w.yaml: is there already and may hold confirmed guesses; name another file" in again.err
    refused = run_here("summary", "w.yaml", capsys=capsys)
    assert refused.code == 3
    assert "w.yaml: lines 5, 9, 11, 12, 13" in refused.err
    (tmp_path / "w.yaml").write_text(confirmed(printed.out, [8, 8, 8]))
    ours = json.loads(run_here("summary", "w.yaml", "--strict", "--format", "json", capsys=capsys).out)
    assert ours["digest"] == refsnn.load(specs / "networks" / "digits.yaml").digest


@pytest.mark.skipif(Format.ONNX not in READERS, reason="ONNX is not read")
def test_a_file_with_a_graph_is_written_whole_without_guesses(tmp_path, capsys, specs):
    """The source network as ONNX, and back through init: every result the same."""
    source = specs / "networks" / "digits.yaml"
    assert run_here("convert", source, "-o", tmp_path / "d.onnx", capsys=capsys).code == 0
    result = run_here("init", tmp_path / "d.onnx", "-o", tmp_path / "net.yaml", "--format", "json", capsys=capsys)
    written = json.loads(result.out)["written"]
    assert written == [str(tmp_path / "net.yaml"), str(tmp_path / "net.safetensors")]
    ours, ann = refsnn.load(tmp_path / "net.yaml", strict=True), refsnn.load(source)
    assert ours.digest == refsnn.load(tmp_path / "d.onnx").digest
    x = refsnn.load_data(specs / "data" / "digits_test.npz", limit=20).x
    # eps became a float32 on the way
    assert np.allclose(refsnn.forward(ours, x).output, refsnn.forward(ann, x).output, atol=1e-6)
    printed = run_here("init", tmp_path / "d.onnx", capsys=capsys)
    assert (printed.code, printed.out) == (2, "")
    assert "holds its own graph, which is written as spec and weights; name the spec with -o" in printed.err
