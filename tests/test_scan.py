"""`refsnn scan`: accepted, or refused with a code, a place, a reason and a remedy; as a table, JSON and SARIF."""

import io
import json
import zipfile

import numpy as np
import pytest
from harness import run_here
from hypothesis import given
from hypothesis import strategies as st

from refsnn.errors import LoadError
from refsnn.formats import open_model
from refsnn.formats.refusals import CODES
from refsnn.formats.scanning import sarif, scan, scan_data


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "good.npz", w=np.ones((2, 3)), b=np.ones(2))
    (tmp_path / "pointer.pt").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n")
    (tmp_path / "page 1%.pt").write_bytes(b"<!DOCTYPE html><html>\x1b[31m</html>")
    (tmp_path / "pickle.pkl").write_bytes(b"\x80\x04cos\nsystem\n.")
    with zipfile.ZipFile(tmp_path / "climbs.npz", "w") as archive:
        archive.writestr("../\x1b[31mw.npy", b"")
    return tmp_path


ALL = ["good.npz", "pointer.pt", "page 1%.pt", "pickle.pkl", "climbs.npz", "none.pt"]


def test_accepted_files_exit_0(files, capsys):
    result = run_here("scan", "good.npz", "good.npz", capsys=capsys)
    assert (result.code, result.err) == (0, "")
    assert "scan: 2 files, 0 refused; nothing of them was run" in result.out
    assert "npz, 2 tensors" in result.out


def test_refused_files_exit_3_with_their_reasons(files, capsys):
    text = run_here("scan", *ALL, capsys=capsys)
    assert (text.code, text.err) == (3, "")
    assert max(map(len, text.out.splitlines())) <= 100
    assert "\x1b" not in text.out
    printed = json.loads(run_here("scan", *ALL, "--format", "json", capsys=capsys).out)
    assert printed["refused"] == 5
    assert [one["code"] for one in printed["files"]] == [
        None, "not-a-model", "not-a-model", "executable", "unsafe-name", "unreadable"
    ]  # fmt: skip
    assert printed["files"][1] == {
        "path": "pointer.pt", "accepted": False, "format": None, "tensors": None, "code": "not-a-model", "place": "",
        "reason": "a Git LFS pointer, not the file itself", "remedy": "fetch it with 'git lfs pull'",
    }  # fmt: skip


def test_the_json_keys_are_those_of_the_documentation(files, capsys):
    import re
    from pathlib import Path

    listed = dict(
        re.findall(r"`refsnn\.([\w-]+)/1` \| (.*) \|", (Path(__file__).parents[1] / "docs" / "cli.md").read_text())
    )
    printed = json.loads(run_here("scan", "good.npz", "--format", "json", capsys=capsys).out)
    head, inner = re.fullmatch(r"(.*)\[(.*)\]", listed["scan"]).groups()
    assert set(printed) - {"schema"} == set(head.split(", "))
    assert set(printed["files"][0]) == set(inner.split(", "))
    first = json.loads(run_here("init", "good.npz", "--format", "json", capsys=capsys).out)
    assert set(first) - {"schema"} == set(listed["init"].split(", "))


def test_the_log_is_sarif(files, capsys):
    """Required properties and references of SARIF 2.1.0, sections 3.13 to 3.29 and 3.49; the schema itself is not here."""
    result = run_here("scan", *ALL, "--format", "sarif", "-o", "scan.sarif", capsys=capsys)
    assert (result.code, result.out) == (3, "")
    log = json.loads((files / "scan.sarif").read_text())
    assert set(log) == {"$schema", "version", "runs"}
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    rules = driver["rules"]
    assert [rule["id"] for rule in rules] == list(CODES)
    assert all(rule["shortDescription"]["text"] for rule in rules)
    assert {rule["defaultConfiguration"]["level"] for rule in rules} == {"error", "warning"}
    assert len(run["results"]) == 5
    for one in run["results"]:
        assert rules[one["ruleIndex"]]["id"] == one["ruleId"]
        assert one["level"] == rules[one["ruleIndex"]]["defaultConfiguration"]["level"]
        assert one["message"]["text"]
        assert len(one["locations"]) == 1
    uris = [one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in run["results"]]
    assert uris == ["pointer.pt", "page%201%25.pt", "pickle.pkl", "climbs.npz", "none.pt"]
    assert "\x1b" not in json.dumps(log, ensure_ascii=False)
    absolute = sarif([scan(files / "pickle.pkl")], "0")["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert absolute["artifactLocation"]["uri"] == (files / "pickle.pkl").as_uri()


@given(cut=st.floats(0, 1), position=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255))
def test_scan_and_open_agree_on_every_file(cut, position, value, tmp_path_factory):
    buffer = io.BytesIO()
    np.savez(buffer, w=np.ones((2, 3)))
    content = bytearray(buffer.getvalue())
    content[int(position * len(content))] = value
    path = tmp_path_factory.mktemp("scan") / "file"
    path.write_bytes(content[: int(cut * len(content))])
    found = scan(path)
    opened = None
    try:
        model = open_model(path)
    except LoadError as error:
        opened = (None, None, error.code, error.place, error.reason, error.remedy)
    else:
        opened = (model.format.value, len(model.tensors), None, "", "", "")
    assert (found.format, found.tensors, found.code, found.place, found.reason, found.remedy) == opened
    assert scan_data([found])["refused"] == (not found.accepted)
