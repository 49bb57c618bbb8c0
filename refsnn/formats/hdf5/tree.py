"""HDF5 files as plain trees of groups and arrays, read by a process that can do nothing else."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np

from refsnn.formats import safetensors_file
from refsnn.formats.hdf5 import child as program
from refsnn.formats.limits import MIB
from refsnn.formats.model_file import Source, Tensors
from refsnn.formats.refusals import CODES, refuse

AGAIN = "copy or save the file again"


@dataclass(frozen=True, eq=False)
class Group:
    """One group. Texts are str, arrays of texts nested tuples of str, everything else numpy arrays, which are read-only
    (attributes without axes: int, float or bool). Attributes of datasets are not read."""  # noqa: D209

    attributes: Mapping[str, Any]
    groups: Mapping[str, "Group"]
    datasets: Mapping[str, Any]


def read_tree(source: Source, extra: str = "nir") -> Group:
    """The root group, with all that is in it.

    Refused: links out of a group's own parts (external, soft, a second name of a group), numbers that lie outside the file
    or were never written, filters beside gzip, shuffle and fletcher32, types beside booleans, integers, floats up to 64 bit
    and texts, and what is over the limits. One dataset under two names is read twice, and counted twice.
    extra: what of ours to install where h5py is missing.
    """
    if find_spec("h5py") is None:
        refuse("missing-extra", source.path, "", "HDF5 files are read with h5py, which is not installed",
               f"pip install 'refsnn[{extra}]'")  # fmt: skip
    return answered(Source(source.path, memoryview(_run(source)), source.limits))


def answered(answer: Source) -> Group:
    """The tree from what the reading process wrote, which is believed no more than a file: the file may have taken it over."""
    try:
        return _tree(safetensors_file.read(answer).tensors)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        refuse("damaged", answer.path, "", f"broke the process that reads it: {error}", AGAIN)


def _run(source: Source) -> bytes:
    """What the reading process wrote; a LoadError for a refusal, a crash, or too long a time."""
    limits = source.limits
    # what a damaged file can make libhdf5 go round in is ended soon; a second is enough for some 100 MB
    seconds = min(limits.child_seconds, 2 + len(source.content) // MIB)
    numbers = {name: value for name, value in asdict(limits).items() if isinstance(value, int)}
    told = numbers | {"child_seconds": seconds, "path": sorted({_installed("h5py"), _installed("numpy")})}
    command = [sys.executable, "-I", program.__file__, json.dumps(told)]
    # one thread's stacks; no plugins from folders that the environment names; no locks
    settings = {"OPENBLAS_NUM_THREADS": "1", "HDF5_PLUGIN_PRELOAD": "::", "HDF5_USE_FILE_LOCKING": "FALSE"}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "env": os.environ | settings}
    with _held(source.content) as file, subprocess.Popen(command, stdin=file, **pipes) as child:  # noqa: S603
        late = threading.Timer(2 * limits.child_seconds, child.kill)
        late.start()
        try:
            assert child.stdout is not None
            kind, length = child.stdout.read(1), int.from_bytes(child.stdout.read(8), "little")
            room = limits.expanded(len(source.content)) + 2 * limits.header_bytes
            output = child.stdout.read(length) if length <= room else b""
        finally:
            late.cancel()
    if child.returncode == program.SHORT:
        code, place, reason, remedy = program.TOO_LARGE
        refuse(code, source.path, place, reason, remedy)
    if child.returncode or len(output) != length or kind not in (program.TREE, program.REFUSED):
        refuse("damaged", source.path, "", _end(child.returncode, seconds), AGAIN)
    if kind == program.REFUSED:
        _repeat(source, output)
    return output


def _end(status: int, seconds: int) -> str:
    """How the reading process ended that gave no answer."""
    if status == -getattr(signal, "SIGXCPU", 0):
        return f"keeps the process that reads it busy for more than {seconds} s"
    if status == program.HALFWAY:
        return "holds numbers that do not unpack, or do not have their checksum"
    return f"broke the process that reads it ({f'signal {-status}' if status < 0 else f'status {status}'})"


def _installed(name: str) -> str:
    """The folder that a package is imported from: the reading process is told it, and looks in no other of ours."""
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parents[1])


def _held(content: memoryview) -> IO[bytes]:
    """The bytes as an open file that has no name, at its beginning."""
    in_memory = hasattr(os, "memfd_create")
    file = os.fdopen(os.memfd_create("model"), "r+b") if in_memory else tempfile.TemporaryFile()  # noqa: SIM115
    file.write(content)
    file.seek(0)
    return file


def _repeat(source: Source, said: bytes) -> NoReturn:
    """Raise what the reading process refused for."""
    try:
        code, place, reason, remedy = json.loads(said)
    except ValueError:
        code, place, reason, remedy = "damaged", "", "broke the process that reads it", AGAIN
    refuse(code if code in CODES else "damaged", source.path, place, reason, remedy)


def _tree(tensors: Tensors) -> Group:
    """The groups from the lists that walk.Walk made; a parent stands before its children."""
    told = json.loads(bytes(tensors["tree"]))

    def value(said: Any) -> Any:
        if isinstance(said, dict):
            array = np.asarray(tensors[str(said["array"])])
            array.flags.writeable = False
            return array
        return tuple(map(value, said)) if isinstance(said, list) else said

    groups: list[tuple[dict[str, Any], dict[str, Group], dict[str, Any]]] = []
    found: list[Group] = []
    for number, (parent, name, attributes) in enumerate(told["groups"]):
        if not -1 <= parent < number or (parent < 0) != (number == 0):  # else a tree could contain itself
            raise ValueError(f"group {number} in group {parent}")
        parts: tuple[dict[str, Any], dict[str, Group], dict[str, Any]] = (
            {key: value(said) for key, said in attributes.items()}, {}, {},
        )  # fmt: skip
        groups.append(parts)
        found.append(Group(*parts))
        if parent >= 0:
            groups[parent][1][name] = found[-1]
    for parent, name, said in told["datasets"]:
        if parent < 0:
            raise ValueError(f"a dataset in group {parent}")
        groups[parent][2][name] = value(said)
    return found[0]
