"""What happened: Record (what to keep), Trace (what a run gave), Activity (how much work it was, per step and sample)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from refsnn.errors import ShapeError, SpecError, did_you_mean

Array = np.ndarray[Any, Any]
IntArray = np.ndarray[Any, np.dtype[np.int64]]


def read_only(array: Array) -> Array:
    """The array's numbers, not to be written through this name."""
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, kw_only=True)
class Record:
    """What a run keeps: names of the nodes whose spikes, or potentials after the reset, are kept for every step.

    margin: spiking nodes of which the smallest distance of a compared potential from where the number of spikes changes is
    kept, over all steps; in Exact only, where it tells how near every decision was.
    counts: nodes whose spike counts and residual potentials are kept, all of them unless named. A long run of a large network
    keeps none, counts=(), to stay within its memory; the activity is kept always.
    """

    spikes: tuple[str, ...] = ()
    v: tuple[str, ...] = ()
    counts: tuple[str, ...] | None = None
    margin: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """The shape of a weight layer or a pool; what has no height or no map has 1 there."""

    in_channels: int
    out_channels: int
    in_size: tuple[int, int]  # height, width of the input map
    out_size: tuple[int, int]
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class NodeActivity:
    """How much one node had to do. Arrays are int64[T, N]; every count is exact at borders, strides and groups.

    A pool or an Add in front of a weight layer hands spikes on: each spike that reaches a window is one event to the
    weight layer, whatever the window divides it by. Values that no spikes made (the image, a residual sum of currents)
    are real: they cost multiply-accumulates.
    """

    node: str
    kind: str  # weight, neuron, integrator, pool, add, norm, activation or reshape
    layer: str  # the layer's type: Linear, Conv2d, IF, ...
    inputs: tuple[str, ...]
    geometry: Geometry | None  # of weight layers and pools
    n_inputs: int  # numbers it reads, of all its inputs together
    n_neurons: int  # outputs of the node
    n_weights: int  # stored numbers, biases included
    n_biases: int
    fan_in: int  # inputs of one output, borders not subtracted; 0 where there are no weights
    row_length: int  # outputs that one input reaches side by side: consecutive words of a weight memory
    dense_ops: int  # connections: what a frame-based machine does per step
    events_in: IntArray  # nonzero inputs received
    synops: IntArray  # accumulates that spikes caused
    macs: IntArray  # multiply-accumulates that nonzero real-valued inputs caused
    updates: IntArray  # neuron updates
    driven: IntArray  # those of neurons that at least one event, over whatever weight, reached in the step; the rest are idle
    spikes_out: IntArray  # spikes sent

    def __post_init__(self) -> None:
        for name, counts in self.counts().items():
            object.__setattr__(self, name, read_only(counts))

    def counts(self) -> dict[str, IntArray]:
        """The fields that are counted per step and sample."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.type is IntArray}

    def with_counts(self, counts: Mapping[str, IntArray]) -> "NodeActivity":
        """The same node with other counts."""
        changed: dict[str, Any] = dict(counts)
        return replace(self, **changed)


@dataclass(frozen=True, eq=False)
class Activity:
    """The work of a run, node by node; sample n ran `steps_run[n]` of T steps and did nothing after them.

    lag: how many steps a layer is behind the one before it where layers work side by side, each on a part of the chip: 1 in
    lockstep, since a spike takes a step there; 0 where the run had that step in it (pipeline); more where a layer takes in
    all of its input before it fires.
    in_front: steps before the T that are reported (srp), whose work stands in the first.
    """

    nodes: tuple[NodeActivity, ...]
    steps_run: IntArray
    n_steps: int
    lag: int = 1
    in_front: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps_run", read_only(self.steps_run))

    @property
    def n_samples(self) -> int:
        return len(self.steps_run)

    def __getitem__(self, name: str) -> NodeActivity:
        for node in self.nodes:
            if node.node == name:
                return node
        raise SpecError(f"activity has no node {name!r}{did_you_mean(name, [node.node for node in self.nodes])}")

    def until(self, exit_step: Array) -> "Activity":
        """The work of the same run if sample n had been stopped after step exit_step[n] (1..T)."""
        runs = _running(exit_step, self.n_samples, self.n_steps)
        nodes = (
            node.with_counts({name: np.where(runs, c, 0) for name, c in node.counts().items()}) for node in self.nodes
        )
        steps_run = np.minimum(runs.sum(0), self.steps_run).astype(np.int64)
        return replace(self, nodes=tuple(nodes), steps_run=steps_run)

    def total(self, count: str) -> int:
        """Sum of one count (`synops`, `spikes_out`, ...) over nodes, steps and samples."""
        return sum(int(node.counts()[count].sum()) for node in self.nodes)


def _running(exit_step: Array, n_samples: int, n_steps: int) -> Array:
    """Whether a sample that stops after step exit_step[n] still runs: bool[T, N]."""
    last = np.asarray(exit_step)
    if last.shape != (n_samples,) or last.dtype.kind not in "iu":
        raise ShapeError(
            f"exit_step has shape {list(last.shape)} and dtype {last.dtype}, expected {n_samples} integers"
        )
    if (last < 1).any() or (last > n_steps).any():
        n = int(np.argmax((last < 1) | (last > n_steps)))
        raise ShapeError(f"exit_step[{n}] is {last[n]}, but this run has steps 1..{n_steps}")
    return np.arange(1, n_steps + 1)[:, None] <= last


def neuron_groups(activity: Activity) -> dict[str, str]:
    """Node -> the group it works in: the first layer of neurons that its output reaches, else the last node on its way.

    A group is called after its last node.
    """
    group: dict[str, str] = {}
    for node in reversed(activity.nodes):
        # a reader that comes earlier reads over an edge back, and has no group yet
        readers = [reader.node for reader in activity.nodes if node.node in reader.inputs and reader.node in group]
        ends = node.kind in ("neuron", "integrator", "activation") or not readers
        group[node.node] = node.node if ends else group[readers[0]]
    return {node.node: group[node.node] for node in activity.nodes}


def core_ranges(n: int, cores: int) -> tuple[IntArray, ...]:
    """Which of a group's n neurons (channels, then height, then width) each core has: ceil(n / cores) one after the other.

    The last core that has any takes what is left; cores behind it have none.
    """
    each = -(-n // cores)
    return tuple(np.arange(min(k * each, n), min((k + 1) * each, n)) for k in range(cores))


@dataclass(frozen=True)
class Blocks:
    """A map's neurons on cores: blocks of channels, bands of rows; core i has band i % bands of block i // bands.

    Blocks have ceil(C / channels) channels and bands ceil(H / bands) rows; the last that has any takes what is left, and those
    behind it have none. Neurons without a map are channels of one pixel.
    """

    channels: int
    bands: int = 1

    @property
    def count(self) -> int:
        return self.channels * self.bands

    def neurons(self, channels: int, height: int, width: int) -> tuple[IntArray, ...]:
        """For each core its neurons' numbers, counted channels, then height, then width."""
        number = np.arange(channels * height * width).reshape(channels, height, width)
        share, tall = -(-channels // self.channels), -(-height // self.bands)
        return tuple(
            number[k * share : (k + 1) * share, b * tall : (b + 1) * tall].ravel()
            for k in range(self.channels)
            for b in range(self.bands)
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class CoreActivity:
    """The work of a run on each core, under a placement: int64[C, T, N], C cores of the node's group (Blocks).

    Synops, macs, updates, driven and spikes add up over the cores to those of the Activity. An event is counted once on each core
    where it reaches a neuron, so that a spike may be several events. Nodes with events that reach neurons over no weights (a
    residual edge, neurons behind the input) have events too. Spikes stand in the step in which they were fired, what they cause
    (events, packets, synops) in the step in which they arrive.
    """

    groups: Mapping[str, str]  # node -> group (neuron_groups)
    cores: Mapping[str, int]  # group -> C
    synops: Mapping[str, IntArray]  # weight node -> accumulates
    macs: Mapping[str, IntArray]  # weight node -> multiply-accumulates
    events: Mapping[
        str, IntArray
    ]  # node -> spikes, or nonzero numbers that no spikes made, that reach a neuron on the core
    updates: Mapping[str, IntArray]  # node with potentials -> neuron updates
    driven: Mapping[str, IntArray]  # node with potentials -> those of neurons that an event reached
    spikes: Mapping[str, IntArray]  # spiking node -> spikes fired
    # (spiking node, node) -> spikes from each core of the one to each core of the other that has a target: int64[Cs, Cd, T, N]
    packets: Mapping[tuple[str, str], IntArray]

    def __post_init__(self) -> None:
        for kind in _PER_CORE:
            object.__setattr__(self, kind, {name: read_only(array) for name, array in getattr(self, kind).items()})

    def has(self, node: str, base: str) -> bool:
        """Whether this count of the node is known for each of its group's cores."""
        return base in _OF_NODE and node in getattr(self, _OF_NODE[base])

    def of(self, node: str, base: str) -> IntArray:
        """A count of NodeActivity, by its name there: int64[C, T, N]."""
        return getattr(self, _OF_NODE[base])[node]

    def until(self, exit_step: Array) -> "CoreActivity":
        """The work of the same run if sample n had been stopped after step exit_step[n] (1..T)."""
        n_steps, n_samples = next(iter((self.events or self.updates).values())).shape[-2:]
        runs = _running(exit_step, n_samples, n_steps)
        cut: dict[str, Any] = {
            kind: {name: np.where(runs, a, 0) for name, a in getattr(self, kind).items()} for kind in _PER_CORE
        }
        return replace(self, **cut)


# counts of NodeActivity -> the same per core; an event in is one on every core that it reaches
_OF_NODE = {"synops": "synops", "macs": "macs", "events_in": "events", "updates": "updates", "driven": "driven",
            "spikes_out": "spikes"}  # fmt: skip
_PER_CORE = ("synops", "macs", "events", "updates", "driven", "spikes", "packets")


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """What a run of `steps` steps gave; N samples, K outputs."""

    network: str  # its name
    network_digest: str
    input_digest: str
    arithmetic: str
    schedule: str
    steps: int
    total_steps: int  # steps in which each neuron is at work: T, or more where exactness has its price in steps
    latency_steps: int  # until the readout of the last step is there, layers working in a pipeline
    readout: Array  # float[T, N, K]: the last node's output, summed over steps 1..t
    counts: Mapping[str, IntArray]  # spiking node -> spikes of each neuron [N, *shape]; spikes of -1 count -1
    residual: Mapping[str, Array]  # spiking node -> potential after the last step [N, *shape]
    activity: Activity
    spikes: Mapping[str, Array] = field(default_factory=dict)  # recorded ones: bool[T, N, *shape]
    overflows: Mapping[str, IntArray] = field(
        default_factory=dict
    )  # fixed point: node -> numbers beyond its format [N]
    v: Mapping[str, Array] = field(default_factory=dict)  # recorded ones: float[T, N, *shape], after the reset
    margin: Mapping[str, Array] = field(default_factory=dict)  # recorded ones: float[N, *shape]

    def __post_init__(self) -> None:
        object.__setattr__(self, "readout", read_only(self.readout))
        for kind in ("counts", "residual", "spikes", "v", "overflows", "margin"):
            object.__setattr__(self, kind, {name: read_only(array) for name, array in getattr(self, kind).items()})

    @property
    def n_samples(self) -> int:
        return int(self.readout.shape[1])
