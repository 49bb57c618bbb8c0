"""NIR files: what is read of them, what is refused and why, and what the nir package makes of ours."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nir_graphs import DT, between, graph, lif, model, network, node, shaped, stored
from same import assert_identical

from refsnn import Float64, Frames, Network, Node, Record, simulate
from refsnn.errors import LoadError, NothingCompared, SpecError, UnsupportedLayerError
from refsnn.formats import open_model
from refsnn.formats.load_report import Fate
from refsnn.formats.nir.data import write_trace
from refsnn.formats.nir.exporting import export, write_nir
from refsnn.formats.nir.graph import PARAMETERS, NirGraph, NirNode
from refsnn.formats.nir.importing import network_of
from refsnn.formats.nir.neurons import MAKERS
from refsnn.formats.nir.semantics import PROFILES, Semantics, table
from refsnn.layers import Add, AvgPool2d, Conv1d, Conv2d, Flatten, Linear, MaxPool2d, Scale, SumPool2d
from refsnn.neurons import IF, LI, LIF, CubaLIF, Firing, Reset

SHARED = Path(__file__).parents[2] / "shared" / "cases"
SHARED_IS_THERE = pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared")
NIR = Semantics(profile="nir", dt=DT)


def refused(made, how=NIR, read=model):
    """Code, place and sentence."""
    with pytest.raises(LoadError) as error:
        network_of(read(made), how, "n")
    return error.value.code, error.value.place, str(error.value).removeprefix("graph.nir: ")


def fates(made, how=NIR):
    return {entry.name: (entry.fate, entry.what) for entry in network_of(model(made), how, "n")[1]}


def run(net, x, steps=None):
    record = Record(spikes=net.neurons, v=net.stateful)
    return simulate(net, Frames(np.asarray(x)), steps=steps or len(x), arithmetic=Float64(), record=record)


# what is read


def test_the_equations_of_every_neuron_by_forward_euler():
    """NIR's own equations with dt = 1, written down here once more."""
    x = np.random.default_rng(0).normal(1, 1, 50)
    how = Semantics(profile="nir", dt=1.0, if_scaling="dt")
    p = {
        "tau": 5.0,
        "tau_syn": 3.0,
        "tau_mem": 7.0,
        "r": 1.5,
        "w_in": 0.5,
        "v_leak": 0.25,
        "v_threshold": 0.75,
        "v_reset": -0.5,
    }
    kinds = {"I": "r", "IF": "r v_threshold v_reset", "LI": "tau r v_leak", "LIF": "tau r v_leak v_threshold v_reset",
             "CubaLI": "tau_syn tau_mem r w_in v_leak", "CubaLIF": "tau_syn tau_mem r w_in v_leak v_threshold v_reset"}  # fmt: skip
    for kind, names in kinds.items():
        made = network(between(node(kind, **{name: np.array([p[name]]) for name in names.split()})), how)
        ours = run(made, x[:, None, None]).v["a"].ravel()
        v, i, theirs = 0.0 if kind in ("I", "IF") else p["v_leak"], 0.0, []
        for value in x:
            if kind.startswith("Cuba"):
                value = i = i + (p["w_in"] * value - i) / p["tau_syn"]
            leak = (
                (p["v_leak"] - v) / p["tau_mem" if kind.startswith("Cuba") else "tau"] if kind not in ("I", "IF") else 0
            )
            gain = 1 if kind in ("I", "IF") else 1 / p["tau_mem" if kind.startswith("Cuba") else "tau"]
            v += leak + gain * p["r"] * value
            if kind.endswith("F") and v > p["v_threshold"]:
                v = p["v_reset"]
            theirs.append(v)
        assert np.allclose(ours, theirs, rtol=0, atol=1e-13), kind


def test_threshold_is_a_comparison_without_memory():
    made = network(between(node("Threshold", threshold=np.array([0.5, 1.0])), size=2), NIR)
    x = np.array([[[0.5, 1.5]], [[0.75, 0.0]], [[0.0, 1.0]]])
    assert run(made, x).spikes["a"].tolist() == [[[0, 1]], [[1, 0]], [[0, 0]]]


def test_arrays_of_a_file_and_their_names():
    inner = between(lif(2), size=2)
    made = graph("input-w w-sub sub-output", w=node("Linear", weight=np.ones((2, 3), np.float32)), sub=inner,
                 input=node("Input", shape=shaped(3)), output=node("Output", shape=shaped(2)))  # fmt: skip
    read = stored(made)
    assert read.attributes == {"version": "1.0.8"}
    assert read.tensors["w.weight"].dtype == np.float32
    assert sorted(read.tensors) == ["input.shape", "output.shape", "sub.a.r", "sub.a.tau", "sub.a.v_leak", "sub.a.v_reset",
                                    "sub.a.v_threshold", "sub.input.shape", "sub.output.shape", "w.weight"]  # fmt: skip
    net, entries = network_of(read, NIR, "n")
    assert [(n.name, n.edges) for n in net.nodes] == [("w", (("input", 0),)), ("sub.a", (("w", 0),))]
    assert {entry.name for entry in entries} == set(read.tensors)
    assert {entry.fate for entry in entries} == {Fate.MAPPED}


def test_older_files_leave_parameters_out():
    old = NirNode("CubaLIF", {name: np.array([1.0]) for name in ("tau_syn", "tau_mem", "v_leak", "v_threshold")})
    found = fates(between(old))
    for name, value in {"a.r": "1", "a.w_in": "1", "a.v_reset": "0"}.items():
        assert found[name] == (Fate.DEFAULTED, f"{value}: not in the file, as in those of older writers")


def test_numbers_without_a_shape_are_taken_for_all_and_reported():
    scalar = NirNode(
        "LIF",
        {name: np.array(value) for name, value in {"tau": 0.01, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0}.items()},
    )
    read = model(between(scalar, size=3))
    assert [note.text for note in read.notes] == ["one number without a shape, taken for every neuron"] * 4
    assert (
        network_of(read, NIR, "n")[0].digest == network(between(lif(3, tau=0.01, v_threshold=1.0), size=3), NIR).digest
    )


def test_edges_twice_are_taken_once_and_reported():
    read = stored(NirGraph(between(lif()).nodes, (("input", "a"), ("a", "output"), ("input", "a"))))
    assert read.graph.edges == (("input", "a"), ("a", "output"))
    assert [note.text for note in read.notes] == [
        "the edge input -> a is there 2 times; taken once, as readers of NIR do"
    ]


def test_edges_that_meet_add_up_by_name_and_cycles_take_a_step():
    made = network(between(lif(), "input-a a-z z-a input-b b-a a-output", z=node("Linear", weight=np.ones((1, 1))),
                           b=node("Scale", scale=np.array([2.0]))), NIR)  # fmt: skip
    assert made["a.sum"].edges == (("b", 0), ("input", 0), ("z", 1))
    assert isinstance(made["a.sum"].layer, Add)
    assert isinstance(made["b"].layer, Scale)
    # what is read out is read by z, too: a last node of its own names it
    assert [n.name for n in made.nodes] == ["b", "a.sum", "a", "z", "output"]
    assert made["output"].layer == Scale(factor=1.0)


LOOP = between(lif(), "input-a a-w w-b b-a b-output", w=node("Linear", weight=np.eye(1)), b=lif())


def test_the_edge_of_a_cycle_that_takes_a_step_is_named_and_can_be_chosen():
    assert fates(LOOP)["b -> a"] == (Fate.DEFAULTED, "closes a cycle: takes one step, by the rule")
    assert network(LOOP, NIR)["a.sum"].edges == (("b", 1), ("input", 0))
    chosen = replace(NIR, delayed=(("w", "b"),))
    assert network(LOOP, chosen)["b"].edges == (("w", 1),)
    assert fates(LOOP, chosen)["w -> b"] == (Fate.MAPPED, "takes one step, as was given")
    code, place, _ = refused(LOOP, replace(NIR, delayed=()))
    assert (code, place) == ("cycle", "b -> a")
    assert refused(LOOP, replace(NIR, delayed=(("b", "w"),)))[0] == "missing-semantics"


def test_a_delay_is_steps_on_edges():
    made = between(lif(), "input-d d-a a-output", d=node("Delay", delay=np.array([3 * DT])))
    assert network(made, NIR)["a"].edges == (("input", 3),)
    assert refused(between(node("Delay", delay=np.array([2.5 * DT]))))[2].startswith(
        "a: a delay of 0.00025 is 2.5 steps of 0.0001"
    )
    assert refused(between(node("Delay", delay=np.array([DT, 2 * DT])), size=2))[0] == "unsupported-node"
    assert refused(made, Semantics(profile="nir"))[0] == "missing-semantics"


def test_an_explicit_delay_in_a_cycle_is_enough():
    made = network(between(lif(), "input-a a-d d-b b-a a-output", d=node("Delay", delay=np.array([DT])), b=lif()), NIR)
    assert made["b"].edges == (("a", 1),)
    assert made["a.sum"].edges == (("b", 0), ("input", 0))


def correlated(x, weight, padding, dilation, groups):
    """Cross-correlation of [C, H, W], padding before and after each axis."""
    x = np.pad(x, [(0, 0), *padding])
    count, per_group, tall, wide = weight.shape
    rows, columns = (size - d * (k - 1) for size, d, k in zip(x.shape[1:], dilation, (tall, wide), strict=True))
    out = np.zeros((count, rows, columns))
    for o in range(count):
        first = o // (count // groups) * per_group
        for c in range(per_group):
            for i in range(tall):
                for j in range(wide):
                    y, z = i * dilation[0], j * dilation[1]
                    out[o] += weight[o, c, i, j] * x[first + c, y : y + rows, z : z + columns]
    return out


@pytest.mark.parametrize("kernel", [(3, 3), (2, 4), (1, 2)])
@pytest.mark.parametrize("dilation", [(1, 1), (3, 2)])
def test_same_padding_is_torchs(kernel, dilation):
    """Dilation * (kernel - 1) zeros in all, the smaller half in front."""
    rng = np.random.default_rng(1)
    weight, x = rng.integers(-3, 4, (4, 1, *kernel)).astype(float), rng.integers(-3, 4, (2, 7, 8)).astype(float)
    ends = {"input": node("Input", shape=shaped(2, 7, 8)), "output": node("Output", shape=shaped(4, 7, 8))}
    conv = node("Conv2d", weight=weight, bias=np.zeros(4), padding="same", stride=shaped(1, 1), dilation=shaped(*dilation),
                groups=np.array(2), input_shape=shaped(7, 8))  # fmt: skip
    made = network(graph("input-a a-output", a=conv, **ends), None)
    totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    expected = correlated(x, weight, [(t // 2, t - t // 2) for t in totals], dilation, 2)
    assert np.array_equal(run(made, x[None, None]).readout[0, 0], expected.ravel())


def test_sizes_in_the_file_are_compared_and_never_believed():
    """nir 1.0.8 gives [4, 6, 6] for groups=2 and a 3x5 kernel on 8x8 (conv.py, weight.shape[2] for both axes); it is [4, 6, 4]."""
    conv = node("Conv2d", weight=np.ones((4, 1, 3, 5)), bias=np.zeros(4), padding=shaped(0, 0), stride=shaped(1, 1),
                dilation=shaped(1, 1), groups=np.array(2), input_shape=shaped(8, 9))  # fmt: skip
    ends = {"input": node("Input", shape=shaped(2, 8, 8)), "output": node("Output", shape=shaped(4, 6, 6))}
    made = graph("input-a a-output", a=conv, **ends)
    assert network(made, None).shapes["a"] == (4, 6, 4)
    found = fates(made, None)
    assert found["output.shape"] == (Fate.IGNORED, "says [4, 6, 6], the layers give [4, 6, 4]")
    assert found["a.input_shape"] == (Fate.IGNORED, "says [8, 9], the layers give [8, 8]")


def test_conv1d_pools_and_flatten():
    conv = node("Conv1d", weight=np.ones((2, 3, 2)), bias=np.zeros(2), padding="same", stride=np.array(1), dilation=np.array(1),
                groups=np.array(1), input_shape=np.array(5))  # fmt: skip
    ends = {"input": node("Input", shape=shaped(3, 5)), "output": node("Output", shape=shaped(10))}
    flat = node("Flatten", start_dim=np.array(0), end_dim=np.array(-1), input_type=shaped(2, 5))
    made = network(graph("input-a a-f f-output", a=conv, f=flat, **ends), None)
    assert isinstance(made["a"].layer, Conv1d)
    assert made.shapes["f"] == (10,)
    pool = {"kernel_size": shaped(2, 2), "stride": shaped(1, 2), "padding": shaped(1, 0)}
    ends = {"input": node("Input", shape=shaped(1, 4, 4)), "output": node("Output", shape=shaped(1, 5, 2))}
    made = graph("input-a a-output", a=node("AvgPool2d", **pool), **ends)
    assert network(made, None)["a"].layer == AvgPool2d(kernel=(2, 2), stride=(1, 2), padding=(1, 0))
    assert fates(made, None)["a.padding"][0] is Fate.MAPPED
    assert fates(made, None)["a.count_include_pad"] == (
        Fate.DEFAULTED, "zeros of the padding count in the mean; NIR does not say",
    )  # fmt: skip


def test_a_scale_for_each_channel_or_number():
    ends = {"input": node("Input", shape=shaped(2, 1, 3)), "output": node("Output", shape=shaped(2, 1, 3))}
    each = np.broadcast_to(np.array([2.0, 3.0])[:, None, None], (2, 1, 3))
    made = network(graph("input-a a-output", a=node("Scale", scale=each), **ends), None)
    x = np.arange(6.0).reshape(1, 1, 2, 1, 3)
    assert np.array_equal(run(made, x).readout[0, 0], (x[0, 0] * each).ravel())
    made = network(between(node("Scale", scale=np.array([2.0, 3.0])), size=2), None)
    assert np.array_equal(run(made, np.array([[[5.0, 7.0]]])).readout[0, 0], [10.0, 21.0])
    uneven = graph("input-a a-output", a=node("Scale", scale=np.arange(6.0).reshape(2, 1, 3)), **ends)
    assert refused(uneven, None)[:2] == ("unsupported-node", "a")


def test_flatten_counts_no_batch_axis_unless_it_is_said():
    flat = node("Flatten", start_dim=np.array(1), end_dim=np.array(-1))
    ends = {"input": node("Input", shape=shaped(2, 1, 3)), "output": node("Output", shape=shaped(6))}
    made = graph("input-a a-output", a=flat, **ends)
    assert refused(made)[:2] == ("unsupported-node", "a")
    assert network(made, replace(NIR, batch_axis=True)).shapes["a"] == (6,)


def test_scaling_of_if_is_told_from_r_or_asked_for():
    """Sinabs writes r = 1 and means v += x; spikingjelly writes r = 1 / dt and means the same."""

    def made(r):
        return between(node("IF", r=np.array([r]), v_threshold=np.array([1.0]), v_reset=np.array([0.0])))

    assert network(made(1.0), NIR).digest == network(made(1 / DT), NIR).digest
    assert fates(made(1.0))["a.r"][0] is Fate.MAPPED
    assert fates(made(1.0))["a.if_scaling"] == (Fate.GUESSED, "v += x, since r is 1; give if_scaling to be sure")
    assert refused(made(2.0))[0] == "missing-semantics"
    assert network(made(2.0), replace(NIR, if_scaling="r"))["a"].layer.gain == 2.0
    assert network(made(2.0), replace(NIR, if_scaling="dt"))["a"].layer.gain == 2.0 * DT


def test_a_decay_that_is_stored_elsewhere():
    made = between(lif(3), size=3)
    stored_decay = np.array([0.5, 0.25, 0.75])
    assert network(made, replace(NIR, decays={"a": stored_decay}))["a"].layer.decay.tolist() == stored_decay.tolist()
    assert refused(made, replace(NIR, decays={"b": 0.5}))[2].startswith("decays: 'b' is no node of the graph; known: a")


def test_a_leak_towards_has_one_number():
    assert LIF(v_threshold=1.0, decay=0.75, gain=0.25, leak="towards").decay == 0.75
    with pytest.raises(ValueError, match="leak 'towards' computes with gain alone; decay is not 1 - gain"):
        LIF(v_threshold=1.0, decay=0.5, gain=0.25, leak="towards")


def test_reset_and_comparator_can_be_given():
    made = network(between(lif()), replace(NIR, reset="subtract", firing=">="))["a"].layer
    assert (made.reset, made.firing) == (Reset.SUBTRACT, Firing.AT_THRESHOLD)


@pytest.mark.parametrize("profile", [name for name in PROFILES if name != "refsnn"])
def test_every_profile_takes_a_lif(profile):
    r = 1.0 if profile != "spikingjelly" else 25.0
    made = between(lif(r=r), "input-w w-a a-output", w=node("Linear", weight=np.ones((1, 1))))
    assert network(made, Semantics(profile=profile, dt=DT))["a"]


def test_what_a_profile_does_not_look_at_is_reported():
    found = fates(between(lif(r=2.0, v_reset=-1.0)), Semantics(profile="norse", dt=DT))
    assert found["a.r"] == (Fate.IGNORED, "profile norse does not look at it")
    assert found["a.v_reset"] == (Fate.IGNORED, "profile norse does not look at it")
    assert found["a.tau"][0] is Fate.MAPPED


# what is refused

CUBA = node(
    "CubaLIF", **{k: np.array([1.0]) for k in ("tau_syn", "tau_mem", "r", "w_in", "v_leak", "v_threshold", "v_reset")}
)
TWO_INPUTS = between(lif(), "input-a more-a a-output", more=node("Input", shape=shaped(1)))


@pytest.mark.parametrize(
    ("made", "how", "message"),
    [
        (between(lif()), None, "a: LIF is a differential equation: NIR holds no step, reset kind or comparator; give them: "
         "Semantics(profile='nir', dt=1e-4) (--semantics nir --dt 1e-4), or one of the profiles in docs/formats.md"),
        (between(lif()), Semantics(profile="nir"),
         "a: LIF in a unit of time, without the length of a step; give dt: Semantics(profile=..., dt=1e-4)"),
        (between(node("Izhikevich", a=np.ones(1))), NIR,
         "a: nodes of type Izhikevich are not supported; supported: Input, Output, Affine, Linear, Scale, Conv1d, Conv2d, SumPool2d, "
         "AvgPool2d, Flatten, Delay, Threshold, I, IF, LI, LIF, CubaLI, CubaLIF"),
        (between(CUBA), Semantics(profile="nengo", dt=DT),
         "a: profile 'nengo' has no CubaLIF; it has LIF; take the profile 'nir'"),
        (between(lif(v_leak=0.5)), Semantics(profile="snntorch", dt=DT),
         "a: profile 'snntorch' takes LIF only where v_leak is 0; take the profile 'nir', which says it as it is"),
        (between(lif(tau=5e-5)), NIR,
         "a: dt 0.0001 is longer than tau 5e-05; take a shorter step, or the profile 'exact'"),
        (between(lif(tau=-1.0)), NIR, "a: tau is -1; give times above 0"),
        (between(lif(v_threshold=-1.0)), NIR,
         "a: Value error, expected a number greater than 0, got -1; correct the file, or the semantics"),
        (between(lif(2), size=3), NIR, "a.tau: shape [2] for neurons of shape [3]; give one number, or one for each neuron"),
        (between(lif(), "input-output"), NIR, "a: no edge leads to it; connect it, or leave it out"),
        (between(lif(), "input-a a-output a-nobody"), NIR,
         "the edge a -> nobody names 'nobody', which is no node here; write the graph again with edges between its own nodes"),
        (TWO_INPUTS, NIR, "2 nodes of type Input (input, more); a network has one; write a graph with one Input"),
        (between(lif(tau=np.nan)), NIR, "a.tau: nan at index [0]; give every parameter a finite number"),
        (between(NirNode("LIF", {"tau": np.ones(1)})), NIR, "a: LIF without its parameter 'v_leak'; write it again with nir.write"),
        (between(node("Affine", weight=np.ones((3, 2)), bias=np.ones((2, 3))), size=2), NIR,
         "a: a bias of [2, 3] for 3 outputs; give one number for each output"),
        (between(node("Linear", weight=np.ones((2, 3))), size=2), NIR,
         "a: weight expects 3 inputs, but the node before gives [2]; correct the file, or the semantics"),
        (between(lif(), "input-a a-output x-x", x=node("Linear", weight=np.ones((1, 1)))), NIR,
         "x: no way from the input leads to it; connect it, or leave it out"),
        (between(node("Linear", weight=np.ones((1, 1)))), Semantics(profile="refsnn"),
         "metadata.refsnn: refsnn stored nothing beside this graph; take another profile, such as 'nir' with dt"),
        (between(lif()), Semantics(profile="lava-fixed", dt=DT),
         "a: profile 'lava-fixed' takes neurons behind weights only; put an Affine in front of them"),
    ],
)  # fmt: skip
def test_what_is_refused_and_why(made, how, message):
    assert refused(made, how)[2] == message


def test_names_that_meet_when_graphs_are_opened():
    inner = between(lif())
    made = graph("input-a a-a__b a__b-output".replace("__", "."), a=NirGraph({**inner.nodes, "b": inner.nodes["a"]}, ()), a__b=lif(),
                 input=node("Input", shape=shaped(1)), output=node("Output", shape=shaped(1)))  # fmt: skip
    assert refused(made)[0] == "duplicate-name"


def test_semantics_that_have_no_meaning():
    for given, message in (
        ({"profile": "nest"}, "profile 'nest' is none; "),
        ({"profile": "nir", "dt": 0.0}, "dt 0.0, expected the length of a step, greater than 0"),
        ({"profile": "nir", "if_scaling": "x"}, "if_scaling 'x' is none"),
        ({"profile": "nir", "reset": "zero"}, "reset 'zero' is none"),
    ):
        with pytest.raises(SpecError, match=message):
            Semantics(**given)


# what is written


def small(**neuron):
    given = {
        "v_threshold": 1.0,
        "decay": 0.5,
        "gain": 0.5,
        "reset": Reset.TO_VALUE,
        "firing": Firing.ABOVE_THRESHOLD,
    } | neuron
    weight = np.array([[1.0, 2.0]], np.float32)
    return Network("n", (2,), (Node("w", Linear(weight=weight), ("input",)), Node("a", LIF(**given), ("w",))))


def test_the_statement_of_what_is_lost(tmp_path):
    lossy = small(
        reset=Reset.SUBTRACT, firing=Firing.AT_THRESHOLD, v_init=0.5, refractory=2, v_min=-1.0, max_spikes=None
    )
    with pytest.raises(UnsupportedLayerError) as error:
        write_nir(lossy, tmp_path / "n.nir", dt=DT)
    assert str(error.value) == (
        "n: NIR cannot say a: v_init: NIR has no initial potential; readers start at v_leak, IF at 0; a: reset by subtraction; NIR "
        "resets to v_reset; a: fires at the threshold; NIR fires above it; a: up to any number of spikes a step; NIR's spike is one "
        "event; a: 2 refractory steps; NIR has none; and 1 more; give allow_loss=True (--allow-loss) to write it all the same, and read it back with "
        "the profile 'refsnn'"
    )
    assert list(tmp_path.iterdir()) == []
    losses = write_nir(lossy, tmp_path / "n.nir", dt=DT, allow_loss=True)
    assert str(losses[0]) == "NIR holds no length of a step: readers must be told dt = 0.0001, and v starts at v_leak"
    own, entries = network_of(open_model(tmp_path / "n.nir"), Semantics(profile="refsnn"), "n")
    assert own.digest == lossy.digest
    assert entries[0].what == f"the network, with dt 0.0001: digest {own.digest[:12]}"
    read = network_of(open_model(tmp_path / "n.nir"), NIR, "n")[0]
    assert read.digest != lossy.digest
    assert read.digest == small().digest


def test_a_changed_graph_is_not_taken_for_what_refsnn_wrote():
    made = export(small(), dt=DT).graph
    changed = {**made.nodes, "w": node("Linear", weight=np.array([[1.0, 3.0]], np.float32))}
    assert refused(replace(made, nodes=changed), Semantics(profile="refsnn"))[:2] == ("damaged", "metadata.refsnn")


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (MaxPool2d(kernel=1), "a: NIR has no MaxPool2d; leave it out"),
        (CubaLIF(v_threshold=1.0, decay=0.5, current_decay=1.0), "a: current_decay is 1, for which NIR has no tau_syn; "
         "let it leak, or take IF for all of them"),
    ],
)  # fmt: skip
def test_what_nir_has_no_node_for(layer, message):
    with pytest.raises(UnsupportedLayerError) as error:
        export(Network("n", (1, 2, 2), (Node("a", layer, ("input",)),)), dt=DT)
    assert str(error.value) == message


def test_names_that_no_file_can_have():
    with pytest.raises(UnsupportedLayerError, match="rename the node, without '/'"):
        export(Network("n", (1,), (Node("a/b", IF(v_threshold=1.0), ("input",)),)), dt=DT)
    with pytest.raises(SpecError, match="dt 0, expected the length of a step"):
        export(small(), dt=0)


def test_the_same_source_twice_in_a_sum():
    twice = Network("n", (1,), (Node("a", Add(), ("input", "input")), Node("b", LI(decay=0.5), ("a",))))
    with pytest.raises(UnsupportedLayerError, match="adds the same values twice"):
        export(twice, dt=DT)


def test_delays_become_nodes_but_for_the_step_of_a_cycle():
    w = Linear(weight=np.eye(1))
    nodes = (Node("a.sum", Add(), ("b", "input"), (1, 0)), Node("a", w, ("a.sum",)), Node("b", w, ("a",)))
    made = export(Network("n", (1,), nodes), dt=DT)
    assert made.graph.edges == (("a", "b"), ("b", "a"), ("b", "output"), ("input", "a"))
    assert [str(loss) for loss in made.losses][1:] == [
        "b -> a: takes a step, since it closes a cycle; NIR does not say so"
    ]
    nodes = (Node("a.sum", Add(), ("b", "input"), (2, 0)), *nodes[1:])
    made = export(Network("n", (1,), nodes), dt=DT)
    assert ("b.delay2", "a") in made.graph.edges
    assert made.graph.nodes["b.delay2"]["delay"].tolist() == [2 * DT]


# beside the nir package

nir_package = pytest.mark.skipif(
    pytest.importorskip("nir", reason="needs nir").version < "1.0.8", reason="needs nir 1.0.8"
)


def test_the_nir_package_reads_what_is_written_here(tmp_path):
    nir = pytest.importorskip("nir")
    rng = np.random.default_rng(2)
    conv = Conv2d(weight=rng.normal(size=(2, 1, 3, 3)).astype(np.float32), padding=1)
    nodes = (
        Node("conv", conv, ("input",)), Node("if", small()["a"].layer, ("conv",)), Node("pool", SumPool2d(kernel=2), ("if",)),
        Node("flat", Flatten(), ("pool",)), Node("fc", Linear(weight=rng.normal(size=(3, 8)), bias=rng.normal(size=3)), ("flat",)),
        Node("cuba", CubaLIF(v_threshold=1.0, decay=0.5, current_decay=0.25, reset=Reset.TO_VALUE, firing=">"), ("fc",)),
    )  # fmt: skip
    ours = Network("n", (1, 4, 4), nodes)
    write_nir(ours, tmp_path / "n.nir", dt=DT)
    theirs = nir.read(tmp_path / "n.nir")
    assert {name: type(n).__name__ for name, n in theirs.nodes.items()} == {
        "input": "Input", "conv": "Conv2d", "if": "LIF", "pool": "SumPool2d", "flat": "Flatten", "fc": "Affine", "cuba": "CubaLIF",
        "output": "Output",
    }  # fmt: skip
    assert np.array_equal(theirs.nodes["conv"].weight, conv.weight)
    assert np.array_equal(theirs.nodes["cuba"].tau_syn, np.full(3, DT / 0.75))
    nir.write(tmp_path / "again.nir", theirs)
    for how in (NIR, Semantics(profile="refsnn")):
        once, again = (network_of(open_model(tmp_path / name), how, "n")[0] for name in ("n.nir", "again.nir"))
        assert once.digest == again.digest


def test_what_the_nir_package_writes_is_read_here(tmp_path):
    nir = pytest.importorskip("nir")
    p = {
        key: np.full(2, value, np.float32)
        for key, value in {"tau": 0.01, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0}.items()
    }
    theirs = nir.NIRGraph(
        nodes={
            "input": nir.Input(input_type={"input": np.array([3])}), "output": nir.Output(output_type={"output": np.array([2])}),
            "fc": nir.Affine(weight=np.ones((2, 3), np.float32), bias=np.zeros(2, np.float32)), "lif": nir.LIF(**p),
            "rec": nir.Linear(weight=np.eye(2, dtype=np.float32)),
        },
        edges=[("lif", "rec"), ("input", "fc"), ("rec", "lif"), ("fc", "lif"), ("lif", "output")],
    )  # fmt: skip
    nir.write(tmp_path / "n.nir", theirs)
    read = open_model(tmp_path / "n.nir")
    assert np.array_equal(read.tensors["fc.weight"], np.ones((2, 3), np.float32))
    net = network_of(read, NIR, "n")[0]
    assert net["lif.sum"].edges == (("fc", 0), ("rec", 1))


def test_traces_as_nir_data(tmp_path):
    nir = pytest.importorskip("nir")
    if not hasattr(nir, "read_data"):
        pytest.skip("needs nir 1.0.8")
    trace = run(small(), np.random.default_rng(3).normal(1, 2, (5, 4, 2)))
    write_trace(trace, tmp_path / "t.nir", dt=DT)
    write_trace(trace, tmp_path / "again.nir", dt=DT)
    assert (tmp_path / "t.nir").read_bytes() == (tmp_path / "again.nir").read_bytes()
    theirs = nir.read_data(tmp_path / "t.nir").nodes["a"].observables
    assert theirs["spikes"].data.dtype == bool
    assert theirs["spikes"].dt == DT
    assert np.array_equal(theirs["spikes"].data, trace.spikes["a"].swapaxes(0, 1) > 0)
    assert np.array_equal(theirs["v"].data, trace.v["a"].swapaxes(0, 1))
    with pytest.raises(NothingCompared):
        write_trace(replace(trace, spikes={}, v={}), tmp_path / "t.nir", dt=DT)


# the fixtures


@SHARED_IS_THERE
@pytest.mark.parametrize(
    ("name", "torch_name", "renamed"),
    [
        ("braille_noDelay_bias_zero", "model_noDelay_bias_ref_zero.pt", {"lif1.w_rec": "lif1.recurrent"}),
        ("cnn_sinabs", "pretrained_ann_weights.pth", {}),
    ],
)
def test_one_network_in_two_formats(name, torch_name, renamed):
    weights = open_model(SHARED / "torch" / torch_name).tensors
    tensors = open_model(SHARED / "nir" / f"{name}.nir").tensors
    count = 0
    for key, values in tensors.items():
        if not key.endswith((".weight", ".bias")):
            continue
        node_name, _, what = key.rpartition(".")
        other = weights.get(f"{renamed.get(node_name, node_name)}.{what}")
        if other is not None:
            count += 1
            assert_identical(other, values)
    assert count >= 5


@SHARED_IS_THERE
def test_the_fixtures_become_networks():
    nir = SHARED / "nir"
    braille = network_of(open_model(nir / "braille_noDelay_bias_zero.nir"), NIR, "braille")[0]
    assert braille["lif1.lif.sum"].edges == (("fc1", 0), ("lif1.w_rec", 1))
    # r * dt / tau_mem = 1 and w_in * dt / tau_syn = 1: snnTorch's neuron without scales
    assert abs(np.asarray(braille["lif1.lif"].layer.current_gain) - 1).max() < 1e-6
    assert abs(np.asarray(braille["lif1.lif"].layer.gain) - 1).max() < 1e-6
    assert network_of(
        open_model(nir / "braille_noDelay_bias_zero.nir"), Semantics(profile="snntorch", dt=DT), "braille"
    )
    cnn = network_of(open_model(nir / "cnn_sinabs.nir"), Semantics(profile="sinabs", dt=DT), "cnn")[0]
    assert cnn.shapes[cnn.nodes[-1].name] == (10,)
    assert cnn["1"].layer == IF(v_threshold=1.0, max_spikes=None, v_min=-1.0)
    two = network_of(open_model(nir / "two_lif_neurons.nir"), NIR, "two")[0]
    assert two["lif1"].layer.v_init == 1.2
    with pytest.raises(LoadError) as error:
        open_model(nir / "braille_noDelay_bias_zero_subgraph_DANGLING_EDGES.nir")
    assert (error.value.code, error.value.place) == ("damaged", "lif1")


def test_the_documentation_has_every_profile_and_node():
    text = (Path(__file__).parents[1] / "docs" / "formats.md").read_text()
    assert table() in text
    for name, (kinds, _) in MAKERS.items():
        assert f"| `{name}` | {', '.join(kinds)} |" in text
    rows = "\n".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| "))
    assert all(kind in rows for kind in PARAMETERS)
