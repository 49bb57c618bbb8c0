"""The vocabulary that a chip spec's `counts` may use: from a node's measured counts to how often an action happens.

Every word is a linear form of what was measured, with exact fractions: that makes costs add up over nodes, steps and samples by
construction, and lets a chip be priced by a few sums over arrays. Measured are, per node, step and sample, the counts of
NodeActivity; and per step and sample `steps` (1 while it runs), `first` and `last` (1 in its first and its last step).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from math import ceil, log2

from refsnn.trace import NodeActivity

Terms = Mapping[str, Fraction]  # measured count -> how often the action happens for each


class Drive(Enum):
    """What makes work."""

    EVENT = "event"
    FRAME = "frame"


EVENT, FRAME, BOTH = (Drive.EVENT,), (Drive.FRAME,), (Drive.EVENT, Drive.FRAME)


@dataclass(frozen=True, kw_only=True)
class Place:
    """What an action's component and the node's place on the chip say."""

    lanes: int = 1  # numbers moved by one access
    width: int = 1  # bits moved by one access
    crossbar: tuple[int, int] = (1, 1)  # rows and columns of an array
    last: bool = False  # the node is the readout
    packets: Fraction = Fraction(1)  # cores that a spike of the node is sent to, on average
    hops: Fraction = Fraction(0)  # links that all packets of a spike cross together, on average
    weights_fit: bool = True  # the node's weights have a place on the chip
    membranes_fit: bool = True

    def accesses(self, numbers: int) -> Fraction:
        return Fraction(-(-numbers // self.lanes))


@dataclass(frozen=True, kw_only=True)
class Word:
    """A count: what it means, and its terms for a node."""

    meaning: str
    terms: Callable[[NodeActivity, Place], Terms]
    drives: tuple[Drive, ...] = EVENT
    kinds: tuple[str, ...] = ()  # of nodes that have it; none: all
    width: bool = False  # is counted in accesses of the component's width
    crossbar: bool = False
    mesh: bool = False
    of_chip: bool = False  # counted once for the chip, not for each node

    def of(self, node: NodeActivity, place: Place) -> Terms:
        return self.terms(node, place) if not self.kinds or node.kind in self.kinds else {}


def _one(base: str) -> Callable[[NodeActivity, Place], Terms]:
    return lambda node, place: {base: Fraction(1)}


def _rows(node: NodeActivity, place: Place) -> Terms:
    each = place.accesses(node.row_length) / node.row_length
    return {"synops": each, "macs": each}


def _per_step(numbers: Callable[[NodeActivity], int]) -> Callable[[NodeActivity, Place], Terms]:
    return lambda node, place: {"steps": place.accesses(numbers(node))}


def _address_flits(node: NodeActivity, place: Place) -> Terms:
    bits = max(1, ceil(log2(node.n_neurons)))
    return {"spikes_out": Fraction(ceil(bits / place.width))}


def _bitmap_flits(node: NodeActivity, place: Place) -> Terms:
    return {"steps": Fraction(ceil(node.n_neurons / place.width))}


def _run_length_flits(node: NodeActivity, place: Place) -> Terms:
    """A code holds the silent neurons before a spike, up to 2^width - 1 of which the last says 'go on': at most this many."""
    return {"spikes_out": Fraction(1), "steps": Fraction(node.n_neurons // (2**place.width - 1))}


def _arrays(node: NodeActivity, place: Place, taps: int = 1) -> int:
    """Crossbars side by side for so many positions of the kernel, one below the other along the rows."""
    shape = node.geometry
    assert shape is not None
    rows = ceil(taps * shape.in_channels / shape.groups / place.crossbar[0])
    return shape.groups * rows * ceil(shape.out_channels / shape.groups / place.crossbar[1])


def _positions(node: NodeActivity) -> int:
    assert node.geometry is not None
    return node.geometry.out_size[0] * node.geometry.out_size[1]


def _kernel(node: NodeActivity) -> int:
    assert node.geometry is not None
    return node.geometry.kernel[0] * node.geometry.kernel[1]


WEIGHT, NEURON, ADDING = ("weight",), ("neuron",), ("pool", "add")

COUNTS: dict[str, Word] = {
    "events": Word(meaning="nonzero inputs of weight layers", terms=_one("events_in"), kinds=WEIGHT),
    "synops": Word(meaning="accumulates caused by spikes, exact at borders", terms=_one("synops")),
    "macs": Word(meaning="multiply-accumulates of nonzero real-valued inputs", terms=_one("macs")),
    "rows": Word(
        meaning="accesses for the weights, or the potentials, that events reach: ceil(row / words per access) for each row",
        terms=_rows, kinds=WEIGHT,
    ),
    "updates": Word(meaning="neuron updates, driven or not: comparators that look", terms=_one("updates")),
    "driven_updates": Word(meaning="updates of neurons that an event reached in the step", terms=_one("driven")),
    "idle_updates": Word(
        meaning="updates of neurons that no event reached",
        terms=lambda node, place: {"updates": Fraction(1), "driven": Fraction(-1)},
    ),
    "update_rows": Word(
        meaning="accesses of a pass over all potentials",
        terms=lambda node, place: {"updates": place.accesses(node.n_neurons) / node.n_neurons},
    ),
    "spikes": Word(meaning="spikes sent; each resets its neuron", terms=_one("spikes_out")),
    "adds": Word(meaning="additions in pools and residual sums: their events", terms=_one("events_in"), kinds=ADDING),
    "aer_words": Word(
        meaning="accesses for spikes as addresses of ceil(log2(neurons)) bit", terms=_address_flits, kinds=NEURON, width=True
    ),
    "bitmap_words": Word(
        meaning="accesses for one bit for each neuron in every step", terms=_bitmap_flits, kinds=NEURON, width=True
    ),
    "run_length_words": Word(
        meaning="accesses for spikes as run lengths, a code an access: at most spikes + neurons // (2^width - 1)",
        terms=_run_length_flits, kinds=NEURON, width=True,
    ),
    "packets": Word(
        meaning="spikes, once for each core they are sent to",
        terms=lambda node, place: {"spikes_out": place.packets}, kinds=NEURON,
    ),
    "hops": Word(
        meaning="links that packets cross, x first, then y",
        terms=lambda node, place: {"spikes_out": place.hops}, kinds=NEURON, mesh=True,
    ),
    "image_loads": Word(
        meaning="the network's input, once for each sample",
        terms=lambda node, place: {"first": place.accesses(node.n_inputs)} if "input" in node.inputs else {},
    ),
    "readout_words": Word(
        meaning="the readout, in every step",
        terms=lambda node, place: {"steps": place.accesses(node.n_neurons)} if place.last else {},
    ),
    "final_readout_words": Word(
        meaning="the readout, in the last step",
        terms=lambda node, place: {"last": place.accesses(node.n_neurons)} if place.last else {},
    ),
    "spilled_weight_words": Word(
        meaning="weights that have no place on the chip, fetched in every step",
        terms=lambda node, place: {} if place.weights_fit else {"steps": place.accesses(node.n_weights)}, kinds=WEIGHT,
    ),
    "spilled_membrane_words": Word(
        meaning="potentials that have no place on the chip, in every step",
        terms=lambda node, place: {} if place.membranes_fit else {"steps": place.accesses(node.n_neurons)},
    ),
    "crossbar_reads": Word(
        meaning="arrays read: one for each part of a layer, position of its kernel and output pixel, whatever is in them",
        terms=lambda node, place: {"steps": Fraction(_arrays(node, place) * _kernel(node) * _positions(node))},
        kinds=WEIGHT, crossbar=True,
    ),
    "crossbar_windows": Word(
        meaning="the same with all positions of a kernel as one",
        terms=lambda node, place: {"steps": Fraction(_arrays(node, place) * _positions(node))}, kinds=WEIGHT, crossbar=True,
    ),
    "crossbar_stacks": Word(
        meaning="arrays read where a layer's whole window stands along the rows, over as many arrays as it takes",
        terms=lambda node, place: {"steps": Fraction(_arrays(node, place, _kernel(node)) * _positions(node))},
        kinds=WEIGHT, crossbar=True,
    ),
    "crossbar_outputs": Word(
        meaning="outputs of weight layers in every step", terms=_per_step(lambda node: node.n_neurons), kinds=WEIGHT,
        crossbar=True,
    ),
    "steps": Word(meaning="1 in every step", terms=_one("steps"), drives=BOTH, of_chip=True),
    "samples": Word(meaning="1 for each sample", terms=_one("first"), drives=BOTH, of_chip=True),
    "dense_macs": Word(
        meaning="every connection of every frame; with words, accesses that serve them",
        terms=_per_step(lambda node: node.dense_ops), drives=FRAME, kinds=WEIGHT,
    ),
    "weight_words": Word(
        meaning="a layer's weights, once a frame", terms=_per_step(lambda node: node.n_weights), drives=FRAME, kinds=WEIGHT
    ),
    "input_words": Word(
        meaning="a layer's inputs, once a frame", terms=_per_step(lambda node: node.n_inputs), drives=FRAME, kinds=WEIGHT
    ),
    "output_words": Word(
        meaning="a layer's outputs, once a frame", terms=_per_step(lambda node: node.n_neurons), drives=FRAME, kinds=WEIGHT
    ),
    "image_words": Word(
        meaning="the network's input, once a frame",
        terms=_per_step(lambda node: node.n_inputs if "input" in node.inputs else 0), drives=FRAME, kinds=WEIGHT,
    ),
}  # fmt: skip

# what no chip gets for free: work of this kind that no action of a chip counts is listed as unpriced, unless the chip says
# which of its figures hold it already
ESSENTIAL = ("synops", "macs", "updates")
_CROSSBAR = ("crossbar_reads", "crossbar_windows", "crossbar_stacks", "crossbar_outputs")
COVERED_BY = {
    "synops": ("synops", "dense_macs", *_CROSSBAR),
    "macs": ("macs", "dense_macs", *_CROSSBAR),
    "updates": ("updates", "update_rows", "idle_updates", "crossbar_outputs"),
}
