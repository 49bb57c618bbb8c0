"""Every neuron equation, once.

Operators only: no literals (a literal inside a compiled float32 loop promotes to float64), no loops, no branches. The
same function runs on whole arrays in the `naive` kernels and, compiled, on one neuron in the `fast` ones. Which of them
applies is chosen by the kernels.
"""

from typing import Any

import numpy as np
from numba.extending import register_jitable


@register_jitable
def integrate(v: Any, current: Any) -> Any:
    """v[t] = v[t-1] + current[t]."""
    return v + current


@register_jitable
def kept(v: Any, decay: Any, v_leak: Any) -> Any:
    """What the leak leaves of the potential over its rest: decay * (v[t-1] - v_leak)."""
    return decay * (v - v_leak)


@register_jitable
def lost(v: Any, loss: Any, v_leak: Any) -> Any:
    """What the leak takes of it: loss * (v[t-1] - v_leak), loss = 1 - decay."""
    return loss * (v - v_leak)


@register_jitable
def gained(current: Any, gain: Any) -> Any:
    """What comes in: gain * current[t]."""
    return gain * current


@register_jitable
def collected(v_leak: Any, kept: Any, gained: Any) -> Any:
    """v[t] = v_leak + kept + gained."""
    return v_leak + kept + gained


@register_jitable
def drained(v: Any, lost: Any, gained: Any) -> Any:
    """v[t] = v[t-1] - lost + gained."""
    return v - lost + gained


@register_jitable
def away(v: Any, current: Any, v_leak: Any) -> Any:
    """How far the potential is from where the current would take it: (current[t] + v_leak) - v[t-1]."""
    return (current + v_leak) - v


@register_jitable
def leak_and_integrate(v: Any, current: Any, decay: Any, gain: Any, v_leak: Any) -> Any:
    """v[t] = v_leak + decay * (v[t-1] - v_leak) + gain * current[t]."""
    return collected(v_leak, kept(v, decay, v_leak), gained(current, gain))


@register_jitable
def flowed(kept: Any, gained: Any) -> Any:
    """i[t] = current_decay * i[t-1] + current_gain * x[t], from its two products: the current of a synapse."""
    return kept + gained


@register_jitable
def multiples(v: Any, v_threshold: Any) -> Any:
    """floor(v / v_threshold): how many spikes a potential at or over the threshold is good for."""
    return np.floor(v / v_threshold)


@register_jitable
def multiples_below(v: Any, v_threshold: Any, one: Any) -> Any:
    """ceil(v / v_threshold) - 1: the same for a neuron that fires above the threshold, not at it."""
    return np.ceil(v / v_threshold) - one


@register_jitable
def spent(count: Any, v_threshold: Any) -> Any:
    """What so many spikes take away: count * v_threshold."""
    return count * v_threshold


@register_jitable
def at_threshold(v: Any, v_threshold: Any) -> Any:
    """Fires when v >= v_threshold."""
    return v >= v_threshold


@register_jitable
def above_threshold(v: Any, v_threshold: Any) -> Any:
    """Fires when v > v_threshold."""
    return v > v_threshold


@register_jitable
def at_negative_threshold(v: Any, v_negative: Any) -> Any:
    """Fires a spike of -1 when v <= v_negative."""
    return v <= v_negative


@register_jitable
def below_negative_threshold(v: Any, v_negative: Any) -> Any:
    """Fires a spike of -1 when v < v_negative."""
    return v < v_negative


@register_jitable
def subtracted(v: Any, v_threshold: Any) -> Any:
    """V after a spike, reset by subtraction (soft reset): v - v_threshold."""
    return v - v_threshold


@register_jitable
def quantised_level(z: Any, threshold: Any, levels: Any, half: Any) -> Any:
    """floor(z / threshold * levels + half): the QCFS level of z before it is clipped to 0..levels.

    Bu et al., ICLR 2022, Eq. 16. Ties round up, unlike round(), which rounds them to even.
    """
    return np.floor(z / threshold * levels + half)


@register_jitable
def level_value(level: Any, threshold: Any, levels: Any) -> Any:
    """Level / levels * threshold: what a QCFS activation gives for its level."""
    return level / levels * threshold


@register_jitable
def scaled(x: Any, factor: Any) -> Any:
    """The product factor * x."""
    return factor * x


@register_jitable
def normalised(x: Any, mean: Any, deviation: Any, weight: Any, bias: Any) -> Any:
    """(x - mean) / deviation * weight + bias, deviation = sqrt(var + eps): BatchNorm at inference."""
    return (x - mean) / deviation * weight + bias
