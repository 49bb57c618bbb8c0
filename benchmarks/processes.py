"""A process of its own for every simulator, so that its memory is its own; the parent says who runs and when."""

import multiprocessing
import resource
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

import refsnn

BEYOND = 2.0**30  # an initial potential so far from the threshold that T steps of current do not matter
VARIANTS = ("one thread", "Float64", "Exact", "zero activity", "full activity")


class Refsnn:
    """refsnn as it is by default (`None`), or one of the variants."""

    def __init__(self, network, x, options):
        self.name = f"refsnn {refsnn.__version__}"
        self.network, self.x, self.options = refsnn.convert(network), x, options
        self.work = {}  # accumulates of each variant's run
        # one object each, so that what a network's runs prepare is prepared before the clock runs
        self.silent, self.full = (starting_at(self.network, v_init) for v_init in (-BEYOND, BEYOND))

    def run(self, variant):
        begin = time.perf_counter()
        trace = self.trace(variant)
        seconds = time.perf_counter() - begin
        self.work[variant] = trace.activity.total("synops")
        return seconds

    def trace(self, variant):
        network, x, threads, arithmetic = self.network, self.x, self.options.threads, refsnn.Float32()
        match variant:
            case "one thread":
                threads = 1
            case "Float64":
                arithmetic = refsnn.Float64()
            case "Exact":
                arithmetic = refsnn.Exact()
            case "zero activity":
                network, x = self.silent, np.zeros_like(x)
            case "full activity":
                network = self.full
        return refsnn.simulate(network, x, steps=self.options.steps, threads=threads, arithmetic=arithmetic)

    def results(self, variant):
        trace = self.trace(variant)
        return {"output": trace.readout[-1], **{name: counts.astype(np.int16) for name, counts in trace.counts.items()}}


def starting_at(network, v_init):
    """The same network with neurons that never fire, or at every step: same weights, same connections."""
    nodes = (
        replace(node, layer=replace(node.layer, v_init=v_init)) if node.name in network.neurons else node
        for node in network.nodes
    )
    return refsnn.Network(network.name, network.input_shape, tuple(nodes))


class InPyTorch:
    """A peer; its setting is a batch size and a memory layout."""

    def __init__(self, peer, network, x, options):
        import peers
        import torch

        torch.set_num_threads(options.threads)
        source = refsnn.fold_batch_norm(network)
        self.model = peers.PEERS[peer](source if peer == "torch" else refsnn.convert(network), options.steps)
        self.name, self.x = self.model.name, x
        self.work = {}  # the same accumulates as refsnn's, whatever it does to get the same

    def run(self, setting):
        begin = time.perf_counter()
        self.model.run(self.x, *setting)
        return time.perf_counter() - begin

    def results(self, setting):
        counts = {}
        output = self.model.run(self.x, *setting, counts)
        return {"output": output, **{name: np.concatenate(parts) for name, parts in counts.items()}}


def serve(connection, simulator, folder, options):
    """What such a process does: load, then answer requests until there are no more."""
    try:
        network, x = refsnn.load(folder / "source.yaml"), np.load(folder / "x.npy")
        model = Refsnn(network, x, options) if simulator == "refsnn" else InPyTorch(simulator, network, x, options)
        connection.send(model.name)
        forget_peak()
        before = memory_mib("VmRSS")
        while True:
            request, *arguments = connection.recv()
            if request == "run":
                connection.send(model.run(*arguments))
            elif request == "memory":
                connection.send((memory_mib("VmHWM"), before))
            elif request == "work":
                connection.send(model.work.get(*arguments))
            elif request == "results":
                np.savez(folder / "results.npz", **model.results(*arguments))
                connection.send(folder / "results.npz")
    except (EOFError, KeyboardInterrupt):
        pass  # the parent closed the connection, or is interrupted as well
    except Exception as error:
        connection.send(RuntimeError(str(error) or type(error).__name__))


def memory_mib(line):
    """A line of the kernel's account of this process. Not getrusage, which hands the parent's peak down to its children."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.split(f"{line}:")[1].split()[0]) >> 10
    except (OSError, IndexError):
        # bytes on macOS, KiB elsewhere
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> (20 if sys.platform == "darwin" else 10)


def forget_peak():
    """Starts the peak anew, so that it is the runs' and not the reading of files; where that is not possible it stays."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


class Process:
    """The parent's end."""

    def __init__(self, simulator, folder, options):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, simulator, folder, options), daemon=True)
        self.process.start()
        theirs.close()
        self.name = self.ask()

    def ask(self, *request):
        """The answer to a request; to none, the name that the process says first."""
        try:
            if request:
                self.connection.send(request)
            given = self.connection.recv()
        except (EOFError, OSError):
            raise RuntimeError("its process ended, perhaps for want of memory") from None
        if isinstance(given, Exception):
            raise given
        return given

    def close(self):
        self.connection.close()
        self.process.join()
