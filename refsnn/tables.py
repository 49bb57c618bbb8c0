"""Results as tables of text: what the commands print and the report shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from refsnn.layers import QCFS, Conv2d, Layer, WeightLayer, kind_of
from refsnn.network import Network
from refsnn.neurons import IF, LI, LIF, Value
from refsnn.trace import Trace

WIDTH = 100  # columns that a table or a sentence has at most


@dataclass(frozen=True, kw_only=True)
class Table:
    """A title, columns, rows, and remarks below."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def summary_table(network: Network) -> Table:
    rows, weights, connections = [], 0, 0
    for node in network.nodes:
        shape = network.shapes[node.name]
        n_weights, n_connections = "", ""
        if isinstance(node.layer, WeightLayer):
            size = node.layer.weight.size + (0 if node.layer.bias is None else node.layer.bias.size)
            reached = int(node.layer.fan_out(network.shapes[node.inputs[0]]).sum())
            weights, connections = weights + size, connections + reached
            n_weights, n_connections = f"{size:,}", f"{reached:,}"
        rows.append(
            [
                node.name,
                type(node.layer).__name__,
                "x".join(map(str, shape)),
                n_weights,
                n_connections,
                _parameters(node.layer),
            ]
        )
    kind = "spiking" if network.is_spiking else "source (not spiking)"
    return Table(
        title=f"{network.name}: {kind} network, input {'x'.join(map(str, network.input_shape))}",
        columns=("node", "layer", "output", "weights", "connections", "parameters"),
        rows=rows,
        notes=(
            f"{weights:,} weights, {connections:,} connections, "
            f"{sum(prod(network.shapes[n]) for n in network.neurons):,} spiking neurons; digest {network.digest[:12]}",
        ),
    )


def _range(value: Value) -> str:
    """One number, or from where to where an array's numbers go."""
    if not isinstance(value, np.ndarray):
        return f"{value:.4g}"
    return f"{value.min():.4g}..{value.max():.4g}"


def _parameters(layer: Layer) -> str:
    match layer:
        case IF() | LIF():
            leak = f"decay {_range(layer.decay)}, " if isinstance(layer, LIF) else ""
            fires = f"{layer.firing.value} {_range(layer.v_threshold)} from {_range(layer.v_init)}"
            return f"{leak}fires at v {fires}, {layer.reset.value}"
        case LI():
            return f"decay {_range(layer.decay)}"
        case QCFS():
            return f"threshold {_range(layer.threshold)}, {layer.levels} levels"
        case Conv2d():
            (_, _, height, width), stride, padding = layer.weight.shape, layer.stride, layer.padding
            groups = f", groups {layer.groups}" if layer.groups > 1 else ""
            return f"{height}x{width}, stride {stride[0]}x{stride[1]}, padding {padding[0]}x{padding[1]}{groups}"
    return ""


def conversion_table(ann: Network, snn: Network) -> Table:
    rows = []
    for node in ann.nodes:
        kept = {n.name: n.layer for n in snn.nodes}.get(node.name)
        if kept is None:
            rows.append([node.name, type(node.layer).__name__, "folded into the weights before it"])
        elif kind_of(kept) == "neuron":
            rows.append([node.name, type(node.layer).__name__, f"{type(kept).__name__}, {_parameters(kept)}"])
    return Table(title=f"{ann.name}: conversion", columns=("node", "was", "is"), rows=rows)


def accuracy_table(trace: Trace, accuracies: Sequence[float], source: float | None) -> Table:
    columns = ["", *(f"t={t + 1}" for t in range(len(accuracies)))]
    rows = [["accuracy (%)", *(f"{100 * a:.2f}" for a in accuracies)]]
    if source is not None:
        columns.append("source")
        rows[0].append(f"{100 * source:.2f}")
    return Table(
        title=f"{trace.network}: accuracy after each step, {trace.n_samples} samples", columns=columns, rows=rows
    )


def activity_table(trace: Trace) -> Table:
    per_run = trace.n_samples * trace.steps
    rows = [
        [
            node.node,
            f"{node.spikes_out.sum() / per_run / node.n_neurons:.4f}" if node.kind == "neuron" else "",
            f"{node.synops.sum() / trace.n_samples:,.1f}",
            f"{node.macs.sum() / trace.n_samples:,.1f}",
            f"{node.dense_ops * trace.steps:,}",
        ]
        for node in trace.activity.nodes
        if node.kind in ("neuron", "weight")
    ]
    return Table(
        title=f"{trace.network}: work per inference, {trace.steps} steps, {trace.schedule}, {trace.arithmetic}",
        columns=("node", "spikes per neuron and step", "accumulates", "MACs (real input)", "dense operations"),
        rows=[[row[0], row[1], *("" if row[1] else cell for cell in row[2:])] for row in rows],
        notes=(
            f"a neuron is at work for {trace.total_steps} steps; the last answer is there after {trace.latency_steps}, layers "
            "working side by side",
            *(
                f"{name}: {int(count.sum()):,} numbers beyond their format"
                for name, count in trace.overflows.items()
                if count.any()
            ),
        ),
    )
