"""Biases moved so that every layer's mean output is the source's again."""

from dataclasses import replace
from typing import Any

import numpy as np

from refsnn.arithmetic import Arithmetic, Float32
from refsnn.conversion.balancing import CHUNK, activations
from refsnn.conversion.folding import fold_batch_norm
from refsnn.errors import SpecError, UnsupportedLayerError
from refsnn.layers import Add, WeightLayer, kind_of
from refsnn.network import INPUT, Network
from refsnn.neurons import spread
from refsnn.simulator import Progress, simulate, unwatched
from refsnn.trace import Record

Array = np.ndarray[Any, Any]


def calibrate_bias(
    ann: Network,
    snn: Network,
    x: Array,
    *,
    steps: int,
    schedule: str = "lockstep",
    arithmetic: Arithmetic = Float32(),
    progress: Progress = unwatched,
) -> Network:
    """The spiking network with biases under which each channel gives on average what it gives in the source.

        bias[c] += mean over samples and pixels of (a[c] - amplitude[c] * n[c] / T)

    with a the source's activation and n the spikes in T steps, for the weight layer in front of each layer of neurons, one layer
    after the other, the network simulated anew in between. Weights and thresholds stay. A layer without a bias gets one.
    x: float[N, *input_shape], calibration samples, that nobody is going to score; progress is told (layers done, layers).
    Raises SpecError where the networks do not correspond, UnsupportedLayerError where no weight layer stands in front.
    Li et al., "A free lunch from ANN: towards efficient, accurate spiking neural networks calibration", 2021 (its light form).
    """
    target = activations(fold_batch_norm(ann), np.asarray(x))
    if tuple(target) != snn.neurons:
        raise SpecError(
            f"calibrate_bias compares nodes of the same names: neurons {', '.join(snn.neurons) or 'none'} against activations "
            f"{', '.join(target) or 'none'}; give the network that this one was converted from"
        )
    weights = {name: _in_front(snn, name) for name in snn.neurons}
    for done, (name, weight) in enumerate(weights.items(), 1):
        missing = target[name] - _mean_output(snn, name, x, steps, schedule, arithmetic)
        snn = _moved(snn, weight, missing.mean(axis=tuple(axis for axis in range(missing.ndim) if axis != 1)))
        progress(done, len(weights))
    return snn


def _mean_output(
    snn: Network, name: str, x: Array, steps: int, schedule: str, arithmetic: Arithmetic
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Amplitude * n / T of the layer [N, *shape]; nothing behind it is run."""
    position = [node.name for node in snn.nodes].index(name)
    front = Network(snn.name, snn.input_shape, snn.nodes[: position + 1])
    options: Any = {"steps": steps, "schedule": schedule, "arithmetic": arithmetic, "record": Record(counts=(name,))}
    counts = [simulate(front, x[i : i + CHUNK], **options).counts[name] for i in range(0, len(x), CHUNK)]
    layer: Any = snn[name].layer
    return np.asarray(spread(layer.amplitude, snn.shapes[name])) * np.concatenate(counts) / steps


def _in_front(network: Network, name: str) -> str:
    """The weight layer whose bias reaches these neurons, and nothing else, as it is."""
    sources = network[name].inputs
    if sources[0] != INPUT and isinstance(network[sources[0]].layer, Add) and len(network.consumers(sources[0])) == 1:
        sources = network[sources[0]].inputs
    for source in sources:
        if source != INPUT and isinstance(network[source].layer, WeightLayer) and len(network.consumers(source)) == 1:
            return source
    found = " and ".join("the input" if s == INPUT else f"{s} ({kind_of(network[s].layer)})" for s in sources)
    raise UnsupportedLayerError(
        f"{name}: no Linear, Conv1d or Conv2d that nothing else reads stands in front of it to take a bias; it reads {found}"
    )


def _moved(network: Network, name: str, by: Array) -> Network:
    """The network with the bias of this weight layer moved."""
    layer: Any = network[name].layer
    bias = by if layer.bias is None else layer.bias.astype(np.float64) + by
    nodes = (replace(n, layer=replace(layer, bias=bias)) if n.name == name else n for n in network.nodes)
    return Network(network.name, network.input_shape, tuple(nodes))
