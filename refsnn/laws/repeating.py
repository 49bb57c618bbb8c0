"""Laws of a run that is done again in another way: the same bits."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refsnn.drive import Drive
from refsnn.laws.comparing import first_difference, kept, of_samples, steps_until
from refsnn.laws.law import Case, Law, Outcome
from refsnn.trace import Record

Array = np.ndarray[Any, Any]
MOST_SAMPLES = 8  # run on their own
FEW_STEPS = 8  # shorter runs are all compared
THREADS = (2, 5)


@dataclass(frozen=True, eq=False)
class OneSample:
    """One sample of a drive, with the numbers that it has among the others."""

    drive: Drive
    sample: int

    @property
    def n_samples(self) -> int:
        return 1

    @property
    def sample_shape(self) -> tuple[int, ...]:
        return self.drive.sample_shape

    @property
    def spiking(self) -> bool:
        return self.drive.spiking

    @property
    def digest(self) -> str:
        return f"sample {self.sample} of {self.drive.digest}"

    def inputs(self, steps: int, samples: slice) -> Array:
        return self.drive.inputs(steps, slice(self.sample, self.sample + 1))[:, samples]


def _everywhere(case: Case) -> tuple[str, ...]:
    return tuple(node.name for node in case.network.nodes)


def _prefix(case: Case) -> Outcome:
    if case.steps == 1:
        return Outcome.nowhere("a run of one step has no shorter one")
    whole = case.run()
    few = range(1, min(case.steps, FEW_STEPS))
    for steps in sorted({*few, *(1 << k for k in range((case.steps - 1).bit_length())), case.steps - 1}):
        short = replace(case, steps=steps).run()
        beginning = (steps_until(steps)(one) for one in kept(whole) if one.stepwise)
        found = first_difference(PREFIX.name, beginning, kept(short), f"in a run of {steps} steps")
        if found:
            return Outcome(_everywhere(case), tuple(found))
    return Outcome(_everywhere(case))


def _sample_independence(case: Case) -> Outcome:
    samples = case.drive.n_samples
    if samples == 1:
        return Outcome.nowhere("one sample has no others beside it; give two or more")
    together = case.run(threads=1)  # in one chunk, as far as memory allows
    for n in np.unique(np.linspace(0, samples - 1, min(samples, MOST_SAMPLES)).astype(int)).tolist():
        alone = replace(case, drive=OneSample(case.drive, n)).run()
        beside = map(of_samples(slice(n, n + 1)), kept(together))
        found = first_difference(SAMPLES.name, beside, kept(alone), f"when sample {n} runs on its own", first_sample=n)
        if found:
            return Outcome(_everywhere(case), tuple(found))
    return Outcome(_everywhere(case))


def _thread_independence(case: Case) -> Outcome:
    if case.drive.n_samples == 1:
        return Outcome.nowhere("one sample is one chunk, whatever the number of threads; give two or more")
    single = case.run(threads=1)
    for threads in THREADS:
        found = first_difference(
            THREADS_EQUAL.name, kept(single), kept(case.run(threads=threads)), f"on {threads} threads"
        )
        if found:
            return Outcome(_everywhere(case), tuple(found))
    return Outcome(_everywhere(case))


def _backends_equal(case: Case) -> Outcome:
    """Potentials that are kept need currents that stand in memory; without them spikes go as bits from neuron to neuron."""
    naive = case.run(backend="naive")
    packed = case.run(record=Record(spikes=case.network.neurons))
    for fast, cause in ((case.run(), "in fast"), (packed, "in fast, no potential being recorded")):
        found = first_difference(BACKENDS.name, kept(naive), kept(fast), cause)
        if found:
            return Outcome(_everywhere(case), tuple(found))
    return Outcome(_everywhere(case))


PREFIX = Law("prefix", "simulate(T)[:t] == simulate(t), bit for bit, t = 1 to 7, then 8, 16, ..., and T - 1", _prefix)
SAMPLES = Law("sample independence", "simulate(x)[:, n] == simulate(x[n]), bit for bit", _sample_independence)
THREADS_EQUAL = Law("thread independence", "the same bits on 1, 2 and 5 threads", _thread_independence)
BACKENDS = Law("backends equal", "naive == fast, bit for bit, whatever is recorded", _backends_equal)
