"""refsnn.testing as a user's test suite sees it: the plugin, the profiles, and types that Hypothesis draws."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import refsnn
from hwmodel.chip import ChipSpec
from hwmodel.figures import Figure
from refsnn import Network, laws, simulate
from refsnn.arithmetic import Arithmetic
from refsnn.drive import Bernoulli, Constant, Drive, EventList, Frames, Poisson
from refsnn.errors import NothingCompared
from refsnn.fixed import Q
from refsnn.neurons import IF, LI, LIF, CubaLIF
from refsnn.testing import Broken, assert_exact, assert_laws


def test_an_exact_conversion_passes(ann, snn, test_data):
    verdict = assert_exact(ann, snn, test_data.x[:20], steps=8, schedule="integrate_then_fire")
    assert verdict.samples == 20


def test_a_conversion_that_leaves_its_source_is_broken(ann, snn, test_data):
    with pytest.raises(Broken) as caught:
        assert_exact(ann, snn, test_data.x[:20], steps=8)
    verdict = refsnn.verify(ann, snn, test_data.x[:20], steps=8)
    head, *findings = str(caught.value).splitlines()
    assert head == str(verdict).splitlines()[0]
    assert findings == [f"  {finding}" for finding in verdict.findings]
    assert 0 < len(findings) <= 5


def test_laws_pass_and_say_what_they_did(snn, test_data):
    report = assert_laws(snn, test_data.x[:3], steps=4)
    assert list(report.applied) == [law.name for law in laws.LAWS]
    only = assert_laws(snn, test_data.x[:3], steps=4, only=(laws.silence,))
    assert list(only.applied) == ["silence"]
    with pytest.raises(NothingCompared):
        assert_laws(snn, test_data.x[:0], steps=4)


def test_a_broken_law_is_broken(snn, test_data, monkeypatch):
    """A simulator whose potentials are off after every run: seven charges, of which five are shown."""

    def off(network, drive, **options):
        trace = simulate(network, drive, **options)
        return replace(trace, residual={name: v + 1 for name, v in trace.residual.items()})

    monkeypatch.setattr("refsnn.laws.law.simulate", off)
    with pytest.raises(Broken) as caught:
        assert_laws(snn, test_data.x[:3], steps=4, only=(laws.charge_balance,) * 2)
    head, *findings, more = str(caught.value).splitlines()
    assert head == "digits: T = 4, Float32, 3 samples: 1 of 2 laws apply, not all of them hold"
    assert len(findings) == 5
    assert all("charge balance: expected" in finding for finding in findings)
    assert more == "  and 1 more"


SUITE = """
from hypothesis import given, settings
import refsnn
from refsnn import strategies as snn
from refsnn.layers import QCFS, Linear
import numpy as np

ANN = refsnn.Network("net", (2,), (
    refsnn.Node("w", Linear(weight=np.array([[1.0, -1.0]])), ("input",)), refsnn.Node("act", QCFS(threshold=1.0, levels=4), ("w",)),
    refsnn.Node("out", Linear(weight=np.array([[1.0], [2.0]])), ("act",))))
SNN = refsnn.convert(ANN)

@given(x=snn.inputs_for(SNN))
def test_exact(x, assert_exact, assert_laws):
    assert assert_exact(ANN, SNN, x, steps=4)
    assert assert_laws(SNN, x, steps=4)

def test_inexact(assert_exact):
    assert_exact(ANN, SNN, np.array([[1.0, 0.375]]), steps=3)

def test_profile():
    print("examples", settings.default.max_examples, settings.default.derandomize, settings.default.database)
"""


def run_pytest(tmp_path, *arguments, **environment):
    (tmp_path / "test_suite.py").write_text(SUITE)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rN", "-s", *arguments, "test_suite.py"],
        cwd=tmp_path, capture_output=True, text=True, env={**os.environ, **environment},
    ).stdout  # fmt: skip


def test_the_plugin_gives_fixtures(tmp_path):
    """An exact network passes for every input; a failure is the finding and nothing of ours around it."""
    out = run_pytest(tmp_path, "--hypothesis-profile=refsnn-dev")
    assert "1 failed, 2 passed" in out
    failure = out[out.index("_ test_inexact _") :]
    assert (
        "E       refsnn.testing.assertions.Broken: net: T = 3, lockstep, Exact, 1 samples: leaves its source" in failure
    )
    assert (
        "E         layer act, sample 0, neuron [0]: count = source level: expected 2.25 spikes in 3 steps, got 2"
        in failure
    )
    assert "assertions.py" not in failure.replace("refsnn.testing.assertions.Broken", "")


@pytest.mark.parametrize(
    ("profile", "described"),
    [("dev", "examples 50 "), ("ci", "examples 200 True None"), ("nightly", "examples 10000 False ")],
)
def test_profiles_are_chosen_by_pytests_own_option(profile, described, tmp_path):
    assert described in run_pytest(tmp_path, f"--hypothesis-profile=refsnn-{profile}", "-k", "test_profile")


def test_the_plugin_imports_nothing(tmp_path):
    """Neither does Hypothesis, which asks for the profiles."""
    code = (
        "import sys, refsnn.testing.plugin\n"
        "heavy = ['numpy', 'numba', 'scipy', 'pydantic', 'refsnn.network']\n"
        "first = [m for m in [*heavy, 'hypothesis'] if m in sys.modules]\n"
        "import hypothesis\n"
        "print(first, [m for m in heavy if m in sys.modules], 'refsnn.testing.profiles' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[] [] True\n"


DRAW = "@given(st.from_type(Network), st.from_type(IF), st.from_type(ChipSpec))\ndef drawn(network, neuron, chip):\n    print(type(network).__name__, type(neuron).__name__, type(chip).__name__)\ndrawn()"
HYPOTHESIS = "from hypothesis import given, strategies as st"
OURS = "from refsnn import Network\nfrom refsnn.neurons import IF\nfrom hwmodel import ChipSpec"


@pytest.mark.parametrize("imports", [f"{HYPOTHESIS}\n{OURS}", f"{OURS}\n{HYPOTHESIS}"], ids=["ours last", "ours first"])
def test_types_are_drawn_whichever_is_imported_first(imports, tmp_path):
    code = f"{imports}\n{DRAW}"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert set(done.stdout.splitlines()) == {"Network IF ChipSpec"}


@given(network=..., steps=st.integers(1, 4), data=st.data())
def test_a_network_is_drawn_by_its_annotation(network: Network, steps: int, data: st.DataObject):
    x = data.draw(refsnn.strategies.inputs(network))
    assert laws.backends_equal(network, x, steps=steps) == []


KINDS = [IF, LIF, CubaLIF, LI, refsnn.FixedPoint, refsnn.Float32, refsnn.Float64, refsnn.Exact, Q, Constant, Frames, Bernoulli,
         Poisson, EventList, ChipSpec, Figure]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_type_that_is_offered_is_drawn(kind):
    @settings(max_examples=10)
    @given(value=st.from_type(kind))
    def draws(value):
        assert type(value) is kind

    draws()


@given(drive=st.from_type(Drive), arithmetic=st.from_type(Arithmetic), data=st.data())
def test_unions_and_protocols_are_drawn(drive, arithmetic, data):
    """A drive's samples are those it gives alone: keyed by the sample, not by the order of calls."""
    n = data.draw(st.integers(0, drive.n_samples - 1))
    whole = drive.inputs(3, slice(None))
    assert np.array_equal(whole[:, n], drive.inputs(3, slice(n, n + 1))[:, 0])
    assert arithmetic.name.startswith(type(arithmetic).__name__)
