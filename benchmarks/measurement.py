"""The runs of one network: its processes, the peers' best batch sizes, and turns that are the same for all."""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import processes
import report

import refsnn

PAUSE = 0.2  # seconds between runs, until the threads of the one before have stopped waiting for more work


def measured(case, options, peers):
    """Everything about one network: refsnn, its variants and each peer."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        np.save(folder / "x.npy", case.x)
        refsnn.dump(case.network, folder / "source.yaml")
        runs = {"refsnn": (processes.Process("refsnn", folder, options), None)}
        variants, failed = processes.Process("refsnn", folder, options), {}
        runs |= {name: (variants, name) for name in processes.VARIANTS}
        for peer in peers:
            try:
                setting = best_setting(case, peer, folder, options)
                runs[peer] = processes.Process(peer, folder, options), setting
            except Exception as error:
                leave_out(case.network.name, peer, error, failed)
        seconds = in_turn(case.network.name, runs, options.repeats, failed)
        found = report.of_network(case, options.steps, runs, seconds, failed)
        for process in {process for process, _ in runs.values()}:
            process.close()
    return found


def best_setting(case, peer, folder, options):
    """The batch size and memory layout of the shortest run, found in a process that is not the one measured."""
    sizes = sorted({min(size, len(case.x)) for size in options.batches})
    if len(sizes) == 1:
        return sizes[0], "nchw"
    say(f"{case.network.name}: {peer}, looking for its best batch size")
    process = processes.Process(peer, folder, options)
    try:
        process.ask("run", (sizes[-1], "nchw"))  # warms up
        times = {(size, "nchw"): process.ask("run", (size, "nchw")) for size in sizes}
        candidates = sorted(times, key=times.get)[:2]
        if case.x.ndim == 4:
            candidates += [(size, "nhwc") for size, _ in candidates]
        times |= {setting: min(process.ask("run", setting) for _ in range(2)) for setting in candidates}
    finally:
        process.close()
    return min(candidates, key=times.get)


def in_turn(network, runs, repeats, failed):
    """Shortest time of each: after one round to warm up, `repeats` rounds in which each has its turn."""
    seconds = {name: [] for name in runs}
    for turn in range(repeats + 1):
        say(f"{network}: round {turn} of {repeats}" if turn else f"{network}: warming up")
        for name, (process, setting) in list(runs.items()):
            time.sleep(PAUSE)
            try:
                seconds[name].append(process.ask("run", setting))
            except Exception as error:
                if not isinstance(setting, tuple):
                    raise  # without refsnn there is nothing to compare
                leave_out(network, name, error, failed)
                process.close()
                del runs[name]
    return {name: min(seconds[name][1:]) for name in runs}


def leave_out(network, peer, error, failed):
    """Says what a peer cannot do; the run goes on without it."""
    say(f"{network}: {peer} is left out: {error}")
    failed[peer] = str(error)


def say(text):
    print(text, file=sys.stderr, flush=True)
