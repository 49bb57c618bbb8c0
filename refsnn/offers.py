"""Types that Hypothesis can draw by themselves: st.from_type(Network), or an argument annotated with it.

A module offers its types where it defines them; their strategies are looked up when one of them is drawn. Whichever is
imported first, refsnn or Hypothesis, importing neither of them imports the other.
"""

import sys
from importlib import import_module
from typing import Any

# what a registry is for: the types that were offered before anybody could take them
_OFFERED: list[type[Any]] = []


def offer(*types: type[Any]) -> None:
    """The types can be drawn from now on, by strategy_of(type) in the `strategies` of their package."""
    _OFFERED.extend(types)
    if "hypothesis" in sys.modules:
        register(types)


def register(types: tuple[type[Any], ...] | None = None) -> None:
    """Tell Hypothesis of these types, or of all that were offered so far; its entry point calls this."""
    from hypothesis import strategies as st

    for kind in _OFFERED if types is None else types:
        st.register_type_strategy(kind, _strategy_of)


def _strategy_of(kind: type[Any]) -> Any:
    package = kind.__module__.partition(".")[0]
    return import_module(f"{package}.strategies").strategy_of(kind)
