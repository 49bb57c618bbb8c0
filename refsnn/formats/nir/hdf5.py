"""NIR graphs as HDF5 bytes, in the layout that nir.read reads; the same graph gives the same bytes."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np

from refsnn.errors import UnsupportedLayerError
from refsnn.formats.nir.graph import GRAPH, NirGraph, NirNode

LAYOUT = "1.0.8"  # the release of nir whose layout this is; the format has no number of its own


def content_of(graph: NirGraph) -> bytes:
    """The file: numbers uncompressed, in the order of their names, without times."""
    import h5py

    with new_file() as file:
        file.create_dataset("version", data=LAYOUT, dtype=h5py.string_dtype(), track_times=False)
        _graph(file.create_group("node"), graph)
        return image(file)


def image(file: Any) -> bytes:
    """The bytes of an HDF5 file in memory."""
    file.flush()
    content: bytes = file.id.get_file_image()
    return content


def new_file() -> Any:
    """An HDF5 file in memory."""
    if find_spec("h5py") is None:
        raise UnsupportedLayerError(
            "NIR files are written with h5py, which is not installed; pip install 'refsnn[nir]'"
        )
    import h5py

    return h5py.File("graph.nir", "w", driver="core", backing_store=False)


def _graph(group: Any, graph: NirGraph) -> None:
    put(group, "type", GRAPH)
    put(group, "edges", graph.edges)
    _metadata(group, graph.metadata)
    nodes = group.create_group("nodes")
    for name, node in sorted(graph.nodes.items()):
        inner = nodes.create_group(name)
        if isinstance(node, NirNode):
            put(inner, "type", node.type)
            for key, value in sorted(node.parameters.items()):
                put(inner, key, value)
            _metadata(inner, node.metadata)
        else:
            _graph(inner, node)


def _metadata(group: Any, metadata: Mapping[str, Any]) -> None:
    if metadata:
        inside = group.create_group("metadata")
        for key, value in sorted(metadata.items()):
            put(inside, key, value)


def checked_name(name: str) -> str:
    """The name, if it is one of a part of an HDF5 file."""
    if not name or "/" in name or "\0" in name or not name.strip("."):
        raise UnsupportedLayerError(f"{name!r}: no name of a part of an HDF5 file; rename the node, without '/'")
    return name


def put(group: Any, name: str, value: Any) -> None:
    """One dataset: an array, a text, or pairs of texts."""
    import h5py

    if isinstance(value, tuple):
        value = np.array(value, object).reshape(-1, 2)
    kind = h5py.string_dtype() if isinstance(value, str) or value.dtype.hasobject else value.dtype
    group.create_dataset(name, data=value, dtype=kind, track_times=False)
