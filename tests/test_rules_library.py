"""Names, spec files, comparisons and documentation of the rules."""

import json
from pathlib import Path

import numpy as np
import pytest

import refsnn
from hwmodel import rules
from hwmodel.rules.library import RULES
from refsnn.effective import layer_inputs, membrane_changes
from refsnn.errors import NothingCompared, ShapeError, SpecError, UnsupportedLayerError
from refsnn.layers import Add, Linear, Scale
from refsnn.messages import messages
from refsnn.patches import patch_counts

DOCUMENT = Path(__file__).parents[1] / "docs" / "rules.md"


@pytest.fixture(scope="module")
def evidence(snn, test_data):
    """Of the digits network's 8 steps on 400 images, everything that a rule may ask for; and the run."""
    kept = refsnn.Record(spikes=snn.neurons, v=snn.neurons)
    trace = refsnn.simulate(snn, test_data.x, steps=8, record=kept)
    late = refsnn.simulate(snn, test_data.x, steps=8, schedule="pipeline", record=kept)
    did = messages(snn, late, test_data.x, {"act1": (0, 0), "act2": (0, 1), "act3": (0, 2)})
    return trace, rules.Evidence(
        layer_inputs(snn, trace, test_data.x), membrane_changes(trace), patch_counts(snn, trace, test_data.x), did
    )


def test_the_documented_table_is_this_one(evidence):
    """One line for each tool; a figure that moves has to be written anew there."""
    trace, more = evidence
    families: dict[str, list[str]] = {}
    compared = rules.compare(trace.activity, evidence=more)
    for line in compared.lines:
        family, _, variant = line.rule.partition(":")
        families.setdefault(family, []).append(f"{variant} {line.charge}".strip())
    text = DOCUMENT.read_text()
    for family, figures in families.items():
        rule = rules.load(next(name for name in rules.names() if name.partition(":")[0] == family))
        counts = f"{rule.counts.synapses}; neurons: {rule.counts.neurons}; memory: {rule.counts.memory}; borders: {rule.counts.borders}"
        figure = "; ".join(figures) if figures != ["-"] else "needs a mapping"
        row = f"| {rule.tool}: `{family}` | {rule.version} | {counts} | {rule.leaves_out} | {figure} |"
        assert row in text, row
    energies = [line.report.energy_per_inference_j for line in compared.lines if line.report and line.report.energy_j]
    assert f"From {min(energies) * 1e9:.0f} nJ to {max(energies) * 1e3:.2f} mJ" in text
    assert f"a factor of {round(max(energies) / min(energies), -2):,.0f} for one run" in text


def test_every_rule_names_its_source_and_prices_its_figures(specs):
    assert len(rules.names()) == len(set(rules.names())) == 27
    for name in rules.names():
        rule = rules.load(name)
        assert rule.name == name
        assert rule.source
        assert rule.version
    for path in (specs / "rules").glob("*.yaml"):
        text = path.read_text()
        # every price stands with its source, in one line
        assert all("source:" in line for line in text.splitlines() if "nominal:" in line), path.name
        assert set(RULES) >= {line.split()[1] for line in text.splitlines() if line.startswith("rule:")}


def test_no_price_stands_in_the_code():
    folder = Path(rules.__file__).parent
    for path in folder.glob("*.py"):
        assert not [word for word in ("e-12", "e-9", ' pJ"', ' nJ"') if word in path.read_text()], path.name


def test_a_comparison_in_data_and_words(evidence):
    trace, more = evidence
    found = rules.compare(trace.activity, ["syops", "neurobench", "spikesim:event_rram", "odin"], more)
    assert [line.ratio for line in found.lines] == [1.0, None, pytest.approx(found["spikesim:event_rram"].ratio), None]
    assert (
        found["spikesim:event_rram"].ratio
        == found["spikesim:event_rram"].report.energy_j / found["syops"].report.energy_j
    )
    assert json.loads(json.dumps(found.as_data()))[0]["rule"] == "syops"
    assert found.table()[0][:3] == ["rule", "per inference", "ratio"]
    text = str(found)
    assert "spikesim:event_rram" in text
    assert "borders   ignored: outputs x kernel" in text
    without = rules.compare(trace.activity, ["spikesim:event_rram"])
    assert without["spikesim:event_rram"].report is None
    assert "note: not priced: rule 'spikesim:event_rram': conv1: needs evidence.patches" in str(without)
    with pytest.raises(SpecError, match="rule 'sinabs' was not compared; known: spikesim:event_rram"):
        without["sinabs"]


def test_evidence_is_the_same_in_parts(snn, test_data, monkeypatch):
    """Sample by sample, as memory allows no more."""
    x = test_data.x[:5]
    trace = refsnn.simulate(snn, x, steps=3, record=refsnn.Record(spikes=snn.neurons))
    whole, touched = layer_inputs(snn, trace, x), patch_counts(snn, trace, x)
    monkeypatch.setattr("refsnn.replay.CHUNK_BYTES", 1)
    for name, read in layer_inputs(snn, trace, x).items():
        assert read.pairs.tolist() == whole[name].pairs.tolist()
        assert read.magnitude.tolist() == whole[name].magnitude.tolist()
    for name, patches in patch_counts(snn, trace, x).items():
        assert patches.rows.tolist() == touched[name].rows.tolist()


def test_evidence_of_another_run_is_refused(evidence, snn, test_data):
    trace, more = evidence
    shorter = refsnn.simulate(snn, test_data.x[:5], steps=3)
    with pytest.raises(
        ShapeError,
        match=r"evidence: inputs\['conv1'\] is of 8 steps and 400 samples, the activity of 3 and 5; take both from one run",
    ):
        rules.load("syops").price(shorter.activity, more)
    nothing = trace.activity
    empty = type(nothing)(
        tuple(n.with_counts({k: c[:, :0] for k, c in n.counts().items()}) for n in nothing.nodes),
        np.zeros(0, np.int64),
        8,
    )
    with pytest.raises(NothingCompared, match="rule 'syops': the activity has no samples; give at least one"):
        rules.load("syops").price(empty)


def test_a_rule_of_your_own(specs, tmp_path, evidence):
    trace, _ = evidence
    text = (specs / "rules" / "syops.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(text.replace("'0.9 pJ'", "'1.8 pJ'"))
    mine, theirs = rules.load(tmp_path / "mine.yaml"), rules.load("syops")
    assert mine.name == "mine"
    charge = lambda rule: rule.price(trace.activity).totals()["AC"][1]  # noqa: E731
    assert charge(mine) == pytest.approx(2 * charge(theirs), rel=1e-12)
    (tmp_path / "two.yaml").write_text((specs / "rules" / "keras_spiking.yaml").read_text())
    assert rules.load(f"{tmp_path / 'two.yaml'}:gpu").name == "two:gpu"


def test_a_sum_that_reads_itself_can_be_priced():
    """An Add whose sum comes back to it a step later, without neurons on the way."""
    nodes = (
        refsnn.Node("sum", Add(), ("input", "again"), (0, 1)), refsnn.Node("again", Scale(factor=0.5), ("sum",)),
        refsnn.Node("fc", Linear(weight=np.ones((2, 3))), ("sum",)),
    )  # fmt: skip
    network = refsnn.Network("n", (3,), nodes)
    drive = refsnn.EventList(*np.array([[0], [0], [0]]), 1, (3,))
    activity = refsnn.simulate(network, drive, steps=3).activity
    # none of its numbers needs to be 0 or 1: dense
    assert rules.load("syops").price(activity).count("MAC") == 3 * 6
    with pytest.raises(
        UnsupportedLayerError, match="sum: what again gave is not known: it is on a cycle without neurons"
    ):
        layer_inputs(network, refsnn.simulate(network, drive, steps=3), drive)


def test_mistakes_in_names_and_files(specs, tmp_path):
    with pytest.raises(
        SpecError, match="rule 'sinab' is not packaged; did you mean 'sinabs'[?]; or give a path to a .yaml"
    ):
        rules.load("sinab")
    with pytest.raises(
        SpecError, match="rule 'keras_spiking:loihy' is none of keras_spiking; did you mean 'keras_spiking:loihi'"
    ):
        rules.load("keras_spiking:loihy")
    with pytest.raises(SpecError, match="rule 'keras_spiking' is none of keras_spiking"):
        rules.load("keras_spiking")
    text = (specs / "rules" / "keras_spiking.yaml").read_text()
    path = tmp_path / "bad.yaml"
    path.write_text(text.replace("energy_per_synop: {nominal: '0.3 nJ'", "energy_per_synop: {nominal: '0.3 nW'"))
    with pytest.raises(
        SpecError, match=r"bad.yaml:\d+:\d+: variants.gpu.energy_per_synop: expected a quantity in J such as '23.6 pJ'"
    ):
        rules.load(f"{path}:gpu")
    path.write_text(text.replace("rule: keras_spiking", "rule: keras_spikin"))
    with pytest.raises(
        SpecError, match="bad.yaml:2:1: rule: unknown rule 'keras_spikin'; did you mean 'keras_spiking'"
    ):
        rules.load(f"{path}:gpu")
    path.write_text("- a\n")
    with pytest.raises(SpecError, match="bad.yaml:1:1: expected a mapping such as 'rule: ...'"):
        rules.load(path)


def test_reports_in_words(evidence):
    trace, _ = evidence
    text = str(rules.load("spikingjelly_horowitz:int8").price(trace.activity))
    assert text.splitlines()[0] == "spikingjelly_horowitz:int8: 169 nJ per inference, 400 samples"
    assert "note: conv2: taken to read other values than 0 and 1 at every step; give evidence.inputs" in text
    assert str(rules.load("sinabs").price(trace.activity)).startswith("sinabs: no price, 400 samples")
    data = rules.load("odin").price(trace.activity).as_data()
    assert data["energy_per_inference_j"] is None
    assert data["latency_per_inference_s"] == pytest.approx(10.1e-3, rel=1e-2)
