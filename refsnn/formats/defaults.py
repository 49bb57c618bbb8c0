"""Parameters whose usual value differs between frameworks: where a spec leaves one out, the load report says so."""

from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from typing import Any

from refsnn.formats.load_report import Entry, Fate
from refsnn.layers import BatchNorm, MaxPool2d, default_of
from refsnn.neurons import IF, LI, LIF, CubaLIF

_FIRING = ("v_init", "reset", "reset_time", "firing", "max_spikes")
# What frameworks agree on (stride 1, no padding, no refractory time, no clamp) is left out: nobody would look there.
TELLING: Mapping[type[Any], tuple[str, ...]] = {
    BatchNorm: ("eps",),  # 1e-5 in PyTorch and Flax, 1e-3 in Keras
    MaxPool2d: ("mode",),  # what the largest of spike trains is
    IF: _FIRING,
    LIF: (*_FIRING, "gain"),  # whether the leak acts on the input, too
    CubaLIF: (*_FIRING, "gain", "current_gain"),
    LI: ("v_init", "gain"),
}


def telling(kind: type[Any]) -> tuple[str, ...]:
    """Fields of the layer whose default is one framework's habit and not another's."""
    return TELLING.get(kind, ())


def defaulted(node: str, layer: Any, given: Mapping[str, Any]) -> tuple[Entry, ...]:
    """An entry for each such field that the spec leaves out."""
    defaults = {item.name: default_of(item) for item in fields(layer)}
    return tuple(
        Entry(Fate.DEFAULTED, f"{node}.{name}", f"{_shown(defaults[name])}, as the spec says nothing")
        for name in telling(type(layer))
        if name not in given
    )


def _shown(value: Any) -> str:
    return str(value.value if isinstance(value, Enum) else value)
