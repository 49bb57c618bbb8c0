"""The program that reads an HDF5 file: a process of its own, because libhdf5 follows names to other files, and crashes.

Run by tree.py as `python -I child.py '{"parts": …}'`, with the file's bytes on standard input. It writes one byte
(TREE or REFUSED), 8 bytes of length, and a safetensors file, or a refusal's four texts as JSON. Once the libraries are loaded
it gives up the right to open any file, to start a process, to write a file and to grow, so that the rest holds even where
the walk below is wrong. It imports nothing of refsnn, whose libraries would cost more memory than the file.
"""

import codecs
import contextlib
import json
import math
import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from refsnn.formats.hdf5.walk import Walk

TREE, REFUSED = b"t", b"r"
HALFWAY, SHORT = 4, 5  # exit status: numbers could not be read after others were sent; for want of memory
# bytes for names, attributes and texts, whose sizes are not known before they are read; and 8 times the file
WALK = 24 << 20
TOO_LARGE = ("too-large", "", "needs more memory than a file of its size should", "raise Limits.child_bytes")
LONGEST = 500  # characters of a place or reason


def beside(name: str) -> Any:
    """The module of this folder, without the package around it."""
    spec = spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


walking = beside("walk")


def confine(limits: dict[str, int], file_bytes: int) -> None:
    """Give up what reading numbers does not need. RLIMIT_NOFILE 0: what is open stays open, nothing else opens."""
    with contextlib.suppress(ImportError):  # Windows has none of these; the parent's clock stands
        import resource

        for name in ("ascii", "utf-8"):
            codecs.lookup(name)  # h5py asks for them later, when their modules could not be opened any more
        room = limits["child_bytes"] + 3 * file_bytes
        try:
            with open("/proc/self/statm") as sizes:
                used = int(sizes.read().split()[0]) * resource.getpagesize()
        except OSError:  # Linux alone has it
            used = room
        little = min(room, used + WALK + 8 * file_bytes)
        for kind, soft, hard in (
            (resource.RLIMIT_AS, little, room),
            (resource.RLIMIT_CPU, limits["child_seconds"], limits["child_seconds"] + 1),
            (resource.RLIMIT_FSIZE, 0, 0),
            (resource.RLIMIT_CORE, 0, 0),
            (resource.RLIMIT_NPROC, 0, 0),
            (resource.RLIMIT_NOFILE, 0, 0),
        ):
            _, most = resource.getrlimit(kind)
            most = hard if most == resource.RLIM_INFINITY else min(hard, most)
            with contextlib.suppress(ValueError, OSError):  # macOS knows RLIMIT_AS and refuses it
                resource.setrlimit(kind, (min(soft, most), most))


def loosen() -> None:
    """Let the tensors have all the memory that the process may have: their sizes were checked."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def send(walk: "Walk", file: Any, stream: Any) -> None:
    """Write the tree and the arrays as safetensors. One array is in memory at a time."""
    np = walk.np
    names = {"f2": "F16", "f4": "F32", "f8": "F64", "b1": "BOOL"} | {
        f"{kind}{size}": f"{kind.upper()}{8 * size}" for kind in "iu" for size in (1, 2, 4, 8)
    }
    tree = _even(json.dumps({"groups": walk.groups, "datasets": walk.datasets}).encode())
    header: dict[str, Any] = {"tree": {"dtype": "U8", "shape": [len(tree)], "data_offsets": [0, len(tree)]}}
    end = len(tree)
    kinds = [(a.shape, a.dtype) if isinstance(a, np.ndarray) else a[1:] for a in walk.arrays]
    # the widest first: every number lies at a multiple of its size
    order = sorted(range(len(kinds)), key=lambda index: -kinds[index][1].itemsize)
    for index in order:
        shape, dtype = kinds[index]
        size = math.prod(shape) * dtype.itemsize
        kind = names[f"{dtype.kind}{dtype.itemsize}"]
        header[str(index)] = {"dtype": kind, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    head = _even(json.dumps(header).encode())
    stream.write(TREE + (8 + len(head) + end).to_bytes(8, "little") + len(head).to_bytes(8, "little") + head + tree)
    everything = walk.h5.h5s.ALL
    for index in order:
        array, walk.arrays[index] = walk.arrays[index], None
        if not isinstance(array, np.ndarray):
            path, shape, dtype = array
            dataset = walk.h5.h5o.open(file, path.encode())
            array = walk.read(lambda a, d=dataset: d.read(everything, everything, a), shape, dtype)
        stream.write(array.tobytes() if array.size < 1024 else memoryview(array).cast("B"))


def _even(text: bytes) -> bytes:
    """The JSON with spaces behind it up to a multiple of 8 bytes."""
    return text + b" " * (-len(text) % 8)


def opened(h5py: Any, content: bytes) -> Any:
    """The file's identifier, over a copy of the bytes in memory: no name is ever opened."""
    plan = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    plan.set_fapl_core(1 << 16, False)
    plan.set_cache(0, 1, 0, 0.0)  # every piece is read once
    plan.set_file_image(content)
    try:
        file = h5py.h5f.open(b"memory", h5py.h5f.ACC_RDONLY, plan)
    except OSError as error:
        code = "truncated" if "truncated file" in str(error) else "damaged"
        raise walking.Refusal(code, "", f"not readable as HDF5: {error}", "copy or save the file again") from None
    if file.get_create_plist().get_userblock():
        walking.refuse("unknown-format", "", "an HDF5 file behind other bytes (a user block)")
    return file


def main() -> None:
    """Read, and write the answer to standard output."""
    limits: dict[str, Any] = json.loads(sys.argv[1])
    sys.path += limits.pop("path")
    output = sys.stdout.buffer
    try:
        import h5py
        import numpy

        content = os.fdopen(0, "rb", closefd=False).read()
        confine(limits, len(content))
        size = len(content)
        file = opened(h5py, content)
        del content
        walk = walking.Walk(h5py, numpy, limits, size)
        walk.group(h5py.h5g.open(file, b"/"), -1, "", ())
        walk.check_overlap()
        loosen()
        try:
            send(walk, file, output)
            output.flush()
        except Exception as why:  # nothing more may be written: it would be taken for numbers
            os._exit(SHORT if isinstance(why, MemoryError) or "memory allocation failed" in str(why) else HALFWAY)
        return
    except walking.Refusal as why:
        said = why.args
    except ImportError as why:
        what = f"HDF5 files are read with h5py, which does not load: {why}"
        said = ("missing-extra", "", what, "pip install 'refsnn[nir]'")
    except MemoryError:
        said = TOO_LARGE
    except Exception as why:  # whatever libhdf5 finds wrong with a file comes as any of a dozen types
        said = ("damaged", "", f"not readable as HDF5: {type(why).__name__}: {why}", "copy or save the file again")
        said = TOO_LARGE if "memory allocation failed" in str(why) else said
    told = json.dumps([str(text)[:LONGEST] for text in said]).encode()
    output.write(REFUSED + len(told).to_bytes(8, "little") + told)
    output.flush()


if __name__ == "__main__":
    main()
    os._exit(0)  # without h5py's closing of identifiers, which has crashed on broken files
