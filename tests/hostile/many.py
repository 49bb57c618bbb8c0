"""Sound files of very many very small parts: they may open, or be too many, but not take long or grow."""

from hostile import opcodes as op
from hostile import valid, wires, zips
from hostile.cases import OPENED, case

CODES = (OPENED, "nesting", "too-large")
ONE = wires.npy(wires.described("'|u1'", "(1,)"), b"x")


def entries(count):
    for i in range(count):
        yield f'"{i}":{{"dtype":"U8","shape":[1],"data_offsets":[{i},{i + 1}]}}'


def shared(count):
    """A PyTorch file of that many views of one storage."""
    items = b"".join(op.text(str(i)) + op.tensor((1,), (1,), 0, op.get(1)) for i in range(count))
    first = op.text("w") + op.tensor((4,), (1,), 0, op.storage() + op.put(1))
    return zips.torch_zip(op.proto() + op.EMPTY_ORDERED + op.MARK + first + items + op.SETITEMS + op.STOP)


def groups(file):
    for i in range(1000):
        file[f"layers/dense_{i}/vars/0"] = 1.0


def cases():
    yield case(
        "many/tensors.safetensors", wires.safetensors("{" + ",".join(entries(30_000)) + "}", bytes(30_000)), *CODES
    )
    yield case("many/members.npz", zips.archive(*(zips.Member(b"%d.npy" % i, ONE) for i in range(10_000))), *CODES)
    yield case("many/views.pt", shared(10_000), *CODES)
    arrays = {str(i): wires.m_array((1,), "uint8", b"x") for i in range(15)}
    packed = b"\xde\x13\x88" + b"".join(wires.m_text(f"l{i}") + wires.m_map(**arrays) for i in range(5_000))
    yield case("many/arrays.msgpack", packed, *CODES)
    yield case(
        "many/matrices.mat", wires.mat(*(wires.matrix(f"w{i}", (1, 1), values=bytes(8)) for i in range(20_000))), *CODES
    )
    nodes = (wires.node("Relu", ["x" if not i else f"t{i}"], [f"t{i + 1}"]) for i in range(3_000))
    chain = wires.graph((*nodes, wires.node("Relu", ["t3000"], ["y"])), ()).replace(
        wires.value_info("y", 1, 2), wires.value_info("y", 1, 3)
    )
    yield case("many/nodes.onnx", wires.onnx(chain), *CODES, "damaged", "unsupported-node")
    yield case("many/groups.weights.h5", valid.hdf5(groups), *CODES)
    varied = wires.weights("w", (1 << 22,), 7, None, wires.chunk(7, bytes(1 << 22)))
    yield case(
        "many/varints.onnx",
        wires.onnx(wires.graph(initializers=(varied,))),
        *CODES,
        "damaged",
        "unsupported-node",
        "unsupported-type",
    )
