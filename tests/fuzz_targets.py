"""What each fuzzer calls with its bytes, and the seeds that it starts from.

    python tests/fuzz_targets.py       # writes tests/fuzz_seeds anew

Where a checksum or a packing would hide a reader from random bytes, the target puts the good shell around them.
"""

import struct
import sys
from pathlib import Path

from hostile import opcodes, reading, torches, valid, wires, zips

from refsnn import specs
from refsnn.formats import opening
from refsnn.formats.hdf5.tree import answered
from refsnn.formats.limits import Limits
from refsnn.formats.model_file import Source

SEEDS = Path(__file__).parent / "fuzz_seeds"
NAME = "fuzz"
# little of everything, so that a file of a few kilobytes can go over each limit
LIMITS = Limits(file_bytes=1 << 20, floor=1 << 20, header_bytes=1 << 16, parts=1000, depth=16)
HDF5 = b"\x89HDF\r\n\x1a\n"


def source(data):
    return Source(NAME, memoryview(data), LIMITS)


def whole(data):
    """Any file, by what it looks like."""
    if not data.startswith(HDF5):  # libhdf5 crashes; it has a process of its own, and hostile.mutations
        reading.with_network(opening.read(source(data)))


def pickled(data):
    """A pickle within a good PyTorch file."""
    whole(zips.torch_zip(data))


def config(data):
    """The configuration within a good .keras file, as far as it goes before the weights are read."""
    from refsnn.formats.keras import graph as keras_graph

    keras_graph.parsed(source(data), data.decode("utf-8", "replace"), "config.json")


def tree(data):
    """What the process that reads HDF5 answers: it may have been taken over by the file."""
    from refsnn.formats.hdf5 import file as hdf5_file

    answer = source(data)
    group = answered(answer)
    form = hdf5_file.kind(group)
    if form is not None:
        reader = __import__(f"refsnn.formats.{hdf5_file.READERS[form]}", fromlist=["from_tree"])
        reading.with_network(reader.from_tree(answer, group))


def spec(data):
    """A spec's text."""
    specs.parse(data.decode("utf-8", "replace"), NAME)


def answers():
    """What the process that reads HDF5 writes for the good files."""
    from refsnn.formats.hdf5.tree import _run

    for suffix in ("nir", "net", "h5", "weights.h5"):
        content = valid.FILES[suffix]()
        yield suffix, _run(Source(NAME, memoryview(content), Limits()))


def only(*suffixes):
    return lambda: ((suffix, valid.FILES[suffix]()) for suffix in suffixes)


def pickles():
    yield "state-dict", opcodes.state_dict()
    yield "view", opcodes.state_dict(opcodes.tensor((2,), (2,), 1))
    yield (
        "parameter",
        opcodes.state_dict(
            opcodes.calling(
                opcodes.named("torch._utils", "_rebuild_parameter"),
                opcodes.tensor(),
                opcodes.TRUE,
                opcodes.EMPTY_ORDERED,
            )
        ),
    )
    yield (
        "nested",
        opcodes.state_dict(
            opcodes.EMPTY_DICT + opcodes.text("a") + opcodes.of(opcodes.NONE, opcodes.TRUE) + opcodes.SETITEM
        ),
    )
    yield "cycle", next(content for name, content, _ in torches.nests() if name == "list-in-itself")
    yield (
        "stacked",
        opcodes.proto(4) + b"\x95" + struct.pack("<Q", 60) + opcodes.stacked("collections", "OrderedDict") + b")R.",
    )


def graphs():
    yield "gemm", valid.onnx()
    floats = wires.weights(raw=None, rest=wires.chunk(4, wires.SIX))
    kernel = wires.weights("w", (1, 1, 2, 2), raw=wires.FOUR)
    conv = wires.node(
        "Conv", ["x", "w"], ["y"], wires.chunk(5, wires.chunk(1, "pads") + wires.whole(8, 1) * 4 + wires.whole(20, 7))
    )
    yield "floats", wires.onnx(wires.graph(initializers=(floats,)))
    shape = wires.chunk(11, wires.value_info("x", 1, 1, 4, 4)) + wires.chunk(12, wires.value_info("y", 1, 1, 5, 5))
    body = wires.chunk(1, conv) + wires.chunk(2, "g") + wires.chunk(5, kernel) + shape
    yield "conv", wires.onnx(body)
    yield "relu", wires.onnx(wires.graph((wires.node("Relu", ["x"], ["y"]),), ()))


def texts():
    yield "spec", valid.SPEC.encode()
    yield "flow", b"name: 'a'\ninput: [1, 2]\nnodes: [{name: \"b\\n\", x: 1.5e-3, y: ~, z: true}]\n"


def configs():
    import json

    yield "sequential", json.dumps(valid.dense()).encode()


def planted(data):
    """A reader with a mistake, so that the fuzzer is seen to find one."""
    if data[:1] == b"r" and data[1:2] == b"e" and data[2:3] == b"f":
        raise KeyError("planted")


# name of a reader -> what is called, what makes its seeds
TARGETS = {
    "zip": (whole, only("pt", "npz", "keras")),
    "npy": (whole, only("npy")),
    "safetensors": (whole, only("safetensors")),
    "pickle": (pickled, pickles),
    "legacy": (whole, only("legacy.pt")),
    "onnx": (whole, graphs),
    "msgpack": (whole, only("msgpack")),
    "mat": (whole, only("mat")),
    "hdf5": (tree, answers),
    "keras": (config, configs),
    "yaml": (spec, texts),
}

MISTAKES = {"planted": (planted, lambda: iter(()))}


def seeds(reader):
    """The seeds' bytes by name."""
    return dict(TARGETS[reader][1]())


def main():
    for reader in TARGETS:
        folder = SEEDS / reader
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in seeds(reader).items():
            (folder / name).write_bytes(content)


if __name__ == "__main__":
    sys.exit(main())
