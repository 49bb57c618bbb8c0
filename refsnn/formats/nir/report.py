"""What became of every parameter of a NIR file."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from refsnn.formats.load_report import Entry, Fate
from refsnn.formats.nir.cells import guessed_scaling
from refsnn.formats.nir.flat import PASSED_ON, Flat
from refsnn.formats.nir.graph import NEURONS, PARAMETERS, NirGraph, NirNode, walked
from refsnn.formats.nir.semantics import PROFILES, Profile, Semantics
from refsnn.layers import Shape
from refsnn.network import Network, Node

NEUTRAL = {"r": 1.0, "w_in": 1.0, "v_leak": 0.0, "v_reset": 0.0}  # values that a reader may overlook without harm
COMPARED = ("input_shape", "input_type")  # sizes that are inferred, never believed


def entries_of(graph: NirGraph, flat: Flat, network: Network, how: Semantics) -> tuple[Entry, ...]:
    """One entry for each parameter in the file, each that is not, and each node whose meaning was told from its numbers."""
    found: list[Entry] = []
    made = {node.name: node for node in network.nodes}
    for name, node in walked(graph):
        if node.type in PASSED_ON:
            found += _passed_on(name, node, flat, network)
        else:
            found += _of_node(name, node, network.shapes, made[name], how)
        found += [
            Entry(Fate.IGNORED, f"{name}.metadata.{key}", "metadata, which no reader relies on")
            for key in node.metadata
        ]
    found += [Entry(Fate.IGNORED, f"metadata.{key}", "metadata, which no reader relies on") for key in graph.metadata]
    return tuple(found)


def _passed_on(name: str, node: NirNode, flat: Flat, network: Network) -> Iterator[Entry]:
    if node.type == "Delay":
        yield _entry(Fate.MAPPED, f"{name}.delay", "steps on the edges that leave it", node["delay"])
        return
    if "shape" not in node.parameters:
        return
    said = tuple(int(n) for n in np.atleast_1d(node["shape"]).ravel())
    if name == flat.output:
        yield _compared(f"{name}.shape", said, network.shapes[network.nodes[-1].name], node["shape"])
    else:
        yield _entry(
            Fate.MAPPED, f"{name}.shape", "the input's shape" if "." not in name else "of a nested graph", node["shape"]
        )


def _of_node(name: str, node: NirNode, sizes: Mapping[str, Shape], made: Node, how: Semantics) -> Iterator[Entry]:
    profile = PROFILES[how.profile]
    required, optional = PARAMETERS[node.type]
    for key, value in node.parameters.items():
        if key not in required and key not in optional:
            yield _entry(Fate.IGNORED, f"{name}.{key}", f"{node.type} has no such parameter", value)
        elif key in COMPARED:
            yield _sized(name, key, node, sizes[made.inputs[0]])
        elif node.type in NEURONS and key in profile.ignores and np.any(np.asarray(value) != NEUTRAL[key]):
            yield _entry(Fate.IGNORED, f"{name}.{key}", f"profile {profile.name} does not look at it", value)
        else:
            yield _entry(Fate.MAPPED, f"{name}.{key}", f"{name}: {type(made.layer).__name__}", value)
    for key, default in optional.items():
        if key not in node.parameters and default is not None:
            yield Entry(Fate.DEFAULTED, f"{name}.{key}", f"{default:g}: not in the file, as in those of older writers")
    yield from _meant(name, node, profile, how)


def _meant(name: str, node: NirNode, profile: Profile, how: Semantics) -> Iterator[Entry]:
    """What was told from numbers, or what the profile's own reader does otherwise than the neurons here."""
    if node.type in ("I", "IF") and profile.name in ("nir", "exact") and how.if_scaling is None:
        why = guessed_scaling(np.asarray(node.parameters.get("r", 1.0), np.float64), how.dt)
        yield Entry(Fate.GUESSED, f"{name}.if_scaling", f"v += x, since {why}; give if_scaling to be sure")
    if node.type == "AvgPool2d" and np.any(node.parameters.get("padding", 0)):
        yield Entry(
            Fate.DEFAULTED, f"{name}.count_include_pad", "zeros of the padding count in the mean; NIR does not say"
        )
    if profile.name == "nengo" and node.type in NEURONS:
        yield Entry(
            Fate.IGNORED,
            f"{name}.spike_time",
            "Nengo charges what a spike leaves of its step; here it is lost",
        )


def _sized(name: str, key: str, node: NirNode, shape: Shape) -> Entry:
    axes = np.atleast_1d(node[key]).ravel()
    inferred = shape if key == "input_type" else shape[1:]
    return _compared(f"{name}.{key}", tuple(int(n) for n in axes), inferred, node[key])


def _compared(name: str, said: Shape, inferred: Shape, value: Any) -> Entry:
    if said == inferred:
        return _entry(Fate.MAPPED, name, "as inferred here", value)
    return _entry(Fate.IGNORED, name, f"says {list(said)}, the layers give {list(inferred)}", value)


def _entry(fate: Fate, name: str, what: str, value: Any) -> Entry:
    if isinstance(value, np.ndarray):
        return Entry(fate, name, what, value.shape, str(value.dtype))
    return Entry(fate, name, what)
