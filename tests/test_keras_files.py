"""Keras files: the same network from every version's layout, Keras' own predictions, and what is refused."""

import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refsnn.arithmetic import Float64
from refsnn.errors import LoadError
from refsnn.formats import open_model
from refsnn.formats.keras.graph import parsed
from refsnn.formats.keras.network import network_of
from refsnn.formats.limits import Limits
from refsnn.formats.load_report import Fate
from refsnn.formats.model_file import Format, ModelFile, Source
from refsnn.source import forward

CASES = Path(__file__).parent / "cases" / "keras"
SOURCE = Source("m.keras", memoryview(b""), Limits())


def layer(kind, name, **config):
    return {"class_name": kind, "config": {"name": name, **config}}


def sequential(*layers, shape=(4, 4, 2)):
    first = layer("InputLayer", "in", batch_shape=[None, *shape])
    return {"class_name": "Sequential", "config": {"name": "net", "layers": [first, *layers]}}


def model(config, tensors):
    graph = parsed(SOURCE, json.dumps(config), "config.json")
    return ModelFile(
        "m.keras", Format.KERAS, {name: np.asarray(t, np.float64) for name, t in tensors.items()}, graph=graph
    )


def network(config, tensors):
    return network_of(model(config, tensors), "net")


def refusal(config, tensors=None):
    with pytest.raises(LoadError) as caught:
        network(config, tensors or {})
    return caught.value


def outputs(net, x):
    """The network's outputs for Keras' inputs, channels last."""
    return np.asarray(forward(net, np.moveaxis(np.asarray(x, np.float64), -1, 1), arithmetic=Float64()).output)


# --- files


@pytest.mark.parametrize("name", ["tiny.keras", "tiny.h5"])
def test_a_model_saved_by_keras_computes_what_keras_predicted(name):
    """Predicted by Keras 3.15.1 (jax). All numbers are small multiples of 1/8 but for the normalisation's square root."""
    read = open_model(CASES / name)
    net, entries = network_of(read, "tiny")
    x = (np.arange(2 * 40).reshape(2, 5, 4, 2) % 7 - 3) / 4
    np.testing.assert_allclose(outputs(net, x), [[1.2904358, 0.5502015], [0.821188, 0.6834357]], rtol=1e-6)
    assert {entry.fate for entry in entries} == {Fate.MAPPED}
    assert [entry.name for entry in entries if "reordered" in entry.what] == ["inner/hidden/kernel"]
    assert sorted(entry.name for entry in entries) == sorted(read.tensors)


def test_both_layouts_of_one_model_have_identical_arrays():
    new, old = open_model(CASES / "tiny.keras"), open_model(CASES / "tiny.h5")
    assert (new.format, old.format) == (Format.KERAS, Format.KERAS_H5)
    assert set(new.tensors) == set(old.tensors)
    for name, tensor in new.tensors.items():
        assert tensor.tobytes() == old.tensors[name].tobytes(), name


def old_file(path, *, config=True, chunked=False):
    """An .h5 as Keras 2 writes it: texts of fixed length, ':0' behind names, calls as lists."""
    kernel, bias = np.arange(6, dtype="f4").reshape(3, 2), np.array([1, -1], "f4")
    dense = layer("Dense", "fc", units=2, activation="relu", use_bias=True) | {
        "name": "fc", "inbound_nodes": [[["in", 0, 0, {}]]],
    }  # fmt: skip
    first = layer("InputLayer", "in", batch_input_shape=[None, 3]) | {"name": "in", "inbound_nodes": []}
    told = {"class_name": "Model", "config": {"name": "m", "layers": [first, dense], "input_layers": [["in", 0, 0]],
                                              "output_layers": [["fc", 0, 0]]}}  # fmt: skip
    with h5py.File(path, "w") as file:
        weights = file.create_group("model_weights") if config else file
        if config:
            file.attrs["model_config"] = json.dumps(told).encode()
        weights.attrs["layer_names"] = np.array([b"in", b"fc"])
        weights.create_group("in").attrs["weight_names"] = np.array([])
        group = weights.create_group("fc")
        names = np.array([b"fc/kernel:0", b"fc/bias:0"])
        for key, value in (
            {"weight_names0": names[:1], "weight_names1": names[1:]}.items() if chunked else [("weight_names", names)]
        ):
            group.attrs[key] = value
        group["fc/kernel:0"], group["fc/bias:0"] = kernel, bias
    return path


@pytest.mark.parametrize("chunked", [False, True])
def test_files_of_keras_2_are_read(tmp_path, chunked):
    net, entries = network_of(open_model(old_file(tmp_path / "a.h5", chunked=chunked)), "m")
    np.testing.assert_array_equal(outputs(net, [[1, 1, 1], [-9, 0, 0]]), [[7, 8], [1, 0]])
    assert [(entry.name, entry.what) for entry in entries] == [
        ("fc/kernel", "fc.weight, transposed from (in, out)"), ("fc/bias", "fc.bias"),
    ]  # fmt: skip


def test_a_file_of_weights_only_gives_its_tensors_and_asks_for_layers(tmp_path):
    read = open_model(old_file(tmp_path / "a.h5", config=False))
    assert (read.format, sorted(read.tensors)) == (Format.KERAS_WEIGHTS, ["fc/bias", "fc/kernel"])
    with pytest.raises(LoadError) as caught:
        network_of(read, "m")
    assert caught.value.code == "no-layers"


def test_weights_of_keras_3_alone_keep_their_numbers_as_names(tmp_path):
    with zipfile.ZipFile(CASES / "tiny.keras") as archive:
        (tmp_path / "a.weights.h5").write_bytes(archive.read("model.weights.h5"))
    read = open_model(tmp_path / "a.weights.h5")
    assert read.format is Format.KERAS_WEIGHTS
    assert read.tensors["layers/conv2d/vars/0"].shape == (3, 3, 2, 3)


def archive(path, change=None, weights=None):
    """tiny.keras with another config or other weights."""
    with zipfile.ZipFile(CASES / "tiny.keras") as old, zipfile.ZipFile(path, "w") as new:
        text = old.read("config.json").decode()
        new.writestr("config.json", change(text) if change else text)
        new.writestr("model.weights.h5", old.read("model.weights.h5") if weights is None else weights)
    return path


def in_config(key, value):
    def change(text):
        told = json.loads(text)
        told["config"]["layers"][1][key] = value
        return json.dumps(told)

    return change


HOSTILE = [
    (in_config("class_name", "Lambda"), "executable", "config.json, layer conv: a 'Lambda' layer, which is code; replace it by layers that Keras has"),
    (in_config("module", "os"), "executable", "config.json, layer conv: asks for the class 'os.Conv2D', which is not Keras' own; save the weights as npz and name the layers in a spec"),
    (in_config("registered_name", "mine>Conv2D"), "executable", "config.json, layer conv: asks for the class 'keras.layers.Conv2D', which is not Keras' own; save the weights as npz and name the layers in a spec"),
    (in_config("config", {"name": "conv", "activation": {"class_name": "__lambda__", "config": {"value": "4wAA"}}}), "executable", "config.json: a '__lambda__' layer, which is code; replace it by layers that Keras has"),
    (lambda text: text.replace('"module"', '"class_name": "Dense", "module"', 1), "duplicate-name", "config.json: the key 'class_name' stands twice in one object; save it again"),
    (lambda text: "[" * 100 + "]" * 100, "nesting", "config.json: JSON nested more than 64 deep; save the weights as npz and name the layers in a spec"),
    (lambda text: "[" * 100_000 + "]" * 100_000, "damaged", None),
    (lambda text: text[:-1], "damaged", None),
    (lambda text: text.replace('"name": "norm"', '"name": "conv"'), "duplicate-name", "config.json: two layers have the name 'conv'; rename one"),
    (lambda text: text.replace('"name": "norm"', '"name": "other"'), "damaged", "norm: 'layers/batch_normalization' says that it belongs to 'norm'; save it again with a current Keras: model.save('model.keras')"),
    (lambda text: text.replace('"scale": true', '"scale": false'), "unsupported-node", "norm: a BatchNormalization with 4 variables where beta, moving_mean, moving_variance are expected; save it without quantisation and adapters"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "code", "message"), HOSTILE)
def test_configs_that_ask_for_code_or_contradict_themselves_are_refused(tmp_path, change, code, message):
    path = archive(tmp_path / "a.keras", change)
    with pytest.raises(LoadError) as caught:
        open_model(path)
    assert caught.value.code == code, str(caught.value)
    if message and "belongs" not in message:
        assert str(caught.value) == f"{path}: {message}"


def test_weights_that_are_no_hdf5_are_refused(tmp_path):
    with pytest.raises(LoadError) as caught:
        open_model(archive(tmp_path / "a.keras", weights=b"nothing"))
    assert caught.value.code == "damaged"


# --- layers


def naive_conv(x, kernel, bias, stride, sides, dilation):
    """Keras' equation in loops, channels last: y[i, j, o] = sum over (a, b, c) of kernel[a, b, c, o] x[i s + a d, j s + b d, c]."""
    x = np.pad(x, [(0, 0), *sides, (0, 0)])
    reach = [(k - 1) * d + 1 for k, d in zip(kernel.shape, dilation, strict=False)]
    sizes = [(n - r) // s + 1 for n, r, s in zip(x.shape[1:], reach, stride, strict=False)]
    y = np.zeros((len(x), *sizes, kernel.shape[3])) + bias
    for i, j, a, b in np.ndindex(*sizes, *kernel.shape[:2]):
        y[:, i, j] += x[:, i * stride[0] + a * dilation[0], j * stride[1] + b * dilation[1]] @ kernel[a, b]
    return y


@settings(max_examples=60)
@given(st.data())
def test_convolutions_with_any_padding_and_the_dense_behind_them_are_keras_own_sums(data):
    """Whole numbers, so that every order of additions gives the same: equality is of bits."""
    draw = data.draw
    size = [draw(st.integers(3, 7)) for _ in "hw"]
    kernel = [draw(st.integers(1, 3)) for _ in "hw"]
    same, strided = draw(st.booleans()), draw(st.booleans())
    stride = [draw(st.integers(1, 3)) if strided else 1 for _ in "hw"]
    dilation = [1 if strided else draw(st.integers(1, 2)) for _ in "hw"]
    zeros = [[draw(st.integers(0, 2)) for _ in "ba"] for _ in "hw"]
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    padded = [n + sum(z) for n, z in zip(size, zeros, strict=True)]
    if not same and any(r > n for r, n in zip(reach, padded, strict=True)):
        return
    totals = [
        max((-(-n // s) - 1) * s + r - n, 0) if same else 0 for n, s, r in zip(padded, stride, reach, strict=True)
    ]
    sides = [(z[0] + t // 2, z[1] + t - t // 2) for z, t in zip(zeros, totals, strict=True)]
    seed = np.random.default_rng(draw(st.integers(0, 99)))
    whole = lambda *shape: seed.integers(-4, 5, shape).astype(float)  # noqa: E731
    x, weight, bias = whole(2, *size, 2), whole(*kernel, 2, 3), whole(3)
    maps = np.maximum(naive_conv(x, weight, bias, stride, sides, dilation), 0)
    last = whole(maps[0].size, 4)
    config = sequential(
        layer("ZeroPadding2D", "pad", padding=zeros),
        layer(
            "Conv2D",
            "conv",
            strides=stride,
            dilation_rate=dilation,
            padding="same" if same else "valid",
            activation="relu",
        ),
        layer("Flatten", "flat"),
        layer("Dense", "out", use_bias=False, activation="softmax"),
        shape=(*size, 2),
    )
    net, entries = network(config, {"conv/kernel": weight, "conv/bias": bias, "out/kernel": last})
    np.testing.assert_array_equal(outputs(net, x), maps.reshape(2, -1) @ last)
    assert [entry.name for entry in entries if entry.fate is Fate.IGNORED] == ["out/softmax"]


def test_depthwise_separable_residual_and_joined_layers_are_keras_own_sums():
    rng = np.random.default_rng(3)
    whole = lambda *shape: rng.integers(-4, 5, shape).astype(float)  # noqa: E731
    x = whole(2, 4, 4, 2)
    deep, deep_bias, thin, point = whole(2, 2, 2, 2), whole(4), whole(1, 1, 2, 2), whole(1, 1, 4, 4)

    def call(name, *sources):
        return {"name": name, "inbound_nodes": [[[source, 0, 0, {}] for source in sources]]}

    layers = [
        layer("InputLayer", "in", batch_shape=[None, 4, 4, 2]) | {"name": "in", "inbound_nodes": []},
        layer("DepthwiseConv2D", "deep", padding="same") | call("deep", "in"),
        layer("SeparableConv2D", "sep", use_bias=False) | call("sep", "in"),
        layer("Add", "sum") | call("sum", "deep", "sep"),
        layer("Concatenate", "join") | call("join", "sum", "in"),
        layer("GlobalAveragePooling2D", "mean") | call("mean", "join"),
        layer("Dense", "unread") | call("unread", "mean"),
    ]
    config = {"class_name": "Functional", "config": {"name": "m", "layers": layers, "input_layers": ["in", 0, 0],
                                                     "output_layers": [["mean", 0, 0]]}}  # fmt: skip
    tensors = {"deep/depthwise_kernel": deep, "deep/bias": deep_bias, "sep/depthwise_kernel": thin, "sep/pointwise_kernel": point,
               "unread/kernel": whole(6, 1)}  # fmt: skip
    net, entries = network(config, tensors)
    padded = np.pad(x, [(0, 0), (0, 1), (0, 1), (0, 0)])
    own = sum(padded[:, a : a + 4, b : b + 4, :, None] * deep[a, b] for a in (0, 1) for b in (0, 1)).reshape(2, 4, 4, 4)
    separate = (x[..., None] * thin[0, 0]).reshape(2, 4, 4, 4) @ point[0, 0]
    np.testing.assert_array_equal(
        outputs(net, x).reshape(2, -1), np.concatenate([own + deep_bias + separate, x], -1).mean((1, 2))
    )
    assert [entry.name for entry in entries if entry.fate is Fate.IGNORED] == ["unread/kernel"]


def test_normalised_features_of_a_flattened_map_keep_their_places():
    x = np.arange(16.0).reshape(1, 2, 2, 4)
    mean, gamma = np.arange(16.0), np.arange(1.0, 17.0)
    config = sequential(layer("Flatten", "flat"), layer("BatchNormalization", "norm", epsilon=1.0, center=False),
                        layer("Dense", "out", use_bias=False), shape=(2, 2, 4))  # fmt: skip
    net, _ = network(config, {"norm/gamma": gamma, "norm/moving_mean": mean - 1, "norm/moving_variance": np.full(16, 3.0),
                              "out/kernel": np.diag(2.0 ** np.arange(16))})  # fmt: skip
    np.testing.assert_array_equal(outputs(net, x), [gamma / 2 * 2.0 ** np.arange(16)])


def test_causal_convolutions_and_dense_layers_over_places():
    """y[t] = 2 x[t] + 3 x[t - 2], then 5 times that at every place."""
    x = np.array([[[1.0], [10], [100], [1000]]])
    config = sequential(layer("Conv1D", "conv", padding="causal", dilation_rate=[2], use_bias=False),
                        layer("Dense", "times", use_bias=False), shape=(4, 1))  # fmt: skip
    net, _ = network(config, {"conv/kernel": [[[3]], [[2]]], "times/kernel": [[5]]})
    np.testing.assert_array_equal(outputs(net, x), [[10, 100, 1015, 10150]])


FLAT = {"out/kernel": np.ones((32, 2)), "out/bias": np.ones(2)}
SUPPORTED = (
    "supported: Dense, Conv1D, Conv2D, DepthwiseConv2D, SeparableConv2D, BatchNormalization, MaxPooling2D, AveragePooling2D, "
    "GlobalMaxPooling2D, GlobalAveragePooling2D, Flatten, Add, Concatenate, ZeroPadding1D, ZeroPadding2D, Activation, ReLU, "
    "Softmax, InputLayer, Dropout, SpatialDropout1D, SpatialDropout2D, GaussianNoise, GaussianDropout, AlphaDropout, "
    "ActivityRegularization"
)
DENSE = layer("Dense", "out")
UNSUPPORTED = [
    (sequential(layer("LSTM", "memory")), f"memory: a layer of class 'LSTM'; {SUPPORTED}"),
    (sequential(layer("Activation", "act", activation="swish")), "act: activation 'swish'; relu, linear, and softmax at the end are read"),
    (sequential(layer("Softmax", "soft"), layer("Flatten", "flat"), DENSE), "soft: activation 'softmax'; relu, linear, and softmax at the end are read"),
    (sequential(layer("ReLU", "act", max_value=6.0)), "act: a ReLU with max_value, negative_slope or threshold; use a plain ReLU"),
    (sequential(layer("MaxPooling2D", "pool", pool_size=[2, 2], data_format="channels_first")), "pool: data_format 'channels_first'; save the model with data_format='channels_last'"),
    (sequential(layer("AveragePooling2D", "pool", pool_size=[3, 3], strides=[1, 1], padding="same")), "pool: padding 'same' that puts [(1, 1), (1, 1)] beside the map; for means Keras leaves the padding out, and one-sided padding has no pool of ours; use 'valid'"),
    (sequential(layer("ZeroPadding2D", "pad", padding=[[1, 1], [1, 1]]), layer("MaxPooling2D", "pool", pool_size=[2, 2])), "pool: a ZeroPadding with another reader than a convolution; replace it, or save the weights as npz and name the layers in a spec"),
    (sequential(layer("Flatten", "flat")), "flat: a flattened map is the output; end in a Dense layer"),
    (sequential(shape=(None, 4, 2)), "net: its input shape is [None, None, 4, 2]; 1 to 3 fixed sizes are read; build the model with the shape before it is saved: Input((height, width, channels))"),
]  # fmt: skip


@pytest.mark.parametrize(("config", "message"), UNSUPPORTED)
def test_what_no_layer_of_ours_says_is_refused_by_name(config, message):
    assert str(refusal(config, FLAT)) == f"m.keras: {message}"


def test_tensors_that_are_missing_or_do_not_fit_are_refused_by_name():
    config = sequential(layer("Flatten", "flat"), DENSE)
    assert str(refusal(config)) == "m.keras: out/kernel: is not in the file; save the model again"
    assert (
        str(refusal(config, {"out/kernel": np.ones((5, 2))}))
        == "m.keras: out: kernel has 5 inputs, but 32 come in; save the model again"
    )
    assert (
        str(refusal(config, {"out/kernel": np.ones(3)}))
        == "m.keras: out/kernel: expected floats with 2 axes, got float64 [3]; save the model again"
    )
    assert refusal(config, {"out/kernel": np.full((32, 2), np.nan), "out/bias": np.ones(2)}).code == "not-finite"
    assert str(refusal(config, {"out/kernel": np.ones((32, 2)), "out/bias": np.ones(3)})).startswith(
        "m.keras: out: no layer of ours: "
    )


def test_a_layer_that_is_used_twice_is_refused():
    node = [["in", 0, 0, {}]]
    layers = [layer("InputLayer", "in", batch_shape=[None, 3]) | {"name": "in", "inbound_nodes": []},
              layer("Dense", "twice") | {"name": "twice", "inbound_nodes": [node, node]}]  # fmt: skip
    config = {"class_name": "Functional", "config": {"name": "m", "layers": layers, "input_layers": [["in", 0, 0]],
                                                     "output_layers": [["twice", 0, 0]]}}  # fmt: skip
    assert "a layer that is used 2 times; give each use a layer of its own" in str(refusal(config))
