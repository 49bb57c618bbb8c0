"""One neuron in one file, as eleven platforms ran it: the published traces of the NIR project, through simulate.

Pedersen et al., Nature Communications 15, 8122 (2024), github.com/neuromorphs/NIR, BSD-3. The file holds an Affine of weight 1 and a LIF
of tau 2.5 ms, threshold 0.1, R 1, all float32; the platforms took steps of 0.1 ms. Potentials below are from the traces.
"""

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from nir_graphs import between, model, node

from refsnn import Float32, Float64, Frames, Record, simulate
from refsnn.formats import open_model
from refsnn.formats.nir.importing import network_of
from refsnn.formats.nir.semantics import Semantics
from refsnn.presets import LOIHI

SHARED = Path(__file__).parents[2] / "shared" / "cases"
DT = 1e-4
INPUT = [60, 220, 270, 310, 320, 350, 370, 400, 410, 430, 440, 450, 460, 470, 480, 490, 500, 510, 520, 530, 670, 680, 690, 700, 710,
         720, 730, 740, 750, 760, 770, 780, 840, 850]  # fmt: skip
EULER, EXPONENTIAL = [460, 510, 710, 760], [450, 500, 710, 760]


@dataclass(frozen=True)
class Platform:
    """What a platform published, and how it is met."""

    name: str
    how: Semantics
    arithmetic: object
    spikes: list  # of the trace
    v: dict  # of the trace, by step
    lag: int = 0  # steps by which its potentials come later than ours
    spike_lag: int = 0
    within: float = 0.0  # 0: bit for bit
    size: float = 1.0  # of an input
    but: tuple = ()  # steps that are compared in no other way than that the trace has 128 there

    def __str__(self):
        return self.name


def how(profile, **other):
    return Semantics(profile=profile, dt=DT, **other)


STORED = np.float32(0.9607894420623779)
PLATFORMS = [
    Platform("norse", how("norse"), Float32(), EULER, {60: 0.04, 450: 0.09984423, 460: 0.0, 999: 0.00016072649}),
    Platform("snntorch", how("snntorch"), Float32(), EULER, {60: 1.0, 450: 2.496105432510376, 460: 0.0, 999: 0.0040181465446949005}),
    Platform("nengo", how("nengo"), Float64(), EULER,
             {60: 0.3921056112240662, 450: 0.9904669463681894, 460: 0.0, 999: 0.0017924423983941317}),
    Platform("sinabs", how("sinabs"), Float32(), EXPONENTIAL,
             {60: 0.03999999910593033, 450: 0.001040823757648468, 461: 0.03910190239548683, 999: 0.00018324672419112176}, size=0.03999999910593033),
    Platform("sinabs", how("sinabs", decays={"a": STORED}), Float32(), EXPONENTIAL,
             {60: 0.03999999910593033, 450: 0.001040823757648468, 461: 0.03910190239548683, 999: 0.00018324672419112176}, size=0.03999999910593033),
    Platform("rockpool", how("rockpool"), Float32(), EXPONENTIAL, {60: 0.04, 450: 0.0010408238, 461: 0.039101902, 999: 0.00018324672}),
    Platform("spyx", how("spyx"), Float32(), [t + 1 for t in EULER],
             {60: 0.03999999910593033, 460: 0.1063796877861023, 461: 0.002124495804309845, 999: 0.0001607050362508744}, spike_lag=1),
    Platform("lava_cpu_float", how("lava"), Float32(), [t + 1 for t in EULER],
             {60: 0.0, 450: 0.06233772877571865, 461: 0.0, 999: 0.00016742291001253085}, lag=1, spike_lag=1, within=4e-8),
    Platform("lava_cpu_fixed", how("lava-fixed"), LOIHI, [t + 1 for t in EULER],
             {60: 0, 450: 989, 460: 1099, 461: 0, 510: 1059}, lag=1, spike_lag=1),
    Platform("lava_loihi_fixed", how("lava-fixed"), LOIHI, [t + 1 for t in EULER],
             {60: 0, 450: 989, 460: 1099, 510: 1059}, lag=1, spike_lag=1, but=(461, 511, 711, 761)),
]  # fmt: skip
BY_NAME = pytest.mark.parametrize("platform", PLATFORMS, ids=str)


def the_file():
    """The graph of lif_norse.nir."""
    numbers = {"tau": 0.0025, "r": 1.0, "v_leak": 0.0, "v_threshold": 0.1}
    lif = node("LIF", **{name: np.array([value], np.float32) for name, value in numbers.items()})
    affine = node("Affine", weight=np.ones((1, 1), np.float32), bias=np.zeros(1, np.float32))
    return model(between(lif, "input-w w-a a-output", w=affine))


def ran(file, semantics, arithmetic, size=1.0):
    """Potentials and spikes of the neuron, [1000] each."""
    network = network_of(file, semantics, "lif")[0]
    name = network.neurons[0]
    x = np.zeros((1000, 1, 1), np.float32)
    x[INPUT] = size
    record = Record(spikes=(name,), v=(name,))
    trace = simulate(network, Frames(x), steps=1000, arithmetic=arithmetic, record=record)
    return trace.v[name].ravel(), trace.spikes[name].ravel()


@BY_NAME
def test_a_platforms_trace(platform):
    v, spikes = ran(the_file(), platform.how, platform.arithmetic, platform.size)
    assert (np.flatnonzero(spikes) + platform.spike_lag).tolist() == platform.spikes
    for step, value in platform.v.items():
        assert abs(v[step - platform.lag] - v.dtype.type(value)) <= platform.within, step


@BY_NAME
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared")
def test_a_platforms_trace_in_every_step(platform):
    semantics = replace(platform.how, decays=dict(zip("1", platform.how.decays.values(), strict=False)))
    v, spikes = ran(open_model(SHARED / "nir" / "lif_norse.nir"), semantics, platform.arithmetic, platform.size)
    given, published_v, published = rows(platform.name).T
    assert np.flatnonzero(given).tolist() == INPUT
    assert (given[INPUT] == platform.size).all()
    assert np.flatnonzero(published).tolist() == platform.spikes
    assert (np.flatnonzero(spikes) + platform.spike_lag).tolist() == platform.spikes
    compared = np.setdiff1d(np.arange(platform.lag, 1000), platform.but)
    assert np.abs(published_v.astype(v.dtype)[compared] - v[compared - platform.lag]).max() <= platform.within
    assert (published_v[list(platform.but)] == 128).all()


def rows(name):
    """Input, potential, spike in each of 1000 steps."""
    with (SHARED / "nir_traces_lif" / f"lif_{name}.csv").open() as file:
        return np.array(list(csv.reader(file)), float)


def test_norses_order_of_operations_is_what_its_potentials_show():
    """NIR's equation in the other orders of operations: the same spikes, 168 of 1000 potentials."""
    norse, spikes = ran(the_file(), how("norse"), Float32())
    ours, same = ran(the_file(), how("nir"), Float32())
    assert np.array_equal(spikes, same)
    assert (norse == ours).sum() == 168
    assert np.abs(norse - ours).max() < 5e-8


def test_an_exact_solution_fires_with_the_others():
    """The trace 'exact' solves the equation between events: until the first spike it is ours, which fires at the end of a step."""
    v, spikes = ran(the_file(), how("exact"), Float64())
    assert np.flatnonzero(spikes).tolist() == EULER
    for step, value in {60: 3.921056170668948959e-02, 450: 9.904669611271622875e-02}.items():
        assert abs(v[step] - value) < 2e-14
    if SHARED.is_dir():
        published = rows("exact")
        assert np.flatnonzero(published[:, 2]).tolist() == EULER
        assert np.abs(published[:460, 1] - v[:460]).max() < 2e-13


def test_spinnaker_is_snntorch_with_a_rounded_weight():
    """Its spikes are met; its potentials are snnTorch's times 0.9998, the weight in 8 bits: no profile, since it is unpublished."""
    v, spikes = ran(the_file(), how("snntorch"), Float32())
    assert np.flatnonzero(spikes).tolist() == EULER
    for step, value in {60: 0.9998039600078416633, 450: 2.495616154116440111, 999: 0.004017362122237558633}.items():
        assert abs(v[step] * 0.9998039600078416633 - value) < 2e-6
    if SHARED.is_dir():
        published = rows("spinnaker2")
        assert np.flatnonzero(published[:, 2]).tolist() == EULER
        assert np.abs(published[:, 1] - 0.9998039600078416633 * v).max() < 2e-6
