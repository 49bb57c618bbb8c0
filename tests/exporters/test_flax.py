"""The snippet for Flax (nnx): layers in a row with neurons of the user's own, spike for spike and bit for bit."""

import re
from functools import partial

import numpy as np
import pytest
from exporting import STEPS, agree, dyadic, exporter, spikes

jax = pytest.importorskip("jax")
nnx = pytest.importorskip("flax.nnx")
jnp = jax.numpy


@pytest.fixture(scope="module")
def export():
    return exporter("flax")["export"]


class Spikes:
    """A neuron as users write them: v = decay v + x, a spike at 1, which subtracts 1."""

    decay, v = 0.5, 0.0

    def __call__(self, x):
        charged = self.decay * self.v + x
        fired = (charged >= 1).astype(jnp.float32)
        self.v = charged - fired
        return fired


NEURON = {
    "layer": "LIF", "decay": 0.5, "gain": 1.0, "v_threshold": 1.0, "v_init": 0.0, "reset": "subtract", "reset_time": "same_step",
    "firing": ">=", "max_spikes": 1,
}  # fmt: skip


def drawn(random, layer):
    for name in ("kernel", "bias"):
        parameter = getattr(layer, name)
        if parameter is not None:
            parameter[...] = jnp.asarray(dyadic(random, *parameter.shape))
    return layer


def flattened(x):
    return x.reshape(len(x), -1)


def run(layers, x):
    """x [T, N, channels, height, width] -> neurons: (spikes, potentials), channels first."""
    found = {}
    for step in x:
        values = jnp.asarray(np.moveaxis(step, 1, -1))
        for index, layer in enumerate(layers):
            values = layer(values)
            if isinstance(layer, Spikes):
                pair = [np.moveaxis(np.asarray(each), -1, 1) for each in (values, layer.v)]
                found.setdefault(str(index), []).append(pair)
    return {name: tuple(np.stack(part) for part in zip(*steps, strict=True)) for name, steps in found.items()}


@pytest.mark.parametrize("seed", range(4))
def test_a_network_of_ones_own_neurons(export, tmp_path, seed):
    random, rngs = np.random.default_rng(seed), nnx.Rngs(0)
    layers = [
        drawn(random, nnx.Conv(2, 4, (3, 5), strides=(2, 1), padding=1, feature_group_count=2, kernel_dilation=(1, 1), rngs=rngs)),
        Spikes(),
        partial(nnx.avg_pool, window_shape=(2, 1), strides=(2, 1)),
        flattened,
        nnx.Dropout(0.5, deterministic=True),
        drawn(random, nnx.Linear(2 * 6 * 4, 5, rngs=rngs)),
        Spikes(),
        drawn(random, nnx.Linear(5, 3, use_bias=False, rngs=rngs)),
        Spikes(),
    ]  # fmt: skip
    x = spikes(random, STEPS, 3, 2, 9, 8)
    known = {"1": NEURON, "3": {"layer": "Flatten"}, "6": NEURON, "8": NEURON}
    export(layers, (9, 8, 2), str(tmp_path / "net"), known)
    theirs = run(layers, x)
    agree(tmp_path / "net.yaml", x, theirs)
    assert all(fired.any() for fired, _ in theirs.values())


@pytest.mark.parametrize(
    ("layer", "known", "message"),
    [
        (lambda: Spikes(), {}, "0: Spikes, which `known` has to explain"),
        (lambda: flattened, {}, "0: flattened, which `known` has to explain"),
        (lambda: flattened, {"0": {"layer": "Flatten"}}, "0: ends with a flattened map, whose order is another in refsnn"),
        (lambda: partial(nnx.avg_pool, window_shape=(2, 2), padding="SAME"), {}, "0: avg_pool with padding"),
        (lambda: nnx.Conv(2, 2, (3, 3), rngs=nnx.Rngs(0)), {}, "0: padding='SAME'; give one number"),
        (lambda: nnx.Conv(2, 2, (3, 3), padding=1, input_dilation=2, rngs=nnx.Rngs(0)), {}, "0: input_dilation or a mask"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused_by_name(export, tmp_path, monkeypatch, layer, known, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        export([layer()], (6, 6, 2), "net", known)
    assert not list(tmp_path.iterdir())
