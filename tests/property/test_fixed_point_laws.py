"""Fixed point: against plain Python integers, the twins against each other, wide formats against real numbers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from same import assert_identical, assert_same_trace

import refsnn
from refsnn import Exact, FixedPoint, Network, Node, Q, Record, simulate
from refsnn import strategies as snn
from refsnn.errors import FormatError, SpecError, UnsupportedLayerError
from refsnn.fixed import Accumulate, Overflow, Rounding
from refsnn.layers import Linear
from refsnn.neurons import IF, LIF, CubaLIF, Firing, Leak, Reset


def run(network, x, steps, backend="fast", **options):
    return simulate(
        network, x, steps=steps, record=Record(spikes=network.neurons, v=network.stateful), backend=backend, **options
    )


def rounded(numerator, shift, rounding):
    """numerator / 2^shift as an integer, by the words of the rounding."""
    if shift <= 0:
        return numerator << -shift
    floor, rest, half = numerator >> shift, numerator & ((1 << shift) - 1), 1 << (shift - 1)
    if rounding is Rounding.FLOOR:
        return floor
    if rounding is Rounding.TO_ZERO:
        return -(-numerator >> shift) if numerator < 0 else floor
    if rounding is Rounding.NEAREST_UP:
        return floor + (rest >= half)
    return floor + (rest > half or (rest == half and floor % 2 == 1))


def in_range(k, q):
    """The integer in so many bits, and whether it was out of range."""
    low, high = -(1 << (q.bits - 1)), (1 << (q.bits - 1)) - 1
    if low <= k <= high:
        return k, 0
    return (max(low, min(high, k)) if q.overflow is Overflow.SATURATE else (k - low) % (1 << q.bits) + low), 1


rules = st.tuples(st.sampled_from(Rounding), st.sampled_from([Overflow.SATURATE, Overflow.WRAP]))


@st.composite
def arithmetics(draw):
    """Formats so narrow that everything in them happens often."""
    fraction = draw(st.integers(0, 2))
    return FixedPoint(
        weight=Q(6, 2),
        current=Q(draw(st.integers(4, 10)), draw(st.integers(0, 4)), *draw(rules)),
        membrane=Q(draw(st.integers(7, 10)), fraction + 2, *draw(rules)),
        decay_fraction=4,
        accumulate=draw(st.sampled_from(Accumulate)),
    )


@given(
    arithmetic=arithmetics(), weights=snn.tensors((2, 3)), bias=snn.tensors((2,)), x=snn.tensors((1, 3)),
    decay=st.integers(0, 16), theta=st.integers(1, 8), steps=st.integers(1, 8), leak=st.sampled_from(Leak),
)  # fmt: skip
def test_integers_agree(arithmetic, weights, bias, x, decay, theta, steps, leak):
    """LIF with reset by subtraction in Python's integers: raw weights, shifts, and the rules of each format."""
    q_i, q_v = arithmetic.current, arithmetic.membrane
    bias = np.asarray(q_i.of("bias", bias))
    gain = 1 - decay / 16 if leak is Leak.TOWARDS else 1.0
    neuron = LIF(v_threshold=theta / 4, decay=decay / 16, gain=gain, leak=leak)
    network = Network("n", (3,), (Node("w", Linear(weight=weights, bias=bias), ("input",)), Node("n", neuron, ("w",))))
    ours = run(network, x, steps, arithmetic=arithmetic)
    overflows = {"w": 0, "n": 0}
    for o in range(2):
        # terms in 1/256: products of quarters, and the bias
        terms = [int(4 * w) * int(4 * a) << 4 for w, a in zip(weights[o].tolist(), x[0].tolist(), strict=True)]
        terms.append(int(bias[o] * 2**8))
        if arithmetic.accumulate is Accumulate.AT_END:
            terms = [sum(terms)]
        current = 0
        for term in terms:
            total = (current << (8 - q_i.fraction)) + term
            current, beyond = in_range(rounded(total, 8 - q_i.fraction, q_i.rounding), q_i)
            overflows["w"] += beyond * steps
        v, spikes = 0, []
        threshold = theta << (q_v.fraction - 2)
        for t in range(steps):
            gained, a = in_range(rounded(current << 4, 4 + q_i.fraction - q_v.fraction, q_v.rounding), q_v)
            factor = decay if leak is Leak.FACTOR else 16 - decay
            product, b = in_range(rounded(factor * (gained - v if leak is Leak.TOWARDS else v), 4, q_v.rounding), q_v)
            kept = {Leak.FACTOR: product + gained, Leak.DIFFERENCE: v - product + gained, Leak.TOWARDS: v + product}[
                leak
            ]
            v, c = in_range(kept, q_v)
            spikes.append(v >= threshold)
            if spikes[-1]:
                v, d = in_range(v - threshold, q_v)
                overflows["n"] += d
            overflows["n"] += a + b + c
            assert ours.v["n"][t, 0, o] * 2**q_v.fraction == v
        assert ours.spikes["n"][:, 0, o].tolist() == spikes
    assert {name: count.tolist() for name, count in ours.overflows.items()} == {k: [v] for k, v in overflows.items()}


@given(case=snn.any_cases(), arithmetic=arithmetics())
def test_naive_and_fast_are_equal(case, arithmetic):
    network, x, steps = case
    formats = {name: getattr(arithmetic, name) for name in ("weight", "current", "membrane")}
    saturating = {name: replace(q, overflow=Overflow.SATURATE) for name, q in formats.items()}
    network = refsnn.quantise(network, replace(arithmetic, **saturating))
    fast = run(network, x, steps, arithmetic=arithmetic)
    naive = run(network, x, steps, arithmetic=arithmetic, backend="naive")
    assert_same_trace(naive, fast)
    for name, count in fast.overflows.items():
        assert_identical(count, naive.overflows[name])


@given(case=snn.cases(), arithmetic=arithmetics())
def test_whole_weights_of_eight_bits_are_the_same_sums(case, arithmetic):
    """Without records spikes go as bits, and weights as whole numbers in narrow registers."""
    network, x, steps = case
    wide = {name: Q(24, 8, overflow=Overflow.SATURATE) for name in ("current", "membrane")}
    arithmetic = replace(arithmetic, weight=Q(8, 3, overflow=Overflow.SATURATE), **wide)
    network = refsnn.quantise(network, arithmetic)
    fast = simulate(network, x, steps=steps, arithmetic=arithmetic, backend="fast")
    naive = simulate(network, x, steps=steps, arithmetic=arithmetic, backend="naive")
    assert_same_trace(naive, fast)


@given(case=snn.any_cases(max_steps=3))
def test_formats_that_are_wide_enough_are_the_real_numbers(case):
    network, x, steps = case
    wide = FixedPoint(weight=Q(16, 8), current=Q(32, 12), membrane=Q(32, 14), decay_fraction=8)
    ours, real = run(network, x, steps, arithmetic=wide), run(network, x, steps, arithmetic=Exact())
    for name in network.stateful:
        assert_identical(ours.v[name], real.v[name])
    assert_identical(ours.readout, real.readout)
    assert all((count == 0).all() for count in ours.overflows.values())


@given(
    currents=st.lists(st.integers(-200, 200), min_size=1, max_size=20), du=st.integers(0, 4095), dv=st.integers(0, 4095),
    threshold=st.integers(1, 60),
)  # fmt: skip
def test_loihis_neuron(currents, du, dv, threshold):
    """Lava's bit-accurate LIF: u decays by 4096 - du - 1 parts, truncated to zero, wraps at 24 bits and takes the weights
    shifted by 6; v truncates and is clipped at 24 bits; it fires above the threshold shifted by 6 and is reset to 0.
    """
    arithmetic = FixedPoint(
        weight=Q(9, 0),
        current=Q(24, 0, Rounding.TO_ZERO, Overflow.WRAP),
        membrane=Q(24, 0, Rounding.TO_ZERO, Overflow.SATURATE),
    )
    neuron = CubaLIF(
        v_threshold=float(threshold << 6), decay=(4096 - dv) / 4096, current_decay=(4096 - du - 1) / 4096, current_gain=64.0,
        reset=Reset.TO_VALUE, firing=Firing.ABOVE_THRESHOLD,
    )  # fmt: skip
    network = Network("n", (1,), (Node("n", neuron, ("input",)),))
    frames = refsnn.Frames(np.array(currents, np.float64).reshape(-1, 1, 1))
    ours = run(network, frames, len(currents), arithmetic=arithmetic)
    u = v = 0
    for t, a in enumerate(currents):
        u = (1 if u >= 0 else -1) * (abs(u) * (4096 - du - 1) >> 12) + (a << 6)
        u = (u + (1 << 23)) % (1 << 24) - (1 << 23)
        v = (1 if v >= 0 else -1) * (abs(v) * (4096 - dv) >> 12) + u
        v = max(-(1 << 23), min((1 << 23) - 1, v))
        fires = v > threshold << 6
        v = 0 if fires else v
        assert (bool(ours.spikes["n"][t, 0, 0]), ours.v["n"][t, 0, 0]) == (fires, v)


@given(currents=st.lists(st.integers(-100, 100), min_size=1, max_size=20), shift=st.integers(1, 6))
def test_a_leak_by_shifting(currents, shift):
    """v - (v >>> s) + i, threshold 50, hard reset to 0, 16 bits: the leak of many an RTL design."""
    arithmetic = FixedPoint(weight=Q(8), current=Q(16), membrane=Q(16, 0, Rounding.FLOOR, Overflow.SATURATE))
    neuron = LIF(v_threshold=50.0, decay=1 - 2.0**-shift, leak=Leak.DIFFERENCE, reset=Reset.TO_VALUE)
    network = Network("n", (1,), (Node("n", neuron, ("input",)),))
    ours = run(
        network, refsnn.Frames(np.array(currents, float).reshape(-1, 1, 1)), len(currents), arithmetic=arithmetic
    )
    v = 0
    for t, i in enumerate(currents):
        v = v - (v >> shift) + i
        fires = v >= 50
        v = 0 if fires else v
        assert (bool(ours.spikes["n"][t, 0, 0]), ours.v["n"][t, 0, 0]) == (fires, v)


Q8 = FixedPoint(weight=Q(4, 2), current=Q(6, 2), membrane=Q(6, 2))


def one(neuron=None, weight=0.5, bias=None):
    linear = Linear(weight=np.array([[weight]]), bias=None if bias is None else np.array([bias]))
    return Network("n", (1,), (Node("fc", linear, ("input",)), Node("n", neuron or IF(v_threshold=1.0), ("fc",))))


@pytest.mark.parametrize(
    ("network", "x", "message"),
    [
        (one(weight=0.3), 1.0, "fc: weight: 0.3 at index [0, 0] is no multiple of 2^-2 as Q(4, 2) has them; round the network "
         "first with refsnn.quantise (refsnn convert --quantise), or the input with Q.of"),
        (one(weight=4.0), 1.0, "fc: weight: 4 does not fit Q(4, 2), -2 to 1.75, by 2.25; take more bits, or overflow: saturate "
         "or wrap"),
        (one(IF(v_threshold=9.0)), 1.0, "n: v_threshold: 9 does not fit Q(6, 2), -8 to 7.75, by 1.25; take more bits, or "
         "overflow: saturate or wrap"),
        (one(LIF(v_threshold=1.0, decay=0.3)), 1.0, "n: decay: 0.3 at index [0] is no multiple of 2^-12 as Q(32, 12) has them; "
         "round the network first with refsnn.quantise (refsnn convert --quantise), or the input with Q.of"),
        (one(bias=7.75), 1.0, "fc: current of sample 0: 8.25 does not fit Q(6, 2), -8 to 7.75, by 0.5; take more bits, or "
         "overflow: saturate or wrap"),
        (one(IF(v_threshold=7.0), weight=1.5), 4.0, "n: potential of sample 0: 12 does not fit Q(6, 2), -8 to 7.75, by 4.25; "
         "take more bits, or overflow: saturate or wrap"),
        (one(weight=0.75), 1 / 3, "fc: its sums are not exact in 53 bits before they are rounded"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_by_how_much(network, x, message):
    with pytest.raises(FormatError) as refused:
        simulate(network, np.array([[x]]), steps=2, arithmetic=Q8)
    assert str(refused.value).startswith(message)


def test_formats_and_schedules_that_do_not_exist():
    with pytest.raises(SpecError, match=r"Q\(1, 0\): expected 2 to 32 bits, and -64 to 64 of them behind the point"):
        Q(1)
    with pytest.raises(SpecError, match="decay_fraction 30: expected 0 to 19"):
        FixedPoint(weight=Q(8), current=Q(32), membrane=Q(32), decay_fraction=30)
    with pytest.raises(UnsupportedLayerError, match="fixed point runs in lockstep or pipeline"):
        simulate(one(), np.ones((1, 1)), steps=2, arithmetic=Q8, schedule="integrate_then_fire")
