"""Keras files whose configuration asks for code, or whose parts are bombs, links, or something else."""

import json
import zlib

from hostile import valid, zips
from hostile.cases import case
from hostile.valid import dense, fill_keras, hdf5

LIES = ("size-lie", "truncated", "damaged", "expansion", "too-large")
OUTSIDE = ("outside-file",)
CODE = ("executable", "unsupported-node")


def cases():
    """Configurations that ask for code; JSON that is too deep; a bomb within the archive."""
    lambda_ = {"class_name": "Lambda", "config": {"name": "l", "function": ["4wEAAAA=", None, None]}}
    code = {"class_name": "__lambda__", "config": {"code": "4wEAAAA=", "defaults": None, "closure": None}}
    configs = {
        "lambda": [lambda_], "lambda-keras-3": [{**lambda_, "module": "keras.layers", "config": {"name": "l", "function": code}}],
        "module-os": [{"class_name": "system", "module": "os", "registered_name": None, "config": "true"}],
        "module-builtins": [{"class_name": "eval", "module": "builtins", "registered_name": "function", "config": "1"}],
        "class-dunder": [{"class_name": "__class__", "module": "keras.layers", "config": {}}],
        "registered": [{"class_name": "Mine", "module": None, "registered_name": "pkg>Mine", "config": {}}],
        "class-number": [{"class_name": 7, "config": {}}], "class-missing": [{"config": {}}], "class-list": [{"class_name": ["Dense"], "config": {}}],
        "lambda-within-wrapper": [{"class_name": "TimeDistributed", "config": {"name": "t", "layer": lambda_}}],
        "config-text": [{"class_name": "Dense", "config": "os.system"}],
        "activation-function": [{"class_name": "Dense", "module": "keras.layers", "config": {"name": "d", "units": 2, "activation": code}}],
        "activation-named": [{"class_name": "Dense", "module": "keras.layers", "config": {"name": "d", "units": 2, "activation": "os.system"}}],
        "arbitrary-keras-function": [{"class_name": "function", "module": "keras.utils", "config": "get_file", "registered_name": "function"}],
        "dense-of-module-os": [{"class_name": "Dense", "module": "os", "config": {"name": "d", "units": 2, "activation": "relu"}}],
    }  # fmt: skip
    for name, layers in configs.items():
        model = dense()
        model["config"]["layers"] += layers
        yield case(f"keras/{name}.keras", valid.keras(model), *CODE, "damaged")
        yield case(f"keras/{name}.h5", valid.keras_h5(model), *CODE, "damaged")
    whole = {"class_name": "Model", "module": "subprocess", "config": {"name": "n"}}
    yield case("keras/model-of-module.keras", valid.keras(whole), *CODE, "damaged")
    bad = ("damaged", "nesting", "unsupported-node", "too-large", "duplicate-name", "executable")
    deep = b'{"config":' * 5_000 + b"1" + b"}" * 5_000
    texts = {
        "deep": deep, "not-json": b"os.system('true')", "list": b"[]", "empty": b"", "not-utf8": b'{"\xff": 1}',
        "nan": json.dumps(dense()).replace('"units": 2', '"units": NaN').encode(), "pickle": b"\x80\x02cos\nsystem\n.", "huge-number": b'{"a": ' + b"9" * 10_000 + b"}",
        "duplicate-key": b'{"class_name": "Sequential", ' + json.dumps(dense()).encode()[1:],
        "deep-lists": b"[" * 100_000,
    }  # fmt: skip
    for name, text in texts.items():
        yield case(f"keras/config-{name}.keras", valid.keras(text), *bad)
    h5 = hdf5(lambda file: fill_keras(file, {"a": "x" * 70}), libver="latest")
    yield case("keras/config-without-class.h5", h5, *bad)

    def bomb(file):
        import numpy as np

        data = file.create_dataset(
            "layers/dense/vars/0", (64, 1 << 20), np.float32, chunks=(1, 1 << 20), compression="gzip"
        )
        packed = zlib.compress(bytes(4 << 20), 9)
        for row in range(64):
            data.id.write_direct_chunk((row, 0), packed)

    yield case("keras/h5-bomb-within.keras", valid.keras(weights=hdf5(bomb)), *LIES)

    def linked(file):
        import h5py

        file["layers/dense/vars/0"] = h5py.ExternalLink("/etc/hostname", "/")

    yield case("keras/h5-link-within.keras", valid.keras(weights=hdf5(linked)), *OUTSIDE)
    yield case("keras/h5-missing.keras", valid.keras(weights=b""), *LIES, "empty", "unknown-format")
    yield case(
        "keras/h5-is-pickle.keras",
        valid.keras(weights=b"\x80\x02cos\nsystem\n."),
        *LIES,
        "unknown-format",
        "executable",
    )
    big = zips.Member(b"config.json", b"", zips.DEFLATED, packed=zips.zeros_deflated(64), size=64 << 20)
    members = (big, zips.Member(b"metadata.json", b"{}"), zips.Member(b"model.weights.h5", valid.keras_weights()))
    yield case("keras/config-bomb.keras", zips.archive(*members), "expansion", *LIES)
    yield case(
        "keras/name-up.keras",
        zips.archive(*members[1:], zips.Member(b"../config.json", b"{}"), zips.Member(b"config.json", b"{}")),
        "unsafe-name",
    )
    yield case(
        "keras/config-twice.keras",
        zips.archive(*members[1:], *[zips.Member(b"config.json", json.dumps(dense()).encode())] * 2),
        "duplicate-name",
    )
