"""What one neuron depends on, written out as small fully connected layers: the sub-network that is pruned."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from refsnn.counterexample.case import Case
from refsnn.errors import UnsupportedLayerError
from refsnn.exact import taps
from refsnn.layers import (
    QCFS,
    Add,
    AvgPool2d,
    Concat,
    Conv1d,
    Conv2d,
    Flatten,
    GlobalAvgPool2d,
    Linear,
    ReLU,
    Scale,
    SumPool2d,
)
from refsnn.network import INPUT, Network, Node
from refsnn.neurons import IF, Firing, Value, spread
from refsnn.verification.correspondence import pairs_of

Array = np.ndarray[Any, Any]
Index = tuple[int, ...]
Place = tuple[str, Index]  # a neuron or an input, by its node
INPUTS = -1  # where stages are counted: the input
LARGEST = 300_000  # connections that are written out


@dataclass(frozen=True, eq=False)
class Stage:
    """One spiking layer of the cone: its current is bias + sum over sources of weights @ what they send."""

    name: str
    weights: Mapping[int, Array]  # earlier stage, or INPUTS -> [neurons, its neurons]
    bias: Array
    theta: Array
    start: Array  # v_init / theta
    firing: Firing
    levels: int | None  # of the source's QCFS; None for a ReLU


@dataclass(frozen=True, eq=False)
class Cone:
    """The stages in order; the last one holds the neuron that the cone is of. x: [inputs]."""

    x: Array
    stages: tuple[Stage, ...]
    steps: int
    schedule: str
    origin: str

    def case(self) -> Case:
        """The cone as two networks. Spikes are worth the threshold."""
        nodes: list[Node] = []
        activations: dict[str, QCFS | ReLU] = {}
        for stage in self.stages:
            nodes += self._currents(stage)
            theta = _compact(stage.theta)
            neuron = IF(
                v_threshold=theta, v_init=_compact(stage.start * stage.theta), firing=stage.firing, amplitude=theta
            )
            activations[stage.name] = ReLU() if stage.levels is None else QCFS(threshold=theta, levels=stage.levels)
            nodes.append(Node(stage.name, neuron, (nodes[-1].name,)))
        sources = tuple(replace(node, layer=activations.get(node.name, node.layer)) for node in nodes)
        shape = (len(self.x),)
        return Case(
            Network("case", shape, sources),
            Network("case", shape, tuple(nodes)),
            self.x,
            self.steps,
            self.schedule,
            self.origin,
        )

    def _currents(self, stage: Stage) -> list[Node]:
        """One Linear for each source, and their sum where there are several."""
        weights = stage.weights or {INPUTS: np.zeros((len(stage.bias), len(self.x)))}
        nodes = []
        for position, (number, weight) in enumerate(weights.items()):
            source = INPUT if number == INPUTS else self.stages[number].name
            bias = stage.bias if position == 0 and stage.bias.any() else None
            nodes.append(Node(f"{stage.name}_from_{source}", Linear(weight=weight, bias=bias), (source,)))
        if len(nodes) > 1:
            nodes.append(Node(f"{stage.name}_sum", Add(), tuple(node.name for node in nodes)))
        return nodes

    def only(self, number: int, kept: Array) -> "Cone":
        """With these neurons of a stage (or inputs) only, in their order."""
        stages = list(self.stages)
        x = self.x[kept] if number == INPUTS else self.x
        if number != INPUTS:
            stage = stages[number]
            stages[number] = replace(
                stage, bias=stage.bias[kept], theta=stage.theta[kept], start=stage.start[kept],
                weights={source: weight[kept] for source, weight in stage.weights.items()},
            )  # fmt: skip
        for i, stage in enumerate(stages):
            if number in stage.weights:
                stages[i] = replace(stage, weights=dict(stage.weights) | {number: stage.weights[number][:, kept]})
        return replace(self, x=x, stages=tuple(stages))

    def up_to(self, number: int) -> "Cone":
        """Without the stages behind this one."""
        return replace(self, stages=self.stages[: number + 1])

    def without_stage(self, number: int) -> "Cone":
        """As if a stage never spiked."""
        renumbered = {
            source: source - (source > number) for source in range(INPUTS, len(self.stages)) if source != number
        }
        stages = tuple(
            replace(stage, weights={renumbered[s]: w for s, w in stage.weights.items() if s != number})
            for i, stage in enumerate(self.stages)
            if i != number
        )
        return replace(self, stages=stages)


def _compact(values: Array) -> Value:
    """One number where all are equal: easier to read."""
    return float(values[0]) if (values == values[0]).all() else values


def cone_of(case: Case, name: str, index: Index) -> Cone:
    """The cone of one neuron of a case whose networks differ in nothing but neurons and activations.

    Pools and sums are written into the weights, rounded to float64. Raises UnsupportedLayerError for what is no weighted sum
    (a max pool, a delayed edge), and where the cone is too large to be written out.
    """
    pairs = pairs_of(case.source, case.snn, case.steps)
    needed: dict[str, dict[Index, None]] = {name: {index: None}}
    rows: dict[Place, tuple[dict[Place, Fraction], Fraction]] = {}
    expand, size = _Rows(case.snn), 0
    for layer in reversed(list(pairs)):
        for place in needed.get(layer, {}):
            rows[layer, place] = expand.of(case.snn[layer].inputs[0], place)
            size += len(rows[layer, place][0])
            if size > LARGEST:
                raise UnsupportedLayerError(
                    f"{name}: neuron {list(index)} depends on more than {LARGEST:,} connections"
                )
            for source, where in rows[layer, place][0]:
                needed.setdefault(source, {})[where] = None
    order = [layer for layer in pairs if layer in needed]
    at = {source: {place: i for i, place in enumerate(sorted(places))} for source, places in needed.items()}
    inputs = sorted(needed.get(INPUT, {})) or [tuple(0 for _ in case.x.shape)]
    stages = []
    for layer in order:
        places, shape, pair = sorted(needed[layer]), case.snn.shapes[layer], pairs[layer]
        matrices: dict[str, Array] = {}
        for i, place in enumerate(places):
            for (source, where), weight in rows[layer, place][0].items():
                matrix = matrices.setdefault(source, np.zeros((len(places), len(at[source]))))
                matrix[i, at[source][where]] = float(weight)

        def values(value: Value, shape: tuple[int, ...] = shape, places: list[Index] = places) -> Array:
            everywhere = np.broadcast_to(np.asarray(spread(value, shape), np.float64), shape)
            return np.array([everywhere[place] for place in places])

        theta = values(pair.neuron.v_threshold)
        stages.append(Stage(
            name=layer,
            weights={INPUTS if source == INPUT else order.index(source): matrix for source, matrix in matrices.items()},
            bias=np.array([float(rows[layer, place][1]) for place in places]),
            theta=theta,
            start=values(pair.neuron.v_init) / theta,
            firing=pair.neuron.firing,
            levels=pair.activation.levels if isinstance(pair.activation, QCFS) else None,
        ))  # fmt: skip
    x = np.array([float(case.x[place]) for place in inputs])
    return Cone(x, tuple(stages), case.steps, case.schedule, case.origin)


@dataclass(frozen=True)
class _Rows:
    """Numbers of nodes between spiking layers as weighted sums of spikes and inputs."""

    network: Network

    def of(self, name: str, index: Index) -> tuple[dict[Place, Fraction], Fraction]:
        """Terms and constant of the number that a node gives at this index."""
        if name == INPUT or name in self.network.neurons:
            return {(name, index): Fraction(1)}, Fraction(0)
        node = self.network[name]
        if any(node.delays):
            raise UnsupportedLayerError(f"{name}: an edge with a delay is no weighted sum of one step")
        terms: dict[Place, Fraction] = {}
        constant = Fraction(0)
        if isinstance(node.layer, Linear | Conv1d | Conv2d) and node.layer.bias is not None:
            constant = Fraction(float(node.layer.bias[index[0]]))
        for weight, source, where in self._direct(node, index):
            inner, offset = self.of(source, where)
            constant += weight * offset
            for place, factor in inner.items():
                terms[place] = terms.get(place, Fraction(0)) + weight * factor
        return {place: weight for place, weight in terms.items() if weight}, constant

    def _direct(self, node: Node, index: Index) -> list[tuple[Fraction, str, Index]]:
        source = node.inputs[0]
        shape = self.network.shapes[source]
        match node.layer:
            case Linear() | Conv1d() | Conv2d() as layer:
                return [
                    (Fraction(float(weight)), source, where) for weight, where in taps(layer, index, shape) if weight
                ]
            case Flatten():
                return [(Fraction(1), source, tuple(int(i) for i in np.unravel_index(index[0], shape)))]
            case Add():
                return [(Fraction(1), each, index) for each in node.inputs]
            case Scale() as layer:
                return [(Fraction(layer.factor), source, index)]
            case Concat():
                channel, *rest = index
                for each in node.inputs:
                    channels = self.network.shapes[each][0]
                    if channel < channels:
                        return [(Fraction(1), each, (channel, *rest))]
                    channel -= channels
            case AvgPool2d() | SumPool2d() | GlobalAvgPool2d() as layer:
                pool = layer.as_pool(shape) if isinstance(layer, GlobalAvgPool2d) else layer
                share = Fraction(1, prod(pool.kernel)) if isinstance(pool, AvgPool2d) else Fraction(1)
                return [(share, source, where) for where in pool.window(index, shape)]
        raise UnsupportedLayerError(f"{node.name}: {type(node.layer).__name__} is no weighted sum")
