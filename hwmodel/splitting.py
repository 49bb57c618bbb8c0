"""How a layer is split over the cores of a chip, and what of its inputs each core then needs.

The neurons of a map are split into blocks of channels and bands of rows; every core gets one block of one band. Neurons
without a map are channels of one pixel. With few bands a core sees little of the input's height only where there are many.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from hwmodel.cores import Cores
from refsnn.errors import CapacityError
from refsnn.trace import Activity, Blocks, NodeActivity


@dataclass(frozen=True, kw_only=True)
class Split:
    """A group's blocks, and where they stand."""

    blocks: Blocks
    feeds: tuple["Feed", ...]  # the ways into the group


@dataclass(frozen=True, kw_only=True)
class Feed:
    """What reaches a group from one of the nodes that it reads."""

    source: str  # the node whose spikes arrive
    packets: Fraction  # cores of the group that a spike is sent to, on average over the source's neurons
    most: int  # the same for the spike that is sent to the most


@dataclass(frozen=True)
class _Reach:
    """Rows of a source map that outputs need: through a convolution, a pool, or one after the other."""

    height: int  # rows of the source
    stride: Fraction  # source rows from one output row to the next
    window: int  # source rows that one output row needs
    offset: Fraction  # source rows that lie before output row 0, the padding

    def rows_of(self, rows: int, bands: int) -> list[range]:
        """For each band of the outputs the source rows it needs; a kernel with gaps may leave some of them out."""
        tall = ceil(rows / bands)
        found = []
        for top in range(0, rows, tall):
            first = ceil(top * self.stride - self.offset)
            last = floor((min(top + tall, rows) - 1) * self.stride - self.offset) + self.window - 1
            found.append(range(max(first, 0), min(last, self.height - 1) + 1))
        return found


def split_group(
    activity: Activity, groups: dict[str, str], group: str, chip: str, cores: Cores, splits: dict[str, Split]
) -> Split:
    """The group on as few cores as hold it; of equally few the ones with the fewest bands of rows.

    splits: of the groups that this one sends to. Raises CapacityError for a limit that no split satisfies.
    """
    members = [node for node in activity.nodes if groups[node.node] == group]
    channels, height, width = _map(members)
    per_core = _most_neurons(group, chip, cores, splits)
    check_fan_in(members, chip, cores)
    best: tuple[int, Blocks] | None = None
    fewest: dict[str, int] = {}
    for bands in range(1, height + 1):
        tall = ceil(height / bands)
        if ceil(height / tall) != bands or (best is not None and bands >= best[0]):
            continue  # the same bands again, or more cores already than the best
        share = min(per_core // (tall * width), channels, _most_channels(members, channels, cores))
        if share < 1:
            continue
        blocks = Blocks(ceil(channels / share), bands)
        needed = _axons_in(activity, members, blocks, (channels, height))
        for name, axons in needed.items():
            fewest[name] = min(axons, fewest.get(name, axons))
        if cores.axons_in is not None and sum(needed.values()) > cores.axons_in:
            continue
        if best is None or blocks.count < best[0]:
            best = blocks.count, blocks
    if best is None:
        raise CapacityError(_no_split(group, members, chip, cores, per_core, width, fewest))
    blocks = best[1]
    return Split(blocks=blocks, feeds=_feeds(activity, members, blocks, height))


def check_fan_in(nodes: Iterable[NodeActivity], chip: str, cores: Cores) -> None:
    """Raises CapacityError for a layer whose neurons have more inputs than a neuron may have."""
    for node in nodes:
        if cores.fan_in is not None and node.fan_in > cores.fan_in:
            raise CapacityError(
                f"chip {chip!r} cannot hold the network: every neuron of {node.node} has {node.fan_in} inputs, on this chip it "
                f"may have {cores.fan_in}; take another chip or a network with smaller layers"
            )


def _map(members: list[NodeActivity]) -> tuple[int, int, int]:
    """Channels, height and width of the group's neurons."""
    neurons = members[-1].n_neurons
    for node in reversed(members):
        if node.geometry is not None:
            height, width = node.geometry.out_size
            if node.geometry.out_channels * height * width == neurons:
                return node.geometry.out_channels, height, width
    return neurons, 1, 1


def _most_neurons(group: str, chip: str, cores: Cores, splits: dict[str, Split]) -> int:
    """Neurons that a core can hold and whose axons it can send."""
    reached = sum(feed.most for split in splits.values() for feed in split.feeds if feed.source == group)
    if cores.axons_out is None or not reached:
        return cores.neurons
    if reached > cores.axons_out:
        raise CapacityError(
            f"chip {chip!r} cannot hold the network: a neuron of {group} sends to {reached} cores, a core has "
            f"{cores.axons_out} outgoing axons; take another chip or a smaller network"
        )
    return min(cores.neurons, cores.axons_out // reached)


def _most_channels(members: list[NodeActivity], channels: int, cores: Cores) -> int:
    """Channels whose weights a core can hold: a kernel is stored on every core that computes its channel."""
    if cores.weight_memory is None or cores.weight_bits is None:
        return channels
    weights = sum(node.n_weights for node in members)
    return channels if not weights else 8 * cores.weight_memory * channels // (weights * cores.weight_bits)


def _axons_in(
    activity: Activity, members: list[NodeActivity], blocks: Blocks, shape: tuple[int, int]
) -> dict[str, int]:
    """Weight layer -> different inputs that the busiest core receives; currents of real-valued inputs come from a host."""
    found = {}
    for node in members:
        if node.kind != "weight" or node.macs.any():
            continue
        geometry = node.geometry
        assert geometry is not None
        reach = _reach(activity, node)
        rows = max(map(len, reach.rows_of(shape[1], blocks.bands)))
        per_group = geometry.out_channels // geometry.groups
        share = ceil(shape[0] / blocks.channels)
        groups = min(geometry.groups, (share - 1) // per_group + 1 + (share % per_group > 0 and share > 1))
        pool = _pool_before(activity, node)
        inputs = pool.n_inputs if pool else node.n_inputs
        found[node.node] = ceil(inputs * groups * rows / (geometry.groups * reach.height))
    return found


def _pool_before(activity: Activity, node: NodeActivity) -> NodeActivity | None:
    """The pool whose output the weight layer reads, Flatten in between or not."""
    before = {each.node: each for each in activity.nodes}
    source = before.get(node.inputs[0])
    while source is not None and source.kind == "reshape" and len(source.inputs) == 1:
        source = before.get(source.inputs[0])
    return source if source is not None and source.kind == "pool" else None


def _reach(activity: Activity, node: NodeActivity) -> _Reach:
    """From the outputs of a weight layer back to the map of the spikes it reads, through a pool in front of it."""
    geometry = node.geometry
    assert geometry is not None
    window = geometry.dilation[0] * (geometry.kernel[0] - 1) + 1
    here = _Reach(geometry.in_size[0], Fraction(geometry.stride[0]), window, Fraction(geometry.padding[0]))
    pool = _pool_before(activity, node)
    if pool is None or pool.geometry is None:
        return here
    behind = pool.geometry
    if geometry.in_size != behind.out_size:  # flattened: every output needs the whole map
        return _Reach(behind.in_size[0], Fraction(0), behind.in_size[0], Fraction(0))
    stride = behind.stride[0]
    return _Reach(
        behind.in_size[0],
        here.stride * stride,
        (window - 1) * stride + behind.kernel[0],
        here.offset * stride + behind.padding[0],
    )


def _feeds(activity: Activity, members: list[NodeActivity], blocks: Blocks, height: int) -> tuple[Feed, ...]:
    """Each neuron layer or input that the group's weight layers read."""
    known = {node.node: node for node in activity.nodes}
    feeds = []
    for node in members:
        if node.kind != "weight":
            continue
        assert node.geometry is not None
        reach = _reach(activity, node)
        if node.geometry.in_size == (1, 1) and node.geometry.kernel == (1, 1) and blocks.bands == 1:
            reached = [1]
        else:
            needed = reach.rows_of(height, blocks.bands)
            reached = [sum(row in band for band in needed) for row in range(reach.height)]
        share = blocks.channels if node.geometry.groups == 1 else ceil(blocks.channels / node.geometry.groups)
        packets = Fraction(share * sum(reached), len(reached))
        feeds += [
            Feed(source=source, packets=packets, most=share * max(reached)) for source in _spiking_sources(node, known)
        ]
    return tuple(feeds)


def _spiking_sources(node: NodeActivity, known: dict[str, NodeActivity]) -> list[str]:
    """The neurons behind a node's inputs."""
    found: list[str] = []
    waiting = list(node.inputs)
    while waiting:
        name = waiting.pop()
        source = known.get(name)
        if source is None:
            continue
        if source.kind == "neuron":
            found.append(name)
        elif source.kind in ("pool", "reshape", "add", "norm"):
            waiting += source.inputs
    return found


def _no_split(
    group: str, members: list[NodeActivity], chip: str, cores: Cores, per_core: int, width: int, fewest: dict[str, int]
) -> str:
    """Which limit is in the way."""
    start, end = f"chip {chip!r} cannot hold the network: ", "take another chip or a network with smaller layers"
    if per_core < width:
        return f"{start}one row of {group} has {width} neurons, a core holds {per_core} of them; {end}"
    if _most_channels(members, 1, cores) < 1 and not fewest:
        weights = sum(node.n_weights for node in members)
        return (
            f"{start}one channel of {group}, of {weights} weights, is over a core's {cores.weight_memory} bytes; {end}"
        )
    text = " and ".join(f"{node} {axons}" for node, axons in fewest.items())
    return f"{start}a core of {group} receives at least {text} different inputs, it has {cores.axons_in} axons; {end}"
