"""refsnn verify beyond its table: search, cases, pages, JUnit, repairs, and what it refuses."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from harness import run_here

import refsnn
from refsnn import Network, Node
from refsnn.layers import QCFS, Linear
from refsnn.terminal import rendered
from refsnn.verdict_table import verdict_table


@pytest.fixture
def command(specs, tmp_path, monkeypatch, capsys):
    """In a folder with the digits, sixty images each, a network with ReLU for QCFS."""
    monkeypatch.chdir(tmp_path)
    for name in ("digits.yaml", "digits.safetensors", "digits_lif.yaml", "digits_lif.safetensors"):
        (tmp_path / name).write_bytes((specs / "networks" / name).read_bytes())
    text = (tmp_path / "digits.yaml").read_text()
    relu = re.sub(r"layer: QCFS, threshold: [^,]*, levels: 8", "layer: ReLU", text)
    (tmp_path / "relu.yaml").write_text(relu)
    (tmp_path / "negative.yaml").write_text(text.replace("threshold: 6.up", "threshold: -1.0"))
    for name in ("test", "calibration"):
        data = refsnn.load_data(specs / "data" / f"digits_{name}.npz", limit=60)
        np.savez(tmp_path / f"{name}.npz", x=data.x, y=data.labels)
    np.savez(tmp_path / "unlabelled.npz", x=data.x)
    np.savez(tmp_path / "empty.npz", x=data.x[:0], y=data.labels[:0])
    return lambda *arguments: run_here(*arguments, capsys=capsys)


def test_search_prints_the_case_and_keeps_it_for_replay(command, tmp_path):
    found = command("verify", "digits.yaml", "test.npz", "--search", "--domain", "0:1", "--save", "one.case.yaml")
    assert found.code == 1
    assert "case of 2 spiking layers, 2 neurons, 1 input, T = 3, lockstep: act2[0] spikes too often" in found.out
    assert "step  act1[0] spikes  current  v before  spike at 1  v after" in found.out
    assert "cause: It fires at step 2; negative current at step 3 takes back what made it fire" in found.out
    assert max(map(len, found.out.splitlines())) <= 100
    replayed = command("verify", "--case", "one.case.yaml", "--format", "json")
    assert replayed.code == 1
    data = json.loads(replayed.out)
    assert data["case"]["spikes"] == [0, 1, 0]
    assert data["case"]["v"] == [-1.5, 1.5, -0.5]
    again = command("verify", "digits.yaml", "test.npz", "--search", "--domain", "0:1", "--save", "two.case.yaml")
    assert again.out.replace("two.case", "one.case") == found.out
    assert (tmp_path / "one.case.yaml").read_text().replace("one.case", "two.case") == (
        tmp_path / "two.case.yaml"
    ).read_text()


def test_a_case_that_agrees_exits_0(command, tmp_path):
    command("verify", "digits.yaml", "test.npz", "--search", "--save", "one.case.yaml")
    text = (tmp_path / "one.case.yaml").read_text()
    (tmp_path / "mended.case.yaml").write_text(text.replace("schedule: lockstep", "schedule: integrate_then_fire"))
    mended = command("verify", "--case", "mended.case.yaml")
    assert mended.code == 0
    assert "equal to its source" in mended.out


def test_a_search_that_finds_nothing_says_that_this_is_no_proof(command, tmp_path):
    before = sorted(path.name for path in tmp_path.iterdir())
    none = command(
        "verify", "digits.yaml", "test.npz", "--search", "--examples", "20", "--schedule", "integrate_then_fire"
    )
    assert none.code == 0
    assert "search: 20 inputs near the data and in the domain did not refute it, which is no proof" in none.out
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_junit_fails_where_layers_differ(command):
    printed = command("verify", "digits.yaml", "test.npz", "--format", "junit")
    assert printed.code == 1
    suite = ElementTree.fromstring(printed.out)  # noqa: S314, ours
    assert (suite.tag, suite.get("tests"), suite.get("failures")) == ("testsuite", "6", "4")
    failed = {case.get("name") for case in suite if case.find("failure") is not None}
    assert failed == {
        f"{layer}: {law}" for layer in ("act2", "act3") for law in ("layer-local count", "count = source level")
    }
    equal = ElementTree.fromstring(  # noqa: S314, ours
        command("verify", "digits.yaml", "test.npz", "--format", "junit", "--schedule", "integrate_then_fire").out
    )
    assert equal.get("failures") == "0"


def test_the_page_has_its_pictures_and_the_table_is_printed_too(command, tmp_path):
    printed = command("verify", "digits.yaml", "test.npz", "--search", "-o", "report.html")
    assert "leaves its source" in printed.out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") == 4
    for words in (
        "unevenness",
        "v / threshold",
        "its current is the same in every step",
        "negative current at step 3",
        "act2[0]",
    ):
        assert words in page
    assert "<script" not in page


def test_repairs_are_compared_in_a_table_and_as_data(command):
    chosen = ("--repair", "--calibration", "calibration.npz", "--chip", "loihi")
    printed = command("verify", "digits.yaml", "test.npz", *chosen)
    assert max(map(len, printed.out.splitlines())) <= 100
    rows = {row["variant"]: row for row in json.loads(
        command("verify", "digits.yaml", "test.npz", *chosen, "--format", "json").out)["repairs"]}  # fmt: skip
    for name, row in rows.items():
        assert name in printed.out
        assert row["outcome"]["energy_j"] > 0
    exact = {name: row["outcome"]["exact_neurons"] / row["outcome"]["neurons"] for name, row in rows.items()}
    assert (
        exact["integrate_then_fire"] == exact["averaged_current"] == exact["signed_correction"] == 1 > exact["lockstep"]
    )
    assert rows["srp:4"]["outcome"]["total_steps"] == 12


def test_relu_networks_are_balanced_converted_and_compared(command):
    balanced = ("--balance", "percentile:99.9", "--calibration", "calibration.npz")
    compared = json.loads(command("verify", "relu.yaml", "test.npz", *balanced, "--format", "json").out)
    first = compared["layers"][0]
    assert first["local"]["exact"] == first["local"]["neurons"]
    assert first["split"]["clipping"]["size"] > 0
    assert (
        command("convert", "relu.yaml", "-o", "snn.yaml", *balanced, "--calibrate-bias", "8", "--v-init", "0.25").code
        == 0
    )
    snn = refsnn.load("snn.yaml")
    assert all(snn[name].layer.v_init == 0.25 * snn[name].layer.v_threshold for name in snn.neurons)
    noted = command("verify", "relu.yaml", "test.npz", "--snn", "snn.yaml")
    assert "conv1: its numbers are not the source's" in noted.out


def test_a_page_of_text_is_at_most_25_lines_for_any_depth():
    nodes = []
    for i in range(33):
        nodes += [Node(f"a_layer_with_a_long_name_{i}", Linear(weight=np.array([[-1.0]]), bias=np.array([0.75])),
                       (nodes[-1].name if nodes else "input",)), Node(f"activation_{i}", QCFS(threshold=1.0, levels=4 + i % 3),
                       (f"a_layer_with_a_long_name_{i}",))]  # fmt: skip
    ann = Network("a_network_with_a_rather_long_name_that_somebody_chose", (1,), tuple(nodes))
    snn = refsnn.convert(ann)
    for schedule in ("lockstep", "averaged_current"):
        verdict = refsnn.verify(
            ann,
            snn,
            np.full((5, 1), 0.3),
            np.zeros(5),
            steps=4,
            schedule=schedule,
            domain=refsnn.Domain(low=-1, high=1),
        )
        lines = rendered(verdict_table(verdict)).rstrip().splitlines()
        assert len(lines) <= 25
        assert max(map(len, lines)) <= 100


@pytest.mark.parametrize(("arguments", "code", "words"), [
    (["negative.yaml", "test.npz"], 2, "negative.yaml:13:31: nodes[6].threshold: expected a number greater than 0, got -1 (layer act2)"),
    (["digits.yaml", "empty.npz"], 5, "empty.npz: x has no samples; give at least one"),
    (["digits.yaml", "test.npz", "--snn", "digits_lif.yaml"], 2, "network 'digits_lif' does not correspond to its source 'digits'"),
    (["digits.yaml", "test.npz", "--domain", "0"], 2, "--domain: expected LOW:HIGH or LOW:HIGH:BITS, such as 0:1, got '0'"),
    (["digits.yaml", "test.npz", "--domain", "1:0"], 2, "domain: expected two finite numbers, the lower first, got 1:0"),
    (["digits.yaml", "test.npz", "--schedule", "lockstp"], 2, "schedule: 'lockstp' is none; did you mean 'lockstep'?"),
    (["digits.yaml", "test.npz", "--schedule", "srp"], 3, "schedule srp: verify reads from potentials what a layer received"),
    (["digits.yaml", "test.npz", "--calibrate-bias", "8"], 2, "--calibrate-bias: needs samples to calibrate on; give --calibration"),
    (["digits.yaml", "test.npz", "--repair", "--calibration", "test.npz"], 2, "test.npz: shares 60 samples with test.npz"),
    (["digits.yaml", "test.npz", "--case", "digits.yaml"], 2, "--case replays a saved case; leave MODEL and DATA out"),
    (["--case", "digits.yaml"], 2, "digits.yaml:3:1: name: unknown key; known: case, origin"),
    (["relu.yaml", "test.npz"], 3, "act1: ReLU has no threshold; give balance"),
    (["relu.yaml", "test.npz", "--balance", "most", "--calibration", "calibration.npz"], 2, "--balance: 'most' is no rule; give max"),
    (["digits.yaml", "test.npz", "--balance", "max", "--calibration", "calibration.npz"], 2, "act1: QCFS has a threshold of its own"),
])  # fmt: skip
def test_bad_input_is_one_sentence_and_its_exit_code(command, arguments, code, words):
    result = command("verify", *arguments)
    assert result.code == code, result
    assert words in result.err
    assert result.out == ""


def test_other_steps_than_levels_and_other_numbers_are_said(ann, snn, test_data, command):
    verdict = refsnn.verify(ann, snn, test_data.x[:2], steps=4)
    assert verdict.notes == ("T = 4 is not L = 8 of act1, act2, act3: counts of T and levels of L are other grids",)
    fc = snn["fc2"] if any(node.name == "fc2" for node in snn.nodes) else snn.nodes[-1]
    changed = replace(fc, layer=replace(fc.layer, weight=fc.layer.weight * 2))
    other = Network(snn.name, snn.input_shape, tuple(changed if node.name == fc.name else node for node in snn.nodes))
    assert refsnn.verify(ann, other, test_data.x[:2], steps=8).notes == (
        f"{fc.name}: its numbers are not the source's",
    )
    assert "accuracy" not in command("verify", "digits.yaml", "unlabelled.npz").out


@pytest.mark.parametrize(("change", "words"), [
    (lambda nodes: nodes[:-1], "that 'digits' does not have|does not have"),
    (lambda nodes: (*nodes[:-1], replace(nodes[-1], layer=QCFS(threshold=1.0, levels=2))), "does not correspond|is QCFS"),
])  # fmt: skip
def test_networks_whose_nodes_do_not_correspond(ann, snn, test_data, change, words):
    with pytest.raises(refsnn.errors.SpecError, match=words):
        refsnn.verify(ann, Network("other", snn.input_shape, change(snn.nodes)), test_data.x[:1], steps=8)


def test_labels_have_to_be_as_many_as_samples(ann, snn, test_data):
    with pytest.raises(refsnn.errors.ShapeError, match="labels: 3 for 2 samples; give one label for each"):
        refsnn.verify(ann, snn, test_data.x[:2], test_data.labels[:3], steps=8)
