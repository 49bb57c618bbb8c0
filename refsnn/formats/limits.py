"""How much of a file may be believed."""

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What a model file may ask for at most. Declared sizes are compared with these, and with the bytes that are
    there, before anything is allocated."""  # noqa: D209

    file_bytes: int = 16 << 30
    ratio: int = 100  # unpacked bytes for each packed one, from `floor` on
    floor: int = 32 * MIB  # what may be unpacked whatever the ratio
    header_bytes: int = 16 * MIB  # of JSON, pickle or attributes: descriptions, not numbers
    parts: int = 30_000  # tensors, nodes, members, groups: so many small ones cost a second
    depth: int = 64
    child_seconds: int = 20  # of processor time in the process that reads HDF5
    external_data: str | None = (
        None  # folder below which an ONNX file's other files may be read; None: they are refused
    )
    child_bytes: int = 512 * MIB  # of address space there, beside three times the file

    def expanded(self, packed: int) -> int:
        """The most bytes that `packed` bytes may unpack to."""
        return max(self.floor, self.ratio * packed)
