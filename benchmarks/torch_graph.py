"""A refsnn network as a graph of PyTorch modules; the neurons in it are whatever the caller makes."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from refsnn.layers import QCFS, Add, AvgPool2d, Conv2d, Flatten, GlobalAvgPool2d, Linear, SumPool2d
from refsnn.neurons import IF, Firing, Reset


class Stage(NamedTuple):
    """A node as it runs here."""

    name: str
    inputs: tuple[str, ...]
    layer: Any
    run: Any  # a PyTorch module, or the simulator's neurons
    timed: bool  # whether its output differs from step to step
    spent: frozenset[str]  # signals that nothing reads after it

    @property
    def spikes(self):
        return isinstance(self.layer, IF)


def stages_of(network, neurons):
    """The network's nodes in order; `neurons` makes a simulator's own ones of an IF layer."""
    stages, timed = [], set()
    for position, node in enumerate(network.nodes):
        if isinstance(node.layer, IF):
            if node.layer.reset is not Reset.SUBTRACT or node.layer.firing is not Firing.AT_THRESHOLD:
                raise ValueError(f"{node.name}: only neurons as `convert` makes them can be set up alike everywhere")
            run = neurons(node.layer)
        else:
            run = module(node)
        if isinstance(node.layer, IF) or timed & set(node.inputs):
            timed.add(node.name)
        later = {name for after in network.nodes[position + 1 :] for name in after.inputs}
        spent = frozenset(set(node.inputs) - later)
        stages.append(Stage(node.name, node.inputs, node.layer, run, node.name in timed, spent))
    return stages


def module(node):
    """The PyTorch module of a layer without state."""
    layer = node.layer
    match layer:
        case Conv2d():
            outputs, inputs, *kernel = layer.weight.shape
            made = nn.Conv2d(inputs * layer.groups, outputs, kernel, layer.stride, layer.padding, layer.dilation,
                             layer.groups, bias=layer.bias is not None)  # fmt: skip
            return with_weights(made, layer)
        case Linear():
            return with_weights(nn.Linear(*layer.weight.shape[::-1], bias=layer.bias is not None), layer)
        case AvgPool2d():
            return nn.AvgPool2d(layer.kernel, layer.strides, layer.padding)
        case SumPool2d():
            return nn.AvgPool2d(layer.kernel, layer.strides, layer.padding, divisor_override=1)
        case GlobalAvgPool2d():
            return nn.AdaptiveAvgPool2d(1)
        case Flatten():
            return nn.Flatten()
        case Add():
            return sum
        case QCFS():
            return Quantiser(layer)
    raise ValueError(f"{node.name}: benchmarks/torch_graph.py has no {type(layer).__name__} yet")


def with_weights(made, layer):
    made.weight.data = torch.tensor(np.asarray(layer.weight, np.float32))
    if layer.bias is not None:
        made.bias.data = torch.tensor(np.asarray(layer.bias, np.float32))
    return made


class Quantiser(nn.Module):
    """The QCFS activation."""

    def __init__(self, layer):
        super().__init__()
        self.threshold, self.levels = layer.threshold, layer.levels

    def forward(self, z):
        level = (z / self.threshold * self.levels + 0.5).floor()
        return (level / self.levels).clamp(0, 1) * self.threshold


def applied(stage, signals):
    sources = [signals[name] for name in stage.inputs]
    return sum(sources) if stage.run is sum else stage.run(sources[0])
