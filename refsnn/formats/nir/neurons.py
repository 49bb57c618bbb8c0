"""NIR's neurons in ours, by profile: the equations of nir_semantics.PROFILES, each once."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from refsnn.formats.nir.cells import NEAR, Cell
from refsnn.neurons import IF, LI, LIF, CubaLIF, Firing, Leak, Reset, ResetTime

ABOVE: Mapping[str, Any] = MappingProxyType({"firing": Firing.ABOVE_THRESHOLD})


Made = tuple[Any, ...]  # layers, the first reads what comes in; nodes 'name.in' before 'name'


def _fires(c: Cell, **other: Any) -> dict[str, Any]:
    return {"v_threshold": c["v_threshold"], "reset": Reset.TO_VALUE, "v_reset": c["v_reset"], **ABOVE} | other


def _nir(c: Cell, exact: bool = False) -> Made:
    if c.type in ("I", "IF"):
        gain = c.added
        if c.type == "I":
            return (LI(decay=1.0, gain=gain),)
        return (_integrator(gain, **_fires(c)),)
    tau = "tau" if c.type in ("LI", "LIF") else "tau_mem"
    decay = c.decay(tau, exact)
    leaks = {"decay": decay, "gain": c["r"] * (1 - decay), "v_leak": c["v_leak"], "v_init": c["v_leak"]}
    if c.type == "LI":
        return (LI(**leaks),)
    if c.type == "LIF":
        return (LIF(**leaks, **_fires(c)),)
    c.needs(not exact, "it is LI or LIF: the solution of two equations at once is no step of one and then the other")
    kept = c.decay("tau_syn")
    return (CubaLIF(current_decay=kept, current_gain=c["w_in"] * (1 - kept), **leaks, **_fires(c)),)


def _integrator(gain: Any, **firing: Any) -> IF | LIF:
    """An IF neuron; with a gain it is a LIF neuron that keeps all."""
    return IF(**firing) if np.all(gain == 1) else LIF(decay=1.0, gain=gain, **firing)


def _norse(c: Cell) -> Made:
    if c.type == "IF":
        return (IF(**_fires(c, v_reset=0.0)),)
    rate = c.rate("tau" if c.type in ("LI", "LIF") else "tau_mem")
    towards = {"decay": 1 - rate, "gain": rate, "v_leak": c["v_leak"], "v_init": c["v_leak"], "leak": Leak.TOWARDS}
    if c.type == "LI":
        return (LI(**towards),)
    if c.type == "LIF":
        return (LIF(**towards, **_fires(c, v_reset=0.0)),)
    return (CubaLIF(current_decay=c.decay("tau_syn"), **towards, **_fires(c, v_reset=0.0)),)


def _snntorch(c: Cell) -> Made:
    tau, how_much, synapse = ("tau", "r", "tau") if c.type == "LIF" else ("tau_mem", "w_in", "tau_syn")
    c.needs(c["v_leak"] == 0, "v_leak is 0")
    scale = c[how_much] * c.rate(synapse)
    # its reader compares with allclose, and leaves the threshold alone where the scale is near 1
    theta = c["v_threshold"] if np.allclose(scale, 1) else c["v_threshold"] / scale
    fires = _fires(c, v_threshold=theta, v_reset=0.0)
    if c.type == "LIF":
        return (LIF(decay=c.decay(tau), **fires),)
    c.needs(np.isclose(c["r"] * c.rate(tau), 1), "r is tau_mem / dt")
    return (CubaLIF(current_decay=c.decay("tau_syn"), decay=c.decay(tau), **fires),)


def _nengo(c: Cell) -> Made:
    c.needs(c["v_leak"] == 0, "v_leak is 0")
    rate = -np.expm1(-c.rate("tau"))
    neuron = LIF(
        decay=1 - rate, gain=rate, leak=Leak.TOWARDS, v_min=0.0, **_fires(c, v_threshold=1.0, v_reset=0.0)
    )  # fmt: skip
    return c["r"] / c["v_threshold"], neuron


def _sinabs(c: Cell) -> Made:
    many = {"v_threshold": c.values.get("v_threshold", 1.0), "max_spikes": None}
    if c.type == "IF":
        return (IF(**many, v_min=-c["v_threshold"]),)
    c.needs(c["v_leak"] == 0, "v_leak is 0")
    if c.type == "LI":
        c.needs(c["r"] == 1, "r is 1")
        return (LI(decay=c.decay("tau", exact=True)),)
    return (LIF(decay=c.decay("tau", exact=True), **many),)


def _rockpool(c: Cell) -> Made:
    c.needs(c["v_leak"] == 0, "v_leak is 0")
    many = {"v_threshold": c["v_threshold"], "max_spikes": 2**16}
    return (LIF(decay=c.decay("tau", exact=True), gain=c["r"] * c.rate("tau"), **many),)


def _spikingjelly(c: Cell) -> Made:
    fires = _fires(c, firing=Firing.AT_THRESHOLD, v_init=c["v_reset"])
    if c.type == "IF":
        c.needs(np.abs(c["r"] * c.dt - 1) < NEAR, "r is 1 / dt")
        return (IF(**fires),)
    if c.type == "CubaLIF":
        c.needs(c["v_leak"] == 0, "v_leak is 0")
        c.needs(np.abs(c["r"] * c.rate("tau_mem") - 1) < NEAR, "r is tau_mem / dt")
        c.needs(np.abs(c["w_in"] * c.rate("tau_syn") - 1) < NEAR, "w_in is tau_syn / dt")
        return (CubaLIF(current_decay=c.decay("tau_syn"), decay=c.decay("tau_mem"), **fires),)
    c.needs(c["v_leak"] == c["v_reset"], "v_leak is v_reset")
    rate = c.rate("tau")
    undecayed = np.all(np.abs(c["r"] * rate - 1) < NEAR)
    c.needs(undecayed or np.all(c["r"] == 1), "r is 1 or tau / dt")
    return (LIF(decay=c.decay("tau"), gain=1.0 if undecayed else rate, v_leak=c["v_leak"], **fires),)


def _spyx(c: Cell) -> Made:
    soft = {"v_threshold": c["v_threshold"], **ABOVE}
    if c.type == "IF":
        return (IF(**soft, reset_time=ResetTime.AFTER_CHARGE),)
    if c.type == "LIF":
        return (LIF(decay=c.decay("tau"), gain=c.rate("tau"), **soft, reset_time=ResetTime.AFTER_CHARGE),)
    kept = {"decay": c.decay("tau_mem"), "current_decay": c.decay("tau_syn")}
    return (CubaLIF(**kept, **soft, reset_time=ResetTime.BEFORE_CHARGE),)


def _lava(c: Cell) -> Made:
    if c.type == "IF":
        c.needs(c["r"] == 1, "r is 1")
        return (IF(**_fires(c, v_reset=0.0)),)
    c.needs(c["v_leak"] == 0, "v_leak is 0")
    return (LIF(decay=c.decay("tau"), gain=c["r"] * c.rate("tau"), **_fires(c, v_reset=0.0)),)


def _lava_fixed(c: Cell) -> Made:
    """nir_to_lava's integers; its weights are made in nir_integers.py."""
    c.needs(c["v_leak"] == 0, "v_leak is 0")
    decay = (4096 - np.trunc(4095 * c.rate("tau"))) / 4096
    theta = np.floor(np.trunc(np.asarray(c["v_threshold"]) * 131071) / 512) * 64.0
    return (
        CubaLIF(current_decay=0.0, current_gain=64.0, decay=decay[()], **_fires(c, v_threshold=theta[()], v_reset=0.0)),
    )


# profile -> types it takes, and what it makes of them
MAKERS: Mapping[str, tuple[tuple[str, ...], Callable[[Cell], Made]]] = MappingProxyType(
    {
        "nir": (("I", "IF", "LI", "LIF", "CubaLI", "CubaLIF"), _nir),
        "exact": (("I", "IF", "LI", "LIF"), lambda c: _nir(c, exact=True)),
        "norse": (("IF", "LI", "LIF", "CubaLIF"), _norse),
        "snntorch": (("LIF", "CubaLIF"), _snntorch),
        "nengo": (("LIF",), _nengo),
        "sinabs": (("IF", "LI", "LIF"), _sinabs),
        "rockpool": (("LIF",), _rockpool),
        "spikingjelly": (("IF", "LIF", "CubaLIF"), _spikingjelly),
        "spyx": (("IF", "LIF", "CubaLIF"), _spyx),
        "lava": (("IF", "LIF"), _lava),
        "lava-fixed": (("LIF",), _lava_fixed),
    }
)
