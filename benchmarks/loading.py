"""How long opening a model file takes, over the time that reading its bytes takes.

    python benchmarks/loading.py                  # 500 MB as safetensors, PyTorch (zip and legacy), npy and npz
    python benchmarks/loading.py --megabytes 50

Files are made in a temporary folder, without the frameworks, and lie in the page cache. The bytes are read as a program
does that wants them: open(path, "rb").read(). Both take turns. A PyTorch file's checksums are verified, npz too; npz has
its numbers at odd places, so that they are copied once more.
"""

import argparse
import json
import pickle
import struct
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

from refsnn.formats import open_model

TENSORS = 12
STORAGE, OBJECT = b"ctorch\nFloatStorage\n", b"ctorch._utils\n_rebuild_tensor_v2\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--format", choices=["text", "json"], default="text")
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    count = given.megabytes * 10**6 // 4 // TENSORS
    arrays = {f"layer{i}.weight": rng.random(count, np.float32) for i in range(TENSORS)}
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for write in (safetensors, torch, torch_legacy, npy, npz):
            path = Path(folder) / write.__name__
            write(path, arrays)
            found.append(measured(path, given.repeats))
            path.unlink()
    if given.format == "json":
        print(json.dumps(found, indent=2))
        return
    print(f"{given.megabytes} MB in {TENSORS} tensors; shortest of {given.repeats}, seconds")
    print(f"{'':14}{'bytes':>9}{'open_model':>12}{'ratio':>8}")
    for row in found:
        print(f"{row['file']:14}{row['bytes_s']:9.3f}{row['open_s']:12.3f}{row['ratio']:8.2f}")


def measured(path: Path, repeats: int) -> dict[str, object]:
    """The shortest times, after one round to warm up."""
    times: dict[str, list[float]] = {"bytes": [], "open": []}
    for _ in range(repeats + 1):
        for what, read in (("bytes", path.read_bytes), ("open", lambda: open_model(path))):
            start = time.perf_counter()
            content = read()
            times[what].append(time.perf_counter() - start)
            del content
    plain, opening = (min(seconds[1:]) for seconds in times.values())
    return {"file": path.name, "bytes_s": plain, "open_s": opening, "ratio": opening / plain}


def safetensors(path: Path, arrays: dict[str, np.ndarray]) -> None:
    at, header = 0, {}
    for name, array in arrays.items():
        header[name] = {"dtype": "F32", "shape": [len(array)], "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in arrays.values():
            file.write(array)


def torch(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", described(arrays))
        for key, array in enumerate(arrays.values()):
            archive.writestr(padded(archive, f"archive/data/{key}"), array)


def padded(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """A member whose bytes begin at a multiple of 64, as torch.save pads them."""
    item = zipfile.ZipInfo(name)
    start = archive.start_dir + 30 + len(name)
    item.extra = struct.pack("<2H", 0x4246, (-start - 4) % 64) + b"Z" * ((-start - 4) % 64)
    return item


def torch_legacy(path: Path, arrays: dict[str, np.ndarray]) -> None:
    keys = [str(key) for key in range(len(arrays))]
    with path.open("wb") as file:
        for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            file.write(pickle.dumps(value, 2))
        file.write(described(arrays, legacy=True) + pickle.dumps(keys, 2))
        for array in arrays.values():
            file.write(struct.pack("<q", len(array)))
            file.write(array)


def described(arrays: dict[str, np.ndarray], legacy: bool = False) -> bytes:
    """The pickle of a state dict: opcodes, since neither torch nor its classes are here."""
    opcodes = b"\x80\x02}("
    for key, (name, array) in enumerate(arrays.items()):
        identity = text("storage") + STORAGE + text(str(key)) + text("cpu") + number(len(array)) + b"N" * legacy
        tensor = b"(" + identity + b"tQ" + number(0) + number(len(array)) + b"\x85" + number(1) + b"\x85\x89N"
        opcodes += text(name) + OBJECT + b"(" + tensor + b"tR"
    return opcodes + b"u."


def text(word: str) -> bytes:
    return b"X" + struct.pack("<I", len(word)) + word.encode()


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def npy(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with path.open("wb") as file:
        np.save(file, np.concatenate(list(arrays.values())))


def npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)


if __name__ == "__main__":
    main()
