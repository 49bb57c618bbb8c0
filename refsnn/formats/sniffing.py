"""Which format a file has, by its content; and what it is when it is no model. The name's suffix is never asked."""

from refsnn.formats.elsewhere import refuse_elsewhere
from refsnn.formats.model_file import Format, Source
from refsnn.formats.refusals import refusal, refuse, shown
from refsnn.formats.zip_directory import names as names_of

PICKLED = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
# torch.save before 1.6 writes the pickle of this number first
LEGACY_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"
# field << 3 | wire type of everything that an ONNX model may begin with or go on with
ONNX_TAGS = {0x08, 0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42, 14 << 3 | 2, 20 << 3 | 2, 25 << 3 | 2, 26 << 3 | 2}
ONNX_FIELDS = 64  # that are looked at
PLAIN = "save the weights as npz where you have the framework: numpy.savez('weights.npz', **arrays)"
# first bytes -> code, what it is, what would do
IMPOSTORS: tuple[tuple[bytes, str, str, str], ...] = (
    (b"version https://git-lfs.github.com/spec/", "not-a-model", "a Git LFS pointer, not the file itself",
     "fetch it with 'git lfs pull'"),
    (b"\x1f\x8b", "not-a-model", "a gzip archive", "unpack it first"),
    (b"BZh", "not-a-model", "a bzip2 archive", "unpack it first"),
    (b"\xfd7zXZ", "not-a-model", "an xz archive", "unpack it first"),
    (b"7z\xbc\xaf", "not-a-model", "a 7z archive", "unpack it first"),
    (b"GGUF", "no-light-reader", "a GGUF file", PLAIN),
    (b"\x93ARROW", "no-light-reader", "an Arrow file", PLAIN),
    (b"ARROW1", "no-light-reader", "an Arrow file", PLAIN),
)  # fmt: skip


def sniffed(source: Source) -> Format:
    """The format; a LoadError for what is none, or one that has no light reader."""
    content, path = source.content, source.path
    head = bytes(content[:512])
    if not head:
        refuse("empty", path, "", "the file is empty", "copy or save the file again")
    # first of all: the length of its header may look like any other format's magic number
    if head[8:9] == b"{" and 8 + int.from_bytes(head[:8], "little") <= len(content):
        return Format.SAFETENSORS
    _refuse_impostors(source, head)
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _zipped(source)
    if head[:6] == b"\x93NUMPY":
        return Format.NPY
    if head[:8] == b"\x89HDF\r\n\x1a\n":
        return Format.HDF5
    if head[:2] in PICKLED:
        if head[2 : 2 + len(LEGACY_MAGIC)] == LEGACY_MAGIC:
            return Format.TORCH_LEGACY
        refuse("executable", path, "", "a bare pickle (joblib, pickle.dump), which runs code to be read",
               "save the arrays as npz where it was written: numpy.savez('weights.npz', **arrays)")  # fmt: skip
    if head[:10] == b"MATLAB 5.0":
        return Format.MAT5
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 32:  # a truncated one
        return Format.SAFETENSORS
    if _looks_like_onnx(content):
        return Format.ONNX
    if 0x80 <= head[0] <= 0x8F or head[:1] in (b"\xde", b"\xdf"):
        return Format.FLAX
    raise refusal("unknown-format", path, "", f"begins with {head[:4]!r}, which is no format that is read here",
           "save it as safetensors or npz")  # fmt: skip


def _refuse_impostors(source: Source, head: bytes) -> None:
    path = source.path
    for magic, code, what, remedy in IMPOSTORS:
        if head.startswith(magic):
            refuse(code, path, "", what, remedy)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        refuse(
            "not-a-model",
            path,
            "",
            "a web page, probably the answer to a failed download",
            "download it again, logged in",
        )
    if head[257:262] == b"ustar":
        refuse("not-a-model", path, "", "a tar archive (also how PyTorch before 0.1.10 saved)",
               "unpack it, or save it again with a newer PyTorch")  # fmt: skip
    if head[:10] == b"MATLAB 7.3":
        refuse("no-light-reader", path, "", "a MATLAB v7.3 file", "save it in MATLAB with save(name, '-v7')")
    if head[4:8] == b"TFL3":
        refuse("no-light-reader", path, "", "a TensorFlow Lite file", PLAIN)
    refuse_elsewhere(path, source.content)


def _zipped(source: Source) -> Format:
    """A zip file by the names in its directory, which is read without unpacking anything."""
    path, names = source.path, names_of(source)
    if any(name == "data.pkl" or name.endswith("/data.pkl") for name in names):
        return Format.TORCH
    if "config.json" in names and "model.weights.h5" in names:
        return Format.KERAS
    if names and all(name.endswith(".npy") for name in names):
        return Format.NPZ
    found = ", ".join(shown(name, 40) for name in names[:3]) or "nothing"
    raise refusal(
        "unknown-format", path, "", f"a zip file that is neither npz, PyTorch nor Keras (it holds {found})", PLAIN
    )


def _looks_like_onnx(content: memoryview) -> bool:
    """Whether the bytes are fields of a model, in any order, to the end or to where they were cut off.

    Protobuf has no magic number, and writers may put the graph first; but every field is one of a dozen, each of its wire type,
    and a model has an ir_version (field 1) of a few and a graph (field 7).
    """
    at, seen = 0, set()
    for _ in range(ONNX_FIELDS):
        if at >= len(content):
            break
        tag, at = content[at], at + 1
        if tag >= 128:  # fields from 16 on have two bytes
            if at >= len(content) or content[at] == 0 or content[at] > 127:
                return False
            tag, at = tag & 127 | content[at] << 7, at + 1
        if tag not in ONNX_TAGS:
            return False
        value = shift = 0
        while at < len(content) and shift < 64:
            byte = content[at]
            value, at, shift = value | (byte & 127) << shift, at + 1, shift + 7
            if byte < 128:
                break
        if tag == 0x08 and not 1 <= value <= 64:
            return False
        seen.add(tag)
        at += value if tag & 7 == 2 else 0
    return (0x08 in seen and len(seen) > 1) or ({0x3A, 0x42} <= seen and at == len(content))
