"""Opens the corpus, or one file, under watch and prints name, code, peak, seconds and faults.

cd tests && python -m hostile [PART OF A NAME | FILE]
"""

import sys
import tempfile
from pathlib import Path

from hostile.cases import ANY, Case
from hostile.corpus import corpus
from hostile.watching import opened


def main():
    part = sys.argv[1] if len(sys.argv) > 1 else ""
    if Path(part).is_file():
        cases = [Case(Path(part).name, Path(part).read_bytes(), ANY)]
    else:
        cases = [case for case in corpus() if part in case.name]
    with tempfile.TemporaryDirectory() as folder:
        outcomes = opened(Path(folder), cases)
    bad = 0
    print(f"{'file':<52}{'bytes':>10}  {'code':<18}{'MiB':>6}{'HDF5':>6}{'s':>7}")
    for case, outcome in zip(cases, outcomes, strict=True):
        code = outcome.code if outcome.ended == "refused" else f"{outcome.ended} {outcome.code}"
        row = f"{case.name:<52}{outcome.size:>10}  {code:<18}{outcome.peak / 2**20:>6.1f}{outcome.inner / 2**20:>6.1f}"
        print(f"{row}{outcome.seconds:>7.2f}")
        for fault in outcome.faults(case.codes):
            bad += 1
            print(f"    ! {fault}")
    print(f"{len(cases)} files, {bad} faults")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
