"""README and documentation: their commands and Python run, their figures are those of the demo, their lists complete."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from harness import run_here
from hypothesis import settings

import hwmodel
import refsnn
from hwmodel.accesses import COUNTS
from refsnn.layers import LAYERS

ROOT = Path(__file__).parents[1]


def blocks(path, language):
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(), flags=re.S)


@pytest.fixture
def few_examples():
    """The documentation's tests are there to be read; that they run is seen from few examples."""
    before = settings.get_current_profile_name()
    settings.register_profile("few", settings.get_profile(before), max_examples=5)
    settings.load_profile("few")
    yield
    settings.load_profile(before)


def test_the_readmes_python_runs(specs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "specs").symlink_to(specs)
    (code,) = blocks(ROOT / "README.md", "python")
    exec(code, {})  # noqa: S102, our own README
    assert "net.golden: equal" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "number"),
    [(path, i) for path in sorted(ROOT.glob("docs/*.md")) for i in range(len(blocks(path, "python")))],
    ids=lambda value: getattr(value, "name", value),
)
def test_the_documentations_python_runs(path, number, specs, tmp_path, monkeypatch, capsys, few_examples):
    """Tests in it are called too, without arguments: Hypothesis gives them what they need."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "specs").symlink_to(specs)
    names: dict[str, object] = {}
    exec(blocks(path, "python")[number], names)  # noqa: S102, our own documentation
    tests = [value for name, value in names.items() if name.startswith("test_")]
    for test in tests:
        test()
    assert tests or capsys.readouterr().out


def test_the_readmes_commands_run(specs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = (specs / "networks" / "digits.yaml").read_text()
    (tmp_path / "net.yaml").write_text(text)
    (tmp_path / "digits.safetensors").write_bytes((specs / "networks" / "digits.safetensors").read_bytes())
    (tmp_path / "my.yaml").write_text((specs / "chips" / "digital_45nm.yaml").read_text())
    (tmp_path / "weights.safetensors").write_bytes((tmp_path / "digits.safetensors").read_bytes())
    for name, split in (("test", "test"), ("held", "calibration")):
        data = refsnn.load_data(specs / "data" / f"digits_{split}.npz", limit=50)
        np.savez(tmp_path / f"{name}.npz", x=data.x, y=data.labels)
    commands = [
        line for block in blocks(ROOT / "README.md", "") for line in block.splitlines() if line.startswith("refsnn ")
    ]
    assert len(commands) == 19
    for command in commands:
        result = run_here(*shlex.split(command, comments=True)[1:], capsys=capsys)
        assert result.code == (1 if " verify " in command else 0), (command, result)


def test_the_readmes_figures_are_those_of_the_demo(ann, snn, trace, test_data, calibration_data):
    readme = (ROOT / "README.md").read_text()
    source = refsnn.forward(ann, test_data.x).output.argmax(-1)
    verdict = refsnn.verify(ann, snn, test_data.x, steps=8)
    held = refsnn.simulate(snn, calibration_data.x, steps=8).readout
    policy = refsnn.policies.TopK.calibrate(held, calibration_data.labels, epsilon=0.01)
    score = hwmodel.score(policy, trace, test_data.labels, hwmodel.load_chip("loihi"))
    shares = [100 * layer.end_to_end.exact / layer.end_to_end.neurons for layer in verdict.layers]
    for figure in (
        f"{100 * (source == test_data.labels).mean():.2f} % |",
        f"{100 * (trace.readout[-1].argmax(-1) == test_data.labels).mean():.2f} %, same decision for {verdict.same_decision} of 400",
        f"layer 1: {shares[0]:.0f} %, layer 2: {shares[1]:.2f} %, layer 3: {shares[2]:.2f} %",
        f"{100 * score.accuracy:.2f} % after {score.mean_steps:.3f} steps on average",
    ):
        assert figure in readme


def test_every_command_is_documented():
    from refsnn.cli import cli, hwmodel_cli

    documented = (ROOT / "docs" / "cli.md").read_text() + (ROOT / "README.md").read_text()
    for name in hwmodel_cli.commands:
        assert f"`hwmodel {name}`" in documented
    for name, command in cli.commands.items():
        for words in [f"{name} {sub}" for sub in getattr(command, "commands", [])] or [name]:
            assert f"`{words}`" in documented or f"refsnn {words}" in documented


def test_the_json_keys_are_documented(specs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    net, data = specs / "networks" / "digits.yaml", specs / "data" / "digits_test.npz"
    table = dict(re.findall(r"`refsnn\.([\w-]+)/1` \| (.*) \|", (ROOT / "docs" / "cli.md").read_text()))
    for name, arguments in (
        ("summary", [net]),
        ("verify", [net, data, "--limit", 2]),
        ("run", [net, data, "--limit", 2]),
        ("cost", [net, data, "--limit", 2]),
        ("score", [net, data, "--calibration", specs / "data" / "digits_calibration.npz", "--limit", 20]),
    ):
        printed = json.loads(run_here(name, *arguments, "--format", "json", capsys=capsys).out)
        listed = re.sub(r"\[.*?\]", "", table[name]).split(", ")
        assert set(printed) - {"schema"} == set(listed)


def test_every_layer_and_count_is_documented():
    text = (ROOT / "docs" / "specs.md").read_text()
    for name in [*LAYERS, *COUNTS]:
        assert f"`{name}`" in text


@pytest.mark.parametrize(
    "path", [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob(".github/*.md")], ids=lambda p: p.name
)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        assert target.startswith("https://") or (path.parent / target).exists(), target
