"""The cache of compiled code is the caller's to share: no order of writes gives one function another's code."""

import itertools

import pytest
from numba.core.caching import IndexDataCacheFile

from refsnn.kernels.compiling import _CacheFile, compiled

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
