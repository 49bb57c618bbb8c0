"""Twins, break-even, encodings and differences, on networks small enough for paper; the commands that print them."""

import json

import numpy as np
import pytest
from harness import run_here

import hwmodel
from hwmodel.break_even import THRESHOLDS, break_even
from hwmodel.difference import diff, diff_files, grew
from hwmodel.encoding import encodings
from hwmodel.twin import dense_frame, quantised_twin, twins
from refsnn import Network, Node, simulate
from refsnn.errors import FormatError, SpecError
from refsnn.layers import Linear
from refsnn.neurons import IF


@pytest.fixture
def activity():
    """Two inputs, both on; two neurons of which the second never fires; three outputs. Four steps, one sample."""
    network = Network("net", (2,), (
        Node("fc1", Linear(weight=np.array([[1.0, 1.0], [0.0, 0.0]])), ("input",)),
        Node("if1", IF(v_threshold=1.0), ("fc1",)),
        Node("fc2", Linear(weight=np.ones((3, 2))), ("if1",)),
    ))  # fmt: skip
    return simulate(network, np.ones((1, 2)), steps=4).activity


def test_break_even_on_paper(activity):
    """Four spikes reach three outputs each over six synapses: two a synapse. One of two neurons fires at every step."""
    found = break_even(activity)
    assert (found.spikes_per_synapse, found.spike_rate, found.mean_steps) == (2.0, 0.5, 4.0)
    assert [found.says(threshold) for threshold in THRESHOLDS] == ["above", "above", "above"]
    early = break_even(activity.until(np.array([2])))
    assert (early.spikes_per_synapse, early.spike_rate) == (1.0, 0.5)
    assert [early.says(threshold) for threshold in THRESHOLDS] == ["below", "within", "above"]


def test_encodings_on_paper(activity):
    """Two neurons: addresses of 1 bit, 4 of them; a bitmap of 2 bits, 8. Codes of 2 bits: 4 spikes and no full run, 8 bits;
    of 1 bit: 4 spikes and 2 // 1 full runs in each of 4 steps, 12.
    """
    (found,) = encodings(activity)
    assert (found.address_bits, found.bitmap_bits, found.run_length_bits, found.code_width) == (4.0, 8.0, 8.0, 2)
    assert (found.density, found.crossover, found.cheapest, found.sparse_steps) == (0.5, 1.0, "addresses", 1.0)


def test_run_lengths_are_an_upper_bound():
    """The words that a coder really writes: every spike's distance from the one before, full codes for long silences."""
    rng = np.random.default_rng(5)
    for width in (1, 2, 3):
        most = 2**width - 1
        for _ in range(50):
            fired = np.flatnonzero(rng.random(30) < 0.2)
            gaps = np.diff(np.concatenate([[-1], fired])) - 1
            written = sum(1 + gap // most for gap in gaps)
            assert written <= len(fired) + 30 // most


def test_the_dense_twin_on_paper(activity):
    frame = dense_frame(activity)
    assert frame["fc1"].macs.tolist() == [[4]]
    assert frame["fc2"].macs.tolist() == [[6]]
    assert frame["fc2"].synops.tolist() == [[0]]
    assert frame["if1"].updates.tolist() == frame["if1"].spikes_out.tolist() == [[2]]


def test_the_quantised_twin_on_paper(activity):
    """Four steps: 3 bits. 10 MACs at 0.3 pJ * 3/8; 10 weights in 1 + 1 accesses at 20 pJ; in 64 bits 21 activations: two layers'
    inputs in 1 + 1 reads and outputs in 1 + 1 writes at 20 pJ. Cycles: 10 / 2 adders, more than 2 and 2 accesses.
    """
    chip = hwmodel.load_chip("digital_45nm")
    twin = quantised_twin(activity, chip, steps=4)
    assert twin.bits == 3
    assert twin.energy_j == pytest.approx((10 * 0.3 * 3 / 8 + 2 * 20 + 4 * 20) * 1e-12)
    assert twin.latency_s == 5 / 200e6
    assert twin.is_lower_bound  # the chip's static power is not known
    assert [each.name for each in twins(activity, chip, steps=4)] == ["source, dense", "source, 3 bit, reuse"]
    assert [each.name for each in twins(activity, hwmodel.load_chip("loihi"), steps=4)] == ["source, dense"]
    assert twins(activity, hwmodel.load_chip("eyeriss_like"), steps=4) == []
    with pytest.raises(
        SpecError, match="chip 'loihi' has no memory of its own for weights; reuse cannot be priced on it"
    ):
        quantised_twin(activity, hwmodel.load_chip("loihi"), steps=4)


def test_a_difference_names_the_rows_that_changed(activity):
    chip = hwmodel.load_chip("digital_45nm")
    whole = hwmodel.estimate(activity, chip).as_data()
    half = hwmodel.estimate(activity.until(np.array([2])), chip).as_data()
    assert not diff(whole, whole)
    found = diff(whole, half)
    assert found
    assert found.energy_j == (whole["energy_per_inference_j"], half["energy_per_inference_j"])
    changes = {(c.node, c.component, c.action): c.count for c in found.changes}
    assert changes["fc2", "adder", "accumulate"] == (12, 6)
    assert changes["if1", "adder", "compare and reset"] == (8, 4)
    assert grew(diff(half, whole), 90)
    assert not grew(diff(half, whole), 101)
    assert not grew(found, 0)


@pytest.fixture
def files(specs, tmp_path, capsys):
    """The same network for 8 and for 4 steps."""
    made = []
    for steps in ("8", "4"):
        path = str(tmp_path / f"{steps}.json")
        arguments = [str(specs / "networks" / "digits.yaml"), str(specs / "data" / "digits_test.npz"), "--limit", "5"]
        run_here("cost", *arguments, "-T", steps, "--format", "json", "-o", path, capsys=capsys)
        made.append(path)
    return made


def test_the_difference_command(files, capsys):
    result = run_here("diff", *files, capsys=capsys, program="hwmodel")
    assert result.code == 0
    assert result.out.startswith("loihi -> loihi: ")
    assert max(map(len, result.out.splitlines())) <= 100
    assert run_here("diff", files[1], files[0], "--max-increase", "5", capsys=capsys, program="hwmodel").code == 1
    assert run_here("diff", *files, "--max-increase", "5", capsys=capsys, program="hwmodel").code == 0
    data = json.loads(run_here("diff", *files, "--format", "json", capsys=capsys, program="hwmodel").out)
    assert data["schema"] == "refsnn.cost-diff/1"
    assert [each["chips"] for each in data["differences"]] == [
        ["loihi"] * 2,
        ["digital_45nm"] * 2,
        ["eyeriss_like"] * 2,
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "{path}: not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1)); 'refsnn cost "
         "--format json -o FILE' writes one"),
        ('{"schema": "refsnn.run/1"}', "{path}: schema is 'refsnn.run/1', expected 'refsnn.cost/1': what 'refsnn cost --format "
         "json' writes"),
        ('{"schema": "refsnn.cost/1"}', "{path}: no list of reports; 'refsnn cost --format json -o FILE' writes one"),
        ('{"schema": "refsnn.cost/1", "reports": []}', "{path} has 0 reports, {other} has 3; price the same number of chips in "
         "both"),
        ('{"schema": "refsnn.cost/1", "reports": [{}, {}, {}]}', "a cost report lacks 'chip'; write it anew with 'refsnn cost "
         "--format json'"),
    ],
)  # fmt: skip
def test_what_is_no_cost_report(files, tmp_path, content, message):
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(FormatError) as error:
        diff_files(path, files[0])
    assert str(error.value) == message.format(path=path, other=files[0])


def test_every_table_of_the_cost_command_fits(specs, capsys):
    arguments = [str(specs / "networks" / "digits.yaml"), str(specs / "data" / "digits_test.npz"), "--limit", "5"]
    every = [word for by in ("action", "layer", "level", "part", "step", "encoding") for word in ("--by", by)]
    result = run_here("cost", *arguments, *every, capsys=capsys)
    assert result.code == 0
    assert max(map(len, result.out.splitlines())) <= 100
    for title in ("digits: energy and latency", "loihi: by layer", "loihi: by level", "loihi: by part", "loihi: by step",
                  "digits: bits for spikes", "break-even: "):  # fmt: skip
        assert title in result.out


def test_other_tools_rules_stand_below(specs, capsys):
    arguments = [str(specs / "networks" / "digits.yaml"), str(specs / "data" / "digits_test.npz"), "--limit", "5"]
    text = run_here(
        "cost", *arguments, "--chip", "loihi", "--rules", "neurobench", "--rules", "syops", capsys=capsys
    ).out
    assert max(map(len, text.splitlines())) <= 100
    assert "Effective_MACs" in text
    assert "note:" not in text  # the run has what the rules look at
    data = json.loads(run_here("cost", *arguments, "--rules", "all", "--format", "json", capsys=capsys).out)
    assert len(data["rules"]) == 27
    wrong = run_here("cost", *arguments, "--rules", "nerobench", capsys=capsys)
    assert (wrong.code, wrong.err) == (
        2,
        "refsnn: rule 'nerobench' is not packaged; did you mean 'neurobench'?\n",
    )
