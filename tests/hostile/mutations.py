"""Good files, damaged at random: the watch must see nothing, and what is refused must be refused with a code.

    cd tests && python -m hostile.mutations                      # 10,000 files, seed 1, some minutes
    cd tests && python -m hostile.mutations --count 300 --seed 7

A file at fault is kept in the folder `findings`; `python -m hostile FILE` opens it again.
"""

import sys
import tempfile
from argparse import ArgumentParser
from collections import Counter
from hashlib import sha256
from pathlib import Path

import numpy as np

from hostile import valid
from hostile.cases import ANY, Case
from hostile.watching import opened

# each file of HDF5 costs a process: a tenth of all
SLOW = ("nir", "net", "h5", "keras", "weights.h5")
FAST = tuple(suffix for suffix in valid.FILES if suffix not in SLOW)
SLOW_SHARE = 0.1
WORDS = (
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\0" * 4,
    b"\xff" * 4,
    b"\xff\xff\xff\x7f",
    b"\0\0\0\x80",
    b"\xff" * 8,
    b"\0" * 8,
    b"\x01",
)
BATCH = 1000


def mutated(content, other, rng):
    """The content after one to four changes, each of one kind: bytes, words, cuts, copies, pieces of another file."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        at, end = sorted(rng.integers(0, len(data) + 1, 2).tolist())
        kind = rng.integers(7)
        if kind == 0 and data:
            data[at % len(data)] = rng.integers(256)
        elif kind == 1 and data:
            data[at % len(data)] ^= 1 << rng.integers(8)
        elif kind == 2:
            word = WORDS[rng.integers(len(WORDS))]
            data[at : at + len(word)] = word
        elif kind == 3:
            del data[at : len(data) if rng.random() < 0.3 else min(end, at + 16)]
        elif kind == 4:
            data[at:at] = data[at : min(end, at + 64)]
        elif kind == 5:
            first, last = sorted(rng.integers(0, len(other) + 1, 2).tolist())
            data[at:end] = other[first:last]
        else:
            data[at:at] = bytes(rng.integers(0, 256, rng.integers(1, 9), np.uint8))
    return bytes(data)


def cases(seed, count):
    """`count` damaged files, the same for the same seed."""
    rng = np.random.default_rng(seed)
    good = {suffix: make() for suffix, make in valid.FILES.items()}
    for index in range(count):
        group = SLOW if rng.random() < SLOW_SHARE else FAST
        suffix, other = group[rng.integers(len(group))], (*FAST, *SLOW)[rng.integers(len(good))]
        content = mutated(good[suffix], good[suffix if rng.random() < 0.5 else other], rng)
        yield Case(f"{index:05}.{suffix}", content, ANY)


def keep(found, folder):
    """Write a file at fault where it can be opened again."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{sha256(found.content).hexdigest()[:12]}.{found.name.partition('.')[2]}"
    path.write_bytes(found.content)
    return path


def main():
    parser = ArgumentParser(description="Open randomly damaged files under watch.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=10_000)
    options = parser.parse_args()
    every, codes, bad = list(cases(options.seed, options.count)), Counter(), 0
    for start in range(0, len(every), BATCH):
        part = every[start : start + BATCH]
        with tempfile.TemporaryDirectory() as folder:
            outcomes = opened(Path(folder), part)
        for found, outcome in zip(part, outcomes, strict=True):
            codes[outcome.code or outcome.ended] += 1
            for fault in outcome.faults(found.codes):
                bad += 1
                print(f"{fault}\n    python -m hostile {keep(found, Path('findings').resolve())}", flush=True)
    print(f"{options.count} files, seed {options.seed}: {bad} faults")
    print(", ".join(f"{code} {count}" for code, count in codes.most_common()))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
