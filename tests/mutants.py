"""Seeded semantic mutants: changes that a wrong understanding would make, applied one by one to a copy of the project.

    python tests/mutants.py                        # needs the test environment; one to two hours on two cores
    python tests/mutants.py schedules fixed        # only those whose file or text holds one of these words
    python tests/mutants.py --unrun --write        # those that docs/mutants.md has no result of; their results go there

For each mutant the nearest tests run until the first failure (mutant_list.py), then all; one that passes them all is ALIVE and
makes the exit code 1. A mutant whose text is not found is an error too: the list has to follow the code.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path

from mutant_list import MUTANTS, NEAREST

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "mutants.md"
TABLE = "## Results\n"  # everything after it is written by --write
LIMIT = 900  # seconds: a mutant that hangs the tests is killed by it
ALL = "tests"
# what sees the installed wheel instead of the copy is left out, and what fails for every mutant
LEFT_OUT = tuple(
    f"--deselect=tests/{name}" for name in ("test_cli.py::test_the_demo", "test_installation.py", "test_mutants.py")
)
COMPILED = ("refsnn/kernels/", "refsnn/dynamics.py", "refsnn/fixed.py")  # a change here compiles everything anew


def copied(folder: Path) -> None:
    """The project with command line and specs where the wheel puts them, so that the copy can be imported as installed."""
    for name in ("refsnn", "hwmodel", "tests", "specs", "docs", "benchmarks", ".github"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "cli.py"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copy(ROOT / "cli.py", folder / "refsnn" / "cli.py")
    shutil.copytree(ROOT / "specs", folder / "hwmodel" / "specs", dirs_exist_ok=True)


def failure(folder: Path, tests: list[str], cache: Path, workers: str) -> str:
    """The first failing test of the copy, or what ended the process; empty when all pass. Anything else is no result."""
    options = ["-q", "-x", "-n", workers, "-p", "no:cacheprovider", "--tb=line", *LEFT_OUT]
    environment = {
        **os.environ, "PYTHONPATH": str(folder), "HYPOTHESIS_PROFILE": "mutants", "NUMBA_CACHE_DIR": str(cache),
        "PYTHONDONTWRITEBYTECODE": "1",  # an edit within one second keeps its size and its time
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    ) as run:  # fmt: skip
        try:
            said, _ = run.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            return f"no end after {LIMIT} s"
    if run.returncode == 0:
        return ""
    failed = re.search(r"^(?:FAILED|ERROR) (?:tests/)?(\S+)", said, re.MULTILINE)
    if failed:
        return failed[1]
    if run.returncode < 0:
        return f"signal {-run.returncode}"
    raise SystemExit(f"pytest ended with {run.returncode} and no test failed, so this is no result:\n{said[-500:]}")


def nearest(folder: Path, file: str) -> list[str]:
    """The folder's test files that stand nearest to this source file."""
    names = next((tests for beginning, tests in NEAREST if file.startswith(beginning)), "").split()
    return [str(path.relative_to(folder)) for name in names for path in (folder / "tests").rglob(f"{name}.py")]


def verdict(folder: Path, mutant: tuple[str, str, str], baseline: Path, workers: str) -> str:
    """What killed the mutant, or nothing."""
    file, text, replacement = mutant
    path = folder / file
    original = path.read_text()
    path.write_text(original.replace(text, replacement, 1))
    try:
        with tempfile.TemporaryDirectory() as own:
            cache = Path(own) if file.startswith(COMPILED) else baseline  # the baseline's code stays warm
            first = nearest(folder, file)
            return (failure(folder, first, cache, workers) if first else "") or failure(folder, [ALL], cache, workers)
    finally:
        path.write_text(original)


def shown(mutant: tuple[str, str, str]) -> str:
    file, text, replacement = (" ".join(part.split()) for part in mutant)
    return f"{file}: {text}  ->  {replacement}"


def results() -> dict[str, str]:
    """The document's table: mutant as shown -> its line."""
    lines = DOCUMENT.read_text().partition(TABLE)[2].splitlines()
    found = (re.match(r"    (\S+ +\S+ +\S+)  (.*)", line) for line in lines)
    return {match[2]: match[1] for match in found if match}


def write(table: dict[str, str]) -> None:
    """The document's table with these results; mutants without one are listed as unrun."""
    kept = {shown(mutant): table.get(shown(mutant), "unrun   -           -") for mutant in MUTANTS}
    killed, alive = (sum(line.startswith(word) for line in kept.values()) for word in ("killed", "ALIVE"))
    counts = f"{len(kept)} mutants: {killed} killed, {alive} alive, {len(kept) - killed - alive} unrun."
    rows = "\n".join(f"    {result}  {name}" for name, result in kept.items())
    before = DOCUMENT.read_text().partition(TABLE)[0]
    DOCUMENT.write_text(
        f"{before}{TABLE}\n{counts} Each row: result, date, the test that failed first, the change.\n\n{rows}\n"
    )


def main() -> int:
    parser = ArgumentParser(description="Apply seeded mutants to a copy of the project and run the tests on each.")
    parser.add_argument("words", nargs="*", help="only mutants whose file or text holds one of these")
    parser.add_argument("--unrun", action="store_true", help="only mutants that the document has no result of")
    parser.add_argument("--write", action="store_true", help="put the results into docs/mutants.md, one by one")
    parser.add_argument("--workers", default="2", help="processes of pytest (2)")
    options = parser.parse_args()
    known, alive, count = results(), 0, 0
    for file, text, _ in MUTANTS:
        if text not in (ROOT / file).read_text():
            raise SystemExit(f"{file} does not hold {text!r}; the list has to follow the code")
    with tempfile.TemporaryDirectory() as name:
        folder, baseline = Path(name) / "copy", Path(name) / "compiled"
        folder.mkdir()
        copied(folder)
        if said := failure(folder, [ALL], baseline, options.workers):
            raise SystemExit(f"the tests fail without any mutant; mend them first: {said}")
        for mutant in MUTANTS:
            if (options.unrun and not known.get(shown(mutant), "unrun").startswith("unrun")) or (
                options.words and not any(word in part for word in options.words for part in mutant[:2])
            ):
                continue
            begin = time.perf_counter()
            killer = verdict(folder, mutant, baseline, options.workers)
            result = "killed" if killer else "ALIVE "
            count, alive = count + 1, alive + (not killer)
            print(f"{result} {time.perf_counter() - begin:4.0f} s  {shown(mutant)}  [{killer}]", flush=True)
            if options.write:
                test = killer.split("[")[0].replace(" ", "_") or "-"
                write(results() | {shown(mutant): f"{result}  {datetime.now(UTC):%Y-%m-%d}  {test}"})
    print(f"{count} mutants, {alive} alive")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
