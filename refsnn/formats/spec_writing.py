"""Networks -> a spec and the weights beside it."""

import json
from dataclasses import MISSING, fields
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors.numpy import save

from refsnn.errors import SpecError
from refsnn.files import write_together
from refsnn.formats.defaults import telling
from refsnn.formats.model_file import Tensors
from refsnn.layers import default_of
from refsnn.network import INPUT, Network


def dump(network: Network, path: str | Path) -> tuple[Path, Path]:
    """Write the network as spec (`path`, .yaml) and weights (beside it, .safetensors); load() gives it back exactly.

    The same network gives the same bytes, and nothing that load reports is left to a default. Returns both paths.
    """
    target = Path(path)
    if target.suffix not in (".yaml", ".yml"):
        raise SpecError(
            f"{target}: a network is written as a spec and weights beside it; name the spec, '{target.stem}.yaml'"
        )
    weights = target.with_suffix(".safetensors")
    entries, tensors = described(network)
    lines = [
        "  - " + yaml.safe_dump(entry, default_flow_style=True, sort_keys=False, width=10_000).strip()
        for entry in entries
    ]
    head = yaml.safe_dump(
        {"name": network.name, "input": list(network.input_shape), "weights": weights.name},
        default_flow_style=None, sort_keys=False,
    )  # fmt: skip
    # one metadata key: with two, their order in the file changes from run to run
    content = save(tensors, {"refsnn": json.dumps({"network": network.name, "digest": network.digest})})
    write_together({weights: content, target: (head + "nodes:\n" + "\n".join(lines) + "\n").encode()})
    return target, weights


def described(network: Network) -> tuple[list[dict[str, Any]], Tensors]:
    """The nodes as a spec lists them, and the tensors that they name."""
    entries, tensors = [], {}
    for index, node in enumerate(network.nodes):
        entry: dict[str, Any] = {"name": node.name, "layer": type(node.layer).__name__}
        if node.edges != ((network.nodes[index - 1].name if index else INPUT, 0),):
            entry["inputs"] = [{"from": name, "delay": delay} if delay else name for name, delay in node.edges]
        for item in fields(node.layer):
            value = getattr(node.layer, item.name)
            if isinstance(value, np.ndarray):
                tensors[f"{node.name}.{item.name}"] = np.ascontiguousarray(value)
                value = f"{node.name}.{item.name}"
            elif (
                item.name not in telling(type(node.layer)) and item.default is not MISSING and value == default_of(item)
            ):
                continue
            entry[item.name] = _plain(value)
        entries.append(entry)
    return entries, tensors


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    return list(value) if isinstance(value, tuple) else value
