"""What refsnn writes into a NIR file for itself: the network as its spec has it, so that it comes back exactly."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from refsnn import specs
from refsnn.errors import RefSNNError
from refsnn.formats.load_report import Entry, Fate
from refsnn.formats.model_file import Tensors
from refsnn.formats.network_spec import described
from refsnn.formats.network_spec import network_of as network_of_spec
from refsnn.formats.nir.graph import NirGraph, NirNode, walked
from refsnn.formats.refusals import refuse
from refsnn.network import Network

KEY = "refsnn"


def described_as_metadata(network: Network, nodes: Mapping[str, NirNode], dt: float) -> dict[str, Any]:
    """The spec as JSON under 'refsnn', and those of its tensors that are no parameter of the graph under their names."""
    entries, tensors = described(network)
    own = {name: values for name, values in tensors.items() if not _in_graph(name, values, nodes)}
    head = {"name": network.name, "input": list(network.input_shape), "dt": dt, "digest": network.digest}
    listed = {**head, "nodes": entries, "elsewhere": sorted(set(tensors) - set(own))}
    return {KEY: json.dumps(listed, sort_keys=True), **own}


def _in_graph(name: str, values: np.ndarray[Any, Any], nodes: Mapping[str, NirNode]) -> bool:
    node, _, key = name.rpartition(".")
    other = nodes[node].parameters.get(key) if node in nodes else None
    return isinstance(other, np.ndarray) and other.dtype == values.dtype and np.array_equal(other, values)


def stored(graph: NirGraph, path: str, name: str) -> tuple[Network, tuple[Entry, ...]]:
    """The network that refsnn wrote beside the graph; refused where its digest is another one's."""
    text = graph.metadata.get(KEY)
    if not isinstance(text, str):
        refuse("missing-semantics", path, f"metadata.{KEY}", "refsnn stored nothing beside this graph",
               "take another profile, such as 'nir' with dt")  # fmt: skip
    parameters = {f"{n}.{key}": value for n, node in walked(graph) for key, value in node.parameters.items()}
    try:
        said = json.loads(text)
        tensors: Tensors = {key: parameters[key] for key in said["elsewhere"]}  # type: ignore[misc]
        tensors |= {key: value for key, value in graph.metadata.items() if isinstance(value, np.ndarray)}
        document = specs.Document(path, {"nodes": said["nodes"]}, {(): (1, 1)})
        network = network_of_spec(document, name, tuple(said["input"]), "nodes", tensors, path)
        digest = said["digest"]
    except (RefSNNError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        refuse("damaged", path, f"metadata.{KEY}", f"no network that refsnn wrote: {error}", "export the network again")
    if network.digest != digest:
        refuse("damaged", path, f"metadata.{KEY}", f"gives the network {network.digest[:12]}, but says it is {str(digest)[:12]}",
               "the graph was changed after refsnn wrote it: take the profile 'nir', or export it again")  # fmt: skip
    entries = [
        Entry(Fate.MAPPED, f"metadata.{KEY}", f"the network, with dt {said.get('dt')}: digest {network.digest[:12]}")
    ]
    for key, value in sorted(parameters.items()):
        what = "a parameter" if key in tensors else "written for other readers; computed with what refsnn stored"
        entries.append(
            Entry(Fate.MAPPED, key, what, getattr(value, "shape", None), str(getattr(value, "dtype", "text")))
        )
    return network, tuple(entries)
