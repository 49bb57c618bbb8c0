"""The other simulators: a network as a graph of PyTorch modules, with each simulator's own neurons in it.

Each gets what is good for it: layers before the first neurons are computed once for all steps, a signal is dropped after
its last reader, and spikes are counted only in the run that compares them, which is not timed.
"""

from importlib import metadata

import numpy as np
import torch
from torch import nn
from torch_graph import applied, stages_of

from refsnn.network import INPUT


class Peer:
    """What all have: batches, memory layout, and a graph to walk."""

    package = ""

    def __init__(self, network, steps):
        self.steps, self.output = steps, network.nodes[-1].name
        self.stages = stages_of(network, self.neurons)

    @property
    def name(self):
        return f"{self.package} {metadata.version(self.package.lower()).split('+')[0]}"

    def run(self, x, batch, layout, counts=None):
        """Sums of the outputs [N, K]; spike counts per node go into `counts` where there is one."""
        channels_last = layout == "nhwc" and x.ndim == 4
        memory = torch.channels_last if channels_last else torch.contiguous_format
        for stage in self.stages:
            if isinstance(stage.run, nn.Conv2d):
                stage.run.to(memory_format=memory)
        outputs = []
        with torch.inference_mode():
            for part in torch.from_numpy(x).split(batch):
                found = None if counts is None else {}
                outputs.append(self.forward(part.to(memory_format=memory), found).flatten(1))
                for name, values in (found or {}).items():
                    counts.setdefault(name, []).append(values.numpy().astype(np.int16))
        return torch.cat(outputs).numpy()


class MultiStep(Peer):
    """Layer by layer, every layer for all steps at once; time is the axis `axis` of a signal."""

    axis = 0

    def forward(self, x, counts):
        signals = {INPUT: x}
        timed = {stage.name for stage in self.stages if stage.timed}
        for stage in self.stages:
            sources = [signals[name] for name in stage.inputs]
            if stage.spikes:
                current = sources[0] if stage.inputs[0] in timed else self.every_step(sources[0])
                spikes = self.fire(stage, current)
                if counts is not None:
                    counts[stage.name] = spikes.sum(self.axis)
                signals[stage.name] = spikes * stage.layer.amplitude
            elif stage.run is sum:
                mixed = stage.timed and not timed.issuperset(stage.inputs)
                signals[stage.name] = sum(
                    self.every_step(h) if mixed and name not in timed else h
                    for name, h in zip(stage.inputs, sources, strict=True)
                )
            elif stage.timed:
                signals[stage.name] = stage.run(sources[0].flatten(0, 1)).unflatten(0, sources[0].shape[:2])
            else:
                signals[stage.name] = stage.run(sources[0])
            for name in stage.spent:
                del signals[name]
        return signals[self.output].sum(self.axis)

    def every_step(self, h):
        return h.unsqueeze(self.axis).expand(*h.shape[: self.axis], self.steps, *h.shape[self.axis :])


class SpikingJelly(MultiStep):
    """IFNode in multi-step mode, its fastest on a CPU."""

    package = "SpikingJelly"

    def neurons(self, layer):
        from spikingjelly.activation_based import neuron

        return neuron.IFNode(v_threshold=layer.v_threshold, v_reset=None, step_mode="m").eval()

    def fire(self, stage, current):
        stage.run.reset()
        stage.run.v = torch.full_like(current[0], stage.layer.v_init)
        return stage.run(current)


class Sinabs(MultiStep):
    """IAF with at most one spike in a step; samples first, then time."""

    package, axis = "sinabs", 1

    def neurons(self, layer):
        from sinabs.activation import MembraneSubtract, SingleSpike
        from sinabs.layers import IAF

        return IAF(
            spike_threshold=torch.tensor(layer.v_threshold), spike_fn=SingleSpike, reset_fn=MembraneSubtract(),
            min_v_mem=None,
        ).eval()  # fmt: skip

    def fire(self, stage, current):
        stage.run.v_mem = torch.full_like(current[:, 0], stage.layer.v_init)
        return stage.run(current)


class SnnTorch(Peer):
    """Leaky with beta 1, step by step, as its neurons work.

    With reset_delay (the default) a spike's threshold is subtracted at the beginning of the next step, and that gives the
    spikes of a subtraction at once; without it a potential that is over the threshold after its reset is treated
    otherwise. The given spike function fires at the threshold, not above it.
    """

    package = "snnTorch"

    def neurons(self, layer):
        import snntorch

        return snntorch.Leaky(
            beta=1.0, threshold=layer.v_threshold, reset_mechanism="subtract", spike_grad=at_or_above_zero
        ).eval()

    def forward(self, x, counts):
        once, total, potentials = {INPUT: x}, 0, {}
        for stage in self.stages:
            if not stage.timed:
                once[stage.name] = applied(stage, once)
        for _ in range(self.steps):
            signals = dict(once)
            for stage in self.stages:
                if stage.spikes:
                    signals[stage.name] = self.fire(stage, signals[stage.inputs[0]], potentials, counts)
                elif stage.timed:
                    signals[stage.name] = applied(stage, signals)
                for name in stage.spent:
                    del signals[name]
            total = total + signals[self.output]
        return total

    def fire(self, stage, current, potentials, counts):
        v = potentials.get(stage.name)
        spikes, potentials[stage.name] = stage.run(
            current, torch.full_like(current, stage.layer.v_init) if v is None else v
        )
        if counts is not None:
            counts[stage.name] = counts.get(stage.name, 0) + spikes
        return spikes * stage.layer.amplitude


def at_or_above_zero(shift):
    return (shift >= 0).to(shift.dtype)


class Source(Peer):
    """One pass of the source network in PyTorch, for scale: it has no steps."""

    package = "torch"

    def neurons(self, layer):
        raise AssertionError("a source network has no neurons")

    @property
    def name(self):
        return f"PyTorch {torch.__version__.split('+')[0]}, one pass"

    def forward(self, x, counts):
        signals = {INPUT: x}
        for stage in self.stages:
            signals[stage.name] = applied(stage, signals)
            for name in stage.spent:
                del signals[name]
        return signals[self.output]


PEERS = {"spikingjelly": SpikingJelly, "snntorch": SnnTorch, "sinabs": Sinabs, "torch": Source}
