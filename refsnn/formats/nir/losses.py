"""What NIR cannot carry of a network, in sentences."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import Enum

import numpy as np

from refsnn.layers import AvgPool2d, GlobalAvgPool2d
from refsnn.network import Network, Node
from refsnn.neurons import IF, LIF, Firing, Leak, Reset, ResetTime, Stateful


class Lost(Enum):
    """What a reader that follows NIR's equations then gets otherwise."""

    RESULTS = "results"  # other spikes, other potentials
    ROUNDING = "rounding"  # the same real numbers, rounded elsewhere
    FORM = "form"  # the same numbers from other nodes, or something a reader must be told


@dataclass(frozen=True)
class Loss:
    """One sentence of the statement."""

    lost: Lost
    node: str  # '' for the network
    what: str

    def __str__(self) -> str:
        return f"{self.node + ': ' if self.node else ''}{self.what}"


def is_threshold(layer: Stateful) -> bool:
    """Whether the layer is NIR's Threshold as it is read: LIF that keeps nothing and is never reset."""
    if type(layer) is not LIF:
        return False
    plain = LIF(decay=0.0, v_threshold=1.0, reset=Reset.NONE, firing=Firing.ABOVE_THRESHOLD)
    values = {item.name: getattr(layer, item.name) for item in fields(layer) if item.name != "v_threshold"}
    return all(not isinstance(value, np.ndarray) and value == getattr(plain, name) for name, value in values.items())


def losses_of(network: Network, dt: float) -> Iterator[Loss]:
    """What every node loses, but for what becomes of its numbers (nir_inverse) and its edges (nir_edges)."""
    yield Loss(
        Lost.FORM, "", f"NIR holds no length of a step: readers must be told dt = {dt:g}, and v starts at v_leak"
    )
    for node in network.nodes:
        if isinstance(node.layer, Stateful) and is_threshold(node.layer):
            continue
        if isinstance(node.layer, Stateful):
            yield from _of_potential(node, node.layer)
        if isinstance(node.layer, IF | LIF):
            yield from _of_firing(node.name, node.layer)
        if isinstance(node.layer, AvgPool2d) and node.layer.padding != (0, 0):
            yield Loss(
                Lost.RESULTS, node.name, "zeros of the padding count in the mean; NIR does not say whether they do"
            )
        if isinstance(node.layer, GlobalAvgPool2d):
            yield Loss(Lost.FORM, node.name, "a mean over the map becomes an AvgPool2d of its size")


def _of_potential(node: Node, layer: Stateful) -> Iterator[Loss]:
    rest = 0.0 if isinstance(layer, IF) or np.all(np.asarray(layer.decay) == 1) else layer.v_leak
    if np.any(np.asarray(layer.v_init) != rest):
        yield Loss(Lost.RESULTS, node.name, "v_init: NIR has no initial potential; readers start at v_leak, IF at 0")
    if not isinstance(layer, IF) and layer.leak is not Leak.FACTOR:
        yield Loss(Lost.ROUNDING, node.name, f"leak {layer.leak.value!r}: NIR has no order of operations")


def _of_firing(name: str, layer: IF | LIF) -> Iterator[Loss]:
    stated = (
        (layer.reset is Reset.SUBTRACT, "reset by subtraction; NIR resets to v_reset"),
        (layer.reset is Reset.NONE, "no reset; NIR resets to v_reset"),
        (layer.reset_time is not ResetTime.SAME_STEP and layer.reset is not Reset.NONE,
         f"reset_time {layer.reset_time.value!r}; NIR resets with the spike"),
        (layer.firing is Firing.AT_THRESHOLD, "fires at the threshold; NIR fires above it"),
        (layer.max_spikes != 1, f"up to {layer.max_spikes or 'any number of'} spikes a step; NIR's spike is one event"),
        (layer.v_negative is not None, "spikes of -1; NIR has none"),
        (layer.refractory > 0, f"{layer.refractory} refractory steps; NIR has none"),
        (layer.v_min is not None, "v_min; NIR has no lowest potential"),
        (layer.v_max is not None, "v_max; NIR has no highest potential"),
    )  # fmt: skip
    for holds, what in stated:
        if holds:
            yield Loss(Lost.RESULTS, name, what)
    if np.any(np.asarray(layer.amplitude) != 1):
        yield Loss(Lost.FORM, name, "what a spike is worth becomes a Scale behind it")
