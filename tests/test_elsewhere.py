"""Formats without a light reader: recognised by content, and refused with lines that convert them."""

import ast
import pickle
from pathlib import Path

import numpy as np
import pytest

from refsnn.errors import LoadError
from refsnn.formats import open_model
from refsnn.formats.elsewhere import RECIPES

PROTOTXT = b"""# LeNet
name: "LeNet"
layer {
  name: "conv1"
  type: "Convolution"
}
"""
# SavedModel: schema version 1, then a MetaGraphDef that names its signature
SAVED_MODEL = b"\x08\x01\x12\x40" + b"\x0a\x1b\x22\x05serve" + b"serving_default".ljust(60)


def refused(path):
    with pytest.raises(LoadError) as caught:
        open_model(path)
    return caught.value


FILES = [
    (bytes(200) + b"\x57\xfb\x80\x8b\x24\x75\x47\xdb", "TensorFlow checkpoint", "no-light-reader"),
    (SAVED_MODEL, "TensorFlow SavedModel", "no-light-reader"),
    (b"\x0c\xdb\x3a\x2a" + bytes(60), "Orbax checkpoint", "no-light-reader"),
    (b'{"tree_metadata": {"params": 1}}', "Orbax checkpoint", "no-light-reader"),
    (PROTOTXT, "Caffe model", "no-light-reader"),
    (b"\x0a\x05LeNet\xa2\x06\x04\x0a\x02c1", "Caffe model", "no-light-reader"),
    (pickle.dumps({"default": {"s": {"_synaptic_pre": np.arange(3)}}}), "Brian2 store", "executable"),
]


@pytest.mark.parametrize(("content", "kind", "code"), FILES)
def test_files_are_recognised_and_converted_elsewhere(tmp_path, content, kind, code):
    (tmp_path / "weights").write_bytes(content)
    error = refused(tmp_path / "weights")
    assert (error.code, kind in error.reason) == (code, True)
    assert error.remedy == "make an npz of it where it was written: " + "; ".join(RECIPES[kind])


@pytest.mark.parametrize("content", [content for content, _, _ in FILES])
def test_however_short_they_are_there_is_a_sentence(tmp_path, content):
    """A file of one line end broke the first version: fuzzing found it."""
    for end in range(len(content)):
        (tmp_path / "weights").write_bytes(content[:end])
        refused(tmp_path / "weights")


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["saved_model.pb", "variables"], "TensorFlow SavedModel"),
        (["_METADATA", "_sharding", "d", "manifest.ocdbt"], "Orbax checkpoint"),
        (["checkpoint", "model.ckpt-1.data-00000-of-00001", "model.ckpt-1.index"], "TensorFlow checkpoint"),
    ],
)
def test_folders_are_recognised_by_the_names_in_them(tmp_path, names, kind):
    for name in names:
        (tmp_path / name).touch()
    assert kind in refused(tmp_path).reason


def test_any_other_folder_is_said_to_be_one(tmp_path):
    error = refused(tmp_path)
    assert (error.code, error.reason) == ("unreadable", "a folder; models are read from one file")


def test_another_pickle_is_no_brian2_store(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([1.0]))
    assert refused(tmp_path / "a.pkl").reason == "a bare pickle (joblib, pickle.dump), which runs code to be read"


@pytest.mark.parametrize("kind", RECIPES)
def test_recipes_are_three_lines_of_python_that_write_an_npz(kind):
    lines = RECIPES[kind]
    assert len(lines) == 3
    assert isinstance(ast.parse(lines[0]).body[0], ast.Import)
    assert lines[-1].startswith("numpy.savez('weights.npz', ")
    ast.parse("; ".join(lines))


def test_the_recipes_stand_in_the_docs():
    text = (Path(__file__).parents[1] / "docs" / "formats.md").read_text()
    for kind, lines in RECIPES.items():
        assert f"{kind}:\n\n```text\n" + "\n".join(lines) + "\n```" in text


def test_a_folder_that_orbax_wrote_is_converted_by_its_recipe(tmp_path, monkeypatch):
    """With the real package, where it is installed."""
    pytest.importorskip("orbax.checkpoint")
    import orbax.checkpoint as ocp

    tree = {"dense": {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "bias": np.ones(3, np.float32)}}
    with ocp.StandardCheckpointer() as writer:
        writer.save(tmp_path / "saved", tree)
    assert "Orbax" in refused(tmp_path / "saved").reason
    monkeypatch.chdir(tmp_path)
    lines = [line.replace("/PATH/OF/FOLDER", str(tmp_path / "saved")) for line in RECIPES["Orbax checkpoint"]]
    exec("\n".join(lines), {})  # noqa: S102, our own lines
    tensors = open_model(tmp_path / "weights.npz").tensors
    assert {name: array.tolist() for name, array in tensors.items()} == {
        "['dense']['kernel']": tree["dense"]["kernel"].tolist(),
        "['dense']['bias']": tree["dense"]["bias"].tolist(),
    }
