"""The source network's own run: outputs, activations, QCFS levels, and the work of one frame."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from refsnn.arithmetic import Arithmetic, Exact, Float32, finite, representable
from refsnn.counting import node_activity
from refsnn.drive import Constant, as_drive
from refsnn.errors import UnsupportedLayerError
from refsnn.exact import ExactValues, decide_levels
from refsnn.kernels.elementwise import qcfs_level, qcfs_value
from refsnn.layers import QCFS, kind_of
from refsnn.network import INPUT, Network
from refsnn.signals import Signal
from refsnn.spans import level_error, spans
from refsnn.trace import Activity
from refsnn.worker import layer_output

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Forward:
    """What the source network computes for N samples."""

    output: Array  # float[N, K]
    activations: Mapping[str, Array]  # activation node -> its output [N, *shape]
    preactivations: Mapping[str, Array]  # activation node -> its input z [N, *shape]
    levels: Mapping[str, np.ndarray[Any, np.dtype[np.int64]]]  # QCFS node -> level 0..L [N, *shape]; ReLU has none
    activity: Activity  # of one frame: T = 1


def forward(network: Network, x: Array, *, arithmetic: Arithmetic = Float32(), backend: str = "fast") -> Forward:
    """The source network's outputs for x [N, *input_shape], with the same kernels and sums as the simulator's.

    In Exact() every QCFS level is the one that real numbers give; BatchNorm has to be folded for that.
    """
    drive = as_drive(Constant(np.asarray(x)), network.input_shape)
    inputs = representable("input x", drive.inputs(1, slice(None)), arithmetic)
    signals = {INPUT: Signal(inputs, None)}
    known = spans(network, inputs, arithmetic.dtype)
    decided = {INPUT: inputs}
    exactly = ExactValues(network, decided)
    preactivations, levels, activities = {}, {}, []
    for node in network.nodes:
        if kind_of(node.layer) in ("neuron", "integrator") or any(node.delays):
            found = f"an edge with a delay of {max(node.delays)}" if any(node.delays) else type(node.layer).__name__
            raise UnsupportedLayerError(
                f"{node.name}: {found} needs steps, a source network has none; simulate the network instead"
            )
        sources = tuple(signals[name] for name in node.inputs)
        signals[node.name] = layer_output(node.layer, sources, backend)
        if kind_of(node.layer) == "activation":
            preactivations[node.name] = sources[0].values[0]
        if isinstance(node.layer, QCFS):
            z = sources[0].values[0]
            level = qcfs_level(node.layer, z)
            if isinstance(arithmetic, Exact):
                decide_levels(exactly, node.name, z, level, level_error(node.layer, known[node.inputs[0]], z.dtype))
                signals[node.name] = Signal(qcfs_value(node.layer, level)[None], None)
            levels[node.name] = level.astype(np.int64)
            decided[node.name] = levels[node.name][None]
        activities.append(node_activity(network, node, sources, signals[node.name], updates=np.ones(1, np.int64)))
    output = signals[network.nodes[-1].name].values[0].reshape(drive.n_samples, -1)
    return Forward(
        output=finite(f"{network.nodes[-1].name}: output in {type(arithmetic).__name__}", output),
        activations={name: signals[name].values[0] for name in preactivations},
        preactivations=preactivations,
        levels=levels,
        activity=Activity(tuple(activities), np.ones(drive.n_samples, np.int64), 1),
    )
