"""HDF5: what is written is read, what leads out of the file or lies about its size is refused, and nothing else happens."""

import json
import re
import struct
import subprocess
import sys
import zlib
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import save
from same import assert_identical

from refsnn.errors import LoadError
from refsnn.formats import Limits, open_model
from refsnn.formats.hdf5 import child as hdf5_child
from refsnn.formats.hdf5 import tree as hdf5_tree
from refsnn.formats.hdf5.tree import Group, read_tree
from refsnn.formats.model_file import Source

CASES = Path(__file__).parents[2] / "shared" / "cases"
USUAL = Limits()
FEW = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # 0.2 s each


def read(content, limits=USUAL):
    content = content.read_bytes() if isinstance(content, Path) else content
    return read_tree(Source("a.h5", memoryview(content), limits))


def refused(content, limits=USUAL):
    with pytest.raises(LoadError) as caught:
        read(content, limits)
    return caught.value


def numbers():
    dtypes = st.sampled_from(["<f2", "<f4", ">f4", "<f8", "|i1", "<i2", ">i4", "<i8", "|u1", "<u8", "|b1"])
    shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    return hnp.arrays(dtypes, shapes)


names = st.text("abc.é lif1", min_size=1, max_size=6).filter(lambda name: name.strip(".") != "")
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
leaves = numbers() | texts | st.lists(st.tuples(texts, texts), min_size=1, max_size=3)
trees = st.recursive(
    st.dictionaries(names, leaves, max_size=3),
    lambda inner: st.dictionaries(names, inner | leaves, max_size=3),
    max_leaves=8,
)


def write(group, tree, packed):
    for name, value in tree.items():
        if isinstance(value, dict):
            write(group.create_group(name), value, packed)
        elif isinstance(value, np.ndarray) and value.ndim and value.size and packed:
            group.create_dataset(name, data=value, compression="gzip", shuffle=True, fletcher32=True)
        elif isinstance(value, list):
            group.create_dataset(name, data=value, dtype=h5py.string_dtype())
        else:
            group[name] = value
            group.attrs[name] = value


def check(found, tree):
    assert set(found.groups) | set(found.datasets) == set(tree)
    for name, value in tree.items():
        if isinstance(value, dict):
            check(found.groups[name], value)
        elif isinstance(value, np.ndarray):
            got = found.datasets[name]
            assert got.dtype == value.dtype.newbyteorder("=")
            assert not got.flags.writeable
            np.testing.assert_array_equal(got, value)
            assert got.ctypes.data % got.itemsize == 0
            if name in found.attributes:
                np.testing.assert_array_equal(found.attributes[name], value)
        else:
            assert found.datasets[name] == (tuple(value) if isinstance(value, list) else value)


@FEW
@given(tree=trees, packed=st.booleans())
def test_what_is_written_is_read(tmp_path, tree, packed):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        write(file, tree, packed)
    check(read(tmp_path / "a.h5"), tree)


def external_storage(file):
    file.create_dataset("w", (4,), "f4", external=[("/etc/passwd", 0, 16)])


def external_link(file):
    file["w"] = h5py.ExternalLink("/etc/other.h5", "/w")


def soft_link(file):
    file["v"], file["w"] = np.ones(3), h5py.SoftLink("/v")


def virtual(file):
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("/etc/other.h5", "w", (3,))
    file.create_virtual_dataset("w", layout)


def cycle(file):
    file.create_group("a/b")
    file["a/b/c"] = file["a"]


def alias(file):
    file.create_group("a")
    file["b"] = file["a"]


def unwritten(file):
    file.create_dataset("w", (10**10,), "f4")


def unwritten_pieces(file):
    data = file.create_dataset("w", (4, 1000), "f4", chunks=(1, 1000))
    data[0] = 1


def packed_bomb(file):
    file.create_dataset("w", data=np.zeros(9 << 20, "f8"), compression="gzip")


def many_small_bombs(file):
    for index in range(5):
        file.create_dataset(f"w{index}", data=np.zeros(1 << 20, "f8"), compression="gzip")


def wide_piece(file):
    data = file.create_dataset("w", (1,), "f4", maxshape=(None,), chunks=(1 << 24,), compression="gzip")
    data[0] = 1


def compound(file):
    file["w"] = np.zeros(3, [("a", "f4"), ("b", "f4")])


def reference(file):
    file["v"] = 1.0
    file["w"] = file["v"].ref


def lengths(file):
    file.create_dataset("w", (1,), h5py.vlen_dtype("f4"))[0] = [1, 2]


def wide_floats(file):
    file["w"] = np.ones(2, "g")


def complex_numbers(file):
    file["w"] = np.ones(2, "c8")


def named_type(file):
    file["w"] = np.dtype("f4")


def nothing(file):
    file["w"] = h5py.Empty("f4")


def other_filter(file):
    file.create_dataset("w", data=np.zeros(8), compression="lzf")


def deep(file):
    file["/".join("a" * 70)] = 1.0


def attribute(file):
    file.attrs["w"] = np.zeros(3, [("a", "f4")])


REFUSED = [
    (external_storage, "outside-file", "/w: its numbers lie in another file; save the arrays into the file itself"),
    (external_link, "outside-file", "/w: a link to another file; save the arrays into the file itself"),
    (soft_link, "outside-file", "/w: a link by name, which may lead anywhere; save without soft links"),
    (virtual, "outside-file", "/w: a virtual dataset, made of other datasets; save the arrays themselves"),
    (cycle, "cycle", "/a/b/c: a group that contains itself; save it again as npz or safetensors"),
    (alias, "cycle", "/b: a second name of the group '/a'; save it again as npz or safetensors"),
    (unwritten, "size-lie", "/w: declares 40000000000 bytes that the file does not have; save it again as npz or safetensors"),
    (unwritten_pieces, "size-lie", "/w: declares 16000 bytes in 4 pieces; not all are there; save it again as npz or safetensors"),
    (packed_bomb, "expansion", r"/w: declares 75497472 bytes, of which \d+ are stored; raise Limits.ratio if the file is trusted"),
    (many_small_bombs, "expansion", r"/: declares 41943040 bytes, of which \d+ are stored; raise Limits.ratio if the file is trusted"),
    (wide_piece, "expansion", r"/w: declares 67108864 bytes, of which \d+ are stored; raise Limits.ratio if the file is trusted"),
    (compound, "unsupported-type", "/w: a compound, reference, enumeration or variable-length type; booleans, integers, floats up to 64 bit and texts are read; save it again as npz or safetensors"),
    (reference, "unsupported-type", "/w: a compound, .*"),
    (lengths, "unsupported-type", "/w: a compound, .*"),
    (wide_floats, "unsupported-type", "/w: type float128; .*"),
    (complex_numbers, "unsupported-type", "/w: type complex64; .*"),
    (named_type, "unsupported-type", "/w: a named data type, which is neither group nor dataset; .*"),
    (nothing, "unsupported-type", r"/w: holds nothing \(a null dataspace\); .*"),
    (other_filter, "unsupported-type", "/w: packed by filter 32000; gzip, shuffle and fletcher32 are read; save it with compression='gzip' or none"),
    (deep, "nesting", r"(/a)+…: groups more than 64 deep; .*"),
    (attribute, "unsupported-type", "@w: a compound, .*"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "code", "message"), REFUSED, ids=[make.__name__ for make, *_ in REFUSED])
def test_what_could_mislead_is_refused_with_its_reason(tmp_path, make, code, message):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        make(file)
    error = refused(tmp_path / "a.h5")
    assert (error.code, bool(re.fullmatch(f"a.h5: {message}", str(error)))) == (code, True), str(error)


FIXTURES = [("bomb", "expansion"), ("cycle", "cycle"), ("ext_link", "outside-file"), ("ext_storage", "outside-file")]


def test_datasets_that_share_bytes_are_refused(tmp_path):
    """The address of the second one's numbers is overwritten with that of the first."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["v"], file["w"] = np.arange(4.0), np.arange(4.0) + 9
        first, second = (file[name].id.get_offset() for name in "vw")
    content = (tmp_path / "a.h5").read_bytes()
    lie = content.replace(struct.pack("<Q", second), struct.pack("<Q", first + 8))
    assert lie != content
    error = refused(lie)
    assert (error.code, error.place, error.reason) == ("overlap", "/w", "shares bytes with another dataset")


def test_one_dataset_under_two_names_is_read_twice(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["v"] = np.arange(4.0)
        file["w"] = file["v"]
    found = read(tmp_path / "a.h5").datasets
    np.testing.assert_array_equal(found["v"], found["w"])


@pytest.mark.skipif(sys.platform != "linux", reason="needs the size of a process")
def test_one_long_text_named_many_times_is_refused_before_it_fills_the_memory(tmp_path):
    """4000 texts of an attribute point to one of 1 MB in the heap: 16 kB declare 4 GB."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        texts = np.array(["x" * (1 << 20), *["y"] * 3999], h5py.string_dtype())
        file.attrs["texts"] = texts
    content = bytearray((tmp_path / "a.h5").read_bytes())
    length = struct.pack("<I", 1 << 20)
    at = content.index(length, 512)
    while content[at + 16 : at + 20] != struct.pack(
        "<I", 1
    ):  # 4 bytes of length, 8 of address, 4 of number, then the next
        at = content.index(length, at + 1)
    content[at : at + 16 * 4000] = content[at : at + 16] * 4000
    assert refused(bytes(content)).code == "too-large"


@pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared")
@pytest.mark.parametrize(("name", "code"), FIXTURES)
def test_fixtures_are_refused(name, code):
    with pytest.raises(LoadError) as caught:
        open_model(CASES / "negative" / "nir_hdf5" / f"{name}.nir")
    assert caught.value.code == code


def test_limits_are_kept(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for index in range(30):
            file[f"group{index}/text"] = "x" * 100
    assert refused(tmp_path / "a.h5", Limits(parts=20)).code == "nesting"
    assert refused(tmp_path / "a.h5", Limits(header_bytes=2000)).code == "too-large"
    assert refused(tmp_path / "a.h5", Limits(depth=0)).code == "nesting"
    assert refused(tmp_path / "a.h5", Limits(child_bytes=1 << 20)).code in ("too-large", "damaged")


def small(path):
    with h5py.File(path, "w") as file:
        file["w"] = np.arange(6, dtype="f4")
        file.create_dataset("g/z", data=np.arange(50), compression="gzip")
        file["g"].attrs["type"] = "LIF"
        file["edges"] = np.array([("a", "b")], h5py.string_dtype())
    return path.read_bytes()


def test_a_file_that_ends_early_is_refused_wherever_it_ends(tmp_path):
    content = small(tmp_path / "a.h5")
    for size in [*range(1, len(content), len(content) // 12), len(content) - 1]:
        assert refused(content[:size]).code in ("truncated", "damaged", "size-lie"), size


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_bytes_are_refused_or_read_but_never_break_us(tmp_path, data):
    content = bytearray(small(tmp_path / "a.h5"))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(8, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(LoadError):
        assert isinstance(read(bytes(content)), Group)


@pytest.mark.parametrize(
    ("packing", "code", "reason"),
    [
        ({"compression": "gzip"}, "size-lie", "a piece of it does not unpack to 6 bytes"),
        ({"fletcher32": True}, "damaged", "holds numbers that do not unpack, or do not have their checksum"),
    ],
)
def test_numbers_that_do_not_unpack_are_refused_whole(tmp_path, packing, code, reason):
    """Also where others were sent before, and less is missing than a message is long."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["first"] = np.arange(2.0)
        data = file.create_dataset("last", data=np.arange(6, dtype="i1"), chunks=(6,), **packing)
        at = data.id.get_chunk_info(0).byte_offset
    content = bytearray((tmp_path / "a.h5").read_bytes())
    content[at + 3] ^= 0xFF
    error = refused(bytes(content))
    assert (error.code, error.reason) == (code, reason)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("size", [1, 2**20 - 1, 2**20, 2**20 + 1, 3 * 2**20])
def test_packed_pieces_of_every_length_are_read(tmp_path, size, checksum, shuffle):
    """Their lengths are counted a MiB at a time before libhdf5 unpacks them."""
    values = np.random.Generator(np.random.PCG64(size)).integers(0, 3, size, dtype=np.uint8)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", data=values, chunks=(size,), compression="gzip", fletcher32=checksum, shuffle=shuffle)
    assert_identical(read((tmp_path / "a.h5").read_bytes()).datasets["a"], values)


@pytest.mark.parametrize("length", [5, 7])
def test_a_piece_that_unpacks_to_another_length_is_refused(tmp_path, length):
    """Libhdf5 would fill the rest with what the memory held."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("a", data=np.zeros(6, "i1"), chunks=(6,), compression="gzip")
        data.id.write_direct_chunk((0,), zlib.compress(bytes(length)))
    error = refused((tmp_path / "a.h5").read_bytes())
    assert (error.code, error.reason) == ("size-lie", "a piece of it does not unpack to 6 bytes")


def test_without_h5py_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5_tree, "find_spec", lambda name: None)
    message = "a.h5: HDF5 files are read with h5py, which is not installed; pip install 'refsnn[nir]'"
    assert str(refused(small(tmp_path / "a.h5"))) == message


CHILDREN = [
    ("import os; os.kill(os.getpid(), 11)", "broke the process that reads it (signal 11)"),
    ("import sys; sys.exit(7)", "broke the process that reads it (status 7)"),
    ("import time; time.sleep(60)", "broke the process that reads it (signal 9)"),
    (
        "import resource as r; r.setrlimit(r.RLIMIT_CPU, (1, 2))\nwhile True: pass",
        "keeps the process that reads it busy for more than 2 s",
    ),
    ("import os; os.write(1, b't' + b'\\xff' * 8)", "broke the process that reads it (status 0)"),
    ("import os; os.write(1, b't' + (9).to_bytes(8, 'little') + b'nonsense.')", None),
    ("import os; os.write(1, b'r' + (4).to_bytes(8, 'little') + b'[[]]')", "broke the process that reads it"),
]


@pytest.mark.parametrize(("program", "reason"), CHILDREN)
def test_a_reading_process_that_breaks_is_a_damaged_file(tmp_path, monkeypatch, program, reason):
    (tmp_path / "child.py").write_text(program)
    monkeypatch.setattr(hdf5_child, "__file__", str(tmp_path / "child.py"))
    error = refused(small(tmp_path / "a.h5"), Limits(child_seconds=1 if "sleep" in program else 20))
    assert error.code in ("damaged", "truncated", "too-large")
    assert reason in (error.reason, None)


def alone(program):
    """What a program prints that has hdf5_child as `child`."""
    start = (
        "import importlib.util, sys, h5py, numpy\n"
        f"spec = importlib.util.spec_from_file_location('child', {hdf5_child.__file__!r})\n"
        "child = importlib.util.module_from_spec(spec); spec.loader.exec_module(child)\n"
        "limits = dict(parts=100, depth=9, header_bytes=1000, ratio=100, floor=1000, child_bytes=1 << 29, child_seconds=9)\n"
    )
    return subprocess.run([sys.executable, "-c", start + program], capture_output=True, text=True, check=False).stdout


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of processes")
def test_the_reading_process_can_open_nothing_any_more(tmp_path):
    (tmp_path / "secret").write_text("secret")
    program = (
        f"child.confine(limits, 100)\ntry: open({str(tmp_path / 'secret')!r})\nexcept OSError as e: print(e.errno)"
    )
    assert alone(program).strip() == "24"  # EMFILE


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of processes")
def test_external_storage_stays_unread_even_where_the_walk_would_let_it_pass(tmp_path):
    """The second line of defence alone: the check of datasets is taken out, and the process still has no way to the file."""
    (tmp_path / "secret").write_bytes(struct.pack("<4f", 1, 2, 3, 4))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("w", (4,), "f4", external=[(str(tmp_path / "secret"), 0, 16)])
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["w"][3] == 4.0  # what reading without protection gives
    program = (
        f"content = open({str(tmp_path / 'a.h5')!r}, 'rb').read()\n"
        "child.confine(limits, len(content))\n"
        "child.walking.Walk.stored = lambda *_: None\n"
        "walk = child.walking.Walk(h5py, numpy, limits, len(content))\n"
        "file = child.opened(h5py, content)\n"
        "walk.group(h5py.h5g.open(file, b'/'), -1, '', ())\n"
        "path, shape, dtype = walk.arrays[0]\n"
        "dataset = h5py.h5o.open(file, path.encode())\n"
        "try: walk.read(lambda a: dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, a), shape, dtype); print('read')\n"
        "except Exception as error: print(type(error).__name__)\n"
    )
    assert alone(program).strip() == "OSError"


def test_an_hdf5_file_of_no_known_kind_says_what_it_holds(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["weights/w"], file["b"] = np.ones(2), np.ones(3)
    with pytest.raises(LoadError) as caught:
        open_model(path)
    assert str(caught.value).startswith(
        f"{path}: an HDF5 file that is neither NIR, Keras nor lava .net (it holds b, weights); "
    )
    assert caught.value.code == "unknown-format"


@pytest.mark.skipif(sys.platform != "linux", reason="needs limits of memory")
def test_tensors_that_do_not_fit_into_the_memory_allowed_are_refused_as_such(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("w", data=np.zeros((3 << 20), "f8"), compression="gzip", chunks=(1 << 16,))
    content = (tmp_path / "a.h5").read_bytes()
    assert read(content).datasets["w"].size == 3 << 20
    codes = {refused(content, Limits(child_bytes=most << 20)).code for most in (1, 30)}
    assert codes <= {"too-large", "damaged"}


@pytest.mark.parametrize(
    ("groups", "datasets"),
    [
        ([[-1, "", {}], [1, "a", {}]], []),  # contains itself
        ([[-1, "", {}], [2, "a", {}], [1, "b", {}]], []),  # contain each other
        ([[0, "", {}]], []),
        ([[-1, "", {}], [-1, "a", {}]], []),  # two roots
        ([[-1, "", {}]], [[-1, "x", "text"]]),
        ([[-1, "", {}]], [[1, "x", "text"]]),
        ([[-1, "", {}]], [[0, "x", {"array": 3}]]),
        ([[-1, "", "text"]], []),
        ([], []),
    ],
)
def test_what_the_reading_process_answers_is_believed_no_more_than_a_file(groups, datasets):
    """The file may have taken it over; fuzzing found a tree that contains itself."""
    tree = np.frombuffer(json.dumps({"groups": groups, "datasets": datasets}).encode(), np.uint8)
    with pytest.raises(LoadError) as error:
        hdf5_tree.answered(Source("a.h5", memoryview(save({"tree": tree})), USUAL))
    assert error.value.code == "damaged"
