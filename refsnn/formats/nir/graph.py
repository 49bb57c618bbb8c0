"""What a NIR file describes, as plain data: nodes with their parameters, and edges. Nothing here computes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
GRAPH = "NIRGraph"

# type -> parameters that its files always have, and those that some leave out with what then holds (None: nothing)
PARAMETERS: Mapping[str, tuple[tuple[str, ...], Mapping[str, float | None]]] = MappingProxyType(
    {
        "Input": (("shape",), {}),
        "Output": ((), {"shape": None}),
        "Affine": (("weight", "bias"), {}),
        "Linear": (("weight",), {}),
        "Scale": (("scale",), {}),
        "Conv1d": (("weight", "stride", "padding", "dilation", "groups"), {"bias": 0.0, "input_shape": None}),
        "Conv2d": (("weight", "stride", "padding", "dilation", "groups"), {"bias": 0.0, "input_shape": None}),
        "SumPool2d": (("kernel_size",), {"stride": None, "padding": 0.0}),
        "AvgPool2d": (("kernel_size",), {"stride": None, "padding": 0.0}),
        "Flatten": ((), {"start_dim": 1.0, "end_dim": -1.0, "input_type": None}),
        "Delay": (("delay",), {}),
        "Threshold": (("threshold",), {}),
        "I": ((), {"r": 1.0}),
        "IF": (("v_threshold",), {"r": 1.0, "v_reset": 0.0}),
        "LI": (("tau", "v_leak"), {"r": 1.0}),
        "LIF": (("tau", "v_leak", "v_threshold"), {"r": 1.0, "v_reset": 0.0}),
        "CubaLI": (("tau_syn", "tau_mem", "v_leak"), {"r": 1.0, "w_in": 1.0}),
        "CubaLIF": (("tau_syn", "tau_mem", "v_leak", "v_threshold"), {"r": 1.0, "w_in": 1.0, "v_reset": 0.0}),
    }
)
NEURONS = ("I", "IF", "LI", "LIF", "CubaLI", "CubaLIF")


@dataclass(frozen=True, eq=False)
class NirNode:
    """One node: its type and parameters, each an array or a text (a convolution's padding)."""

    type: str
    parameters: Mapping[str, Array | str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]


@dataclass(frozen=True, eq=False)
class NirGraph:
    """Nodes by name, graphs among them, and edges (source, target) in the order of the file, each one once."""

    nodes: Mapping[str, "NirNode | NirGraph"]
    edges: tuple[tuple[str, str], ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    version: str | None = None  # of the nir package that wrote it: a format has no number

    def named(self, kind: str) -> tuple[str, ...]:
        """Names of the nodes of this type, sorted."""
        return tuple(sorted(n for n, node in self.nodes.items() if isinstance(node, NirNode) and node.type == kind))


def walked(graph: NirGraph, prefix: str = "") -> Iterator[tuple[str, NirNode]]:
    """All nodes of a graph and of the graphs in it, under the names 'outer.inner'."""
    for name, node in graph.nodes.items():
        if isinstance(node, NirGraph):
            yield from walked(node, f"{prefix}{name}.")
        else:
            yield prefix + name, node
