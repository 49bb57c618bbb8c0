"""The commands on a user's files: results, exit codes, one sentence for each mistake."""

import json

import numpy as np
import pytest
from harness import run_command, run_here

import refsnn


@pytest.fixture
def files(specs, tmp_path, monkeypatch):
    """A folder with a user's files, as the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("digits.yaml", "digits.safetensors", "digits_lif.yaml", "digits_lif.safetensors"):
        (tmp_path / name).write_bytes((specs / "networks" / name).read_bytes())
    for name in ("test", "calibration"):
        data = refsnn.load_data(specs / "data" / f"digits_{name}.npz", limit=60)
        np.savez(tmp_path / f"{name}.npz", x=data.x, y=data.labels)
    return tmp_path


@pytest.fixture
def refsnn_command(files, capsys):
    return lambda *arguments: run_here(*arguments, capsys=capsys)


def as_json(result, schema):
    data = json.loads(result.out)
    assert data.pop("schema") == f"refsnn.{schema}/1"
    return data


COMMANDS = {
    "summary": ["summary", "digits.yaml"],
    "convert": ["convert", "digits.yaml", "-o", "snn.yaml"],
    "verify": ["verify", "digits.yaml", "test.npz"],
    "run": ["run", "digits.yaml", "test.npz"],
    "cost": ["cost", "digits.yaml", "test.npz"],
    "score": ["score", "digits.yaml", "test.npz", "--calibration", "calibration.npz"],
    "chips": ["chips"],
    "golden-record": ["golden", "record", "digits.yaml", "test.npz", "-o", "g.golden"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_gives_a_table_that_fits_and_json(name, refsnn_command):
    text = refsnn_command(*COMMANDS[name])
    assert text.code == (1 if name == "verify" else 0), text.err
    assert max(map(len, text.out.splitlines())) <= 100
    assert "\x1b" not in text.out
    data = refsnn_command(*COMMANDS[name], "--format", "json")
    assert data.code == text.code
    assert as_json(data, name)


def test_the_policies_on_offer_are_those_that_can_be_made():
    from refsnn import study
    from refsnn.commands import options

    assert options.POLICIES == study.POLICIES


def test_every_command_with_a_model_takes_the_same_options():
    from refsnn.cli import cli

    commands = [*cli.commands.values(), *cli.commands["golden"].commands.values()]
    names = [{parameter.name for parameter in command.params} for command in commands]
    taking = [each for each in names if "model" in each]
    assert len(taking) == 8
    assert all({"spec", "strict", "semantics", "dt", "choices"} <= each for each in taking)


def test_every_command_has_help_with_an_example(refsnn_command):
    names = [*COMMANDS, "golden-check", "schema", "demo", "init", "scan"]
    listed = refsnn_command("--help").out
    for name in names:
        words = name.split("-")
        help_text = refsnn_command(*words, "--help").out
        assert f"\n  Example:\n    refsnn {' '.join(words)}" in help_text
        assert words[0] in listed


def test_summary_and_convert(refsnn_command, files):
    assert as_json(refsnn_command("summary", "digits.yaml", "--format", "json"), "summary")["is_spiking"] is False
    done = as_json(refsnn_command("convert", "digits.yaml", "-o", "snn.yaml", "--format", "json"), "convert")
    assert done["written"] == ["snn.yaml", "snn.safetensors"]
    assert refsnn.load(files / "snn.yaml").digest == done["digest"]
    assert as_json(refsnn_command("summary", "snn.yaml", "--format", "json"), "summary")["digest"] == done["digest"]
    again = refsnn_command("verify", "digits.yaml", "test.npz", "--snn", "snn.yaml", "--format", "json")
    assert again.out == refsnn_command("verify", "digits.yaml", "test.npz", "--format", "json").out


def test_verify_says_where_and_exits_1(refsnn_command):
    lockstep = refsnn_command("verify", "digits.yaml", "test.npz", "--steps", "8")
    assert lockstep.code == 1
    assert len(lockstep.out.splitlines()) <= 25
    assert "leaves its source" in lockstep.out
    delayed = refsnn_command("verify", "digits.yaml", "test.npz", "--schedule", "integrate_then_fire")
    assert delayed.code == 0
    assert "equal to its source in every layer" in delayed.out


def test_run_from_weights_with_a_spec_and_of_a_spiking_network(refsnn_command):
    one = as_json(
        refsnn_command("run", "digits.safetensors", "test.npz", "--spec", "digits.yaml", "--format", "json"), "run"
    )
    two = as_json(refsnn_command("run", "digits.yaml", "test.npz", "--backend", "naive", "--format", "json"), "run")
    assert one == two
    assert len(one["accuracy_by_step"]) == 8
    assert one["source_accuracy"] is not None
    lif = as_json(refsnn_command("run", "digits_lif.yaml", "test.npz", "--steps", "6", "--format", "json"), "run")
    assert lif["accuracy_by_step"][-1] >= 0.95
    assert lif["source_accuracy"] is None


def test_cost_and_score(refsnn_command):
    cost = as_json(refsnn_command("cost", "digits.yaml", "test.npz", "--format", "json"), "cost")
    assert [report["chip"] for report in cost["reports"]] == ["loihi", "digital_45nm", "eyeriss_like"]
    assert cost["reports"][2]["mean_steps"] == 1
    score = as_json(
        refsnn_command(*COMMANDS["score"], "--chip", "loihi", "--chip", "eyeriss_like", "--policy", "margin", "--policy", "oracle",
                       "--format", "json"), "score")  # fmt: skip
    assert [(one["policy"], one["chip"]) for one in score["scores"]] == [("top-2 margin", "loihi"), ("oracle", "loihi")]
    assert [one["chip"] for one in score["baselines"]] == ["eyeriss_like"]
    assert score["calibration_samples"] == 60


def test_golden_record_check_and_divergence(refsnn_command, files):
    assert refsnn_command("golden", "record", "digits.yaml", "test.npz", "--limit", "9", "-o", "g.golden").code == 0
    same = refsnn_command("golden", "check", "g.golden", "digits.yaml", "test.npz")
    assert (same.code, same.out.split(",")[0]) == (0, "g.golden: equal")
    stale = refsnn_command("golden", "check", "g.golden", "digits_lif.yaml", "test.npz")
    assert stale.code == 4
    assert "g.golden: stale: recorded for network_digest" in stale.err
    assert refsnn_command("golden", "check", "none.golden", "digits.yaml", "test.npz").code == 4


def test_schemas_for_editors_know_the_packaged_specs(refsnn_command, specs):
    from refsnn.specs import read

    for kind, folder in (("network", "networks"), ("chip", "chips")):
        described = json.loads(refsnn_command("schema", kind).out)
        for path in (specs / folder).glob("*.yaml"):
            kinds = [described["$defs"][each["$ref"].rpartition("/")[2]] for each in described.get("anyOf", [])] or [
                described
            ]  # a chip file describes a chip, or scales another
            keys = set(read(path).data)
            assert any(set(each["required"]) <= keys <= set(each["properties"]) for each in kinds), path


def test_results_are_written_whole_or_not_at_all(refsnn_command, files):
    result = refsnn_command("summary", "digits.yaml", "--format", "json", "-o", "summary.json")
    assert (result.code, result.out) == (0, "")
    assert json.loads((files / "summary.json").read_text())["name"] == "digits"
    assert refsnn_command("summary", "digits.yaml", "-o", "no/folder.txt").code == 3


def test_chips_prints_every_figure_with_its_source(refsnn_command):
    listed = refsnn_command("chips").out
    for name in ("loihi", "digital_45nm", "eyeriss_like", "odin"):
        assert name in listed
        text = refsnn_command("chips", name)
        assert text.code == 0
        assert max(map(len, text.out.splitlines())) <= 100
        assert "assumed: " in text.out
    loihi = as_json(refsnn_command("chips", "loihi", "--format", "json"), "chips")["chips"][0]
    assert loihi["components"][0]["actions"][0]["energy"]["grade"] == "pre-silicon"


SPEC = "name: n\ninput: [1, 8, 8]\nweights: digits.safetensors\nnodes:\n  - {name: conv1, layer: Conv2d, weight: 0.weight}\n"


def written(files, name, content):
    (files / name).write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["verify", "none.yaml", "test.npz"], 2, "File 'none.yaml' does not exist"),
        (["verify", "digits.yaml", "none.npz"], 2, "File 'none.npz' does not exist"),
        (["verify", "digits.yaml"], 2, "Missing argument 'DATA'"),
        (["veryfy", "digits.yaml"], 2, "No such command 'veryfy'"),
        (["run", "digits.yaml", "test.npz", "--steps", "0"], 2, "refsnn: steps: expected a whole number of at least 1, got 0"),
        (["run", "digits.yaml", "test.npz", "--steps", "many"], 2, "'many' is not a valid integer"),
        (["run", "digits.safetensors", "test.npz"], 3, "a weights file (safetensors), which names no layers; give the spec that does"),
        (["run", "unknown_key.yaml", "test.npz"], 2, "unknown_key.yaml:6:5: nodes[1].stride: unknown key"),
        (["run", "gone.yaml", "test.npz"], 3, "gone.safetensors: cannot read: No such file or directory"),
        (["run", "digits.yaml", "truncated.npz"], 3, "truncated.npz: begins like a zip file, but "),
        (["run", "truncated.yaml", "test.npz"], 3, "truncated.safetensors: "),
        (["run", "digits.yaml", "no_x.npz"], 3, "no_x.npz: has no array 'x' with the samples"),
        (["run", "digits.yaml", "wide.npz"], 3, "input x: samples have shape [1, 9, 9], the network takes [1, 8, 8]"),
        (["run", "digits.yaml", "nan.npz"], 3, "nan.npz: x: nan at index [0, 0, 0, 0]; every number must be finite"),
        (["run", "nan.yaml", "test.npz"], 3, "nan_weights.npz: w: inf at index [1, 0]; every number must be finite"),
        (["run", "shape.yaml", "test.npz"], 3, "shape.yaml: fc: weight expects 2 inputs, but the node before gives [64]"),
        (["run", "digits.yaml", "empty.npz"], 5, "empty.npz: x has no samples; give at least one"),
        (["verify", "digits_lif.yaml", "test.npz"], 3, "lif1: network 'digits_lif' spikes already; nothing to convert"),
        (["convert", "digits_lif.yaml", "-o", "out.yaml"], 3, "spikes already; nothing to convert"),
        (["convert", "digits.yaml", "-o", "out.npz"], 2, "name the spec, 'out.yaml'"),
        (["cost", "digits.yaml", "test.npz", "--chip", "odin"], 3, "chip 'odin' cannot hold the network: 1610 neurons"),
        (["cost", "digits.yaml", "test.npz", "--chip", "lohi"], 2, "chip 'lohi' is not packaged; did you mean 'loihi'?"),
        (["score", "digits.yaml", "test.npz", "--calibration", "test.npz"], 2, "test.npz: shares 60 samples with test.npz"),
        (["score", "digits.yaml", "no_y.npz", "--calibration", "calibration.npz"], 3, "no_y.npz: has no array 'y'"),
        (["score", "digits.yaml", "test.npz", "--calibration", "calibration.npz", "--epsilon", "2"], 2, "epsilon is 2.0"),
        (["score", "digits_lif.yaml", "test.npz", "--calibration", "calibration.npz", "--chip", "eyeriss_like"], 2,
         "chip 'eyeriss_like' runs a source network, but 'digits_lif' spikes"),
        (["chips", "lohi"], 2, "chip 'lohi' is not packaged; did you mean 'loihi'?"),
        (["golden", "check", "text.golden", "digits.yaml", "test.npz"], 4, "text.golden: not readable as a golden file"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_an_exit_code_and_no_output(files, refsnn_command, specs, arguments, code, words):
    x = refsnn.load_data(files / "test.npz").x
    np.savez(files / "no_x.npz", data=x)
    np.savez(files / "no_y.npz", x=x)
    np.savez(files / "wide.npz", x=np.zeros((2, 1, 9, 9)))
    np.savez(files / "empty.npz", x=np.zeros((0, 1, 8, 8)))
    np.savez(files / "nan.npz", x=np.full((1, 1, 8, 8), np.nan))
    np.savez(files / "nan_weights.npz", w=np.array([[0.0], [np.inf]]))
    np.savez(files / "small.npz", w=np.ones((2, 2)))
    written(files, "truncated.npz", (files / "test.npz").read_bytes()[:-50])
    written(files, "truncated.safetensors", (files / "digits.safetensors").read_bytes()[:-50])
    written(files, "truncated.yaml", SPEC.replace("digits.s", "truncated.s"))
    written(files, "gone.yaml", SPEC.replace("digits.s", "gone.s"))
    written(files, "unknown_key.yaml", f"{SPEC}  - stride: 1\n    name: if1\n    layer: IF\n    v_threshold: 1.0\n")
    written(files, "nan.yaml", SPEC.replace("digits.safetensors", "nan_weights.npz").replace("0.weight", "w"))
    written(files, "shape.yaml", "name: n\ninput: [1, 8, 8]\nweights: small.npz\nnodes:\n  - {name: flat, layer: Flatten}\n"
            "  - {name: fc, layer: Linear, weight: w}\n")  # fmt: skip
    written(files, "text.golden", "no golden")
    before = sorted(path.name for path in files.iterdir())
    result = refsnn_command(*arguments)
    assert result.code == code, result
    assert words in result.err
    assert "Traceback" not in result.err
    assert result.out == ""
    message = [line for line in result.err.splitlines() if line.startswith("refsnn: ")]
    assert len(message) <= 1
    assert sorted(path.name for path in files.iterdir()) == before


def test_a_bug_exits_70_too_little_memory_3_and_an_interruption_130(refsnn_command, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("boom")

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    def too_large(*_, **__):
        raise MemoryError

    monkeypatch.setattr("refsnn.simulator.simulate", broken)
    result = refsnn_command("run", "digits.yaml", "test.npz")
    assert result.code == 70
    assert "internal error: this is a bug" in result.err
    monkeypatch.setattr("refsnn.simulator.simulate", too_large)
    result = refsnn_command("run", "digits.yaml", "test.npz")
    assert (result.code, result.err.splitlines()[-1]) == (
        3,
        "refsnn: not enough memory for this run; use --limit N or fewer steps",
    )
    monkeypatch.setattr("refsnn.simulator.simulate", interrupted)
    assert refsnn_command("run", "digits.yaml", "test.npz").code == 130


def test_the_installed_command_from_another_folder(files):
    result = run_command("run", "digits.yaml", "test.npz", "--limit", "5", cwd=files)
    assert result.code == 0, result.err
    assert "accuracy after each step, 5 samples" in result.out
    assert result.err == "run: 5 samples\n"
    assert run_command("chips", cwd=files).code == 0


def test_the_demo(tmp_path):
    result = run_command("demo", "-o", "out", cwd=tmp_path)
    assert result.code == 0, result.err
    assert max(map(len, result.out.splitlines())) <= 100
    for stage in range(1, 7):
        assert f"\n{stage}. " in f"\n{result.out}"
    assert "turned around the spike of act2, step 4, sample 7, neuron [5, 1, 2]" in result.out
    assert (
        "First divergence   layer act2, step 4, sample 7, neuron [5, 1, 2]\n  spikes: expected True, got False"
        in result.out
    )
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert len(scores["scores"]) == 22
    html = (tmp_path / "out" / "report.html").read_text()
    assert len(html) < 300_000
    assert html.count("<svg") == 4
    fetched = html.replace("http://www.w3.org/", "")  # the namespaces of SVG
    assert "http" not in fetched.replace('<meta http-equiv="Content-Security-Policy"', "")
    again = run_command("demo", "-o", "again", cwd=tmp_path)
    assert again.code == 0
    for name in ("scores.json", "report.html", "digits.golden"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_the_command_lines_schedules_are_the_simulators():
    from refsnn.commands import options
    from refsnn.schedules import SCHEDULES

    assert list(SCHEDULES) == options.SCHEDULES


def test_fixed_point_from_the_command_line(refsnn_command):
    """Round the digits' network to eight bits, run it, and be refused with the unrounded one."""
    formats = "fixed:8.5,24.14,24.14"
    written = refsnn_command("convert", "digits.yaml", "-o", "snn8.yaml", "--quantise", formats)
    assert written.code == 0, written.err
    ran = refsnn_command("run", "snn8.yaml", "test.npz", "--arithmetic", formats, "--format", "json")
    assert ran.code == 0, ran.err
    result = json.loads(ran.out)
    assert result["accuracy_by_step"][-1] > 0.9
    assert set(result["overflows"].values()) == {0}
    refused = refsnn_command("run", "digits.yaml", "test.npz", "--arithmetic", formats)
    assert (refused.code, refused.out) == (3, "")
    assert "is no multiple of 2^-5 as Q(8, 5) has them; round the network first" in refused.err
    mistaken = refsnn_command("run", "digits.yaml", "test.npz", "--arithmetic", "float16")
    assert mistaken.code == 2
    assert (
        "arithmetic: 'float16' is none; did you mean 'float64'?; expected float32, float64, exact or fixed"
        in mistaken.err
    )


def test_certificates_and_budgets_of_scores(specs, capsys):
    from harness import run_here

    arguments = [specs / "networks" / "digits.yaml", specs / "data" / "digits_test.npz", "--calibration",
                 specs / "data" / "digits_calibration.npz", "--chip", "digital_45nm", "--policy", "confidence"]  # fmt: skip
    sure = run_here("score", *arguments, "--guarantee", "learn-then-test", "--epsilon", "0.02", capsys=capsys)
    assert sure.code == 0
    assert max(map(len, sure.out.splitlines())) <= 100
    assert "With probability 0.95 over the 400 calibration samples, confidence > 0.999254 decides" in " ".join(
        sure.out.split()
    )
    few = run_here(
        "score", *arguments, "--guarantee", "learn-then-test", "--limit", "50", "--format", "json", capsys=capsys
    )
    (certificate,) = json.loads(few.out)["certificates"]
    assert certificate["index"] == 0
    assert certificate["samples_needed"] == 299  # ln(0.05) / ln(0.99)
    assert run_here("score", *arguments, "--max-energy", "2 uJ", "--min-accuracy", "96", capsys=capsys).code == 0
    dear = run_here("score", *arguments, "--max-energy", "1 nJ", capsys=capsys)
    assert dear.code == 1
    assert "budget: digital_45nm: confidence takes 1.1 uJ, over 1 nJ" in dear.out
    wrong = run_here("score", *arguments, "--max-energy", "2 watts", capsys=capsys)
    assert (wrong.code, wrong.err.splitlines()[-1]) == (
        2, "refsnn: --max-energy: expected a quantity in J such as '23.6 pJ', got '2 watts'"
    )  # fmt: skip


def test_calibrating_on_scored_samples_is_refused_unless_asked_for_and_then_said(specs, capsys):
    from harness import run_here

    data = specs / "data" / "digits_test.npz"
    arguments = ["score", specs / "networks" / "digits.yaml", data, "--calibration", data, "--chip", "digital_45nm",
                 "--policy", "confidence", "--limit", "20"]  # fmt: skip
    refused = run_here(*arguments, capsys=capsys)
    assert refused.code == 2
    assert "shares 20 samples with" in refused.err
    text = run_here(*arguments, "--allow-overlap", capsys=capsys)
    assert text.code == 0
    assert text.out.startswith("NOT A TEST: 20 of 20 scored samples were calibrated on, which flatters every policy\n")
    found = json.loads(run_here(*arguments, "--allow-overlap", "--format", "json", capsys=capsys).out)
    assert found["calibrated_on_scored_samples"] == 20
    (one,) = found["scores"]
    low, high = one["accuracy_interval"]
    assert low <= one["accuracy"] <= high
    assert one["steps_interval"][0] <= one["mean_steps"] <= one["steps_interval"][1]


def test_a_policy_network_is_scored_with_its_own_work(specs, tmp_path, capsys):
    from harness import run_here

    import refsnn
    from refsnn.policy_training import PolicyTraining, train_policy

    snn = refsnn.convert(refsnn.load(specs / "networks" / "digits.yaml"))
    train = refsnn.load_data(specs / "data" / "digits_train.npz", limit=200)
    readout = refsnn.simulate(snn, train.x, steps=8).readout
    network = train_policy(train.x, readout, train.labels, PolicyTraining(hidden=0, epochs=2)).network
    refsnn.dump(network, tmp_path / "policy.yaml")
    arguments = [specs / "networks" / "digits.yaml", specs / "data" / "digits_test.npz", "--calibration",
                 specs / "data" / "digits_calibration.npz", "--chip", "digital_45nm", "--policy", "fixed", "--limit", "30"]  # fmt: skip
    result = run_here(
        "score", *arguments, "--policy-network", tmp_path / "policy.yaml", "--format", "json", capsys=capsys
    )
    (one,) = [each for each in json.loads(result.out)["scores"] if each["policy"] == "policy network"]
    assert one["policy_energy_j"] > 0
