"""The snippets of docs/exporting.md, and refsnn beside the framework whose network they wrote."""

import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np

import refsnn
from refsnn import Float32, Frames, Record, simulate

PAGE = Path(__file__).parents[1] / "docs" / "exporting.md"
STEPS = 6


def snippets():
    """Section -> its snippet, as text."""
    return dict(re.findall(r"```python (\S+)\n(.*?)```", PAGE.read_text(), flags=re.S))


def exporter(*sections):
    """What the snippets define, run as one file."""
    names = {}
    exec("\n".join(snippets()[section] for section in sections), names)  # noqa: S102, our own documentation
    return names


def dyadic(random, *shape, bits=3, scale=2):
    """Numbers of a few bits, so that no sum of theirs is rounded."""
    return (random.integers(-(1 << bits), (1 << bits) + 1, shape) / (1 << bits) * scale).astype(np.float32)


def spikes(random, *shape):
    return random.integers(0, 2, shape).astype(np.float32)


def agree(path, x, theirs):
    """refsnn, from the spec alone, gives these in every step: x [T, N, ...], theirs: node -> (spikes or None, potentials or None)."""
    network = refsnn.load(
        path, strict=True
    )  # every tensor has its place, and nothing that matters is left to a default
    record = Record(spikes=network.neurons, v=network.stateful)
    trace = simulate(network, Frames(x), steps=len(x), arithmetic=Float32(), record=record)
    assert set(network.stateful) >= set(theirs)
    for name, (fired, potentials) in theirs.items():
        if fired is not None:
            np.testing.assert_array_equal(trace.spikes[name] * network[name].layer.amplitude, fired, err_msg=name)
        if potentials is not None:
            # -0.0 and 0.0 are the same number: a simulator that multiplies by a mask makes the one of the other
            np.testing.assert_array_equal(trace.v[name], potentials, err_msg=name)
    return trace


def in_process(script, python, folder, snippet, **given):
    """Run the script with another interpreter in a folder that has the snippet; what it left in traces.npz.

    Frameworks that refsnn may not import (norse is LGPL), or that run on another Python only, are run so.
    """
    (folder / "snippet.py").write_text("\n".join(snippets()[section] for section in snippet))
    script = Path(__file__).parent / "exporters" / script
    done = subprocess.run(
        [python, str(script), json.dumps(given)],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(folder)}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with np.load(folder / "traces.npz") as traces:
        return dict(traces), json.loads(done.stdout.splitlines()[-1])
