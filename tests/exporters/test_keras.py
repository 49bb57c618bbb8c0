"""The snippet for Keras: a Sequential with neurons of the user's own, spike for spike and bit for bit.

Where Keras has a backend: KERAS_BACKEND=torch unless the variable is set.
"""

import os
import re

import numpy as np
import pytest
from exporting import STEPS, agree, dyadic, exporter, spikes

os.environ.setdefault("KERAS_BACKEND", "torch")
pytest.importorskip(os.environ["KERAS_BACKEND"].replace("tensorflow", "keras"))
keras = pytest.importorskip("keras")
layers = keras.layers
# Keras on torch reads tensors in a way that numpy 2 warns of
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


@pytest.fixture(scope="module")
def export():
    return exporter("keras")["export"]


class Spikes(layers.Layer):
    """A neuron as users write them: v = decay v + x, a spike at 1, which subtracts 1."""

    decay, v = 0.5, 0.0

    def call(self, x):
        return x  # its state is kept by the test, so that any backend will do

    def step(self, x):
        charged = self.decay * self.v + x
        fired = (charged >= 1).astype(np.float32)
        self.v = charged - fired
        return fired


NEURON = {
    "layer": "LIF", "decay": 0.5, "gain": 1.0, "v_threshold": 1.0, "v_init": 0.0, "reset": "subtract", "reset_time": "same_step",
    "firing": ">=", "max_spikes": 1,
}  # fmt: skip


def drawn(random, model):
    model.set_weights([dyadic(random, *weight.shape) for weight in model.weights])
    return model


def run(model, x):
    """x [T, N, channels, height, width] -> neurons: (spikes, potentials), channels first."""
    found = {}
    for step in x:
        values = np.moveaxis(step, 1, -1)
        for layer in model.layers:
            if isinstance(layer, Spikes):
                values = layer.step(values)
                pair = [np.moveaxis(each, -1, 1) for each in (values, layer.v)]
                found.setdefault(layer.name, []).append(pair)
            else:
                values = keras.ops.convert_to_numpy(layer(values))
    return {name: tuple(np.stack(part) for part in zip(*steps, strict=True)) for name, steps in found.items()}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_a_network_of_ones_own_neurons(export, tmp_path, seed, padding):
    random = np.random.default_rng(seed)
    strides = (1, 1) if padding == "same" else (2, 1)
    model = drawn(random, keras.Sequential([
        keras.Input((9, 8, 2)),
        layers.Conv2D(4, (3, 5), strides=strides, padding=padding, groups=2, dilation_rate=1, name="conv"),
        Spikes(name="lif1"),
        layers.AveragePooling2D((2, 1), name="pool"),
        layers.Flatten(name="flat"),
        layers.Dropout(0.5, name="drop"),
        layers.Dense(5, name="fc"),
        Spikes(name="lif2"),
        layers.Dense(3, use_bias=False, name="fc2"),
        Spikes(name="lif3"),
    ]))  # fmt: skip
    x = spikes(random, STEPS, 3, 2, 9, 8)
    export(model, str(tmp_path / "net"), {"lif1": NEURON, "lif2": NEURON, "lif3": NEURON})
    theirs = run(model, x)
    agree(tmp_path / "net.yaml", x, theirs)
    assert theirs["lif1"][0].any()
    assert theirs["lif2"][0].any()


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda: Spikes(name="lif"), "lif: a Spikes, which `neurons` has to explain"),
        (lambda: layers.Conv2D(2, 2, padding="same", name="conv"), "conv: padding that is not the same on all sides"),
        (lambda: layers.Conv2D(2, 3, padding="same", strides=2, name="conv"), "conv: padding that is not the same on all sides"),
        (lambda: layers.Conv2D(2, 3, activation="relu", name="conv"), "conv: activation='relu', only 'linear' is known"),
        (lambda: layers.AveragePooling2D(2, padding="same", name="pool"), "pool: padding='same', only 'valid' is known"),
        (lambda: layers.LayerNormalization(name="norm"), "norm: a LayerNormalization, which `neurons` has to explain"),
        (lambda: layers.Flatten(name="flat"), "net: ends with a flattened map, whose order is another in refsnn"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused_by_name(export, tmp_path, monkeypatch, layer, message):
    monkeypatch.chdir(tmp_path)
    model = keras.Sequential([keras.Input((6, 6, 2)), layer()], name="net")
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        export(model, "net", {})
    assert not list(tmp_path.iterdir())
