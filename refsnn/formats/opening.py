"""The one gate: every model file enters here, is told apart by its content, and is read without running anything."""

from importlib import import_module
from pathlib import Path

from refsnn.formats.limits import Limits
from refsnn.formats.model_file import Format, ModelFile, Source
from refsnn.formats.refusals import refuse
from refsnn.formats.sniffing import sniffed

# format -> module of refsnn.formats whose `read(source) -> ModelFile` reads it; imported when a file needs it
READERS = {
    Format.NPZ: "numpy_file",
    Format.NPY: "numpy_file",
    Format.SAFETENSORS: "safetensors_file",
}


def open_model(path: str | Path, limits: Limits = Limits()) -> ModelFile:
    """The arrays of a model file and, where the format has one, its graph; nothing of it is executed.

    Raises LoadError with a code for everything else: see refsnn.formats.refusals.CODES.
    """
    source = opened(path, limits)
    return read(source)


def read(source: Source) -> ModelFile:
    """As open_model, of bytes that are in memory."""
    form = sniffed(source)
    if form not in READERS:
        refuse(
            "no-light-reader", source.path, "", f"{form.value}, which is not read yet", "save it as npz or safetensors"
        )
    model: ModelFile = import_module(f"refsnn.formats.{READERS[form]}").read(source)
    return model


def opened(path: str | Path, limits: Limits) -> Source:
    """All bytes of the file."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            if size > limits.file_bytes:
                refuse(
                    "too-large",
                    str(path),
                    "",
                    f"{size} bytes, at most {limits.file_bytes} are read",
                    "raise Limits.file_bytes",
                )
            file.seek(0)
            content = file.read()
    except OSError as error:
        refuse("unreadable", str(path), "", f"cannot read: {error.strerror}", "name a file that exists")
    return Source(str(path), memoryview(content), limits)
