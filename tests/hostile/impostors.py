"""Files that are no models, or ones that only their own framework reads, under names that models have."""

import gzip
import io
import tarfile

from hostile import valid
from hostile.cases import case


def tar():
    """The tar archive that PyTorch before 0.1.10 wrote: storages, tensors, pickle."""
    image = io.BytesIO()
    with tarfile.open(fileobj=image, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in ("storages", "tensors", "pickle"):
            content = b"\x80\x02cos\nsystem\n."
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return image.getvalue()


def cases():
    none, other = ("not-a-model", "unknown-format"), ("no-light-reader", "unknown-format")
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 123456\n"
    files = {
        "lfs-pointer.pt": (pointer, ("not-a-model",)), "lfs-pointer.onnx": (pointer, ("not-a-model",)),
        "page.pt": (b"<!DOCTYPE html><html><script>alert(1)</script></html>", ("not-a-model",)),
        "page-in-capitals.pt": (b"\r\n  <HTML><BODY>404</BODY></HTML>", ("not-a-model",)), "error.xml": (b"<?xml version='1.0'?><Error/>", ("not-a-model",)),
        "page-after-mark.pt": (b"\xef\xbb\xbf<!doctype html>", ("not-a-model",)), "json.pt": (b'{"error": "not found"}', none),
        "text.pt": (b"Entry not found\n", none), "script.pt": (b"#!/bin/sh\ntrue\n", none), "python.pt": (b"import os\nos.system('true')\n", none),
        "gzip.pt": (gzip.compress(valid.torch(), mtime=0), ("not-a-model",)), "bzip2.pt": (b"BZh9" + bytes(40), ("not-a-model",)),
        "xz.pt": (b"\xfd7zXZ\x00" + bytes(40), ("not-a-model",)), "7z.pt": (b"7z\xbc\xaf\x27\x1c" + bytes(40), ("not-a-model",)),
        "zstd.pt": (b"\x28\xb5\x2f\xfd" + bytes(40), none), "tar.pt": (tar(), ("not-a-model", "no-light-reader")),
        "gguf.gguf": (b"GGUF\x03\x00\x00\x00" + bytes(40), ("no-light-reader",)), "gguf.safetensors": (b"GGUF\x03\x00\x00\x00" + bytes(40), ("no-light-reader",)),
        "tflite.tflite": (b"\x1c\x00\x00\x00TFL3" + bytes(40), ("no-light-reader",)), "arrow.feather": (b"ARROW1\x00\x00" + bytes(40), ("no-light-reader",)),
        "checkpoint.index": (bytes(100) + b"\x57\xfb\x80\x8b\x24\x75\x47\xdb", ("no-light-reader",)),
        "matlab-7.3.mat": (b"MATLAB 7.3 MAT-file".ljust(512) + valid.nir(), ("no-light-reader",)),
        "elf.pt": (b"\x7fELF\x02\x01\x01" + bytes(40), none), "pyc.pt": (b"\xcb\r\r\n" + bytes(40), none), "png.pt": (b"\x89PNG\r\n\x1a\n" + bytes(40), (*none, "damaged", "duplicate-name")),
        "pdf.pt": (b"%PDF-1.7\n", none), "rar.pt": (b"Rar!\x1a\x07\x00" + bytes(40), none), "sqlite.pt": (b"SQLite format 3\x00" + bytes(40), none),
        "empty.pt": (b"", ("empty",)), "three-bytes.pt": (b"abc", other), "nul.pt": (b"\0", other), "zeros.pt": (bytes(1 << 16), (*other, "damaged")),
        "ones.pt": (b"\xff" * (1 << 16), (*other, "damaged")), "caffemodel.caffemodel": (b"\x0a\x07LeNet\x00\x00\xa2\x06" + bytes(64), (*other, "damaged")),
        "ini.cfg": (b"[model]\nx=1\n", none), "saved-model.pb": (b"\x08\x01\x12\xff\xff\x03" + bytes(64), (*other, "damaged", "truncated", "size-lie")),
    }  # fmt: skip
    for name, (content, codes) in files.items():
        yield case(f"impostor/{name}", content, *codes)
