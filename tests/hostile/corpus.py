"""All hostile files."""

from functools import cache

from hostile import (
    archives,
    arrays,
    gadgets,
    graphs,
    impostors,
    keras_files,
    many,
    packs,
    texts,
    torches,
    trees,
    truncations,
)

KINDS = (gadgets, torches, archives, arrays, texts, graphs, trees, keras_files, packs, impostors, truncations, many)


@cache
def corpus():
    """Every case once; the same bytes in every run."""
    cases = tuple(case for kind in KINDS for case in kind.cases())
    names = [case.name for case in cases]
    assert len(set(names)) == len(names), sorted(name for name in set(names) if names.count(name) > 1)
    return cases
