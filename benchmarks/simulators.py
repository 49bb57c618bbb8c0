"""refsnn beside SpikingJelly, snnTorch and PyTorch's dense source network: same weights, inputs, steps and threads.

    pip install . torch spikingjelly snntorch
    python benchmarks/simulators.py net.yaml data.npz --steps 8 --threads 2

Every simulator runs in this process, one after the other, each at its best batch size; the constant input's first layer is
computed once for all of them. Each time is the best of --repeats after a run to warm up. What they compute is compared:
decisions, and spike counts neuron by neuron.
"""

import argparse
import os
import resource
import time
from importlib import metadata

import numpy as np


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network")
    parser.add_argument("data")
    parser.add_argument("--weights", help="weights file, when the spec names another one")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batches", type=int, nargs="+", default=[10, 25, 50, 100, 200])
    return parser.parse_args()


def torch_module(layer):
    """The PyTorch module of a layer without state."""
    import torch
    from torch import nn

    kind = type(layer).__name__
    if kind in ("Conv2d", "Linear"):
        weight = torch.tensor(np.asarray(layer.weight, np.float32))
        if kind == "Linear":
            module = nn.Linear(weight.shape[1], weight.shape[0], bias=layer.bias is not None)
        else:
            module = nn.Conv2d(weight.shape[1] * layer.groups, weight.shape[0], tuple(weight.shape[2:]), layer.stride,
                               layer.padding, layer.dilation, layer.groups, bias=layer.bias is not None)  # fmt: skip
        module.weight.data = weight
        if layer.bias is not None:
            module.bias.data = torch.tensor(np.asarray(layer.bias, np.float32))
        return module
    if kind == "AvgPool2d":
        return nn.AvgPool2d(layer.kernel, layer.strides, layer.padding)
    if kind == "Flatten":
        return nn.Flatten()
    raise SystemExit(f"this benchmark does not know how to say {kind} in PyTorch")


def per_step(module, x):
    """The module on [T, N, ...]."""
    return module(x.flatten(0, 1)).unflatten(0, x.shape[:2])


class SpikingJelly:
    """Multi-step mode: every layer gets all steps at once."""

    def __init__(self, network, steps):
        from spikingjelly.activation_based import neuron

        self.name = f"SpikingJelly {metadata.version('spikingjelly')}"
        self.steps, self.layers = steps, []
        for node in network.nodes:
            if type(node.layer).__name__ == "IF":
                cell = neuron.IFNode(v_threshold=node.layer.v_threshold, v_reset=None, step_mode="m")
                self.layers.append((node.layer, cell.eval()))
            else:
                self.layers.append((None, torch_module(node.layer)))

    def __call__(self, x):
        counts = []
        h = self.layers[0][1](x).expand(self.steps, *self.layers[0][1](x).shape)
        for layer, module in self.layers[1:]:
            if layer is None:
                h = per_step(module, h)
                continue
            module.reset()
            module.v = h.new_full(h.shape[1:], layer.v_init)
            spikes = module(h)
            counts.append(spikes.sum(0))
            h = spikes * layer.amplitude
        return h.sum(0), counts


class SnnTorch:
    """Step by step, as its neurons work."""

    def __init__(self, network, steps):
        import snntorch

        self.name = f"snnTorch {metadata.version('snntorch')}"
        self.steps, self.layers = steps, []
        for node in network.nodes:
            if type(node.layer).__name__ == "IF":
                cell = snntorch.Leaky(
                    beta=1.0, threshold=node.layer.v_threshold, reset_mechanism="subtract", reset_delay=False
                )
                self.layers.append((node.layer, cell))
            else:
                self.layers.append((None, torch_module(node.layer)))

    def __call__(self, x):
        first = self.layers[0][1](x)
        potentials, counts, total = {}, {}, 0
        for _ in range(self.steps):
            h = first
            for i, (layer, module) in enumerate(self.layers[1:]):
                if layer is None:
                    h = module(h)
                    continue
                v = potentials[i] if i in potentials else h.new_full(h.shape, layer.v_init)
                spikes, potentials[i] = module(h, v)
                counts[i] = counts.get(i, 0) + spikes
                h = spikes * layer.amplitude
            total = total + h
        return total, list(counts.values())


class DenseSource:
    """One pass of the source network in PyTorch, for scale: it has no steps."""

    def __init__(self, source):
        import torch

        self.name = f"PyTorch {torch.__version__.split('+')[0]}, source, one pass"
        self.layers = [
            (node.layer, None if type(node.layer).__name__ == "QCFS" else torch_module(node.layer))
            for node in source.nodes
        ]

    def __call__(self, x):
        for layer, module in self.layers:
            if module is None:
                x = ((x / layer.threshold * layer.levels + 0.5).floor() / layer.levels).clamp(0, 1) * layer.threshold
            else:
                x = module(x)
        return x, None


def measured(run, repeats):
    """Seconds of the fastest of `repeats` runs after one to warm up, and the last result."""
    result = run()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        result = run()
        times.append(time.perf_counter() - begin)
    return min(times), result


def in_batches(model, x, batch):
    import torch

    with torch.inference_mode():
        parts = [model(part) for part in x.split(batch)]
    output = torch.cat([part[0] for part in parts]).numpy()
    counts = (
        None if parts[0][1] is None else [torch.cat([p[1][i] for p in parts]).numpy() for i in range(len(parts[0][1]))]
    )
    return output, counts


def main():
    options = arguments()
    import torch

    import refsnn

    torch.set_num_threads(options.threads)
    network = refsnn.load(options.weights, spec=options.network) if options.weights else refsnn.load(options.network)
    source, snn = refsnn.fold_batch_norm(network), refsnn.convert(network)
    x = refsnn.load_data(options.data, options.images).x.astype(np.float32)

    seconds, trace = measured(
        lambda: refsnn.simulate(snn, x, steps=options.steps, threads=options.threads), options.repeats
    )
    ours, decisions = len(x) / seconds, trace.readout[-1].argmax(-1)
    accumulates = trace.activity.total("synops") / len(x)
    print(f"{network.name}, T = {options.steps}, {len(x)} images, {options.threads} threads, float32")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{accumulates:,.0f} accumulates per image; peak memory of the process after ours {peak} MiB, PyTorch loaded")
    print(f"{'':<34}{'images/s':>10}{'batch':>8}{'refsnn is':>12}  same decision   neurons with the same count")
    print(
        f"{'refsnn ' + refsnn.__version__:<34}{ours:>10.1f}{'':>8}{'':>12}  ({ours * accumulates / 1e9:.1f} G accumulates/s)"
    )
    for model in (SpikingJelly(snn, options.steps), SnnTorch(snn, options.steps), DenseSource(source)):
        best = (0.0, 0, None)
        for batch in options.batches:
            seconds, result = measured(lambda m=model, b=batch: in_batches(m, torch.tensor(x), b), options.repeats)
            best = max(best, (len(x) / seconds, batch, result), key=lambda entry: entry[0])
        rate, batch, (output, counts) = best
        same = int((output.argmax(-1) == decisions).sum())
        equal = ""
        if counts is not None:
            pairs = list(zip(counts, trace.counts.values(), strict=True))
            matching = sum(int((theirs == mine).sum()) for theirs, mine in pairs)
            equal = f"{matching:,} of {sum(mine.size for _, mine in pairs):,}"
        print(f"{model.name:<34}{rate:>10.1f}{batch:>8}{ours / rate:>11.1f}x  {same:>6} of {len(x):<6} {equal}")


if __name__ == "__main__":
    main()
