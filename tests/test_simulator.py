"""The simulator's arguments, and what only larger runs show."""

import numpy as np
import pytest
from same import assert_same_trace

import refsnn
from refsnn import Float32, Frames, Network, Node, Record, simulate, simulator, worker
from refsnn.errors import FormatError, NothingCompared, ShapeError, SpecError, UnsupportedLayerError
from refsnn.layers import Linear
from refsnn.neurons import IF, LIF, Reset

NET = Network(
    "net", (2,), (Node("fc", Linear(weight=np.eye(2)), ("input",)), Node("if1", IF(v_threshold=1.0), ("fc",)))
)
X = np.array([[0.5, 1.5]])


def test_an_if_neuron_on_paper():
    """0.5 per step: 0.5, 1.0 fires -> 0, 0.5, 1.0 fires. 1.5 per step: 1.5 fires -> 0.5, 2.0 fires -> 1.0, 2.5 fires, ..."""
    trace = simulate(NET, X, steps=4, record=Record(spikes=("if1",), v=("if1",)))
    assert trace.spikes["if1"][:, 0].tolist() == [[False, True], [True, True], [False, True], [True, True]]
    assert trace.v["if1"][:, 0].tolist() == [[0.5, 0.5], [0.0, 1.0], [0.5, 1.5], [0.0, 2.0]]
    assert trace.counts["if1"].tolist() == [[2, 4]]
    assert trace.residual["if1"].tolist() == [[0.0, 2.0]]
    assert trace.readout[:, 0].tolist() == [[0, 1], [1, 2], [1, 3], [2, 4]]
    assert (trace.steps, trace.latency_steps, trace.n_samples) == (4, 4, 1)


def test_a_lif_neuron_on_paper():
    """v = v/2 + 0.8, fires above 1, back to 0: 0.8, 1.2 fires -> 0, 0.8, 1.2 fires."""
    neuron = LIF(decay=0.5, v_threshold=1.0, reset=Reset.TO_VALUE, firing=">")
    net = Network("lif", (1,), (Node("fc", Linear(weight=np.ones((1, 1))), ("input",)), Node("lif", neuron, ("fc",))))
    trace = simulate(net, np.array([[0.8]]), steps=4, record=Record(spikes=("lif",)), arithmetic=refsnn.Float64())
    assert trace.spikes["lif"].ravel().tolist() == [False, True, False, True]


def test_integrate_then_fire_on_paper():
    """Input spikes late: lockstep misses one, integrating first does not. Currents 0, 0, 2 with threshold 1: Q = 2."""
    late = Frames(np.array([0.0, 0.0, 2.0]).reshape(3, 1, 1))
    net = Network(
        "late", (1,), (Node("fc", Linear(weight=np.ones((1, 1))), ("input",)), Node("n", IF(v_threshold=1.0), ("fc",)))
    )
    assert simulate(net, late, steps=3).counts["n"].item() == 1
    delayed = simulate(net, late, steps=3, schedule="integrate_then_fire")
    assert delayed.counts["n"].item() == 2
    assert delayed.latency_steps == 6
    assert delayed.activity["n"].updates.tolist() == [[2], [2], [2]]


def test_a_shorter_run_uses_the_beginning_of_the_frames():
    frames = np.array([0.5, 1.5, -1.0, 2.0, 0.25, 0.75]).reshape(3, 1, 2)
    assert_same_trace(simulate(NET, Frames(frames), steps=2), simulate(NET, Frames(frames[:2]), steps=2))


def test_chunks_and_threads_change_no_bit(snn, test_data, trace, monkeypatch):
    record = Record(spikes=snn.neurons)
    whole = simulate(snn, test_data.x[:70], steps=8, record=record, threads=1)
    assert_same_trace(simulate(snn, test_data.x[:70], steps=8, record=record, threads=3), whole)
    monkeypatch.setattr(simulator, "CHUNK_BYTES", 1)
    for threads in (1, 4):
        seen: list[tuple[int, int]] = []
        one_by_one = simulate(
            snn,
            test_data.x[:70],
            steps=8,
            record=record,
            threads=threads,
            progress=lambda done, total, seen=seen: seen.append((done, total)),
        )
        assert seen == [(n, 70) for n in range(1, 71)]
        assert_same_trace(one_by_one, whole)
    for name in snn.neurons:
        assert (whole.spikes[name] == trace.spikes[name][:, :70]).all()


def test_an_error_in_a_thread_is_the_callers(snn, test_data, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("in a thread")

    monkeypatch.setattr(worker, "fire", broken)
    with pytest.raises(RuntimeError, match="in a thread"):
        simulate(snn, test_data.x, steps=2, threads=2)


def test_the_default_arithmetic_is_float32(trace):
    assert trace.arithmetic == "Float32"
    assert trace.readout.dtype == np.float32
    assert Float32() == Float32()


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"steps": 0}, SpecError, "steps: expected a whole number of at least 1, got 0"),
        ({"steps": -3}, SpecError, "steps: expected a whole number of at least 1, got -3"),
        ({"steps": 2.5}, SpecError, "steps: expected a whole number of at least 1, got 2.5"),
        ({"threads": 0}, SpecError, "threads: expected a whole number of at least 1, got 0"),
        ({"steps": True}, SpecError, "steps: expected a whole number of at least 1, got True"),
        ({"schedule": "lockstp"}, SpecError, "schedule: 'lockstp' is none; did you mean 'lockstep'?"),
        ({"backend": "fas"}, SpecError, "backend: 'fas' is none; did you mean 'fast'?"),
        ({"record": Record(spikes=("if2",))}, SpecError, "network 'net' has no node 'if2'; did you mean 'if1'?"),
        ({"record": Record(v=("fc",))}, SpecError, "record: 'fc' has no potential; nodes with one: if1"),
        ({"record": Record(spikes=("fc",))}, SpecError, "record: 'fc' does not spike; spiking nodes: if1"),
        ({"x": np.ones((1, 3))}, ShapeError, "input x: samples have shape [3], the network takes [2]"),
        ({"x": np.ones(2)}, ShapeError, "input x: samples have shape [], the network takes [2]"),
        ({"x": np.array([["a", "b"]])}, ShapeError, "input x: expected numbers, got <U1"),
        ({"x": np.array([[np.inf, 0]])}, FormatError, "input x: inf at index [0, 0]; every number must be finite"),
        ({"x": np.ones((0, 2))}, NothingCompared, "input x: no samples; give at least one"),
        ({"x": Frames(np.ones((2, 1, 2))), "steps": 3}, ShapeError, "the drive has 2 frames, the run asks for 3 steps; ask for fewer"),
        ({"x": "digits"}, ShapeError, "input x: expected an array or a drive, got str"),
    ],
)  # fmt: skip
def test_arguments_without_meaning(options, kind, message):
    arguments = {"x": X, "steps": 2} | options
    with pytest.raises(kind) as error:
        simulate(NET, arguments.pop("x"), **arguments)
    assert str(error.value) == message


def test_numbers_beyond_the_format_stop_the_run():
    def net(weight):
        return Network(
            "net",
            (1,),
            (Node("fc", Linear(weight=np.array([[weight]])), ("input",)), Node("n", IF(v_threshold=1.0), ("fc",))),
        )

    for weight, x, where in (
        (1e300, 1.0, "fc: weight in Float32: inf at index [0, 0]"),
        (1.0, 1e300, "input x in Float32: inf at index [0, 0, 0]"),
        (1e30, 1e30, "n: potential in Float32: inf at index [0, 0]"),
    ):
        with pytest.raises(FormatError) as error:
            simulate(net(weight), np.array([[x]]), steps=1)
        assert str(error.value) == f"{where}; every number must be finite"
        assert simulate(net(weight), np.array([[x]]), steps=1, arithmetic=refsnn.Float64()).counts["n"].item() == 1


def test_what_a_trace_holds_cannot_be_written_through(trace):
    for array in (
        trace.readout,
        trace.counts["act1"],
        trace.residual["act2"],
        trace.activity["fc1"].synops,
        trace.activity.steps_run,
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_integrate_then_fire_refuses_neurons_that_lose_charge(specs, test_data):
    lif = refsnn.load(specs / "networks" / "digits_lif.yaml")
    with pytest.raises(UnsupportedLayerError) as error:
        simulate(lif, test_data.x[:1], steps=2, schedule="integrate_then_fire")
    assert str(error.value) == (
        "lif1: integrate_then_fire needs IF neurons with reset: subtract, whose charge is not lost; found LIF with reset: to_value"
    )


def test_forward_refuses_spiking_networks(snn, test_data):
    with pytest.raises(
        UnsupportedLayerError, match="act1: IF needs steps, a source network has none; simulate the network instead"
    ):
        refsnn.forward(snn, test_data.x)


def test_until_refuses_steps_that_did_not_run(trace):
    with pytest.raises(ShapeError, match=r"exit_step\[0\] is 9, but this run has steps 1\.\.8"):
        trace.activity.until(np.full(trace.n_samples, 9))
    with pytest.raises(ShapeError, match=r"exit_step has shape \[3\] and dtype int64, expected 400 integers"):
        trace.activity.until(np.array([1, 2, 3]))
    with pytest.raises(SpecError, match="activity has no node 'act9'; did you mean 'act3'|'act1'|'act2'"):
        trace.activity["act9"]


def test_counts_are_left_out_where_they_are_not_wanted(snn, test_data):
    """Nothing that grows with samples times neurons is kept, everything else is the same."""
    small = simulate(snn, test_data.x[:5], steps=3, record=Record(counts=()))
    whole = simulate(snn, test_data.x[:5], steps=3, record=Record(counts=("act2",)))
    assert (set(small.counts), set(small.residual)) == (set(), set())
    assert (set(whole.counts), set(whole.residual)) == ({"act2"}, {"act2"})
    assert small.readout.tobytes() == whole.readout.tobytes()
    assert small.activity.total("spikes_out") == whole.activity.total("spikes_out")


def test_small_runs_are_left_to_the_naive_kernels(monkeypatch):
    """Too small to be worth compiling: `auto` must not enter a compiled kernel, whose bits are the same."""
    fast = simulate(NET, X, steps=3, backend="fast")
    monkeypatch.setattr(worker, "fire_currents", None)
    auto = simulate(NET, X, steps=3)
    assert auto.readout.tobytes() == fast.readout.tobytes()
    with pytest.raises(TypeError):
        simulate(NET, X, steps=3, backend="fast")
