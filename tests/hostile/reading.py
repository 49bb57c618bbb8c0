"""A file read as far as refsnn reads files: its bytes, its tensors and, where it holds a graph, the network."""

from importlib import import_module

from refsnn.formats import load, open_model
from refsnn.formats.loading import GRAPHS
from refsnn.formats.model_file import Format
from refsnn.formats.nir.semantics import Semantics

NIR = Semantics(profile="nir", dt=1e-4)


def read_spec(path):
    load(path)


def read_model(path):
    """The file's model; its network is made too, and let go."""
    return with_network(open_model(path))


def with_network(model):
    if model.graph is not None:
        network_of = import_module(f"refsnn.formats.{GRAPHS[model.format]}").network_of
        network_of(*((model, NIR, "net") if model.format is Format.NIR else (model, "net")))
    return model
