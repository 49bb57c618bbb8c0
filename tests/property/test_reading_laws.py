"""Laws of reading, for every flat format: what is cut off or changed is refused in one sentence, or read; nothing else."""

import numpy as np
import pytest
from flat_files import compressed, entry, mat, matrix, npy, npz, packed, safetensors
from hypothesis import given
from hypothesis import strategies as st
from same import assert_identical
from torch_files import archive, legacy, storage, tensor

from refsnn.errors import LoadError
from refsnn.formats.limits import Limits
from refsnn.formats.model_file import Source
from refsnn.formats.opening import open_model, read

NUMBERS = np.arange(1, 7, dtype="f4")
TREE = {
    "layer": {"w": tensor(storage("0", "Float", 6), (2, 3)), "b": tensor(storage("1", "BFloat16", 2), (2,))},
    "epoch": 3,
}
FILES = {
    "torch": archive(TREE, {"0": NUMBERS.tobytes(), "1": b"\x80\x3f\0\0"}),
    "torch, packed": archive(TREE, {"0": NUMBERS.tobytes(), "1": b"\x80\x3f\0\0"}, compression=8),
    "torch, legacy": legacy(TREE, [("0", 6, NUMBERS.tobytes()), ("1", 2, b"\x80\x3f\0\0")]),
    "safetensors": safetensors(
        {"w": entry("F32", [2, 3], 0, 24), "b": entry("BOOL", [1], 24, 25), "__metadata__": {"a": "b"}},
        NUMBERS.tobytes() + b"\1",
    ),
    "npz": npz({"w.npy": npy(shape="(2, 3)", data=NUMBERS.tobytes()), "b.npy": npy(shape="()", data=b"\0" * 4)}),
    "npz, packed": npz({"w.npy": npy(shape="(2, 3)", data=NUMBERS.tobytes())}, 8),
    "npy": npy(shape="(2, 3)", data=NUMBERS.tobytes()),
    "flax": packed({"params": {"w": NUMBERS.reshape(2, 3), "b": np.float32(1)}, "step": 3, "name": "net"}),
    "mat": mat(matrix("w", 7, (2, 3), NUMBERS.tobytes(), stored=7), matrix("t", 4, (1, 2), b"hi", stored=16)),
    "mat, packed": mat(compressed(matrix("w", 7, (2, 3), NUMBERS.tobytes(), stored=7))),
}


def outcome(content):
    """The model, or None where it is refused; whatever else is raised fails the test."""
    model, message = None, ""
    try:
        model = read(Source("x", memoryview(content), Limits()))
    except LoadError as error:
        message = str(error)
    assert "\n" not in message
    return model


@pytest.mark.parametrize("form", FILES)
def test_a_whole_file_is_read(form):
    model = outcome(FILES[form])
    assert model is not None
    assert [array.nbytes for array in model.tensors.values()].count(24) == 1


@pytest.mark.parametrize("form", FILES)
def test_a_file_is_refused_wherever_it_is_cut(form):
    """But for whole variables at the end of a MATLAB file, which does not say how many it has; it has one at least."""
    content = FILES[form]
    whole = [128 + len(matrix("w", 7, (2, 3), NUMBERS.tobytes(), stored=7))] if form.startswith("mat") else []
    for end in range(len(content)):
        assert (outcome(content[:end]) is not None) == (end in whole), end


@pytest.mark.parametrize("form", FILES)
def test_a_changed_byte_is_refused_or_read(form):
    content = FILES[form]
    for at in range(len(content)):
        for flip in (0x01, 0x80, 0xFF):
            outcome(content[:at] + bytes([content[at] ^ flip]) + content[at + 1 :])


@pytest.mark.parametrize("form", ["torch", "torch, packed", "npz", "npz, packed"])
def test_checksums_find_each_changed_byte_of_the_numbers(form):
    content = FILES[form]
    begin = content.find(NUMBERS.tobytes())
    for at in range(begin, begin + 24) if begin >= 0 else ():
        assert outcome(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]) is None


@given(data=st.data())
def test_mixtures_of_files_are_refused_or_read(data):
    """Pieces of one file within another, zeros, and what repeats."""
    content = bytearray(data.draw(st.sampled_from(sorted(FILES.values()))))
    for _ in range(data.draw(st.integers(1, 4))):
        other = data.draw(st.sampled_from(sorted(FILES.values())) | st.just(bytes(64)) | st.binary(max_size=8))
        begin = data.draw(st.integers(0, len(other)))
        piece = other[begin : begin + data.draw(st.integers(0, 40))]
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.sampled_from([0, len(piece)]))] = piece
    outcome(bytes(content))


@given(size=st.sampled_from([0, 1, (8 << 20) - 1, 8 << 20, (8 << 20) + 1, (24 << 20) + 5]), seed=st.integers(0, 3))
def test_large_files_are_read_by_several_threads_to_the_same_bytes(size, seed, tmp_path_factory):
    """8 MiB are what one thread reads at a time."""
    array = np.frombuffer(np.random.default_rng(seed).bytes(size), np.uint8)
    path = tmp_path_factory.mktemp("large") / "a.npy"
    np.save(path, array)
    assert_identical(open_model(path).tensors["array"], array)
