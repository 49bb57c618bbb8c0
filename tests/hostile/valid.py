"""One good file of each format, small: what the watched process warms up on, seeds of the fuzzers, what is cut and spliced."""

import io
import json
import struct

from hostile import opcodes as op
from hostile import wires, zips

FOUR = struct.pack("<4f", 1, 2, 3, 4)


def npz():
    return zips.archive(*(zips.Member(f"{name}.npy".encode(), npy()) for name in ("a", "b")))


def npy():
    return wires.npy(wires.described(), FOUR)


def safetensors():
    return wires.safetensors({"a": wires.entry(), "b": wires.entry(shape=(4,), offsets=(16, 32))}, FOUR * 2)


def torch():
    return zips.torch_zip(op.state_dict())


def legacy_parts(pickled=None):
    """The five pickles of a legacy stream."""
    magic = op.proto() + op.number(0x1950A86A20F9469CFC6C) + op.STOP
    info = op.proto() + op.EMPTY_DICT + op.MARK + op.text("protocol_version") + op.number(1001)
    info += op.text("little_endian") + op.TRUE + op.text("type_sizes") + op.EMPTY_DICT + op.SETITEMS + op.STOP
    # of a legacy stream, a persistent id has a sixth part: the view's metadata, or None
    stored = op.of(
        op.text("storage"), op.named("torch", "FloatStorage"), op.text("0"), op.text("cpu"), op.number(4), op.NONE
    )
    good = op.proto() + op.mapping(weight=op.tensor(stored=stored + op.BINPERSID)) + op.STOP
    keys = op.proto() + op.EMPTY_LIST + op.text("0") + op.APPEND + op.STOP
    return [magic, op.proto() + op.number(1001) + op.STOP, info, good if pickled is None else pickled, keys]


def legacy(parts=None, stored=None):
    counted = struct.pack("<q", 4) + FOUR if stored is None else stored
    return b"".join(legacy_parts() if parts is None else parts) + counted


def onnx():
    return wires.onnx()


def flax():
    return wires.flax(bias=wires.m_array((4,)))


def mat():
    return wires.mat(wires.matrix("w"), wires.compressed(wires.matrix("b", (1, 4))))


def hdf5(fill, **how):
    """The bytes of a HDF5 file that `fill` writes into."""
    import h5py

    image = io.BytesIO()
    with h5py.File(image, "w", **how) as file:
        fill(file)
    return image.getvalue()


def fill_nir(file):
    """Input, one Affine, one LIF, Output."""
    import h5py
    import numpy as np

    utf8 = h5py.string_dtype()
    file["version"] = "1.0.8"
    top = file.create_group("node")
    top["type"] = "NIRGraph"
    top.create_dataset("edges", data=[["input", "fc"], ["fc", "lif"], ["lif", "output"]], dtype=utf8)
    ones = np.ones(2, np.float32)
    nodes = {
        "input": {"type": "Input", "shape": np.array([3])},
        "fc": {"type": "Affine", "weight": np.ones((2, 3), np.float32), "bias": ones},
        "lif": {"type": "LIF", "tau": ones, "r": ones, "v_leak": 0 * ones, "v_threshold": ones, "v_reset": 0 * ones},
        "output": {"type": "Output", "shape": np.array([2])},
    }
    for name, parameters in nodes.items():
        for key, value in parameters.items():
            top[f"nodes/{name}/{key}"] = value


def nir():
    return hdf5(fill_nir)


def fill_lava(file):
    import numpy as np

    layers = {
        0: {"type": np.bytes_("input"), "shape": np.array([2])},
        1: {"type": np.bytes_("dense"), "shape": np.array([2]), "inFeatures": 2, "outFeatures": 2,
            "weight": np.array([[2.0, 4.0], [6.0, 8.0]])},
    }  # fmt: skip
    for index, parameters in layers.items():
        for key, value in parameters.items():
            file[f"layer/{index}/{key}"] = value
        for key, value in {"iDecay": 4095, "vDecay": 128, "vThMant": 80, "refDelay": 1, "gradedSpike": False}.items():
            file[f"layer/{index}/neuron/{key}"] = value
        file[f"layer/{index}/neuron/type"] = np.bytes_("CUBA")


def lava():
    return hdf5(fill_lava)


def dense(**config):
    """A Keras configuration of a network of one Dense layer."""
    layers = [
        {"class_name": "InputLayer", "module": "keras.layers", "registered_name": None,
         "config": {"batch_shape": [None, 3], "dtype": "float32", "name": "input"}},
        {"class_name": "Dense", "module": "keras.layers", "registered_name": None,
         "config": {"name": "dense", "units": 2, "activation": "relu", "use_bias": True, **config}},
    ]  # fmt: skip
    return {
        "module": "keras",
        "class_name": "Sequential",
        "registered_name": None,
        "config": {"name": "net", "layers": layers},
    }


def fill_keras(file, model=None):
    """The layout that Keras before 3 writes."""
    import numpy as np

    file.attrs["keras_version"], file.attrs["backend"] = "2.15.0", "tensorflow"
    file.attrs["model_config"] = json.dumps(dense() if model is None else model)
    group = file.create_group("model_weights")
    group.attrs["layer_names"] = np.array([b"dense"])
    layer = group.create_group("dense")
    layer.attrs["weight_names"] = np.array([b"dense/kernel:0", b"dense/bias:0"])
    layer["dense/kernel:0"], layer["dense/bias:0"] = np.ones((3, 2), np.float32), np.ones(2, np.float32)


def keras_h5(model=None):
    return hdf5(lambda file: fill_keras(file, model))


def fill_keras_weights(file):
    import numpy as np

    file["layers/dense/vars/0"], file["layers/dense/vars/1"] = np.ones((3, 2), np.float32), np.ones(2, np.float32)


def keras_weights():
    return hdf5(fill_keras_weights)


def keras(model=None, weights=None):
    metadata = {"keras_version": "3.9.0", "date_saved": "2026-01-01@00:00:00"}
    config = model if isinstance(model, bytes) else json.dumps(dense() if model is None else model).encode()
    return zips.archive(
        zips.Member(b"metadata.json", json.dumps(metadata).encode()), zips.Member(b"config.json", config),
        zips.Member(b"model.weights.h5", keras_weights() if weights is None else weights),
    )  # fmt: skip


SPEC = """\
name: n
input: [3]
weights: w.npz
nodes:
  - {name: fc, layer: Linear, weight: w}
"""
# suffix as users know it -> what makes the bytes
FILES = {
    "npz": npz, "npy": npy, "safetensors": safetensors, "pt": torch, "legacy.pt": legacy, "onnx": onnx, "msgpack": flax,
    "mat": mat, "nir": nir, "net": lava, "h5": keras_h5, "keras": keras, "weights.h5": keras_weights,
}  # fmt: skip
