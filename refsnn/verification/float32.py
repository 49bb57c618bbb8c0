"""What a float32 simulator may do otherwise: how far its potentials can be off when it received the same spikes."""

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from refsnn.kernels import kernel
from refsnn.layers import (
    Add,
    AvgPool2d,
    Conv1d,
    Conv2d,
    GlobalAvgPool2d,
    Layer,
    Linear,
    MaxMode,
    MaxPool2d,
    Scale,
    SumPool2d,
    WeightLayer,
)
from refsnn.network import INPUT, Network, Node
from refsnn.neurons import IF, spread
from refsnn.rounding import MARGIN, Format
from refsnn.schedules import Schedule
from refsnn.spans import window_in_front

Array = np.ndarray[Any, Any]
FORM = Format.of(np.dtype(np.float32))


def potential_errors(
    network: Network, x: Array, counts: Mapping[str, Array], steps: int, schedule: Schedule
) -> dict[str, Array]:
    """Spiking node -> bound on the error of its compared potentials in float32, [N, *shape], sums taken in any order.

    With A = sum over steps of sum |w| |x| + |b|, the terms of a neuron's currents without their signs, k roundings on the way of
    each term and g(k) = k u / (1 - k u), the charge is off by at most g(k) A; each of 2T additions and subtractions (6T on a
    schedule that counts charge) of potentials of at most 2 (|v_init| + A) + theta by u of that, and so is the threshold's cast.
    Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., Sections 3.1 and 4.2. Weights are held in any format.
    """
    terms: dict[str, Array] = {INPUT: np.abs(x.astype(np.float64)) * steps}
    roundings = {INPUT: 1}  # the input's cast
    found = {}
    for node in network.nodes:
        first = node.inputs[0]
        if isinstance(node.layer, IF):
            shape = network.shapes[node.name]
            found[node.name] = _of_potential(node.layer, shape, terms[first], roundings[first], steps, schedule)
            amplitude = np.abs(np.asarray(spread(node.layer.amplitude, shape)))
            terms[node.name], roundings[node.name] = np.abs(counts[node.name]) * amplitude, 2
            continue
        layer = _without_signs(node.layer, steps)
        terms[node.name] = np.asarray(kernel(layer, "fast")(layer, *(terms[name] for name in node.inputs)))
        before = max(roundings[name] for name in node.inputs)
        roundings[node.name] = before + _roundings(network, node)
    return found


def _of_potential(layer: IF, shape: tuple[int, ...], terms: Array, k: int, steps: int, schedule: Schedule) -> Array:
    theta, v_init = (np.abs(np.asarray(spread(value, shape))) for value in (layer.v_threshold, layer.v_init))
    charge = k * FORM.u / (1 - k * FORM.u) * terms if k * FORM.u < 1 else np.full_like(terms, np.inf)
    largest = 2 * (v_init + terms) + theta
    updates = (6 if schedule.counts_charge else 2) * steps + 1
    error: Array = MARGIN * (charge + updates * FORM.u * largest + updates * 2.0**-FORM.finest)
    return error


def _without_signs(layer: Layer, steps: int) -> Layer:
    """The layer for terms without their signs, a bias once for each step."""
    if isinstance(layer, WeightLayer):
        bias = None if layer.bias is None else np.abs(layer.bias.astype(np.float64)) * steps
        return replace(layer, weight=np.abs(layer.weight.astype(np.float64)), bias=bias)
    if isinstance(layer, MaxPool2d) and layer.mode is not MaxMode.COUNT:
        return SumPool2d(
            kernel=layer.kernel, stride=layer.stride, padding=layer.padding
        )  # it may send any input's spikes
    return replace(layer, factor=abs(layer.factor)) if isinstance(layer, Scale) else layer


def _roundings(network: Network, node: Node) -> int:
    """Roundings on the way of one term through the node: casts, products, and as many additions as there can be."""
    match node.layer:
        case AvgPool2d() | SumPool2d():
            return prod(node.layer.kernel) + 1
        case GlobalAvgPool2d():
            return prod(network.shapes[node.inputs[0]][1:]) + 1
        case Add() | Scale():
            return len(node.inputs) + 1
        case Linear() | Conv1d() | Conv2d():
            return node.layer.fan_in * window_in_front(network, node) + 5
    return 0
