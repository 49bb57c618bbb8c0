"""The program that reads an HDF5 file: a process of its own, because libhdf5 follows names to other files, and crashes.

Run by hdf5_tree as `python -I hdf5_child.py '{"parts": …}'`, with the file's bytes on standard input. It writes one byte
(TREE or REFUSED), 8 bytes of length, and a safetensors file, or a refusal's four texts as JSON. Once the libraries are loaded
it gives up the right to open any file, to start a process, to write a file and to grow, so that the rest holds even where
the walk below is wrong. It imports nothing of refsnn, whose libraries would cost more memory than the file.
"""

import codecs
import contextlib
import itertools
import json
import math
import os
import sys
from typing import Any, NoReturn

TREE, REFUSED = b"t", b"r"
WALK = (
    24 << 20
)  # bytes for names, attributes and texts, whose sizes are not known before they are read; and 8 times the file
TOO_LARGE = (
    "too-large",
    "",
    "needs more memory than a file of its size should",
    "raise Limits.child_bytes, or save it as npz",
)
LONGEST = 500  # characters of a place or reason


class Refusal(Exception):
    """code, place, reason, remedy, as refsnn.formats.refusals.refuse takes them."""


def refuse(code: str, place: str, reason: str, remedy: str = "save it again as npz or safetensors") -> NoReturn:
    raise Refusal(code, place, reason, remedy)


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
        walking = min(room, used + WALK + 8 * file_bytes)
        for kind, soft, hard in (
            (resource.RLIMIT_AS, walking, room),
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


class Walk:
    """Every group and dataset of one open file, as lists that JSON can hold; arrays are only noted, to be read later."""

    def __init__(self, h5py: Any, numpy: Any, limits: dict[str, int], file_bytes: int) -> None:
        self.h5, self.np, self.limits, self.file_bytes = h5py, numpy, limits, file_bytes
        self.groups: list[list[Any]] = []  # [number of the parent, name, attributes]
        self.datasets: list[list[Any]] = []  # [number of the group, name, text or number of the array]
        # what tensor i is read from: (path, shape, dtype), or an array that an attribute held
        self.arrays: list[Any] = []
        # of numbers in one piece: (first byte, last + 1, address, path)
        self.places: list[tuple[int, int, int, str]] = []
        self.seen: dict[int, str] = {}
        self.parts = self.declared = self.described = 0

    def part(self, place: str) -> None:
        self.parts += 1
        if self.parts > self.limits["parts"]:
            refuse("nesting", place, f"more than {self.limits['parts']} groups, datasets and attributes")

    def describe(self, place: str, size: int) -> None:
        """Count bytes of text and attributes, which are descriptions and have one limit together."""
        self.described += size
        if self.described > self.limits["header_bytes"]:
            refuse("too-large", place, f"more than {self.limits['header_bytes']} bytes of text and attributes")

    def group(self, group: Any, parent: int, name: str, above: tuple[str, ...]) -> None:
        place = "/".join((*above, name))
        address = self.h5.h5o.get_info(group).addr
        if address in self.seen:
            first = self.seen[address]
            inside = place == first or place.startswith(first + "/")
            refuse(
                "cycle", place, "a group that contains itself" if inside else f"a second name of the group {first!r}"
            )
        if len(above) > self.limits["depth"]:
            refuse("nesting", place, f"groups more than {self.limits['depth']} deep")
        self.seen[address] = place
        number = len(self.groups)
        self.groups.append([parent, name, self.attributes(group, place)])
        for link in self.links(group, place):
            inner = f"{place}/{link}"
            part = self.h5.h5o.open(group, link.encode())
            if isinstance(part, self.h5.h5g.GroupID):
                self.group(part, number, link, (*above, name))
            elif isinstance(part, self.h5.h5d.DatasetID):
                self.datasets.append([number, link, self.dataset(part, inner)])
            else:
                refuse("unsupported-type", inner, "a named data type, which is neither group nor dataset")

    def links(self, group: Any, place: str) -> list[str]:
        """The names in a group, in the order of their bytes; every one a hard link."""
        found: list[tuple[str, int]] = []

        def note(raw: bytes, info: Any) -> bool:  # may not raise: libhdf5 is the caller
            found.append((raw.decode("utf-8", "replace"), int(info.type)))
            return len(found) > self.limits["parts"]

        group.links.iterate(note, info=True)
        for name, kind in found:
            inner = f"{place}/{name}"
            self.part(inner)
            if kind == self.h5.h5l.TYPE_EXTERNAL:
                refuse("outside-file", inner, "a link to another file", "save the arrays into the file itself")
            if kind != self.h5.h5l.TYPE_HARD:
                refuse("outside-file", inner, "a link by name, which may lead anywhere", "save without soft links")
            if name in ("", ".", "..") or "/" in name or "\0" in name or "\ufffd" in name:
                refuse("unsafe-name", inner, "a name that is a path, or no UTF-8")
        return sorted(name for name, _ in found)

    def attributes(self, group: Any, place: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for index in range(self.h5.h5a.get_num_attrs(group)):
            attribute = self.h5.h5a.open(group, index=index)
            name = attribute.name.decode("utf-8") if isinstance(attribute.name, bytes) else attribute.name
            inner = f"{place}@{name}"
            self.part(inner)
            shape = self.shape(attribute, inner)
            dtype = self.dtype(attribute, inner)
            self.describe(inner, math.prod(shape) * attribute.get_type().get_size() + len(name))
            self.extent(math.prod(shape), inner)
            value = self.read(attribute.read, shape, dtype)
            if dtype.kind in "OS":
                found[name] = self.text(value, inner)
            elif not shape:
                found[name] = value.item()
            else:
                self.arrays.append(value)
                found[name] = {"array": len(self.arrays) - 1}
        return found

    def extent(self, count: int, place: str) -> None:
        if count > self.limits["parts"]:
            refuse("nesting", place, f"{count} texts or numbers, at most {self.limits['parts']} are read")

    def dataset(self, dataset: Any, place: str) -> Any:
        self.part(place)
        shape, dtype = self.shape(dataset, place), self.dtype(dataset, place)
        self.stored(dataset, place, shape)
        if dtype.kind not in "OS":
            self.arrays.append((place, shape, dtype))
            return {"array": len(self.arrays) - 1}
        self.extent(math.prod(shape), place)
        if not shape:
            return self.text(self.read(lambda a: dataset.read(self.h5.h5s.ALL, self.h5.h5s.ALL, a), (), dtype), place)
        texts = self.np.empty(shape, dtype=object)
        for at in itertools.product(*map(range, shape)):  # one by one: many may name the same long text
            texts[at] = self.text(self.element(dataset, at, dtype), place)
        return texts.tolist()

    def element(self, dataset: Any, at: tuple[int, ...], dtype: Any) -> Any:
        where = dataset.get_space()
        where.select_hyperslab(at, (1,) * len(at))
        one = self.h5.h5s.create_simple((1,))
        return self.read(lambda a: dataset.read(one, where, a), (1,), dtype).reshape(())

    def read(self, how: Any, shape: tuple[int, ...], dtype: Any) -> Any:
        array = self.np.zeros(shape, dtype)
        if math.prod(shape):
            how(array)
        return array

    def text(self, value: Any, place: str) -> Any:
        """Str for a text, nested lists of str for an array of texts."""
        if value.ndim:
            return [self.text(self.np.asarray(part, value.dtype), place) for part in value]
        raw = value.item()
        raw = raw.encode("utf-8", "surrogateescape") if isinstance(raw, str) else bytes(raw or b"")
        self.describe(place, len(raw))
        return raw.decode("utf-8")

    def shape(self, part: Any, place: str) -> tuple[int, ...]:
        space = part.get_space()
        if space.get_simple_extent_type() == self.h5.h5s.NULL:
            refuse("unsupported-type", place, "holds nothing (a null dataspace)")
        return tuple(int(n) for n in space.get_simple_extent_dims())

    def dtype(self, part: Any, place: str) -> Any:
        """The numpy type to read into; refused: everything but booleans, integers, floats up to 64 bit and texts."""
        dtype = part.dtype
        plain = dtype.kind in "iufb" and dtype.itemsize <= 8 and self.h5.check_enum_dtype(dtype) is None
        text = self.h5.check_string_dtype(dtype) is not None
        if not (plain or text) or dtype.subdtype is not None:
            known = (
                "a compound, reference, enumeration or variable-length type" if dtype.kind in "OV" else f"type {dtype}"
            )
            refuse("unsupported-type", place, f"{known}; booleans, integers, floats up to 64 bit and texts are read")
        return dtype if text else dtype.newbyteorder("=")

    def stored(self, dataset: Any, place: str, shape: tuple[int, ...]) -> None:
        """Refuse a dataset whose bytes are elsewhere, are not there, or would unpack to too many."""
        h5, plan = self.h5, dataset.get_create_plist()
        layout = plan.get_layout()
        if plan.get_external_count():
            refuse("outside-file", place, "its numbers lie in another file", "save the arrays into the file itself")
        if layout not in (h5.h5d.COMPACT, h5.h5d.CONTIGUOUS, h5.h5d.CHUNKED):
            refuse("outside-file", place, "a virtual dataset, made of other datasets", "save the arrays themselves")
        filters = [plan.get_filter(index)[0] for index in range(plan.get_nfilters())]
        for code in filters:
            if code not in (h5.h5z.FILTER_DEFLATE, h5.h5z.FILTER_SHUFFLE, h5.h5z.FILTER_FLETCHER32):
                refuse("unsupported-type", place, f"packed by filter {code}; gzip, shuffle and fletcher32 are read",
                       "save it with compression='gzip' or none")  # fmt: skip
        item = dataset.get_type().get_size()
        declared, there = math.prod(shape) * item, dataset.get_storage_size()
        self.declared += declared
        unpacked = declared
        if layout == h5.h5d.CHUNKED and declared:
            chunk = plan.get_chunk()
            pieces = math.prod(-(-n // c) for n, c in zip(shape, chunk, strict=True))
            unpacked = max(declared, math.prod(chunk) * item)  # one piece at least is unpacked whole
            if filters:
                self.expands(place, unpacked, there)
            if pieces > self.file_bytes or pieces != dataset.get_num_chunks():
                refuse("size-lie", place, f"declares {declared} bytes in {pieces} pieces; not all are there")
        elif declared and layout == h5.h5d.CONTIGUOUS:
            at = dataset.get_offset() or 0
            if at + declared > self.file_bytes:
                refuse("size-lie", place, f"declares {declared} bytes that the file does not have")
            self.places.append((at, at + declared, h5.h5o.get_info(dataset).addr, place))
        if (not filters and there < declared) or there > self.file_bytes:
            refuse("size-lie", place, f"declares {declared} bytes, {there} are stored")
        self.expands("/", self.declared, self.file_bytes)

    def check_overlap(self) -> None:
        """Refuse two datasets that share bytes; one dataset under two names is one."""
        self.places.sort()
        for (_, end, first, _), (at, _, second, place) in itertools.pairwise(self.places):
            if at < end and first != second:
                refuse("overlap", place, "shares bytes with another dataset")

    def expands(self, place: str, declared: int, there: int) -> None:
        if declared > max(self.limits["floor"], self.limits["ratio"] * there):
            refuse("expansion", place, f"declares {declared} bytes, of which {there} are stored",
                   "raise Limits.ratio if the file is trusted")  # fmt: skip


def send(walk: Walk, file: Any, stream: Any) -> None:
    """Write the tree and the arrays as safetensors. One array is in memory at a time."""
    np = walk.np
    names = {"f2": "F16", "f4": "F32", "f8": "F64", "b1": "BOOL"} | {
        f"{kind}{size}": f"{kind.upper()}{8 * size}" for kind in "iu" for size in (1, 2, 4, 8)
    }
    tree = _even(json.dumps({"groups": walk.groups, "datasets": walk.datasets}).encode())
    header: dict[str, Any] = {"tree": {"dtype": "U8", "shape": [len(tree)], "data_offsets": [0, len(tree)]}}
    end = len(tree)
    kinds = [(a.shape, a.dtype) if isinstance(a, np.ndarray) else a[1:] for a in walk.arrays]
    order = sorted(
        range(len(kinds)), key=lambda index: -kinds[index][1].itemsize
    )  # every number lies at a multiple of its size
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
        raise Refusal(code, "", f"not readable as HDF5: {error}", "copy or save the file again") from None
    if file.get_create_plist().get_userblock():
        refuse("unknown-format", "", "an HDF5 file behind other bytes (a user block)")
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
        walk = Walk(h5py, numpy, limits, size)
        walk.group(h5py.h5g.open(file, b"/"), -1, "", ())
        walk.check_overlap()
        loosen()
        send(walk, file, output)
        output.flush()
        return
    except Refusal as why:
        said = why.args
    except ImportError as why:
        said = (
            "missing-extra",
            "",
            f"HDF5 files are read with h5py, which does not load: {why}",
            "pip install 'refsnn[nir]'",
        )
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
