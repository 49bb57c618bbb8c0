"""Bit equality of arrays and of whole traces."""

import numpy as np


def assert_identical(actual, expected):
    """Same dtype, shape and bits: -0.0 is not 0.0, one NaN is not another."""
    actual, expected = np.ascontiguousarray(actual), np.ascontiguousarray(expected)
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    assert actual.tobytes() == expected.tobytes()


def assert_same_trace(actual, expected):
    assert_identical(actual.readout, expected.readout)
    for kind in ("counts", "residual", "spikes", "v"):
        ours, theirs = getattr(actual, kind), getattr(expected, kind)
        assert list(ours) == list(theirs)
        for name in ours:
            assert_identical(ours[name], theirs[name])
    assert_same_activity(actual.activity, expected.activity)


def assert_same_activity(actual, expected):
    assert_identical(actual.steps_run, expected.steps_run)
    assert [node.node for node in actual.nodes] == [node.node for node in expected.nodes]
    for ours, theirs in zip(actual.nodes, expected.nodes, strict=True):
        for name, counts in ours.counts().items():
            assert_identical(counts, theirs.counts()[name])
