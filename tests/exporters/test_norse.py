"""The snippet for norse, run in a process of its own (norse is LGPL): spikes and potentials are refsnn's, bit for bit.

Runs where norse is installed, or with NORSE_PYTHON=/path/to/python of an environment that has norse and safetensors.
"""

import importlib.util
import os
import re
import sys

import pytest
from exporting import STEPS, agree, in_process

PYTHON = os.environ.get("NORSE_PYTHON") or (sys.executable if importlib.util.find_spec("norse") else None)


@pytest.mark.skipif(PYTHON is None, reason="could not find 'norse'")
def test_norse(tmp_path):
    kinds, seeds = ["cells", "recurrent"], 6
    found, said = in_process(
        "norse_process.py", PYTHON, tmp_path, ["torch", "norse"], kinds=kinds, seeds=seeds, steps=STEPS
    )
    for case in [f"{kind}-{seed}" for kind in kinds for seed in range(seeds)]:
        mine = {name.removeprefix(f"{case}/"): v for name, v in found.items() if name.startswith(f"{case}/")}
        theirs = {name[:-2]: (mine[f"{name[:-2]}.s"], v) for name, v in mine.items() if name.endswith(".v")}
        readout = max(theirs, key=int)
        theirs[readout] = None, theirs[readout][1]  # what it gives are potentials
        agree(tmp_path / f"{case}.yaml", mine["x"], theirs)
    assert sum(found[name].sum() for name in found if name.endswith("0.s")) > 100  # of recurrent networks, for one
    written = " ".join((tmp_path / f"{kind}-0.yaml").read_text() for kind in kinds)
    assert set(re.findall(r'"preset": "([^"]+)"', written)) == {"norse.LIF", "norse.LIFBox", "norse.IAF"}
    assert said["same_with_time"]
    assert said["refused"] == [
        "net.0: a reset_method of its own",
        "net.0: a IzhikevichCell, which this export does not know",
        "net.0: start_dim=2, only 1 is known",
    ]
