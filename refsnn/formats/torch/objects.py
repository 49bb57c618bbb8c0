"""What the names in a PyTorch pickle mean here: descriptions of tensors and storages. Nothing of torch is imported.

The list is a part of torch/_weights_only_unpickler.py's: what state dicts, optimizer states and plain values need.
"""

from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

import numpy as np

from refsnn.formats.model_file import Source
from refsnn.formats.refusals import refuse
from refsnn.formats.torch.descriptions import DTYPES, STORAGE_NAMES, NumpyType, Storage, TensorView
from refsnn.formats.torch.stack_machine import STATE_DICT, checked_key
from refsnn.formats.torch.unpickling import Global, Grammar

# part of a name -> why a tensor of this kind is refused
KINDS = {
    "qtensor": "a quantised tensor", "QInt": "a quantised tensor", "QUInt": "a quantised tensor",
    "quint": "a quantised tensor", "qint": "a quantised tensor", "sparse": "a sparse tensor", "nested": "a nested tensor",
    "Complex": "complex numbers", "complex": "complex numbers", "meta_tensor": "a tensor without numbers",
    "wrapper_subclass": "a subclass of tensor", "device_tensor": "a tensor of another device",
    "float8": "8-bit floating point", "float4": "4-bit floating point",
}  # fmt: skip
PLAIN_TENSORS = "save plain tensors: torch.save({k: v.float() for k, v in model.state_dict().items()}, 'weights.pt')"


def grammar(source: Source, place: str) -> Grammar:
    """The rules by which `unpickled` reads what torch.save wrote."""

    def named(name: Global) -> Any:
        if str(name) in NAMES:
            return name
        if name.module in ("torch", "torch.cuda") and name.name in STORAGE_NAMES:  # the second: before 1.5, from a GPU
            return name
        if name.module == "torch" and name.name in DTYPES:
            return str(name)
        if name.module.split(".")[0] == "torch":
            for part, what in KINDS.items():
                if part in name.name:
                    refuse("unsupported-type", source.path, place, f"{what} ({name}), which is not read", PLAIN_TENSORS)
        return refuse("executable", source.path, place, f"asks for {name}, which plain weights do not need", STATE_DICT)

    def called(target: Any, arguments: tuple[Any, ...]) -> Any:
        if not isinstance(target, Global) or str(target) not in CALLS:
            raise TypeError("a call of what is no function")
        return CALLS[str(target)](*arguments)

    return Grammar(named, called, _built, _stored)


def _built(target: Any, state: Any) -> Any:
    """Attributes of an OrderedDict (state_dict's _metadata) or tensor are passed over; of a dtype, its byte order counts."""
    if isinstance(target, NumpyType) and not (
        isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", "|", "=")
    ):
        raise ValueError("a numpy scalar of the other byte order")
    if not isinstance(target, dict | TensorView | NumpyType):
        raise TypeError("a state for what has none")
    return target


def _stored(identity: Any) -> Storage:
    """('storage', type, key, device, count), and in a legacy stream a view, (its key, first, count), or None."""
    kind, storage, key, _, whole, *view = identity
    if (
        kind != "storage"
        or not isinstance(storage, Global)
        or storage.name not in STORAGE_NAMES
        or type(key) is not str
    ):
        raise ValueError("a persistent id that is no storage")
    _, first, count = view[0] if view and view[0] is not None else (None, 0, whole)
    _whole(whole, first, count)
    if first + count > whole:
        raise ValueError("a view that its storage does not hold")
    return Storage(key, STORAGE_NAMES[storage.name], whole, first, count)


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> TensorView:
    """_rebuild_tensor(storage, offset, size, stride), _v2(.. requires_grad, hooks, metadata)."""
    if not isinstance(storage, Storage):
        raise TypeError("a tensor without storage")
    if len(rest) > 2 and rest[2]:
        raise ValueError("a tensor with conjugate or negative bits; call .resolve_neg() or .clone() before saving")
    return _view(storage, offset, shape, strides, storage.dtype)


def _typed_tensor(
    storage: Any, offset: Any, shape: Any, strides: Any, _: Any, __: Any, dtype: Any, *rest: Any
) -> TensorView:
    """_rebuild_tensor_v3: the storage is bytes, its count too; the offset is in numbers."""
    if not isinstance(storage, Storage) or not isinstance(dtype, str) or dtype.removeprefix("torch.") not in DTYPES:
        raise TypeError("a tensor without storage or type")
    if rest and rest[0]:
        raise ValueError("a tensor with conjugate or negative bits; call .resolve_neg() or .clone() before saving")
    return _view(storage, offset, shape, strides, dtype.removeprefix("torch."))


def _view(storage: Storage, offset: Any, shape: Any, strides: Any, dtype: str) -> TensorView:
    if not isinstance(shape, tuple) or not isinstance(strides, tuple) or len(shape) != len(strides):
        raise TypeError("a shape and strides that do not match")
    _whole(offset, *shape, *strides)
    return TensorView(storage, offset, shape, strides, dtype)


def _whole(*numbers: Any) -> None:
    for number in numbers:
        if type(number) is not int or number < 0:
            raise ValueError("a size, stride or offset that is no count")


def _pairs(*arguments: Any) -> dict[Any, Any]:
    """OrderedDict(), of a dict, or of pairs."""
    (content,) = arguments or ((),)
    pairs = content.items() if isinstance(content, dict) else content
    return {checked_key(key): value for key, value in pairs}


def _numpy_scalar(dtype: Any, raw: Any) -> Any:
    if not isinstance(dtype, NumpyType) or not isinstance(raw, bytes) or np.dtype(dtype.name).itemsize != len(raw):
        raise ValueError("a numpy scalar that its bytes do not fit")
    return np.frombuffer(raw, np.dtype(dtype.name).newbyteorder("<"))[0].item()


def _numpy_type(name: Any, *_: Any) -> NumpyType:
    if name not in ("b1", "f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"):
        raise ValueError("a numpy scalar of another kind than numbers")
    return NumpyType(name)


def _of_type(function: Any, kind: Any, arguments: Any, *_: Any) -> Any:
    """_rebuild_from_type_v2: a tensor with Python attributes, which are passed over."""
    if not isinstance(kind, Global) or not isinstance(function, Global) or str(function) not in TENSORS:
        raise TypeError("a tensor of a type of its own")
    return TENSORS[str(function)](*arguments)


TENSORS: Mapping[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _typed_tensor,
    "torch._utils._rebuild_parameter": lambda data, *_: data,
    "torch._utils._rebuild_parameter_with_state": lambda data, *_: data,
}
CALLS: Mapping[str, Callable[..., Any]] = {
    **TENSORS,
    "torch._tensor._rebuild_from_type_v2": _of_type,
    "collections.OrderedDict": _pairs,
    "collections.Counter": _pairs,
    "torch.Size": lambda sizes=(): tuple(sizes),
    "torch.device": lambda kind, index=None: kind if index is None else f"{kind}:{index}",
    "_codecs.encode": lambda text, _: str(text).encode("latin-1"),
    **{f"{module}.set": lambda items=(): list(items) for module in ("builtins", "__builtin__")},
    **{f"{module}.{kind}": lambda raw=b"", *_: bytes(memoryview(raw))
       for module in ("builtins", "__builtin__") for kind in ("bytes", "bytearray")},
    **{f"numpy.{core}.multiarray.scalar": _numpy_scalar for core in ("core", "_core")},
    "numpy.dtype": _numpy_type,
}  # fmt: skip
# types that are named as arguments, never called
NAMES = frozenset(chain(CALLS, ("torch.Tensor", "torch.nn.parameter.Parameter", "torch.storage.UntypedStorage")))
