"""The nightly fuzzers: their seeds are those that the script makes, their targets open them, and a mistake is found."""

import pytest
from fuzz import fuzz
from fuzz_targets import MISTAKES, SEEDS, TARGETS, seeds

from refsnn.errors import LoadError

REFUSED = {
    "cycle",
    "relu",
}  # seeds that lead to where something is refused: a list in itself, an output of another shape


@pytest.mark.parametrize("reader", TARGETS)
def test_the_seeds_are_made_by_the_script_and_reach_the_reader(reader):
    target, _ = TARGETS[reader]
    made = seeds(reader)
    assert {path.name: path.read_bytes() for path in (SEEDS / reader).iterdir()} == made
    for name, content in made.items():
        if name in REFUSED:
            with pytest.raises(LoadError):
                target(content)
        else:
            target(content)


def test_the_seeds_are_small():
    assert sum(path.stat().st_size for path in SEEDS.rglob("*") if path.is_file()) <= 40_000


def test_a_mistake_is_found_and_kept(tmp_path):
    pytest.importorskip("atheris")
    good, said = fuzz("planted", 20, tmp_path)
    assert not good
    assert "KeyError: 'planted'" in said
    (kept,) = tmp_path.iterdir()
    with pytest.raises(KeyError, match="planted"):
        MISTAKES["planted"][0](kept.read_bytes())
