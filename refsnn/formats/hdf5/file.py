"""HDF5 files, told apart by their groups: NIR, Keras, lava .net."""

from importlib import import_module

from refsnn.formats.hdf5.tree import Group, read_tree
from refsnn.formats.model_file import Format, ModelFile, Source
from refsnn.formats.refusals import refuse, shown

# format -> module of refsnn.formats whose `from_tree(source, tree) -> ModelFile` reads it
READERS = {
    Format.NIR: "nir.file",
    Format.LAVA: "lava.file",
    Format.KERAS_H5: "keras.file",
    Format.KERAS_WEIGHTS: "keras.file",
}
SHOWN = 8  # names that a message lists


def read(source: Source) -> ModelFile:
    """The model, whichever of the formats in READERS it is."""
    tree = read_tree(source)
    form = kind(tree)
    if form is None:
        names = sorted((*tree.groups, *tree.datasets))
        found = ", ".join(shown(name, 40) for name in names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
        refuse("unknown-format", source.path, "",
               f"an HDF5 file that is neither NIR, Keras nor lava .net (it holds {found or 'nothing'})",
               "save the arrays as npz: numpy.savez('weights.npz', **{name: file[name][()] for name in names})")  # fmt: skip
    model: ModelFile = import_module(f"refsnn.formats.{READERS[form]}").from_tree(source, tree)
    return model


def kind(tree: Group) -> Format | None:
    """Which format a tree is of, by the names that every file of the format has."""
    if "node" in tree.groups and ("type" in tree.groups["node"].datasets or "version" in tree.datasets):
        return Format.NIR
    layers = tree.groups.get("layer")
    if layers is not None and layers.groups and all("type" in layer.datasets for layer in layers.groups.values()):
        return Format.LAVA
    if "model_weights" in tree.groups or "model_config" in tree.attributes:
        return Format.KERAS_H5
    if any(name.startswith("layer_names") for name in tree.attributes):
        return Format.KERAS_H5
    return Format.KERAS_WEIGHTS if "layers" in tree.groups else None
