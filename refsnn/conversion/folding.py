"""BatchNorm folded into the weight layer before it."""

from dataclasses import replace
from typing import Any

import numpy as np

from refsnn.errors import UnsupportedLayerError
from refsnn.layers import BatchNorm, WeightLayer
from refsnn.network import Network


def fold_batch_norm(network: Network) -> Network:
    """The same function without BatchNorm nodes, in real numbers; weights are kept in float64.

    weight' = weight * g and bias' = (bias - mean) * g + beta, with g = gamma / sqrt(var + eps) per channel. Nodes that
    read the BatchNorm read the weight layer instead.
    """
    nodes = {node.name: node for node in network.nodes}
    renamed: dict[str, str] = {}
    for node in network.nodes:
        if not isinstance(node.layer, BatchNorm):
            continue
        source = nodes.get(node.inputs[0])
        if source is None or not isinstance(source.layer, WeightLayer) or len(network.consumers(source.name)) > 1:
            raise UnsupportedLayerError(
                f"{node.name}: BatchNorm can be folded only into a Linear, Conv1d or Conv2d that nothing else reads; "
                f"it reads {node.inputs[0]!r}"
            )
        nodes[source.name] = replace(source, layer=_folded(source.layer, node.layer))
        renamed[node.name] = source.name
        del nodes[node.name]
    kept = (replace(node, inputs=tuple(renamed.get(name, name) for name in node.inputs)) for node in nodes.values())
    return Network(network.name, network.input_shape, tuple(kept))


def _folded(layer: WeightLayer, norm: BatchNorm) -> WeightLayer:
    gamma, beta, mean, var = (a.astype(np.float64) for a in (norm.weight, norm.bias, norm.mean, norm.var))
    factor = gamma / np.sqrt(var + norm.eps)
    weight = layer.weight.astype(np.float64)
    bias: Any = np.zeros(len(weight)) if layer.bias is None else layer.bias.astype(np.float64)
    return replace(
        layer,
        weight=weight * factor.reshape(-1, *[1] * (weight.ndim - 1)),
        bias=(bias - mean) * factor + beta,
    )
