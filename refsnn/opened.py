"""What a model file leaves open, as the command line gives it: --semantics, --dt and --set."""

from dataclasses import fields
from importlib import import_module
from typing import Any

from refsnn.errors import SpecError, did_you_mean
from refsnn.specs import parse


def choices_of(profile: str | None, dt: float | None, pairs: tuple[str, ...]) -> tuple[Any, dict[str, Any]]:
    """The semantics of a NIR file, if they are given, and the choices for another; each KEY=VALUE goes to the one given.

    VALUE is YAML: input_shape=[1,28,28].
    """
    chosen = dict(_pair(text) for text in pairs)
    if profile is None:
        if dt is not None:
            raise SpecError("--dt: is the step of a NIR file, whose neurons --semantics PROFILE names; give both")
        return None, chosen
    semantics = import_module("refsnn.formats.nir.semantics").Semantics
    known = [item.name for item in fields(semantics) if item.name not in ("profile", "dt")]
    for name in chosen:
        if name not in known:
            raise SpecError(f"--set: {name!r} is none of a NIR file's semantics{did_you_mean(name, known)}")
    return semantics(profile=profile, dt=dt, **chosen), {}


def _pair(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not (name and sign and value):
        raise SpecError(f"--set: expected KEY=VALUE, got {text!r}")
    return name, _frozen(parse(value, f"--set {name}").data)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
