"""Hypothesis profiles and the packaged files that many tests read."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

import refsnn
from hwmodel.library import specs_folder
from refsnn.testing import profiles

# nothing else asks for the profiles where refsnn is on the path without being installed
profiles.register()
# the suite draws half as much as refsnn-ci does, so that `make test` stays a matter of minutes
# what is drawn depends on what else is loaded, so that a test which filters much could fail in one run and not in another
settings.register_profile(
    "ci", settings.get_profile("refsnn-ci"), max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip
settings.register_profile(  # the same examples; whether one fails is all that is asked
    "mutants", settings.get_profile("ci"), phases=(Phase.explicit, Phase.generate), print_blob=False
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "refsnn-dev"))


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
