"""The cache of compiled code is the caller's to share: no order of writes gives one function another's code."""

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from numba.core.caching import IndexDataCacheFile

import refsnn
from refsnn.kernels.compiling import INLINED, _CacheFile, compiled

KEYS = "float32", "float64", "int32"


@pytest.mark.parametrize("order", list(itertools.permutations(KEYS)))
def test_processes_that_do_not_see_each_other_never_mix_code(tmp_path, order):
    """Each writes with the index it read before the others wrote; any of their indices may be the last."""
    assert all(found in (None, key) for key, found in _raced(_CacheFile, tmp_path, order))
    assert not all(found in (None, key) for key, found in _raced(IndexDataCacheFile, tmp_path, order))


def _raced(kind, folder, order):
    index, indices = folder / f"f-{kind.__name__}.nbi", []
    for key in order:
        index.unlink(missing_ok=True)
        kind(str(folder), f"f-{kind.__name__}", "source").save(key, key)
        indices.append(index.read_bytes())
    found = []
    for last in indices:
        index.write_bytes(last)
        found += [(key, kind(str(folder), f"f-{kind.__name__}", "source").load(key)) for key in KEYS]
    return found


def test_what_was_saved_is_found_and_other_sources_do_not_find_it(tmp_path):
    for key in KEYS:
        _CacheFile(str(tmp_path), "f", "source").save(key, key)
    assert [_CacheFile(str(tmp_path), "f", "source").load(key) for key in KEYS] == list(KEYS)
    assert _CacheFile(str(tmp_path), "f", "edited").load("float32") is None


def test_where_nothing_can_be_written_it_compiles_all_the_same(monkeypatch):
    def nowhere(function):
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr("refsnn.kernels.compiling._Cache", nowhere)
    assert compiled(lambda x: x + 1)(1) == 2


def test_every_source_that_kernels_inline_from_is_in_the_digest():
    package = Path(refsnn.__file__).parent
    inlined = {path for path in package.glob("*.py") if "@register_jitable" in path.read_text()}
    assert inlined == set(INLINED)


RUN_BOTH = """
import numpy as np
from refsnn import Network, Node, simulate
from refsnn.neurons import IF
one = Network("n", (1,), (Node("n", IF(v_threshold=1.0), ("input",)),))
for backend in ("naive", "fast"):
    print(simulate(one, np.array([[0.5]]), steps=4, backend=backend).counts["n"].item())
"""


def test_an_edited_equation_is_compiled_anew(tmp_path):
    """Both twins follow an edit of dynamics.py, though no kernel's own file has changed."""
    copy = tmp_path / "refsnn"
    shutil.copytree(Path(refsnn.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))

    def counts():
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
        command = [sys.executable, "-c", RUN_BOTH]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.split()

    assert counts() == ["2", "2"]
    equations = copy / "dynamics.py"
    equations.write_text(equations.read_text().replace("return v + current", "return v + current + current"))
    assert counts() == ["4", "4"]
