"""Network specs: YAML that names the layers and, for each parameter, a tensor of the weights file or a literal number."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, ValidationError

from refsnn import specs
from refsnn.errors import FormatError, LoadError, RefSNNError, SpecError, did_you_mean
from refsnn.formats.defaults import defaulted
from refsnn.formats.load_report import Entry
from refsnn.formats.model_file import Tensors
from refsnn.formats.references import Use, Weights, named_weights, resolved
from refsnn.formats.refusals import refuse
from refsnn.formats.spec_schema import KEYS, DelayedInput, tensor_fields
from refsnn.formats.spec_writing import described as described
from refsnn.layers import LAYERS
from refsnn.network import INPUT, Network, Node
from refsnn.presets import preset

InputShape = Annotated[list[specs.Count], Field(min_length=1)]
ASKED = "???"  # what `refsnn init` writes where it can guess nothing
GUESS = "guess"  # the key that it leaves at each guess, until somebody deletes it


@dataclass(frozen=True)
class _Read:
    """A node, and what its parameters were made of."""

    node: Node
    uses: tuple[Use, ...]
    defaulted: tuple[Entry, ...]


@dataclass(frozen=True)
class Mapped:
    """A network, the tensors that it took, and what neither its spec nor the file says."""

    network: Network
    uses: tuple[Use, ...]
    defaulted: tuple[Entry, ...]


def checked(document: specs.Document) -> dict[str, Any]:
    """The spec's mapping, its keys known and its guesses confirmed."""
    data = document.data
    if not isinstance(data, dict):
        raise document.error((), "expected a mapping with the keys name, input, nodes")
    for key in data:
        if key not in KEYS:
            raise document.error((key,), f"unknown key{did_you_mean(key, KEYS)}")
    _refuse_guesses(document)
    for key in ("name", "input", "nodes"):
        if key not in data:
            raise document.error((), f"missing key {key!r}")
    for key in ("name", "prefix"):
        if not isinstance(data.get(key, ""), str):
            raise document.error((key,), f"expected a text, got {data[key]!r}")
    specs.build(list[str], document, data.get("ignore", []), ("ignore",))
    return data


def spec_network(document: specs.Document, tensors: Tensors, path: str) -> Mapped:
    """The network of a checked spec, its tensors taken from these; `path` is what messages call their file."""
    data = document.data
    shape: list[int] = specs.build(InputShape, document, data["input"], ("input",))
    if not isinstance(data["nodes"], list):
        raise document.error(
            ("nodes",), "expected a list of nodes such as '- {name: fc1, layer: Linear, weight: fc1.weight}'"
        )
    weights = named_weights(path, tensors, data.get("prefix", ""), lambda message: document.error(("prefix",), message))
    return _mapped(document, data["name"], tuple(shape), "nodes", weights)


def network_of(
    document: specs.Document, name: str, shape: tuple[int, ...], key: str, tensors: Tensors, weights: str
) -> Network:
    """The network whose nodes are listed under `key` of the document; `weights` is what messages call the tensors' file."""
    known = named_weights(weights, tensors, "", lambda message: document.error((), message))
    return _mapped(document, name, shape, key, known).network


def _mapped(document: specs.Document, name: str, shape: tuple[int, ...], key: str, weights: Weights) -> Mapped:
    read: list[_Read] = []
    for index, entry in enumerate(document.data[key]):
        read.append(_node(document, (key, index), entry, weights, read[-1].node.name if read else INPUT))
    try:
        network = Network(name, shape, tuple(one.node for one in read))
    except RefSNNError as error:
        raise type(error)(f"{document.path}: {error}") from error
    return Mapped(
        network, tuple(use for one in read for use in one.uses), tuple(line for one in read for line in one.defaulted)
    )


def _refuse_guesses(document: specs.Document) -> None:
    """A LoadError that says on which lines of the spec something is still a guess."""
    found = set()
    for where in document.positions:
        value = document.data
        for part in where:
            value = value[part]
        if where and (where[-1] == GUESS or value == ASKED):
            found.add(document.positions[where][0])
    if found:
        lines = [str(line) for line in sorted(found)]
        more = f" and {len(lines) - 12} more" if len(lines) > 12 else ""
        refuse(
            "unconfirmed", document.path, f"line{'s' if more or lines[1:] else ''} {', '.join(lines[:12])}{more}",
            "guesses of 'refsnn init' that nobody has confirmed",
            f"correct each, fill in each {ASKED}, and delete its key '{GUESS}'",
        )  # fmt: skip


def _node(document: specs.Document, where: specs.Path_, entry: Any, weights: Weights, before: str) -> _Read:
    if not isinstance(entry, dict):
        raise document.error(where, f"expected a node such as {{name: fc1, layer: Linear, ...}}, got {entry!r}")
    if "preset" in entry:
        return _preset(document, where, entry, weights, before)
    for key in ("name", "layer"):
        if not isinstance(entry.get(key), str):
            raise document.error((*where, key), f"expected a text, got {entry.get(key)!r}")
    name, kind = entry["name"], LAYERS.get(entry["layer"])
    if kind is None:
        raise document.error(
            (*where, "layer"), f"unknown layer {entry['layer']!r}{did_you_mean(entry['layer'], list(LAYERS))}"
        )
    parameters: dict[str, Any] = {}
    uses: list[Use] = []
    for key, value in entry.items():
        if key in ("name", "layer", "inputs"):
            continue
        if isinstance(value, str | dict) and key in tensor_fields(entry["layer"]):
            value, used = resolved(document, (*where, key), value, weights, name)
            uses += used
        parameters[key] = value
    inputs, delays = _inputs(document, (*where, "inputs"), entry.get("inputs", [before]))
    try:
        layer: Any = specs.build(kind, document, parameters, where)
    except LoadError:
        raise
    except FormatError as error:
        raise FormatError(f"{document.path}: {name}: {error}") from error
    except SpecError as error:
        raise SpecError(f"{error} (layer {name})") from error
    return _Read(Node(name, layer, inputs, delays), tuple(uses), defaulted(name, layer, entry))


def _preset(
    document: specs.Document, where: specs.Path_, entry: dict[str, Any], weights: Weights, before: str
) -> _Read:
    """{name: lif1, preset: "snntorch.Leaky>=0.8", beta: 0.9}: another simulator's neuron with its own parameters."""
    for key in ("name", "preset"):
        if not isinstance(entry.get(key), str):
            raise document.error((*where, key), f"expected a text, got {entry.get(key)!r}")
    if "layer" in entry:
        raise document.error((*where, "layer"), "a preset gives the layer; leave one of the two out")
    parameters: dict[str, Any] = {}
    uses: list[Use] = []
    for key, value in entry.items():
        if key in ("name", "preset", "inputs"):
            continue
        if isinstance(value, dict) or (isinstance(value, str) and value in weights.tensors):
            value, used = resolved(document, (*where, key), value, weights, entry["name"])
            uses += used
        parameters[key] = value
    inputs, delays = _inputs(document, (*where, "inputs"), entry.get("inputs", [before]))
    try:
        return _Read(Node(entry["name"], preset(entry["preset"], **parameters), inputs, delays), tuple(uses), ())
    except (RefSNNError, ValidationError, TypeError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise document.error((*where, "preset"), str(reason)) from error


def _inputs(document: specs.Document, where: specs.Path_, given: Any) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names of the inputs and their delays."""
    if not isinstance(given, list) or not given:
        raise document.error(where, f"expected a list of nodes such as [fc1, {{from: lif1, delay: 1}}], got {given!r}")
    edges = []
    for i, item in enumerate(given):
        if isinstance(item, dict):
            edge: DelayedInput = specs.build(DelayedInput, document, item, (*where, i))
            edges.append((edge.source, edge.delay))
        elif isinstance(item, str):
            edges.append((item, 0))
        else:
            raise document.error((*where, i), f"expected a node's name or {{from: NAME, delay: STEPS}}, got {item!r}")
    names, delays = zip(*edges, strict=True)
    return names, delays
