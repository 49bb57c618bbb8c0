"""One network in every format: the same arrays, the same digest, the same numbers in exact arithmetic."""

import flat_files
import numpy as np
import pytest
import torch_files
from safetensors.numpy import save
from same import assert_identical

import refsnn
from refsnn.arithmetic import Exact
from refsnn.formats import open_model
from refsnn.formats.onnx.exporting import write_onnx
from refsnn.formats.spec_writing import described

KINDS = {"float32": "Float", "float64": "Double"}  # folding gives biases in float64


def torch_parts(tensors, row):
    """The description of each tensor, as a state dict, and the storages by key."""
    numbers = {str(i): np.ascontiguousarray(array).tobytes() for i, array in enumerate(tensors.values())}
    stored = [
        torch_files.storage(key, KINDS[array.dtype.name], array.size, *row)
        for key, array in zip(numbers, tensors.values(), strict=True)
    ]
    parts = {
        name: torch_files.tensor(one, array.shape) for one, (name, array) in zip(stored, tensors.items(), strict=True)
    }
    return parts, numbers


def files(tensors):
    parts, numbers = torch_parts(tensors, ())
    yield "safetensors", save({name: np.ascontiguousarray(array) for name, array in tensors.items()})
    yield "npz", flat_files.npz({f"{name}.npy": as_npy(array) for name, array in tensors.items()})
    yield "pt", torch_files.archive(parts, numbers)
    yield (
        "legacy.pt",
        torch_files.legacy(
            torch_parts(tensors, (None,))[0],
            [
                (key, array.size, content)
                for array, (key, content) in zip(tensors.values(), numbers.items(), strict=True)
            ],
        ),
    )
    yield "msgpack", flat_files.packed(
        {name: flat_files.extension(1, flat_files.packed((array.shape, array.dtype.name, np.ascontiguousarray(array).tobytes())))
         for name, array in tensors.items()})  # fmt: skip


def as_npy(array):
    return flat_files.npy(
        repr(array.dtype.str), "False", str(tuple(array.shape)), np.ascontiguousarray(array).tobytes()
    )


@pytest.fixture(scope="module")
def folded(ann):
    """BatchNorm folded: ONNX has its eps in float32 only."""
    return refsnn.fold_batch_norm(ann)


def test_weights_in_every_format_give_one_network(tmp_path, folded, test_data):
    refsnn.dump(folded, tmp_path / "net.yaml")
    _, tensors = described(folded)
    x = test_data.x[:5]
    expected = refsnn.forward(folded, x, arithmetic=Exact()).output
    read = set()
    for name, content in files(tensors):
        path = tmp_path / f"weights.{name}"
        path.write_bytes(content)
        model = open_model(path)
        read.add(model.format)
        assert list(model.tensors) == list(tensors) or set(model.tensors) == set(tensors)
        for key, array in tensors.items():
            assert_identical(model.tensors[key], array)
        network = refsnn.load(path, spec=tmp_path / "net.yaml", strict=True)
        assert network.digest == folded.digest
        assert_identical(refsnn.forward(network, x, arithmetic=Exact()).output, expected)
    assert len(read) == 5


def test_the_graph_of_onnx_gives_the_same_network(tmp_path, folded, test_data):
    write_onnx(folded, tmp_path / "net.onnx")
    network = refsnn.load(tmp_path / "net.onnx")
    assert network.digest == folded.digest
    x = test_data.x[:5]
    outputs = [refsnn.forward(one, x, arithmetic=Exact()).output for one in (network, folded)]
    assert_identical(*outputs)
