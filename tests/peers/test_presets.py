"""Presets against the simulators themselves, spike for spike on dyadic weights: runs where they are installed.

pip install ".[peers]" && pytest tests/peers
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsnn import Float32, Frames, Network, Node, Record, preset, simulate
from refsnn.presets import PRESETS
from refsnn.strategies import dyadic

torch = pytest.importorskip("torch")

# currents of a few bits and every sign; steps few enough that decays by halves and quarters stay exact in float32
trains = st.lists(st.lists(dyadic(-3, 3), min_size=4, max_size=4), min_size=1, max_size=8)
thresholds = st.sampled_from([0.5, 1.0, 2.0])
halves = st.sampled_from([0.5, 0.75, 1.0])


def ours(currents, neuron):
    network = Network("n", (4,), (Node("n", neuron, ("input",)),))
    x = np.array(currents, np.float32).reshape(-1, 1, 4)
    trace = simulate(
        network, Frames(x), steps=len(currents), arithmetic=Float32(), record=Record(spikes=("n",), v=("n",))
    )
    return trace.spikes["n"][:, 0].astype(np.float32), trace.v["n"][:, 0]


def agree(currents, neuron, spikes, v):
    fired, potentials = ours(currents, neuron)
    # -0.0 and 0.0 are the same number: a simulator that multiplies by a mask makes the one of the other
    assert (fired == np.array(spikes, np.float32).reshape(fired.shape)).all()
    assert (potentials == np.array(v, np.float32).reshape(potentials.shape)).all()


def steps_of(currents):
    return [torch.tensor(step, dtype=torch.float32) for step in currents]


@given(currents=trains, theta=thresholds, v_reset=st.sampled_from([None, 0.0, -0.5]))
def test_spikingjelly_if(currents, theta, v_reset):
    neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
    cell = neuron.IFNode(v_threshold=theta, v_reset=v_reset).eval()
    spikes, v = zip(*((cell(x).tolist(), cell.v.tolist()) for x in steps_of(currents)), strict=True)
    agree(currents, preset("spikingjelly.IFNode", v_threshold=theta, v_reset=v_reset), spikes, v)


@given(
    currents=trains, theta=thresholds, tau=st.sampled_from([2.0, 4.0]), v_reset=st.sampled_from([None, 0.0, -0.5]),
    decay_input=st.booleans(),
)  # fmt: skip
def test_spikingjelly_lif(currents, theta, tau, v_reset, decay_input):
    neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
    parameters = {"tau": tau, "v_threshold": theta, "v_reset": v_reset, "decay_input": decay_input}
    cell = neuron.LIFNode(**parameters).eval()
    spikes, v = zip(*((cell(x).tolist(), cell.v.tolist()) for x in steps_of(currents)), strict=True)
    agree(currents, preset("spikingjelly.LIFNode", **parameters), spikes, v)


mechanisms = st.sampled_from([("subtract", True), ("zero", True), ("none", True), ("zero", False), ("none", False)])


@given(currents=trains, theta=thresholds, beta=halves, mechanism=mechanisms)
def test_snntorch_leaky(currents, theta, beta, mechanism):
    snntorch = pytest.importorskip("snntorch")
    parameters = {"beta": beta, "threshold": theta, "reset_mechanism": mechanism[0], "reset_delay": mechanism[1]}
    cell, mem, steps = snntorch.Leaky(**parameters), torch.zeros(4), []
    for x in steps_of(currents):
        spikes, mem = cell(x, mem)
        steps.append((spikes.tolist(), mem.tolist()))
    agree(currents, preset("snntorch.Leaky>=0.8", **parameters), *zip(*steps, strict=True))


@given(currents=trains, theta=thresholds, alpha=halves, beta=halves, mechanism=mechanisms)
def test_snntorch_synaptic(currents, theta, alpha, beta, mechanism):
    snntorch = pytest.importorskip("snntorch")
    parameters = {
        "alpha": alpha, "beta": beta, "threshold": theta, "reset_mechanism": mechanism[0], "reset_delay": mechanism[1],
    }  # fmt: skip
    cell, syn, mem, steps = snntorch.Synaptic(**parameters), torch.zeros(4), torch.zeros(4), []
    for x in steps_of(currents):
        spikes, syn, mem = cell(x, syn, mem)
        steps.append((spikes.tolist(), mem.tolist()))
    agree(currents, preset("snntorch.Synaptic>=0.8", **parameters), *zip(*steps, strict=True))


sinabs_choices = {
    "spike_threshold": thresholds,
    "max_num_spikes_per_bin": st.sampled_from([1, 2, None]),
    "min_v_mem": st.sampled_from([None, -1.0, 0.0]),
}


def sinabs_run(layers, kind, currents, parameters, **options):
    from functools import partial

    from sinabs.activation import MaxSpike, MembraneReset, MembraneSubtract, MultiSpike, SingleSpike

    limit = parameters.pop("max_num_spikes_per_bin")
    to_zero = parameters.pop("reset_to_zero", False)
    layer = getattr(layers, kind)(
        spike_fn={1: SingleSpike, None: MultiSpike}.get(limit, MaxSpike(limit)),
        reset_fn=MembraneReset() if to_zero else MembraneSubtract(), record_states=True, **parameters, **options,
    )  # fmt: skip
    with torch.no_grad():
        spikes = layer(torch.stack(steps_of(currents))[None])
    return partial(agree, spikes=spikes[0].tolist(), v=layer.recordings["v_mem"][0].tolist())


@given(currents=trains, parameters=st.fixed_dictionaries(sinabs_choices | {"reset_to_zero": st.booleans()}))
def test_sinabs_iaf(currents, parameters):
    layers = pytest.importorskip("sinabs.layers")
    check = sinabs_run(layers, "IAF", currents, dict(parameters))
    check(currents, preset("sinabs.IAF", **parameters))


@given(currents=trains, parameters=st.fixed_dictionaries(sinabs_choices), norm=st.booleans(), decays=st.tuples(halves, halves),
       synapse=st.booleans())  # fmt: skip
def test_sinabs_lif(currents, parameters, norm, decays, synapse):
    """The decay that sinabs stores is exp(-1/tau) in float32; dyadic ones are put in its place."""
    layers = pytest.importorskip("sinabs.layers")
    from unittest.mock import PropertyMock, patch

    alpha_mem, alpha_syn = decays
    stored = {"alpha_mem_calculated": alpha_mem, "alpha_syn_calculated": alpha_syn if synapse else None}
    mocks = {
        name: PropertyMock(return_value=None if value is None else torch.tensor(value))
        for name, value in stored.items()
    }
    with patch.multiple(layers.LIF, **mocks):
        given_tau = {"tau_syn": 2.0} if synapse else {}
        check = sinabs_run(layers, "LIF", currents, dict(parameters), tau_mem=2.0, norm_input=norm, **given_tau)
    if synapse:
        neuron = preset(
            "sinabs.LIF with tau_syn", alpha_mem=alpha_mem, alpha_syn=alpha_syn, norm_input=norm, **parameters
        )
    else:
        neuron = preset("sinabs.LIF", alpha_mem=alpha_mem, norm_input=norm, **parameters)
    check(currents, neuron)


def test_every_preset_that_claims_to_be_tested_is():
    import pathlib

    here = pathlib.Path(__file__)
    text = here.read_text() + (here.parents[1] / "exporters" / "test_norse.py").read_text()  # in a process of its own
    for entry in PRESETS.values():
        assert (f'"{entry.name}"' in text) == entry.tested, entry.name
