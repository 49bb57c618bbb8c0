"""The snippets as texts: there is one for each framework, tested, without refsnn, and short."""

import re

import pytest
from exporting import PAGE, snippets

FRAMEWORKS = {
    "torch": {"torch", "safetensors"},
    "snntorch": {"snntorch", "torch"},
    "spikingjelly": {"spikingjelly", "torch"},
    "sinabs": {"sinabs"},
    "norse": {"norse", "torch"},
    "lava-dl": {"lava", "numpy"},
    "keras": {"keras", "numpy"},
    "flax": {"flax", "jax", "numpy"},
}
TESTS = PAGE.parents[1] / "tests" / "exporters"


def test_there_is_one_for_each_framework_and_a_test_for_each():
    found = snippets()
    assert set(found) == set(FRAMEWORKS)
    for name in set(found) - {"torch"}:
        test = (TESTS / f"test_{name.removesuffix('-dl')}.py").read_text()
        assert f'"{name}"' in test


def test_the_page_says_what_each_was_tested_with():
    rows = re.findall(r"^\| \[([^]]+)\]\(#([^)]+)\).*?\| ([^|]+) \|", PAGE.read_text(), flags=re.M)
    headings = re.findall(r"^## (.+)$", PAGE.read_text(), flags=re.M)
    assert [name for name, _, _ in rows] == headings[1:]
    assert all(re.search(r"\d+\.\d+\.\d+", versions) for _, _, versions in rows)


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_it_imports_nothing_but_its_framework_and_is_short(name):
    text = snippets()[name]
    modules = re.findall(r"^(?:import|from) (\w+)", text, flags=re.M)
    assert set(modules) - {"json", "functools", "pathlib"} == FRAMEWORKS[name]
    compile(text, name, "exec")
    assert text.count("\n") <= 90
    assert max(map(len, text.splitlines())) <= 130
