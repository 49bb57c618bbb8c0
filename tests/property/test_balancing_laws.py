"""Laws of threshold balancing: what a threshold is, and what it does not depend on."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from same import assert_identical

import refsnn
from refsnn import ErrorBalance, Float64, MaxBalance, Network, Node, PercentileBalance, convert, forward, simulate
from refsnn import strategies as snn
from refsnn.conversion.balancing import GRID
from refsnn.errors import NothingCompared, SpecError, UnsupportedLayerError
from refsnn.layers import QCFS, Linear, ReLU

each = st.booleans()
balances = (
    st.builds(MaxBalance, per_channel=each)
    | st.builds(PercentileBalance, st.sampled_from([100, 99.9, 90.0, 62.5]), per_channel=each)
    | st.builds(ErrorBalance, st.integers(1, 6), per_channel=each)
)


def relu_layer(outputs=1):
    weights = Node("w", Linear(weight=np.eye(outputs)), ("input",))
    return Network("one", (outputs,), (weights, Node("act", ReLU(), ("w",))))


def thresholds(network, x, balance, v_init=0.5):
    """Node -> threshold, or None where a layer answers none of the samples."""
    try:
        snn = convert(network, balance=balance, calibration=x, v_init=v_init)
    except UnsupportedLayerError as error:
        if "gives a threshold of 0 on" not in str(error):
            raise
        return None
    return {name: np.asarray(snn[name].layer.v_threshold) for name in snn.neurons}


@given(network=snn.relu_networks(), balance=balances, data=st.data())
def test_the_order_of_the_calibration_samples_does_not_matter(network, balance, data):
    x = data.draw(snn.inputs(network, max_samples=5)) + np.float32(0.1)
    shuffled = x[data.draw(st.permutations(range(len(x))))]
    first, second = thresholds(network, x, balance), thresholds(network, shuffled, balance)
    assert (first is None) == (second is None)
    for name in first or ():
        assert_identical(second[name], first[name])


def percentile(values, p):
    """The number at place p / 100 * (n - 1) of the values in ascending order, between two of them in proportion."""
    ordered = sorted(values)
    place = Fraction(p) / 100 * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def least_error(values, steps, v_init):
    """The smallest of GRID equal parts of the largest value with the least squared error."""

    def error(theta):
        counts = [max(0, min(steps, (value * steps / theta + v_init) // 1)) for value in values]
        return sum((value - theta * n / steps) ** 2 for value, n in zip(values, counts, strict=True))

    candidates = [max(values) * k / GRID for k in range(1, GRID + 1)]
    return candidates, [error(theta) for theta in candidates]


@given(values=st.lists(st.lists(snn.dyadic(-1, 4), min_size=2, max_size=2), min_size=1, max_size=8), balance=balances)
def test_thresholds_against_their_own_words(values, balance):
    """In fractions, from the numbers alone; two channels, of which one may be silent."""
    x = np.array(values)
    activations = [[max(Fraction(value), Fraction(0)) for value in sample] for sample in values]
    every = [value for sample in activations for value in sample]
    found = thresholds(relu_layer(2), x, balance)
    if found is None:
        assert not any(every) or isinstance(balance, PercentileBalance)
        return
    channels = [[sample[c] for sample in activations] for c in (0, 1)] if balance.per_channel else [every]
    for channel, theta in zip(channels, np.atleast_1d(found["act"]).tolist(), strict=balance.per_channel):
        _is_the_threshold(balance, channel, every, theta)


def _is_the_threshold(balance, channel, every, theta):
    if isinstance(balance, ErrorBalance):
        values = channel if max(channel) > 0 else every
        candidates, errors = least_error(values, balance.steps, Fraction(1, 2))
        chosen = candidates.index(Fraction(theta))  # 1/128 of a dyadic number: exact
        assert errors[chosen] <= min(errors) + Fraction(1, 10**9)  # floats may part errors that are equal
    elif isinstance(balance, PercentileBalance):
        expected = percentile(channel, balance.percentile) or percentile(every, balance.percentile)
        assert abs(theta - expected) <= expected * Fraction(1, 10**12)
    else:
        assert theta == (max(channel) or max(every))


@given(network=snn.relu_networks(), steps=st.integers(1, 8), data=st.data())
def test_with_the_largest_activation_the_first_layer_errs_by_half_a_level(network, steps, data):
    """Constant current, nothing clipped: |threshold * n / T - a| <= threshold / 2T, on the calibration samples."""
    x = data.draw(snn.inputs(network))
    found = thresholds(network, x, MaxBalance())
    assume(found is not None)
    spiking = convert(network, balance=MaxBalance(), calibration=x)
    name = spiking.neurons[0]
    counts = simulate(spiking, x, steps=steps, arithmetic=Float64()).counts[name]
    source = forward(refsnn.fold_batch_norm(network), x, arithmetic=Float64()).activations[name]
    theta = float(found[name])
    assert (np.abs(theta * counts / steps - source) <= theta / 2 / steps * (1 + 1e-9)).all()


@given(network=snn.relu_networks(), balance=balances, share=st.sampled_from([0.0, 0.25, 0.5, 1.0]), data=st.data())
def test_every_neuron_starts_at_its_share_of_the_threshold(network, balance, share, data):
    x = data.draw(snn.inputs(network))
    assume(thresholds(network, x, balance, share) is not None)
    spiking = convert(network, balance=balance, calibration=x, v_init=share)
    assert list(spiking.neurons) == [node.name for node in network.nodes if isinstance(node.layer, ReLU)]
    for name in spiking.neurons:
        layer = spiking[name].layer
        assert_identical(np.asarray(layer.v_init), np.asarray(layer.v_threshold) * share)
        assert_identical(np.asarray(layer.amplitude), np.asarray(layer.v_threshold))


def test_a_qcfs_layer_beside_a_relu_keeps_its_threshold():
    nodes = (Node("a", ReLU(), ("input",)), Node("b", QCFS(threshold=3.0, levels=4), ("a",)))
    spiking = convert(Network("both", (2,), nodes), balance=MaxBalance(), calibration=np.array([[0.5, 2.0]]))
    assert [spiking[name].layer.v_threshold for name in "ab"] == [2.0, 3.0]


def test_a_layer_that_answers_no_sample_is_named():
    with pytest.raises(UnsupportedLayerError) as error:
        convert(relu_layer(), balance=MaxBalance(), calibration=np.array([[-1.0], [0.0]]))
    assert str(error.value) == (
        "act: MaxBalance(per_channel=False) gives a threshold of 0 on 2 calibration samples (largest activation 0); "
        "calibrate on samples that this layer answers, or balance otherwise"
    )


X = np.ones((1, 1))
QUANTISED = Network("q", (1,), (Node("act", QCFS(threshold=1.0, levels=4), ("input",)),))


@pytest.mark.parametrize(
    ("network", "options", "kind", "message"),
    [
        (relu_layer(), {}, UnsupportedLayerError,
         "act: ReLU has no threshold; give balance, for instance refsnn.PercentileBalance(99.9), and calibration samples"),
        (QUANTISED, {"balance": MaxBalance(), "calibration": X}, SpecError,
         "act: QCFS has a threshold of its own, so there is nothing to balance; leave balance out"),
        (relu_layer(), {"balance": MaxBalance()}, SpecError,
         "balance and calibration go together: give the samples that it needs, or neither"),
        (QUANTISED, {"calibration": X}, SpecError,
         "balance and calibration go together: give balance, which says what to do with them, or neither"),
        (relu_layer(), {"balance": MaxBalance(), "calibration": X[:0]}, NothingCompared,
         "calibration: no samples; give at least one"),
        (QUANTISED, {"v_init": -0.5}, SpecError, "v_init: expected a share of the threshold, 0 or more, got -0.5"),
        (QUANTISED, {"v_init": float("nan")}, SpecError, "v_init: expected a share of the threshold, 0 or more, got nan"),
        (QUANTISED, {"v_init": True}, SpecError, "v_init: expected a share of the threshold, 0 or more, got True"),
    ],
)  # fmt: skip
def test_what_does_not_go_together(network, options, kind, message):
    with pytest.raises(kind) as error:
        convert(network, **options)
    assert str(error.value) == message


@pytest.mark.parametrize(
    "make", [lambda: PercentileBalance(0), lambda: PercentileBalance(101), lambda: ErrorBalance(0)]
)
def test_rules_that_mean_nothing(make):
    with pytest.raises(SpecError, match="expected a"):
        make()
