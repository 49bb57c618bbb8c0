"""NIR profiles against the readers that they are named after: one file into both, spike for spike. Runs where they are installed.

pip install ".[peers]" "nir>=1.0.8" && pytest tests/peers
"""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refsnn import Float32, Frames, Record, simulate
from refsnn.formats.nir.importing import network_of
from refsnn.formats.nir.semantics import Semantics
from refsnn.strategies import dyadic

sys.path.insert(0, str(Path(__file__).parents[1]))
from nir_graphs import DT, between, model, node

torch = pytest.importorskip("torch")
nir = pytest.importorskip("nir")

SIZE = 2
WEIGHT = [[1.0, 0.5], [-0.5, 1.0]]
trains = st.lists(st.lists(dyadic(-3, 3), min_size=SIZE, max_size=SIZE), min_size=1, max_size=8)
thresholds = st.sampled_from([0.5, 1.0, 2.0])
times = st.sampled_from([2 * DT, 4 * DT])  # decays of 1/2 and 3/4: exact in float32
few = settings(max_examples=25, deadline=None)


def neuron(kind, **values):
    return node(kind, **{key: np.full(SIZE, value) for key, value in values.items()})


def graph(of):
    affine = node("Affine", weight=np.array(WEIGHT, np.float32), bias=np.zeros(SIZE, np.float32))
    return between(of, "input-w w-a a-output", size=SIZE, w=affine)


def of_nir(made):
    """The neuron as the nir package has it: each reader is asked for its module of it, as its walk over graphs does."""
    of = made.nodes["a"]
    return getattr(nir, of.type)(**{key: np.array(value, np.float64) for key, value in of.parameters.items()})


def weighed(currents):
    """What the neuron gets: [T, 1, SIZE]."""
    x = np.array(currents, np.float32).reshape(-1, 1, SIZE)
    return torch.from_numpy(x @ np.array(WEIGHT, np.float32).T)


def agree(made, profile, currents, spikes, dt=DT):
    """The readout is what each step sent, added up."""
    network = network_of(model(made), Semantics(profile=profile, dt=dt), "n")[0]
    x = np.array(currents, np.float32).reshape(-1, 1, SIZE)
    trace = simulate(network, Frames(x), steps=len(x), arithmetic=Float32(), record=Record(spikes=("a",)))
    assert np.array_equal(trace.spikes["a"][:, 0], np.array(spikes).reshape(-1, SIZE))


def snntorchs(made, currents):
    reader = pytest.importorskip("snntorch.import_nir")
    module = reader._nir_to_snntorch_module(of_nir(made))
    state, spikes = (), []
    with torch.no_grad():
        for x in weighed(currents):
            out, *state = module(x, *state)
            spikes.append(out.numpy()[0])
    return spikes


def spikingjellys(made, currents):
    reader = pytest.importorskip("spikingjelly.activation_based.nir_exchange.from_nir")
    of = of_nir(made)
    module, state, spikes = reader._NodeMapper(DT).map_dict[type(of)](of), None, []
    with torch.no_grad():
        for x in weighed(currents):
            out, state = module(x, state)
            spikes.append(out.numpy()[0])
    return spikes


@few
@given(currents=trains, threshold=thresholds, tau=times, unscaled=st.booleans())
def test_snntorch(currents, threshold, tau, unscaled):
    made = graph(neuron("LIF", tau=tau, r=tau / DT if unscaled else 1.0, v_leak=0, v_threshold=threshold, v_reset=0))
    agree(made, "snntorch", currents, snntorchs(made, currents))


@few
@given(currents=trains, threshold=thresholds, tau=times, tau_syn=times)
def test_snntorch_with_a_synapse(currents, threshold, tau, tau_syn):
    made = graph(
        neuron(
            "CubaLIF",
            tau_syn=tau_syn,
            tau_mem=tau,
            r=tau / DT,
            w_in=tau_syn / DT,
            v_leak=0,
            v_threshold=threshold,
            v_reset=0,
        )
    )
    agree(made, "snntorch", currents, snntorchs(made, currents))


@few
@given(currents=trains, threshold=thresholds, tau=times, rest=st.sampled_from([0.0, -0.5]), unscaled=st.booleans())
def test_spikingjelly(currents, threshold, tau, rest, unscaled):
    r = tau / DT if unscaled else 1.0
    made = graph(neuron("LIF", tau=tau, r=r, v_leak=rest, v_threshold=threshold, v_reset=rest))
    agree(made, "spikingjelly", currents, spikingjellys(made, currents))


@few
@given(currents=trains, threshold=thresholds, rest=st.sampled_from([0.0, -0.5]))
def test_spikingjelly_without_a_leak(currents, threshold, rest):
    made = graph(neuron("IF", r=1 / DT, v_threshold=threshold, v_reset=rest))
    agree(made, "spikingjelly", currents, spikingjellys(made, currents))


@few
@given(currents=trains, threshold=thresholds, tau=times, tau_syn=times, rest=st.sampled_from([0.0, -0.5]))
def test_spikingjelly_with_a_synapse(currents, threshold, tau, tau_syn, rest):
    made = graph(
        neuron(
            "CubaLIF",
            tau_syn=tau_syn,
            tau_mem=tau,
            r=tau / DT,
            w_in=tau_syn / DT,
            v_leak=0,
            v_threshold=threshold,
            v_reset=rest,
        )
    )
    agree(made, "spikingjelly", currents, spikingjellys(made, currents))


@few
@given(currents=trains, threshold=thresholds, leaks=st.booleans())
def test_sinabs(currents, threshold, leaks):
    sinabs = pytest.importorskip("sinabs.nir")
    # a time constant in steps of which exp(-1 / tau) is about 1/2; what float32 makes of it is met
    kind = {"tau": 1.4426950408889634, "v_leak": 0.0} if leaks else {}
    made = graph(neuron("LIF" if leaks else "IF", r=1.0, v_threshold=threshold, v_reset=0.0, **kind))
    with torch.no_grad():
        spikes = sinabs._import_sinabs_module(of_nir(made), 1, len(currents))(weighed(currents)[:, 0]).numpy()
    agree(made, "sinabs", currents, spikes, dt=1.0)
