"""Nested dicts and lists as two flat mappings: tensors and plain values, each under its keys joined with dots."""

from collections.abc import Callable, Iterator
from typing import Any

from refsnn.formats.model_file import Source
from refsnn.formats.refusals import refuse

PLAIN = (type(None), bool, int, float, str, bytes)
VISITS = 10  # times Limits.parts: values seen, again for each place that shares them
LONGEST = 4_000  # characters of a name
NAME_COST = 150  # bytes that a name takes beside its characters
REMEDY = "save one flat dict of tensors"


def flattened(
    value: Any, root: str, is_tensor: Callable[[Any], bool], source: Source
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(tensors, plain values) by name; a list of plain values is one value, a tuple; a lone tensor is called `root`.

    Keys keep their text, whatever it is; an item of a list has its number. Two values under one name are refused.
    """
    tensors: dict[str, Any] = {}
    plain: dict[str, Any] = {}
    for name, leaf in _leaves(value, _Budget(source)):
        if name in tensors or name in plain:
            refuse(
                "duplicate-name", source.path, name, "two values have this name once keys are joined by dots", REMEDY
            )
        if is_tensor(leaf):
            tensors[name or root] = leaf
        elif isinstance(leaf, (*PLAIN, tuple)):
            plain[name or root] = leaf
        else:
            refuse("unsupported-type", source.path, name, f"holds {leaf!r}, neither tensor nor plain value", REMEDY)
    return tensors, plain


class _Budget:
    """What is left to be visited and named, within one call."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.visits, self.names = VISITS * source.limits.parts, source.limits.header_bytes

    def visit(self, name: str, count: int) -> None:
        self.visits -= count
        if self.visits < 0:
            refuse("nesting", self.source.path, name, "more values than any model has", REMEDY)

    def name(self, name: str) -> None:
        self.names -= NAME_COST + len(name)
        if self.names < 0 or len(name) > LONGEST:
            refuse("nesting", self.source.path, name, "more values, or longer names, than any model has", REMEDY)


def _leaves(root: Any, budget: _Budget) -> Iterator[tuple[str, Any]]:
    """Depth first, in the order of the file; a stack of iterators, one for each container that is open."""
    opened: list[tuple[str, int, Iterator[tuple[Any, Any]]]] = [("", 0, iter([("", root)]))]
    while opened:
        prefix, _, items = opened[-1]
        key, value = next(items, (None, opened))
        if value is opened:
            opened.pop()
            continue
        name = prefix + str(key)
        budget.name(name)
        if isinstance(value, dict | list | tuple):
            budget.visit(name, len(value))
            if isinstance(value, dict) or not all(isinstance(item, PLAIN) for item in value):
                _check(name, value, [identity for _, identity, _ in opened], budget.source)
                within = iter(value.items()) if isinstance(value, dict) else enumerate(value)
                opened.append((f"{name}." if name else "", id(value), within))
                continue
            value = tuple(value)
        yield name, value


def _check(name: str, value: Any, inside: list[int], source: Source) -> None:
    if id(value) in inside:
        refuse("cycle", source.path, name, "a container that holds itself", REMEDY)
    if len(inside) > source.limits.depth:
        refuse("nesting", source.path, name, f"containers nested deeper than {source.limits.depth}", REMEDY)
