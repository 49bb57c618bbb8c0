"""What bounds of a neuron's currents prove, against every sequence of whole currents within them."""

from itertools import combinations, product

import numpy as np

from refsnn.layers import QCFS
from refsnn.neurons import IF
from refsnn.schedules import schedule_of
from refsnn.verification.certificate import _proof
from refsnn.verification.correspondence import Pair
from refsnn.verification.intervals import Interval

THETA = 2


def counts(low, high, start, steps):
    """(n, N) of every sequence of whole currents from low to high, step by step in plain whole numbers."""
    for currents in product(range(low, high + 1), repeat=steps):
        v, n = start, 0
        for current in currents:
            v += current
            if v >= THETA:
                v, n = v - THETA, n + 1
        yield n, max(0, min(steps, (start + sum(currents)) // THETA))


def test_what_bounds_prove_is_so():
    """T = 3 and 4, bounds from -4 to 5: each claim is true of every sequence."""
    for steps, start in product((3, 4), (0, 1)):
        layer = IF(v_threshold=THETA, v_init=start)
        pair = Pair(QCFS(threshold=THETA, levels=steps), layer, QCFS(threshold=THETA, levels=steps))
        for low, high in combinations(range(-4, 6), 2):
            bounds = Interval(np.array([float(low)]), np.array([float(high)]))
            proof = _proof(pair, bounds, False, steps, schedule_of("lockstep"))
            differences = [n - ideal for n, ideal in counts(low, high, start, steps)]
            claims = bool(proof.local[0]), bool(proof.no_deficit[0]), bool(proof.no_surplus[0])
            truth = not any(differences), min(differences) >= 0, max(differences) <= 0
            assert all(true or not claimed for claimed, true in zip(claims, truth, strict=True)), (
                low,
                high,
                claims,
                truth,
            )
            if low < 0 and high > THETA and steps == 4:
                assert claims == (False, False, False)
            if low >= 0 and high <= THETA:
                assert claims == (True, True, True)


def test_potentials_that_start_outside_the_threshold_prove_nothing():
    layer = IF(v_threshold=THETA, v_init=2 * THETA)
    pair = Pair(QCFS(threshold=THETA, levels=4), layer, QCFS(threshold=THETA, levels=4))
    proof = _proof(pair, Interval(np.zeros(1), np.full(1, 1.0)), False, 4, schedule_of("lockstep"))
    assert not proof.local.any()
