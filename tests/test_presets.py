"""Presets: what they refuse, and that their table in the documentation is the code's."""

from pathlib import Path

import numpy as np
import pytest

import refsnn
from refsnn.errors import SpecError, UnsupportedLayerError
from refsnn.neurons import IF, LIF, Firing, Reset, ResetTime
from refsnn.presets import PRESETS, preset, table

DOCS = Path(__file__).parents[1] / "docs" / "presets.md"


def test_the_table_in_the_documentation_is_the_codes():
    assert DOCS.read_text() == table()


def test_snntorchs_reset_is_one_step_late():
    assert preset("snntorch.Leaky>=0.8", beta=0.5) == LIF(
        decay=0.5, v_threshold=1.0, firing=Firing.ABOVE_THRESHOLD, reset_time=ResetTime.AFTER_CHARGE
    )


def test_spikingjellys_soft_reset_is_none_of_a_value():
    assert preset("spikingjelly.IFNode", v_reset=None).reset is Reset.SUBTRACT
    assert preset("spikingjelly.IFNode", v_reset=0.5) == IF(
        v_threshold=1.0, reset=Reset.TO_VALUE, v_reset=0.5, v_init=0.5
    )


@pytest.mark.parametrize(
    ("name", "parameters", "kind", "message"),
    [
        ("snntorch.Leaky", {}, SpecError, "preset 'snntorch.Leaky' is none; did you mean 'snntorch.Leaky>=0.8'?"),
        ("qcfs.IF", {"theta": 1}, SpecError, "preset qcfs.IF: unknown parameter 'theta'"),
        ("qcfs.IF", {}, SpecError, "preset qcfs.IF: missing parameter 'threshold'; it takes threshold"),
        ("snntorch.Leaky>=0.8", {"beta": 0.5, "reset_delay": False}, UnsupportedLayerError, "snnTorch with reset_delay=False"),
        ("snntorch.Leaky>=0.8", {"beta": 0.5, "reset_mechanism": "hard"}, SpecError, "reset_mechanism: 'hard' is none"),
        ("sinabs.LIF", {}, SpecError, "give one of tau_mem (in steps) and alpha_mem (the decay as stored)"),
    ],
)  # fmt: skip
def test_what_is_refused(name, parameters, kind, message):
    with pytest.raises(kind) as refused:
        preset(name, **parameters)
    assert str(refused.value).startswith(message)


def test_a_spec_may_name_a_preset(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text("name: n\ninput: [2]\nnodes:\n  - {name: lif, preset: 'snntorch.Leaky>=0.8', beta: 0.5}\n")
    network = refsnn.load(path)
    assert network["lif"].layer == preset("snntorch.Leaky>=0.8", beta=0.5)
    again, _ = refsnn.dump(network, tmp_path / "again.yaml")
    assert refsnn.load(again).digest == network.digest
    path.write_text(path.read_text().replace("beta", "bet"))
    with pytest.raises(SpecError) as refused:
        refsnn.load(path)
    assert "net.yaml:4:17: nodes[0].preset: preset snntorch.Leaky>=0.8: unknown parameter 'bet'" in str(refused.value)


def test_decays_may_be_those_of_each_neuron():
    """Learnt ones are; a decay beyond 0 to 1 is clamped as snnTorch does in each of its steps."""
    learnt = np.array([-0.5, 0.75, 1.5], np.float32)
    for name in ("snntorch.Leaky>=0.8", "snntorch.Leaky>=0.5.2,<0.8", "snntorch.Leaky<=0.5.1"):
        assert preset(name, beta=learnt).decay.tolist() == [0.0, 0.75, 1.0]
    synapse = preset("snntorch.Synaptic>=0.8", alpha=learnt, beta=learnt)
    assert (synapse.current_decay.tolist(), synapse.decay.tolist()) == ([0.0, 0.75, 1.0],) * 2
    assert preset("sinabs.LIF", alpha_mem=learnt[1:2]) == preset("sinabs.LIF", alpha_mem=0.75)
    taus = np.array([2.0, 4.0])
    assert preset("sinabs.LIF", tau_mem=taus).decay.tolist() == np.exp(-1 / taus).tolist()


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_makes_a_neuron(name):
    required = {"beta": 0.5, "alpha": 0.5, "tau_mem": 2.0, "tau_syn": 2.0, "tau_mem_inv": 100.0, "tau_syn_inv": 200.0,
                "du": 1, "dv": 1, "vth": 10, "threshold": 1.5, "tau": 0.02, "dt": 0.001, "v_threshold": 1.0}  # fmt: skip
    from inspect import signature

    takes = signature(PRESETS[name].make).parameters
    floats = {key: value for key, value in required.items() if key in takes}
    if name == "spikingjelly.LIFNode":
        floats["tau"] = 2.0
    if name == "lava.LIF float":
        floats |= {"du": 0.5, "dv": 0.25}
    assert isinstance(preset(name, **floats), refsnn.neurons.Neuron)
