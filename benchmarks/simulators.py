"""refsnn beside SpikingJelly, snnTorch, sinabs and PyTorch's dense source network: same weights, inputs, steps, threads.

    pip install . torch spikingjelly snntorch sinabs
    python benchmarks/simulators.py                         # digits and the generated networks
    python benchmarks/simulators.py --only resnet34 --images 2
    python benchmarks/simulators.py --only net --network net.yaml --data test.npz
    python benchmarks/simulators.py --quick                 # under half a minute, to see that it works

Prints one table, on stderr how far it is. benchmarks/README.md says what every row and column means.
"""

import argparse
import json
import os
import platform
from importlib.util import find_spec
from pathlib import Path

import networks
import report
import roofline
from measurement import measured, say

from refsnn.errors import RefSNNError

PEERS = ("spikingjelly", "snntorch", "sinabs", "torch")  # as peers.py has them, and as pip calls them


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    choose = parser.add_argument
    choose("--only", nargs="+", metavar="NAME", help=f"of {', '.join(networks.NAMES)} and the files given")
    choose("--network", action="append", default=[], metavar="SPEC", help="a QCFS network of yours; may be repeated")
    choose("--weights", action="append", default=[], help="for each --network, unless their specs name them")
    choose("--data", action="append", default=[], help="for each --network: npz with x")
    choose("--rate", type=float, default=0.15, help="spikes per neuron and step of generated networks (0.15)")
    choose("--seed", type=int, default=0, help="of generated networks and their images")
    choose("--steps", type=int, default=8)
    choose("--images", type=int, help="by default 400 small ones, 20 for vgg16 and resnet18, 2 for resnet34")
    choose("--threads", type=int, default=os.cpu_count())
    choose("--repeats", type=int, default=3, help="a time is the best of so many, after a run to warm up (3)")
    choose(
        "--batches", type=int, nargs="+", default=[1, 2, 5, 10, 25, 50, 100, 200, 400], help="that peers choose from"
    )
    choose("--peers", nargs="*", choices=PEERS, default=PEERS)
    choose("--format", choices=("text", "json"), default="text")
    choose("--quick", action="store_true", help="digits, 50 images, one repeat: tests this program, measures nothing")
    options = parser.parse_args()
    if options.quick:
        options.only = options.only or ["digits"]
        options.images, options.repeats, options.batches = options.images or 50, 1, [50]
    if len(options.data) != len(options.network) or len(options.weights) not in (0, len(options.network)):
        parser.error("every --network needs a --data, and --weights is given for each of them or for none")
    if not 0 < options.rate < 0.5:
        parser.error(f"--rate {options.rate}: expected a number between 0 and 0.5")
    for name in ("steps", "images", "threads", "repeats", "batches"):
        value = getattr(options, name)
        if value is not None and min(value if name == "batches" else [value]) < 1:
            parser.error(f"--{name}: expected 1 or more")
    return options


def cases(options):
    """The chosen networks, each made when its turn comes."""
    files = {}
    for k, spec in enumerate(options.network):
        weights = options.weights[k] if options.weights else None
        files[Path(spec).stem] = networks.from_files(spec, options.data[k], weights=weights, images=options.images)
    known = (*networks.NAMES, *files)
    for name in options.only or ():
        if name not in known:
            raise SystemExit(f"--only {name}: no such network; there are {', '.join(known)}")
    for name in options.only or known:
        if name in files:
            yield files[name]
        elif name == "digits":
            yield networks.digits(options.images or 400)
        else:
            say(f"{name}: generating it with {options.rate} spikes per neuron and step")
            yield networks.generated(
                name, images=options.images, steps=options.steps, rate=options.rate, seed=options.seed
            )


def installed(peers):
    """The peers whose packages are here; says which are not, and how to get them."""
    here = [peer for peer in peers if find_spec("torch") and find_spec(peer)]
    for peer in sorted(set(peers) - set(here)):
        needs = " ".join(package for package in dict.fromkeys(("torch", peer)) if not find_spec(package))
        say(f"{peer}: not installed (pip install {needs}); the run goes on without it")
    return here


def machine(options):
    path = Path("/proc/cpuinfo")
    model = [line for line in path.read_text().splitlines() if line.startswith("model name")] if path.exists() else []
    return {
        "processor": model[0].split(":")[1].strip() if model else platform.processor(),
        "threads": options.threads,
        "load": round(os.getloadavg()[0], 1),
        "repeats": options.repeats,
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
    }


def main():
    options = arguments()
    try:
        chosen = cases(options)
        first = next(chosen)  # a wrong name or file ends the program before anything is measured
        peers, described = installed(options.peers), machine(options)
        say("roofline")
        shorter = {"seconds": 0.02, "repeats": 1} if options.quick else {}
        rows = list(roofline.measured(options.threads, **shorter))
        result = {
            "machine": described, "roofline": rows,
            "second_cache_g_per_s": roofline.second_cache(rows, options.threads),
            "not_installed": sorted(set(options.peers) - set(peers)),
            "networks": [measured(case, options, peers) for case in (first, *chosen)],
        }  # fmt: skip
    except (RefSNNError, RuntimeError) as error:
        raise SystemExit(str(error)) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    print(json.dumps(result, indent=1) if options.format == "json" else report.text(result))


if __name__ == "__main__":
    main()
