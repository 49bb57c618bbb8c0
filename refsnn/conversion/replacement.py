"""Activations replaced by IF neurons."""

from dataclasses import replace
from math import isfinite
from typing import Any

import numpy as np

from refsnn.conversion.balancing import Balance, thresholds
from refsnn.conversion.folding import fold_batch_norm
from refsnn.errors import SpecError, UnsupportedLayerError
from refsnn.layers import QCFS, MaxMode, MaxPool2d, ReLU
from refsnn.network import Network
from refsnn.neurons import IF, Firing, Reset

Array = np.ndarray[Any, Any]


def convert(
    network: Network, *, balance: Balance | None = None, calibration: Array | None = None, v_init: float = 0.5
) -> Network:
    """The spiking network of a QCFS or ReLU network; nodes keep their names, BatchNorm nodes are folded away.

    threshold * clip(floor(z / threshold * L + 1/2) / L, 0, 1) becomes an IF neuron with v_threshold = amplitude =
    threshold, v_init = threshold / 2, reset by subtraction, firing at v >= v_threshold. Under constant current it fires
    clip(floor(T * z / threshold + 1/2), 0, T) times: the same quantiser, at T = L the same function. The last layer has
    no neuron: its outputs are summed over the steps. Bu et al., ICLR 2022.

    balance: MaxBalance(), PercentileBalance(percentile) or ErrorBalance(steps): what gives ReLU layers a threshold, from what
        they give on the calibration samples. A ReLU network needs both; a QCFS layer has its own threshold and keeps it.
    calibration: float[N, *input_shape], samples that nobody is going to score.
    v_init: the potentials at the start as a share of the threshold, 0 or more.
    Raises UnsupportedLayerError for what cannot be converted, SpecError for arguments that do not belong together.
    """
    _check(network, balance, calibration, v_init)
    folded = fold_batch_norm(network)
    made: dict[str, Any] = {node.name: n.threshold for node in folded.nodes if isinstance(n := node.layer, QCFS)}
    if balance is not None and calibration is not None:
        made |= thresholds(folded, np.asarray(calibration), balance, v_init)
    nodes = (replace(n, layer=if_neuron(made[n.name], v_init)) if n.name in made else n for n in folded.nodes)
    return Network(network.name, network.input_shape, tuple(nodes))


def if_neuron(threshold: Any, v_init: float = 0.5) -> IF:
    """The IF neuron whose rate is the quantiser with this threshold; it starts at the share v_init of it."""
    return IF(
        v_threshold=threshold,
        v_init=threshold * v_init,
        reset=Reset.SUBTRACT,
        firing=Firing.AT_THRESHOLD,
        amplitude=threshold,
    )


def _check(network: Network, balance: Balance | None, calibration: Array | None, v_init: float) -> None:
    if network.is_spiking:
        raise UnsupportedLayerError(
            f"{network.neurons[0]}: network {network.name!r} spikes already; nothing to convert"
        )
    for node in network.nodes:
        if isinstance(node.layer, MaxPool2d) and node.layer.mode is not MaxMode.COUNT:
            raise UnsupportedLayerError(
                f"{node.name}: MaxPool2d: spikes that are ORed do not fire at the largest rate; train the network with AvgPool2d"
            )
    names = {kind: [node.name for node in network.nodes if isinstance(node.layer, kind)] for kind in (QCFS, ReLU)}
    if not names[QCFS] and not names[ReLU]:
        raise UnsupportedLayerError(
            f"network {network.name!r} has no QCFS or ReLU activation to replace; train it with one"
        )
    if names[ReLU] and balance is None:
        raise UnsupportedLayerError(
            f"{names[ReLU][0]}: ReLU has no threshold; give balance, for instance refsnn.PercentileBalance(99.9), and "
            "calibration samples"
        )
    if not names[ReLU] and balance is not None:
        raise SpecError(
            f"{names[QCFS][0]}: QCFS has a threshold of its own, so there is nothing to balance; leave balance out"
        )
    if (balance is None) != (calibration is None):
        missing = "balance, which says what to do with them" if balance is None else "the samples that it needs"
        raise SpecError(f"balance and calibration go together: give {missing}, or neither")
    if isinstance(v_init, bool) or not isinstance(v_init, int | float) or not isfinite(v_init) or v_init < 0:
        raise SpecError(f"v_init: expected a share of the threshold, 0 or more, got {v_init!r}")
