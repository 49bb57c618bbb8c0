"""Peak memory of a ResNet-34-size network at 3 x 224 x 224, T = 8, for growing numbers of images.

    python benchmarks/memory.py [--images 2 4 8] [--threads 2]

Each number in a process of its own. Neither spike counts nor potentials are kept (Record(counts=())), so that nothing grows
with the images but the images themselves, the readout and the activity.
"""

import argparse
import multiprocessing
import os

import networks
import numpy as np
from processes import forget_peak, memory_mib

import refsnn


def run(images, threads, answer):
    case = networks.generated("resnet34", images=2)
    network = refsnn.convert(case.network)
    x = np.concatenate([case.x] * -(-images // len(case.x)))[:images]
    forget_peak()
    before = memory_mib("VmRSS")
    trace = refsnn.simulate(network, x, steps=8, threads=threads, record=refsnn.Record(counts=()))
    answer.put((before, memory_mib("VmHWM"), trace.activity.total("spikes_out")))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    print(f"{'images':>8}{'MiB before the run':>20}{'peak MiB':>10}{'spikes':>16}")
    for images in options.images:
        answer = context.Queue()
        process = context.Process(target=run, args=(images, options.threads, answer))
        process.start()
        before, peak, spikes = answer.get()
        process.join()
        print(f"{images:>8}{before:>20.0f}{peak:>10.0f}{spikes:>16,}", flush=True)


if __name__ == "__main__":
    main()
