"""One input for which a spiking network leaves its source, small enough to keep as a regression test."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from refsnn.arithmetic import Exact
from refsnn.layers import Linear
from refsnn.network import Network
from refsnn.schedules import schedule_of
from refsnn.simulator import simulate
from refsnn.source import forward
from refsnn.trace import Record
from refsnn.verification import Verdict, verify
from refsnn.verification.correspondence import pairs_of
from refsnn.verification.numbers import Numbers, Runs, numbers_of
from refsnn.verification.tally import local_difference, source_difference

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Disagreement:
    """A neuron whose count is not what it should be."""

    node: str
    index: tuple[int, ...]
    born: bool  # it left the quantiser on its own currents; otherwise T steps cannot say the level, or it arrived
    sign: int  # 1 too many spikes, -1 too few
    steps: int  # -1 fewer than the source has levels, 0 as many, 1 more
    total: int  # of the layer's differences

    def is_like(self, other: "Disagreement") -> bool:
        """Whether both go wrong in the same way."""
        return (self.born, self.sign, self.steps) == (other.born, other.sign, other.steps)


@dataclass(frozen=True, eq=False)
class Case:
    """Two networks, one sample x [*input_shape] and a number of steps. What it says is decided in real numbers."""

    source: Network  # BatchNorm folded
    snn: Network
    x: Array
    steps: int
    schedule: str = "lockstep"
    origin: str = ""  # where it came from, in words

    def verdict(self) -> Verdict:
        """What verify says of it: false as long as the networks disagree."""
        return verify(self.source, self.snn, self.x[None], steps=self.steps, schedule=self.schedule)

    def numbers(self) -> dict[str, Numbers]:
        """Spiking node -> its counts beside what they should be, as in a verdict."""
        x, how = self.x[None], {"schedule": schedule_of(self.schedule), "arithmetic": Exact()}
        pairs = pairs_of(self.source, self.snn, self.steps)
        record = Record(spikes=self.snn.neurons)
        trace = simulate(
            self.snn, x, steps=self.steps, schedule=self.schedule, arithmetic=Exact(), record=record, threads=1
        )
        runs = Runs.of(self.source, self.snn, x, trace, forward(self.source, x, arithmetic=Exact()), **how)
        return {name: numbers_of(runs, name, pair) for name, pair in pairs.items()}

    def disagreement(self) -> "Disagreement | None":
        """Where the networks part: the first layer whose counts are not its quantiser's or the source's, its worst neuron."""
        for name, numbers in self.numbers().items():
            local, difference = local_difference(numbers)[0], source_difference(numbers, self.steps)[0]
            born = bool(local.any())
            chosen = local if born else difference
            if chosen.any():
                index = np.unravel_index(np.abs(chosen).argmax(), chosen.shape)
                place = tuple(int(i) for i in index)
                signs = int(np.sign(chosen[place])), int(np.sign(self.steps - numbers.levels))
                return Disagreement(name, place, born, *signs, total=int(np.abs(chosen).sum()))
        return None

    @property
    def size(self) -> tuple[int, ...]:
        """What is smaller comes first: spiking layers, steps, neurons and inputs, weights that are not 0."""
        weights = sum(int((node.layer.weight != 0).sum()) for node in self.snn.nodes if isinstance(node.layer, Linear))
        neurons = sum(int(np.prod(self.snn.shapes[name])) for name in self.snn.neurons)
        return len(self.snn.neurons), self.steps, neurons + self.x.size, weights
