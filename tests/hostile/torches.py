"""PyTorch files that call nothing and still lie: about opcodes, sizes, strides, storages."""

import struct

from hostile import opcodes as op
from hostile import valid, zips
from hostile.cases import OPENED, case

BROKEN = ("damaged", "truncated", "executable")
LIES = ("size-lie", "truncated", "damaged")
DEEP = ("nesting", "damaged", "unsupported-type", "executable")


def machine():
    """name, pickle, codes: opcodes that no pickle of weights has, or that lie about what follows."""
    yield "two-pickles", op.state_dict() + op.state_dict(), ("damaged", "size-lie", "executable", "overlap")
    yield "after-stop", op.state_dict() + b"cos\nsystem\n", ("damaged", "size-lie", "executable", "overlap")
    yield "unknown-opcode", op.state_dict(b"\xff"), BROKEN
    yield "protocol-6", op.proto(6) + op.state_dict()[2:], BROKEN
    yield "no-stop", op.state_dict()[:-1], BROKEN
    yield "empty", b"", (*BROKEN, "empty")
    yield "only-stop", op.STOP, BROKEN
    yield "stack-of-two", op.proto() + op.NONE + op.state_dict()[2:], BROKEN
    yield "pop-of-nothing", op.proto() + op.POP + op.state_dict()[2:], BROKEN
    yield "no-mark", op.state_dict(op.TUPLE), BROKEN
    yield "no-memo", op.state_dict(op.get(250)), BROKEN
    yield "next-buffer", op.state_dict(b"\x97\x98", version=5), BROKEN
    yield "persid-text", op.state_dict(b"P0\n"), BROKEN
    yield "stack-global-of-numbers", op.state_dict(op.number(1) + op.number(2) + op.STACK_GLOBAL, version=4), BROKEN
    yield "setitem-on-number", op.state_dict(op.number(1) + op.NONE + op.NONE + op.SETITEM), BROKEN
    yield "append-to-tuple", op.state_dict(op.EMPTY_TUPLE + op.NONE + op.APPEND), BROKEN
    yield "unhashable-key", op.state_dict(op.EMPTY_DICT + op.EMPTY_LIST + op.NONE + op.SETITEM), BROKEN
    yield "odd-items", op.state_dict(op.EMPTY_DICT + op.MARK + op.NONE + op.SETITEMS), BROKEN
    yield "reduce-of-number", op.state_dict(op.number(1) + op.EMPTY_TUPLE + op.REDUCE), BROKEN
    yield "reduce-of-list", op.state_dict(op.ORDERED + op.EMPTY_LIST + op.REDUCE), (*BROKEN, "unsupported-type")
    yield "text-memo-put", op.state_dict(op.NONE + b"p" + b"9" * 6000 + b"\n"), DEEP
    yield "long-digits", op.state_dict(b"I" + b"9" * 200_000 + b"\n"), (*BROKEN, "too-large", "unsupported-type")
    yield "long-digits-L", op.state_dict(b"L" + b"9" * 200_000 + b"L\n"), (*BROKEN, "too-large", "unsupported-type")
    yield "not-a-float", op.state_dict(b"Fone\n"), BROKEN
    yield "not-a-string", op.state_dict(b"Strue\n"), BROKEN
    yield "not-utf8", op.state_dict(b"X\x02\x00\x00\x00\xff\xfe"), BROKEN
    for name, code, width in (
        ("long4", b"\x8b", 4), ("binunicode", b"X", 4), ("binunicode8", b"\x8d", 8), ("binbytes", b"B", 4),
        ("binbytes8", b"\x8e", 8), ("bytearray8", b"\x96", 8), ("binstring", b"T", 4), ("frame", b"\x95", 8),
    ):  # fmt: skip
        most = (1 << 8 * width - 1) - 1
        yield f"{name}-lie", op.state_dict(code + most.to_bytes(width, "little"), version=5), (*BROKEN, *LIES)
        yield f"{name}-negative", op.state_dict(code + b"\xff" * width, version=5), (*BROKEN, *LIES)


def odd():
    """name, pickle: strange, and as cheap as any other; a reader may take them or not."""
    yield "long-memo-put", op.state_dict(op.NONE + b"r" + struct.pack("<I", (1 << 31) - 1))
    yield "deep-states", op.state_dict(op.EMPTY_ORDERED + (op.EMPTY_DICT + op.BUILD) * 100_000)
    parameter = op.named("torch._utils", "_rebuild_parameter")
    yield "parameter-of-number", op.state_dict(op.calling(parameter, op.number(1), op.TRUE, op.EMPTY_ORDERED))
    codec = op.named("_codecs", "encode")
    yield "codec-idna", op.state_dict(op.calling(codec, op.text("a" * 20_000), op.text("idna")))
    yield "codec-zlib", op.state_dict(op.calling(codec, op.text("a"), op.text("zlib")))


def nests():
    """Small pickles that are enormous, endless or bottomless when walked."""
    wide = op.MARK + op.get(99) * 10 + op.TUPLE
    laughs = op.text("ha") + b"".join(op.put(99) + op.POP + wide for _ in range(30))
    yield "billion-laughs-tuples", op.state_dict(laughs), (*DEEP, "expansion", "too-large")
    doubled = op.EMPTY_LIST + b"".join(
        op.put(99) + op.POP + op.EMPTY_LIST + op.MARK + op.get(99) * 8 + op.APPENDS for _ in range(40)
    )
    yield "billion-laughs-lists", op.state_dict(doubled), (*DEEP, "expansion", "too-large")
    twice = op.EMPTY_DICT + b"".join(
        op.put(99)
        + op.POP
        + op.EMPTY_DICT
        + op.MARK
        + op.text("a")
        + op.get(99)
        + op.text("b")
        + op.get(99)
        + op.SETITEMS
        for _ in range(40)
    )
    yield "billion-laughs-dicts", op.state_dict(twice), (*DEEP, "expansion", "too-large")
    hashed = op.EMPTY_TUPLE + (op.DUP + op.TUPLE2) * 60
    yield (
        "billion-laughs-hashed-key",
        op.state_dict(op.EMPTY_DICT + hashed + op.NONE + op.SETITEM),
        (*DEEP, "expansion", "too-large"),
    )
    yield "deep-tuples", op.state_dict(op.EMPTY_TUPLE + op.TUPLE1 * 200_000), DEEP
    yield "deep-lists", op.state_dict(op.EMPTY_LIST * 100_000 + op.APPEND * 99_999), DEEP
    yield "deep-marks", op.state_dict(op.MARK * 500_000), (*DEEP, "truncated")
    yield "list-in-itself", op.state_dict(op.EMPTY_LIST + op.put(9) + op.get(9) + op.APPEND), ("cycle", *DEEP)
    yield (
        "dict-in-itself",
        op.state_dict(op.EMPTY_DICT + op.put(9) + op.text("x") + op.get(9) + op.SETITEM),
        ("cycle", *DEEP),
    )
    yield (
        "tuple-in-its-list",
        op.state_dict(op.EMPTY_LIST + op.put(9) + op.get(9) + op.TUPLE1 + op.APPEND),
        ("cycle", *DEEP),
    )
    yield "memo-bomb", op.proto(4) + (op.NONE + op.MEMOIZE) * 2_000_000 + op.STOP, (*DEEP, "too-large")
    yield "stack-bomb", op.proto() + op.EMPTY_DICT * 1_000_000 + op.STOP, (*DEEP, "too-large")


def tensors():
    """Views that reach outside their storage, or make a small one large."""
    outside = ("size-lie", "damaged", "overlap", "expansion", "too-large", "unsupported-type")
    numbers = {
        "stride-zero-gib": {"size": (1 << 30,), "stride": (0,)},
        "stride-zero-square": {"size": (1 << 16, 1 << 16), "stride": (0, 0)},
        "stride-zero-expand": {"size": (1 << 24, 4), "stride": (0, 1)},
        "stride-negative": {"size": (4,), "stride": (-1,), "offset": 3},
        "stride-beyond": {"size": (2, 2), "stride": (1 << 40, 1)},
        "stride-overflow": {"size": (3,), "stride": (1 << 63,)},
        "offset-negative": {"offset": -1},
        "offset-beyond": {"offset": 1},
        "offset-huge": {"offset": 1 << 62},
        "size-beyond": {"size": (1 << 20,), "stride": (1,)},
        "size-negative": {"size": (-4,), "stride": (1,)},
        "size-two-negatives": {"size": (-2, -2), "stride": (2, 1)},
        "size-overflow": {"size": (1 << 32, 1 << 32), "stride": (1, 1)},
        "size-overflow-to-four": {"size": ((1 << 62) + 1, 4), "stride": (4, 1)},
        "size-of-500-bits": {"size": (1 << 500,), "stride": (1,)},
        "zero-times-huge": {"size": (0, 1 << 62), "stride": (1 << 62, 1)},
        "more-strides": {"size": (4,), "stride": (1, 1)},
        "fewer-strides": {"size": (2, 2), "stride": (1,)},
        "sixty-five-dimensions": {"size": (1,) * 65, "stride": (1,) * 65},
    }
    for name, how in numbers.items():
        yield f"tensor-{name}", op.state_dict(op.tensor(**how)), outside
    bad = {
        "kind-complex": op.storage(kind="ComplexFloatStorage"), "kind-quantised": op.storage(kind="QInt8Storage"),
        "missing": op.storage(key="7"), "key-up": op.storage(key="../version"), "key-absolute": op.storage(key="/etc/hostname"),
        "key-empty": op.storage(key=""), "numel-negative": op.storage(numel=-4), "numel-more": op.storage(numel=1000),
        "numel-less": op.storage(numel=1), "numel-huge": op.storage(numel=1 << 62), "numel-overflow": op.storage(numel=(1 << 64) + 4),
        "kind-wider": op.storage(kind="DoubleStorage"), "not-a-tuple": op.text("0") + op.BINPERSID,
        "short-tuple": op.of(op.text("storage")) + op.BINPERSID, "a-number": op.number(3), "none": op.NONE,
        "module-id": op.of(op.text("module"), op.NONE, op.text("x"), op.text("x")) + op.BINPERSID,
    }  # fmt: skip
    for name, stored in bad.items():
        codes = (*outside, "truncated", "unsafe-name", "executable")
        yield f"storage-{name}", op.state_dict(op.tensor(stored=stored)), codes
    rebuild, size = op.named("torch._utils", "_rebuild_tensor_v2"), op.of(op.number(4))
    arguments = {
        "none": (), "few": (op.storage(), op.number(0)), "texts": (op.storage(), op.text("0"), size, size, op.FALSE, op.NONE),
        "float-size": (op.storage(), op.number(0), op.of(b"G" + struct.pack(">d", 4.0)), size, op.FALSE, op.NONE),
        "size-is-a-tensor": (op.storage(), op.number(0), op.of(op.tensor()), size, op.FALSE, op.NONE),
        "true-size": (op.storage(), op.number(0), op.of(op.TRUE, op.TRUE), op.of(op.text("1"), op.NONE), op.FALSE, op.NONE),
    }  # fmt: skip
    for name, given in arguments.items():
        yield f"rebuild-{name}", op.state_dict(op.calling(rebuild, *given)), (*outside, "executable")
    yield (
        "huge-bytearray",
        op.state_dict(op.calling(op.named("builtins", "bytearray"), op.number(1 << 33))),
        (*outside, "executable"),
    )
    many = op.proto() + op.mapping(**{f"w{i}": op.tensor((1 << 10, 4), (0, 1)) for i in range(3000)}) + op.STOP
    yield "many-expanded-views", many, (*outside, "executable")


def containers():
    """The zip around it: two roots, endianness, lies about storages; and the legacy stream's own fields."""
    good = zips.torch_members(op.state_dict())
    two = (*good, *zips.torch_members(op.state_dict(op.number(1)), root="other"))
    yield case("torch/two-roots.pt", zips.archive(*two), "duplicate-name", "damaged", "overlap")
    yield case(
        "torch/big-endian.pt", zips.torch_zip(op.state_dict(), byteorder=b"big"), "unsupported-type", "damaged", OPENED
    )
    yield case(
        "torch/no-endian.pt", zips.torch_zip(op.state_dict(), byteorder=b"\xff\x00mid"), "unsupported-type", "damaged"
    )
    yield case("torch/truncated-storage.pt", zips.torch_zip(op.state_dict(), storages={"0": valid.FOUR[:15]}), *LIES)
    yield case("torch/long-storage.pt", zips.torch_zip(op.state_dict(), storages={"0": valid.FOUR * 9}), *LIES)
    yield case("torch/empty-storage.pt", zips.torch_zip(op.state_dict(), storages={"0": b""}), *LIES)
    yield case("torch/no-storage.pt", zips.torch_zip(op.state_dict(), storages={}), *LIES)
    crc = tuple(zips.Member(m.name, m.data, crc=7) if b"/data/" in m.name else m for m in good)
    yield case("torch/storage-bad-crc.pt", zips.archive(*crc), "damaged")
    bomb = tuple(
        zips.Member(m.name, b"", zips.DEFLATED, packed=zips.zeros_deflated(256), size=256 << 20)
        if b"/data/" in m.name
        else m
        for m in good
    )
    yield case("torch/storage-bomb.pt", zips.archive(*bomb), "expansion", *LIES)
    script = (
        *good,
        zips.Member(b"archive/code/__torch__.py", b"import os"),
        zips.Member(b"archive/constants.pkl", b"\x80\x02)."),
    )
    yield case("torch/torchscript.pt", zips.archive(*script), "executable", "no-light-reader", "unsupported-type")
    whole = op.proto() + op.calling(op.named("__torch__", "Net")) + op.STOP
    yield case("torch/torchscript-object.pt", zips.torch_zip(whole, root="Net"), "executable", "no-light-reader")
    for name, count in (("more", 1 << 40), ("negative", -1), ("none", 0), ("less", 3)):
        yield case(
            f"torch/legacy-count-{name}.pt",
            valid.legacy(stored=struct.pack("<q", count) + valid.FOUR),
            *LIES,
            "too-large",
        )
    yield case("torch/legacy-after.pt", valid.legacy() + b"more", *LIES, "overlap")
    for name, keys in {
        "twice": op.EMPTY_LIST + op.MARK + op.text("0") + op.text("0") + op.APPENDS,
        "unknown": op.EMPTY_LIST + op.text("9") + op.APPEND,
        "none": op.EMPTY_LIST, "numbers": op.EMPTY_LIST + op.number(0) + op.APPEND, "dict": op.EMPTY_DICT,
    }.items():  # fmt: skip
        parts = valid.legacy_parts()
        parts[4] = op.proto() + keys + op.STOP
        yield case(f"torch/legacy-keys-{name}.pt", valid.legacy(parts), *LIES, "duplicate-name", "overlap")
    for name, part, index in (
        ("protocol", op.proto() + op.number(1002) + op.STOP, 1), ("big-endian", None, 2), ("info", op.proto() + op.NONE + op.STOP, 2),
    ):  # fmt: skip
        parts = valid.legacy_parts()
        parts[index] = part if part else parts[index].replace(op.TRUE, op.FALSE)
        yield case(f"torch/legacy-{name}.pt", valid.legacy(parts), "damaged", "unsupported-type")


def cases():
    for name, pickled, codes in (*machine(), *nests(), *tensors()):
        yield case(f"torch/{name}.pt", zips.torch_zip(pickled), *codes)
    for name, pickled, codes in nests():
        yield case(f"torch/legacy-{name}.pt", valid.legacy(valid.legacy_parts(pickled)), *codes, *LIES)
    for name, pickled in odd():
        yield case(f"torch/odd-{name}.pt", zips.torch_zip(pickled), OPENED, *DEEP)
    yield from containers()
