"""Golden files: what they catch, and a committed one."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save

from refsnn import Record, golden, simulate
from refsnn.errors import GoldenError, NothingCompared

COMMITTED = Path(__file__).parent / "golden" / "digits.golden"


def small(snn, test_data, **options):
    record = Record(spikes=snn.neurons, v=("act3",))
    return simulate(snn, test_data.x[:4], steps=8, record=record, **options)


def test_the_committed_golden_still_holds(snn, test_data):
    """Recorded by: refsnn golden record digits.yaml digits_test.npz --steps 8 --limit 4. Spikes, counts, residual
    potentials and readouts of the first version, bit for bit, from both backends.
    """
    for backend in ("fast", "naive"):
        trace = simulate(snn, test_data.x[:4], steps=8, record=Record(spikes=snn.neurons), backend=backend)
        verdict = golden.check(COMMITTED, trace)
        assert verdict, str(verdict)


def test_recording_twice_gives_the_same_bytes(snn, test_data, tmp_path):
    for name in "ab":
        golden.record(small(snn, test_data), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("kind", "node", "index", "law", "step"),
    [("v", "act3", (5, 2, 7), "v", 6), ("residual", "act1", (1, 3, 2, 2), "residual", None), ("counts", "act2", (3, 5, 1, 1), "counts", None)],
)  # fmt: skip
def test_one_changed_bit_is_found_wherever_it_is(snn, test_data, tmp_path, kind, node, index, law, step):
    trace = small(snn, test_data)
    golden.record(trace, tmp_path / "g")
    values = np.array(getattr(trace, kind)[node])
    values[index] = np.nextafter(values[index], 99) if values.dtype.kind == "f" else values[index] + 1
    verdict = golden.check(tmp_path / "g", replace(trace, **{kind: {**getattr(trace, kind), node: values}}))
    (finding,) = verdict.findings
    where = index[1:] if step else index
    assert (finding.law, finding.node, finding.step, finding.sample, finding.index) == (
        law,
        node,
        step,
        where[0],
        where[1:],
    )
    assert verdict.differing == {f"{kind}/{node}": 1}


def test_minus_zero_is_not_zero(snn, test_data, tmp_path):
    trace = small(snn, test_data)
    readout = np.array(trace.readout)
    readout[2, 1, 4] = 0.0
    golden.record(replace(trace, readout=readout), tmp_path / "g")
    readout = readout.copy()
    readout[2, 1, 4] = -0.0
    (finding,) = golden.check(tmp_path / "g", replace(trace, readout=readout)).findings
    assert (finding.law, finding.step, finding.sample, finding.index) == ("readout", 3, 1, (4,))


def test_the_first_divergence_is_first_in_time_then_in_layer_order(snn, test_data, tmp_path):
    trace = small(snn, test_data)
    golden.record(trace, tmp_path / "g")
    spikes = {name: np.array(values) for name, values in trace.spikes.items()}
    spikes["act1"][5, 0, 0, 0, 0] ^= True
    spikes["act3"][3, 2, 7] ^= True
    spikes["act2"][3, 3, 1, 1, 1] ^= True
    verdict = golden.check(tmp_path / "g", replace(trace, spikes=spikes))
    (finding,) = verdict.findings
    assert (finding.node, finding.step, finding.sample, finding.index) == ("act2", 4, 3, (1, 1, 1))
    assert verdict.differing == {"spikes/act1": 1, "spikes/act2": 1, "spikes/act3": 1}
    assert str(verdict).splitlines()[1] == "First divergence   layer act2, step 4, sample 3, neuron [1, 1, 1]"


def test_another_dtype_or_shape_is_a_divergence(snn, test_data, tmp_path):
    trace = small(snn, test_data)
    golden.record(trace, tmp_path / "g")
    for counts in (trace.counts["act3"].astype(np.int64), trace.counts["act3"][:, :5]):
        (finding,) = golden.check(tmp_path / "g", replace(trace, counts={**trace.counts, "act3": counts})).findings
        assert (finding.law, finding.node) == ("dtype and shape of counts/act3", "act3")


def test_stale_goldens(snn, test_data, tmp_path):
    trace = small(snn, test_data)
    golden.record(trace, tmp_path / "g")
    for key, value in (
        ("network_digest", "0" * 64),
        ("input_digest", "1" * 64),
        ("arithmetic", "Float64"),
        ("steps", 9),
    ):
        with pytest.raises(GoldenError, match=f"stale: recorded for {key}"):
            golden.check(tmp_path / "g", replace(trace, **{key: value}))


def test_missing_goldens_and_values(snn, test_data, tmp_path):
    with pytest.raises(GoldenError, match="missing; record it with 'refsnn golden record'"):
        golden.check(tmp_path / "none", small(snn, test_data))
    (tmp_path / "text").write_text("no golden")
    with pytest.raises(GoldenError, match="not readable as a golden file"):
        golden.check(tmp_path / "text", small(snn, test_data))
    trace = small(snn, test_data)
    golden.record(trace, tmp_path / "g")
    with pytest.raises(NothingCompared, match="holds spikes/act1, which the candidate did not record"):
        golden.check(tmp_path / "g", replace(trace, spikes={}))


def test_a_network_of_another_kind_is_not_a_golden(specs, snn, test_data):
    with pytest.raises(GoldenError, match="tampered with: its manifest does not match its digest"):
        golden.check(specs / "networks" / "digits.safetensors", small(snn, test_data))


@pytest.mark.parametrize(
    "change",
    [lambda m: m.pop("schema"), lambda m: m.pop("order"), lambda m: m.pop("steps"), lambda m: m.update(arrays=[]),
     lambda m: m["arrays"]["spikes/act1"].update(shape=[1, 1, 10**13]), lambda m: m["arrays"]["readout"].pop("dtype"),
     lambda m: m["arrays"]["counts/act1"].update(shape=[7])],
)  # fmt: skip
def test_a_manifest_that_matches_its_digest_and_is_not_ours_is_refused(snn, test_data, tmp_path, change):
    """Who writes such a file can compute digests too: it is refused in one sentence, and nothing large is made of it."""
    golden.record(small(snn, test_data), tmp_path / "g")
    with safe_open(str(tmp_path / "g"), framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
        manifest = json.loads(json.loads(file.metadata()["golden"])["manifest"])
    change(manifest)
    text = json.dumps(manifest)
    envelope = {"manifest": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    (tmp_path / "g").write_bytes(save(arrays, {"golden": json.dumps(envelope)}))
    with pytest.raises(GoldenError) as error:
        golden.check(tmp_path / "g", small(snn, test_data))
    assert "\n" not in str(error.value)
