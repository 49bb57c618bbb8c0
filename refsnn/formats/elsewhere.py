"""Formats that only their own framework reads well: recognised, and refused with the three lines that convert them there."""

import os
import re
from collections.abc import Callable, Mapping

from refsnn.formats.refusals import refuse

TABLE_MAGIC = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"  # ends the index of a TensorFlow checkpoint (a LevelDB table)
OCDBT_MAGIC = b"\x0c\xdb\x3a\x2a"  # begins a manifest of TensorStore's OCDBT, which Orbax writes
LOOKED_AT = 1 << 16  # bytes of a file that are searched for words

# what it is -> three lines that make an npz of it
RECIPES: Mapping[str, tuple[str, ...]] = {
    "TensorFlow checkpoint": (
        "import numpy, tensorflow as tf",
        "r = tf.train.load_checkpoint('PREFIX')",
        "numpy.savez('weights.npz', **{n: r.get_tensor(n) for n in r.get_variable_to_shape_map()})",
    ),
    "TensorFlow SavedModel": (
        "import numpy, tensorflow as tf",
        "m = tf.saved_model.load('FOLDER')",
        "numpy.savez('weights.npz', **{v.name: v.numpy() for v in m.variables})",
    ),
    "Orbax checkpoint": (
        "import jax, numpy, orbax.checkpoint as ocp",
        "t = jax.tree_util.tree_leaves_with_path(ocp.StandardCheckpointer().restore('/PATH/OF/FOLDER'))",
        "numpy.savez('weights.npz', **{jax.tree_util.keystr(k): numpy.asarray(v) for k, v in t})",
    ),
    "Caffe model": (
        "import caffe, numpy",
        "net = caffe.Net('deploy.prototxt', 'weights.caffemodel', caffe.TEST)",
        "numpy.savez('weights.npz', **{f'{k}.{i}': b.data for k, v in net.params.items() for i, b in enumerate(v)})",
    ),
    "Brian2 store": (
        "import numpy",
        "net.restore(filename='FILE')",  # with the script's Network net and Synapses s
        "numpy.savez('weights.npz', **{k: numpy.asarray(v) for k, v in s.get_states(units=False).items()})",
    ),
}
# of a folder: names that only this kind has
FOLDERS: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda name: name == "saved_model.pb", "TensorFlow SavedModel"),
    (
        lambda name: name in ("_METADATA", "_CHECKPOINT_METADATA", "manifest.ocdbt", "ocdbt.process_0"),
        "Orbax checkpoint",
    ),
    (lambda name: name == "checkpoint" or name.endswith(".index"), "TensorFlow checkpoint"),
)


def refuse_elsewhere(path: str, content: memoryview) -> None:
    """A LoadError for a file of one of these formats; None for any other."""
    kind = _kind(content)
    if kind is not None:
        _refuse(path, kind)


def refuse_folder(path: str) -> None:
    """A LoadError for a folder: what it holds, where that is known."""
    names = sorted(os.listdir(path))
    for belongs, kind in FOLDERS:
        if any(map(belongs, names)):
            _refuse(path, kind)
    refuse(
        "unreadable", path, "", "a folder; models are read from one file", "name the file in it that holds the weights"
    )


def _refuse(path: str, kind: str) -> None:
    code = "executable" if kind == "Brian2 store" else "no-light-reader"
    article = "an" if kind[0] in "AEIO" else "a"
    what = f"{article} {kind}{', a pickle, which runs code to be read' if code == 'executable' else ''}"
    refuse(code, path, "", what, "make an npz of it where it was written: " + "; ".join(RECIPES[kind]))


def _kind(content: memoryview) -> str | None:
    head = bytes(content[:LOOKED_AT])
    if bytes(content[-8:]) == TABLE_MAGIC:
        return "TensorFlow checkpoint"
    if head.startswith(OCDBT_MAGIC) or (head[:1] == b"{" and b'"tree_metadata"' in head):
        return "Orbax checkpoint"
    if head[:3] == b"\x08\x01\x12" and any(word in head for word in (b"saved_model", b"serving_default")):
        return "TensorFlow SavedModel"
    if head[:1] == b"\x80" and any(word in head for word in (b"brian2", b"_synaptic_pre")):
        return "Brian2 store"
    # prototxt, and the fields 1 (the network's name, a short text) and 100 (a layer) or 2 (V1) of a caffemodel
    if re.match(rb"\s*(#[^\n]*\n\s*)*(name|layers?|input)\s*[:{]", head) and re.search(rb"\blayers?\s*\{", head):
        return "Caffe model"
    if len(head) > 1 and head[0] == 0x0A and 0 < head[1] < 128 and head[2 + head[1] : 4 + head[1]] == b"\xa2\x06":
        return "Caffe model"
    return None
