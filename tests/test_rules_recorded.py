"""What the tools themselves count and charge for one fixed network; tests/peers runs them on it beside ours."""

from dataclasses import replace

import pytest
from rule_networks import fixed, recorded

from hwmodel import rules
from refsnn import preset

NEURONS = {
    "IF": lambda theta: preset("spikingjelly.IFNode", v_threshold=theta, v_reset=None),
    "LIF": lambda theta: preset("spikingjelly.LIFNode", tau=2.0, v_threshold=theta, v_reset=None),
    "Leaky": lambda theta: preset(
        "snntorch.Leaky>=0.8", beta=0.5, threshold=theta, reset_mechanism="zero", reset_delay=False
    ),
}
# neurons, mean pool between the layers, spikes or real frames as input, rule: counts, energy in pJ to the sixth digit; recorded from
# SpikingJelly 2.0.0, syops 0.0.5, sinabs 3.1.3 and NeuroBench 2.3.0 on x86-64
RECORDED = {
    ("IF", True, True, "spikingjelly_horowitz:simple"): (
        {"weight read, bytes": 4320, "bias read, bytes": 1880, "AC": 2545, "MAC": 360, "neuron state, bytes": 3760},
        252548.1,
    ),
    ("IF", True, True, "spikingjelly_horowitz:fp32"): ({"AC": 2400, "MAC": 360}, 3816.0),
    ("IF", True, True, "syops"): ({"AC": 1728, "MAC": 380, "operations": 9850}, 3303.2),
    ("IF", True, True, "sinabs"): ({"synops": 1492}, None),
    ("IF", True, False, "spikingjelly_horowitz:simple"): (
        {"weight read, bytes": 33840, "bias read, bytes": 1880, "AC": 1680, "MAC": 8460, "neuron state, bytes": 3760},
        1025848.8,
    ),
    ("IF", True, False, "spikingjelly_horowitz:fp32"): ({"AC": 1680, "MAC": 8460}, 40428.0),
    ("IF", True, False, "syops"): ({"AC": 870, "MAC": 8930, "operations": 9850}, 41861.0),
    ("IF", True, False, "sinabs"): ({"synops": 4419.5}, None),
    ("LIF", False, True, "spikingjelly_horowitz:simple"): (
        {"weight read, bytes": 4624, "bias read, bytes": 1880, "AC": 3651, "MAC": 0, "neuron state, bytes": 3760},
        259475.34,
    ),
    ("LIF", False, True, "spikingjelly_lemaire"): (
        {
            "AC": 2005,
            "MAC": 470,
            "address AC": 1408,
            "address MAC": 72,
            "input read, bytes": 580,
            "parameter read, bytes": 7512,
            "potential read, bytes": 7512,
            "potential write, bytes": 7512,
            "output write, bytes": 508,
        },
        5877.682422,
    ),
    ("LIF", False, True, "spikesim:event_rram"): (
        {"patch control": 597, "crossbar rows": 720, "output sites": 648},
        337075.458132,
    ),
    ("LIF", False, True, "spikesim:rram"): ({"PE cycles": 900}, 509309.068953),
    ("LIF", False, False, "spikingjelly_horowitz:simple"): (
        {"weight read, bytes": 37456, "bias read, bytes": 1880, "AC": 3614, "MAC": 8100, "neuron state, bytes": 3760},
        1116188.76,
    ),
    ("LIF", False, False, "spikingjelly_lemaire"): (
        {
            "AC": 2069,
            "MAC": 8570,
            "address AC": 2149,
            "address MAC": 0,
            "input read, bytes": 33664,
            "parameter read, bytes": 39336,
            "potential read, bytes": 6936,
            "potential write, bytes": 6936,
            "output write, bytes": 1340,
        },
        38504.969922,
    ),
    ("LIF", False, False, "spikesim:event_rram"): (
        {"patch control": 900, "crossbar rows": 8100, "output sites": 900},
        509309.068953,
    ),
    ("LIF", False, False, "spikesim:rram"): ({"PE cycles": 900}, 509309.068953),
    ("Leaky", True, True, "neurobench"): (
        {
            "Effective_ACs": 661,
            "Effective_MACs": 273,
            "Dense": 6600,
            "MembraneUpdates": 360,
            "Effective Neuron Ops": 1440,
            "Neuron Dense Ops": 1880,
        },
        None,
    ),
    ("Leaky", True, False, "neurobench"): (
        {
            "Effective_ACs": 0,
            "Effective_MACs": 5406,
            "Dense": 6600,
            "MembraneUpdates": 209,
            "Effective Neuron Ops": 836,
            "Neuron Dense Ops": 1880,
        },
        None,
    ),
}


@pytest.mark.parametrize(("neurons", "pool", "spikes", "name"), RECORDED)
def test_what_the_tool_counts_and_charges(neurons, pool, spikes, name):
    network, x = fixed(NEURONS[neurons], pool=pool, spikes=spikes)
    trace, evidence = recorded(network, x, spikes=spikes)
    rule = rules.load(name)
    report = (replace(rule, crossbar_size=1) if "spikesim" in name else rule).price(trace.activity, evidence)
    counts, energy = RECORDED[neurons, pool, spikes, name]
    assert {quantity: count for quantity, (count, _) in report.totals().items()} == counts
    assert (report.energy_j and round(report.energy_j * 1e12, 6)) == energy
