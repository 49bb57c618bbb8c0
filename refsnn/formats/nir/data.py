"""Traces as NIRData, the format of the NIR project for what networks did; nir.read_data reads it."""

from pathlib import Path
from typing import Any

import numpy as np

from refsnn.errors import NothingCompared, SpecError
from refsnn.files import write_atomic
from refsnn.formats.nir.hdf5 import checked_name, image, new_file
from refsnn.trace import Trace

Array = np.ndarray[Any, Any]


def write_trace(trace: Trace, path: str | Path, *, dt: float) -> None:
    """Write the recorded spikes and potentials; the same trace gives the same bytes.

    dt: the length of a step, in seconds. Arrays are [samples, steps, neurons], neurons in a row, channels before rows before
    columns. 'spikes' is bool where a step has at most one, otherwise the numbers of spikes; 'v' is the potential after the
    step, its reset included. What no trace of NIRData has - arithmetic, schedule, digests - stands in attributes of the root.
    """
    write_atomic(path, content_of_trace(trace, dt=dt))


def content_of_trace(trace: Trace, *, dt: float) -> bytes:
    """The file's bytes."""
    if not dt > 0 or not np.isfinite(dt):
        raise SpecError(f"dt {dt!r}, expected the length of a step in seconds, greater than 0")
    recorded = {name: {"spikes": spikes} for name, spikes in trace.spikes.items()}
    for name, v in trace.v.items():
        recorded.setdefault(name, {})["v"] = v
    if not recorded:
        raise NothingCompared("trace: nothing was recorded; simulate with record=Record(spikes=..., v=...)")
    with new_file() as file:
        file.attrs["__type__"] = "NIRGraphData"
        for key in ("arithmetic", "input_digest", "network_digest", "schedule"):
            file.attrs[f"refsnn_{key}"] = getattr(trace, key)
        nodes = file.create_group("nodes")
        for name in sorted(recorded):
            node = nodes.create_group(checked_name(name))
            node.attrs["__type__"] = "NIRNodeData"
            observables = node.create_group("observables")
            for kind, values in sorted(recorded[name].items()):
                grid = observables.create_group(kind)
                grid.attrs["__type__"] = "TimeGriddedData"
                grid.attrs["dt"] = float(dt)
                grid.create_dataset("data", data=_gridded(values), track_times=False)
        return image(file)


def _gridded(values: Array) -> Array:
    """[T, N, ...] as [N, T, neurons]; numbers of spikes that are all 0 or 1 as bool."""
    flat = np.swapaxes(values.reshape(*values.shape[:2], -1), 0, 1)
    single = flat.dtype.kind in "iu" and flat.size and flat.min() >= 0 and flat.max() <= 1
    return np.ascontiguousarray(flat.astype(bool) if single else flat)
