"""safetensors, npz, npy, Flax and MATLAB files: read to their bits, or refused with a reason."""

import io
import json
import os
import struct
import zipfile
import zlib

import numpy as np
import pytest
import scipy.io
from flat_files import Packed, compressed, element, entry, extension, mat, matrix, npy, npz, packed, safetensors
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import save
from same import assert_identical

from refsnn.errors import LoadError
from refsnn.formats.limits import Limits
from refsnn.formats.model_file import Format, Source
from refsnn.formats.opening import open_model, read

KINDS = ["f4", "f8", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]
ARRAYS = hnp.arrays(st.sampled_from(KINDS), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))
# any text but lone surrogates, which have no UTF-8
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)


def opened(content, limits=Limits()):
    return read(Source("x", memoryview(content), limits))


def refusal(content, limits=Limits()):
    with pytest.raises(LoadError) as error:
        opened(content, limits)
    assert "\n" not in str(error.value)
    return error.value.code, str(error.value)


# --- safetensors


@given(tensors=st.dictionaries(NAMES.filter(lambda name: name != "__metadata__"), ARRAYS, max_size=4),
       metadata=st.none() | st.dictionaries(NAMES, NAMES, min_size=1, max_size=2))  # fmt: skip
def test_what_the_safetensors_package_writes_is_read_bit_for_bit(tensors, metadata):
    model = opened(
        save({name: np.ascontiguousarray(array).reshape(array.shape) for name, array in tensors.items()}, metadata)
    )
    assert sorted(model.tensors) == sorted(tensors)
    for name, array in tensors.items():
        assert_identical(model.tensors[name], array)
        assert not model.tensors[name].flags.writeable
    assert (dict(model.attributes), model.notes) == (metadata or {}, ())


def test_safetensors_are_views_and_unaligned_ones_are_copies():
    data = np.arange(4, dtype="f4").tobytes()
    content = memoryview(safetensors(json.dumps({"a": entry("F32", [4], 0, 16)}).ljust(64), data))
    array = read(Source("x", content, Limits())).tensors["a"]
    assert_identical(array, np.arange(4, dtype="f4"))
    assert np.shares_memory(array, np.frombuffer(content, np.uint8))
    odd = opened(
        safetensors({"b": entry("BOOL", [1], 0, 1), "a": entry("F64", [], 1, 9)}, b"\1" + struct.pack("<d", 0.5))
    )
    assert_identical(odd.tensors["a"], np.array(0.5))
    assert odd.tensors["a"].flags.aligned


def test_safetensors_of_bfloat16():
    model = opened(safetensors({"a": entry("BF16", [], 0, 2)}, b"\x80\x3f"))
    assert_identical(model.tensors["a"], np.array(1, "f4"))
    assert [note.text for note in model.notes] == ["bfloat16, raised to float32"]


ONE = entry("F32", [1], 0, 4)
AGAIN = "copy or save the file again"


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (safetensors('{"a": %s, "a": %s}' % ((json.dumps(ONE),) * 2), b"\0" * 4), "duplicate-name",
         f"a: stands twice in the header; readers may take either; {AGAIN}"),
        (safetensors({"a": ONE | {"dtype": "F8_E4M3"}}, b"\0" * 4), "unsupported-type",
         "a: has dtype F8_E4M3; read are F64, F32, F16, BF16, I64, I32, I16, I8, U64, U32, U16, U8, BOOL; save it as F32"),
        (safetensors({"a": ONE, "b": ONE}, b"\0" * 4), "overlap", f"b: shares bytes with another tensor; {AGAIN}"),
        (safetensors({"a": ONE, "b": entry("F32", [1], 8, 12)}, b"\0" * 12), "overlap",
         f"b: leaves bytes 4 to 8 to no tensor; {AGAIN}"),
        (safetensors({"a": ONE}, b"\0" * 8), "overlap", f"bytes 4 to 8 belong to no tensor; {AGAIN}"),
        (safetensors({}, b"\0"), "overlap", f"bytes 0 to 1 belong to no tensor; {AGAIN}"),
        (safetensors({"a": ONE}, b"\0" * 3), "truncated", f"a: ends at byte 4 of 3 that are there; {AGAIN}"),
        (safetensors({"a": entry("F32", [2], 0, 4)}, b"\0" * 4), "size-lie", f"a: a shape of 8 bytes that has 4; {AGAIN}"),
        (safetensors({"a": entry("F32", [1 << 62, 4], 0, 4)}, b"\0" * 4), "size-lie", "more than any memory"),
        (safetensors({"a": entry("F32", [-1], 0, 4)}, b"\0" * 4), "damaged", "a: a shape or data_offsets that are no counts"),
        (safetensors({"a": entry("F32", [True], 0, 4)}, b"\0" * 4), "damaged", "a: a shape or data_offsets that are no counts"),
        (safetensors({"a": entry("F32", [1], 4, 0)}, b"\0" * 4), "damaged", "a: a shape or data_offsets that are no counts"),
        (safetensors({"a": ONE | {"x": 1}}, b"\0" * 4), "damaged", "a: not described by dtype, shape and data_offsets"),
        (safetensors({"a": 3}), "damaged", "a: not described by dtype, shape and data_offsets"),
        (safetensors({"__metadata__": {"a": 1}}), "damaged", "__metadata__: not a mapping of text to text"),
        (safetensors('{"a": 1.5}'), "damaged", "a header that is no JSON of safetensors: the number 1.5, which no header has"),
        (safetensors('{"a": NaN}'), "damaged", "the number NaN, which no header has"),
        (safetensors("{'a'}"), "damaged", "a header that is no JSON of safetensors: "),
        (safetensors('{"a":' * 5000), "damaged", "a header that is no JSON of safetensors: "),
        (safetensors('{"a":%s' % ("[" * 300_000)), "nesting", "more than 60000 '[' in the header"),
        (struct.pack("<Q", 90) + b"{}", "truncated", "a header of 90 bytes in a file of 10"),
        (struct.pack("<Q", 1 << 30) + b"{}", "too-large", "a header of 1073741824 bytes, at most 16777216 are read"),
        (safetensors({"a": entry("BOOL", [1], 0, 1)}, b"\2"), "damaged", "a: a truth value that is neither 0 nor 1"),
        (safetensors({"evil\nname": 3}), "damaged", r"x: evil\nname: not described by"),
    ],
)  # fmt: skip
def test_safetensors_that_are_refused(content, code, message):
    found, text = refusal(content)
    assert found == code
    assert message in text


# --- npz and npy


@given(arrays=st.dictionaries(st.text("abc.-", min_size=1, max_size=5).filter(lambda name: ".." not in name), ARRAYS, min_size=1,
                              max_size=3), compress=st.booleans(), fortran=st.booleans())  # fmt: skip
def test_what_numpy_writes_is_read_bit_for_bit(arrays, compress, fortran):
    buffer = io.BytesIO()
    stored = {name: np.asarray(array, order="F") if fortran else array for name, array in arrays.items()}
    (np.savez_compressed if compress else np.savez)(buffer, **stored)
    model = opened(buffer.getvalue())
    assert model.format is Format.NPZ
    assert list(model.tensors) == list(arrays)
    for name, array in arrays.items():
        assert_identical(model.tensors[name], array)
        assert model.tensors[name].flags.aligned


@given(array=ARRAYS, swapped=st.booleans())
def test_a_npy_file_is_one_array(array, swapped):
    buffer = io.BytesIO()
    np.save(buffer, array.astype(array.dtype.newbyteorder(">")) if swapped else array)
    model = opened(buffer.getvalue())
    assert_identical(model.tensors["array"], array)
    assert len(model.notes) == (swapped and array.dtype.itemsize > 1)


def test_other_versions_and_writers_of_npy():
    data = np.arange(2, dtype="f4").tobytes()
    plain = np.arange(2, dtype="f4")
    for content in (npy(data=data, version=2), npy(data=data, version=3), npy(shape="(2)", data=data),
                    npy(header='{"shape":(2,),"descr":"<f4","fortran_order":False}', data=data),
                    npy(header="{'shape': (2, ), 'fortran_order': True, 'descr' : '=f4'}   \n", data=data)):  # fmt: skip
        assert_identical(opened(content).tensors["array"], plain)
    text = np.array(["cat", "dog!"])
    buffer = io.BytesIO()
    np.savez(buffer, labels=text)
    assert opened(buffer.getvalue()).tensors["labels"].tolist() == ["cat", "dog!"]


def overlapping():
    """Two members, the second of which begins where the first does."""
    content = bytearray(npz({"a.npy": npy(), "b.npy": npy()}))
    first, second = (content.index(b"PK\1\2"), content.rindex(b"PK\1\2"))
    content[second + 42 : second + 46] = content[first + 42 : first + 46]
    content[second + 46 : second + 51] = b"c.npy"
    return bytes(content)


def changed(content, at, new):
    """The content with bytes of the last entry of the zip directory replaced."""
    place = content.rindex(b"PK\1\2") + at
    return content[:place] + new + content[place + len(new) :]


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (npz({"a.npy": npy(descr="'|O'")}), "unsupported-type", "a: holds Python objects, which are not read; save numbers"),
        (npz({"a.npy": npy(descr="[('x', '<f4')]")}), "unsupported-type",
         "a: holds records, which are not read; save each field as its own array"),
        (npz({"a.npy": npy(descr="'<c8'", shape="(1,)")}), "unsupported-type",
         "a: has dtype '<c8', which is not read; save it as float32"),
        (npz({"a.npy": npy(descr="'<V8'", shape="(1,)")}), "unsupported-type", "a: has dtype '<V8'"),
        (npz({"a.npy": npy(shape="(3,)")}), "size-lie", "a: declares 12 bytes of numbers, but 8 are there; save it again"),
        (npz({"a.npy": npy(shape="(-2,)")}), "damaged", "a: not a .npy array: a header of "),
        (npz({"a.npy": npy(shape="(2 2)")}), "damaged", "a: not a .npy array: a header of "),
        (npz({"a.npy": npy(shape="(" + "1," * 70 + ")")}), "damaged", "a: a shape of 70 dimensions"),
        (npz({"a.npy": npy(shape="(" + "9" * 20 + ",)")}), "size-lie", "more than any memory"),
        (npz({"a.npy": npy(header="{'descr': __import__('os').system('true')}")}), "damaged", "a: not a .npy array: a header of "),
        (npz({"a.npy": npy(header="{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}")}), "damaged",
         "a: not a .npy array: a header of "),
        (npz({"a.npy": npy(header="{" + "(" * 9000)}), "damaged", "a: not a .npy array: a header of "),
        (npz({"a.npy": npy(header=" " * 10_001)}), "too-large", "a: not a .npy array: a header of 10001 bytes, at most 10000"),
        (npz({"a.npy": npy()[:20]}), "truncated", "a: not a .npy array: a header of "),
        (npz({"a.npy": b"\x93NUMPY\x09\0"}), "damaged", "a: not a .npy array: it begins like no version 1 to 3"),
        (npz({"a.npy": npy(descr="'|b1'", data=b"\1\3")}), "damaged", "a: a truth value that is neither 0 nor 1; save it again"),
        (npz({"a.npy": npy(descr="'<U1'", data=b"a\0\0\0\xff\xff\xff\xff")}), "damaged", "a: a character that Unicode does not have"),
        (npz({"../a.npy": npy()}), "unsafe-name", "../a.npy: a member whose name leads out of the archive"),
        (npz({"/a.npy": npy()}), "unsafe-name", "/a.npy: a member whose name leads out of the archive"),
        (npz({"c:a.npy": npy()}), "unsafe-name", "c:a.npy: a member whose name leads out of the archive"),
        (npz({"a.npy": npy(descr="'|u1'", shape=f"({40 << 20},)", data=b"\0" * (40 << 20))}, zipfile.ZIP_DEFLATED), "expansion",
         "bytes that unpack to 41943"),
        (npz({"a.npy": npy()}, zipfile.ZIP_LZMA), "packing", "a.npy: packed by method 14, which is not read"),
        (changed(npz({"a.npy": npy()}), 8, b"\1"), "packing", "a.npy: encrypted, which is not read"),
        (changed(npz({"a.npy": npy()}), 16, b"\0\0\0\0"), "damaged", "a.npy: its checksum is "),
        (changed(npz({"a.npy": npy()}, zipfile.ZIP_DEFLATED), 24, struct.pack("<I", 79)), "size-lie", "a: declares 8 bytes of numbers"),
        (changed(npz({"a.npy": npy()}), 24, struct.pack("<I", 79)), "size-lie", "stored as they are that declare to be 79"),
        (changed(npz({"a.npy": npy()}), 46, b"b"), "damaged", "b.npy: has another name where it begins than in the directory"),
        (changed(npz({"a.npy": npy()}), 20, struct.pack("<2I", 999, 999)), "truncated", "a.npy: declares 999 bytes at byte 35"),
        (changed(npz({"a.npy": npy()}), 42, struct.pack("<I", 1)), "damaged", "a.npy: no member begins at byte 1"),
        (changed(npz({"a.npy": npy()}), 42, b"\xff" * 4), "damaged", "a.npy: its zip64 field is missing"),
        (overlapping(), "damaged", "c.npy: has another name where it begins"),
        (npz({"a.npy": npy()}) + b"x", "damaged", "the zip directory is not where its end record says"),
        (b"PK\3\4" + npz({"a.npy": npy()}), "damaged", "the zip directory is not where its end record says"),
        (npz({"a.npy": npy()})[:60], "truncated", "begins like a zip file, but has no directory at its end"),
    ],
)  # fmt: skip
def test_npz_that_are_refused(content, code, message):
    found, text = refusal(content)
    assert found == code
    assert message in text


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_and_members_that_two_readers_could_take_differently():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.npy", npy())
        archive.writestr("a.npy", npy())
    assert refusal(buffer.getvalue())[0] == "duplicate-name"
    inner = npz({"a.npy": npy()})[: -22 - 46 - 5]  # a local member, hidden within the content of another
    content = npz({"b.npy": inner, "a.npy": npy()})
    assert refusal(changed(content, 42, struct.pack("<I", content.index(inner))))[0] == "overlap"
    assert refusal(npz({f"{i}.npy": npy() for i in range(30)}), Limits(parts=29))[0] == "nesting"


@pytest.mark.parametrize(
    ("tail", "cut", "behind", "message"),
    [
        (b"x", 0, b"", "unpacks to more than the {size} bytes that it declares"),
        (b"", 1, b"", "ends before the {size} bytes that it declares"),
        (b"", 0, b"junk", "goes on behind its packed bytes"),
        (b"", 0, bytes(1 << 17), "goes on behind its packed bytes"),
    ],
)
def test_what_unpacks_to_other_bytes_than_declared(tail, cut, behind, message):
    """The array's header is honest, but the packed bytes hold more, or fewer, or others stand behind them."""
    honest = npy(descr="'|u1'", shape="(1000,)", data=bytes(1000))
    content = bytearray(npz({"a.npy": honest}, zipfile.ZIP_DEFLATED))
    packed_bytes = zlib.compress((honest + tail)[: len(honest) + len(tail) - cut])[2:-4] + behind
    content[content.index(b"a.npy") + 5 : content.index(b"PK\1\2")] = packed_bytes
    directory = content.index(b"PK\1\2")
    content[directory + 20 : directory + 24] = struct.pack("<I", len(packed_bytes))
    content[-6:-2] = struct.pack("<I", directory)
    code, text = refusal(bytes(content))
    assert code == "damaged"
    assert message.format(size=len(honest)) in text


def test_the_file_itself_is_looked_at_before_it_is_read(tmp_path):
    (tmp_path / "a.npy").write_bytes(npy())
    size = len(npy())
    assert open_model(tmp_path / "a.npy", Limits(file_bytes=size)).tensors["array"].size == 2
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for a writer
    for name, limits, message in (
        ("a.npy", Limits(file_bytes=size - 1), f"{size} bytes, at most {size - 1} are read; raise Limits.file_bytes"),
        ("pipe", Limits(), "no regular file; save it to disk first"),
        (".", Limits(), "a folder; models are read from one file; name the file in it that holds the weights"),
        ("a\0b", Limits(), "cannot read: embedded null byte; name a file that exists"),
    ):
        with pytest.raises(LoadError) as error:
            open_model(tmp_path / name, limits)
        assert message in str(error.value)


# --- Flax


def test_arrays_and_values_of_flax():
    tree = {"params": {"Dense_0": {"kernel": np.arange(6, dtype="f4").reshape(2, 3), "bias": np.zeros(3, "f2")}}, "step": 7,
            "scale": np.float32(0.5), "name": "net", "empty": np.empty((0, 2), "i4"), "raw": b"ab", "list": [1, 2.5, None],
            "opt": {"0": {"mu": np.array([True, False])}}}  # fmt: skip
    model = opened(packed(tree))
    assert model.format is Format.FLAX
    assert list(model.tensors) == ["params.Dense_0.kernel", "params.Dense_0.bias", "scale", "empty", "opt.0.mu"]
    assert_identical(model.tensors["params.Dense_0.kernel"], tree["params"]["Dense_0"]["kernel"])
    assert_identical(model.tensors["scale"], np.array(0.5, "f4"))
    assert_identical(model.tensors["empty"], tree["empty"])
    assert dict(model.attributes) == {"step": 7, "name": "net", "raw": b"ab", "list": (1, 2.5, None)}
    bits = packed({"w": extension(1, packed(((2,), "bfloat16", b"\x80\x3f\0\0")))})
    assert_identical(opened(bits).tensors["w"], np.array([1, 0], "f4"))
    assert [note.name for note in opened(bits).notes] == ["w"]


def test_chunked_arrays_of_flax():
    whole = np.arange(6, dtype="f4")
    chunked = {"__msgpack_chunked_array__": True, "shape": {"0": 2, "1": 3}, "chunks": {"0": whole[:4], "1": whole[4:]}}
    assert_identical(opened(packed({"w": chunked})).tensors["w"], whole.reshape(2, 3))
    for broken in ({"shape": {"0": 2, "2": 3}}, {"chunks": {"0": whole[:4]}}, {"chunks": {}}, {"chunks": {"0": 1}},
                   {"chunks": {"0": whole[:4], "1": whole[4:].astype("i4")}}, {"shape": {"0": -2, "1": -3}}):  # fmt: skip
        assert refusal(packed({"w": chunked | broken}))[0] in ("damaged", "size-lie")


ARRAY = packed(np.zeros(2, "f4"))


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (packed({"a": extension(2, packed((1.0, 2.0)))}), "unsupported-type", "holds a complex number, which is not read"),
        (packed({"a": extension(4, b"")}), "unsupported-type", "holds an extension of type 4; 1 and 3 are Flax's"),
        (packed({"a": extension(-1, b"\0\0\0\0")}), "unsupported-type", "holds an extension of type -1"),
        (packed({"a": extension(1, packed(((2,), "object", b"")))}), "unsupported-type", "holds an array of dtype object"),
        (packed({"a": extension(1, packed(((2,), "complex64", b"")))}), "unsupported-type", "holds an array of dtype complex64"),
        (packed({"a": extension(1, packed(((2,), "float32", b"\0" * 4)))}), "size-lie", "a: a shape of 8 bytes that has 4"),
        (packed({"a": extension(1, packed(((-2,), "float32", b"")))}), "damaged", "an array whose shape is no list of counts"),
        (packed({"a": extension(1, packed(((1 << 40,) * 3, "int8", b"")))}), "size-lie", "more than any memory"),
        (packed({"a": extension(1, packed((2, 3)))}), "damaged", "an array that is not (shape, dtype, bytes)"),
        (packed({"a": extension(1, packed((ARRAY, "int8", b"")))}), "damaged", "an array within which an extension of type 1"),
        (packed({"a": extension(1, packed(((2,), "float32", b"\0" * 8)) + b"\0")}), "damaged", "goes on behind its value"),
        (Packed(b"\x82" + packed("a") + ARRAY + packed("a") + ARRAY), "duplicate-name", "a: two values have this key"),
        (Packed(b"\x81\xc0\x01"), "damaged", "a key that is neither text nor a whole number"),
        (Packed(b"\x81\xa1a\xc1"), "damaged", "byte 0xc1 at 3, which MessagePack never uses"),
        (Packed(b"\x81\xa1a\xa1\xff"), "damaged", "a text before byte 5 that is not UTF-8"),
        (Packed(b"\x81\xa1a\xc6\xff\xff\xff\xff"), "truncated", "declares 4294967295 bytes at byte 8, but 0 are there"),
        (Packed(b"\x81\xa1a" + b"\xdd\xff\xff\xff\xff" * 20), "truncated", "declares 1 bytes"),
        (Packed(b"\x81\xa1a" + b"\x91" * 1000), "nesting", "more values, or nested deeper, than any model"),
        (packed({"a": 1}) + b"\0", "damaged", "goes on behind its value, which ends at byte "),
        (packed({"a": {"b": ARRAY}, "a.b": ARRAY}), "duplicate-name", "a.b: two values have this name"),
    ],
)  # fmt: skip
def test_flax_files_that_are_refused(content, code, message):
    found, text = refusal(content)
    assert found == code
    assert message in text


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=40) | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=4) | st.integers(0, 300), inner, max_size=20),
    max_leaves=40,
)  # fmt: skip


@given(tree=PLAIN)
def test_messagepack_agrees_with_its_package(tree):
    msgpack = pytest.importorskip("msgpack")
    from refsnn.formats.flax.messagepack import unpacked

    content = memoryview(msgpack.packb(tree))
    assert unpacked(content, lambda *_: None, Source("x", content, Limits())) == tree


@given(arrays=st.dictionaries(NAMES, ARRAYS, min_size=1, max_size=3))
def test_what_flax_writes_is_read_bit_for_bit(arrays):
    """Flax's own way of packing, with the package it uses."""
    msgpack = pytest.importorskip("msgpack")

    def pack(array):
        kind = 1 if isinstance(array, np.ndarray) else 3
        return msgpack.ExtType(
            kind, msgpack.packb((array.shape, array.dtype.name, array.tobytes("C")), use_bin_type=True)
        )

    model = opened(msgpack.packb({"params": arrays}, default=pack, strict_types=True))
    assert list(model.tensors) == [f"params.{name}" for name in arrays]
    for name, array in arrays.items():
        assert_identical(model.tensors[f"params.{name}"], array)


# --- MATLAB


@given(
    arrays=st.dictionaries(st.text("abcXYZ", min_size=1, max_size=5), ARRAYS, min_size=1, max_size=3),
    compress=st.booleans(),
)
def test_what_scipy_writes_is_read_bit_for_bit(arrays, compress):
    arrays = {name: array.astype("f4") if array.dtype == np.float16 else array for name, array in arrays.items()}
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, arrays, do_compression=compress, oned_as="row")
    model = opened(buffer.getvalue())
    assert (model.format, list(model.tensors)) == (Format.MAT5, list(arrays))
    theirs = scipy.io.loadmat(io.BytesIO(buffer.getvalue()), mat_dtype=False)
    for name, array in arrays.items():
        wanted = theirs[name].astype(bool) if array.dtype == np.bool_ else theirs[name]
        assert_identical(model.tensors[name], wanted)
        assert model.tensors[name].tobytes() == array.tobytes()


def test_doubles_stored_as_bytes_are_doubles_and_texts_are_attributes():
    content = mat(matrix("w", 6, (2, 2), bytes([1, 2, 3, 4]), stored=2), matrix("t", 4, (1, 2), "hi".encode("utf-16-le"), stored=17),
                  matrix("rows", 4, (2, 2), b"acbd", stored=16), matrix("b", 9, (1, 2), b"\0\1", stored=2, flags=0x200),
                  matrix("e", 7, (0, 3), b"", stored=7))  # fmt: skip
    model = opened(content)
    assert_identical(model.tensors["w"], np.array([[1.0, 3.0], [2.0, 4.0]]))
    assert_identical(model.tensors["b"], np.array([[False, True]]))
    assert_identical(model.tensors["e"], np.empty((0, 3), "f4"))
    assert dict(model.attributes) == {"t": "hi", "rows": ("ab", "cd")}
    swapped = mat(matrix("w", 6, (1, 1), struct.pack(">d", 0.5), order=">"), order=">")
    assert_identical(opened(swapped).tensors["w"], np.array([[0.5]]))
    assert [note.text for note in opened(swapped).notes] == ["stored in the other byte order, swapped"]


DOUBLE = matrix("w", 6, (1, 1), struct.pack("<d", 1))


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (mat(matrix("c", 1, (1, 1), b"")), "unsupported-type", "c: a cell array, which is not read; save it as arrays of numbers"),
        (mat(matrix("s", 2, (1, 1), b"")), "unsupported-type",
         "s: a struct, which is not read; save its fields: save(name, '-struct', 's', '-v7')"),
        (mat(matrix("o", 3, (1, 1), b"")), "unsupported-type", "o: an object, which is not read"),
        (mat(matrix("f", 16, (1, 1), b"")), "unsupported-type", "f: a function handle, which is not read"),
        (mat(matrix("o", 17, (1, 1), b"")), "unsupported-type", "holds an object, which is not read"),
        (mat(matrix("p", 5, (1, 1), b"")), "unsupported-type", "p: a sparse matrix, which is not read"),
        (mat(matrix("z", 6, (1, 1), b"\0" * 8, flags=0x800)), "unsupported-type", "z: complex numbers, which are not read"),
        (mat(matrix("w", 6, (2, 1), b"\0" * 8)), "size-lie", "w: a shape of 16 bytes that has 8"),
        (mat(matrix("w", 6, (-1, 1), b"\0" * 8)), "damaged", "w: a shape of 2 dimensions, [-1, 1]"),
        (mat(matrix("w", 6, (1 << 30,) * 3, b"")), "size-lie", "more than any memory"),
        (mat(matrix("w", 6, (1, 1), b"", stored=99)), "damaged", "w: numbers of type 99"),
        (mat(DOUBLE, DOUBLE), "duplicate-name", "w: two variables have this name"),
        (mat(element(1, b"x")), "damaged", "an element of type 1 where a matrix is expected"),
        (mat(DOUBLE[:-8]), "truncated", "declares 64 bytes, but 56 are there"),
        (mat(DOUBLE, b"\0\0"), "truncated", "2 bytes where an element begins"),
        (mat(b"\0\0\6\0" + b"\0" * 4), "damaged", "a short element of 6 bytes"),
        (mat(compressed(matrix("w", 9, (40 << 20, 1), bytes(40 << 20), stored=2))), "expansion", "bytes that unpack to "),
        (mat(compressed(matrix("w", 6, (30 << 20, 1), bytes(30 << 20), stored=2))), "expansion", "w: unpacks to 31457280 numbers"),
        (mat(compressed(DOUBLE + b"\0")), "damaged", "a compressed element that does not unpack: unpacks to more than"),
        (mat(compressed(DOUBLE[:-1])), "damaged", "a compressed element that does not unpack: ends before"),
        (mat(struct.pack("<2I", 15, 20) + b"x" * 20), "damaged", "a compressed element that does not unpack: "),
        (mat(DOUBLE)[:124] + b"\0\2IM", "damaged", "no header of version 1 of MATLAB v5"),
    ],
)  # fmt: skip
def test_mat_files_that_are_refused(content, code, message):
    found, text = refusal(content)
    assert found == code
    assert message in text
