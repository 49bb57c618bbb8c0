"""The snippet for snnTorch: what it writes does in refsnn what snnTorch does, spike for spike and bit for bit.

pip install ".[exporters]" && pytest tests/exporters
"""

import re

import numpy as np
import pytest
from exporting import STEPS, agree, dyadic, exporter, spikes
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
snntorch = pytest.importorskip("snntorch")
nn = torch.nn
few = settings(max_examples=20, deadline=None)
seeds = st.integers(0, 2**32 - 1)
halves = st.sampled_from([0.5, 0.75, 1.0])
thresholds = st.sampled_from([0.5, 1.0, 2.0])
mechanisms = st.sampled_from([("subtract", True), ("zero", True), ("none", True), ("zero", False), ("none", False)])


@pytest.fixture(scope="module")
def SnnTorch():  # noqa: N802, it is a class
    return exporter("torch", "snntorch")["SnnTorch"]


def drawn(random, module):
    """The module with parameters of a few bits."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.tensor(dyadic(random, *parameter.shape)))
    return module.eval()


def normalising(random, channels):
    """A BatchNorm2d whose division is by 1."""
    norm = drawn(random, nn.BatchNorm2d(channels, eps=0.25))
    norm.running_mean = torch.tensor(dyadic(random, channels))
    norm.running_var = torch.full((channels,), 0.75)
    return norm


def run(net, x):
    """x [T, N, ...] through the modules in a row -> name: (spikes, potentials), [T, N, ...] each, of the neurons."""
    found = {}
    with torch.no_grad():
        for step in x:
            values = torch.tensor(step)
            for name, module in net:
                values = module(values)
                if isinstance(module, snntorch.SpikingNeuron):
                    found.setdefault(name, []).append((values.numpy().copy(), module.mem.numpy().copy()))
    return {name: tuple(np.stack(part) for part in zip(*steps, strict=True)) for name, steps in found.items()}


@given(
    seed=seeds, theta=thresholds, beta=halves, alpha=halves, mechanism=mechanisms, factor=st.sampled_from([1.0, 0.5])
)
@few
def test_a_network_without_recurrence(SnnTorch, tmp_path_factory, seed, theta, beta, alpha, mechanism, factor):
    random, folder = np.random.default_rng(seed), tmp_path_factory.mktemp("net")
    given_ = {"threshold": theta, "reset_mechanism": mechanism[0], "reset_delay": mechanism[1], "init_hidden": True}
    net = [
        ("conv", drawn(random, nn.Conv2d(2, 4, 3, stride=(1, 2), padding=1, groups=2))),
        ("norm", normalising(random, 4)),
        ("lif1", snntorch.Leaky(beta=beta, graded_spikes_factor=factor, **given_)),
        ("pool", nn.AvgPool2d(2)),
        ("flat", nn.Flatten()),
        ("drop", nn.Dropout().eval()),
        ("fc", drawn(random, nn.Linear(4 * 3 * 2, 5))),
        ("lif2", snntorch.Synaptic(alpha=alpha, beta=beta, **given_)),
    ]
    x = spikes(random, STEPS, 3, 2, 6, 7)
    SnnTorch().write(net, (2, 6, 7), str(folder / "net"))
    agree(folder / "net.yaml", x, run(net, x))


@given(seed=seeds, theta=thresholds, beta=halves, mechanism=mechanisms, over=st.sampled_from(["features", "map"]))
@few
def test_a_recurrent_network(SnnTorch, tmp_path_factory, seed, theta, beta, mechanism, over):
    random, folder = np.random.default_rng(seed), tmp_path_factory.mktemp("net")
    given_ = {"threshold": theta, "reset_mechanism": mechanism[0], "reset_delay": mechanism[1], "init_hidden": True}
    if over == "features":
        first, size, shape = nn.Linear(6, 4), {"linear_features": 4}, (6,)
    else:
        first, size, shape = nn.Conv2d(1, 2, 3), {"conv2d_channels": 2, "kernel_size": 3}, (1, 5, 6)
    net = [("in", drawn(random, first)), ("lif", drawn(random, snntorch.RLeaky(beta=beta, **size, **given_)))]
    x = spikes(random, STEPS, 3, *shape)
    SnnTorch().write(net, shape, str(folder / "net"))
    agree(folder / "net.yaml", x, run(net, x))


def test_parameters_of_each_neuron(SnnTorch, tmp_path, monkeypatch):
    """Thresholds and decays that were learnt for each neuron are tensors of the file."""
    random = np.random.default_rng(0)
    beta, theta = torch.tensor([0.5, 0.75, 1.0]), torch.tensor([0.5, 1.0, 2.0])
    cell = snntorch.Leaky(beta=beta, threshold=theta, learn_beta=True, learn_threshold=True, init_hidden=True)
    synapse = snntorch.Synaptic(alpha=beta, beta=beta, threshold=theta, init_hidden=True)
    net = [
        ("fc", drawn(random, nn.Linear(4, 3))),
        ("lif", cell),
        ("fc2", drawn(random, nn.Linear(3, 3))),
        ("out", synapse),
    ]
    x = spikes(random, STEPS, 2, 4)
    monkeypatch.chdir(tmp_path)
    SnnTorch().write(net, (4,), "net")
    agree("net.yaml", x, run(net, x))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (lambda: snntorch.Leaky(beta=0.5, reset_delay=False), "net.0: subtracts with reset_delay=False, which adds thresholds again"),
        (lambda: snntorch.Leaky(beta=0.5, spike_grad=lambda x: x), "net.0: spike_grad gives [-1.0, 0.0, 1.0] for -1, 0, 1 over the threshold"),
        (lambda: snntorch.Leaky(beta=0.5, state_quant=lambda x: x), "net.0: state_quant=<function"),
        (lambda: snntorch.Lapicque(beta=0.5), "net.0: a Lapicque, which this export does not know"),
        (lambda: snntorch.RLeaky(beta=0.5, all_to_all=False), "net.0.recurrent: a RecurrentOneToOne, which this export does not know"),
        (lambda: nn.Conv2d(1, 1, 3, padding="same"), "net.0: give the padding as numbers"),
        (lambda: nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular"), "net.0: padding_mode='circular', only 'zeros' is known"),
        (lambda: nn.AvgPool2d(2, ceil_mode=True), "net.0: ceil_mode=True, only False is known"),
        (lambda: nn.GELU(), "net.0: a GELU, which this export does not know"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused_by_name(SnnTorch, tmp_path, monkeypatch, module, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        SnnTorch().write([("net", nn.Sequential(module()))], (1, 8, 8), "net")
    assert not list(tmp_path.iterdir())
