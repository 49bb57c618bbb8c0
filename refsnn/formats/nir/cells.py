"""A NIR node of neurons as numbers, and how its equations are computed in steps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from refsnn.formats.nir.semantics import IFScaling, Semantics
from refsnn.formats.refusals import refuse

NEAR = 1e-6  # relative: two float32 numbers that are meant to be equal


@dataclass(frozen=True, eq=False)
class Cell:
    """A node of neurons: numbers, each one for all or one for each; and how its equations are to be computed."""

    name: str
    type: str
    values: Mapping[str, Any]
    how: Semantics
    path: str

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    @property
    def dt(self) -> float:
        """The length of a step; refused when nobody said."""
        if self.how.dt is None:
            refuse("missing-semantics", self.path, self.name, f"{self.type} in a unit of time, without the length of a step",
                   "give dt: Semantics(profile=..., dt=1e-4)")  # fmt: skip
        return self.how.dt

    def rate(self, tau: str) -> Any:
        """The quotient dt / tau: the share of its distance that a potential goes in a step of forward Euler."""
        if np.min(self[tau]) <= 0:
            refuse("unsupported-node", self.path, self.name, f"{tau} is {np.min(self[tau]):g}", "give times above 0")
        return self.dt / self[tau]

    def decay(self, tau: str, exact: bool = False) -> Any:
        """What a step leaves of a potential: as it is stored elsewhere; else 1 - dt / tau, or exp(-dt / tau)."""
        if tau != "tau_syn" and self.name in self.how.decays:
            return np.asarray(self.how.decays[self.name], np.float64)[()]
        rate = self.rate(tau)
        if not exact and np.max(rate) > 1:
            refuse("unsupported-node", self.path, self.name, f"dt {self.dt:g} is longer than {tau} {np.min(self[tau]):g}",
                   "take a shorter step, or the profile 'exact'")  # fmt: skip
        return np.exp(-rate) if exact else 1 - rate

    def needs(self, condition: Any, what: str) -> None:
        """Refuse what the profile's own reader has no neuron for."""
        if not np.all(condition):
            refuse("unsupported-node", self.path, self.name, f"profile {self.how.profile!r} takes {self.type} only where {what}",
                   "take the profile 'nir', which says it as it is")  # fmt: skip

    @property
    def added(self) -> Any:
        """What an input of 1 adds to the potential of IF or I in a step: r or dt * r, as is given or as r tells."""
        if self.how.if_scaling is IFScaling.R:
            return self["r"]
        if self.how.if_scaling is IFScaling.DT:
            return self.dt * self["r"]
        if guessed_scaling(self["r"], self.how.dt) is None:
            refuse("missing-semantics", self.path, self.name,
                   f"whether a step adds r * x or dt * r * x, r being up to {np.max(self['r']):g}",
                   "give it: Semantics(..., if_scaling='r') or 'dt'")  # fmt: skip
        return 1.0


def guessed_scaling(r: Any, dt: float | None) -> str | None:
    """Why a step adds x: r is 1, or 1 / dt; None where neither holds."""
    if np.all(r == 1):
        return "r is 1"
    return "r is 1 / dt" if dt is not None and np.all(np.abs(r * dt - 1) < NEAR) else None
