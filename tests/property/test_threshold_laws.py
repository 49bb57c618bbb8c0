"""Laws of the threshold kernel: thousands of thresholds give what one after the other gives, to the bit."""

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from same import assert_identical

from refsnn.errors import ShapeError
from refsnn.policies import exit_steps, many_losses

# few values, so that scores meet thresholds
values = st.sampled_from([-inf, -1.0, -0.0, 0.0, 0.5, 1.0, 2.0, inf, nan])


@st.composite
def cases(draw):
    """Scores [T, N], thresholds [M] or [M, T]; ties, infinities and NaN in both."""
    steps, samples, many = draw(st.integers(1, 5)), draw(st.integers(1, 6)), draw(st.integers(0, 7))
    score = draw(hnp.arrays(np.float64, (steps, samples), elements=values))
    shape = draw(st.sampled_from([(many,), (many, steps)]))
    return score, draw(hnp.arrays(np.float64, shape, elements=values))


def naive(score, threshold):
    """The step at which each sample stops, one comparison after the other."""
    steps = len(score)
    each = np.broadcast_to(threshold, steps)
    return [next((t + 1 for t in range(steps - 1) if score[t, n] > each[t]), steps) for n in range(score.shape[1])]


@given(case=cases())
def test_many_thresholds_are_one_after_the_other(case):
    score, thresholds = case
    expected = np.array([naive(score, each) for each in thresholds], np.int64).reshape(-1, score.shape[1])
    assert_identical(exit_steps(score, thresholds), expected)


@given(case=cases(), data=st.data())
def test_losses_are_those_at_the_exit_steps(case, data):
    """Whole numbers exactly, as int64; bools count; floats are halves here, whose sums are exact in any order."""
    score, thresholds = case
    kind = data.draw(st.sampled_from([np.bool_, np.int8, np.float32]))
    losses = data.draw(hnp.arrays(np.int8, score.shape, elements=st.integers(-3, 3)))
    losses = losses.astype(kind) / kind(2) if kind is np.float32 else losses.astype(kind)
    total = many_losses(score, thresholds, losses)
    samples = np.arange(score.shape[1])
    expected = [losses[stops - 1, samples].astype(np.float64).sum() for stops in exit_steps(score, thresholds)]
    assert_identical(total, np.array(expected, np.float64 if kind is np.float32 else np.int64))


@given(case=cases())
def test_a_constant_threshold_is_the_same_for_each_step(case):
    score, thresholds = case
    if thresholds.ndim == 1 and len(thresholds):
        repeated = np.repeat(thresholds[:, None], len(score), axis=1)
        assert_identical(exit_steps(score, thresholds), exit_steps(score, repeated))


@given(case=cases(), data=st.data())
def test_the_order_of_thresholds_does_not_matter(case, data):
    score, thresholds = case
    order = data.draw(st.permutations(range(len(thresholds))))
    assert_identical(exit_steps(score, thresholds[order]), exit_steps(score, thresholds)[order])


@pytest.mark.parametrize(
    ("score", "thresholds", "losses", "message"),
    [
        ([1.0], [1.0], [[0]], "scores have shape [1]; expected [steps, samples]"),
        ([[1.0], [1.0]], [[1.0]], [[0]], "thresholds have shape [1, 1]; expected [thresholds] or [thresholds, 2 steps]"),
        ([[1.0], [1.0]], [1.0], [[0]], "losses have shape [1, 1], the scores [2, 1]; give one for each"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(score, thresholds, losses, message):
    with pytest.raises(ShapeError) as error:
        many_losses(score, thresholds, losses)
    assert str(error.value) == message
