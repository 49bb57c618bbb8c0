"""YAML -> typed objects, with file, line and column in every message.

PyYAML's SafeLoader, tightened: YAML 1.2 numbers and booleans (`4e-12` is a number, `yes` is text), duplicate keys and
aliases refused. Reading a spec never runs anything.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import Field, TypeAdapter, ValidationError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from refsnn.errors import FormatError, SpecError, did_you_mean

T = TypeVar("T")
Path_ = tuple[str | int, ...]  # where in the document: ("nodes", 2, "stride")
Count = Annotated[int, Field(ge=1, strict=True)]
UNKNOWN_KEY = ("unexpected_keyword_argument", "extra_forbidden")  # pydantic's names for it
SHOWN = 40  # characters of a value that a message repeats
MAX_VALUES = 20_000  # half a second's work for PyYAML, which needs 20 µs for the shortest
MAX_BYTES = 4 << 20  # a spec is written by hand; a larger file is something else


class _Loader(yaml.SafeLoader):
    """Resolves scalars as YAML 1.2's core schema does; reads no aliases, which can make a short text enormous."""

    values = 0  # composed so far

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        self.values += 1
        if self.values > MAX_VALUES:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, f"over {MAX_VALUES} keys and values; a spec is short", mark)
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases are not read, write the value out", mark)
        return super().compose_node(parent, index)


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
    ("float", r"^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$", "-+."),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


class PlacedError(ValueError):
    """A mistake that a type finds in one of its parts; `where` leads from the type's own place to it."""

    def __init__(self, where: Path_, message: str) -> None:
        super().__init__(message)
        self.where = where


@dataclass(frozen=True)
class Document:
    """A parsed spec: plain data, and where each part of it stands."""

    path: str
    data: Any
    positions: dict[Path_, tuple[int, int]] = field(repr=False)  # line, column, from 1

    def error(self, where: Path_, message: str) -> SpecError:
        """A SpecError that names file, line, column and key of `where` (or of the nearest part that has a place)."""
        known = where
        while known not in self.positions:
            known = known[:-1]
        line, column = self.positions[known]
        name = dotted(where)
        return SpecError(f"{self.path}:{line}:{column}: {name + ': ' if name else ''}{message}")


def dotted(where: Path_) -> str:
    """('nodes', 2, 'stride') -> 'nodes[2].stride'."""
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def parse(text: str, path: str) -> Document:
    """The document in `text`; `path` is what messages call it."""
    positions: dict[Path_, tuple[int, int]] = {}
    loader = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            raise SpecError(f"{path}:1:1: expected a mapping such as 'name: ...', found an empty file")
        data = _construct(loader, root, (), positions, path)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).splitlines()[0]
        raise SpecError(f"{path}:{place}: not readable as YAML: {problem}") from error
    except RecursionError as error:
        raise SpecError(f"{path}:1:1: nested too deeply for a spec; write it flat") from error
    finally:
        if loader is not None:
            loader.dispose()
    return Document(path, data, positions)


def read(path: str | Path) -> Document:
    """The document in the file at `path`."""
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise FormatError(f"{path}: cannot read: {error.strerror}; name a file that exists") from error
    if len(content) > MAX_BYTES:
        raise FormatError(f"{path}: over {MAX_BYTES >> 20} MiB; a spec is a short YAML text")
    try:
        return parse(content.decode("utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: byte {error.start} is not UTF-8; a spec is a YAML text") from error


def _construct(loader: _Loader, node: Node, where: Path_, positions: dict[Path_, tuple[int, int]], path: str) -> Any:
    positions.setdefault(where, (node.start_mark.line + 1, node.start_mark.column + 1))
    if isinstance(node, MappingNode):
        return _mapping(loader, node, where, positions, path)
    if isinstance(node, SequenceNode):
        _plain(node, "tag:yaml.org,2002:seq", path)
        return [_construct(loader, item, (*where, i), positions, path) for i, item in enumerate(node.value)]
    assert isinstance(node, ScalarNode)
    if node.tag.rpartition(":")[2] not in ("str", "int", "float", "bool", "null"):
        _plain(node, "tag:yaml.org,2002:str", path)
    try:
        return loader.construct_object(node)
    except ValueError as error:  # '!!int x', or more digits than Python turns into a number
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        what = f"{node.value[:SHOWN]!r}{'…' if len(node.value) > SHOWN else ''}"
        raise SpecError(f"{path}:{line}:{column}: {what} is no number that can be read; write it in digits") from error


def _mapping(
    loader: _Loader, node: MappingNode, where: Path_, positions: dict[Path_, tuple[int, int]], path: str
) -> dict[str, Any]:
    _plain(node, "tag:yaml.org,2002:map", path)
    result: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for key_node, value_node in node.value:
        line, column = key_node.start_mark.line + 1, key_node.start_mark.column + 1
        key = key_node.value
        if not isinstance(key_node, ScalarNode) or key == "<<":
            raise SpecError(f"{path}:{line}:{column}: keys are plain words; merge keys and nested keys are not read")
        if key in result:
            raise SpecError(f"{path}:{line}:{column}: duplicate key {key!r}, first given on line {lines[key]}")
        lines[key] = line
        positions[(*where, key)] = line, column
        result[key] = _construct(loader, value_node, (*where, key), positions, path)
    return result


def _plain(node: Node, expected: str, path: str) -> None:
    if node.tag != expected:
        mark = node.start_mark
        raise SpecError(f"{path}:{mark.line + 1}:{mark.column + 1}: tag {node.tag!r} is not read; write plain YAML")


def build(kind: type[T] | Any, document: Document, data: Any, where: Path_ = ()) -> T:
    """`data`, which stands at `where` in the document, as a validated `kind`; the first mistake is raised with its place."""
    try:
        return TypeAdapter(kind).validate_python(data, context={"document": document.path})
    except ValidationError as error:
        # a mistyped key is both unknown and missing: the first says more
        first = min(error.errors(), key=lambda found: found["type"] not in UNKNOWN_KEY)
        inside = getattr(first.get("ctx", {}).get("error"), "where", ())  # of a PlacedError
        place = (*where, *_data_path(first["loc"], data), *inside)
        raise document.error(place, _sentence(first, kind, data)) from error


def _data_path(loc: Iterable[str | int], data: Any) -> Path_:
    """Pydantic's location without the labels of unions and functions that it mixes in: only what the data has."""
    path: list[str | int] = []
    for part in loc:
        known: Any = data if isinstance(data, dict) else dict(enumerate(data)) if isinstance(data, list) else {}
        if part in known:
            path.append(part)
            data = known[part]
    return tuple(path)


def _sentence(first: Any, kind: Any, data: Any) -> str:
    last = first["loc"][-1] if first["loc"] else ""
    match first["type"]:
        case kind_of_error if kind_of_error in UNKNOWN_KEY:
            return f"unknown key{did_you_mean(str(last), _known_keys(kind, first['loc'], data))}"
        case "missing" | "missing_argument":
            return f"missing key {last!r}"
        case "value_error":
            return str(first["msg"]).removeprefix("Value error, ")
    message = str(first["msg"])
    return f"{message[0].lower()}{message[1:]}, got {first['input']!r}"


def _known_keys(kind: Any, loc: tuple[str | int, ...], data: Any) -> list[str]:
    """The keys that the object around the unknown key at `loc` may have, read from the JSON Schema of `kind`."""
    schema = TypeAdapter(kind).json_schema()
    definitions = schema.get("$defs", {})

    def resolve(part: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in part:
            part = definitions[part["$ref"].rpartition("/")[2]]
        return part

    here = resolve(schema)
    for part in _data_path(loc[:-1], data):
        if isinstance(part, int):
            here = resolve(here.get("items", {}))
        else:
            here = here.get("properties", {}).get(part, here.get("additionalProperties") or {})
            options = [o for o in here.get("anyOf", []) if o.get("type") != "null"] or [here]
            here = resolve(options[0])
    return list(here.get("properties", {}))
