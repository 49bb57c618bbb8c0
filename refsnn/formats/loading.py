"""A file -> a network, and the report on what became of every tensor of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import MappingProxyType
from typing import Any

import numpy as np

from refsnn import specs
from refsnn.errors import LoadError, RefSNNError, SpecError, did_you_mean
from refsnn.formats.limits import Limits
from refsnn.formats.load_report import Entry, Fate, LoadReport
from refsnn.formats.model_file import Format, ModelFile, Tensors
from refsnn.formats.network_spec import Mapped, checked, spec_network
from refsnn.formats.opening import open_model
from refsnn.formats.refusals import refuse
from refsnn.network import Network

# formats that carry a graph -> module of refsnn.formats whose network_of(model, name) gives the network and its entries
GRAPHS: Mapping[Format, str] = {
    Format.ONNX: "onnx.network",
    Format.NIR: "nir.importing",
    Format.KERAS: "keras.network",
    Format.KERAS_H5: "keras.network",
    Format.LAVA: "lava.network",
}
SPECS = (".yaml", ".yml")
NONE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Loaded:
    """A network and the report on the file that it was read from."""

    network: Network
    report: LoadReport


def load(
    path: str | Path, *, spec: str | Path | None = None, strict: bool = False, semantics: Any = None,
    limits: Limits = Limits(), choices: Mapping[str, Any] = NONE,
) -> Network:  # fmt: skip
    """The network of a spec file; of a file that carries a graph; or of a weights file with the spec that names its layers.

    load("net.yaml") reads the weights that the spec names; load("net.safetensors", spec="net.yaml") reads these.
    strict: a LoadError unless every tensor is mapped and nothing that matters is left to a default.
    semantics: what a NIR file leaves open and changes results (refsnn.formats.nir.semantics.Semantics).
    choices: what another file with a graph leaves open, by the keywords of its reader's network_of: input_shape for ONNX.
    Raises SpecError with file, line and column; LoadError for a model file; ShapeError when they do not fit.
    """
    return load_with_report(path, spec=spec, strict=strict, semantics=semantics, limits=limits, choices=choices).network


def load_with_report(
    path: str | Path, *, spec: str | Path | None = None, strict: bool = False, semantics: Any = None,
    limits: Limits = Limits(), choices: Mapping[str, Any] = NONE,
) -> Loaded:  # fmt: skip
    """As load, with the report on what was mapped, ignored, defaulted and guessed."""
    if spec is not None:
        loaded = _of_spec(specs.read(spec), open_model(path, limits))
    elif Path(path).suffix in SPECS:
        document = specs.read(path)
        loaded = _of_spec(document, _named(document, limits))
    else:
        return _strictly(_of_graph(open_model(path, limits), semantics, choices), strict)
    if semantics is not None or choices:
        raise SpecError(
            f"{path}: semantics and choices are for files that hold their own graph; the spec says it all here"
        )
    return _strictly(loaded, strict)


def _strictly(loaded: Loaded, strict: bool) -> Loaded:
    if strict:
        loaded.report.require_all_mapped()
    return loaded


def _named(document: specs.Document, limits: Limits) -> ModelFile | None:
    """The weights file that the spec names."""
    name = checked(document).get("weights")
    if name is None:
        return None
    if not isinstance(name, str):
        raise document.error(("weights",), f"expected the name of a file beside this one, got {name!r}")
    if PureWindowsPath(name).is_absolute() or PurePosixPath(name).is_absolute() or ".." in PureWindowsPath(name).parts:
        refuse("outside-file", document.path, "weights", f"{name!r} is no file beside this one or below it",
               "give it yourself: load(weights, spec=this), or --spec")  # fmt: skip
    return open_model(Path(document.path).parent / name, limits)


def _of_spec(document: specs.Document, model: ModelFile | None) -> Loaded:
    ignored = checked(document).get("ignore", [])
    if model is None:
        mapped = spec_network(document, {}, document.path)
        return Loaded(mapped.network, LoadReport(document.path, "spec", mapped.defaulted))
    mapped = spec_network(document, {**_numbers(model), **model.tensors}, model.path)
    return Loaded(mapped.network, LoadReport(model.path, model.format.value, _entries(model, mapped, ignored)))


def _numbers(model: ModelFile) -> Tensors:
    """Numbers that the file holds beside its tensors (a threshold saved as a Python float), which a spec can name, too."""
    plain = {name: value for name, value in model.attributes.items() if type(value) in (int, float)}
    return {name: np.asarray(value) for name, value in plain.items() if abs(value) < 1 << 63}


def _entries(model: ModelFile, mapped: Mapped, ignored: list[str]) -> tuple[Entry, ...]:
    """A line for each tensor of the file, in its order; then for what was passed over; then for what was defaulted."""
    uses: dict[str, list[str]] = {}
    for use in mapped.uses:
        uses.setdefault(use.tensor, []).append(use.what)
    notes = {note.name: note.text for note in model.notes}
    lines = []
    for name, values in model.tensors.items():
        kind = values.shape, str(values.dtype)
        if name in uses:
            lines.append(Entry(Fate.MAPPED, name, "; ".join([*uses[name], *filter(None, [notes.get(name)])]), *kind))
            continue
        pattern = next((each for each in ignored if fnmatchcase(name, each)), None)
        why = "named by no node" if pattern is None else f"the spec ignores {pattern}"
        lines.append(Entry(Fate.IGNORED, name, why, *kind, stated=pattern is not None))
    numbers = (Entry(Fate.MAPPED, name, "; ".join(uses[name])) for name in uses if name not in model.tensors)
    passed = (Entry(Fate.IGNORED, note.name, note.text) for note in model.notes if note.name not in model.tensors)
    return (*lines, *numbers, *passed, *mapped.defaulted)


def _of_graph(model: ModelFile, semantics: Any, choices: Mapping[str, Any]) -> Loaded:
    """The network of a file that names its layers itself."""
    if model.graph is None or model.format not in GRAPHS:
        refuse(
            "no-layers", model.path, "", f"a weights file ({model.format.value}), which names no layers",
            "give the spec that does with --spec net.yaml; 'refsnn init WEIGHTS' writes a first one",
        )  # fmt: skip
    network_of, name = import_module(f"refsnn.formats.{GRAPHS[model.format]}").network_of, Path(model.path).stem
    given: tuple[Any, ...] = (model, name)
    if model.format is Format.NIR:
        given = (model, semantics, name)
    elif semantics is not None:
        raise SpecError(f"{model.path}: semantics are for NIR files, this is {model.format.value}; leave them out")
    chosen = _chosen(model, network_of, choices)
    try:
        network, entries = network_of(*given, **chosen)
    except LoadError:
        raise
    except RefSNNError as error:
        if str(error).startswith(model.path):
            raise
        raise type(error)(f"{model.path}: {error}") from error
    return Loaded(network, LoadReport(model.path, model.format.value, tuple(entries)))


def _chosen(model: ModelFile, network_of: Callable[..., Any], choices: Mapping[str, Any]) -> dict[str, Any]:
    """The choices as the reader takes them; a SpecError for one that it does not know."""
    known = {name: p for name, p in signature(network_of).parameters.items() if p.kind is Parameter.KEYWORD_ONLY}
    chosen = {}
    for name, value in choices.items():
        if name not in known:
            hint = did_you_mean(name, list(known)) if known else "; it leaves none open"
            raise SpecError(f"{model.path}: {name!r} is no choice for {model.format.value}{hint}")
        usual = known[name].default
        try:
            chosen[name] = type(usual)(value) if isinstance(usual, Enum) else value
        except ValueError as error:
            options = [str(option.value) for option in type(usual)]
            raise SpecError(f"{model.path}: {name}: {value!r} is none{did_you_mean(str(value), options)}") from error
    return chosen
