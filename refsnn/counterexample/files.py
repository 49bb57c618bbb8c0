"""Cases as files: YAML that a person can read and a test suite can keep."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from refsnn import specs
from refsnn.arithmetic import finite
from refsnn.counterexample.case import Case
from refsnn.errors import SpecError, did_you_mean
from refsnn.files import write_atomic
from refsnn.formats.model_file import Tensors
from refsnn.formats.network_spec import network_of
from refsnn.formats.spec_writing import described
from refsnn.network import Network
from refsnn.schedules import schedule_of

KEYS = ["case", "origin", "cause", "steps", "schedule", "input", "x", "tensors", "source", "snn"]
VERSION = 1
HEAD = "# A case in which a spiking network leaves its source. Replay it: refsnn verify --case {name}\n"


def save_case(case: Case, path: str | Path, cause: str = "") -> Path:
    """Write the case; load_case gives it back exactly. The same case gives the same bytes."""
    target = Path(path)
    source, in_source = _described(case.source, "source")
    snn, in_snn = _described(case.snn, "snn")
    document = {
        "case": VERSION,
        "origin": case.origin,
        "cause": cause,
        "steps": case.steps,
        "schedule": case.schedule,
        "input": list(case.snn.input_shape),
        "x": case.x.tolist(),
        "tensors": {name: values.tolist() for name, values in (in_source | in_snn).items()},
        "source": source,
        "snn": snn,
    }
    text = yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=120)
    if len(text) > specs.MAX_BYTES:
        raise SpecError(
            f"{target}: the case would take {len(text):,} bytes; only cases up to {specs.MAX_BYTES:,} are kept"
        )
    write_atomic(target, (HEAD.format(name=target.name) + text).encode())
    return target


def load_case(path: str | Path) -> Case:
    """The case of a file. Raises SpecError with file, line and column, ShapeError where its parts do not fit."""
    document = specs.read(path)
    data = document.data
    if not isinstance(data, dict):
        raise document.error((), "expected a case as 'refsnn verify --search' writes it")
    for key in data:
        if key not in KEYS:
            raise document.error((key,), f"unknown key{did_you_mean(key, KEYS)}")
    for key in KEYS:
        if key not in data:
            raise document.error((), f"missing key {key!r}")
    if data["case"] != VERSION:
        raise document.error(("case",), f"expected version {VERSION}, got {data['case']!r}")
    steps: int = specs.build(specs.Count, document, data["steps"], ("steps",))
    schedule_of(str(data["schedule"]))
    tensors = _tensors(document)
    sizes: list[int] = specs.build(list[specs.Count], document, data["input"], ("input",))
    shape = tuple(sizes)
    networks = []
    for key in ("source", "snn"):
        if not isinstance(data[key], list):
            raise document.error((key,), "expected a list of nodes")
        networks.append(network_of(document, "case", shape, key, tensors, document.path))
    x = _array(document, ("x",), data["x"])
    if x.shape != shape:
        raise document.error(("x",), f"has shape {list(x.shape)}, but input is {list(shape)}")
    return Case(networks[0], networks[1], x, steps, str(data["schedule"]), str(data["origin"]))


def _described(network: Network, prefix: str) -> tuple[list[dict[str, Any]], Tensors]:
    """The nodes with the names of their tensors, which two networks of one file must not share."""
    entries, tensors = described(network)
    names = {name: f"{prefix}.{name}" for name in tensors}
    renamed = [
        {key: names.get(value, value) if isinstance(value, str) else value for key, value in entry.items()}
        for entry in entries
    ]
    return renamed, {names[name]: values for name, values in tensors.items()}


def _tensors(document: specs.Document) -> Tensors:
    given = document.data["tensors"]
    if not isinstance(given, dict):
        raise document.error(("tensors",), "expected names and numbers")
    return {name: _array(document, ("tensors", name), values) for name, values in given.items()}


def _array(document: specs.Document, where: specs.Path_, values: Any) -> np.ndarray[Any, Any]:
    try:
        array = np.array(values, np.float64)
    except (TypeError, ValueError) as error:
        raise document.error(where, "expected numbers, in lists of equal length") from error
    return finite(f"{document.path}: {'.'.join(map(str, where))}", array)
