"""Opening a file runs nothing, opens nothing else, costs little, and says why it refuses: on every file of the corpus.

The child processes are tests/hostile/child.py; what they may do is in its Watch, what opening may cost in hostile.watching.
"""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hostile import mutations, valid
from hostile.cases import ANY, OPENED
from hostile.corpus import corpus
from hostile.watching import Outcome, how_opened, observed, opened

# one child each, of about equal time: HDF5 files start a process of their own
BATCHES = (
    ("pickle", "torch", "zip", "yaml"),
    ("safetensors", "numpy", "onnx", "msgpack", "mat", "impostor", "many"),
    ("hdf5",),
    ("keras", "truncated"),
)

SHOWN = 20  # faults that a failing test prints; `python -m hostile` prints them all


def kind(case):
    return case.name.split("/")[0]


@pytest.mark.parametrize("kinds", BATCHES, ids="-".join)
def test_hostile_files_are_refused_and_nothing_else_happens(kinds, tmp_path):
    cases = [case for case in corpus() if kind(case) in kinds]
    outcomes = opened(tmp_path, cases)
    faults = [
        f"{case.name}: {fault}"
        for case, found in zip(cases, outcomes, strict=True)
        for fault in found.faults(case.codes)
    ]
    assert not faults, "\n".join([f"{len(faults)} faults", *faults[:SHOWN]])


def test_damaged_files_open_or_are_refused_with_a_code(tmp_path):
    """The first of the 10,000 of `python -m hostile.mutations`."""
    cases = list(mutations.cases(seed=1, count=300))
    outcomes = opened(tmp_path, cases)
    faults = [
        f"{case.name}: {fault}"
        for case, found in zip(cases, outcomes, strict=True)
        for fault in found.faults(case.codes)
    ]
    assert not faults, "\n".join([f"{len(faults)} faults", *faults[:SHOWN]])


def test_good_files_open_under_the_same_watch(tmp_path):
    """Else a watch that stops everything would pass for readers that refuse."""
    for suffix, make in valid.FILES.items():
        (tmp_path / f"x.{suffix}").write_bytes(make())
    paths = [tmp_path / f"x.{suffix}" for suffix in valid.FILES]
    outcomes = observed(tmp_path, [(how_opened(path), path) for path in paths])
    faults = [f"{found.name}: {fault}" for found in outcomes for fault in found.faults()]
    assert not faults, "\n".join([f"{len(faults)} faults", *faults[:SHOWN]])


def test_the_corpus_is_of_every_kind_and_its_codes_exist():
    found = Counter(kind(case) for case in corpus())
    assert set(found) == {name for batch in BATCHES for name in batch}
    assert sum(OPENED not in case.codes and kind(case) != "truncated" for case in corpus()) >= 800
    assert {code for case in corpus() for code in case.codes} <= ANY


def test_a_wait_is_a_fault_though_it_costs_no_processor_time():
    waited = Outcome("x", "refused", "damaged", "", (), seconds=0.1, wall=4.5, peak=0, inner=0, size=1)
    assert waited.faults(frozenset({"damaged"})) == ["4.5 s by the clock"]
    assert replace(waited, wall=3.5).faults(frozenset({"damaged"})) == []


def test_the_documentation_counts_the_corpus():
    """docs/formats.md; it is set right by `python tests/test_hostile.py`."""
    text = (Path(__file__).parents[1] / "docs" / "formats.md").read_text()
    assert text == counted(text)


def counted(text):
    """The documentation with the numbers that are true."""
    text = re.sub(r"makes [\w,]+ files that must", f"makes {len(corpus()):,} files that must", text)
    for name, number in Counter(kind(case) for case in corpus()).items():
        text = re.sub(rf"^\| {name} \| \d+ \|", f"| {name} | {number} |", text, flags=re.M)
    return text


# what an unsafe loader does -> what the watch says of it
SEEN = {
    "unpickle": "tried pickle.find_class ('posix', 'system')",
    "misread": "tried open ('/etc/hostname', 'r', 524288)",
    "allocate": " MiB for 26 bytes",
    "reserve": "raised: MemoryError",
    "linger": "2.",
    "evaluate": "tried compile (b'1 + 1', '<string>')",
    "start": "tried subprocess.Popen ('true', ['true'], None, None)",
    "write": "tried open",
    "swallow": "tried os.system (b'true',)",
    "hang": "lost: status -9",
}


def test_an_unsafe_loader_is_seen(tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(b"cposix\nsystem\n(S'true'\ntR.")
    assert path.stat().st_size == 26
    outcomes = observed(tmp_path, [(misdeed, path) for misdeed in SEEN])
    for (misdeed, expected), found in zip(SEEN.items(), outcomes, strict=True):
        faults = found.faults(frozenset({"executable"}) if misdeed == "swallow" else None)
        assert any(expected in fault for fault in faults), (misdeed, faults)
    assert not (tmp_path / "written").exists()


if __name__ == "__main__":
    page = Path(__file__).parents[1] / "docs" / "formats.md"
    page.write_text(counted(page.read_text()))
