"""Hypothesis profiles and the packaged files that many tests read."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

import refsnn
from hwmodel.chip import specs_folder

# deadline=None: the first example of a test may compile kernels
settings.register_profile("dev", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "ci", max_examples=100, deadline=None, derandomize=True, database=None, print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
settings.register_profile(  # the same examples; whether one fails is all that is asked
    "mutants", settings.get_profile("ci"), phases=(Phase.explicit, Phase.generate), print_blob=False
)
settings.register_profile("nightly", max_examples=5000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


@pytest.fixture(scope="session")
def specs() -> Path:
    """The packaged chips, networks and data."""
    return specs_folder()


@pytest.fixture(scope="session")
def ann(specs):
    return refsnn.load(specs / "networks" / "digits.yaml")


@pytest.fixture(scope="session")
def snn(ann):
    return refsnn.convert(ann)


@pytest.fixture(scope="session")
def test_data(specs):
    return refsnn.load_data(specs / "data" / "digits_test.npz")


@pytest.fixture(scope="session")
def calibration_data(specs):
    return refsnn.load_data(specs / "data" / "digits_calibration.npz")


@pytest.fixture(scope="session")
def trace(snn, test_data):
    """The converted digits network on the whole test split, every spike recorded."""
    return refsnn.simulate(snn, test_data.x, steps=8, record=refsnn.Record(spikes=snn.neurons))
