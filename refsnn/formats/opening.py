"""The one gate: every model file enters here, is told apart by its content, and is read without running anything."""

import os
import stat
from importlib import import_module
from io import FileIO
from pathlib import Path

from refsnn.formats.elsewhere import refuse_folder
from refsnn.formats.file_bytes import file_bytes
from refsnn.formats.limits import Limits
from refsnn.formats.model_file import Format, ModelFile, Source
from refsnn.formats.refusals import refuse
from refsnn.formats.sniffing import sniffed

# format -> module of refsnn.formats whose `read(source) -> ModelFile` reads it; imported when a file needs it
READERS = {
    Format.NPZ: "numpy_file",
    Format.NPY: "numpy_file",
    Format.SAFETENSORS: "safetensors_file",
    Format.TORCH: "torch.file",
    Format.TORCH_LEGACY: "torch.file",
    Format.FLAX: "flax.file",
    Format.MAT5: "matlab.file",
    Format.HDF5: "hdf5.file",
    Format.KERAS: "keras.file",
    Format.ONNX: "onnx.file",
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
        if os.path.isdir(path):
            refuse_folder(str(path))
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe could wait forever
            refuse("unreadable", str(path), "", "no regular file", "save it to disk first")
        with FileIO(str(path)) as file:
            size = file.seek(0, 2)
            if size > limits.file_bytes:
                refuse("too-large", str(path), "", f"{size} bytes, at most {limits.file_bytes} are read",
                       "raise Limits.file_bytes")  # fmt: skip
            content = file_bytes(file, size)
    except EOFError:
        refuse("truncated", str(path), "", "became shorter while it was read", "try again when it is written")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        what = error.strerror if isinstance(error, OSError) else error
        refuse("unreadable", str(path), "", f"cannot read: {what}", "name a file that exists")
    return Source(str(path), content, limits)
