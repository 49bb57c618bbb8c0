"""The nightly comparison: it agrees on a few neurons of each kind, and sees a neuron that is another one."""

from dataclasses import replace

import numpy as np
import pytest
from nightly import COMBINATIONS, KINDS, disagreements, drawn_currents


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_agrees_and_another_neuron_does_not(kind):
    rng = np.random.default_rng(3)
    layer, currents = KINDS[kind](rng, *COMBINATIONS[0]), drawn_currents(rng)
    assert disagreements(layer, layer, currents) == 0
    assert disagreements(layer, replace(layer, v_init=layer.v_init + 0.25), currents) > 0


def test_a_comparator_is_seen():
    rng = np.random.default_rng(3)
    at, above = (KINDS["IF"](np.random.default_rng(4), *how) for how in COMBINATIONS[:2])
    assert (at.firing, above.firing, at.reset) == (*(how[2] for how in COMBINATIONS[:2]), COMBINATIONS[0][0])
    assert disagreements(at, above, drawn_currents(rng)) > 0
