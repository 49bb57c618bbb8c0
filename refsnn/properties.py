"""The laws as functions: what must hold, used by the tests and by verify().

theta is v_threshold, Q = v_init + the sum of all currents ("the charge"), n the number of spikes in T steps, v the
potential after the last one. All arrays broadcast. They hold for IF neurons with reset by subtraction.
"""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def charge(n: Array, v: Array, theta: Any) -> Array:
    """Q = v + theta * n: what went in is what is left and what was fired away (charge balance), for any firing rule."""
    return v + theta * n


def ideal_count(n: Array, v: Array, theta: Any, steps: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """N = clip(floor(Q / theta), 0, T) = clip(n + floor(v / theta), 0, T): the quantiser's count, from (n, v) alone.

    n = N exactly when 0 <= v < theta, or n = T and v >= theta, or n = 0 and v < 0. For neurons that send up to c spikes a
    step, `steps` is c * T.
    """
    return np.clip(n + np.floor(v / theta).astype(np.int64), 0, steps)


def ideal_count_above(n: Array, v: Array, theta: Any, steps: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """N_> = clip(ceil(Q / theta) - 1, 0, T) = clip(n + ceil(v / theta) - 1, 0, T): the same for neurons that fire above the
    threshold, not at it.

    n = N_> exactly when 0 < v <= theta, or n = T and v > theta, or n = 0 and v <= 0.
    """
    return np.clip(n + np.ceil(v / theta).astype(np.int64) - 1, 0, steps)


def count_under_constant_current(current: Any, theta: Any, v_init: Any, steps: int) -> Any:
    """clip(floor((v_init + T * current) / theta), 0, T): spikes of an IF neuron under constant current, 0 <= v_init < theta.

    Works on any number type that floor-divides, so that exact types stay exact.
    """
    count = (v_init + steps * current) // theta
    return np.clip(count, 0, steps) if isinstance(count, np.ndarray) else max(0, min(steps, int(count)))


def distance_to_tie(q: Array, theta: Any, steps: int) -> Array:
    """How far Q is from the nearest multiple 1..T of theta: the places where the count changes by one."""
    return np.abs(q - np.clip(np.round(q / theta), 1, steps) * theta)
