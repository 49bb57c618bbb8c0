"""The pytest plugin `refsnn`: fixtures assert_exact and assert_laws. Loaded at every start of pytest, so it imports nothing.

The Hypothesis profiles need no plugin: Hypothesis itself asks for them when it is imported (profiles.py).
"""

from collections.abc import Callable
from typing import Any

import pytest


# of the session: Hypothesis refuses fixtures that would have to be made anew for every example
@pytest.fixture(scope="session")
def assert_exact() -> Callable[..., Any]:
    """refsnn.testing.assert_exact."""
    from refsnn import testing

    return testing.assert_exact


@pytest.fixture(scope="session")
def assert_laws() -> Callable[..., Any]:
    """refsnn.testing.assert_laws."""
    from refsnn import testing

    return testing.assert_laws
