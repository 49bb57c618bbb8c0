"""Networks to convert."""

from dataclasses import replace
from math import prod

import numpy as np
from hypothesis import strategies as st

from refsnn.layers import QCFS, AvgPool2d, Flatten, MaxMode, MaxPool2d, ReLU, SumPool2d
from refsnn.network import Network
from refsnn.strategies.graphs import Builder
from refsnn.strategies.parts import batch_norms, convolutions, linears, pools


@st.composite
def source_networks(draw: st.DrawFn, *, levels: int | None = None, every: bool = False) -> Network:
    """QCFS networks: convolution, sometimes BatchNorm, QCFS, sometimes a pool; then linear layers.

    every: with thresholds per channel, and pools that follow spike counts, too.
    Shrinks to one Linear, QCFS and another Linear.
    """
    builder = Builder([], (draw(st.sampled_from([1, 2])), draw(st.integers(2, 5)), draw(st.integers(2, 5))))
    first = builder.shape
    count = levels or draw(st.sampled_from([1, 2, 4, 8]))

    def activation() -> QCFS:
        choices = st.sampled_from([0.5, 1.0, 2.0, 1.25])
        channels = builder.shape[0]
        each = st.lists(choices, min_size=channels, max_size=channels).map(np.array)
        return QCFS(threshold=draw(choices | each if every else choices), levels=count)

    for _ in range(draw(st.integers(0, 2))):
        conv = draw(convolutions(builder.shape))
        builder.add(conv, conv.output_shape(builder.shape))
        if draw(st.booleans()):
            builder.add(draw(batch_norms(builder.shape[0])), builder.shape)
        builder.add(activation(), builder.shape)
        if draw(st.booleans()):
            pool = draw(pools(builder.shape, kinds=(AvgPool2d, SumPool2d, *((MaxPool2d,) if every else ()))))
            pool = replace(pool, mode=MaxMode.COUNT) if isinstance(pool, MaxPool2d) else pool
            builder.add(pool, pool.output_shape(builder.shape))
    builder.add(Flatten(), (prod(builder.shape),))
    linear = draw(linears(prod(builder.shape)))
    builder.add(linear, linear.output_shape(builder.shape))
    builder.add(activation(), builder.shape)
    builder.add(draw(linears(prod(builder.shape))), builder.shape)
    return Network("drawn", first, tuple(builder.nodes))


def relu_networks() -> st.SearchStrategy[Network]:
    """The networks of `source_networks` with ReLU for QCFS."""

    def plain(network: Network) -> Network:
        nodes = (replace(node, layer=ReLU()) if isinstance(node.layer, QCFS) else node for node in network.nodes)
        return Network(network.name, network.input_shape, tuple(nodes))

    return source_networks().map(plain)
