"""The benchmark's own helpers: rates are as stated, peers do what refsnn does, the table fits its page."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import refsnn
from refsnn.layers import SumPool2d

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import networks
import report
import roofline


def small_residual(rate):
    """A stem, a block with an identity around it, one with a convolution around it, pools and a classifier."""
    build = networks.Builder((3, 16, 16), images=4, steps=8, rate=rate, seed=1)
    stem = build.fire(build.conv(build.input, 8))
    one = build.fire(build.add(build.conv(build.fire(build.conv(stem, 8)), 8), stem))
    pooled = build.stateless(one, networks.AvgPool2d(kernel=2))
    around = build.conv(pooled, 16, kernel=1, stride=2)
    two = build.fire(build.add(build.conv(build.fire(build.conv(pooled, 16, stride=2)), 16), around))
    means = build.stateless(build.stateless(two, SumPool2d(kernel=2)), networks.GlobalAvgPool2d())
    build.linear(build.stateless(means, networks.Flatten()), 10)
    return refsnn.Network("small", (3, 16, 16), tuple(build.nodes))


def dyadic(network):
    """The same graph with weights that are multiples of 1/64 and powers of two as thresholds.

    With inputs that are multiples of 1/16 every sum is exact in float32, in any order.
    """

    def on_a_grid(layer):
        if isinstance(layer, networks.QCFS):
            return replace(layer, threshold=float(2 ** np.round(np.log2(layer.threshold))))
        if hasattr(layer, "weight"):
            weight, bias = (np.round(tensor * 64).astype(np.float32) / 64 for tensor in (layer.weight, layer.bias))
            return replace(layer, weight=weight, bias=bias)
        return layer

    nodes = (replace(node, layer=on_a_grid(node.layer)) for node in network.nodes)
    return refsnn.Network(network.name, network.input_shape, tuple(nodes))


@pytest.mark.parametrize("rate", [0.05, 0.15, 0.3])
def test_a_generated_network_fires_at_the_stated_rate(rate):
    """On images that calibration did not see: 64 of them, so that a hundredth is far beyond chance."""
    case = networks.generated("mlp", images=64, rate=rate)
    counts = refsnn.simulate(refsnn.convert(case.network), case.x, steps=8).counts.values()
    for layer in counts:
        assert abs(layer.mean() / 8 - rate) < 0.01


def test_a_generated_network_is_the_same_each_time():
    assert small_residual(0.2).digest == small_residual(0.2).digest


def test_a_rate_that_no_threshold_reaches_is_refused():
    with pytest.raises(SystemExit, match=r"--rate 0\.4: a layer of this network cannot fire more often than 0\.00"):
        networks.threshold_for(np.full((1, 1, 4), -1, np.float32), 8, 0.4)


def test_the_builders_spikes_are_the_simulators():
    current = np.random.default_rng(0).standard_normal((1, 5, 20), np.float32)
    layers = (networks.Linear(weight=np.eye(20, dtype=np.float32)), networks.QCFS(threshold=0.7, levels=8))
    nodes = tuple(refsnn.Node(name, layer, (source,)) for name, layer, source in zip("ab", layers, ("input", "a"), strict=True))  # fmt: skip
    snn = refsnn.convert(refsnn.Network("one", (20,), nodes))
    spikes = refsnn.simulate(snn, current[0], steps=8, record=refsnn.Record(spikes=("b",))).spikes["b"]
    assert (networks.fired(current, 8, 0.7) == spikes).all()


@pytest.mark.parametrize("peer", ["spikingjelly", "snntorch", "sinabs"])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.filterwarnings("ignore")  # theirs
def test_a_peer_gives_the_same_counts_where_no_sum_is_rounded(peer, layout):
    pytest.importorskip("torch")
    pytest.importorskip(peer)
    import peers

    snn = refsnn.convert(dyadic(small_residual(0.2)))
    x = (np.random.default_rng(2).integers(-32, 33, (20, 3, 16, 16)) / 16).astype(np.float32)
    trace = refsnn.simulate(snn, x, steps=8, record=refsnn.Record(v=snn.neurons))
    assert any((v == 0).any() for v in trace.v.values())  # somebody fired exactly at the threshold
    counts = {}
    output = peers.PEERS[peer](snn, 8).run(x, 7, layout, counts)
    assert (output == trace.readout[-1]).all()
    for name, mine in trace.counts.items():
        assert (np.concatenate(counts[name]) == mine).all()


def test_the_l2_roofline_is_the_best_one_on_all_threads():
    rows = [
        {"threads": 1, "g_per_s": {8: 19.0, 128: 15.0, 576: 4.0}},
        {"threads": 2, "g_per_s": {8: 18.0, 128: 8.0, 576: 10.0}},
    ]
    assert roofline.second_cache(rows, 2) == 10.0


def test_the_table_fits_a_hundred_columns():
    large = {"images_per_s": 123456.7, "refsnn_is": 123.45, "g_accumulates_per_s": 123.4}
    compared = {"peak_mib": 12345, "peak_of_run_mib": 12345, "same_decisions": 1000, "same_counts": 123456789}
    peer = large | compared | {"run": "x", "simulator": "PyTorch 2.15.0, one pass", "batch": 400, "layout": "nhwc"}
    network = {
        "network": "cifar_w32_L8", "steps": 16, "images": 1000, "seed": 0, "counts": 123456789, "rate": 0.15,
        "accumulates_per_image": 5_123_456_789, "left_out": {"sinabs": "a reason " * 30},
        "rows": [large | compared | {"run": "refsnn", "simulator": "refsnn 10.10.10"}, large | {"run": "full activity", "simulator": "refsnn"}, peer],
        "threads_speed_up": 12.34, "zero_activity_share": 1.0, "exact_over_float64": 123.4,
    }  # fmt: skip
    row = {"threads": 16, "g_per_s": dict.fromkeys(roofline.KIB, 1234.5)}
    machine = {
        "processor": "AMD EPYC 9965 192-Core Processor",
        "threads": 16,
        "system": "Linux",
        "python": "3.11.7",
        "repeats": 3,
        "load": 0.1,
    }
    text = report.text({"machine": machine, "roofline": [row], "networks": [network], "second_cache_g_per_s": 100.0})
    assert max(map(len, text.splitlines())) <= 100
    assert len({len(line) for line in text.splitlines() if line.startswith(("  PyTorch", "  refsnn 10"))}) == 1


def test_the_scoring_benchmark_runs_on_a_small_run(capsys, monkeypatch):
    import scoring

    small = ["--samples", "20", "--steps", "4", "--layers", "3", "--chips", "2", "--policies", "3", "--repeats", "1"]
    monkeypatch.setattr(sys, "argv", ["scoring.py", *small])
    scoring.main()
    printed = capsys.readouterr().out
    assert printed.startswith("3 policies x 20 samples x 4 steps x 3 layers x 2 chips")
    assert "MiB are energy and time of every step" in printed


def test_the_drawn_runs_counts_fit_each_other():
    import scoring

    activity = scoring.drawn_run(5, 3, 4, 0).activity
    assert [node.node for node in activity.nodes] == ["conv0", "if0", "conv1", "if1", "conv2", "if2", "conv3"]
    for before, after in (("if0", "conv1"), ("if2", "conv3")):
        assert (activity[before].spikes_out == activity[after].events_in).all()
    assert (activity["conv3"].synops == 10 * activity["conv3"].events_in).all()
