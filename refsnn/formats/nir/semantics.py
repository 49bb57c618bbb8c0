"""What a NIR file leaves open and a run needs: given by name, never assumed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from math import isfinite
from types import MappingProxyType
from typing import Any

from refsnn.errors import SpecError, did_you_mean
from refsnn.neurons import Firing, Reset


class IFScaling(Enum):
    """What a step adds to the potential of IF and I, v' = r x: files disagree, and none says which it means."""

    R = "r"  # v + r * x
    DT = "dt"  # v + dt * r * x


@dataclass(frozen=True)
class Profile:
    """One way to compute NIR's equations in steps: somebody's reader, or the one that is recommended here."""

    name: str
    update: str  # a step in the symbols of the file
    remark: str = ""
    ignores: tuple[str, ...] = ()  # parameters that this reader does not look at
    late: bool = False  # spikes leave a step after the one in which the potential was over the threshold
    integers: bool = False  # weights and constants become the integers of a chip


_ALL = (
    Profile("nir", "v += dt/tau (v_leak - v + r x); s = v > v_threshold; v = v_reset",
            "forward Euler; i += dt/tau_syn (w_in x - i); IF: v += r x or dt r x; v starts at v_leak, that of IF at 0"),
    Profile("exact", "v = v_leak + a (v - v_leak) + (1 - a) r x, a = exp(-dt/tau); s = v > v_threshold; v = v_reset",
            "the solution for an input that is constant within a step; a spike waits for the step's end"),
    Profile("norse", "v += dt/tau (x + v_leak - v); s = v > v_threshold; v = 0",
            "LIFBox; CubaLIF: i += x; v += dt/tau_mem (v_leak - v + i); i -= dt/tau_syn i; IF: v += x",
            ignores=("r", "v_reset", "w_in")),
    Profile("snntorch", "v = (1 - dt/tau) v + x; s = v > v_threshold tau / (dt r); v = 0",
            "import_nir: the threshold takes the gain, potentials are larger by it; v_leak must be 0; CubaLIF: i = (1 - "
            "dt/tau_syn) i + x, v = (1 - dt/tau_mem) v + i, r must be tau_mem/dt",
            ignores=("v_reset",)),
    Profile("nengo", "v -= (J - v) expm1(-dt/tau), J = r x / v_threshold; s = v > 1; v = 0",
            "potentials are shares of the threshold; the part of a step that follows a spike within it is not charged here",
            ignores=("v_reset",)),
    Profile("sinabs", "v = a v + x, a = exp(-dt/tau); s = floor(v / v_threshold); v -= s v_threshold",
            "from_nir: any number of spikes a step; inputs are not scaled by dt/tau; IF: v += x, not below -v_threshold; tau in "
            "steps there: dt=1", ignores=("r", "v_reset")),
    Profile("rockpool", "v = a v + dt/tau r x, a = exp(-dt/tau); s = floor(v / v_threshold); v -= s v_threshold",
            "at most 2^16 spikes a step", ignores=("v_reset",)),
    Profile("spikingjelly", "v += dt/tau (r x - (v - v_reset)); s = v >= v_threshold; v = v_reset",
            "r is 1, or tau/dt where the input does not decay; IF: r is 1/dt, v += x; v_leak must be v_reset"),
    Profile("spyx", "s = v > v_threshold; v = (1 - dt/tau) v + dt/tau x - s v_threshold",
            "the old potential fires, so that every edge from a neuron takes a step", ignores=("r", "v_leak", "v_reset"),
            late=True),
    Profile("lava", "v = (1 - dt/tau) v + dt/tau r x; s = v > v_threshold; v = 0",
            "Lava's LIF in floats; every edge takes a step there: the same, a step later for each layer", ignores=("v_reset",)),
    Profile("lava-fixed", "v = v (4096 - int(4095 dt/tau)) >> 12 + (int(256 w dt/tau r) x << 6); s = v > vth << 6; v = 0",
            "integers of Loihi, vth = int(131071 v_threshold) >> 9; in arithmetic=refsnn.presets.LOIHI; edges as in lava",
            ignores=("v_reset",), integers=True),
    Profile("refsnn", "what refsnn wrote beside the graph, exactly",
            "only for files that refsnn exported; nothing else of the file is computed with"),
)  # fmt: skip
PROFILES: Mapping[str, Profile] = MappingProxyType({entry.name: entry for entry in _ALL})


@dataclass(frozen=True, kw_only=True)
class Semantics:
    """How a NIR graph is computed. Nothing here has a default that changes results, but for what the profile says.

    profile: whose discretisation, reset and comparator: see PROFILES, or the table in docs/formats.md.
    dt: the length of a step in the file's unit of time, seconds in nearly all files.
    if_scaling: for IF and I; without it it is told from r being 1 or 1 / dt, and reported as a guess.
    reset, firing: instead of the profile's.
    delayed: the edges (source, target) of cycles that take a step, all of them; without it the edges that close a cycle in a
        depth-first walk from the input, names in sorted order.
    decays: decay of one step by node name, where it is stored elsewhere: exp is not the same in the last place everywhere.
    batch_axis: the axes of Flatten count a batch axis in front, as in torch; NIR says that they do not.
    """

    profile: str
    dt: float | None = None
    if_scaling: IFScaling | None = None
    reset: Reset | None = None
    firing: Firing | None = None
    delayed: tuple[tuple[str, str], ...] | None = None
    decays: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    batch_axis: bool = False

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise SpecError(f"semantics: profile {self.profile!r} is none{did_you_mean(self.profile, list(PROFILES))}")
        for name, kind in (("if_scaling", IFScaling), ("reset", Reset), ("firing", Firing)):
            value = getattr(self, name)
            if value is None or isinstance(value, kind):
                continue
            known = [str(choice.value) for choice in kind]
            if value not in known:
                raise SpecError(f"semantics: {name} {value!r} is none{did_you_mean(str(value), known)}")
            object.__setattr__(self, name, kind(value))
        if self.dt is not None and not (isinstance(self.dt, int | float) and isfinite(self.dt) and self.dt > 0):
            raise SpecError(f"semantics: dt {self.dt!r}, expected the length of a step, greater than 0")


def table() -> str:
    """The profiles as a Markdown table, as it stands in docs/formats.md."""
    rows = ["| profile | a step | remark | does not look at |", "|---|---|---|---|"]
    rows += [f"| `{p.name}` | {p.update} | {p.remark} | {', '.join(p.ignores) or '-'} |" for p in _ALL]
    return "\n".join(rows)
