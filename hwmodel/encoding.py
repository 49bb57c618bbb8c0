"""Spikes on a wire or in a queue: what addresses, a bitmap or run lengths cost at the measured density."""

from dataclasses import dataclass
from math import ceil, log2

from refsnn.trace import Activity, NodeActivity


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """Bits for the spikes of one layer, per inference, and where one code becomes cheaper than another."""

    node: str
    neurons: int
    density: float  # spikes per neuron and step
    address_bits: float  # an address of ceil(log2(neurons)) bit for each spike
    bitmap_bits: float  # a bit for each neuron in every step
    run_length_bits: float  # at most: a code for each spike and for each full run of silent neurons
    code_width: int  # of the run lengths: the one that takes the fewest bits at this density
    crossover: float  # density above which a bitmap takes fewer bits than addresses: 1 / address width
    sparse_steps: float  # share of all steps, sample by sample, in which addresses take fewer bits than a bitmap

    @property
    def cheapest(self) -> str:
        """Over the whole run."""
        bits = {"addresses": self.address_bits, "bitmap": self.bitmap_bits, "run lengths": self.run_length_bits}
        return min(bits, key=lambda name: bits[name])


def encodings(activity: Activity) -> list[Encoding]:
    """One for each layer of neurons that spikes."""
    return [_encoding(node, activity) for node in activity.nodes if node.kind == "neuron"]


def address_width(neurons: int) -> int:
    """Bits that tell the neurons apart; at least 1."""
    return max(1, ceil(log2(neurons)))


def _encoding(node: NodeActivity, activity: Activity) -> Encoding:
    steps, width = int(activity.steps_run.sum()), address_width(node.n_neurons)
    spikes = int(node.spikes_out.sum())
    runs = {code: code * (spikes + steps * (node.n_neurons // (2**code - 1))) for code in range(1, width + 2)}
    best = min(runs, key=lambda code: runs[code])
    ran = sum(int((activity.steps_run > t).sum()) for t in range(activity.n_steps))
    sparse = sum(
        int((node.spikes_out[t][activity.steps_run > t] * width < node.n_neurons).sum())
        for t in range(activity.n_steps)
    )
    n = activity.n_samples
    return Encoding(
        node=node.node,
        neurons=node.n_neurons,
        density=spikes / (steps * node.n_neurons),
        address_bits=spikes * width / n,
        bitmap_bits=steps * node.n_neurons / n,
        run_length_bits=runs[best] / n,
        code_width=best,
        crossover=1 / width,
        sparse_steps=sparse / ran,
    )
