"""Hypothesis strategies for networks, neurons, inputs, drives, arithmetics and policies; for our tests and for yours.

    from hypothesis import given
    from refsnn import simulate, strategies as snn

    @given(case=snn.cases())
    def test_my_backend(case):
        network, x, steps = case
        ...

Unless a strategy says otherwise every number drawn is dyadic, k / 2^s with few bits, so that float sums of this size are exact
in any order: what differs then is a mistake, not rounding. Ties (a potential exactly at the threshold) are frequent for the
same reason. `weights`, `inputs_for` and the near ones of `tie_cases` are float32 numbers that round.
"""

from refsnn.strategies.arrays import dyadic as dyadic
from refsnn.strategies.arrays import tensors as tensors
from refsnn.strategies.arrays import weights as weights
from refsnn.strategies.by_type import strategy_of as strategy_of
from refsnn.strategies.cells import any_neurons as any_neurons
from refsnn.strategies.cells import integrators as integrators
from refsnn.strategies.cells import neurons as neurons
from refsnn.strategies.driving import drives as drives
from refsnn.strategies.graphs import any_networks as any_networks
from refsnn.strategies.graphs import networks as networks
from refsnn.strategies.graphs import recurrent_networks as recurrent_networks
from refsnn.strategies.near import inputs_for as inputs_for
from refsnn.strategies.numbers import arithmetics as arithmetics
from refsnn.strategies.numbers import fixed_points as fixed_points
from refsnn.strategies.numbers import formats as formats
from refsnn.strategies.parts import batch_norms as batch_norms
from refsnn.strategies.parts import convolutions as convolutions
from refsnn.strategies.parts import convolutions_1d as convolutions_1d
from refsnn.strategies.parts import linears as linears
from refsnn.strategies.parts import pools as pools
from refsnn.strategies.runs import any_cases as any_cases
from refsnn.strategies.runs import cases as cases
from refsnn.strategies.runs import inputs as inputs
from refsnn.strategies.sources import relu_networks as relu_networks
from refsnn.strategies.sources import source_networks as source_networks
from refsnn.strategies.stopping import policies as policies
from refsnn.strategies.stopping import readouts as readouts
from refsnn.strategies.ties import tie_cases as tie_cases
