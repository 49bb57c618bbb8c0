"""The list of mutants follows the code, and so does the table of their results. (A mutant itself fails here: the run of mutants
leaves this file out.)
"""

import pytest
from mutant_list import MUTANTS, NEAREST
from mutants import ROOT, failure, nearest, results, shown


@pytest.mark.parametrize("file", dict.fromkeys(mutant[0] for mutant in MUTANTS))
def test_every_text_stands_in_its_file(file):
    source = (ROOT / file).read_text()
    assert [text for name, text, _ in MUTANTS if name == file and text not in source] == []


def test_mutants_are_told_apart_and_change_something():
    assert len({shown(mutant) for mutant in MUTANTS}) == len(MUTANTS)
    assert all(text != replacement for _, text, replacement in MUTANTS)


def test_the_nearest_tests_are_there():
    for file, _, _ in MUTANTS:
        assert nearest(ROOT, file), file
    names = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
    assert {test for _, tests in NEAREST for test in tests.split()} <= names


def test_the_table_has_a_row_for_each():
    assert list(results()) == [shown(mutant) for mutant in MUTANTS]


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("def test_a():\n    assert True\n", ""),
        ("def test_a():\n    assert False\n", "test_a.py::test_a"),
        ("import nothing_of_this_name\n", "test_a.py"),
        ("import os\ndef test_a():\n    os.kill(os.getpid(), 9)\n", "signal 9"),
    ],
)
def test_what_kills_is_a_test_that_fails(tmp_path, test, expected):
    (tmp_path / "test_a.py").write_text(test)
    assert failure(tmp_path, ["test_a.py"], tmp_path / "cache", "0") == expected


def test_a_run_that_cannot_start_is_no_result(tmp_path):
    with pytest.raises(SystemExit, match="no test failed, so this is no result"):
        failure(tmp_path, ["test_b.py"], tmp_path / "cache", "0")
