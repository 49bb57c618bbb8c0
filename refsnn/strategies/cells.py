"""Neurons."""

from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st

from refsnn.layers import Shape
from refsnn.neurons import IF, LI, LIF, CubaLIF, Firing, Leak, Neuron, Reset, ResetTime


@st.composite
def neurons(draw: st.DrawFn, *, kinds: tuple[type, ...] = (IF, LIF)) -> Neuron:
    """IF and LIF with every comparator and reset, one spike a step; shrinks to IF at threshold 0.5 that starts from 0."""
    kind = draw(st.sampled_from(kinds))
    threshold = draw(st.sampled_from([0.5, 1.0, 2.0, 1.25]))
    return kind(
        v_threshold=threshold,
        v_init=draw(st.sampled_from([0.0, threshold / 2, -1.0])),
        reset=draw(st.sampled_from(Reset)),
        v_reset=draw(st.sampled_from([0.0, -0.5, 0.25])),
        firing=draw(st.sampled_from(Firing)),
        amplitude=draw(st.sampled_from([1.0, threshold, 0.5])),
        **(draw(_leaks(Leak.FACTOR)) if issubclass(kind, LIF) else {}),
    )


@st.composite
def any_neurons(draw: st.DrawFn, shape: Shape, *, kinds: tuple[type, ...] = (IF, LIF, CubaLIF)) -> Neuron:
    """Every one of these kinds of neurons with every choice there is, some parameters one number per channel or per neuron.

    Shrinks to an IF neuron at threshold 0.5 with one number for each parameter.
    """
    kind = draw(st.sampled_from(kinds))

    def values(choices: list[float]) -> Any:
        lengths = draw(st.sampled_from([None, None, None, shape[:1], shape]))
        if lengths is None or prod(lengths) == 1:
            return draw(st.sampled_from(choices))
        count = prod(lengths)
        picked = draw(st.lists(st.sampled_from(choices), min_size=count, max_size=count))
        return np.array(picked).reshape(lengths)

    return kind(
        v_threshold=values([0.5, 1.0, 2.0, 1.25]),
        v_init=values([0.0, 0.5, -1.0]),
        reset=draw(st.sampled_from(Reset)),
        v_reset=values([0.0, -0.5, 0.25]),
        reset_time=draw(st.sampled_from(ResetTime)),
        firing=draw(st.sampled_from(Firing)),
        amplitude=values([1.0, 2.0, 0.5]),
        max_spikes=draw(st.sampled_from([1, 1, 2, None])),
        v_negative=draw(st.none() | st.sampled_from([-1.0, 0.0, -0.25])),
        negative_firing=draw(st.sampled_from(Firing)),
        negative_after_positive=draw(st.booleans()),
        refractory=draw(st.sampled_from([0, 0, 1, 2])),
        v_min=draw(st.none() | st.sampled_from([-1.0, 0.0])),
        v_max=draw(st.none() | st.sampled_from([1.0, 2.0])),
        **(draw(_leaks(*Leak)) if kind is not IF else {}),
        **(draw(_synapses()) if kind is CubaLIF else {}),
    )


@st.composite
def _leaks(draw: st.DrawFn, *forms: Leak) -> dict[str, Any]:
    chosen = draw(_leak_constants(*forms))
    return chosen | ({"gain": 1 - chosen["decay"]} if chosen["leak"] is Leak.TOWARDS else {})


def _leak_constants(*forms: Leak) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "decay": st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]),
            "gain": st.sampled_from([1.0, 0.5]),
            "v_leak": st.sampled_from([0.0, 0.5, -0.25]),
            "leak": st.sampled_from(forms),
        }
    )


def _synapses() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"current_decay": st.sampled_from([0.0, 0.5, 0.75]), "current_gain": st.sampled_from([1.0, -0.5])}
    )


def integrators() -> st.SearchStrategy[LI]:
    """Leaky integrators without spikes; shrink to one that starts and rests at 0 and keeps nothing."""
    return st.builds(lambda leaks, v_init: LI(v_init=v_init, **leaks), _leaks(*Leak), st.sampled_from([0.0, 0.5]))
