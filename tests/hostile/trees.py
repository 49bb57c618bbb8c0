"""HDF5 files (here NIR) that lead to other files, to themselves, to bytes that are not there."""

import zlib

from hostile import valid
from hostile.cases import OPENED, case
from hostile.valid import fill_nir, hdf5

LIES = ("size-lie", "truncated", "damaged", "expansion", "too-large")
OUTSIDE = ("outside-file",)
WEIGHT = "node/nodes/fc/weight"


def within(change, fill=fill_nir, **how):
    """A good file after `change(file)`."""

    def both(file):
        fill(file)
        change(file)

    return hdf5(both, **how)


def elsewhere():
    """name, change of a good file: numbers that lie outside it. The other file is there."""
    import h5py
    import numpy as np

    def instead(file, make):
        del file[WEIGHT]
        make(file)

    def linked(link):
        return lambda file: instead(file, lambda f: f.__setitem__(WEIGHT, link))

    def stored(name):
        def make(file):
            file.create_dataset(WEIGHT, (2, 3), np.float32, external=[(name, 0, 24)])

        return lambda file: instead(file, make)

    def virtual(name):
        def make(file):
            layout = h5py.VirtualLayout((2, 3), np.float32)
            layout[:] = h5py.VirtualSource(name, "w", (2, 3))
            file.create_virtual_dataset(WEIGHT, layout)

        return lambda file: instead(file, make)

    yield "external-link", linked(h5py.ExternalLink("beside.h5", "/w"))
    yield "external-link-absolute", linked(h5py.ExternalLink("/etc/hostname", "/"))
    yield "external-link-to-itself", linked(h5py.ExternalLink("x.nir", "/node"))
    yield "soft-link", linked(h5py.SoftLink("/node/nodes/fc/bias"))
    yield "soft-link-dangling", linked(h5py.SoftLink("/nowhere"))
    yield "soft-link-to-itself", linked(h5py.SoftLink("/" + WEIGHT))
    yield "external-storage", stored("beside.bin")
    yield "external-storage-absolute", stored("/etc/hostname")
    yield "external-storage-up", stored("../../etc/hostname")
    yield "virtual", virtual("beside.h5")
    yield "virtual-of-itself", virtual(".")
    yield "external-group", lambda file: file["node"].__setitem__("metadata", h5py.ExternalLink("beside.h5", "/"))


def shapes():
    """name, change of a good file, codes: lies within the file."""
    import h5py
    import numpy as np

    def fresh(**how):
        def change(file):
            del file[WEIGHT]
            file.create_dataset(WEIGHT, **how)

        return change

    def deep(count):
        def change(file):
            group = file["node"]
            for _ in range(count):
                group = group.create_group("g")

        return change

    def bomb(file):
        fresh(shape=(64, 1 << 20), dtype=np.float32, chunks=(1, 1 << 20), compression="gzip")(file)
        packed = zlib.compress(bytes(4 << 20), 9)
        for row in range(64):
            file[WEIGHT].id.write_direct_chunk((row, 0), packed)

    def broken_chunk(data):
        def change(file):
            fresh(shape=(2, 3), dtype=np.float32, chunks=(2, 3), compression="gzip")(file)
            file[WEIGHT].id.write_direct_chunk((0, 0), data)

        return change

    def attributes(file):
        for index in range(100):
            file["node"].attrs[f"a{index}"] = np.zeros(8000)

    def texts(file):
        del file["node/edges"]
        edges = file["node"].create_dataset("edges", (300, 1000), h5py.string_dtype())
        edges[0, 0] = "x" * 50_000

    yield "declares-32-gib", fresh(shape=(1 << 33,), dtype=np.float32, chunks=(1 << 20,), compression="gzip"), LIES
    yield "declares-contiguous", fresh(shape=(1 << 30,), dtype=np.float32), LIES
    yield (
        "declares-a-lot-of-nothing",
        fresh(shape=(0, 1 << 40), dtype=np.float32, maxshape=(None, 1 << 40), chunks=(1, 1024)),
        (*LIES, "ShapeError", "unsupported-node"),
    )
    yield "fill-value", fresh(shape=(1 << 28,), dtype=np.float32, fillvalue=7.0), LIES
    yield "gzip-bomb", bomb, LIES
    yield (
        "chunk-larger",
        fresh(shape=(2, 3), dtype=np.float32, chunks=(1 << 14, 1 << 14), maxshape=(None, None), compression="gzip"),
        LIES,
    )
    yield "chunk-not-gzip", broken_chunk(b"\xff" * 20), LIES
    yield "chunk-short", broken_chunk(zlib.compress(bytes(4))), LIES
    yield "chunk-long", broken_chunk(zlib.compress(bytes(1 << 20))), LIES
    yield "group-in-itself", lambda file: file["node"].__setitem__("again", file["node"]), ("cycle",)
    yield "group-in-root", lambda file: file.__setitem__("again", file["node"]), ("cycle",)
    yield "root-in-group", lambda file: file["node"].__setitem__("again", file["/"]), ("cycle",)
    yield "deep", deep(2000), ("nesting",)
    yield "object-reference", fresh(shape=(1,), dtype=h5py.ref_dtype), ("unsupported-type",)
    yield "region-reference", fresh(shape=(1,), dtype=h5py.regionref_dtype), ("unsupported-type",)
    yield "ragged", fresh(shape=(2,), dtype=h5py.vlen_dtype(np.float32)), ("unsupported-type", *LIES)
    yield "ragged-huge", fresh(shape=(1 << 28,), dtype=h5py.vlen_dtype(np.float32)), ("unsupported-type", *LIES)
    yield "opaque", fresh(shape=(2,), dtype=h5py.opaque_dtype(np.dtype("V4"))), ("unsupported-type", *LIES)
    yield "compound", fresh(shape=(2,), dtype=np.dtype([("a", "f4")])), ("unsupported-type", *LIES)
    yield "enumeration", fresh(shape=(2,), dtype=h5py.enum_dtype({"A": 0}, "i1")), ("unsupported-type", *LIES)
    yield "complex", fresh(data=np.ones((2, 3), np.complex64)), ("unsupported-type",)
    yield "long-double", fresh(data=np.ones((2, 3), np.longdouble)), ("unsupported-type",)
    yield "null-space", fresh(data=h5py.Empty(np.float32)), ("unsupported-type", *LIES)
    yield "filter-lzf", fresh(data=np.ones((2, 3), np.float32), compression="lzf"), ("unsupported-type",)
    yield "filter-scaleoffset", fresh(data=np.ones((2, 3), np.int32), scaleoffset=0), ("unsupported-type",)
    yield (
        "many-attributes",
        attributes,
        ("nesting", "too-large", "unsupported-type", "expansion", "damaged", "unsupported-node", "size-lie", OPENED),
    )
    yield "many-texts", texts, ("nesting", "too-large", *LIES, "cycle", "unsupported-node")
    yield "named-type", lambda file: file["node"].__setitem__("t", np.dtype("f8")), ("unsupported-type",)
    yield (
        "name-dots",
        lambda file: file["node/nodes"].create_group(b"a\xff\xfeb"),
        ("unsafe-name", "damaged", "unsupported-node"),
    )


def meanings():
    """name, change of a good NIR file, codes: a tree that is sound, and a graph that is not."""

    def edges(*pairs):
        def change(file):
            import h5py

            del file["node/edges"]
            file["node"].create_dataset("edges", data=[list(pair) for pair in pairs], dtype=h5py.string_dtype())

        return change

    def kind(name):
        def change(file):
            del file["node/nodes/lif/type"]
            file["node/nodes/lif/type"] = name

        return change

    graph = (
        "damaged",
        "unsupported-node",
        "cycle",
        "ShapeError",
        "missing-semantics",
        "duplicate-name",
        "UnsupportedLayerError",
    )
    yield "edge-dangling", edges(("input", "nowhere"), ("fc", "output")), graph
    yield "edge-three-ends", edges(("input", "fc", "output")), graph
    yield "type-unknown", kind("os.system"), graph
    yield "type-dunder", kind("__class__"), graph
    yield "type-long", kind("x" * 100_000), (*graph, "too-large")
    yield "type-missing", lambda file: file.__delitem__("node/nodes/lif/type"), graph
    yield "edges-missing", lambda file: file.__delitem__("node/edges"), graph
    yield "parameter-missing", lambda file: file.__delitem__("node/nodes/lif/tau"), graph


def cases():
    other = hdf5(lambda file: file.__setitem__("w", [[1.0] * 3] * 2))
    beside = {"beside.h5": other, "beside.bin": bytes(24)}
    for name, change in elsewhere():
        yield case(f"hdf5/{name}.nir", within(change), *OUTSIDE, beside=beside)
    for name, change, codes in (*shapes(), *meanings()):
        yield case(f"hdf5/{name}.nir", within(change), *codes)
    good = valid.nir()
    yield case("hdf5/user-block.nir", within(lambda file: None, userblock_size=512), "unknown-format", "damaged")
    yield case(
        "hdf5/user-block-of-zip.pt", valid.npz().ljust(512, b"\0") + good, "damaged", "unknown-format", "size-lie"
    )
    yield case("hdf5/only-signature.h5", good[:8], *LIES)
    yield case("hdf5/version-99.h5", good[:8] + b"\x63" + good[9:], *LIES)
    yield case("hdf5/zeros-after-superblock.h5", good[:96] + bytes(len(good) - 96), *LIES)
    yield case("hdf5/ones-after-superblock.h5", good[:96] + b"\xff" * (len(good) - 96), *LIES)
    yield case("hdf5/no-groups.h5", hdf5(lambda file: None), "unknown-format")
    yield case("hdf5/other-groups.h5", other, "unknown-format")
