"""How far a neuron's charge can be from its real-number value: rigorous and static, one number per node.

With unit roundoff u, an ordered sum of k products has an error of at most g(k) * sum |w||x|, g(k) = k*u / (1 - k*u)
(Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., Theorem 3.1 and Section 3.1).
"""

from math import prod
from typing import Any

import numpy as np

from refsnn.layers import QCFS, Add, AvgPool2d, BatchNorm, Conv1d, Conv2d, GlobalAvgPool2d, Linear, Scale, SumPool2d
from refsnn.network import INPUT, Network
from refsnn.neurons import IF, LIF


def charge_error_bounds(network: Network, x_max: float, steps: int, dtype: np.dtype[Any]) -> dict[str, float]:
    """IF or QCFS node -> bound on the error of Q = v_init + sum of `steps` currents, for inputs of at most x_max.

    For a QCFS node: of threshold / 2 + steps * z. Each value carries (m, k): it is at most m, and went through k
    roundings. The input and each spike's amplitude are exact; a QCFS output takes two roundings.
    """
    u = float(np.finfo(dtype).eps) / 2
    reached: dict[str, tuple[float, int]] = {INPUT: (x_max, 1)}  # 1: the input itself is rounded to the dtype
    bounds = {}
    for node in network.nodes:
        sources = [reached[name] for name in node.inputs]
        m, k = max(size for size, _ in sources), max(roundings for _, roundings in sources)
        match node.layer:
            case Linear() | Conv1d() | Conv2d() as layer:
                largest_row = np.abs(layer.weight.astype(np.float64)).reshape(len(layer.weight), -1).sum(1).max()
                offset = 0.0 if layer.bias is None else float(np.abs(layer.bias.astype(np.float64)).max())
                m, k = float(largest_row) * m + offset, k + layer.fan_in + 3  # weight's cast, product, bias
            case AvgPool2d() as layer:
                k += prod(layer.kernel) + 1
            case SumPool2d() as layer:
                m, k = m * prod(layer.kernel), k + prod(layer.kernel)
            case GlobalAvgPool2d():
                k += prod(network.shapes[node.inputs[0]][1:]) + 1
            case Scale() as layer:
                m, k = m * abs(layer.factor), k + 2  # the factor's cast, the product
            case Add():
                m, k = sum(size for size, _ in sources), k + len(sources)
            case BatchNorm():
                m, k = float("inf"), k  # fold it first; nothing is claimed for the unfolded one
            case IF() | LIF() | QCFS() as layer:
                theta = layer.threshold if isinstance(layer, QCFS) else layer.v_threshold
                v_init = theta / 2 if isinstance(layer, QCFS) else abs(layer.v_init)
                # `steps` additions and subtractions, each on a potential of at most v_init + steps * (m + theta)
                potential = v_init + steps * (m + theta)
                bounds[node.name] = steps * m * k * u / (1 - k * u) + (2 * steps + 2) * u * potential
                m, k = (theta, 2) if isinstance(layer, QCFS) else (abs(layer.amplitude), 1)
        reached[node.name] = (m, k)
    return bounds
