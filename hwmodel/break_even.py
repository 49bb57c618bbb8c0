"""Spikes per synapse and inference, beside the values up to which spiking networks were found to cost less."""

from dataclasses import dataclass

from refsnn.trace import Activity


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A published break-even point; none of them is a law: each holds for its authors' hardware and baseline."""

    low: float
    high: float
    of: str  # "spikes per synapse" of an inference, or "spike rate": spikes per neuron and step
    source: str


THRESHOLDS = (
    Threshold(low=1.72, high=1.72, of="spikes per synapse",
              source="Davidson and Furber 2021, against an analogue-valued network"),
    Threshold(low=0.15, high=1.38, of="spikes per synapse",
              source="Dampfhoffer et al. 2023, memory counted, baseline with data reuse; by reuse and neuron model"),
    Threshold(low=0.057, high=0.064, of="spike rate",
              source="Yan et al. 2024, against a quantised network of ceil(log2(T + 1)) bit, 5 to 10 steps"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class BreakEven:
    """Where a run stands. Layers that read real values are left out: nothing spikes there."""

    spikes_per_synapse: float  # accumulates over connections, per inference
    spike_rate: float  # spikes per neuron and step
    mean_steps: float
    synapses: int
    neurons: int

    def value(self, threshold: Threshold) -> float:
        """What is compared with this threshold."""
        return self.spike_rate if threshold.of == "spike rate" else self.spikes_per_synapse

    def says(self, threshold: Threshold) -> str:
        """Below, within or above the threshold."""
        value = self.value(threshold)
        return "below" if value < threshold.low else "above" if value > threshold.high else "within"


def break_even(activity: Activity) -> BreakEven:
    """Spikes per synapse and inference, at the steps that the samples really ran."""
    driven = [node for node in activity.nodes if node.kind == "weight" and not node.macs.any()]
    spiking = [node for node in activity.nodes if node.kind == "neuron"]
    synapses, neurons = sum(node.dense_ops for node in driven), sum(node.n_neurons for node in spiking)
    steps = int(activity.steps_run.sum())
    return BreakEven(
        spikes_per_synapse=sum(int(node.synops.sum()) for node in driven) / (max(synapses, 1) * activity.n_samples),
        spike_rate=sum(int(node.spikes_out.sum()) for node in spiking) / (max(neurons, 1) * max(steps, 1)),
        mean_steps=steps / activity.n_samples,
        synapses=synapses,
        neurons=neurons,
    )
