"""The snippet for SpikingJelly: what it writes does in refsnn what SpikingJelly does, spike for spike and bit for bit."""

import re

import numpy as np
import pytest
from exporting import STEPS, agree, dyadic, exporter, spikes
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
nn = torch.nn
few = settings(max_examples=20, deadline=None)
seeds = st.integers(0, 2**32 - 1)
parameters = st.fixed_dictionaries(
    {"v_threshold": st.sampled_from([0.5, 1.0, 2.0]), "v_reset": st.sampled_from([None, 0.0, -0.5])}
)
leaks = st.fixed_dictionaries({"tau": st.sampled_from([2.0, 4.0]), "decay_input": st.booleans()})


@pytest.fixture(scope="module")
def SpikingJelly():  # noqa: N802, it is a class
    return exporter("torch", "spikingjelly")["SpikingJelly"]


def drawn(random, module):
    """The module with weights of a few bits; a neuron's own parameter stays."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith(("weight", "bias")):
                parameter.copy_(torch.tensor(dyadic(random, *parameter.shape)))
    return module.eval()


def run(net, x):
    """x [T, N, ...] through the modules in a row -> name: (spikes, potentials), [T, N, ...] each, of the neurons."""
    neurons = {
        f"{name}.{inner}".rstrip("."): module
        for name, outer in net
        for inner, module in outer.named_modules()
        if isinstance(module, neuron.BaseNode)
    }
    found = {name: [] for name in neurons}
    hooks = [
        module.register_forward_hook(
            lambda module, _, out, name=name: found[name].append((out.numpy(), module.v.numpy()))
        )
        for name, module in neurons.items()
    ]
    with torch.no_grad():
        for step in x:
            values = torch.tensor(step)
            for _, module in net:
                values = module(values)
    for hook in hooks:
        hook.remove()
    return {name: tuple(np.stack(part) for part in zip(*steps, strict=True)) for name, steps in found.items()}


@given(seed=seeds, one=parameters, two=parameters, leak=leaks, own=st.booleans())
@few
def test_a_network_without_recurrence(SpikingJelly, tmp_path_factory, seed, one, two, leak, own):
    from spikingjelly.activation_based import layer

    random, folder, kind = np.random.default_rng(seed), tmp_path_factory.mktemp("net"), layer if own else nn
    plain = neuron.ParametricLIFNode(init_tau=2.0, decay_input=leak["decay_input"], **two)  # sigmoid(0) is 1/2
    net = [
        ("conv", drawn(random, kind.Conv2d(2, 4, 3, stride=(1, 2), padding=1, groups=2))),
        ("if", neuron.IFNode(**one)),
        ("pool", kind.AvgPool2d(2)),
        ("max", kind.MaxPool2d(1)),
        ("flat", kind.Flatten()),
        ("fc", drawn(random, kind.Linear(4 * 3 * 2, 5))),
        ("lif", neuron.LIFNode(**leak, **two)),
        ("drop", kind.Dropout().eval()),
        ("fc2", drawn(random, kind.Linear(5, 4, bias=False))),
        ("plif", plain),
    ]
    x = spikes(random, STEPS, 3, 2, 6, 7)
    SpikingJelly().write(net, (2, 6, 7), str(folder / "net"))
    agree(folder / "net.yaml", x, run(net, x))


@given(seed=seeds, one=parameters, leak=leaks, alone=st.booleans())
@few
def test_a_recurrent_network(SpikingJelly, tmp_path_factory, seed, one, leak, alone):
    from spikingjelly.activation_based.layer import LinearRecurrentContainer

    random, folder, cell = np.random.default_rng(seed), tmp_path_factory.mktemp("net"), neuron.LIFNode(**leak, **one)
    inside, count = (cell, 4) if alone else (nn.Sequential(nn.Linear(4, 3), cell), 3)
    net = [("in", drawn(random, nn.Linear(5, 4))), ("rec", drawn(random, LinearRecurrentContainer(inside, 4, count)))]
    x = spikes(random, STEPS, 3, 5)
    SpikingJelly().write(net, (5,), str(folder / "net"))
    agree(folder / "net.yaml", x, run(net, x))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (lambda: neuron.QIFNode(), "net.0: a QIFNode, which this export does not know"),
        (lambda: neuron.LIFNode(surrogate_function=rectified()), "net.0: surrogate_function gives [0.0, 0.5, 1.0]"),
        (lambda: nn.BatchNorm2d(1, affine=False), "net.0: affine=False, only True is known"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused_by_name(SpikingJelly, tmp_path, monkeypatch, module, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        SpikingJelly().write([("net", nn.Sequential(module()))], (1, 8, 8), "net")
    assert not list(tmp_path.iterdir())


def rectified():
    """A surrogate that gives its primitive function in place of spikes."""
    from spikingjelly.activation_based import surrogate

    return surrogate.PiecewiseQuadratic(spiking=False)
