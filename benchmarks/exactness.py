"""Where a conversion is exact and what goes wrong, for T = 1..32; and how long verifying takes.

    python benchmarks/exactness.py [--network NET.yaml --weights FILE --data DATA.npz] [--steps 1 2 4 8] [--images 400]

Without a network: the packaged digits. For each T, in real numbers: the share of neurons of each layer that count as the source's
level says, the accuracy, the decisions that are the source's, and the error that dominates deeper layers, where it is born
(u: unevenness, q: quantisation, a: arrived from before). Then integrate_then_fire at T = L.
"""

import argparse
import time

import refsnn
from hwmodel.library import specs_folder


def row(verdict, name, seconds):
    shares = [
        f"{100 * layer.end_to_end.exact / layer.end_to_end.neurons:8.2f}{layer.split.dominant[0]:>2}"
        for layer in verdict.layers
    ]
    decided = f"{100 * verdict.accuracy:10.2f}{verdict.same_decision:8}{verdict.same_readout:8}{seconds:8.1f}"
    print(f"{name:>10}{''.join(shares)}{decided}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default=str(specs_folder() / "networks" / "digits.yaml"))
    parser.add_argument("--weights")
    parser.add_argument("--data", default=str(specs_folder() / "data" / "digits_test.npz"))
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--steps", type=int, nargs="+", default=[*range(1, 17), 20, 24, 28, 32])
    options = parser.parse_args()
    ann = refsnn.load(options.weights, spec=options.network) if options.weights else refsnn.load(options.network)
    snn, samples = refsnn.convert(ann), refsnn.load_data(options.data, options.images)
    refsnn.verify(ann, snn, samples.x[:2], samples.y[:2], steps=2)  # compiled before anything is timed
    levels = max(node.layer.levels for node in ann.nodes if hasattr(node.layer, "levels"))
    print(f"{ann.name}, {len(samples.x)} images, L = {levels}: exact neurons end to end (%) and the dominant error")
    print(
        f"{'T':>10}"
        + "".join(f"{name:>10}" for name in snn.neurons)
        + f"{'accuracy':>10}{'as src':>8}{'readout':>8}{'s':>8}"
    )
    for steps, schedule in [*((steps, "lockstep") for steps in options.steps), (levels, "integrate_then_fire")]:
        begin = time.perf_counter()
        verdict = refsnn.verify(ann, snn, samples.x, samples.y, steps=steps, schedule=schedule)
        row(verdict, str(steps) if schedule == "lockstep" else f"itf {steps}", time.perf_counter() - begin)
    print(f"source accuracy {100 * verdict.source_accuracy:.2f} %")


if __name__ == "__main__":
    main()
