"""Stopping samples one by one gives what the whole run gives up to each sample's exit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from same import assert_identical, assert_same_activity

import refsnn
from refsnn import Exact, Record, simulate
from refsnn import strategies as snn
from refsnn.arithmetic import Float32, Float64
from refsnn.errors import ShapeError, SpecError, UnsupportedLayerError
from refsnn.policies import Confidence, Fixed


class Drawn:
    """A policy that stops at drawn steps, as far as the readout has classes or not."""

    name = "drawn"

    def __init__(self, exits, readout):
        self.exits, self.first = exits, {readout[0, n].tobytes(): n for n in range(readout.shape[1])}

    def exit_step(self, readout):
        return np.array([self.exits[self.first[readout[0, n].tobytes()]] for n in range(readout.shape[1])], np.int64)


@given(case=snn.cases(), exits=st.lists(st.integers(1, 6), min_size=3, max_size=3), backend=st.sampled_from(["fast", "naive"]),
       wide=st.booleans())  # fmt: skip
def test_a_stopped_run_is_the_whole_run_up_to_each_exit(case, exits, backend, wide):
    network, x, steps = case
    arithmetic = Float64() if wide else Float32()
    whole = simulate(network, x, steps=steps, arithmetic=arithmetic, backend=backend)
    policy = Drawn([min(e, steps) for e in exits], whole.readout)
    exit_step = policy.exit_step(whole.readout)
    stopped = simulate(network, x, steps=steps, arithmetic=arithmetic, backend=backend, policy=policy)
    assert_same_activity(stopped.activity, whole.activity.until(exit_step))
    for n, last in enumerate(exit_step):
        assert_identical(stopped.readout[:last, n], whole.readout[:last, n])
        assert (stopped.readout[last:, n] == whole.readout[last - 1, n]).all()
        alone = simulate(network, x[n : n + 1], steps=int(last), arithmetic=arithmetic, backend=backend)
        for name in whole.counts:
            assert_identical(stopped.counts[name][n], alone.counts[name][0])
        for name in whole.residual:
            assert_identical(stopped.residual[name][n], alone.residual[name][0])


@given(case=snn.any_cases(), exits=st.lists(st.integers(1, 6), min_size=3, max_size=3))
def test_every_neuron_and_layer_can_be_stopped(case, exits):
    network, x, steps = case
    if any(any(node.delays) for node in network.nodes):
        with pytest.raises(UnsupportedLayerError, match="cannot be stopped one by one across an edge with a delay"):
            simulate(network, x, steps=steps, policy=Fixed(1))
        return
    whole = simulate(network, x, steps=steps)
    policy = Drawn([min(e, steps) for e in exits], whole.readout)
    stopped = simulate(network, x, steps=steps, policy=policy)
    assert_same_activity(stopped.activity, whole.activity.until(policy.exit_step(whole.readout)))


def test_on_the_digits_a_policy_stops_as_it_does_on_the_whole_run(snn, test_data, trace):
    policy = Confidence(0.99)
    exit_step = policy.exit_step(trace.readout[:, :50])
    stopped = simulate(snn, test_data.x[:50], steps=8, policy=policy)
    assert stopped.activity.steps_run.tolist() == exit_step.tolist()
    assert stopped.readout[-1].argmax(-1).tolist() == trace.readout[exit_step - 1, np.arange(50)].argmax(-1).tolist()


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"schedule": "pipeline"}, SpecError,
         "policy: samples stop in lockstep, not in pipeline; price a whole run with until() instead"),
        ({"arithmetic": Exact()}, SpecError,
         "policy: Exact() decides doubts over whole runs; run it without a policy and use until()"),
        ({"record": Record(spikes=("act1",))}, SpecError,
         "record: a run that stops early keeps no trains of spikes or potentials; run it without a policy"),
    ],
)  # fmt: skip
def test_what_cannot_be_stopped_is_refused(snn, test_data, options, kind, message):
    with pytest.raises(kind) as error:
        simulate(snn, test_data.x[:2], steps=4, policy=Fixed(2), **options)
    assert str(error.value) == message


def test_a_policy_that_forgets_samples_is_refused(snn, test_data):
    class Wrong:
        name = "wrong"

        def exit_step(self, readout):
            return np.ones(1, np.int64)

    with pytest.raises(ShapeError, match=r"wrong: gave \(1,\) exit steps for 2 samples"):
        simulate(snn, test_data.x[:2], steps=4, policy=Wrong())


def test_policies_fit_what_simulate_asks_of_them():
    assert refsnn.policies.Fixed(2).exit_step(np.zeros((3, 2, 2))).tolist() == [2, 2]
