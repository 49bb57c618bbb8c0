"""What a PyTorch file describes: types, storages and tensors, before their bytes are looked at."""

from dataclasses import dataclass

from refsnn.formats.arrays import BFLOAT16

# torch's name of a type -> numpy's
DTYPES = {
    "float32": "<f4", "float64": "<f8", "float16": "<f2", "bfloat16": BFLOAT16, "int64": "<i8", "int32": "<i4", "int16": "<i2",
    "int8": "|i1", "uint8": "|u1", "uint16": "<u2", "uint32": "<u4", "uint64": "<u8", "bool": "|b1",
}  # fmt: skip
STORAGES = {
    "Float": "float32", "Double": "float64", "Half": "float16", "BFloat16": "bfloat16", "Long": "int64", "Int": "int32",
    "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool",
}  # fmt: skip
STORAGE_NAMES = {f"{kind}Storage": dtype for kind, dtype in STORAGES.items()} | {"UntypedStorage": "uint8"}


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of numbers in the file: `count` of them from number `first` on, of the `whole` stored under `key`."""

    key: str
    dtype: str  # of DTYPES
    whole: int
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class TensorView:
    """A tensor as the file describes it: where in its storage its numbers are, in steps of numbers."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class NumpyType:
    """dtype of a numpy scalar."""

    name: str
