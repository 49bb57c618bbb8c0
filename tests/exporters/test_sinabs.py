"""The snippet for sinabs: what it writes does in refsnn what sinabs does, spike for spike and bit for bit."""

import re
from unittest.mock import PropertyMock, patch

import numpy as np
import pytest
from exporting import STEPS, agree, dyadic, exporter, spikes
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
layers = pytest.importorskip("sinabs.layers")
nn = torch.nn
few = settings(max_examples=20, deadline=None)
seeds = st.integers(0, 2**32 - 1)
halves = st.sampled_from([0.5, 0.75])


@pytest.fixture(scope="module")
def Sinabs():  # noqa: N802, it is a class
    return exporter("torch", "sinabs")["Sinabs"]


def neurons(resets=("MembraneSubtract", "MembraneReset")):
    from sinabs import activation

    return st.fixed_dictionaries(
        {
            "spike_threshold": st.sampled_from([0.5, 1.0, 2.0]).map(torch.tensor),
            "min_v_mem": st.sampled_from([None, -1.0, 0.0]),
            "spike_fn": st.sampled_from([activation.SingleSpike, activation.MultiSpike, activation.MaxSpike(2)]),
            "reset_fn": st.sampled_from([getattr(activation, name)() for name in resets]),
        }
    )


def drawn(random, module):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.tensor(dyadic(random, *parameter.shape)))
    return module.eval()


def run(net, x):
    """x [T, N, ...] through the modules in a row, steps and samples as one where they do not know steps."""
    found, values = {}, torch.tensor(x).transpose(0, 1)  # sinabs: samples first, then steps
    with torch.no_grad():
        for name, module in net:
            if isinstance(module, layers.StatefulLayer):
                module.record_states = True
                values = module(values)
                sent = None if isinstance(module, layers.ExpLeak) else values.transpose(0, 1).numpy()
                # what it records of a recurrent layer is changed by the step behind it: spikes alone, then
                recurrent = isinstance(module, layers.LIFRecurrent)
                found[name] = sent, None if recurrent else module.recordings["v_mem"].transpose(0, 1).numpy()
            else:
                values = module(values.flatten(0, 1)).unflatten(0, values.shape[:2])
    return found


@given(data=st.data(), seed=seeds, alpha=halves, norm=st.booleans())
@few
def test_a_network_without_recurrence(Sinabs, tmp_path_factory, data, seed, alpha, norm):
    """The decay that sinabs computes is exp(-1/tau) in float32; dyadic ones are put in its place."""
    random, folder = np.random.default_rng(seed), tmp_path_factory.mktemp("net")
    net = [
        ("conv", drawn(random, nn.Conv2d(2, 4, 3, stride=(1, 2), padding=1, groups=2))),
        ("iaf", layers.IAF(**data.draw(neurons()))),
        ("pool", layers.SumPool2d(2)),
        ("flat", nn.Flatten()),
        ("fc", drawn(random, nn.Linear(4 * 3 * 2, 5))),
        ("lif", layers.LIF(tau_mem=2.0, norm_input=norm, **data.draw(neurons()))),
        ("fc2", drawn(random, nn.Linear(5, 4))),
        ("out", layers.ExpLeak(tau_mem=2.0, norm_input=norm)),
    ]
    x = spikes(random, STEPS, 3, 2, 6, 7)
    with dyadic_decays(alpha, None):
        Sinabs().write(net, (2, 6, 7), str(folder / "net"))
        theirs = run(net, x)
    agree(folder / "net.yaml", x, theirs)


@given(data=st.data(), seed=seeds, decays=st.tuples(halves, halves), norm=st.booleans())
@few
def test_a_recurrent_network_and_synapses(Sinabs, tmp_path_factory, data, seed, decays, norm):
    random, folder = np.random.default_rng(seed), tmp_path_factory.mktemp("net")
    backs = [drawn(random, nn.Linear(4, 4, bias=False)) for _ in range(2)]
    subtract = neurons(["MembraneSubtract"])
    net = [
        ("in", drawn(random, nn.Linear(6, 4))),
        (
            "rec",
            layers.LIFRecurrent(tau_mem=2.0, tau_syn=2.0, rec_connect=backs[0], norm_input=norm, **data.draw(subtract)),
        ),
        ("fc", drawn(random, nn.Linear(4, 4))),
        ("iaf", layers.IAFRecurrent(tau_syn=2.0, rec_connect=backs[1], **data.draw(subtract))),
    ]
    x = spikes(random, STEPS, 3, 6)
    with dyadic_decays(*decays):
        Sinabs().write(net, (6,), str(folder / "net"))
        theirs = run(net, x)
    trace = agree(folder / "net.yaml", x, theirs)
    for name, module in (net[1], net[3]):
        np.testing.assert_array_equal(trace.v[name][-1], module.v_mem.detach().numpy())


def dyadic_decays(alpha_mem, alpha_syn):
    values = {"alpha_mem_calculated": alpha_mem, "alpha_syn_calculated": alpha_syn}
    return patch.multiple(
        layers.LIF,
        **{
            name: PropertyMock(return_value=None if value is None else torch.tensor(value))
            for name, value in values.items()
        },
    )


def test_decays_as_sinabs_computes_them_and_one_for_each_neuron(Sinabs, tmp_path, monkeypatch):
    """exp(-1/tau) in float32 is written as it is: potentials differ by roundings of few steps, a relative 1e-6 at most."""
    import refsnn

    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    net = [
        ("fc", drawn(random, nn.Linear(6, 3))),
        ("lif", layers.LIF(tau_mem=torch.tensor([5.0, 10.0, 20.0]), spike_threshold=torch.tensor(100.0))),
    ]
    x = spikes(random, STEPS, 2, 6)
    Sinabs().write(net, (6,), "net")
    network, (_, v) = refsnn.load("net.yaml"), run(net, x)["lif"]
    alpha = net[1][1].alpha_mem_calculated.detach().numpy()
    np.testing.assert_array_equal(network["lif"].layer.decay, alpha.astype(np.float64))
    trace = refsnn.simulate(
        network, refsnn.Frames(x), steps=STEPS, arithmetic=refsnn.Float32(), record=refsnn.Record(v=("lif",))
    )
    np.testing.assert_allclose(trace.v["lif"], v, rtol=1e-6, atol=1e-6)


def test_what_cannot_be_said_is_refused_by_name(Sinabs, tmp_path, monkeypatch):
    from sinabs.activation import MembraneReset, MembraneSubtract

    monkeypatch.chdir(tmp_path)
    for module, message in (
        (layers.ALIF(tau_mem=2.0, tau_adapt=2.0), "net.0: a ALIF, which this export does not know"),
        (layers.IAF(reset_fn=MembraneReset(0.5)), "net.0: resets by MembraneReset(reset_value=0.5)"),
        (layers.IAF(reset_fn=MembraneSubtract(0.5)), "net.0: resets by MembraneSubtract(subtract_value=0.5)"),
        (layers.IAF(spike_fn=print), "net.0: spikes by <built-in function print>"),
        (layers.LIF(tau_mem=2.0, tau_syn=2.0, reset_fn=MembraneReset()), "net.0: MembraneReset beside tau_syn"),
        (layers.IAFRecurrent(rec_connect=nn.Linear(2, 2)), "net.0: a bias in rec_connect, which sinabs leaves out in the first step"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="^" + re.escape(message)):
            Sinabs().write([("net", nn.Sequential(module))], (2,), "net")
        assert not list(tmp_path.iterdir())
