"""What an HDF5 file holds, by a walk that follows nothing out of it. Part of child.py: see there; imports nothing of refsnn."""

import itertools
import math
import zlib
from typing import Any, NoReturn

PIECE = 1 << 20  # bytes that are unpacked at a time where only their number is asked


class Refusal(Exception):
    """code, place, reason, remedy, as refsnn.formats.refusals.refuse takes them."""


def refuse(code: str, place: str, reason: str, remedy: str = "save it again as npz or safetensors") -> NoReturn:
    raise Refusal(code, place, reason, remedy)


def inflated(raw: bytes, expected: int) -> bool:
    """Whether zlib's stream unpacks to so many bytes and ends there; nothing of it is kept."""
    machine, size = zlib.decompressobj(), 0
    try:
        while not machine.eof and size <= expected:
            out = machine.decompress(raw, PIECE)
            size, before, raw = size + len(out), raw, machine.unconsumed_tail
            if not out and raw == before:  # all was taken in, and it is not the end
                return False
    except zlib.error:
        return False
    return machine.eof and size == expected and not machine.unused_data


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
            if filters:
                self.pieces(dataset, place, filters, math.prod(chunk) * item)
        elif declared and layout == h5.h5d.CONTIGUOUS:
            at = dataset.get_offset() or 0
            if at + declared > self.file_bytes:
                refuse("size-lie", place, f"declares {declared} bytes that the file does not have")
            self.places.append((at, at + declared, h5.h5o.get_info(dataset).addr, place))
        if (not filters and there < declared) or there > self.file_bytes:
            refuse("size-lie", place, f"declares {declared} bytes, {there} are stored")
        self.expands("/", self.declared, self.file_bytes)

    def pieces(self, dataset: Any, place: str, filters: list[int], whole: int) -> None:
        """Refuse a dataset one of whose pieces does not unpack to `whole` bytes: libhdf5 takes a short one, and what the
        memory held before for the rest.
        """
        z = self.h5.h5z
        if filters.count(z.FILTER_DEFLATE) > 1 or filters.count(z.FILTER_FLETCHER32) > 1:
            refuse("unsupported-type", place, "packed twice by one filter", "save it with compression='gzip' or none")
        for index in range(dataset.get_num_chunks()):
            left_out, raw = dataset.read_direct_chunk(dataset.get_chunk_info(index).chunk_offset)
            if left_out:
                refuse("unsupported-type", place, "a piece that leaves a filter out", "save it again")
            expected = whole
            for position, code in enumerate(filters):  # in the order in which the writer applied them
                if code == z.FILTER_FLETCHER32:
                    expected += 4
                if code == z.FILTER_DEFLATE:
                    behind = 4 * filters[position + 1 :].count(z.FILTER_FLETCHER32)
                    expected = expected if inflated(raw[: len(raw) - behind], expected) else -1
                    break
            else:
                expected = expected if len(raw) == expected else -1
            if expected < 0:
                refuse("size-lie", place, f"a piece of it does not unpack to {whole} bytes")

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
