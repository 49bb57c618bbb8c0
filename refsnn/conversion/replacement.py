"""QCFS activations replaced by IF neurons."""

from dataclasses import replace

from refsnn.conversion.folding import fold_batch_norm
from refsnn.errors import UnsupportedLayerError
from refsnn.layers import QCFS, MaxMode, MaxPool2d
from refsnn.network import Network
from refsnn.neurons import IF, Firing, Reset


def convert(network: Network) -> Network:
    """The spiking network of a QCFS network; nodes keep their names, BatchNorm nodes are folded away.

    threshold * clip(floor(z / threshold * L + 1/2) / L, 0, 1) becomes an IF neuron with v_threshold = amplitude =
    threshold, v_init = threshold / 2, reset by subtraction, firing at v >= v_threshold. Under constant current it fires
    clip(floor(T * z / threshold + 1/2), 0, T) times: the same quantiser, at T = L the same function. The last layer has
    no neuron: its outputs are summed over the steps. Bu et al., ICLR 2022.
    """
    if network.is_spiking:
        raise UnsupportedLayerError(
            f"{network.neurons[0]}: network {network.name!r} spikes already; nothing to convert"
        )
    for node in network.nodes:
        if isinstance(node.layer, MaxPool2d) and node.layer.mode is not MaxMode.COUNT:
            raise UnsupportedLayerError(
                f"{node.name}: MaxPool2d: spikes that are ORed do not fire at the largest rate; train the network with AvgPool2d"
            )
    folded = fold_batch_norm(network)
    nodes = tuple(replace(n, layer=if_neuron(n.layer)) if isinstance(n.layer, QCFS) else n for n in folded.nodes)
    spiking = Network(network.name, network.input_shape, nodes)
    if not spiking.is_spiking:
        raise UnsupportedLayerError(f"network {network.name!r} has no QCFS activation to replace; train it with one")
    return spiking


def if_neuron(activation: QCFS) -> IF:
    """The IF neuron whose rate is the activation's quantiser."""
    return IF(
        v_threshold=activation.threshold,
        v_init=activation.threshold / 2,
        reset=Reset.SUBTRACT,
        firing=Firing.AT_THRESHOLD,
        amplitude=activation.threshold,
    )
