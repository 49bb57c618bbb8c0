"""safetensors files: a length, a JSON header, and the tensors' bytes without holes."""

from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors

from refsnn.formats.model_file import Format, ModelFile, Source
from refsnn.formats.refusals import refuse


def read(source: Source) -> ModelFile:
    """The tensors under their names."""
    try:
        tensors = load_safetensors(bytes(source.content))
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        refuse("damaged", source.path, "", f"not readable as safetensors: {error}", "copy or save the file again")
    return ModelFile(source.path, Format.SAFETENSORS, tensors)
