"""What a model file leaves open, as the command line gives it: --semantics, --dt and --set."""

from importlib import import_module
from typing import Any

from refsnn.errors import SpecError
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
    module = import_module("refsnn.formats.nir_semantics")
    try:
        return module.Semantics(profile=profile, dt=dt, **chosen), {}
    except TypeError as error:
        raise SpecError(f"--set: {error}; semantics have reset, firing, if_scaling, batch_axis") from error


def _pair(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not (name and sign and value):
        raise SpecError(f"--set: expected KEY=VALUE, got {text!r}")
    return name, parse(value, f"--set {name}").data
