"""SANA-FE in a process of its own: a network of groups from stdin, what the simulator says of it on stdout. JSON, both.

{"steps": T, "groups": {name: {"neurons": n, "threshold": v, "reset": "hard" or "soft", "synapse": "dense", "sparse" or "conv"},
 or of inputs {"spikes": [[0, 1, ...], ...]}}, "edges": [[group, group, [[from, to, weight], ...]], ...],
 "cores": {group: [[tile, core] of each neuron]}}
"""

import json
import sys


def simulated(given):
    import sanafe

    chip, net, groups = sanafe.load_loihi(), sanafe.Network(), {}
    for name, group in given["groups"].items():
        if "spikes" in group:
            groups[name] = net.create_neuron_group(name, len(group["spikes"]))
            for i, train in enumerate(group["spikes"]):
                groups[name][i].set_attributes(soma_hw_name=f"loihi_inputs[{i}]", model_attributes={"spikes": train})
        else:
            groups[name] = net.create_neuron_group(
                name, group["neurons"], model_attributes={"threshold": group["threshold"], "reset_mode": group["reset"]},
                default_synapse_hw_name=f"loihi_{group['synapse']}_synapse", soma_hw_name="loihi_lif",
            )  # fmt: skip
    for source, target, pairs in given["edges"]:
        weights = {"weight": [weight for _, _, weight in pairs]}
        groups[source].connect_neurons_sparse(groups[target], weights, [(a, b) for a, b, _ in pairs])
    for name, places in given["cores"].items():
        for i, (tile, core) in enumerate(places):
            groups[name][i].map_to_core(chip.tiles[tile].cores[core])
    hardware = sanafe.SpikingChip(chip)
    hardware.load(net)
    return hardware.sim(given["steps"], timing_model="simple")


if __name__ == "__main__":
    done = simulated(json.load(sys.stdin))
    kept = ("energy", "sim_time", "spikes", "packets_sent", "neurons_updated", "neurons_fired")
    sys.stdout.write(json.dumps({key: done[key] for key in kept}))
