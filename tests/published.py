"""Measurements of silicon that papers have published, and what the packaged chips say of the same runs.

Every prediction goes through hwmodel.estimate or the figures of a chip's spec; what stands here are the workloads and the
measured results. tests/test_silicon.py checks them, and that the table in docs/chips.md is what comes out.
"""

import re
from dataclasses import dataclass, replace
from math import isclose

from activities import activity, linear, neurons

import hwmodel

NEURONS = 1 << 20  # of TrueNorth
PATTERNS, STEPS, BOARD = 76_800, 60, 32  # Frady's query: neurons, steps, chips


@dataclass(frozen=True)
class Case:
    """What is predicted and what was measured, in one unit."""

    name: str
    predicted: tuple[float, float]  # low and high; twice the same where there is one number
    measured: float
    unit: str

    @property
    def error(self):
        return tuple(each / self.measured - 1 for each in self.predicted)


def cases():
    found = [Case(f"TrueNorth, {hz} Hz", (truenorth(hz),) * 2, mw, "mW") for hz, mw in TRUENORTH.items()]
    found += [Case(f"26 pJ an event, {hz} Hz", (events(hz) * 26e-9,) * 2, mw, "mW") for hz, mw in TRUENORTH.items()]
    found += [Case(f"ODIN, {mhz} MHz", (odin(mhz, rate),) * 2, uw, "uW") for mhz, (rate, uw) in ODIN.items()]
    found += [
        Case("Loihi, nearest neighbours", (knn("loihi", 667), knn("loihi", 750)), 1.33, "mJ"),
        Case("Loihi, SANA-FE's figures", (knn("loihi_nahuku", 667), knn("loihi_nahuku", 750)), 1.33, "mJ"),
        Case("Loihi, latency of a query", (140 * 13e-3 + 520e-3,) * 2, 3.03, "ms"),
    ]
    return {case.name: case for case in found}


TRUENORTH = {11.58: 68, 20.07: 71, 95.93: 94}  # Hz -> mW at 0.8 V, Akopyan 2015, Fig. 17
ODIN = {75: (37.5e6, 477), 1.3: (650e3, 35)}  # MHz -> operations a second, uW; Frenkel 2019, Sec. IV-A


def events(hz):
    """Synaptic events a second of the characterised networks: every neuron has 128 synapses."""
    return NEURONS * hz * 128


def truenorth(hz):
    """mW of a whole chip: all neurons fire at this rate, at cores chosen at random, for 100 s of ticks."""
    seconds = 100
    spikes = round(NEURONS * hz * seconds)
    steps = 1000 * seconds
    run = activity(
        linear("synapses", ("neurons",), NEURONS, NEURONS, groups=4096, steps=steps, events_in=spikes, synops=128 * spikes),
        neurons("neurons", ("synapses",), NEURONS, steps=steps, spikes_out=spikes),
    )  # fmt: skip
    report = hwmodel.estimate(run, hwmodel.load_chip("truenorth"))
    assert isclose(report.mean_latency_s, seconds, rel_tol=1e-9)  # the tick is longer than any work
    return report.energy_j / seconds * 1e3


def odin(mhz, rate):
    """uW by the price of an operation and by the static figure, taken apart into what it says it is made of."""
    chip = hwmodel.load_chip("odin")
    (found,) = re.findall(r"([\d.]+) uW leakage \+ ([\d.]+) uW/MHz idle at ([\d.]+) MHz", chip.static.source)
    leakage, idle, clock = map(float, found)
    assert abs(leakage + idle * clock - chip.static.value * 1e6) < 1e-9
    return leakage + idle * mhz + rate * price(chip, "core", "synaptic operation") * 1e6


def knn(name, spikes):
    """mJ that the neurons and synapses of 32 chips spend on a query: each input spike reaches every pattern's neuron."""
    mine = PATTERNS // BOARD
    run = activity(
        linear("patterns", ("input",), 1000, mine, steps=STEPS, events_in=spikes, synops=spikes * mine),
        neurons("matches", ("patterns",), mine, steps=STEPS),
    )
    chip = hwmodel.load_chip(name)
    cores = replace(
        chip, components=[c for c in chip.components if c.name in ("core", "neuron pipeline", "message pipeline")]
    )
    return BOARD * sum(row.energy_j for row in hwmodel.estimate(run, cores).rows if row.component != "chip") * 1e3


def price(chip, component, action):
    """J."""
    (found,) = [a for c in chip.components for a in c.actions if (c.name, a.name) == (component, action)]
    return found.energy.nominal
