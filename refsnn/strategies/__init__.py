"""Hypothesis strategies for networks, neurons, inputs and readouts; for our tests and for yours.

    from hypothesis import given
    from refsnn import simulate, strategies as snn

    @given(case=snn.cases())
    def test_my_backend(case):
        network, x, steps = case
        ...

Every number drawn is dyadic, k / 2^s with few bits, so that float sums of this size are exact in any order: what differs
then is a mistake, not rounding. Ties (a potential exactly at the threshold) are frequent for the same reason.
"""

from refsnn.strategies.arrays import dyadic as dyadic
from refsnn.strategies.arrays import tensors as tensors
from refsnn.strategies.cells import any_neurons as any_neurons
from refsnn.strategies.cells import integrators as integrators
from refsnn.strategies.cells import neurons as neurons
from refsnn.strategies.graphs import any_networks as any_networks
from refsnn.strategies.graphs import networks as networks
from refsnn.strategies.graphs import recurrent_networks as recurrent_networks
from refsnn.strategies.parts import batch_norms as batch_norms
from refsnn.strategies.parts import convolutions as convolutions
from refsnn.strategies.parts import convolutions_1d as convolutions_1d
from refsnn.strategies.parts import linears as linears
from refsnn.strategies.parts import pools as pools
from refsnn.strategies.runs import any_cases as any_cases
from refsnn.strategies.runs import cases as cases
from refsnn.strategies.runs import inputs as inputs
from refsnn.strategies.runs import readouts as readouts
from refsnn.strategies.sources import source_networks as source_networks
