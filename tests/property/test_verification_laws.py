"""Laws of verify(): its numbers against enumeration, its error split, its decisions in fractions, its proofs against runs."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from fraction_interpreter import interpret
from hypothesis import assume, given
from hypothesis import strategies as st

import refsnn
from refsnn import Exact, Float32, Float64, Network, Node, Record, convert, fold_batch_norm, forward, simulate, verify
from refsnn import strategies as snn
from refsnn.layers import QCFS, BatchNorm, Linear
from refsnn.neurons import IF, Firing, spread
from refsnn.schedules import SCHEDULES, schedule_of
from refsnn.verification import Domain, certify
from refsnn.verification.certificate import _proof
from refsnn.verification.correspondence import pairs_of
from refsnn.verification.float32 import potential_errors
from refsnn.verification.intervals import currents
from refsnn.verification.verdict import TERMS

COUNTING = [name for name, schedule in SCHEDULES.items() if schedule.counts_charge]


@st.composite
def compared(draw, *, norms=True, schedules=("lockstep", "pipeline", *COUNTING)):
    """A source, its SNN with any initial potential and comparator, inputs, steps and a schedule."""
    source = draw(snn.source_networks(every=True))
    if not norms:
        assume(not any(isinstance(node.layer, BatchNorm) for node in source.nodes))
    spiking = convert(source)
    start, firing = draw(st.sampled_from([0.5, 0.5, 0.0, 0.25])), draw(st.sampled_from(Firing))
    nodes = [
        replace(node, layer=replace(node.layer, v_init=start * node.layer.v_threshold, firing=firing))
        if isinstance(node.layer, IF)
        else node
        for node in spiking.nodes
    ]
    changed = Network(spiking.name, spiking.input_shape, tuple(nodes))
    return source, changed, draw(snn.inputs(source)), draw(st.integers(1, 6)), draw(st.sampled_from(schedules))


@given(case=compared())
def test_the_error_split_adds_up_and_each_term_is_what_it_is_called(case):
    """In 1 / levels of a spike all terms are whole numbers, so sums of them over levels (powers of two) are exact."""
    source, spiking, x, steps, schedule = case
    verdict = verify(source, spiking, x, steps=steps, schedule=schedule)
    trace = simulate(spiking, x, steps=steps, schedule=schedule, arithmetic=Exact())
    reference = forward(fold_batch_norm(source), x, arithmetic=Exact())
    for i, layer in enumerate(verdict.layers):
        split, levels = layer.split, layer.levels
        assert split.total.sum == sum(getattr(split, name).sum for name in TERMS)
        difference = trace.counts[layer.node] - reference.levels[layer.node] * steps / levels
        assert (split.total.sum, split.total.size) == (difference.sum(), np.abs(difference).sum())
        assert split.unevenness.sum == sum(by * many for by, many in layer.local.sizes)
        assert split.rounding.size == split.clipping.size == 0
        if i == 0:
            assert split.arrived.size == 0
        if steps == levels and np.array_equal(
            2 * np.asarray(spiking[layer.node].layer.v_init), spiking[layer.node].layer.v_threshold
        ):
            assert split.quantisation.size == 0


@given(case=compared())
def test_rounding_is_what_a_float_arithmetic_does_otherwise(case):
    source, spiking, x, steps, schedule = case
    exact = verify(source, spiking, x, steps=steps, schedule=schedule)
    for layer, same in zip(verify(source, spiking, x, steps=steps, schedule=schedule, arithmetic=Float32()).layers,
                           exact.layers, strict=True):  # fmt: skip
        assert layer.split.total.sum - layer.split.rounding.sum == same.split.total.sum
        for name in ("unevenness", "quantisation", "arrived"):
            assert getattr(layer.split, name) == getattr(same.split, name)


@given(case=compared(norms=False, schedules=("lockstep",)))
def test_classes_and_decisions_equal_those_of_the_interpreter(case):
    """Saturation, residuals, readouts and the first largest output after every step, in fractions."""
    source, spiking, x, steps, _ = case
    verdict = verify(source, spiking, x, np.zeros(len(x), int), steps=steps)
    settled, same_readout, same_decision, right = [0] * steps, 0, 0, 0
    high, low = dict.fromkeys(spiking.neurons, 0), dict.fromkeys(spiking.neurons, 0)
    for sample in x:
        spikes, v, readout = interpret(spiking, sample, steps)
        (wanted,) = interpret(source, sample, 1)[2]
        chosen = [sums.index(max(sums)) for sums in readout]
        first = max((t + 1 for t in range(steps) if chosen[t] != chosen[-1]), default=0)
        settled[first] += 1
        same_readout += readout[-1] == [steps * value for value in wanted]
        same_decision += chosen[-1] == wanted.index(max(wanted))
        right += chosen[-1] == 0
        for name in spiking.neurons:
            theta = [Fraction(float(t)) for t in np.broadcast_to(
                np.asarray(spread(spiking[name].layer.v_threshold, spiking.shapes[name])), spiking.shapes[name]).ravel()]  # fmt: skip
            for m, residual in enumerate(v[name][-1]):
                n = sum(step[m] for step in spikes[name])
                high[name] += n == steps and residual >= theta[m]
                low[name] += n == 0 and residual < 0
    assert list(verdict.decided_after) == settled
    assert verdict.decided_from == max(t for t in range(1, steps + 1) if settled[t - 1])
    assert (verdict.same_readout, verdict.same_decision) == (same_readout, same_decision)
    assert verdict.accuracy == right / len(x)
    assert {layer.node: (layer.saturated_high, layer.saturated_low) for layer in verdict.layers} == {
        name: (high[name], low[name]) for name in spiking.neurons
    }
    assert all(sum(layer.residual) == layer.local.neurons for layer in verdict.layers)


@given(case=compared(norms=False, schedules=("lockstep",)))
def test_quantisation_and_arrived_equal_those_of_fractions(case):
    """With z = (Q - v_init) / T from the interpreter, f(z) the source's level on it, in Fractions, whatever T and L are."""
    source, spiking, x, steps, _ = case
    wanted = dict.fromkeys(spiking.neurons, (Fraction(0), Fraction(0)))
    levels = {name: forward(source, x, arithmetic=Exact()).levels[name] for name in spiking.neurons}
    for n, sample in enumerate(x):
        spikes, v, _ = interpret(spiking, sample, steps)
        for name in spiking.neurons:
            shape, layer, count = spiking.shapes[name], spiking[name].layer, source[name].layer.levels
            theta, start = (
                np.broadcast_to(np.asarray(spread(value, shape)), shape).ravel()
                for value in (layer.v_threshold, layer.v_init)
            )
            for m, residual in enumerate(v[name][-1]):
                q = residual + Fraction(float(theta[m])) * sum(step[m] for step in spikes[name])
                ideal = max(0, min(steps, int(q // Fraction(float(theta[m])))))
                z = (q - Fraction(float(start[m]))) / steps
                own = max(0, min(count, int((z / Fraction(float(theta[m])) * count + Fraction(1, 2)) // 1)))
                quantised, arrived = wanted[name]
                level = int(levels[name][n].ravel()[m])
                wanted[name] = (
                    quantised + ideal - Fraction(own * steps, count),
                    arrived + Fraction((own - level) * steps, count),
                )
    for layer in verify(source, spiking, x, steps=steps).layers:
        assert (Fraction(layer.split.quantisation.sum), Fraction(layer.split.arrived.sum)) == wanted[layer.node]


@given(case=compared())
def test_equal_layers_make_equal_readouts(case):
    source, spiking, x, steps, schedule = case
    verdict = verify(source, spiking, x, steps=steps, schedule=schedule)
    if all(layer.end_to_end.exact == layer.end_to_end.neurons for layer in verdict.layers) and schedule != "pipeline":
        assert verdict.same_readout == verdict.same_decision == len(x)
    if verdict.same_readout == len(x):
        assert verdict.same_decision == len(x)


@given(case=compared())
def test_what_is_proved_is_so(case):
    """Every statement about all inputs holds for these, neuron by neuron; and layer by layer in the verdict."""
    source, spiking, x, steps, schedule = case
    domain = Domain(low=-1, high=2)
    verdict = verify(source, spiking, x, steps=steps, schedule=schedule, domain=domain)
    assert verdict.certificate == certify(source, spiking, steps=steps, schedule=schedule, domain=domain)
    for found, proved in zip(verdict.layers, verdict.certificate.layers, strict=True):
        assert proved.local <= min(proved.no_deficit, proved.no_surplus)
        if proved.local == proved.neurons:
            assert found.local.exact == found.local.neurons
        if proved.end_to_end == proved.neurons:
            assert found.end_to_end.exact == found.end_to_end.neurons
        if proved.no_deficit == proved.neurons:
            assert found.local.deficit == 0
        if proved.no_surplus == proved.neurons:
            assert found.local.surplus == 0
    if verdict.certificate:
        assert verdict


@given(case=compared(), wide=st.booleans())
def test_currents_stay_within_their_intervals_and_proved_neurons_count_right(case, wide):
    """The current of a step is what the potential gained and the spike took; dyadic numbers make that exact but for BatchNorm,
    whose folded weights are rounded: 1e-9 is far above that (as in the law of folding).
    """
    source, spiking, x, steps, schedule = case
    assume(schedule in ("lockstep", "pipeline"))
    bounds = currents(spiking, steps, None if wide else (-1, 2), schedule_of(schedule).edge_delay)
    names = spiking.neurons
    trace = simulate(
        spiking, x, steps=steps, schedule=schedule, arithmetic=Float64(), record=Record(spikes=names, v=names)
    )
    for name, pair in pairs_of(fold_batch_norm(source), spiking, steps).items():
        shape = spiking.shapes[name]
        theta, start = (np.asarray(spread(value, shape)) for value in (pair.neuron.v_threshold, pair.neuron.v_init))
        v = trace.v[name]
        before = np.concatenate([np.broadcast_to(start, v[:1].shape), v[:-1]])
        current = v - before + theta * trace.spikes[name]
        assert (current >= bounds[name].low - 1e-9 * np.maximum(1, np.abs(bounds[name].low))).all()
        assert (current <= bounds[name].high + 1e-9 * np.maximum(1, np.abs(bounds[name].high))).all()
        proof = _proof(pair, bounds[name], False, steps, schedule_of(schedule))
        ideal = refsnn.properties.ideal_count(trace.counts[name], trace.residual[name], theta, steps)
        difference = trace.counts[name] - ideal
        if not any(isinstance(node.layer, BatchNorm) for node in source.nodes):
            assert not difference[:, proof.local].any()
            assert (difference[:, proof.no_deficit] >= 0).all()
            assert (difference[:, proof.no_surplus] <= 0).all()


@given(case=compared(norms=False, schedules=("lockstep", "pipeline")))
def test_order_independent_layers_are_exact_in_float32(case):
    """Inputs are quarters from -1 to 2; where no sum can round, a float32 run is the exact one."""
    source, spiking, x, steps, schedule = case
    certificate = certify(source, spiking, steps=steps, schedule=schedule, domain=Domain(low=-1, high=2, bits=2))
    names = []
    for layer in certificate.layers:
        if not layer.order_independent:
            break
        names.append(layer.node)
    record = Record(spikes=tuple(names))
    rounded, exact = (
        simulate(spiking, x, steps=steps, schedule=schedule, arithmetic=a, record=record) for a in (Float32(), Exact())
    )
    for name in names:
        assert np.array_equal(rounded.spikes[name], exact.spikes[name])


def test_networks_of_few_bits_have_order_independent_sums(ann, snn):
    """So that the law above is about something: quarters as weights, and thresholds of few bits."""
    nodes = [
        replace(node, layer=replace(node.layer, weight=np.round(node.layer.weight * 4) / 4, bias=None))
        if hasattr(node.layer, "weight")
        else replace(node, layer=IF(v_threshold=1.0, v_init=0.5)) if isinstance(node.layer, IF) else node
        for node in snn.nodes
    ]  # fmt: skip
    coarse = Network("coarse", snn.input_shape, tuple(nodes))
    source = Network("coarse", snn.input_shape, tuple(
        replace(node, layer=refsnn.layers.QCFS(threshold=1.0, levels=8)) if isinstance(node.layer, IF) else node
        for node in coarse.nodes
    ))  # fmt: skip
    independent = certify(source, coarse, steps=8, domain=Domain(low=0, high=1, bits=4))
    assert [layer.order_independent for layer in independent.layers] == [True, True, True]
    bounded = certify(ann, snn, steps=8, domain=Domain(low=0, high=1))
    assert all(layer.float32_error is not None and 0 < layer.float32_error < 0.1 for layer in bounded.layers)
    assert certify(ann, snn, steps=8).layers[0].float32_error is None


@given(case=compared(norms=False, schedules=("lockstep", "pipeline")))
def test_margins_are_the_smallest_distances_of_compared_potentials(case):
    """Of u = v + theta * s, the potential before the reset, in float64 of dyadic numbers, which is exact."""
    _, spiking, x, steps, schedule = case
    names = spiking.neurons
    record = Record(spikes=names, v=names, margin=names)
    trace = simulate(spiking, x, steps=steps, schedule=schedule, arithmetic=Exact(), record=record)
    fast = simulate(
        spiking, x, steps=steps, schedule=schedule, arithmetic=Exact(), record=Record(margin=names), backend="fast"
    )
    for name in names:
        theta = np.asarray(spread(spiking[name].layer.v_threshold, spiking.shapes[name]))
        compared_potential = trace.v[name] + theta * trace.spikes[name]
        margin = np.abs(compared_potential - theta).min(axis=0)
        assert np.array_equal(trace.margin[name], margin)
        assert np.array_equal(fast.margin[name], margin)


@given(case=compared(norms=False, schedules=("lockstep",)))
def test_a_tie_is_a_place_where_the_other_comparator_may_fire_otherwise(case):
    """The first neuron in time that `>` and `>=` treat differently met its threshold exactly."""
    source, spiking, x, steps, _ = case
    verdict = verify(source, spiking, x, steps=steps)

    def other(firing):
        return Network(spiking.name, spiking.input_shape, tuple(
            replace(node, layer=replace(node.layer, firing=firing)) if isinstance(node.layer, IF) else node for node in spiking.nodes
        ))  # fmt: skip

    names = spiking.neurons
    at, above = (simulate(other(f), x, steps=steps, arithmetic=Exact(), record=Record(spikes=names)) for f in Firing)
    for layer in verdict.layers:
        assert layer.ties is not None
        if not np.array_equal(at.spikes[layer.node], above.spikes[layer.node]):
            assert layer.ties.exactly > 0
            assert layer.ties.nearest == 0
            break
    for layer in verdict.layers:
        assert (layer.ties.nearest == 0) == (layer.ties.exactly > 0)


def test_margins_are_measured_in_exact_only(snn, test_data):
    with pytest.raises(refsnn.errors.SpecError, match=r"record: margins are measured in Exact\(\), not in Float32"):
        simulate(snn, test_data.x[:1], steps=2, record=Record(margin=("act1",)))


def test_a_potential_that_only_rounding_puts_on_the_threshold_is_no_tie():
    """0.1 * 1.25 is 0.125 in float64, so that 0.5 + 4 * 0.125 = 1; the real product of these floats is a little more."""
    for weight, ties in ((0.1, 0), (0.125 / 1.25, 0), (0.5, 1)):
        source = Network("tie", (1,), (
            refsnn.Node("w", refsnn.layers.Linear(weight=np.array([[weight]])), ("input",)),
            refsnn.Node("act", refsnn.layers.QCFS(threshold=1.0, levels=4), ("w",)),
        ))  # fmt: skip
        x = np.array([[1.25 if ties == 0 else 0.25]])
        (layer,) = verify(source, convert(source), x, steps=4).layers
        assert layer.ties.exactly == ties
        assert (layer.ties.nearest == 0) == (ties > 0)
        assert layer.ties.nearest < 1e-16


@st.composite
def rounding(draw):
    """Two fully connected layers with weights, biases and inputs of all bits of float32."""
    inputs, hidden, outputs = (draw(st.integers(1, 6)) for _ in range(3))
    threshold = st.sampled_from([0.37, 1.0, 0.1])
    source = Network("rounding", (inputs,), (
        Node("u", Linear(weight=draw(snn.weights((hidden, inputs))), bias=draw(snn.weights((hidden,)))), ("input",)),
        Node("a", QCFS(threshold=draw(threshold), levels=4), ("u",)),
        Node("w", Linear(weight=draw(snn.weights((outputs, hidden)))), ("a",)), Node("b", QCFS(threshold=draw(threshold), levels=4), ("w",)),
    ))  # fmt: skip
    return convert(source), draw(snn.weights((3, inputs))), draw(st.integers(1, 8))


@given(case=rounding(), schedule=st.sampled_from(["lockstep", "pipeline", *COUNTING]))
def test_a_float32_run_differs_only_where_the_bound_says_that_it_may(case, schedule):
    """Of a layer whose layers before fired alike; and its potentials are as near as that, until a spike differs."""
    spiking, x, steps = case
    names = spiking.neurons
    kept = Record(spikes=names, v=names, margin=names)
    exact = simulate(spiking, x, steps=steps, schedule=schedule, arithmetic=Exact(), record=kept)
    rounded = simulate(spiking, x, steps=steps, schedule=schedule, record=Record(spikes=names, v=names))
    errors = potential_errors(spiking, x, exact.counts, steps, schedule_of(schedule))
    alike = np.ones(len(x), bool)
    for name in names:
        unequal = (exact.spikes[name] != rounded.spikes[name]).any(0)
        assert (exact.margin[name] <= errors[name])[unequal & alike[:, None]].all()
        near = np.abs(exact.v[name] - rounded.v[name].astype(np.float64)) <= errors[name] * (1 + 2**-20) + 2**-40
        assert near[:, ~unequal & alike[:, None]].all()
        alike &= ~unequal.any(1)


@given(weight=snn.weights((1, 9)), x=snn.weights((1, 9)), steps=st.integers(1, 8), order=st.permutations(range(9)))
def test_sums_in_any_order_stay_within_the_bound(weight, x, steps, order):
    """A simulator of its own, in NumPy float32: terms added in the drawn order, soft reset."""
    layer = IF(v_threshold=0.37, v_init=0.185)
    network = Network("any", (9,), (Node("w", Linear(weight=weight), ("input",)), Node("n", layer, ("w",))))
    exact = simulate(network, x, steps=steps, arithmetic=Exact(), record=Record(spikes=("n",), v=("n",)))
    (error,) = potential_errors(network, x, exact.counts, steps, schedule_of("lockstep"))["n"].ravel()
    v, theta = np.float32(0.185), np.float32(0.37)
    for t in range(steps):
        current = np.float32(0)
        for i in order:
            current = current + weight[0, i] * x[0, i]
        v = v + current
        fired = v >= theta
        if bool(fired) != bool(exact.spikes["n"][t, 0, 0]):
            assert abs(float(exact.v["n"][t, 0, 0]) + 0.37 * (not fired) - 0.37) <= 2 * error + 1e-12
            break
        v = v - theta if fired else v
        assert abs(float(v) - float(exact.v["n"][t, 0, 0])) <= error * (1 + 2**-20) + 2**-40


@given(network=snn.relu_networks(), share=st.sampled_from([1.0, 0.5]), steps=st.integers(1, 8), data=st.data())
def test_the_split_of_relu_layers_against_its_definition(network, share, steps, data):
    """Thresholds at, or at half of, the largest activation, so that the half clips. Float sums of some dozens of numbers of at most
    some thousands of spikes: 1e-6 is far above their rounding.
    """
    x = data.draw(snn.inputs(network))
    assume(not any(isinstance(node.layer, BatchNorm) for node in network.nodes))
    reference = forward(network, x, arithmetic=Float64())
    largest = {name: float(given.max()) for name, given in reference.activations.items()}
    assume(all(largest.values()))
    thetas = {name: share * value for name, value in largest.items()}
    spiking = Network(network.name, network.input_shape, tuple(
        replace(node, layer=IF(v_threshold=thetas[node.name], v_init=thetas[node.name] / 2, amplitude=thetas[node.name]))
        if node.name in thetas else node for node in network.nodes
    ))  # fmt: skip
    trace = simulate(spiking, x, steps=steps, arithmetic=Exact())
    for layer in verify(network, spiking, x, steps=steps).layers:
        theta, n, v = thetas[layer.node], trace.counts[layer.node], trace.residual[layer.node]
        source = reference.activations[layer.node] * steps / theta
        received = np.maximum((v + theta * n - theta / 2) / theta, 0)
        expected = {
            "total": n - source, "arrived": received - source, "clipping": np.minimum(received, steps) - received,
        }  # fmt: skip
        for name, parts in expected.items():
            term = getattr(layer.split, name)
            assert abs(term.sum - parts.sum()) <= 1e-6
            assert abs(term.size - np.abs(parts).sum()) <= 1e-6
        added = sum(getattr(layer.split, name).sum for name in TERMS)
        assert abs(layer.split.total.sum - added) <= 1e-6
