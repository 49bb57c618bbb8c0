"""Which strategy draws values of a type, for st.from_type."""

from typing import Any

from hypothesis import strategies as st

from refsnn.arithmetic import Exact, FixedPoint, Float32, Float64
from refsnn.drive import Bernoulli, Constant, Drive, EventList, Frames, Poisson
from refsnn.fixed import Q
from refsnn.network import Network
from refsnn.neurons import IF, LI, LIF, CubaLIF
from refsnn.strategies.cells import any_neurons, integrators
from refsnn.strategies.driving import drives_of
from refsnn.strategies.graphs import any_networks, networks
from refsnn.strategies.numbers import fixed_points, formats

DRIVES = st.tuples(st.lists(st.integers(1, 3), min_size=1, max_size=3), st.integers(1, 3))


def strategy_of(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Network: networks and any_networks. IF, LIF, CubaLIF, LI: with one number for each parameter. Drives: for small inputs of
    one to three axes, and six steps. Fixed points and formats as they are drawn by name.
    """
    if kind is Network:
        return networks() | any_networks()
    if kind in (IF, LIF, CubaLIF):
        return any_neurons((1,), kinds=(kind,))
    if kind is Drive:
        return DRIVES.flatmap(lambda sizes: drives_of(tuple(sizes[0]), sizes[1], 6))
    if kind in (Constant, Frames, Bernoulli, Poisson, EventList):
        return strategy_of(Drive).filter(lambda drive: type(drive) is kind)
    plain: dict[type[Any], st.SearchStrategy[Any]] = {
        LI: integrators(), FixedPoint: fixed_points(), Q: formats(), Float32: st.builds(Float32), Float64: st.builds(Float64),
        Exact: st.builds(Exact),
    }  # fmt: skip
    return plain[kind]
