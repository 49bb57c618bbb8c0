"""Other simulators' neurons in ours: one named preset for each convention, with the versions for which it holds.

A preset takes that simulator's own parameters and gives the neuron. The numbers of a step are the same real numbers; where
the order of roundings differs the preset says so. `tested` presets are run against the simulator itself, spike for spike on
dyadic weights (tests/peers); the others were written from its source.
"""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter, signature
from math import exp
from typing import Any

import numpy as np

from refsnn.arithmetic import FixedPoint
from refsnn.errors import SpecError, UnsupportedLayerError, did_you_mean
from refsnn.fixed import Overflow, Q, Rounding
from refsnn.neurons import IF, LIF, CubaLIF, Firing, Neuron, Reset, ResetTime

LOIHI = (
    FixedPoint(  # Lava's bit-accurate LIF: the current wraps at 24 bits, the potential is clipped, products truncate
        weight=Q(9, 0),
        current=Q(24, 0, Rounding.TO_ZERO, Overflow.WRAP),
        membrane=Q(24, 0, Rounding.TO_ZERO, Overflow.SATURATE),
    )
)


@dataclass(frozen=True)
class Preset:
    """A simulator's neuron."""

    name: str  # simulator, its class and, where the equations changed, the versions
    make: Callable[..., Neuron]
    update: str  # a step in the simulator's own symbols
    remark: str = ""
    tested: bool = False

    @property
    def parameters(self) -> str:
        """The parameters with their defaults."""
        return ", ".join(str(p).split(":")[0] + _default(p) for p in signature(self.make).parameters.values())


def _default(parameter: Parameter) -> str:
    return "" if parameter.default is Parameter.empty else f"={parameter.default!r}"


def preset(name: str, **parameters: Any) -> Neuron:
    """The neuron of the preset with the simulator's own parameters.

    preset("snntorch.Leaky>=0.8", beta=0.9) is LIF(decay=0.9, v_threshold=1.0, firing=">", reset one step late).
    Raises SpecError for an unknown preset or parameter, UnsupportedLayerError for what our neurons cannot say.
    """
    if name not in PRESETS:
        raise SpecError(f"preset {name!r} is none{did_you_mean(name, list(PRESETS))}")
    chosen = PRESETS[name]
    known = signature(chosen.make).parameters
    for key in parameters:
        if key not in known:
            raise SpecError(f"preset {name}: unknown parameter {key!r}{did_you_mean(key, list(known))}")
    missing = [key for key, p in known.items() if p.default is Parameter.empty and key not in parameters]
    if missing:
        raise SpecError(f"preset {name}: missing parameter {missing[0]!r}; it takes {chosen.parameters}")
    return chosen.make(**parameters)


def _spikingjelly_if(*, v_threshold: Any = 1.0, v_reset: Any = 0.0) -> Neuron:
    return IF(v_threshold=v_threshold, **_hard_or_soft(v_reset))


def _spikingjelly_lif(
    *, tau: float = 2.0, v_threshold: Any = 1.0, v_reset: Any = 0.0, decay_input: bool = True
) -> Neuron:
    rest = 0.0 if v_reset is None else v_reset
    gain = 1 / tau if decay_input else 1.0
    return LIF(decay=1 - 1 / tau, gain=gain, v_leak=rest, v_threshold=v_threshold, **_hard_or_soft(v_reset))


def _hard_or_soft(v_reset: Any) -> dict[str, Any]:
    if v_reset is None:
        return {"reset": Reset.SUBTRACT}
    return {"reset": Reset.TO_VALUE, "v_reset": v_reset, "v_init": v_reset}


def _snntorch(*, beta: Any, threshold: Any = 1.0, reset_mechanism: str = "subtract", reset_delay: bool = True,
              graded_spikes_factor: Any = 1.0) -> Neuron:  # fmt: skip
    return LIF(
        decay=_clamped(beta), v_threshold=threshold, firing=Firing.ABOVE_THRESHOLD, amplitude=graded_spikes_factor,
        **_late(reset_mechanism, reset_delay, ResetTime.AFTER_CHARGE, ResetTime.BEFORE_CHARGE),
    )  # fmt: skip


def _snntorch_0_5_2(*, beta: Any, threshold: Any = 1.0, reset_mechanism: str = "subtract") -> Neuron:
    return LIF(
        decay=_clamped(beta), v_threshold=threshold, firing=Firing.ABOVE_THRESHOLD,
        **_late(reset_mechanism, True, ResetTime.BEFORE_CHARGE, ResetTime.AFTER_CHARGE),
    )  # fmt: skip


def _snntorch_0_5_1(*, beta: Any, threshold: Any = 1.0, reset_mechanism: str = "subtract") -> Neuron:
    return LIF(
        decay=_clamped(beta), v_threshold=threshold, firing=Firing.ABOVE_THRESHOLD,
        **_late(reset_mechanism, True, ResetTime.AFTER_CHARGE, ResetTime.AFTER_CHARGE),
    )  # fmt: skip


def _snntorch_synaptic(*, alpha: Any, beta: Any, threshold: Any = 1.0, reset_mechanism: str = "subtract",
                       reset_delay: bool = True) -> Neuron:  # fmt: skip
    return CubaLIF(
        current_decay=_clamped(alpha), decay=_clamped(beta), v_threshold=threshold,
        firing=Firing.ABOVE_THRESHOLD,
        **_late(reset_mechanism, reset_delay, ResetTime.AFTER_CHARGE, ResetTime.AFTER_CHARGE),
    )  # fmt: skip


def _clamped(decay: Any) -> Any:
    """The decay, or each of an array of them, as snnTorch uses it: not below 0 and not above 1."""
    return np.clip(decay, 0.0, 1.0)


def _late(mechanism: str, delay: bool, subtract: ResetTime, zero: ResetTime) -> dict[str, Any]:
    """SnnTorch's resets; each version has its own places for them."""
    if mechanism == "none":
        return {"reset": Reset.NONE}
    if mechanism == "zero":
        return {"reset": Reset.TO_VALUE, "reset_time": zero if delay else ResetTime.SAME_STEP}
    if mechanism != "subtract":
        raise SpecError(f"reset_mechanism: {mechanism!r} is none; give 'subtract', 'zero' or 'none'")
    if not delay:
        raise UnsupportedLayerError(
            "snnTorch with reset_delay=False and reset_mechanism='subtract' adds the threshold back in a step after a potential "
            "that is over it still; no neuron of ours does, use reset_delay=True"
        )
    return {"reset": Reset.SUBTRACT, "reset_time": subtract}


def _sinabs_iaf(*, spike_threshold: Any = 1.0, max_num_spikes_per_bin: int | None = None, min_v_mem: Any = None,
                reset_to_zero: bool = False) -> Neuron:  # fmt: skip
    reset = Reset.TO_VALUE if reset_to_zero else Reset.SUBTRACT
    return IF(v_threshold=spike_threshold, max_spikes=max_num_spikes_per_bin, v_min=min_v_mem, reset=reset)


def _sinabs_lif(*, tau_mem: Any = None, alpha_mem: Any = None, norm_input: bool = True,
                spike_threshold: Any = 1.0, max_num_spikes_per_bin: int | None = None, min_v_mem: Any = None,
                reset_to_zero: bool = False) -> Neuron:  # fmt: skip
    alpha = _alpha("mem", tau_mem, alpha_mem)
    return LIF(
        decay=alpha, gain=1 - alpha if norm_input else 1.0, v_threshold=spike_threshold, max_spikes=max_num_spikes_per_bin,
        v_min=min_v_mem, reset=Reset.TO_VALUE if reset_to_zero else Reset.SUBTRACT,
    )  # fmt: skip


def _sinabs_lif_with_synapse(*, tau_mem: Any = None, alpha_mem: Any = None, tau_syn: Any = None,
                             alpha_syn: Any = None, norm_input: bool = True, spike_threshold: Any = 1.0,
                             max_num_spikes_per_bin: int | None = None, min_v_mem: Any = None) -> Neuron:  # fmt: skip
    alpha, synapse = _alpha("mem", tau_mem, alpha_mem), _alpha("syn", tau_syn, alpha_syn)
    return CubaLIF(
        current_decay=synapse, current_gain=synapse, decay=alpha, gain=1 - alpha if norm_input else 1.0,
        v_threshold=spike_threshold, max_spikes=max_num_spikes_per_bin, v_min=min_v_mem,
    )  # fmt: skip


def _alpha(what: str, tau: Any, alpha: Any) -> Any:
    """The decay as stored, or exp(-1/tau) of a time constant in steps: float32 there, so give the stored one if you can."""
    if (tau is None) == (alpha is None):
        raise SpecError(f"give one of tau_{what} (in steps) and alpha_{what} (the decay as stored)")
    if tau is None:
        return alpha
    return np.exp(-1 / tau) if isinstance(tau, np.ndarray) else exp(-1 / tau)


def _norse_box(
    *, tau_mem_inv: float, v_th: Any = 1.0, v_leak: Any = 0.0, v_reset: Any = 0.0, dt: float = 0.001
) -> Neuron:
    return LIF(
        decay=1 - dt * tau_mem_inv, gain=dt * tau_mem_inv, v_leak=v_leak, v_init=v_leak, v_threshold=v_th,
        reset=Reset.TO_VALUE, v_reset=v_reset, firing=Firing.ABOVE_THRESHOLD,
    )  # fmt: skip


def _norse_lif(*, tau_syn_inv: float, tau_mem_inv: float, v_th: Any = 1.0, v_leak: Any = 0.0, v_reset: Any = 0.0,
               dt: float = 0.001) -> Neuron:  # fmt: skip
    return CubaLIF(
        current_decay=1 - dt * tau_syn_inv, decay=1 - dt * tau_mem_inv, gain=dt * tau_mem_inv, v_leak=v_leak, v_init=v_leak,
        v_threshold=v_th, reset=Reset.TO_VALUE, v_reset=v_reset, firing=Firing.ABOVE_THRESHOLD,
    )  # fmt: skip


def _norse_iaf(*, v_th: Any = 1.0, v_reset: Any = 0.0) -> Neuron:
    return IF(v_threshold=v_th, v_init=v_reset, reset=Reset.TO_VALUE, v_reset=v_reset, firing=Firing.ABOVE_THRESHOLD)


def _lava_lif(*, du: float = 0.0, dv: float = 0.0, vth: Any = 10.0) -> Neuron:
    return CubaLIF(
        current_decay=1 - du, decay=1 - dv, v_threshold=vth, reset=Reset.TO_VALUE, firing=Firing.ABOVE_THRESHOLD
    )


def _lava_lif_fixed(*, du: int, dv: int, vth: int) -> Neuron:
    return CubaLIF(
        current_decay=(4095 - du) / 4096, current_gain=64.0, decay=(4096 - dv) / 4096, v_threshold=float(vth << 6),
        reset=Reset.TO_VALUE, firing=Firing.ABOVE_THRESHOLD,
    )  # fmt: skip


def _rockpool(*, alpha: float, beta: float, threshold: Any = 1.0) -> Neuron:
    return CubaLIF(current_decay=beta, current_gain=beta, decay=alpha, v_threshold=threshold, max_spikes=2**16)


def _rectified(*, dt: float = 0.001, v_init: Any = 0.0) -> Neuron:
    return LIF(decay=1.0, gain=dt, v_threshold=1.0, v_init=v_init, amplitude=1 / dt, max_spikes=None)


def _spyx_lif(*, beta: float, threshold: Any = 1.0) -> Neuron:
    return LIF(decay=beta, v_threshold=threshold, firing=Firing.ABOVE_THRESHOLD, reset_time=ResetTime.AFTER_CHARGE)


def _spyx_cuba(*, alpha: float, beta: float, threshold: Any = 1.0) -> Neuron:
    return CubaLIF(
        current_decay=alpha, decay=beta, v_threshold=threshold, firing=Firing.ABOVE_THRESHOLD,
        reset_time=ResetTime.BEFORE_CHARGE,
    )  # fmt: skip


def _snn_toolbox(*, v_thresh: Any = 1.0, reset: str = "subtract") -> Neuron:
    kinds = {"subtract": Reset.SUBTRACT, "zero": Reset.TO_VALUE, "none": Reset.NONE}
    if reset not in kinds:
        raise SpecError(f"reset: {reset!r} is none of ours; give 'subtract', 'zero' or 'none'")
    return IF(v_threshold=v_thresh, amplitude=v_thresh, reset=kinds[reset])


def _qcfs(*, threshold: Any) -> Neuron:
    return IF(v_threshold=threshold, v_init=threshold / 2, amplitude=threshold)


def _fast_snn(*, threshold: Any) -> Neuron:
    return IF(
        v_threshold=threshold, v_init=threshold / 2, amplitude=threshold, v_negative=-1e-3, negative_after_positive=True
    )


def _nir_lif(
    *, tau: float, dt: float, v_threshold: Any, r: float = 1.0, v_leak: Any = 0.0, v_reset: Any = 0.0
) -> Neuron:
    return LIF(
        decay=1 - dt / tau, gain=dt / tau * r, v_leak=v_leak, v_init=v_leak, v_threshold=v_threshold, reset=Reset.TO_VALUE,
        v_reset=v_reset, firing=Firing.ABOVE_THRESHOLD,
    )  # fmt: skip


_ALL = (
    Preset("spikingjelly.IFNode", _spikingjelly_if, "v += x; s = v >= v_threshold; v = v_reset, or v - v_threshold for None",
           tested=True),
    Preset("spikingjelly.LIFNode", _spikingjelly_lif, "v += (x - (v - v_reset)) / tau; as IFNode",
           "its two LIF classes round in orders of their own", tested=True),
    Preset("snntorch.Leaky>=0.8", _snntorch, "subtract: U = beta U + x - R theta; zero: U = beta (1 - R) U + x; s = U > theta",
           "R is the spike of the step before, so that the recorded potential still holds it; U starts at 0", tested=True),
    Preset("snntorch.Leaky>=0.5.2,<0.8", _snntorch_0_5_2, "subtract: U = beta (U - R theta) + x; zero: U = (1 - R)(beta U + x)",
           "the path with explicit state; the one with a hidden state is that of <=0.5.1"),
    Preset("snntorch.Leaky<=0.5.1", _snntorch_0_5_1, "subtract: U = beta U + x - R theta; zero: U = (1 - R)(beta U + x)"),
    Preset("snntorch.Synaptic>=0.8", _snntorch_synaptic, "I = alpha I + x; U = beta U + I - R theta; zero: U = (1 - R)(...)",
           tested=True),
    Preset("sinabs.IAF", _sinabs_iaf, "v += x; s = trunc(v / theta) where v > 0; v -= s theta; v = max(v, min_v_mem)",
           "max_num_spikes_per_bin=1 is SingleSpike, None MultiSpike; reset_to_zero is MembraneReset()", tested=True),
    Preset("sinabs.LIF", _sinabs_lif, "v = alpha v + (1 - alpha) x, or + x without norm_input; as IAF", tested=True),
    Preset("sinabs.LIF with tau_syn", _sinabs_lif_with_synapse, "i = alpha_syn (i + x); v = alpha v + (1 - alpha) i; as IAF",
           tested=True),
    Preset("norse.LIFBox", _norse_box, "v += dt tau_mem_inv (x + v_leak - v); s = v > v_th; v = v_reset",
           tested=True),
    Preset("norse.LIF", _norse_lif,
           "i += x; v += dt tau_mem_inv (v_leak - v + i); s = v > v_th; v = v_reset; i -= dt tau_syn_inv i", tested=True),
    Preset("norse.IAF", _norse_iaf, "v += x; s = v > v_th; v = v_reset", tested=True),
    Preset("lava.LIF float", _lava_lif, "u = (1 - du) u + a; v = (1 - dv) v + u; s = v > vth; v = 0",
           "without bias; every edge takes a step there: the same, a step later for each layer"),
    Preset("lava.LIF fixed", _lava_lif_fixed,
           "u = u (4095 - du) >> 12 + (a << 6); v = v (4096 - dv) >> 12 + u; s = v > vth << 6; v = 0",
           "in arithmetic=presets.LOIHI; without bias; every edge takes a step there: the same, a step later for each layer; run "
           "beside lava-dl's CUBA"),
    Preset("rockpool.LIFTorch", _rockpool, "i = beta (i + x); v = alpha v + i; s = floor(v / theta), at most 2^16; v -= s theta",
           "without bias"),
    Preset("nengo.SpikingRectifiedLinear", _rectified, "v += max(J, 0) dt; n = floor(v); v -= n",
           "for currents J of 0 or more; nengo draws v_init at random"),
    Preset("keras-spiking", _rectified, "v += rate dt; n = floor(v); v -= n",
           "for rates of 0 or more; v_init is drawn at random"),
    Preset("spyx.LIF", _spyx_lif, "s = V > theta; V = beta V + x - s theta",
           "its spikes leave a step later: delay 1 on their edges"),
    Preset("spyx.CuBaLIF", _spyx_cuba, "s = V > theta; V -= s theta; I = alpha I + x; V = beta V + I",
           "its spikes leave a step later: delay 1 on their edges"),
    Preset("snn_toolbox INI", _snn_toolbox, "mem += x; s = mem >= v_thresh; mem -= v_thresh, or 0; a spike is worth v_thresh"),
    Preset("qcfs.IF", _qcfs, "mem += x; s = mem >= theta; mem -= theta; mem starts at theta / 2, a spike is worth theta"),
    Preset("fast-snn.IF", _fast_snn, "as qcfs.IF; a spike of -1 if mem <= -1e-3 and the spikes so far are more than 0"),
    Preset("nir.LIF", _nir_lif, "v += dt / tau (v_leak - v + r x); s = v > v_threshold; v = v_reset",
           "forward Euler; NIR leaves dt and the scheme to the reader"),
)  # fmt: skip
PRESETS = {entry.name: entry for entry in _ALL}


HEAD = [
    "# Presets",
    "",
    "Generated from `refsnn/presets.py` by `python -m refsnn.presets`. Each gives the neuron with which refsnn does what the",
    "named simulator does: `refsnn.preset('snntorch.Leaky>=0.8', beta=0.9)`, or in a network spec",
    "`{name: lif1, preset: 'snntorch.Leaky>=0.8', beta: 0.9}`. Presets marked as tested are run against that simulator, spike",
    "for spike on dyadic weights (`tests/peers`, `tests/exporters`); the others were written from its source and not run. What",
    "none of our neurons can say: nengo's LIF (spikes within a step), snnTorch with `reset_delay=False` and subtraction, a leak",
    "that depends on the sign. [Snippets](exporting.md) write networks of some of these simulators with their presets.",
    "",
]


def table() -> str:
    """docs/presets.md: the presets as a Markdown table."""
    rows = ["| preset | a step there | parameters | remark |", "|---|---|---|---|"]
    for entry in _ALL:
        remark = "; ".join(filter(None, ["**tested against it**" if entry.tested else "", entry.remark]))
        rows.append(f"| `{entry.name}` | {entry.update} | `{entry.parameters}` | {remark} |")
    return "\n".join([*HEAD, *rows, ""])


if __name__ == "__main__":
    print(table(), end="")
