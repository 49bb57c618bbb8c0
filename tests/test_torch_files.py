"""PyTorch files: read to their bits without PyTorch, or refused by name; nothing they ask for is ever called."""

import hashlib
import io
import pickle
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from same import assert_identical
from shared_cases import model_case
from torch_files import MACHINE, PROTOCOL_2, Opcodes, archive, called, legacy, named, pickled, storage, tensor, value

from refsnn.errors import LoadError
from refsnn.formats.limits import Limits
from refsnn.formats.model_file import Format, Source
from refsnn.formats.opening import open_model, read

KINDS = {"Float": "f4", "Double": "f8", "Half": "f2", "Long": "i8", "Int": "i4", "Short": "i2", "Char": "i1", "Byte": "u1",
         "Bool": "?"}  # fmt: skip


def opened(content, limits=Limits()):
    return read(Source("x.pt", memoryview(content), limits))


def refusal(content, limits=Limits()):
    with pytest.raises(LoadError) as error:
        opened(content, limits)
    return error.value.code, str(error.value)


def numbers(*values, kind="f4"):
    return np.array(values, f"<{kind}" if kind != "?" else kind).tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_every_type_of_storage(kind):
    array = np.array([[0, 1, 1], [1, 0, 1]], KINDS[kind])
    model = opened(archive({"w": tensor(storage("0", kind, 6), (2, 3))}, {"0": array.tobytes()}))
    assert_identical(model.tensors["w"], array)
    assert (model.format, model.notes, model.path) == (Format.TORCH, (), "x.pt")
    assert not model.tensors["w"].flags.writeable


@pytest.mark.parametrize("bits", [0x3F80, 0xBFC0, 0x0001, 0x7F80, 0xFFC0])
def test_bfloat16_is_raised_to_float32_and_said(bits):
    model = opened(archive({"w": tensor(storage("0", "BFloat16", 1), ())}, {"0": struct.pack("<H", bits)}))
    assert model.tensors["w"].dtype == np.float32
    assert model.tensors["w"].tobytes() == struct.pack("<I", bits << 16)
    (note,) = model.notes
    assert (note.name, note.text, note.ignored) == ("w", "bfloat16, raised to float32", False)


def test_big_endian_storages_are_swapped_and_said():
    content = np.arange(3, dtype=">f4").tobytes()
    model = opened(archive({"w": tensor(storage("0", "Float", 3), (3,))}, {"0": content}, byteorder="big"))
    assert_identical(model.tensors["w"], np.arange(3, dtype="f4"))
    assert [note.text for note in model.notes] == ["stored in the other byte order, swapped"]
    bits = archive({"w": tensor(storage("0", "BFloat16", 1), (1,))}, {"0": b"\x3f\x80"}, byteorder="big")
    assert_identical(opened(bits).tensors["w"], np.ones(1, "f4"))


def test_views_of_one_storage():
    """Steps of a 3 x 4 matrix: its transpose, its second row, every other number, and one number for a whole row."""
    shared = storage("7", "Float", 12)
    whole = np.arange(12, dtype="f4").reshape(3, 4)
    views = {"a": tensor(shared, (3, 4)), "b": tensor(shared, (4, 3), (1, 4)), "c": tensor(shared, (4,), (1,), 4),
             "d": tensor(shared, (2, 2), (8, 2)), "e": tensor(shared, (5,), (0,), 11), "f": tensor(shared, (0, 3))}  # fmt: skip
    tensors = opened(archive(views, {"7": whole.tobytes()}, root="anything")).tensors
    for name, wanted in {"a": whole, "b": whole.T, "c": whole[1], "d": whole[::2, ::2], "e": np.full(5, 11, "f4"),
                         "f": np.empty((0, 3), "f4")}.items():  # fmt: skip
        assert_identical(tensors[name], wanted)
    assert np.shares_memory(tensors["a"], tensors["b"])


def test_names_are_the_keys_joined_by_dots_and_plain_values_are_attributes():
    w = tensor(storage("0", "Float", 1), (1,))
    metadata = {"": {"version": 1}}
    state = Opcodes(called(named("collections", "OrderedDict")) + b"(" + value("fc.weight") + w + b"u}" + value("_metadata")
                    + value(metadata) + b"sb")  # fmt: skip
    checkpoint = {"state_dict": state, "epoch": 3, "hyper_parameters": {"lr": 0.5, "name": "a/b", "betas": (0.9, 0.999)},
                  "optimizer_states": [{"state": {0: {"step": w}}, "param_groups": [{"params": [0, 1]}]}], "none": None,
                  "device": called(named("torch", "device"), "cuda", 0), "dtype": named("torch", "float32"),
                  "size": called(named("torch", "Size"), (2, 3))}  # fmt: skip
    model = opened(archive(checkpoint, {"0": numbers(2.0)}))
    assert list(model.tensors) == ["state_dict.fc.weight", "optimizer_states.0.state.0.step"]
    assert dict(model.attributes) == {
        "epoch": 3, "hyper_parameters.lr": 0.5, "hyper_parameters.name": "a/b", "hyper_parameters.betas": (0.9, 0.999),
        "optimizer_states.0.param_groups.0.params": (0, 1), "none": None, "device": "cuda:0", "dtype": "torch.float32",
        "size": (2, 3),
    }  # fmt: skip


def test_a_lone_tensor_a_list_and_other_ways_to_save_one():
    w = tensor(storage("0", "Float", 1), (1,))
    assert list(opened(archive(w, {"0": numbers(1)})).tensors) == ["tensor"]
    assert list(opened(archive([w, (w, 1)], {"0": numbers(1)})).tensors) == ["0", "1.0"]
    rebuilt = {
        "parameter": called(named("torch._utils", "_rebuild_parameter"), w, True, None),
        "with_state": called(named("torch._utils", "_rebuild_parameter_with_state"), w, True, None, {"a": 1}),
        "old": called(named("torch._utils", "_rebuild_tensor"), storage("0", "Float", 1), 0, (1,), (1,)),
        "attributes": called(named("torch._tensor", "_rebuild_from_type_v2"), named("torch._utils", "_rebuild_parameter"),
                             named("torch.nn.parameter", "Parameter"), (w, True, None), {"a": 1}),
    }  # fmt: skip
    for array in opened(archive(rebuilt, {"0": numbers(2)})).tensors.values():
        assert_identical(array, np.array([2], "f4"))
    graphics = Opcodes(value(("storage", named("torch.cuda", "FloatStorage"), "0", "cuda:0", 1, None)) + b"Q")
    assert_identical(opened(archive(tensor(graphics, (1,)), {"0": numbers(2)})).tensors["tensor"], np.array([2], "f4"))
    wide = called(named("torch._utils", "_rebuild_tensor_v3"),
                  Opcodes(value(("storage", named("torch.storage", "UntypedStorage"), "0", "cpu", 8)) + b"Q"),
                  1, (3,), (1,), False, None, named("torch", "uint16"), {})  # fmt: skip
    assert_identical(
        opened(archive({"w": wide}, {"0": numbers(9, 1, 2, 3, kind="u2")})).tensors["w"], np.array([1, 2, 3], "u2")
    )


def test_numpy_scalars_and_bytes_among_the_values():
    kind = Opcodes(
        called(named("numpy", "dtype"), "f8", False, True) + value((3, "<", None, None, None, -1, -1, 0)) + b"b"
    )
    raw = called(named("_codecs", "encode"), struct.pack("<d", 0.25).decode("latin-1"), "latin1")
    best = called(named("numpy._core.multiarray", "scalar"), kind, raw)
    items = called(named("__builtin__", "set"), [1, 2])
    assert dict(opened(archive({"best": best, "raw": raw, "set": items})).attributes) == {
        "best": 0.25, "raw": struct.pack("<d", 0.25), "set": (1, 2)}  # fmt: skip


def test_legacy_streams_and_their_views():
    viewed = storage("9", "Double", 6, ("9.1", 2, 3))
    tree = {"a": tensor(storage("9", "Double", 6, None), (2, 3)), "b": tensor(viewed, (2,), offset=1), "epoch": 1}
    model = opened(legacy(tree, [("9", 6, np.arange(6.0).tobytes())]))
    assert model.format is Format.TORCH_LEGACY
    assert_identical(model.tensors["a"], np.arange(6.0).reshape(2, 3))
    assert_identical(model.tensors["b"], np.array([3.0, 4.0]))
    assert dict(model.attributes) == {"epoch": 1}


W = tensor(storage("0", "Float", 2), (2,))
ONE = {"0": numbers(1, 2)}
STATE_DICT = "where you have the framework, save plain weights: torch.save(model.state_dict(), 'weights.pt')"
PLAIN = "save plain tensors: torch.save({k: v.float() for k, v in model.state_dict().items()}, 'weights.pt')"
AGAIN = "copy or save the file again"


def of(stored, *arguments):
    return archive({"w": tensor(stored, *arguments)}, ONE)


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (archive(called(named("os", "system"), "true")), "executable",
         f"archive/data.pkl: asks for os.system, which plain weights do not need; {STATE_DICT}"),
        (archive(called(named("torch.storage", "_load_from_bytes"), "")), "executable",
         f"archive/data.pkl: asks for torch.storage._load_from_bytes, which plain weights do not need; {STATE_DICT}"),
        (archive({"net": called(named("__main__", "Net"))}), "executable",
         f"archive/data.pkl: asks for __main__.Net, which plain weights do not need; {STATE_DICT}"),
        (archive(PROTOCOL_2 + b"\x8c\x02os\x8c\x06system\x93."), "executable",
         f"archive/data.pkl: asks for os.system, which plain weights do not need; {STATE_DICT}"),
        (archive(PROTOCOL_2 + b"(ios\nsystem\n."), "executable",
         f"archive/data.pkl: opcode INST at byte 3, which plain data do not need; {STATE_DICT}"),
        (archive(PROTOCOL_2 + b")\x81."), "executable",
         f"archive/data.pkl: opcode NEWOBJ at byte 3, which plain data do not need; {STATE_DICT}"),
        (archive(PROTOCOL_2 + b"\x82\x01."), "executable",
         f"archive/data.pkl: opcode EXT1 at byte 2, which plain data do not need; {STATE_DICT}"),
        (archive(PROTOCOL_2 + b"]2e."), "executable",
         f"archive/data.pkl: opcode DUP at byte 3, which plain data do not need; {STATE_DICT}"),
        (archive(PROTOCOL_2 + b"\xff."), "executable",
         f"archive/data.pkl: opcode 0xff at byte 2, which plain data do not need; {STATE_DICT}"),
        (archive(called(named("torch._utils", "_rebuild_qtensor"))), "unsupported-type",
         f"archive/data.pkl: a quantised tensor (torch._utils._rebuild_qtensor), which is not read; {PLAIN}"),
        (archive(called(named("torch._utils", "_rebuild_sparse_tensor"))), "unsupported-type",
         f"archive/data.pkl: a sparse tensor (torch._utils._rebuild_sparse_tensor), which is not read; {PLAIN}"),
        (archive(storage("0", "ComplexFloat", 1), ONE), "unsupported-type",
         f"archive/data.pkl: complex numbers (torch.ComplexFloatStorage), which is not read; {PLAIN}"),
        (archive(named("torch", "float8_e4m3fn")), "unsupported-type",
         f"archive/data.pkl: 8-bit floating point (torch.float8_e4m3fn), which is not read; {PLAIN}"),
        (archive(W, ONE, extra={"code/__torch__.py": ""}), "executable",
         "a TorchScript archive, which is a program; save its weights: torch.save(torch.jit.load(path).state_dict(), 'weights.pt')"),
        (archive({"w": W}), "truncated", f"w: its storage '0' is not in the file; {AGAIN}"),
        (archive({"w": W}, {"0": numbers(1)}), "size-lie", f"w: declares 8 bytes of numbers, but 4 are there; {AGAIN}"),
        (archive({"w": W}, {"0": numbers(1, 2, 3)}), "size-lie", f"w: declares 8 bytes of numbers, but 12 are there; {AGAIN}"),
        (of(storage("0", "Float", 2), (2,), (1,), 1), "size-lie", f"w: reaches number 2 of a storage that has 2; {AGAIN}"),
        (of(storage("0", "Float", 2), (2, 2), (1, 1)), "size-lie", f"w: reaches number 2 of a storage that has 2; {AGAIN}"),
        (of(storage("0", "Float", 2), (2,), (-1,), 1), "damaged", "archive/data.pkl: cannot be read at byte "),
        (of(storage("0", "Float", 2), (1 << 28,), (0,)), "expansion",
         "whose tensors repeat them to 1073741824; save the tensors after .contiguous()"),
        (of(storage("0", "Float", 2), (0, 1 << 60, 1 << 60), (0, 0, 0)), "size-lie", "more than any memory"),
        (of(storage("0", "Float", 2), (1,) * 65, (0,) * 65), "damaged", "a shape of 65 dimensions"),
        (archive({"w": tensor(storage("0", "Bool", 2), (2,))}, {"0": b"\1\2"}), "damaged",
         "w: a truth value that is neither 0 nor 1; save it again"),
        (archive({"w": W, "bare": storage("0", "Float", 2)}, ONE), "unsupported-type", "bare: holds Storage("),
        (archive({"a.b": W, "a": {"b": W}}, ONE), "duplicate-name",
         "a.b: two values have this name once keys are joined by dots; save one flat dict of tensors"),
        (archive(Opcodes(b"]q\x00h\x00a")), "cycle", "0: a container that holds itself; save one flat dict of tensors"),
        (archive(Opcodes(b"]" * 70 + b"a" * 69)), "nesting", "containers nested deeper than 64; save one flat dict of tensors"),
        (archive(Opcodes(b"}]Ns")), "damaged",
         f"archive/data.pkl: cannot be read at byte 5: a key that is neither text nor number; {AGAIN}"),
        (archive(pickled(1) + b"x"), "damaged", f"archive/data.pkl: goes on behind the pickle, which ends at byte 8; {AGAIN}"),
        (archive(b"\x80\x01N."), "damaged", "pickle protocol 1; 2 to 5 are read"),
        (archive(pickled("abc")[:-3]), "truncated", "the pickle ends"),
        (archive(W, ONE, byteorder="middle"), "damaged", "archive/byteorder: holds b'middle', neither little nor big"),
        (archive(W, ONE, extra={"other/data.pkl": ""}), "duplicate-name", "archive/other/data.pkl: a second data.pkl"),
        (legacy(W, [("0", 3, numbers(1, 2))]), "truncated", "0: declares 12 bytes of numbers, but 8 are there"),
        (legacy(W, [("0", 2, numbers(1, 2, 3))]), "damaged", "4 bytes behind the last storage"),
        (legacy(W, [("0", 1, numbers(1))]), "size-lie", "tensor: declares 8 bytes of numbers, but 4 are there"),
        (legacy(W, []), "truncated", "tensor: its storage '0' is not in the file"),
        (legacy(W, [("1", 2, numbers(1, 2))]), "damaged", "1: a storage that no tensor uses"),
        (legacy(W, [("0", 2, numbers(1, 2))], MACHINE | {"little_endian": False}), "damaged", "not a legacy stream of protocol 1001"),
        (legacy(tensor(storage("0", "Float", 2, ("1", 1, 2)), (2,)), [("0", 2, numbers(1, 2))]), "damaged",
         "a view that its storage does not hold"),
    ],
)  # fmt: skip
def test_files_that_are_refused(content, code, message):
    found, text = refusal(content)
    assert found == code
    assert message in text
    assert "\n" not in text


def test_a_flipped_bit_of_a_storage_is_noticed_by_its_checksum():
    content = bytearray(archive({"w": W}, {"0": numbers(1234.5, 2)}))
    content[content.index(numbers(1234.5))] ^= 1
    code, text = refusal(bytes(content))
    assert code == "damaged"
    assert "archive/data/0: its checksum is " in text


def test_storages_that_no_tensor_uses_are_noted():
    (note,) = opened(archive({"w": W}, ONE | {"1": b"hidden"})).notes
    assert (note.name, note.text, note.ignored) == ("archive/data/1", "a storage that no tensor uses", True)


def test_packed_archives_are_read_and_packed_bombs_are_not():
    assert_identical(
        opened(archive({"w": W}, ONE, compression=zipfile.ZIP_DEFLATED)).tensors["w"], np.array([1, 2], "f4")
    )
    bomb = archive({"w": W}, {"0": b"\0" * (40 << 20)}, compression=zipfile.ZIP_DEFLATED)
    assert refusal(bomb)[0] == "expansion"
    assert refusal(archive({"w": W}, ONE, compression=zipfile.ZIP_BZIP2))[0] == "packing"


def test_a_memo_that_doubles_is_not_followed():
    """30 lists, each ten times the one before: 10^30 numbers."""
    steps = b"".join(b"](" + bytes([0x68, i]) * 10 + b"eq" + bytes([i + 1]) for i in range(30))
    assert refusal(archive(Opcodes(b"(](" + value(1) * 10 + b"eq\x00" + steps + b"t")))[0] == "nesting"
    assert refusal(archive(Opcodes(b"]" * 1000 + b"a" * 999)))[0] == "nesting"
    assert refusal(archive([1] * 500), Limits(parts=20))[0] == "nesting"
    assert refusal(archive("x" * 500), Limits(header_bytes=400))[0] == "too-large"


PLAIN_DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**59), 2**59) | st.floats(allow_nan=False) | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4) | st.integers(0, 9), inner, max_size=4)
    | st.tuples(inner, inner), max_leaves=12,
)  # fmt: skip


@given(tree=PLAIN_DATA, protocol=st.integers(2, 5))
def test_the_interpreter_agrees_with_pickle_on_plain_data(tree, protocol):
    from refsnn.formats.torch.objects import grammar
    from refsnn.formats.torch.unpickling import unpickled

    content = pickle.dumps(tree, protocol)
    source = Source("x", memoryview(content), Limits())
    assert unpickled(source.content, "", grammar(source, ""), source) == (tree, len(content))


# the published cases, and what stands in them
CASES = {
    "float64.pt": ("tensor", np.array([1.1, 2.2, 3.3])), "float16.pt": ("tensor", np.array([1.5, -2.25, 3.125], "f2")),
    "bfloat16.pt": ("tensor", np.array([1.5, -2.5, 3.5], "f4")), "bool.pt": ("tensor", np.array([1, 0, 1, 1, 0], "?")),
    "scalar.pt": ("tensor", np.array(42, "f4")), "special_values.pt": ("tensor", np.array([np.nan, np.inf, -np.inf, 0, 1], "f4")),
    "simple_legacy.pt": ("bias", np.ones(2, "f4")), "legacy_with_offsets.pt": ("tensor2", np.array([2.0, 2.1, 2.2, 2.3, 2.4], "f4")),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_published_cases(name):
    key, wanted = CASES[name]
    assert_identical(open_model(model_case(f"torch/{name}")).tensors[key], wanted)


def test_published_state_dicts():
    """Shapes and a digest of all bytes, recorded with torch.load."""
    braille = open_model(model_case("torch/model_noDelay_bias_ref_zero.pt")).tensors
    assert {name: array.shape for name, array in braille.items() if array.ndim} == {
        "fc1.weight": (38, 12), "fc1.bias": (38,), "lif1.recurrent.weight": (38, 38), "lif1.recurrent.bias": (38,),
        "fc2.weight": (7, 38), "fc2.bias": (7,)}  # fmt: skip
    assert braille["lif1.reset_mechanism_val"].dtype == np.int64
    cnn = open_model(model_case("torch/pretrained_ann_weights.pth")).tensors
    assert [array.shape for array in cnn.values()] == [
        (16, 2, 5, 5),
        (16, 16, 3, 3),
        (8, 16, 3, 3),
        (256, 128),
        (10, 256),
    ]
    assert list(open_model(model_case("torch/nested_dict.pt")).tensors) == [
        "layer1.weight", "layer1.bias", "layer2.weight", "layer2.bias"]  # fmt: skip
    digest = hashlib.sha256()
    for tensors in (braille, cnn):
        for name in sorted(tensors):
            digest.update(name.encode() + tensors[name].tobytes())
    assert digest.hexdigest() == "e8340bd2b0d81d678908fb929a30f09d24ce4c90fa9dd319398e11a22aa8fec5"


def test_the_published_broken_file():
    with pytest.raises(LoadError, match="begins with b'abc', which is no format that is read here"):
        open_model(model_case("torch/broken.pt"))


@st.composite
def state_dicts(draw, torch):
    """Tensors of all types and kinds of views, some of which share a storage."""
    kinds = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
             torch.uint8, torch.bool]  # fmt: skip
    found = {}
    for i in range(draw(st.integers(0, 4))):
        shape = draw(st.lists(st.integers(0, 4), max_size=4))
        kind = draw(st.sampled_from(kinds))
        base = torch.from_numpy(np.frombuffer(draw(st.binary(min_size=8, max_size=8)), np.int8).copy())
        x = base.to(torch.float32)[torch.arange(int(np.prod(shape))) % 8].to(kind).reshape(shape)
        views = {"whole": x, "parameter": torch.nn.Parameter(x, requires_grad=False)}
        if x.ndim and x.shape[0] > 1:
            views |= {
                "part": x[1:],
                "steps": x[::2],
                "turned": x.transpose(0, -1),
                "spread": x[:1].expand(3, *x.shape[1:]),
            }
        for name in draw(st.sets(st.sampled_from(sorted(views)))):
            found[f"layer{i}.{name}"] = views[name]
    return found


@given(data=st.data(), zipped=st.booleans())
@settings(deadline=None)
def test_state_dicts_that_torch_saves_are_read_bit_for_bit(data, zipped):
    torch = pytest.importorskip("torch")
    tree = data.draw(state_dicts(torch))
    buffer = io.BytesIO()
    torch.save({"state_dict": tree, "epoch": 7}, buffer, _use_new_zipfile_serialization=zipped)
    model = opened(buffer.getvalue())
    assert list(model.tensors) == [f"state_dict.{name}" for name in tree]
    for name, wanted in tree.items():
        raised = wanted.float() if wanted.dtype is torch.bfloat16 else wanted
        assert_identical(model.tensors[f"state_dict.{name}"], raised.detach().numpy())
    assert [note.name for note in model.notes] == [
        f"state_dict.{n}" for n, t in tree.items() if t.dtype is torch.bfloat16
    ]
    assert dict(model.attributes) == {"epoch": 7}


def test_a_checkpoint_with_an_optimizer_that_torch_saves():
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(2, 1, 4, 4)).sum().backward()
    optimizer.step()
    for zipped in (True, False):
        buffer = io.BytesIO()
        torch.save(
            {"model": net.state_dict(), "optimizer": optimizer.state_dict()},
            buffer,
            _use_new_zipfile_serialization=zipped,
        )
        model = opened(buffer.getvalue())
        for name, wanted in net.state_dict().items():
            assert_identical(model.tensors[f"model.{name}"], wanted.numpy())
        assert_identical(
            model.tensors["optimizer.state.0.exp_avg"], optimizer.state_dict()["state"][0]["exp_avg"].numpy()
        )
        assert model.attributes["optimizer.param_groups.0.params"] == (0, 1, 2, 3)
        buffer = io.BytesIO()
        torch.save(net, buffer, _use_new_zipfile_serialization=zipped)
        with pytest.raises(LoadError, match=r"torch\.nn\.modules\.container\.Sequential"):
            opened(buffer.getvalue())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda torch: torch.ones(2, dtype=torch.complex64), "complex numbers"),
        (lambda torch: torch.ones(2).to_sparse(), "a sparse tensor"),
        (lambda torch: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8), "a quantised tensor"),
        (lambda torch: torch.ones(2, dtype=torch.float32).to(torch.float8_e4m3fn), "8-bit floating point"),
        (lambda torch: torch.ones(2, device="meta"), "a tensor without numbers"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_other_tensors_that_torch_saves_are_refused_by_name(make, message):
    torch = pytest.importorskip("torch")
    buffer = io.BytesIO()
    torch.save({"w": make(torch)}, buffer)
    code, text = refusal(buffer.getvalue())
    assert code == "unsupported-type"
    assert message in text


def test_numpy_scalars_that_torch_saves():
    torch = pytest.importorskip("torch")
    for zipped in (True, False):
        buffer = io.BytesIO()
        best = {"a": np.float64(0.1), "b": np.float32(0.1), "c": np.int64(-3), "d": np.bool_(True)}
        torch.save(best, buffer, _use_new_zipfile_serialization=zipped)
        assert dict(opened(buffer.getvalue()).attributes) == {name: scalar.item() for name, scalar in best.items()}


def test_the_types_that_torch_saves_in_bytes():
    torch = pytest.importorskip("torch")
    for kind in (torch.uint16, torch.uint32, torch.uint64):
        buffer = io.BytesIO()
        torch.save(torch.arange(5, dtype=torch.int32).to(kind)[1:], buffer)
        assert_identical(opened(buffer.getvalue()).tensors["tensor"], torch.arange(1, 5).to(kind).numpy())
