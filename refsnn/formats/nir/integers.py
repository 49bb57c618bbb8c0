"""The weights of the profile 'lava-fixed': integers of Loihi, as NIR's own converter to Lava makes them."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from refsnn.formats.nir.flat import Flat
from refsnn.formats.nir.graph import NirNode
from refsnn.formats.nir.layers import collapsed
from refsnn.formats.refusals import refuse
from refsnn.network import INPUT

WEIGHTS = ("Affine", "Linear", "Conv1d", "Conv2d")
LOW, HIGH = -256, 255  # Loihi's 8 bits and a sign


def as_integers(flat: Flat, path: str, dt: float) -> Flat:
    """The graph with w as int(256 * w * dt / tau * r) in every node of weights, tau and r of the neurons that read it."""
    readers: dict[str, list[str]] = {name: [] for name in flat.nodes}
    for name, edges in flat.reads.items():
        for source, _ in edges:
            if source != INPUT:
                readers[source].append(name)
    made: dict[str, NirNode] = {}
    for name, node in flat.nodes.items():
        if node.type in WEIGHTS:
            made[name] = _integer(node, path, name, [flat.nodes[reader] for reader in readers[name]], dt)
        elif any(source == INPUT or flat.nodes[source].type not in WEIGHTS for source, _ in flat.reads[name]):
            refuse("unsupported-node", path, name, "profile 'lava-fixed' takes neurons behind weights only",
                   "put an Affine in front of them")  # fmt: skip
    return replace(flat, nodes=MappingProxyType({**flat.nodes, **made}))


def _integer(node: NirNode, path: str, name: str, readers: list[NirNode], dt: float) -> NirNode:
    if len(readers) != 1 or readers[0].type != "LIF":
        refuse("unsupported-node", path, name, "profile 'lava-fixed' takes weights that one LIF reads, whose gain they take",
               "take the profile 'lava'")  # fmt: skip
    gain = collapsed(np.asarray(readers[0].parameters.get("r", 1.0)) * dt / np.asarray(readers[0]["tau"], np.float64))
    bias = np.asarray(node.parameters.get("bias", 0.0))
    if not isinstance(gain, float) or bias.any():
        what = "a bias" if isinstance(gain, float) else "neurons of different gains"
        refuse("unsupported-node", path, name, f"profile 'lava-fixed' has no {what}", "take the profile 'lava'")
    weight = np.trunc(np.asarray(node["weight"], np.float64) * gain * 256)
    if weight.size and (weight.min() < LOW or weight.max() > HIGH):
        refuse("unsupported-node", path, name,
               f"weights from {weight.min():g} to {weight.max():g}, beyond {LOW} to {HIGH}", "scale them down")  # fmt: skip
    given: Mapping[str, Any] = {"weight": weight.astype(np.float64)}
    return replace(node, parameters=MappingProxyType({**node.parameters, **given}))
