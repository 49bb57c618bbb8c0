"""Small files that ask for much: refused within 2 s and 64 MiB beside three times the file, in a process that measures itself."""

import io
import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from flat_files import compressed, entry, extension, mat, matrix, npy, npz, packed, safetensors
from torch_files import Opcodes, archive, called, legacy, named, storage, tensor, value

MANY = 1_000_000
CHILD = """
import json, sys, time
from refsnn.errors import LoadError
from refsnn.formats.opening import READERS, open_model
for module in set(READERS.values()):
    try: __import__("refsnn.formats." + module)
    except ImportError: pass
def peak(): return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
found = {}
for path in sys.argv[1:]:
    open("/proc/self/clear_refs", "w").write("5")  # the peak is what is used now
    before, start, code = peak(), time.process_time(), "read"
    try: open_model(path)
    except LoadError as error: code = error.code
    found[path] = code, time.process_time() - start, peak() - before
print(json.dumps(found))
"""


def laughs():
    """30 lists, each ten times the one before."""
    steps = b"".join(b"](" + bytes([0x68, i]) * 10 + b"eq" + bytes([i + 1]) for i in range(30))
    return archive(Opcodes(b"(](" + value(1) * 10 + b"eq\x00" + steps + b"t"))


def repeated(shared, module, name):
    """A thousand calls that copy one large value."""
    calls = (named(module, name) + b"h\x00\x85R") * 1000
    return archive(Opcodes(shared + b"q\x00(" + calls + b"t\x86"))


def colliding():
    """100,000 integers with one hash."""
    keys = (b"\x8a\x0c" + (i * ((1 << 61) - 1)).to_bytes(12, "little") + b"N" for i in range(100_000))
    return archive(Opcodes(b"}(" + b"".join(keys) + b"u"))


def members(count):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed_files:
        for i in range(count):
            packed_files.writestr(f"{i}.npy", b"")
    return buffer.getvalue()


def wrong_checksum():
    """60 MiB that unpack from one, are what they declare, and have another checksum."""
    data = b"".join(struct.pack("<Q", i * 0x9E3779B97F4A7C15 % 2**64) * 2 + bytes(944) for i in range(1 << 16))
    content = bytearray(npz({"a.npy": npy(descr="'|u1'", shape=f"({len(data)},)", data=data)}, zipfile.ZIP_DEFLATED))
    content[content.rindex(b"PK\1\2") + 16] ^= 1
    return bytes(content)


BOMBS = {
    "lists": lambda: archive(Opcodes(b"]" * MANY)),
    "sets": lambda: archive(Opcodes(b"\x8f" * MANY)),
    "tuples in tuples": lambda: archive(Opcodes(b")" + b"\x85" * MANY)),
    "memo": lambda: archive(Opcodes(b"]" + b"\x94" * MANY)),
    "numbers": lambda: archive(Opcodes(b"](" + b"M\xff\xee" * MANY + b"e")),
    "laughs": laughs,
    "one list at many places": lambda: archive(
        Opcodes(b"(](" + b"K\x01" * 100_000 + b"eq\x00" + b"h\x00" * 1000 + b"t")
    ),
    "sizes": lambda: repeated(b"](" + b"K\x01" * 100_000 + b"e", "torch", "Size"),
    "texts": lambda: repeated(value("x" * MANY), "builtins", "bytearray"),
    "keys with one hash": colliding,
    "one number as a gigabyte": lambda: archive(
        {"w": tensor(storage("0", "Float", 1), (1 << 14,) * 2, (0, 0))}, {"0": bytes(4)}
    ),
    "many of one": lambda: archive(
        {f"w{i}": tensor(storage("0", "Float", 1000), (1000, 1000), (0, 1)) for i in range(100)}, {"0": bytes(4000)}
    ),
    "packed zeros": lambda: archive({"a": 1}, {"0": bytes(40 << 20)}, compression=zipfile.ZIP_DEFLATED),
    "packed opcodes": lambda: archive(Opcodes(b"N" * 12_000_000), compression=zipfile.ZIP_DEFLATED),
    "a size of a terabyte": lambda: legacy(
        {"w": tensor(storage("0", "Float", 1 << 38, None), (1 << 38,))}, [("0", 1 << 38, b"")]
    ),
    "checksum": wrong_checksum,
    "members": lambda: members(50_000),
    "brackets": lambda: safetensors('{"a":' + "[" * 3_000_000),
    "objects": lambda: safetensors('{"a":[' + ",".join(["{}"] * 3_000_000)),
    "entries": lambda: safetensors({str(i): entry("F32", [1], 4 * i, 4 * i + 4) for i in range(50_000)}, bytes(40_000)),
    "array of 4 billion": lambda: b"\x81\xa1a" + b"\xdd\xff\xff\xff\xff" * 60,
    "maps": lambda: b"\x81\xa1a\xdd\x00\x0f\xff\xff" + b"\x81\x01\x80" * 300_000,
    "extensions": lambda: b"\x81\xa1a\xdd\x00\x01\x00\x00" + extension(1, packed(((1,), "int8", b""))) * 50_000,
    "MATLAB zeros": lambda: mat(compressed(matrix("a", 9, (40 << 20, 1), bytes(40 << 20), stored=2))),
    "MATLAB bytes as doubles": lambda: mat(compressed(matrix("a", 6, (30 << 20, 1), bytes(30 << 20), stored=2))),
    "parentheses": lambda: npz({"a.npy": npy(header="{" + "(" * 9000)}),
    "calls in calls": lambda: archive(Opcodes(called(named("collections", "OrderedDict")) * 100_000)),
}


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of memory is measured by Linux")
def test_small_files_that_ask_for_much_are_refused_with_little(tmp_path):
    paths = {}
    for name, make in BOMBS.items():
        paths[name] = tmp_path / name.replace(" ", "_")
        paths[name].write_bytes(make())
    command = [sys.executable, "-c", CHILD, *map(str, paths.values())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for name, path in paths.items():
        code, seconds, peak = found[str(path)]
        size = path.stat().st_size / (1 << 20)
        assert code != "read", name
        assert seconds < 2, (name, seconds)
        assert peak < 64 + 3 * size, (name, peak, size)
