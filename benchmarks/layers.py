"""Single layers at a stated spike rate: what of the machine's roofline they reach, and what silence and whole weights cost.

    python benchmarks/layers.py [--rate 0.15] [--images 4]

One thread. `fire` is the layer with its IF neurons, `currents` the layer alone, in float32 and with whole weights of eight
bits: small ones, of which a static bound says that 16 bits hold every sum, and such that need 32. G accumulates/s, the best of
--repeats.
"""

import argparse
import time

import numpy as np
import roofline

from refsnn.kernels.bits import count, pack
from refsnn.kernels.fan_in import fan_out
from refsnn.kernels.packed import currents, fire, integer_plan, plan
from refsnn.layers import Conv2d, Linear
from refsnn.neurons import IF

LAYERS = {
    "32 channels, 32 x 32": (32, 32, 32),
    "64 channels, 56 x 56": (64, 64, 56),
    "128 channels, 28 x 28": (128, 128, 28),
    "256 channels, 14 x 14": (256, 256, 14),
    "512 channels, 7 x 7": (512, 512, 7),
    "1024 to 1024, fully connected": (1024, 1024, 0),
}


def best(run, repeats):
    run()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times)


def measured(inputs, outputs, side, options):
    """What one layer reaches: G accumulates/s, and what silence costs as a share of its time at other rates."""
    draw = np.random.default_rng(0)
    shape = (inputs, side, side) if side else (inputs,)
    weight = draw.integers(-127, 128, (outputs, inputs, *((3, 3) if side else ())))
    fan_in = weight[0].size

    def layer_of(weights):
        return Conv2d(weight=weights, padding=1) if side else Linear(weight=weights)

    layer = layer_of((weight / 128 * 0.05).astype(np.float32))
    prepared = plan(layer, shape, 1.0, np.dtype(np.float32))
    # sums of fan_in weights of at most `small` stay below 2^15
    small = max(1, min(127, 32000 // fan_in))
    whole = {16: integer_plan(layer_of(np.clip(weight, -small, small)), shape)}
    if fan_in * 64 > 1 << 15:
        whole[32] = integer_plan(layer_of(weight), shape)
    bits = {rate: pack(draw.random((8, options.images, *shape)) < rate) for rate in (0.0, options.rate, 1.0)}
    work = int(count(bits[options.rate], fan_out(layer, shape)).sum())
    room = {
        "counts": np.empty((options.images, *prepared.shape), np.int32),
        "residual": np.empty((options.images, *prepared.shape), np.float32),
    }
    neuron = IF(v_threshold=1e9)
    fires = {rate: best(lambda b=b: fire(prepared, neuron, b, **room), options.repeats) for rate, b in bits.items()}
    alone = best(lambda: currents(prepared, bits[options.rate]), options.repeats)
    narrow = {
        width: work / best(lambda p=p: currents(p, bits[options.rate]), options.repeats) / 1e9
        for width, p in whole.items()
    }
    return {
        "fire": work / fires[options.rate] / 1e9,
        "silent_of_full": fires[0.0] / fires[1.0],
        "silent_of_rate": fires[0.0] / fires[options.rate],
        "currents": work / alone / 1e9,
        "whole": narrow,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=0.15)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    limit = roofline.second_cache(list(roofline.measured(1)), 1)
    print(f"rate {options.rate}, one thread; roofline with rows in the second cache {limit:.1f} G accumulates/s")
    print(f"{'3 x 3 convolutions, T = 8':<32}{'fire':>7}{'of roofline':>13}{'silent: of full':>17}{'of rate':>9}"
          f"{'currents':>10}{'16-bit sums':>17}{'32-bit':>12}")  # fmt: skip
    for name, sizes in LAYERS.items():
        row = measured(*sizes, options)
        whole = "".join(f"{rate:>10.1f} ({rate / row['currents']:.1f}x)" for rate in row["whole"].values())
        print(
            f"{name:<32}{row['fire']:>7.1f}{row['fire'] / limit:>12.0%} "
            f"{row['silent_of_full']:>16.1%} {row['silent_of_rate']:>8.0%}"
            f"{row['currents']:>10.1f}{whole}",
            flush=True,
        )


if __name__ == "__main__":
    main()
