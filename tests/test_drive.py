"""Drives: keyed draws, event lists, and what is refused."""

import numpy as np
import pytest
from brute_force import connections
from hypothesis import given
from hypothesis import strategies as st
from same import assert_identical, assert_same_trace

import refsnn
from refsnn import Bernoulli, EventList, Frames, Network, Node, Record, simulate
from refsnn.errors import FormatError, ShapeError, SpecError
from refsnn.layers import Linear
from refsnn.neurons import IF

NET = Network("net", (3,), (Node("fc", Linear(weight=np.array([[1.0, 0.5, -0.25], [0.25, -1.0, 2.0]])), ("input",)),
                            Node("n", IF(v_threshold=1.0), ("fc",))))  # fmt: skip
EVERYTHING = Record(spikes=("n",), v=("n",))


@given(seed=st.integers(0, 2**64 - 1), steps=st.integers(1, 5), longer=st.integers(0, 3), n=st.integers(0, 3))
def test_draws_depend_on_seed_step_and_sample_only(seed, steps, longer, n):
    drive = Bernoulli(np.full((4, 3), 0.5), seed=seed)
    whole = drive.inputs(steps + longer, slice(0, 4))
    assert_identical(drive.inputs(steps, slice(0, 4)), whole[:steps])
    assert_identical(drive.inputs(steps, slice(n, n + 1)), whole[:steps, n : n + 1])


def test_the_stream_of_draws_is_frozen():
    """Recorded once; another stream would make every golden of a Bernoulli drive stale."""
    drawn = Bernoulli(np.full((2, 8), 0.5), seed=7).inputs(3, slice(0, 2))
    assert np.packbits(drawn, axis=-1).ravel().tolist() == [122, 117, 132, 9, 51, 222]


def test_a_spike_is_a_draw_below_its_probability():
    """The draw itself is not below itself; one step of 2^-53 above it is. The draws as the docstring says them."""
    words = np.random.Philox(key=7, counter=[0, 0, 2, 1]).random_raw(3)
    draws = (words >> np.uint64(11)) * 2.0**-53
    for x, spikes in ((draws, False), (draws + 2.0**-53, True)):
        both = np.stack([x, x])
        assert (Bernoulli(both, seed=7).inputs(3, slice(None))[2, 1] == spikes).all()


def test_draws_have_their_probability():
    """40,000 draws at p: the mean is within 5 standard deviations, sqrt(p (1 - p) / 40000) each, of p."""
    for p in (0.0, 0.1, 0.5, 1.0):
        mean = Bernoulli(np.full((20, 200), p), seed=3).inputs(10, slice(None)).mean()
        assert abs(mean - p) <= 5 * np.sqrt(p * (1 - p) / 40_000)


@given(
    events=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2), st.integers(0, 2)), max_size=12),
    steps=st.integers(1, 7),
)
def test_an_event_list_is_the_frames_it_spells_out(events, steps):
    step, sample, index = np.array(events, np.int64).reshape(-1, 3).T
    drive = EventList(step, sample, index, 3, (3,))
    frames = np.zeros((7, 3, 3))
    for t, n, i in events:
        frames[t, n, i] += 1
    listed, spelled = (simulate(NET, d, steps=steps, record=EVERYTHING) for d in (drive, Frames(frames)))
    assert_identical(listed.readout, spelled.readout)
    assert_identical(listed.spikes["n"], spelled.spikes["n"])
    wires = connections(NET["fc"].layer, (3,))
    for t in range(steps):
        for n in range(3):
            assert listed.activity["fc"].synops[t, n] == sum(frames[t, n, i] for i, _ in wires)
            assert listed.activity["fc"].events_in[t, n] == frames[t, n].sum()
            assert listed.activity["fc"].macs[t, n] == 0
    alone = EventList(step[sample == 1], np.zeros((sample == 1).sum(), np.int64), index[sample == 1], 1, (3,))
    assert_identical(simulate(NET, alone, steps=steps).readout, listed.readout[:, 1:2])


def test_naive_and_fast_agree_on_drawn_spikes(snn, test_data):
    drive = Bernoulli(test_data.x[:10], seed=1)
    record = Record(spikes=snn.neurons)
    fast, naive = (simulate(snn, drive, steps=6, record=record, backend=backend) for backend in ("fast", "naive"))
    assert_same_trace(fast, naive)
    assert fast.activity["conv1"].macs.sum() == 0
    assert fast.activity["conv1"].synops.sum() > 0
    assert fast.input_digest != simulate(snn, Bernoulli(test_data.x[:10], seed=2), steps=6).input_digest


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: Bernoulli(np.array([[0.5, 1.5]])), FormatError,
         "input x: 1.5 at index [0, 1] is no probability; scale x to 0..1"),
        (lambda: Bernoulli(np.array([[0.5]]), seed=-1), SpecError, "seed: -1 is not a whole number from 0 to 2^64 - 1"),
        (lambda: EventList(np.array([0]), np.array([2]), np.array([0]), 2, (3,)), ShapeError,
         "events: sample of event 0 is 2, expected in 0..1"),
        (lambda: EventList(np.array([0, -1]), np.array([0, 0]), np.array([0, 0]), 2, (3,)), ShapeError,
         "events: step of event 1 is -1, expected 0 or more"),
        (lambda: EventList(np.array([0]), np.array([0]), np.array([0.5]), 2, (3,)), ShapeError,
         "events: index has shape [1], float64; expected a whole number for each event"),
        (lambda: simulate(NET, EventList(np.array([0]), np.array([0]), np.array([0]), 1, (2,)), steps=1), ShapeError,
         "input x: samples have shape [2], the network takes [3]"),
    ],
)  # fmt: skip
def test_drives_that_are_refused(make, kind, message):
    with pytest.raises(kind) as error:
        make()
    assert str(error.value) == message


def test_verify_is_about_constant_current(ann, snn, test_data):
    with pytest.raises(ShapeError, match="x: verify compares on constant current; give an array, got Bernoulli"):
        refsnn.verify(ann, snn, Bernoulli(test_data.x), steps=8)


def test_poisson_counts_have_their_mean_and_variance():
    """40,000 draws of mean 2.5: the mean's standard error is 0.008, the variance's about 0.018."""
    drive = refsnn.Poisson(np.full((100, 40), 2.5), seed=1)
    counts = drive.inputs(10, slice(None))
    assert counts.shape == (10, 100, 40)
    assert abs(counts.mean() - 2.5) < 0.04
    assert abs(counts.var() - 2.5) < 0.1
    assert (refsnn.Poisson(np.zeros((1, 3))).inputs(4, slice(None)) == 0).all()
    assert 450 < refsnn.Poisson(np.full((1, 50), 500.0)).inputs(1, slice(None)).mean() < 550


def test_poisson_counts_are_the_inverse_of_the_distribution():
    """The same draws as Bernoulli's, looked up in scipy's distribution function."""
    from scipy.stats import poisson

    from refsnn.drive import _uniform

    drawn = _uniform(3, 5, range(2), (20,))
    counts = refsnn.Poisson(np.full((2, 20), 1.7), seed=3).inputs(5, slice(None))
    assert (counts == poisson.ppf(drawn, 1.7)).all()


def test_poisson_refuses_what_is_no_mean():
    with pytest.raises(
        FormatError, match=r"input x: -1.0 at index \[0\] is no mean number of spikes; scale x to 0..500"
    ):
        refsnn.Poisson(np.array([-1.0]))
