"""Weights and data files: read exactly, or refused with a reason."""

import io
import json
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save
from same import assert_identical

import refsnn
from refsnn.errors import FormatError, NothingCompared, RefSNNError, ShapeError, SpecError
from refsnn.files import write_atomic
from refsnn.formats import open_model


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def npy_in_zip(header, body=b"", name="x.npy"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body)
    return buffer.getvalue()


def test_the_same_weights_from_both_formats(specs, tmp_path, ann):
    tensors = open_model(specs / "networks" / "digits.safetensors").tensors
    np.savez(tmp_path / "digits.npz", **tensors)
    again = refsnn.load(tmp_path / "digits.npz", spec=specs / "networks" / "digits.yaml")
    assert again.digest == ann.digest
    text = (specs / "networks" / "digits.yaml").read_text().replace("digits.safetensors", "digits.npz")
    (tmp_path / "net.yaml").write_text(text)
    assert refsnn.load(tmp_path / "net.yaml").digest == ann.digest


def test_arrays_survive_both_formats_bit_for_bit(tmp_path):
    arrays = {"f": np.array([[0.1, -0.0]], np.float32), "i": np.arange(3, dtype=np.int8), "d": np.array(2.5), "e": np.empty((0, 3)),
              "t": np.asfortranarray(np.arange(6.0).reshape(2, 3))}  # fmt: skip
    (tmp_path / "a.npz").write_bytes(npz(**arrays))
    (tmp_path / "a.safetensors").write_bytes(
        save({k: np.ascontiguousarray(v) for k, v in arrays.items() if v.size and v.ndim})
    )
    for name, values in open_model(tmp_path / "a.npz").tensors.items():
        assert_identical(values, arrays[name])
    for name, values in open_model(tmp_path / "a.safetensors").tensors.items():
        assert_identical(values, arrays[name])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty; copy or save the file again"),
        (b"<html>", "a web page, probably the answer to a failed download; download it again, logged in"),
        (npz(x=np.arange(9))[:60], "begins like a zip file, but has no directory at its end; copy or save the file again"),
        (save({"a": np.ones(4)})[:-8], "a: ends at byte 32 of 24 that are there; copy or save the file again"),
        (npy_in_zip(b"{'descr': '<f8', 'fortran_order': False, 'shape': (150000000,), }          \n"),
         "x: declares 1200000000 bytes of numbers, but 0 are there; save it again"),
        (npy_in_zip(b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", b"x" * 8),
         "x: holds Python objects, which are not read; save numbers"),
        (npy_in_zip(b"", name="archive/data.pkl"), "archive/data.pkl: cannot be read at byte 0: the stack is empty; copy or save the file again"),
        (npy_in_zip(b"__import__('os').system('true')\n"), "x: not a .npy array: "),
    ],
)  # fmt: skip
def test_files_that_are_refused(tmp_path, content, message):
    path = tmp_path / "weights"
    path.write_bytes(content)
    with pytest.raises(FormatError) as error:
        open_model(path)
    assert str(error.value).startswith(f"{path}: {message}")


def test_missing_files(tmp_path, specs):
    with pytest.raises(
        FormatError, match=r"none\.npz: cannot read: No such file or directory; name a file that exists"
    ):
        refsnn.load_data(tmp_path / "none.npz")
    (tmp_path / "net.yaml").write_text((specs / "networks" / "digits.yaml").read_text())
    with pytest.raises(FormatError, match=r"digits\.safetensors: cannot read"):
        refsnn.load(tmp_path / "net.yaml")


@given(cut=st.floats(0, 1, exclude_max=True), packed=st.booleans())
def test_a_truncated_file_is_refused_wherever_it_ends(cut, packed, tmp_path_factory):
    arrays = {"x": np.arange(24.0).reshape(2, 12), "y": np.arange(2)}
    content = npz(**arrays) if packed else save(arrays)
    path = tmp_path_factory.mktemp("cut") / "data"
    path.write_bytes(content[: int(cut * len(content))])
    with pytest.raises(FormatError):
        open_model(path)


@given(position=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255))
def test_a_damaged_npz_gives_its_values_or_one_sentence(position, value, tmp_path_factory):
    content = bytearray(npz(x=np.arange(24.0), y=np.arange(2)))
    content[int(position * len(content))] = value
    path = tmp_path_factory.mktemp("damaged") / "data.npz"
    path.write_bytes(content)
    message = ""
    try:
        open_model(path)
    except RefSNNError as error:
        message = str(error)
    assert "\n" not in message


@pytest.mark.parametrize(
    ("arrays", "kind", "message"),
    [
        ({"X": np.ones((2, 2))}, FormatError, "has no array 'x' with the samples; known: X"),
        ({"x": np.ones((0, 2))}, NothingCompared, "x has no samples; give at least one"),
        ({"x": np.array([["a"]])}, FormatError, "x is a 2-dimensional array of <U1, expected numbers with samples first"),
        ({"x": np.ones((2, 2)), "y": np.ones(2)}, ShapeError,
         "y has shape [2] and dtype float64, expected 2 whole numbers, one per sample"),
        ({"x": np.ones((2, 2)), "y": np.arange(3)}, ShapeError,
         "y has shape [3] and dtype int64, expected 2 whole numbers, one per sample"),
        ({"x": np.array([[1.0, np.nan]])}, FormatError, "x: nan at index [0, 1]; every number must be finite"),
    ],
)  # fmt: skip
def test_data_files_that_are_refused(tmp_path, arrays, kind, message):
    path = tmp_path / "data.npz"
    path.write_bytes(npz(**arrays))
    with pytest.raises(kind) as error:
        refsnn.load_data(path)
    assert str(error.value) == (f"{path}: {message}")


def test_labels_that_are_not_there(tmp_path):
    (tmp_path / "data.npz").write_bytes(npz(x=np.ones((2, 2))))
    data = refsnn.load_data(tmp_path / "data.npz", limit=1)
    assert len(data.x) == 1
    with pytest.raises(FormatError, match="has no array 'y' with a label per sample, which this needs; add it"):
        data.labels  # noqa: B018, it raises


def test_weights_that_do_not_fit_the_spec(tmp_path):
    spec = "name: n\ninput: [3]\nweights: w.npz\nnodes:\n  - {name: fc, layer: Linear, weight: w}\n"
    (tmp_path / "n.yaml").write_text(spec)
    (tmp_path / "w.npz").write_bytes(npz(w=np.ones((2, 4))))
    with pytest.raises(ShapeError) as error:
        refsnn.load(tmp_path / "n.yaml")
    assert str(error.value) == f"{tmp_path / 'n.yaml'}: fc: weight expects 4 inputs, but the node before gives [3]"
    (tmp_path / "w.npz").write_bytes(npz(w=np.array([[np.nan, 0, 0]])))
    with pytest.raises(FormatError) as error:
        refsnn.load(tmp_path / "n.yaml")
    assert str(error.value) == f"{tmp_path / 'w.npz'}: w: nan at index [0, 0]; every number must be finite"
    (tmp_path / "w.npz").write_bytes(npz(ww=np.ones((2, 3))))
    with pytest.raises(SpecError) as error:
        refsnn.load(tmp_path / "n.yaml")
    assert str(error.value) == (
        f"{tmp_path / 'n.yaml'}:5:31: nodes[0].weight: {tmp_path / 'w.npz'} has no tensor 'w'; did you mean 'ww'?"
    )


def test_a_network_is_written_beside_its_weights_or_not_at_all(tmp_path, snn):
    with pytest.raises(SpecError, match=r"name the spec, 'net\.yaml'"):
        refsnn.dump(snn, tmp_path / "net.npz")
    with pytest.raises(
        FormatError, match="cannot write: No such file or directory; name a folder that exists, with space left"
    ):
        refsnn.dump(snn, tmp_path / "none" / "net.yaml")
    assert list(tmp_path.iterdir()) == []


def test_a_written_file_is_an_ordinary_one(tmp_path):
    """Readable by whom the umask lets read, not private as temporary files are."""
    (tmp_path / "plain").write_bytes(b"")
    write_atomic(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_spec_and_its_weights_change_together(tmp_path, snn, ann, monkeypatch):
    """A full disk while the second of two files is written: both old ones stay."""
    refsnn.dump(snn, tmp_path / "net.yaml")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    calls = []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(FormatError, match="net.yaml: cannot write: No space left on device"):
        refsnn.dump(refsnn.fold_batch_norm(ann), tmp_path / "net.yaml")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "out"
    write_atomic(path, b"old")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_committed_weights_have_the_accuracy_that_their_provenance_says(specs, ann, test_data, calibration_data):
    """Recorded by PyTorch when they were trained, computed here without it."""
    splits = {
        "test": test_data,
        "calibration": calibration_data,
        "train": refsnn.load_data(specs / "data" / "digits_train.npz"),
    }
    lif = refsnn.load(specs / "networks" / "digits_lif.yaml")
    for name, predict in (
        ("digits", lambda x: refsnn.forward(ann, x).output),
        ("digits_lif", lambda x: refsnn.simulate(lif, x, steps=6).readout[-1]),
    ):
        content = (specs / "networks" / f"{name}.safetensors").read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        provenance = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["provenance"])
        assert set(provenance) == {"recipe", "settings", "seed", "data", "versions", "accuracy"}
        for split, data in splits.items():
            accuracy = float((predict(data.x).argmax(-1) == data.labels).mean())
            assert round(accuracy, 4) == provenance["accuracy"][split]
        assert provenance["accuracy"]["test"] >= {"digits": 0.97, "digits_lif": 0.95}[name]


def test_the_weights_are_small(specs):
    assert sum(path.stat().st_size for path in (specs / "networks").glob("*.safetensors")) < 500_000


def test_the_splits_are_disjoint_and_are_scikit_learns_digits(specs):
    datasets = pytest.importorskip("sklearn.datasets")
    digits = datasets.load_digits()
    splits = [refsnn.load_data(specs / "data" / f"digits_{name}.npz") for name in ("train", "calibration", "test")]
    assert [len(split.x) for split in splits] == [997, 400, 400]
    ours = np.concatenate([np.column_stack([s.x.reshape(len(s.x), 64) * 16, s.labels]) for s in splits])
    theirs = np.column_stack([digits.data, digits.target])
    # the same 1,797 rows, each as often: so no image stands in two splits
    assert sorted(map(tuple, ours.tolist())) == sorted(map(tuple, theirs.tolist()))
    assert len(np.unique(theirs, axis=0)) == len(theirs)


@pytest.mark.parametrize("magic", [b"\x80\x02", b"\x1f\x8b", b"PK\x03", b"\x89HD"])
def test_a_header_as_long_as_another_formats_magic_number_is_still_safetensors(magic, tmp_path):
    """The first bytes are the header's length: 640 is also how a pickle begins, 35,615 a gzip archive."""
    length = int.from_bytes(magic[:2], "little")
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode().ljust(length)
    (tmp_path / "a").write_bytes(struct.pack("<Q", length) + header + np.ones(1, "<f4").tobytes())
    assert_identical(open_model(tmp_path / "a").tensors["a"], np.ones(1, np.float32))
