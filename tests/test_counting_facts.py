"""What counts and residuals of IF neurons say, by enumeration in whole numbers: every current sequence of a grid, at once as
samples of one run of the simulator.

theta = v_threshold, Q = v_init + the sum of the currents, n = the spikes of T steps, v = the potential after them, all as the
trace gives them; N = clip(floor(Q / theta), 0, T). Whole numbers of this size are exact in float64. The numbers of cases and of
counterexamples are those of the grids as they stand: another number is another neuron.
"""

from itertools import product

import numpy as np
import pytest

from refsnn import Exact, Float32, Float64, Frames, Network, Node, Record, forward, simulate
from refsnn.layers import QCFS, Linear
from refsnn.neurons import IF, LIF, Firing
from refsnn.properties import ideal_count, ideal_count_above

THETAS = (1, 2, 3, 4)


def sequences(values, steps):
    """All sequences of so many currents: int[T, cases]."""
    return np.array(list(product(values, repeat=steps))).T


GRID = [sequences(range(-4, 7), steps) for steps in (1, 2, 3, 4)]  # 16 104 sequences
# the published 5 341: all of 14 currents for two and three steps, every other of them for four
LONGER = [sequences(range(-5, 9), 2), sequences(range(-5, 9), 3), sequences(range(-5, 9, 2), 4)]


def alone(neuron):
    return Network("one", (1,), (Node("n", neuron, ("input",)),))


def run(neuron, currents, **options):
    """Counts, potentials after the last step, and charges Q: int[cases] each."""
    frames = Frames(currents[:, :, None].astype(float))
    trace = simulate(alone(neuron), frames, steps=len(currents), arithmetic=Float64(), **options)
    counts, v = trace.counts["n"][:, 0], trace.residual["n"][:, 0]
    assert (v == v.astype(int)).all()
    return counts, v.astype(int), int(neuron.v_init) + currents.sum(0)


def quantised(q, theta, most):
    """N, from the charge."""
    return np.clip(q // theta, 0, most)


def explained(n, v, theta, most):
    """F1's right side: the quantiser's count, said without the charge."""
    return (v >= 0) & (v < theta) | (n == most) & (v >= theta) | (n == 0) & (v < 0)


def assert_f1_to_f3(n, v, theta, most):
    """F1: n = N exactly if 0 <= v < theta, or n = T and v >= theta, or n = 0 and v < 0. F2: N = clip(n + floor(v / theta), 0, T).
    F3: n < N exactly if v >= theta and n < T, by min(T - n, floor(v / theta)); n > N exactly if v < 0 and n > 0, by
    min(n, ceil(-v / theta)).
    """
    ideal = quantised(v + theta * n, theta, most)
    assert (ideal == ideal_count(n, v, theta, most)).all()
    assert ((n == ideal) == explained(n, v, theta, most)).all()
    deficit, surplus = (v >= theta) & (n < most), (v < 0) & (n > 0)
    assert ((n < ideal) == deficit).all()
    assert ((n > ideal) == surplus).all()
    assert (np.minimum(most - n, v // theta) == ideal - n)[deficit].all()
    assert (np.minimum(n, -(v // theta)) == n - ideal)[surplus].all()


@pytest.mark.parametrize("firing", Firing)
def test_f1_to_f3_deficit_and_surplus_follow_from_the_residual(firing):
    """For all sequences of up to 4 currents from -4..6, thresholds 1..4, and potentials that start in and out of them."""
    cases = 0
    for theta, currents in product(THETAS, GRID):
        for v_init in {0, theta // 2, theta - 1, -1, theta + 1}:
            n, v, q = run(IF(v_threshold=theta, v_init=v_init, firing=firing), currents)
            assert (v == q - theta * n).all()
            assert_f1_to_f3(n, v, theta, len(currents))
            cases += len(q)
    assert cases == 16_104 * (3 + 4 + 5 + 5)


def test_f1_to_f3_hold_for_any_rule_that_fires_from_0_to_t_spikes():
    """Pure arithmetic of v = Q - theta * n: every count for every charge, in plain integers."""
    cases = 0
    for theta, steps in product(range(1, 8), range(1, 8)):
        q, n = (part.ravel() for part in np.meshgrid(np.arange(-40, 61), np.arange(steps + 1)))
        assert_f1_to_f3(n, q - theta * n, theta, steps)
        cases += len(q)
    assert cases == 101 * 7 * sum(range(2, 9))


def test_f4_the_comparator_chooses_the_ideal_and_errs_against_the_other_at_ties_only():
    """N_> = clip(ceil(Q / theta) - 1, 0, T) is to > what N is to >=: n = N_> exactly if 0 < v <= theta, or n = T and v > theta, or
    n = 0 and v <= 0. A neuron that fires above the threshold and is right by N_> is one short of N if v = theta and n < T, else
    right by N.
    """
    cases = ties = 0
    for theta, currents in product(THETAS, GRID):
        for v_init in {0, theta // 2, theta - 1, theta, -1}:
            neuron = IF(v_threshold=theta, v_init=v_init, firing=Firing.ABOVE_THRESHOLD)
            n, v, q = run(neuron, currents)
            steps = len(currents)
            above = np.clip(-(-q // theta) - 1, 0, steps)
            assert (above == ideal_count_above(n, v, theta, steps)).all()
            assert ((n == above) == ((v > 0) & (v <= theta) | (n == steps) & (v > theta) | (n == 0) & (v <= 0))).all()
            right, tie = n == above, (v == theta) & (n < steps)
            assert (n + tie == quantised(q, theta, steps))[right].all()
            cases += len(q)
            ties += int((right & tie).sum())
    assert (cases, ties) == (16_104 * (3 + 4 + 5 + 5), 34_605)


CONDITIONS = {  # F5: what suffices, and the same with a little less
    "constant": (lambda z, theta: (z == z[0]).all(0), lambda z, theta: (np.diff(z, axis=0) != 0).sum(0) <= 1),
    "0 to theta": (lambda z, theta: ((z >= 0) & (z <= theta)).all(0), lambda z, theta: ((z >= -1) & (z <= theta)).all(0)),
    "0 to theta, from above": (
        lambda z, theta: ((z >= 0) & (z <= theta)).all(0), lambda z, theta: ((z >= 0) & (z <= theta + 1)).all(0),
    ),
    "theta or more": (lambda z, theta: (z >= theta).all(0), lambda z, theta: (z >= theta - 1).all(0)),
    "0 or less": (lambda z, theta: (z <= 0).all(0), lambda z, theta: (z <= 1).all(0)),
    "each theta or more, or each 0 or less": (
        lambda z, theta: (z >= theta).all(0) | (z <= 0).all(0), lambda z, theta: ((z >= theta) | (z <= 0)).all(0),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONDITIONS)
def test_f5_what_suffices_for_exactness_and_that_less_does_not(name):
    """Potentials that start in 0..theta - 1; thresholds 2..4, so that there is something between 0 and theta."""
    suffices, less = CONDITIONS[name]
    met = wrong = 0
    for theta, currents in product(THETAS[1:], GRID):
        chosen, weaker = suffices(currents, theta), less(currents, theta)
        assert weaker[chosen].all()
        for v_init in range(theta):
            n, _, q = run(IF(v_threshold=theta, v_init=v_init), currents)
            exact = n == quantised(q, theta, len(currents))
            assert exact[chosen].all()
            met += int(chosen.sum())
            wrong += int((~exact)[weaker].sum())
    assert met > 300
    assert wrong > 0


def test_f5_one_sided_conditions():
    """No current below 0: no surplus. None above theta: no deficit. Without the condition there are both."""
    found = np.zeros(2, int)
    for theta, currents in product(THETAS, GRID):
        for v_init in range(theta):
            n, _, q = run(IF(v_threshold=theta, v_init=v_init), currents)
            ideal = quantised(q, theta, len(currents))
            assert not (n > ideal)[(currents >= 0).all(0)].any()
            assert not (n < ideal)[(currents <= theta).all(0)].any()
            found += [(n > ideal)[(currents >= -1).all(0)].sum(), (n < ideal)[(currents <= theta + 1).all(0)].sum()]
    assert (found > 0).all()


@pytest.mark.parametrize(("v_init", "current"), [(-5, 7), (5, -1)])
def test_f5_a_potential_that_starts_out_of_its_range_can_err_under_constant_current(v_init, current):
    """By paper, theta = 4, T = 2. -5: 2, 9 -> 5; one spike for a charge of 9. 5: 4 -> 0, -1; one spike for a charge of 3."""
    n, _, q = run(IF(v_threshold=4, v_init=v_init), np.full((2, 1), current))
    assert (n.item(), quantised(q, 4, 2).item()) == {(-5): (1, 2), 5: (1, 0)}[v_init]


def test_f6_without_a_limit_on_spikes_there_is_no_deficit():
    """n = max(0, floor(Q / theta)) exactly if 0 <= v, or n = 0; v stays below theta always."""
    cases = surplus = 0
    for theta, currents in product(THETAS, GRID):
        for v_init in {0, theta // 2, -1, theta + 1}:
            n, v, q = run(IF(v_threshold=theta, v_init=v_init, max_spikes=None), currents)
            ideal = np.maximum(q // theta, 0)
            assert (v < theta).all()
            assert (n >= ideal).all()
            assert ((n == ideal) == ((v >= 0) | (n == 0))).all()
            cases += len(q)
            surplus += int((n > ideal).sum())
    assert cases == 16_104 * (3 + 4 + 4 + 4)
    assert surplus > 0


@pytest.mark.parametrize("cap", [2, 3])
def test_f6_with_a_cap_of_c_spikes_a_step_t_becomes_c_times_t(cap):
    deficits = 0
    for theta, currents in product(THETAS, GRID):
        for v_init in {0, theta // 2, -1, theta + 1}:
            n, v, q = run(IF(v_threshold=theta, v_init=v_init, max_spikes=cap), currents)
            assert (v == q - theta * n).all()
            assert_f1_to_f3(n, v, theta, cap * len(currents))
            deficits += int((n < quantised(q, theta, cap * len(currents))).sum())
    assert deficits > 0


@pytest.mark.parametrize(
    ("neuron", "broken", "misjudged"),
    [
        (IF(v_threshold=4, v_init=2, v_min=0.0), 1379, 722),
        (IF(v_threshold=4, v_init=2, v_max=4.0), 832, 168),
        (IF(v_threshold=4, v_init=2, v_min=-1.0, v_max=4.0), 1835, 342),
    ],
)
def test_f7_a_clamp_loses_charge_and_what_it_lost_repairs_the_facts(neuron, broken, misjudged):
    """Of 2940 sequences, v = Q - theta * n is broken for so many and F1 for so many; with C, the sum of the clamp's corrections,
    v = Q - theta * n + C holds for all, and F1 for the charge Q + C.
    """
    cases, found = 0, np.zeros(2, int)
    for currents in LONGER[:2]:
        frames = Frames(currents[:, :, None].astype(float))
        record = Record(spikes=("n",), v=("n",))
        trace = simulate(alone(neuron), frames, steps=len(currents), arithmetic=Float64(), record=record)
        v, s, n = trace.v["n"][:, :, 0], trace.spikes["n"][:, :, 0], trace.counts["n"][:, 0]
        before = np.vstack([np.full(len(n), neuron.v_init), v[:-1]])
        unclamped = before + currents - 4 * s
        lowest = -np.inf if neuron.v_min is None else neuron.v_min
        highest = np.inf if neuron.v_max is None else neuron.v_max
        corrections = np.maximum(lowest - unclamped, 0) - np.maximum(unclamped - highest, 0)
        q = neuron.v_init + currents.sum(0)
        assert (v[-1] == q - 4 * n + corrections.sum(0)).all()
        assert_f1_to_f3(n, v[-1].astype(int), 4, len(currents))  # of Q + C, which is v + theta * n
        found[0] += (v[-1] != q - 4 * n).sum()
        found[1] += ((n == quantised(q, 4, len(currents))) != explained(n, v[-1], 4, len(currents))).sum()
        cases += len(q)
    assert (cases, *found) == (2940, broken, misjudged)


def test_f7_a_leak_loses_charge():
    """decay = 1/2: of 2940 sequences the balance is broken for so many, and the quantiser of Q has another count for so many."""
    cases = broken = misjudged = 0
    for currents in LONGER[:2]:
        trace = simulate(
            alone(LIF(v_threshold=4, v_init=2, decay=0.5)), Frames(currents[:, :, None].astype(float)), steps=len(currents)
        )  # fmt: skip
        n, v, q = trace.counts["n"][:, 0], trace.residual["n"][:, 0], 2 + currents.sum(0)
        broken += int((v != q - 4 * n).sum())
        ideal = quantised(q, 4, len(currents))
        misjudged += int(((n == ideal) != explained(n, v, 4, len(currents))).sum())
        cases += len(q)
    assert (cases, broken, misjudged) == (2940, 2814, 1037)


def test_f8_a_prefix_is_a_quantiser_of_its_own_steps_not_of_the_last():
    """Constant currents z = 0..theta of a neuron with v_init = theta / 2: after t steps it has fired as often as an activation of
    t levels, and at t = T = L as one of L. At t < T the rate n / t differs from L levels for most z.
    """
    theta, levels = 16, 8
    z = np.arange(theta + 1)
    record = Record(spikes=("n",))
    trace = simulate(
        alone(IF(v_threshold=theta, v_init=theta / 2)), z[:, None].astype(float), steps=levels, record=record
    )
    so_far = np.cumsum(trace.spikes["n"][:, :, 0], axis=0)

    def level(many):
        source = Network("source", (1,), (Node("act", QCFS(threshold=theta, levels=many), ("input",)),))
        return forward(source, z[:, None].astype(float)).levels["act"][:, 0]

    differing = []
    for t in range(1, levels + 1):
        assert (so_far[t - 1] == level(t)).all()
        differing.append(int((so_far[t - 1] * levels != level(levels) * t).sum()))
    assert differing[-1] == 0
    assert min(differing[:-1]) > 0


def test_f8_by_paper():
    """theta = 8, L = T = 4, z = 2: the source's level is floor(2 * 4 / 8 + 1/2) = 1, a rate of 1/4. v = 6, then 8 fires: after two
    steps the rate is 1/2, and after three 1/3.
    """
    trace = simulate(
        alone(IF(v_threshold=8.0, v_init=4.0)), np.array([[2.0]]), steps=4, record=Record(spikes=("n",), v=("n",))
    )
    assert trace.spikes["n"].ravel().tolist() == [False, True, False, False]
    assert trace.v["n"].ravel().tolist() == [6.0, 0.0, 2.0, 4.0]


def test_floats_disagree_at_exact_ties_and_exact_decides():
    """theta = 0.37, T = L = 8, z = theta * (k + 1/2) / 8: in float32 the activation, the neuron with its threshold, and the neuron
    with x / theta and threshold 1 count differently, all by roundings. Exact's neuron and Exact's activation agree.
    """
    theta = 0.37
    z = ((np.arange(9) + 0.5) / 8 * theta).astype(np.float32).reshape(-1, 1)
    source = Network("source", (1,), (Node("n", QCFS(threshold=theta, levels=8), ("input",)),))

    def counts(neuron, x, arithmetic):
        return simulate(alone(neuron), x, steps=8, arithmetic=arithmetic).counts["n"].ravel().tolist()

    plain, normalised = IF(v_threshold=theta, v_init=theta / 2), IF(v_threshold=1.0, v_init=0.5)
    assert forward(source, z, arithmetic=Float32()).levels["n"].ravel().tolist() == [1, 2, 3, 3, 5, 6, 7, 8, 8]
    assert counts(normalised, z / np.float32(theta), Float32()) == [1, 2, 3, 4, 5, 6, 7, 8, 8]
    assert counts(plain, z, Float32()) == [0, 2, 2, 4, 4, 6, 6, 8, 8]
    assert counts(plain, z, Exact()) == forward(source, z, arithmetic=Exact()).levels["n"].ravel().tolist()


@pytest.mark.parametrize("schedule", ["integrate_then_fire", "averaged_current", "signed_correction"])
def test_e1_to_e3_schedules_that_are_exact_for_every_sequence(schedule):
    """n = N and v = Q - theta * N, whatever the order of the currents. All numbers times 12, so that their means are whole."""
    cases = wrong = 0
    for theta, currents in product(THETAS, GRID):
        for v_init in {0, theta // 2, theta - 1, -5, -1, theta + 1, theta + 5}:
            neuron = IF(v_threshold=12 * theta, v_init=12 * v_init)
            n, v, q = run(neuron, 12 * currents, schedule=schedule)
            ideal = quantised(q, 12 * theta, len(currents))
            if schedule == "averaged_current" and not 0 <= v_init < theta:
                wrong += int((n != ideal).sum())  # a constant current is exact from a potential in its range only
                continue
            assert (n == ideal).all()
            assert (v == q - 12 * theta * ideal).all()
            cases += len(q)
    assert cases == 16_104 * (1 + 2 + 3 + 3 + (0 if schedule == "averaged_current" else 16))
    assert (wrong > 0) == (schedule == "averaged_current")


def corrected(n, v, theta, steps):
    """Counts after so many steps without input in which v >= theta sends 1 and v < 0 sends -1: one neuron for each case."""
    if steps == 0:
        return n
    neuron = IF(v_threshold=theta, v_init=v.astype(float), v_negative=0.0, negative_firing=Firing.ABOVE_THRESHOLD)
    network = Network("signed", v.shape, (Node("n", neuron, ("input",)),))
    return n + simulate(network, np.zeros((1, *v.shape)), steps=steps, arithmetic=Float64()).counts["n"][0]


def test_e3_so_many_correction_steps_suffice_and_one_fewer_does_not():
    """T1 steps of input, max(T1, T2) - 1 of correction, clip to 0..T2: the quantiser's count. With one fewer some are wrong."""
    cases, wrong = 0, np.zeros(2, int)
    for currents, sent in product(LONGER, (1, 2, 3, 4)):
        most = max(len(currents), sent)
        for v_init in range(4):
            n, v, q = run(IF(v_threshold=4, v_init=v_init), currents)
            ideal = quantised(q, 4, sent)
            for fewer in (0, 1):
                count = corrected(n, v, 4, most - 1 - fewer)
                wrong[fewer] += (np.clip(count, 0, sent) != ideal).sum()
            cases += len(q)
    assert (cases, wrong[0]) == (4 * 4 * 5341, 0)
    assert wrong[1] > 0


def test_spikes_of_minus_one_reduce_errors_and_do_not_remove_them():
    """Fast-SNN: a spike of -1 where v < 0 and the neuron has more spikes than none. Of 5341 sequences 1429 are wrong without it, 668
    with it: a deficit stays, and late negative current leaves no step for the repair.
    """
    signed = {"v_negative": 0.0, "negative_firing": Firing.ABOVE_THRESHOLD, "negative_after_positive": True}
    wrong = [0, 0]
    for currents in LONGER:
        for i, choices in enumerate(({}, signed)):
            n, _, q = run(IF(v_threshold=4, v_init=2, **choices), currents)
            wrong[i] += int((n != quantised(q, 4, len(currents))).sum())
    assert sum(currents.shape[1] for currents in LONGER) == 5341
    assert wrong == [1429, 668]


def test_the_papers_example_with_its_arithmetic_values():
    """Weight 1.5, threshold 1, v_init 0, T = 4 (Bu et al. 2022, unevenness error): input spikes at steps 1, 3, 4 give 3
    spikes and v = 1.5 left, at steps 3, 4 give 2 and v = 1: one spike too few each.
    """
    net = Network(
        "uneven",
        (1,),
        (Node("w", Linear(weight=np.array([[1.5]])), ("input",)), Node("n", IF(v_threshold=1.0), ("w",))),
    )
    for spikes, count, left, ideal in (([1, 0, 1, 1], 3, 1.5, 4), ([0, 0, 1, 1], 2, 1.0, 3)):
        trace = simulate(net, Frames(np.array(spikes, float).reshape(4, 1, 1)), steps=4)
        assert trace.counts["n"].item() == count
        assert trace.residual["n"].item() == left
        assert ideal_count(trace.counts["n"], trace.residual["n"], 1.0, 4).item() == ideal
