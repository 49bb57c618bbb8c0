"""A network rounded to fixed point."""

from dataclasses import replace
from typing import Any

import numpy as np

from refsnn.arithmetic import FixedPoint
from refsnn.errors import FormatError
from refsnn.fitting import format_of, parameters
from refsnn.fixed import Overflow
from refsnn.network import Network, Node
from refsnn.neurons import Leak


def quantise(network: Network, arithmetic: FixedPoint) -> Network:
    """The network with weights, biases and constants in the arithmetic's formats, by their rounding and overflow rules.

    Weights take the weight's format, biases the current's, thresholds and other potentials the membrane's, decays and gains
    the nearest multiple of 2^-decay_fraction. An amplitude stays as it is: let it be a number of few bits. A constant never
    wraps: where a format wraps or refuses overflow, one beyond its range is refused.
    """
    return Network(network.name, network.input_shape, tuple(_rounded(node, arithmetic) for node in network.nodes))


def _rounded(node: Node, arithmetic: FixedPoint) -> Node:
    changed: dict[str, Any] = {}
    for name, values in parameters(node).items():
        q = format_of(name, arithmetic)
        fitted = (replace(q, overflow=Overflow.REFUSE) if q.overflow is Overflow.WRAP else q).of(
            f"{node.name}: {name}", values
        )
        if name == "v_threshold" and np.min(fitted) <= 0:
            raise FormatError(
                f"{node.name}: v_threshold {np.min(values):g} becomes 0 in {q}; take more bits behind the point"
            )
        changed[name] = fitted if np.ndim(values) else float(fitted)
    layer: Any = node.layer
    if getattr(layer, "leak", None) is Leak.TOWARDS:
        changed["decay"] = 1 - changed["gain"]  # what it is by definition
    return replace(node, layer=replace(layer, **changed)) if changed else node
