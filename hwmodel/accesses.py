"""Activity -> how often each action happens: the vocabulary that a chip spec's `counts` may use.

Each entry gives int64[T, N] for one node. `lanes` is how many numbers one access of the component moves. A spike that
reaches a row of `row_length` outputs touches consecutive words, so it takes ceil(row_length / lanes) accesses.
"""

from collections.abc import Callable

import numpy as np

from refsnn.trace import Activity, IntArray, NodeActivity

Counter = Callable[[NodeActivity, Activity, int], IntArray]


def _runs(activity: Activity) -> IntArray:
    """1 in every step that a sample ran, else 0."""
    return (np.arange(1, activity.n_steps + 1)[:, None] <= activity.steps_run).astype(np.int64)


def _accesses(numbers: int, lanes: int) -> int:
    return -(-numbers // lanes)


def _weight_layers_only(node: NodeActivity, counts: IntArray) -> IntArray:
    return counts if node.kind == "weight" else np.zeros_like(counts)


def _rows(node: NodeActivity, activity: Activity, lanes: int) -> IntArray:
    if not node.row_length:
        return np.zeros_like(node.synops)
    return (node.synops + node.macs) // node.row_length * _accesses(node.row_length, lanes)


def _update_rows(node: NodeActivity, activity: Activity, lanes: int) -> IntArray:
    return node.updates // node.n_neurons * _accesses(node.n_neurons, lanes)


def _per_frame(numbers: Callable[[NodeActivity], int]) -> Counter:
    def count(node: NodeActivity, activity: Activity, lanes: int) -> IntArray:
        return _weight_layers_only(node, _runs(activity) * _accesses(numbers(node), lanes))

    return count


COUNTS: dict[str, Counter] = {
    # event-driven work
    "events": lambda node, activity, lanes: _weight_layers_only(node, node.events_in),  # spikes, or nonzero real inputs
    "synops": lambda node, activity, lanes: node.synops,  # accumulates caused by spikes
    "macs": lambda node, activity, lanes: node.macs,  # multiply-accumulates of nonzero real-valued inputs
    "rows": _rows,  # memory accesses for the weights, or the potentials, that events reach
    "updates": lambda node, activity, lanes: node.updates,  # neuron updates
    "update_rows": _update_rows,  # memory accesses of a pass over all potentials
    "spikes": lambda node, activity, lanes: node.spikes_out,
    # frame-based work: the same for every frame, whatever is in it
    "dense_macs": _per_frame(lambda node: node.dense_ops),  # every connection; with lanes, accesses that serve them
    "weight_words": _per_frame(lambda node: node.n_weights),
    "input_words": _per_frame(lambda node: node.n_inputs),
    "output_words": _per_frame(lambda node: node.n_neurons),
    "image_words": _per_frame(lambda node: node.n_inputs if "input" in node.inputs else 0),
}

# what no chip gets for free: work of this kind that no action of a chip counts is listed as unpriced
ESSENTIAL = ("synops", "macs", "updates")
COVERED_BY = {"synops": ("synops", "dense_macs"), "macs": ("macs", "dense_macs"), "updates": ("updates", "update_rows")}
