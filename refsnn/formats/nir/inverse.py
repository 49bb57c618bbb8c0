"""Neurons as NIR's parameters: the numbers from which nir_neurons makes exactly these neurons again, where there are any."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from refsnn.errors import UnsupportedLayerError
from refsnn.formats.nir.losses import Loss, Lost, is_threshold
from refsnn.layers import Shape
from refsnn.neurons import IF, LI, LIF, CubaLIF, Reset, Stateful, numbers, spread

Array = np.ndarray[Any, Any]
ULPS = 8  # how far the number may be from the first guess: two roundings on the way to it, two on the way back


def parameters_of(layer: Stateful, shape: Shape, name: str, dt: float) -> tuple[str, dict[str, Array], list[Loss]]:
    """The type, its parameters [*shape], and what of them is not exact: profile 'nir' with this dt and if_scaling='dt'."""
    given = {
        key: np.broadcast_to(np.asarray(spread(v, shape, key), np.float64), shape) for key, v in numbers(layer).items()
    }
    if is_threshold(layer):
        return "Threshold", {"threshold": given["v_threshold"].copy()}, []
    found: dict[str, Array] = {}
    losses: list[Loss] = []

    def solved(key: str, field: str, first: Array, forward: Callable[[Array], Array]) -> None:
        found[key], exact = inverse(first, forward, given[field])
        if not exact.all():
            off = float(np.abs(forward(found[key]) - given[field]).max())
            losses.append(Loss(Lost.ROUNDING, name, f"{field} comes back {off:.1g} away: no {key} gives it exactly"))

    if isinstance(layer, IF) or _keeps_all(given):
        kind = "I" if isinstance(layer, LI) else "IF"
        gain = given.setdefault("gain", np.ones(shape))
        solved("r", "gain", gain / dt, lambda r: dt * r)
    else:
        synaptic = isinstance(layer, CubaLIF)
        kind = {LI: "LI", LIF: "LIF", CubaLIF: "CubaLIF"}[type(layer)]
        _solve_leak(name, dt, given, solved, "tau_mem" if synaptic else "tau", "decay", "r", "gain")
        if synaptic:
            _solve_leak(name, dt, given, solved, "tau_syn", "current_decay", "w_in", "current_gain")
        found["v_leak"] = given["v_leak"].copy()
    if not isinstance(layer, LI):
        found["v_threshold"] = given["v_threshold"].copy()
        to_value = layer.reset is Reset.TO_VALUE
        found["v_reset"] = given["v_reset"].copy() if to_value else np.zeros(shape)
    return kind, found, losses


def _keeps_all(given: dict[str, Array]) -> bool:
    return bool((given["decay"] == 1).all()) and "current_decay" not in given


def _solve_leak(
    name: str, dt: float, given: dict[str, Array], solved: Any, tau: str, decay: str, r: str, gain: str
) -> None:
    kept = given[decay]
    if (kept == 1).any():
        raise UnsupportedLayerError(
            f"{name}: {decay} is 1, for which NIR has no {tau}; let it leak, or take IF for all of them"
        )
    solved(tau, decay, dt / (1 - kept), lambda value: 1 - dt / value)
    solved(r, gain, given[gain] / (1 - kept), lambda value: value * (1 - kept))


def inverse(first: Array, forward: Callable[[Array], Array], wanted: Array) -> tuple[Array, Any]:
    """Numbers near `first` of which `forward` makes exactly `wanted`, where there are any; and where that is."""
    best = np.array(first, np.float64)
    exact = forward(best) == wanted
    for near in _near(np.array(first, np.float64)):
        hit = ~exact & (forward(near) == wanted)
        best, exact = np.where(hit, near, best), exact | hit
    return best, exact


def _near(first: Array) -> Iterator[Array]:
    up = down = first
    for _ in range(ULPS):
        up, down = np.nextafter(up, np.inf), np.nextafter(down, -np.inf)
        yield up
        yield down
