"""PyTorch files (.pt, .pth, .ckpt): the zip archives of 1.6 and later, and the streams before them.

zip: <root>/data.pkl describes, <root>/data/<key> are the storages, <root>/byteorder says their order.
legacy: five pickles (magic number, 1001, machine, value, list of keys), then for each key a count and the numbers.
"""

from collections.abc import Mapping
from math import prod
from types import MappingProxyType
from typing import Any

from refsnn.formats import archive
from refsnn.formats.arrays import change, check_truths, itemsize, nbytes, strided
from refsnn.formats.flattening import flattened
from refsnn.formats.model_file import Array, Format, ModelFile, Note, Source
from refsnn.formats.refusals import refuse
from refsnn.formats.torch.descriptions import DTYPES, TensorView
from refsnn.formats.torch.objects import grammar
from refsnn.formats.torch.unpickling import unpickled
from refsnn.formats.zip_directory import Member

AGAIN = "copy or save the file again"
ROOT = "tensor"  # what a file that holds one bare tensor calls it here
LEGACY_PROTOCOL = 1001


def read(source: Source) -> ModelFile:
    """The tensors under the names of their keys, joined with dots; whatever else is plain goes to the attributes."""
    return _read_zip(source) if bytes(source.content[:2]) == b"PK" else _read_legacy(source)


def _read_zip(source: Source) -> ModelFile:
    members = archive.members(source)
    pickles = [name for name in members if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(pickles) > 1:
        refuse("duplicate-name", source.path, pickles[1], "a second data.pkl", AGAIN)
    root = pickles[0].removesuffix("data.pkl")
    if any(name == f"{root}constants.pkl" or name.startswith(f"{root}code/") for name in members):
        refuse("executable", source.path, "", "a TorchScript archive, which is a program",
               "save its weights: torch.save(torch.jit.load(path).state_dict(), 'weights.pt')")  # fmt: skip
    archive.verify(members, source)
    pickle = members[pickles[0]]
    if pickle.size > source.limits.header_bytes:
        refuse("too-large", source.path, pickles[0],
               f"{pickle.size} bytes, at most {source.limits.header_bytes} are read", "raise Limits.header_bytes")  # fmt: skip
    value, end = unpickled(archive.unpacked(pickle), pickles[0], grammar(source, pickles[0]), source)
    if end != pickle.size:
        refuse("damaged", source.path, pickles[0], f"goes on behind the pickle, which ends at byte {end}", AGAIN)
    tensors, attributes = flattened(value, ROOT, _is_tensor, source)
    prefix = f"{root}data/"
    storages = {name.removeprefix(prefix): member for name, member in members.items() if name.startswith(prefix)}
    _check(tensors, {key: member.size for key, member in storages.items()}, source)
    contents = {key: archive.unpacked(storages[key]) for key in {view.storage.key for view in tensors.values()}}
    unused = [
        Note(f"{prefix}{key}", "a storage that no tensor uses", ignored=True) for key in storages if key not in contents
    ]
    return _model(
        Format.TORCH, tensors, attributes, contents, _byte_order(members, f"{root}byteorder", source), unused, source
    )


def _byte_order(members: Mapping[str, Member], name: str, source: Source) -> str:
    """'<' or '>'; archives of before PyTorch 2.1 do not say it and are little-endian."""
    word = archive.head(members[name], 10) if name in members else b"little"
    if word not in (b"little", b"big"):
        refuse("damaged", source.path, name, f"holds {word!r}, neither little nor big", AGAIN)
    return "<" if word == b"little" else ">"


def _read_legacy(source: Source) -> ModelFile:
    at, values = 0, []
    for place in ("magic number", "protocol", "machine", "value", "storage keys"):
        value, length = unpickled(source.content[at:], place, grammar(source, place), source)
        values.append(value)
        at += length
    _, protocol, machine, value, keys = values
    if protocol != LEGACY_PROTOCOL or not isinstance(machine, dict) or machine.get("little_endian") is not True:
        refuse("damaged", source.path, "", "not a legacy stream of protocol 1001 from a little-endian machine",
               "load it where it was written and save it again with a newer PyTorch")  # fmt: skip
    if not isinstance(keys, list) or not all(type(key) is str for key in keys) or len(set(keys)) < len(keys):
        refuse("damaged", source.path, "storage keys", "not a list of names, each once", AGAIN)
    tensors, attributes = flattened(value, ROOT, _is_tensor, source)
    widths = {view.storage.key: itemsize(DTYPES[view.storage.dtype]) for view in tensors.values()}
    contents: dict[str, memoryview] = {}
    for key in keys:
        if key not in widths:
            refuse("damaged", source.path, key, "a storage that no tensor uses, so that its size is not known", AGAIN)
        size = int.from_bytes(source.content[at : at + 8], "little") * widths[key]
        if at + 8 + size > len(source.content):
            refuse("truncated", source.path, key,
                   f"declares {size} bytes of numbers, but {max(len(source.content) - at - 8, 0)} are there", AGAIN)  # fmt: skip
        contents[key] = source.content[at + 8 : at + 8 + size]
        at += 8 + size
    if at != len(source.content):
        refuse("damaged", source.path, "", f"{len(source.content) - at} bytes behind the last storage", AGAIN)
    _check(tensors, {key: len(content) for key, content in contents.items()}, source)
    return _model(Format.TORCH_LEGACY, tensors, attributes, contents, "<", [], source)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, TensorView)


def _check(tensors: Mapping[str, TensorView], sizes: Mapping[str, int], source: Source) -> None:
    """A LoadError unless all numbers of each tensor lie in its storage, and each storage has its declared size."""
    total = 0
    for name, view in tensors.items():
        storage, dtype = view.storage, DTYPES[view.dtype]
        if storage.key not in sizes:
            refuse("truncated", source.path, name, f"its storage {storage.key!r} is not in the file", AGAIN)
        declared, present = storage.whole * itemsize(DTYPES[storage.dtype]), sizes[storage.key]
        if declared != present:
            refuse(
                "size-lie", source.path, name, f"declares {declared} bytes of numbers, but {present} are there", AGAIN
            )
        total += nbytes(view.shape, dtype, name, source)
        room = storage.count * itemsize(DTYPES[storage.dtype]) // itemsize(dtype)
        last = view.offset + sum(stride * (size - 1) for stride, size in zip(view.strides, view.shape, strict=True))
        if prod(view.shape) and last >= room:
            refuse("size-lie", source.path, name, f"reaches number {last} of a storage that has {room}", AGAIN)
    if total > source.limits.expanded(len(source.content)):
        refuse("expansion", source.path, "", f"{len(source.content)} bytes whose tensors repeat them to {total}",
               "save the tensors after .contiguous()")  # fmt: skip


def _model(
    form: Format, views: Mapping[str, TensorView], attributes: dict[str, Any], contents: Mapping[str, memoryview],
    order: str, notes: list[Note], source: Source,
) -> ModelFile:  # fmt: skip
    tensors: dict[str, Array] = {}
    for name, view in views.items():
        storage, dtype = view.storage, DTYPES[view.dtype].replace("<", order)
        width = itemsize(dtype)
        tensors[name] = strided(
            contents[storage.key], dtype, view.shape, tuple(width * stride for stride in view.strides),
            width * view.offset + storage.first * itemsize(DTYPES[storage.dtype]),
        )  # fmt: skip
        check_truths(tensors[name], name, source)
        notes.extend(change(name, dtype))
    return ModelFile(source.path, form, tensors, MappingProxyType(attributes), tuple(notes))
