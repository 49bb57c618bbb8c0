"""Laws of time: pipelines against slots walked one by one, chips side by side against one by one, scaled figures."""

from dataclasses import replace
from fractions import Fraction
from math import ceil

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

import hwmodel
from hwmodel import strategies as hw
from hwmodel.accesses import COUNTS, Place
from hwmodel.bounds import End, at_end, latency_interval
from hwmodel.chip import Execution, Family
from hwmodel.model import estimate, estimate_all
from hwmodel.placement import place
from refsnn import simulate
from refsnn import strategies as snn
from refsnn.neurons import IF, Reset
from refsnn.policies import Fixed

REL = 1e5 * 2**-52  # as in test_cost_laws.py
spiking_chips = hw.chips(families=(Family.ACCUMULATOR_ARRAY, Family.MANY_CORE))
without_cores = spiking_chips.map(lambda chip: replace(chip, cores=None, components=[
    replace(c, actions=[replace(a, counts=[w for w in a.counts if w != "hops"] or ["spikes"]) for a in c.actions])
    for c in chip.components
]))  # fmt: skip


@st.composite
def runs(draw):
    network, x, steps = draw(snn.cases())
    schedules = ["lockstep", "pipeline"]
    if all(
        isinstance(network[name].layer, IF) and network[name].layer.reset is Reset.SUBTRACT for name in network.stateful
    ):
        schedules.append("integrate_then_fire")
    return simulate(network, x, steps=steps, schedule=draw(st.sampled_from(schedules)))


def work(activity, chip, group, groups, t, n):
    """Cycles or seconds that a group's busiest component takes in step t: everything counted anew, in fractions."""
    longest = Fraction(0)
    for component in chip.components:
        total = Fraction(0)
        for action in component.actions:
            duration = Fraction(action.cycles or 0) if chip.clock else Fraction(action.time.value if action.time else 0)
            for word in action.counts:
                if COUNTS[word].of_chip and (group is None or chip.execution is Execution.PARALLEL):
                    total += duration * action.times * (1 if word == "steps" or t == 0 else 0)
                if COUNTS[word].of_chip:
                    continue
                for node in activity.nodes:
                    if (
                        groups[node.node] != group
                    ):  # what the chip does once a step stands in turn with the groups: None
                        continue
                    place = Place(lanes=component.lanes, width=component.width or 1, last=node is activity.nodes[-1])
                    for base, times in COUNTS[word].of(node, place).items():
                        chip_counts = {"steps": 1, "first": int(t == 0), "last": int(t + 1 == activity.steps_run[n])}
                        count = chip_counts[base] if base in chip_counts else int(getattr(node, base)[t, n])
                        total += duration * action.times * times * count
        share = total / component.instances
        longest = max(longest, Fraction(ceil(share)) if chip.clock else share)
    return longest


@given(trace=runs(), chip=without_cores)
def test_a_step_takes_as_long_as_slots_walked_one_by_one(trace, chip):
    activity = trace.activity
    placement = place(activity, chip)
    groups = placement.groups
    names = list(dict.fromkeys(groups.values()))
    parallel = chip.execution is Execution.PARALLEL
    lag = 0 if not parallel else {"lockstep": 1, "pipeline": 0, "integrate_then_fire": trace.steps + 1}[trace.schedule]
    depth = {name: lag * placement.depth[name] for name in names}
    deepest = max(depth.values())
    barrier = Fraction(chip.barrier.value if chip.barrier else 0)
    tick = Fraction(chip.tick.value if chip.tick else 0)
    if chip.clock:  # as floats: the spec's seconds times the clock, rounded up to whole cycles
        barrier, tick = (Fraction(ceil(float(each) * chip.clock)) for each in (barrier, tick))
    report = estimate(activity, chip)
    for n in range(trace.n_samples):
        slots = []
        for s in range(trace.steps + deepest):
            each = [work(activity, chip, g, groups, s - depth[g], n) for g in names if 0 <= s - depth[g] < trace.steps]
            chips = 0 if parallel else work(activity, chip, None, groups, s, n)
            slots.append(max((max(each, default=0) if parallel else sum(each) + chips) + barrier, tick))
        expected = [sum(slots[: deepest + 1]), *slots[deepest + 1 :]]
        found = report.step_cycles[:, n] if chip.clock else report.step_time_s[:, n]
        if chip.clock:
            assert found.tolist() == [int(each) for each in expected]
        else:
            assert np.allclose(found, [float(each) for each in expected], rtol=REL, atol=0)


@given(trace=runs(), chips=st.lists(spiking_chips, min_size=1, max_size=3))
def test_chips_side_by_side_cost_what_they_cost_alone(trace, chips):
    for report, chip in zip(estimate_all(trace.activity, chips), chips, strict=True):
        alone = estimate(trace.activity, chip)
        assert report.rows == alone.rows
        assert report.step_energy_j.tolist() == alone.step_energy_j.tolist()
        assert report.step_time_s.tolist() == alone.step_time_s.tolist()


@given(trace=runs(), chip=spiking_chips, power=st.integers(-8, 8))
def test_all_energies_twice_as_large_cost_twice_as_much(trace, chip, power):
    """And so on for powers of two, which scale floats without rounding: units do not matter."""
    factor = 2.0**power

    def figure(old):
        if old.nominal is None:
            return old
        low, high = old.interval
        return replace(old, nominal=old.nominal * factor, low=low * factor, high=high * factor)

    scaled = replace(chip, static=figure(chip.static), components=[
        replace(c, actions=[replace(a, energy=figure(a.energy)) for a in c.actions]) for c in chip.components
    ])  # fmt: skip
    before, after = estimate(trace.activity, chip), estimate(trace.activity, scaled)
    assert after.energy_j == before.energy_j * factor
    assert after.step_energy_j.tolist() == (before.step_energy_j * factor).tolist()
    assert after.step_time_s.tolist() == before.step_time_s.tolist()


@given(trace=runs(), chip=spiking_chips)
def test_intervals_of_energy_and_latency_contain_the_nominal(trace, chip):
    report = estimate(trace.activity, chip)
    low, high = latency_interval(trace.activity, chip)
    assert low <= report.mean_latency_s * (1 + REL)
    assert high >= report.mean_latency_s * (1 - REL)
    ends = [estimate(trace.activity, at_end(chip, end)).energy_j for end in (End.LOW, End.HIGH)]
    assert ends[0] <= report.energy_j * (1 + REL)
    assert ends[1] >= report.energy_j * (1 - REL)


@given(trace=runs(), chip=spiking_chips, exits=st.integers(1, 6))
def test_who_stops_early_has_paid_for_what_has_begun(trace, chip, exits):
    """Never less than the run that knows when it ends, never more than the whole run; the same where layers take turns."""
    assume(trace.schedule == "lockstep" and trace.readout.shape[2] > 1)
    steps = min(exits, trace.steps)
    labels = np.zeros(trace.n_samples, np.int64)
    stopped = hwmodel.score(Fixed(steps), trace, labels, chip)
    known = estimate(trace.activity.until(np.full(trace.n_samples, steps)), chip)
    whole = estimate(trace.activity, chip)
    assert stopped.energy_j >= float(known.energy_per_sample_j.mean()) * (1 - REL)
    assert stopped.latency_s >= known.mean_latency_s * (1 - REL)
    if chip.execution is Execution.SEQUENTIAL:
        assert np.isclose(stopped.energy_j, known.energy_per_sample_j.mean(), rtol=REL, atol=0)
        assert np.isclose(stopped.latency_s, known.mean_latency_s, rtol=REL, atol=0)
    assert stopped.energy_j <= float(whole.energy_per_sample_j.mean()) * (1 + REL)
    assert stopped.latency_s <= whole.mean_latency_s * (1 + REL)
