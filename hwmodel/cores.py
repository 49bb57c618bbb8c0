"""What the cores of a chip can hold."""

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from hwmodel.figures import CONFIG, Bits, Bytes
from refsnn.specs import Count


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Cores:
    """Cores that are all alike; a layer takes whole cores. None: no such limit is known."""

    count: Count
    neurons: Count  # potentials that a core holds
    weight_memory: Bytes | None = None  # of a core; a convolution's kernel is stored once on each core that needs it
    weight_bits: Bits | None = None
    fan_in: Count | None = None  # inputs of a neuron
    axons_in: Count | None = None  # different inputs that a core receives
    axons_out: Count | None = None  # (neuron of the core, core it sends to) pairs
    mesh: tuple[Count, Count] | None = None  # columns and rows of tiles, for routing x first, then y
    per_tile: Count = 1  # cores of one tile

    def __post_init__(self) -> None:
        if (self.weight_memory is None) != (self.weight_bits is None):
            raise ValueError("a core's weight_memory is told together with its weight_bits")
        if self.mesh is not None and self.mesh[0] * self.mesh[1] * self.per_tile < self.count:
            columns, rows = self.mesh
            raise ValueError(
                f"a mesh of {columns} x {rows} tiles with {self.per_tile} cores each does not hold {self.count} cores"
            )


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class LayerCores:
    """Cores that differ and take one convolution or linear layer each, with the neurons behind it and their pool."""

    weights: Annotated[list[Count], Field(min_length=1)]  # kernel memory of each core, in words
    neurons: list[Count]  # potentials of each core
    biases: Count
    power_of_two: bool  # kernel addresses are bit fields: inputs * 2^(ceil(log2(kernel)) + ceil(log2(outputs))) words
    max_kernel: Count
    strides: Annotated[list[Count], Field(min_length=1)]
    max_in: tuple[Count, Count]  # height, width
    max_out: tuple[Count, Count]
    fan_out: Count  # layers that a core sends to

    def __post_init__(self) -> None:
        if len(self.weights) != len(self.neurons):
            raise ValueError(f"{len(self.weights)} weight memories, but {len(self.neurons)} neuron memories")
