"""The snippet for lava-dl, run in a process of its own: every block's spikes are refsnn's, in Loihi's whole numbers.

Runs with LAVA_PYTHON=/path/to/python of an environment with lava-dl, which needs a Python older than refsnn does.
"""

import os

import numpy as np
import pytest
from exporting import in_process

import refsnn
from refsnn import Frames, Record, simulate
from refsnn.presets import LOIHI

PYTHON = os.environ.get("LAVA_PYTHON")


@pytest.mark.skipif(PYTHON is None, reason="no LAVA_PYTHON, the interpreter of an environment with lava-dl")
def test_lava(tmp_path):
    seeds, steps = 6, 12
    found, refused = in_process("lava_process.py", PYTHON, tmp_path, ["lava-dl"], seeds=seeds, steps=steps)
    for seed in range(seeds):
        assert '"preset": "lava.LIF fixed"' in (tmp_path / f"{seed}.yaml").read_text()
        network = refsnn.load(tmp_path / f"{seed}.yaml", strict=True)
        trace = simulate(
            network, Frames(found[f"{seed}/x"]), steps=steps, arithmetic=LOIHI, record=Record(spikes=network.neurons)
        )
        seen = steps - seed % 2  # with delay_shift the last step's spikes leave the block after the run
        for name in network.neurons:
            theirs = found[f"{seed}/{name}"]
            np.testing.assert_array_equal(trace.spikes[name][:seen], theirs[:seen], err_msg=f"{seed} {name}")
            assert theirs.any()
    assert refused == [
        "block0: a Pool, which is not known",
        "block0: an Input with neurons",
        "block0: delays of synapses, or a mask",
        "block0: a norm, or a state that stays",
        "block0: weights that are not quantised; keep the block's pre_hook_fx",
    ]
