"""lava .net files: every number, the published traces, and what is refused."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from refsnn import presets, simulate
from refsnn.drive import Frames
from refsnn.errors import LoadError
from refsnn.formats import open_model
from refsnn.formats.lava.network import input_current, network_of
from refsnn.formats.load_report import Fate
from refsnn.formats.model_file import Format
from refsnn.trace import Record

CASES = Path(__file__).parents[2] / "shared" / "cases" / "lava"
NEURON = {"type": b"LOIHI", "iDecay": 4096, "vDecay": 1024, "vThMant": 25, "refDelay": 1, "wgtExp": 0, "theta": 1600}


def write(path, layers):
    """A .net file; each layer is (type, settings, neuron)."""
    with h5py.File(path, "w") as file:
        for index, (kind, settings, neuron) in enumerate(layers):
            group = file.create_group(f"layer/{index}")
            group["type"] = np.array([kind], "S10")
            for name, value in settings.items():
                group[name] = value
            for name, value in neuron.items():
                group[f"neuron/{name}"] = value
    return path


def small(path, *, neuron=NEURON, weight=((40, -30), (7, 26), (0, 100)), **settings):
    dense = {"shape": np.array([3]), "weight": np.array(weight, np.float32), **settings}
    return write(path, [("input", {"shape": np.array([2])}, NEURON), ("dense", dense, neuron)])


def naive(current, bias, *, i_decay=4096, v_decay=1024, threshold=25):
    """lava's LIF in whole numbers, [T, ...] of synapse sums -> spikes; the twin of preset and arithmetic."""
    u = v = np.zeros(current.shape[1:], np.int64)
    spikes = []
    for a in current.astype(np.int64):
        u = np.sign(u) * (np.abs(u) * (4096 - i_decay) >> 12) + (a << 6)
        v = np.sign(v) * (np.abs(v) * (4096 - v_decay) >> 12) + u + (bias << 6)
        spikes.append(v > threshold << 6)
        v = np.where(spikes[-1], 0, v)
    return np.array(spikes)


@pytest.mark.parametrize("i_decay", [4096, 1000, 0])
def test_a_layer_computes_what_lava_does_in_whole_numbers(tmp_path, i_decay):
    path = small(tmp_path / "a.net", neuron=NEURON | {"iDecay": i_decay})
    network, _ = network_of(open_model(path), "small")
    current = np.random.default_rng(1).integers(-10, 40, (30, 4, 2))
    trace = simulate(network, Frames(current.astype(np.float64)), steps=30, arithmetic=presets.LOIHI,
                     record=Record(spikes=network.neurons))  # fmt: skip
    first = naive(current, 0)
    np.testing.assert_array_equal(trace.spikes["layer0.neuron"], first)
    weight = np.array(((40, -30), (7, 26), (0, 100)))
    np.testing.assert_array_equal(trace.spikes["layer1.neuron"], naive(first @ weight.T, 0, i_decay=i_decay))


@pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared")
def test_tiny_net_replays_its_published_traces():
    """All three layers at once, from the bias of the input layer; the recording has one dead step before the first."""
    model = open_model(CASES / "tiny.net")
    assert model.format is Format.LAVA
    network, entries = network_of(model, "tiny")
    assert {e.name.split("/")[-1] for e in entries if e.fate is not Fate.MAPPED} == {"theta", "tauRho", "scaleRho"}
    recorded = {
        node: np.load(CASES / "tinynet" / f"{file}.npy")[0] for node, file in
        (("layer0.neuron", "input"), ("layer1.neuron", "layer1"), ("layer2.neuron", "output"))
    }  # fmt: skip
    bias = np.load(CASES / "tinynet" / "input_bias.npy").transpose(2, 1, 0)  # lava keeps pictures as (x, y, channel)
    trace = simulate(network, bias[None], steps=15, arithmetic=presets.LOIHI, record=Record(spikes=network.neurons))
    for node, spikes in recorded.items():
        assert not spikes[..., 0].any()
        np.testing.assert_array_equal(trace.spikes[node][:, 0], np.moveaxis(spikes, -1, 0)[1:])
    assert [int(trace.spikes[node].sum()) for node in recorded] == [6783, 1633, 92]
    assert not trace.overflows or not any(np.sum(count) for count in trace.overflows.values())


@pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared")
def test_the_kernels_of_a_net_file_are_those_of_a_correlation():
    """lava's own Conv takes them mirrored, with x before y: the shipped kernel is the file's, turned back."""
    model = open_model(CASES / "tiny.net")
    kernel = np.load(CASES / "tinynet" / "layer1_kernel.npy")
    network, _ = network_of(model, "tiny")
    np.testing.assert_array_equal(network["layer1"].layer.weight, kernel[:, ::-1, ::-1].transpose(0, 3, 2, 1))
    np.testing.assert_array_equal(network["layer1"].layer.bias, np.load(CASES / "tinynet" / "layer1_bias.npy"))


def test_a_picture_becomes_the_current_that_lava_gives_its_input_layer(tmp_path):
    path = write(tmp_path / "a.net", [("input", {"shape": [2], "weight": [36.0], "bias": [34.0]}, NEURON)])
    np.testing.assert_array_equal(input_current(open_model(path), np.array([0.0, 0.25, 0.99, 1.0])), [-2, 16, 69, 70])


REFUSED = [
    ({"neuron": NEURON | {"type": b"SDNN"}}, "layer/1/neuron: a neuron of type 'SDNN'; layers input, conv, dense, flatten with neurons LOIHI or CUBA are read"),
    ({"neuron": NEURON | {"wgtExp": 2}}, "layer/1/neuron/wgtExp: is 2; lava-dl's netx reads 0 only (and passes over the rest); export it with wgtExp 0"),
    ({"neuron": NEURON | {"vThMant": 0}}, "layer/1/neuron/vThMant: expected a whole number from 1 to 131071, got 0; export it again with lava-dl"),
    ({"neuron": NEURON | {"iDecay": 7}, "bias": np.array([1.0, 0, 0])}, "layer/1: a bias beside a current that lasts (iDecay 7); no neuron of ours adds it behind the synapse; train it with current_decay=1, or without bias"),
    ({"weight": ((0.5, 1), (1, 1), (1, 1))}, "layer/1/weight: holds 0.5; Loihi's weights and biases are whole numbers from -256 to 254; export it quantised, as lava-dl's export_hdf5 does"),
    ({"delay": np.array([[1, 1]])}, "layer/1/delay: delays of single synapses; layers input, conv, dense, flatten with neurons LOIHI or CUBA are read"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), REFUSED)
def test_what_no_neuron_of_ours_says_is_refused_by_name(tmp_path, change, message):
    path = small(tmp_path / "a.net", **change)
    with pytest.raises(LoadError) as caught:
        network_of(open_model(path), "small")
    assert str(caught.value) == f"{path}: {message}"


def test_layers_that_do_not_count_from_zero_are_refused(tmp_path):
    path = tmp_path / "a.net"
    with h5py.File(path, "w") as file:
        file["layer/1/type"] = np.array([b"input"])
    with pytest.raises(LoadError, match="the layers are not numbered 0, 1, 2, … but \\['1'\\]"):
        open_model(path)
