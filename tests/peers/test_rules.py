"""Rule sets against the tools themselves: the same network in both, integer counts equal. Runs where they are installed.

pip install torch spikingjelly sinabs neurobench snntorch syops sanafe && pytest tests/peers

SANA-FE (GPL) runs in a process of its own and is imported nowhere else. syops needs spikingjelly 0.0.0.0.12.
"""

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rule_networks import STEPS, drawn, fixed, recorded
from sanafe_networks import networks as sanafe_networks

from hwmodel import rules
from refsnn import Network, Node, Record, preset, simulate
from refsnn.layers import AvgPool2d, Conv2d, Flatten, Linear
from refsnn.messages import messages
from refsnn.neurons import IF, LIF

torch = pytest.importorskip("torch")
nn = torch.nn
SEEDS = [*range(6), "fixed"]  # fixed: the network whose figures stand in tests/test_rules_recorded.py


def network_of(seed, neuron, **more):
    return fixed(neuron, **more) if seed == "fixed" else drawn(seed, neuron, **{"samples": 1} | more)


def modules(network, neuron):
    """The same in torch; neuron(node) makes a module of neurons."""
    made = []
    for node in network.nodes:
        match node.layer:
            case Conv2d() as layer:
                out, into, *kernel = layer.weight.shape
                made.append(nn.Conv2d(into, out, tuple(kernel), stride=layer.stride, padding=layer.padding))
            case Linear() as layer:
                made.append(nn.Linear(layer.weight.shape[1], len(layer.weight)))
            case AvgPool2d() as layer:
                made.append(nn.AvgPool2d(layer.kernel))
            case Flatten():
                made.append(nn.Flatten())
            case _:
                made.append(neuron(node))
        if hasattr(node.layer, "weight"):
            made[-1].weight.data = torch.tensor(node.layer.weight, dtype=torch.float32)
            made[-1].bias.data = torch.tensor(node.layer.bias, dtype=torch.float32)
    return nn.Sequential(*made).eval()


def frames(x):
    return torch.tensor(x, dtype=torch.float32)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("spikes", [True, False])
def test_neurobench(seed, spikes):
    pytest.importorskip("neurobench")
    import snntorch
    from neurobench.metrics.workload import ActivationSparsity, MembraneUpdates, SynapticOperations
    from neurobench.models import SNNTorchModel

    def leaky(node):
        return snntorch.Leaky(
            beta=node.layer.decay, threshold=node.layer.v_threshold, init_hidden=True, output=node.name == "two", **reset,
        )  # fmt: skip

    reset = {"reset_mechanism": "zero", "reset_delay": False}
    network, x = network_of(
        seed, lambda theta: preset("snntorch.Leaky>=0.8", beta=0.5, threshold=theta, **reset), spikes=spikes
    )
    trace, evidence = recorded(network, x, spikes=spikes)
    model = SNNTorchModel(modules(network, leaky))
    model.register_hooks()
    with torch.no_grad():
        model(frames(x).transpose(0, 1))
        data = torch.zeros(1), torch.zeros(1)
        counted = SynapticOperations()(model, None, data)
        updates = MembraneUpdates()(model, None, data)
        sparsity = ActivationSparsity()(model, None, data)
    report = rules.load("neurobench").price(trace.activity, evidence)
    assert {name: report.count(name) for name in counted} == counted
    assert report.count("MembraneUpdates") == updates
    assert report.figures["ActivationSparsity"] == pytest.approx(sparsity, rel=1e-15)


def spikingjelly_neuron(node):
    from spikingjelly.activation_based import neuron

    if isinstance(node.layer, LIF):
        return neuron.LIFNode(tau=2.0, v_threshold=node.layer.v_threshold, v_reset=None)
    return neuron.IFNode(v_threshold=node.layer.v_threshold, v_reset=None)


def spiking(kind):
    names = {"IF": ("spikingjelly.IFNode", {}), "LIF": ("spikingjelly.LIFNode", {"tau": 2.0})}
    name, more = names[kind]
    return lambda theta: preset(name, v_threshold=theta, v_reset=None, **more)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("kind", "spikes"), [("IF", True), ("IF", False), ("LIF", True)])
def test_spikingjelly_simple_energy(seed, kind, spikes):
    simple = pytest.importorskip("spikingjelly.activation_based.op_counter.simple_energy")
    network, x = network_of(seed, spiking(kind), spikes=spikes)
    trace, evidence = recorded(network, x, spikes=spikes)
    net = modules(network, spikingjelly_neuron)
    profiler = simple.SimpleEnergyProfiler()
    profiler.bind_model(net)
    counted = dict.fromkeys(("ac", "mac", "weight_read_bytes", "bias_read_bytes", "neuron_state_read_bytes"), 0)
    energy = 0.0
    with torch.no_grad():
        for frame in frames(x):
            with profiler:
                net(frame)
            found = profiler.get_report()
            energy += found.energy_total_pj
            counted = {name: count + found.counts[name] for name, count in counted.items()}
    report = rules.load("spikingjelly_horowitz:simple").price(trace.activity, evidence)
    assert report.count("AC") == counted["ac"]
    assert report.count("MAC") == counted["mac"]
    assert report.count("weight read, bytes") == counted["weight_read_bytes"]
    assert report.count("bias read, bytes") == counted["bias_read_bytes"]
    assert report.count("neuron state, bytes") == 2 * counted["neuron_state_read_bytes"]
    assert report.energy_j * 1e12 == pytest.approx(energy, rel=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("kind", "spikes"), [("IF", True), ("IF", False), ("LIF", True)])
def test_spikingjelly_compute_energies(seed, kind, spikes):
    simple = pytest.importorskip("spikingjelly.activation_based.op_counter.simple_energy")
    network, x = network_of(seed, spiking(kind), spikes=spikes)
    trace, evidence = recorded(network, x, spikes=spikes)
    net, ac, mac = modules(network, spikingjelly_neuron), simple.ACCounter(), simple.MACCounter()
    with torch.no_grad(), simple.DispatchCounterMode([ac, mac]):
        for frame in frames(x):
            net(frame)
    for name in ("fp32", "fp16", "int8"):
        config = getattr(simple.SimpleEnergyCostConfig, name)()
        report = rules.load(f"spikingjelly_horowitz:{name}").price(trace.activity, evidence)
        assert (report.count("AC"), report.count("MAC")) == (ac.get_total(), mac.get_total())
        computed = ac.get_total() * config.e_ac_pj + mac.get_total() * config.e_mac_pj
        assert report.energy_j * 1e12 == pytest.approx(computed, rel=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("kind", "spikes"), [("IF", True), ("IF", False), ("LIF", True)])
def test_spikingjelly_lemaire(seed, kind, spikes):
    analytical = pytest.importorskip("spikingjelly.activation_based.op_counter.analytical_energy")
    network, x = network_of(seed, spiking(kind), pool=False, spikes=spikes)
    trace, evidence = recorded(network, x, spikes=spikes)
    net = modules(network, spikingjelly_neuron)
    config = analytical.LemaireEnergyConfig(strict=False)
    counted, energy = {}, 0.0
    for frame in frames(x):
        with pytest.warns(RuntimeWarning, match="Lemaire formulas do not support Flatten"):
            found = analytical.estimate_lemaire_energy(net, frame, config=config)
        energy += found.total_pj
        counted = {name: counted.get(name, 0) + count for name, count in found.counts.items()}
    report = rules.load("spikingjelly_lemaire").price(trace.activity, evidence)
    assert report.count("AC") == counted["ac"]
    assert report.count("MAC") == counted["mac"]
    assert report.count("address AC") == counted["acc_addr"]
    assert report.count("address MAC") == counted["mac_addr"]
    for ours, theirs in (
        ("input read", "read_in"), ("output write", "write_out"), ("parameter read", "read_params"),
        ("potential read", "read_potential"), ("potential write", "write_potential"),
    ):  # fmt: skip
        assert report.count(f"{ours}, bytes") == counted[f"{theirs}_bytes"]
    assert report.energy_j * 1e12 == pytest.approx(energy, rel=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("spikes", [True, False])
def test_spikingjelly_spikesim(seed, spikes):
    spikesim = pytest.importorskip("spikingjelly.activation_based.op_counter.spikesim")
    network, x = network_of(seed, spiking("IF"), pool=False, spikes=spikes)
    trace, evidence = recorded(network, x, spikes=spikes)
    net = modules(network, spikingjelly_neuron)
    for name, mode, device in (
        ("spikesim:event_rram", "event", "rram"), ("spikesim:event_sram", "event", "sram"), ("spikesim:rram", "dense", "rram"),
    ):  # fmt: skip
        config = spikesim.SpikeSimEnergyConfig(xbar_size=1, device=device, activity_mode=mode)
        with torch.no_grad():
            theirs = 0.0
            for module in net:
                if hasattr(module, "reset"):
                    module.reset()
            for frame in frames(x):
                theirs += spikesim.estimate_spikesim_energy(net, frame, config=config).energy_total_pj
        rule = replace(rules.load(name), crossbar_size=1)
        assert rule.price(trace.activity, evidence).energy_j * 1e12 == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("spikes", [True, False])
def test_sinabs(seed, spikes):
    pytest.importorskip("sinabs")
    from sinabs.synopcounter import SNNAnalyzer

    network, x = network_of(seed, lambda theta: IF(v_threshold=theta), spikes=spikes)
    trace, evidence = recorded(network, x, spikes=spikes)
    report = rules.load("sinabs").price(trace.activity, evidence)
    # the layers of weights alone, each with what it read, summed over steps as sinabs does
    pooled = torch.nn.functional.avg_pool2d(frames(trace.spikes["one"].reshape(-1, *trace.spikes["one"].shape[2:])), 2)
    reads = {"conv": frames(x).sum(0), "linear": pooled.reshape(len(x), x.shape[1], -1).sum(0)}
    for name, scale in (("conv", 1), ("linear", 4)):
        layer = modules(
            Network("one", network.shapes[network[name].inputs[0]], (Node(name, network[name].layer, ("input",)),)),
            None,
        )
        with pytest.warns(DeprecationWarning, match="SNNAnalyzer is deprecated"):
            analyzer = SNNAnalyzer(layer)
        layer(reads[name])
        ((found),) = [analyzer.get_layer_statistics()["parameter"]["0"]["synops"]]
        ours = sum(row.count for row in report.rows if row.node == name) / x.shape[1]
        assert float(ours) == pytest.approx(float(found) * scale, rel=1e-6)  # sinabs adds up in float32


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("spikes", [True, False])
def test_syops(seed, spikes):
    try:
        from spikingjelly.clock_driven import neuron
        from syops.engine import add_syops_counting_methods
    except ImportError:
        pytest.skip("syops needs spikingjelly 0.0.0.0.12")
    network, x = network_of(seed, lambda theta: IF(v_threshold=theta), spikes=spikes)
    trace, evidence = recorded(network, x, spikes=spikes)
    net = add_syops_counting_methods(
        modules(network, lambda node: neuron.IFNode(v_threshold=node.layer.v_threshold, v_reset=None))
    )
    net.start_syops_count(ost=sys.stdout, verbose=False, ignore_list=[])
    with torch.no_grad():
        for frame in frames(x):
            net(frame)
    counted, _ = net.compute_average_syops_cost()  # a batch is a step here: means over steps
    report = rules.load("syops").price(trace.activity, evidence)
    for name, found in zip(("operations", "AC", "MAC"), counted, strict=False):
        assert float(report.count(name)) / STEPS == pytest.approx(float(found), rel=1e-6)  # means in float32


@pytest.mark.parametrize("seed", range(12))
def test_sanafe(seed):
    if importlib.util.find_spec("sanafe") is None:
        pytest.skip("could not find 'sanafe'")
    network, x, cores, given = sanafe_networks(seed)
    trace = simulate(
        network, x, steps=given["steps"], schedule="pipeline", record=Record(spikes=network.neurons, v=network.neurons)
    )
    did = messages(network, trace, x, cores)
    report = rules.load("sanafe_loihi").price(trace.activity, rules.Evidence(messages=did))
    script = Path(__file__).with_name("sanafe_process.py")
    done = subprocess.run(
        [sys.executable, str(script)], input=json.dumps(given), capture_output=True, text=True, check=True
    )
    theirs = json.loads(done.stdout.splitlines()[-1])
    inputs = int(did.input_spikes.sum())
    assert report.energy_j == pytest.approx(theirs["energy"]["total"], rel=1e-12)
    assert report.latency_s[0] == pytest.approx(theirs["sim_time"], rel=1e-12)
    assert report.count("packet sent") == theirs["packets_sent"]
    assert report.count("update") + inputs == theirs["neurons_updated"]
    assert report.count("spike") + inputs == theirs["neurons_fired"]
    assert sum(int(met.sum()) for met in did.synapses.values()) == theirs["spikes"]
