"""A first spec for a weights file: layers guessed from names and shapes, each guess marked until somebody confirms it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from refsnn.formats.grouping import grouped
from refsnn.formats.guessing import STATE, Chain, Guessed, chain_of, input_shape
from refsnn.formats.load_report import Entry, Fate, LoadReport
from refsnn.formats.model_file import ModelFile
from refsnn.formats.network_spec import ASKED, GUESS
from refsnn.formats.refusals import refuse, shown

HEAD = """\
# Written by 'refsnn init' from names and shapes of {weights}; it is refused until every guess is confirmed:
# check each line with a key '{guess}', correct it, fill in each {asked}, and delete the key.
"""
ELSEWHERE = (
    "# give the weights, which are in another folder: load('{weights}', spec=this), or MODEL {weights} --spec this\n"
)


@dataclass(frozen=True)
class FirstSpec:
    """The spec's text, and what became of each tensor: mapped, ignored, or part of a guess."""

    text: str
    report: LoadReport


def first_spec(model: ModelFile, target: str | Path) -> FirstSpec:
    """The spec for the weights, as it would stand at `target`. The same file gives the same text."""
    groups = grouped(model)
    chain = chain_of(groups)
    if not chain.nodes:
        refuse(
            "no-layers", model.path, "", "no tensor here looks like a layer's weights (two to four axes)",
            "write the spec by hand; docs/specs.md says how",
        )  # fmt: skip
    shape, guess = input_shape(groups, chain)
    ignored = _ignored(model, chain)
    prefix = _prefix(list(model.tensors))
    beside = os.path.relpath(model.path, Path(target).parent)
    # a spec names files beside it or below it only: what lies elsewhere is given by whoever loads it
    weights = {} if ".." in Path(beside).parts else {"weights": beside}
    head: dict[str, Any] = {"name": Path(target).stem, "input": shape}
    head |= {GUESS: f"input: {guess}"} if guess else {}
    head |= {**weights, **({"prefix": prefix} if prefix else {}), **({"ignore": ignored} if ignored else {})}
    lines = [HEAD.format(weights=shown(Path(model.path).name), guess=GUESS, asked=ASKED)]
    lines += [] if weights else [ELSEWHERE.format(weights=shown(Path(model.path).name))]
    lines += [_flow({key: value})[1:-1] + "\n" for key, value in head.items()]
    taken = {name for node in chain.nodes for name in (*node.tensors, *node.read)}
    lost = [name for name in model.tensors if name not in taken and not _is_state(name)]
    lines += [f"# not placed: {shown(name)} {list(model.tensors[name].shape)}\n" for name in lost]
    lines += ["nodes:\n", *(_line(node, prefix) for node in chain.nodes)]
    return FirstSpec("".join(lines), LoadReport(model.path, model.format.value, _entries(model, chain)))


def _line(node: Guessed, prefix: str) -> str:
    entry = {key: _short(value, prefix) for key, value in node.entry.items()}
    if not node.guess:
        return f"  - {_flow(entry)}\n"
    return f"  - {_flow(entry)[:-1]},\n     {_flow({GUESS: node.guess})[1:]}\n"


def _short(value: Any, prefix: str) -> Any:
    if isinstance(value, dict):
        return {key: _short(each, prefix) for key, each in value.items()}
    if isinstance(value, list):
        return [_short(each, prefix) for each in value]
    return value.removeprefix(prefix) if isinstance(value, str) else value


def _flow(value: Any) -> str:
    """The value as one line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1_000_000, allow_unicode=False)
    return text.strip()


def _prefix(names: list[str]) -> str:
    """The words that all names begin with, where a module's name is left behind them."""
    head = ""
    for word in names[0].split(".")[:-2]:
        longer = f"{head}{word}."
        if not all(name.startswith(longer) and "." in name.removeprefix(longer) for name in names):
            break
        head = longer
    return head


def _is_state(name: str) -> bool:
    return re.split(r"[./]", name)[-1] in STATE


def _ignored(model: ModelFile, chain: Chain) -> list[str]:
    """Patterns for buffers of training, and the tensors whose value stands in the spec."""
    words = sorted({re.split(r"[./]", name)[-1] for name in model.tensors if _is_state(name)})
    return [f"*{word}" for word in words] + [name for node in chain.nodes for name in node.read]


def _entries(model: ModelFile, chain: Chain) -> tuple[Entry, ...]:
    takers = {name: node for node in chain.nodes for name in (*node.tensors, *node.read)}
    lines = []
    for name, values in model.tensors.items():
        node = takers.get(name)
        kind = values.shape, str(values.dtype)
        if node is None:
            why = "a buffer, no parameter" if _is_state(name) else "looks like part of no layer"
            lines.append(Entry(Fate.IGNORED, name, why, *kind, stated=_is_state(name)))
        else:
            fate = Fate.GUESSED if node.guess else Fate.MAPPED
            lines.append(Entry(fate, name, f"{node.entry['name']}{': ' if node.guess else ''}{node.guess}", *kind))
    without = (node for node in chain.nodes if node.guess and not node.tensors)
    return (*lines, *(Entry(Fate.GUESSED, node.entry["name"], node.guess) for node in without))
