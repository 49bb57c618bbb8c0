"""safetensors and numpy files that lie about what they hold."""

import json
import struct

from hostile import valid, zips
from hostile.cases import case
from hostile.wires import described, entry, npy, safetensors

FOUR = valid.FOUR
LIES = ("damaged", "truncated", "size-lie", "overlap", "too-large")


def tensors():
    """name, bytes, codes."""
    one = {"a": entry()}
    pair = {"a": entry(), "b": entry(offsets=(8, 24))}
    text = json.dumps(one)
    yield "header-longer", safetensors(one, FOUR, length=1 << 20), LIES
    yield "header-8-eib", safetensors(one, FOUR, length=(1 << 63) - 1), (*LIES, "unknown-format")
    yield "header-negative", safetensors(one, FOUR, length=(1 << 64) - 1), (*LIES, "unknown-format")
    yield "header-100-mb", safetensors(one, FOUR, length=100_000_001), LIES
    yield "header-empty", safetensors("", b"{" + FOUR), (*LIES, "unknown-format")
    yield "header-shorter", safetensors(one, FOUR, length=len(text) - 1), LIES
    yield "not-json", safetensors("{'a': 1}", FOUR), LIES
    yield "not-utf8", struct.pack("<Q", 4) + b'{"\xff}' + FOUR, LIES
    yield "json-list", safetensors('{"a": []}', FOUR), LIES
    yield "json-nan", safetensors('{"a": NaN}', FOUR), LIES
    yield "offset-nan", safetensors(text.replace("16", "NaN"), FOUR), LIES
    yield "offset-float", safetensors(text.replace("16", "16.0"), FOUR), LIES
    yield "offset-true", safetensors({"a": entry(shape=(1,), dtype="U8", offsets=(False, True))}, b"x"), LIES
    yield "offset-text", safetensors({"a": entry(offsets=("0", "16"))}, FOUR), LIES
    yield "json-after", safetensors(text + "{}", FOUR), LIES
    yield "json-deep", safetensors('{"a":' + "[" * 50_000 + "]" * 50_000 + "}", FOUR), (*LIES, "nesting")
    yield "json-deep-objects", safetensors('{"a":' * 50_000 + "1" + "}" * 50_000, FOUR), (*LIES, "nesting")
    yield "json-huge-number", safetensors(text.replace("16", "9" * 5_000), FOUR), LIES
    yield (
        "duplicate-key",
        safetensors('{"a":' + json.dumps(entry()) + ',"a":' + json.dumps(entry()) + "}", FOUR),
        (*LIES, "duplicate-name"),
    )
    inner = '{"a":{"dtype":"F32","dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}'
    yield "duplicate-inner-key", safetensors(inner, FOUR), (*LIES, "duplicate-name")
    yield "overlap", safetensors(pair, FOUR + FOUR[:8]), LIES
    yield "same-bytes-twice", safetensors({"a": entry(), "b": entry()}, FOUR), LIES
    yield "hole", safetensors({"a": entry(), "b": entry(offsets=(24, 40))}, FOUR * 2 + FOUR[:8]), LIES
    yield "hole-at-start", safetensors({"a": entry(offsets=(8, 24))}, FOUR + FOUR[:8]), LIES
    yield "trailing", safetensors(one, FOUR + b"x"), LIES
    yield "trailing-zip", safetensors(one, FOUR) + valid.npz(), LIES
    yield "offsets-reversed", safetensors({"a": entry(offsets=(16, 0))}, FOUR), LIES
    yield "offsets-negative", safetensors({"a": entry(offsets=(-16, 0))}, FOUR), LIES
    yield "offsets-beyond", safetensors({"a": entry(shape=(1 << 40,), offsets=(0, 1 << 42))}, FOUR), LIES
    yield "offsets-three", safetensors({"a": {**entry(), "data_offsets": [0, 16, 16]}}, FOUR), LIES
    yield "shape-negative", safetensors({"a": entry(shape=(-2, -2))}, FOUR), LIES
    yield "shape-overflow", safetensors({"a": entry(shape=(1 << 62, 4), offsets=(0, 0))}, b""), LIES
    yield "shape-zero-times-huge", safetensors({"a": entry(shape=(0, 1 << 62, 1 << 62), offsets=(0, 0))}, b""), LIES
    yield "shape-64-bits", safetensors({"a": entry(shape=(1 << 64,), offsets=(0, 16))}, FOUR), LIES
    yield "shape-text", safetensors({"a": {**entry(), "shape": "22"}}, FOUR), LIES
    yield "shape-many", safetensors({"a": entry(shape=(1,) * 65, offsets=(0, 4))}, FOUR[:4]), LIES
    yield "shape-other", safetensors({"a": entry(shape=(3,))}, FOUR), LIES
    yield "dtype-unknown", safetensors({"a": entry(dtype="F33")}, FOUR), (*LIES, "unsupported-type")
    yield "dtype-object", safetensors({"a": entry(dtype="O")}, FOUR), (*LIES, "unsupported-type")
    yield "dtype-list", safetensors({"a": {**entry(), "dtype": ["F32"]}}, FOUR), (*LIES, "unsupported-type")
    yield "no-dtype", safetensors({"a": {"shape": [4], "data_offsets": [0, 16]}}, FOUR), LIES
    yield "more-fields", safetensors({"a": {**entry(), "loader": "os.system"}}, FOUR), LIES
    yield "metadata-not-text", safetensors({"__metadata__": {"a": {"b": 1}}, **one}, FOUR), LIES
    yield (
        "many-entries",
        safetensors(
            "{" + ",".join(f'"{i}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}' for i in range(100_001)) + "}"
        ),
        (*LIES, "nesting"),
    )


def headers():
    """name, bytes, codes: npy files, which are tried alone and as a member of an npz."""
    lies = ("damaged", "truncated", "size-lie", "unsupported-type", "too-large")
    for name, header in {
        "call": "__import__('os').system('true')", "lambda": "(lambda: {})()", "comprehension": "[x for x in ()]",
        "fstring": "f'{__import__(\"os\")}'", "not-a-dict": "(1, 2)", "no-keys": "{}", "set": "{'descr', 'shape'}",
        "more-keys": described().replace("}", "'x': 1}"), "descr-object": described("'|O'"), "descr-object8": described("'O8'"),
        "descr-structured": described("[('a', '<f4'), ('b', '<f4')]"), "descr-with-object": described("[('a', '|O')]"),
        "descr-void": described("'|V4'"),
        "descr-date": described("'<M8[s]'"), "descr-unknown": described("'<z9'"), "descr-number": described("4"),
        "descr-comma": described("'f4,f4'"), "descr-huge": described("'|V2147483647'"), "descr-subarray": described("('<f4', (99999, 99999))"),
        "descr-nested": described("[" * 40 + "('a', '<f4')" + "]" * 40), "descr-zero-width": described("'|S0'"),
        "shape-negative": described(shape="(-4,)"), "shape-two-negatives": described(shape="(-2, -2)"),
        "shape-overflow": described(shape="(4294967296, 4294967296)"), "shape-zero-times-huge": described(shape="(0, 9223372036854775807, 4)"),
        "shape-float": described(shape="(4.0,)"), "shape-true": described(shape="(True, 4)"), "shape-text": described(shape="'4'"),
        "shape-number": described(shape="4"), "shape-more": described(shape="(5,)"), "shape-less": described(shape="(3,)"),
        "shape-many": described(shape="(" + "1, " * 65 + ")"), "shape-huge-digits": described(shape="(" + "9" * 5000 + ",)"),
        "order-number": described(order="2"), "deep": described(shape="(" * 3000 + ")" * 3000), "minus-chain": described(shape="(" + "-" * 5000 + "4,)"),
        "plus-chain": described(shape="(" + "1+" * 3000 + "1j,)"), "nul": described() + "\0", "two": described() * 2, "unclosed": "{'descr': '<f4'",
        "carriage": described().replace(",", ",\r#"), "strings-joined": described("'<' 'f4' " + "'' " * 2000),
    }.items():  # fmt: skip
        codes = ("executable", *lies) if "obj" in name else lies
        yield name, npy(header, valid.FOUR), codes
    yield "header-longer", npy(described(), FOUR, length=60_000), lies
    yield "header-4-gib", npy(described(), FOUR, version=2, length=0xFFFFFFFF), lies
    yield "header-large", npy(described() + " " * 60_000, FOUR), lies
    yield "version-9", npy(described(), FOUR, version=9), lies
    yield "version-0", npy(described(), FOUR, version=0), lies
    yield "three-not-utf8", npy(described(), FOUR, version=3).replace(b"descr", b"des\xffr"), lies


def cases():
    for name, content, codes in tensors():
        yield case(f"safetensors/{name}.safetensors", content, *codes)
    for name, content, codes in headers():
        yield case(f"numpy/{name}.npy", content, *codes)
        yield case(f"numpy/{name}.npz", zips.archive(zips.Member(b"x.npy", content)), *codes)
