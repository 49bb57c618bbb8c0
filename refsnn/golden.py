"""Golden files: record a run, compare another one with it bit for bit, name the first divergence.

One safetensors file: per spiking node counts, residual potentials and, where recorded, spikes (bit-packed) and
potentials; the readout; and in one JSON text what it was made from, with a sha256 of every array. Reading it runs nothing.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from refsnn.errors import GoldenError, NothingCompared
from refsnn.files import write_atomic
from refsnn.findings import Finding
from refsnn.trace import Trace

Array = np.ndarray[Any, Any]
SCHEMA = "refsnn.golden/1"
IDENTITY = ("network_digest", "input_digest", "arithmetic", "schedule", "steps")  # equal, or the golden is stale


@dataclass(frozen=True, kw_only=True)
class GoldenVerdict:
    """True when every recorded value was found again, bit for bit."""

    golden: str
    compared: int  # values
    findings: tuple[Finding, ...]  # the first divergence, in the order of cause: step, then layer
    differing: dict[str, int]  # array -> values that differ

    def __bool__(self) -> bool:
        return not self.findings

    def __str__(self) -> str:
        if self:
            return f"{self.golden}: equal, {self.compared} values compared"
        first = self.findings[0]
        rows = [f"{self.golden}: FAILED", f"First divergence   {first.place}", f"  {first.difference}"]
        rows += [f"  {name}: {count} values differ" for name, count in list(self.differing.items())[:20]]
        return "\n".join(rows)


def record(trace: Trace, path: str | Path) -> None:
    """Write what `trace` kept to the file at `path`; the same trace gives the same bytes."""
    arrays = dict(_arrays(trace))
    manifest = {
        "schema": SCHEMA,
        "network": trace.network,
        **{key: getattr(trace, key) for key in IDENTITY},
        "order": list(trace.counts),
        "arrays": {name: _described(values) for name, values in arrays.items()},
    }
    stored = {name: _packed(values) for name, values in arrays.items()}
    text = json.dumps(manifest, sort_keys=True)
    # one metadata key: with two, their order in the file changes from run to run
    write_atomic(path, save(stored, {"golden": json.dumps({"manifest": text, "sha256": _sha(text.encode())})}))


def check(path: str | Path, candidate: Trace) -> GoldenVerdict:
    """Compare `candidate` with the golden file.

    Raises GoldenError when the file is missing, tampered with, or stale (recorded for another network, input, arithmetic,
    schedule or number of steps); NothingCompared when the candidate lacks what was recorded.
    """
    manifest, golden = _read(path)
    for key in IDENTITY:
        if manifest[key] != getattr(candidate, key):
            raise GoldenError(
                f"{path}: stale: recorded for {key} {_short(manifest[key])}, the candidate has "
                f"{_short(getattr(candidate, key))}; record it again on purpose or check the right run"
            )
    actual = dict(_arrays(candidate))
    missing = [name for name in golden if name not in actual]
    if missing:
        raise NothingCompared(
            f"{path}: holds {missing[0]}, which the candidate did not record; run it with that recorded"
        )
    differing = {name: n for name in golden if (n := _unequal(golden[name], actual[name]))}
    first = next(_divergences(manifest["order"], golden, actual, differing), None)
    compared = sum(values.size for values in golden.values())
    return GoldenVerdict(golden=str(path), compared=compared, findings=(first,) if first else (), differing=differing)


def recorded(path: str | Path) -> dict[str, Any]:
    """What the golden file says of itself: network, digests, steps, and its arrays with their shapes."""
    return _read(path)[0]


def _arrays(trace: Trace) -> Iterator[tuple[str, Array]]:
    """Name -> values of everything a trace kept."""
    for kind in ("spikes", "v", "counts", "residual"):
        for node, values in getattr(trace, kind).items():
            yield f"{kind}/{node}", np.ascontiguousarray(values)
    yield "readout", np.ascontiguousarray(trace.readout)


def _packed(values: Array) -> Array:
    return np.packbits(values.ravel(), bitorder="little") if values.dtype == np.bool_ else values


def _unpacked(stored: Array, shape: list[int], dtype: str) -> Array:
    if dtype != "bool":
        return stored.reshape(shape)
    if stored.size != -(-prod(shape) // 8):  # a larger count would be filled up with zeros, however large
        raise ValueError(f"{stored.size} bytes of spikes for shape {shape}")
    return np.unpackbits(stored, count=prod(shape), bitorder="little").astype(np.bool_).reshape(shape)


def _described(values: Array) -> dict[str, Any]:
    return {"dtype": str(values.dtype), "shape": list(values.shape), "sha256": _sha(_packed(values).tobytes())}


def _read(path: str | Path) -> tuple[dict[str, Any], dict[str, Array]]:
    if not Path(path).is_file():
        raise GoldenError(f"{path}: missing; record it with 'refsnn golden record'")
    try:
        with safe_open(str(path), framework="numpy") as file:
            envelope = json.loads((file.metadata() or {}).get("golden", "null"))
            stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise GoldenError(f"{path}: not readable as a golden file: {error}; record it again") from error
    if not isinstance(envelope, dict) or _sha(str(envelope.get("manifest")).encode()) != envelope.get("sha256"):
        raise GoldenError(f"{path}: tampered with: its manifest does not match its digest; record it again")
    try:
        return _unfolded(path, json.loads(envelope["manifest"]), stored)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise GoldenError(f"{path}: its manifest is not one of ours ({error!r}); record it again") from error


def _unfolded(
    path: str | Path, manifest: dict[str, Any], stored: dict[str, Array]
) -> tuple[dict[str, Any], dict[str, Array]]:
    """The manifest and the arrays as they were recorded, after comparing them with their digests."""
    if manifest["schema"] != SCHEMA:
        raise GoldenError(f"{path}: written as {manifest['schema']}, this version reads {SCHEMA}; record it again")
    if set(manifest["arrays"]) != set(stored):
        raise GoldenError(f"{path}: tampered with: its arrays are not those of its manifest; record it again")
    for name, described in manifest["arrays"].items():
        if _sha(stored[name].tobytes()) != described["sha256"]:
            raise GoldenError(f"{path}: tampered with: {name} does not match its digest; record it again")
    arrays = {name: _unpacked(stored[name], d["shape"], d["dtype"]) for name, d in manifest["arrays"].items()}
    missing = [key for key in (*IDENTITY, "order") if key not in manifest]
    if missing or "readout" not in arrays:
        raise KeyError(*missing or ["readout"])
    return manifest, arrays


def _unequal(expected: Array, actual: Array) -> int:
    """How many values differ in any bit; another dtype or shape differs everywhere."""
    if expected.dtype != actual.dtype or expected.shape != actual.shape:
        return max(expected.size, actual.size)
    width = expected.dtype.itemsize
    bits = (np.ascontiguousarray(a).view(np.uint8).reshape(-1, width) for a in (expected, actual))
    return int((next(bits) != next(bits)).any(1).sum())


def _divergences(
    order: list[str], golden: dict[str, Array], actual: dict[str, Array], differing: dict[str, int]
) -> Iterator[Finding]:
    """The first difference in the order of cause: for each step the layers in order, then what was summed up."""
    for name in differing:
        if golden[name].dtype != actual[name].dtype or golden[name].shape != actual[name].shape:
            yield Finding(law=f"dtype and shape of {name}", node=name.rpartition("/")[2], step=None, sample=None, index=None,
                          expected=f"{golden[name].dtype}{list(golden[name].shape)}",
                          actual=f"{actual[name].dtype}{list(actual[name].shape)}")  # fmt: skip
    by_step = [f"{kind}/{node}" for node in order for kind in ("spikes", "v")] + ["readout"]
    steps = len(golden["readout"])
    for t in range(steps):
        for name in by_step:
            if name in differing and _unequal(golden[name][t], actual[name][t]):
                yield _finding(name, golden[name][t], actual[name][t], t + 1)
    for name in differing:
        yield _finding(name, golden[name], actual[name], None)


def _finding(name: str, expected: Array, actual: Array, step: int | None) -> Finding:
    width = expected.dtype.itemsize
    bits = [np.ascontiguousarray(a).view(np.uint8).reshape(*a.shape, width) for a in (expected, actual)]
    sample, *index = (int(i) for i in np.argwhere((bits[0] != bits[1]).any(-1))[0])
    kind, _, node = name.rpartition("/")
    value = (sample, *index)
    cause = ""
    if kind == "spikes":
        cause = "a spike is missing" if expected[value] else "a spike too many"
    return Finding(law=kind or "readout", node=node, step=step, sample=sample, index=tuple(index),
                   expected=expected[value].item(), actual=actual[value].item(), cause=cause)  # fmt: skip


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _short(value: Any) -> Any:
    return f"{value[:12]}..." if isinstance(value, str) and len(value) == 64 else value
