"""Assertions for test suites, and Hypothesis profiles.

    from refsnn.testing import assert_exact, assert_laws

    def test_my_conversion():
        assert_exact(ann, snn, x, steps=8, schedule="integrate_then_fire")
        assert_laws(snn, x, steps=8)

Both are pytest fixtures too, without an import. Names are imported when they are first used: pytest loads the plugin in this
package at every start.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from refsnn.testing.assertions import Broken as Broken
    from refsnn.testing.assertions import assert_exact as assert_exact
    from refsnn.testing.assertions import assert_laws as assert_laws

__all__ = ["Broken", "assert_exact", "assert_laws"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("refsnn.testing.assertions"), name)
    raise AttributeError(f"module 'refsnn.testing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
