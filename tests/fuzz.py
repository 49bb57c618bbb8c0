"""Coverage-guided fuzzing of each reader, a minute each: too long for every push, right for a night.

    pip install '.[fuzz,nir]'
    python tests/fuzz.py                                  # every reader of tests/fuzz_targets.py
    python tests/fuzz.py pickle mat --seconds 300
    python tests/fuzz.py pickle --replay findings/pickle-crash-…

Whatever is no refusal is a finding: another exception, more than two seconds, more than 1 GiB. It is kept in the folder
`findings`, and printed with the command that shows it again. The seeds stand in tests/fuzz_seeds.
"""

import contextlib
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

LENGTH = 8192  # bytes of a file at most: every reader is reached with less
OPTIONS = (f"-max_len={LENGTH}", "-timeout=2", "-rss_limit_mb=1024", "-print_final_stats=1")


def start(reader, arguments):
    """Fuzz in this process; does not return. Only what is imported here is watched for coverage."""
    import atheris

    with atheris.instrument_imports(
        include=["fuzz_targets", "refsnn.formats", "refsnn.specs", "yaml"], enable_loader_override=False
    ):
        from fuzz_targets import MISTAKES, TARGETS

        import refsnn.formats
        from refsnn.errors import RefSNNError

        for module in walk_packages(
            refsnn.formats.__path__, "refsnn.formats."
        ):  # readers are imported when a file needs them, which is too late
            import_module(module.name)

    target = (TARGETS | MISTAKES)[reader][0]

    def once(data):
        with contextlib.suppress(RefSNNError):
            target(data)

    atheris.Setup([sys.argv[0], *arguments], once)
    atheris.Fuzz()


def fuzz(reader, seconds, findings):
    """Whether nothing was found within the time, and what the fuzzer said at its end; the process is one of its own."""
    seeds = Path(__file__).parent / "fuzz_seeds" / reader
    with tempfile.TemporaryDirectory() as grown:  # before the seeds: what is new goes there
        done = subprocess.run(
            [sys.executable, __file__, reader, "--arguments", *OPTIONS, f"-max_total_time={seconds}",
             f"-artifact_prefix={findings}/{reader}-", grown, *([str(seeds)] if seeds.exists() else [])],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
        )  # fmt: skip
    return done.returncode == 0, done.stdout


def count(text, name):
    """A number of libFuzzer's closing statistics."""
    lines = [line for line in text.splitlines() if name in line]
    return int(lines[-1].split()[-1]) if lines else 0


def coverage(text):
    """Edges that libFuzzer reached."""
    words = [line.split() for line in text.splitlines() if " cov: " in line]
    return int(words[-1][words[-1].index("cov:") + 1]) if words else 0


def main():
    from fuzz_targets import TARGETS

    parser = ArgumentParser(description="Fuzz the readers of model files.")
    parser.add_argument("readers", nargs="*", metavar="reader", help=f"of {', '.join(TARGETS)}; all without one")
    parser.add_argument("--seconds", type=int, default=60, help="for each reader (60)")
    parser.add_argument("--replay", metavar="FILE", help="call the reader with this file once")
    options = parser.parse_args()
    unknown = set(options.readers) - set(TARGETS)
    if unknown:
        parser.error(f"no reader {sorted(unknown)}; known: {', '.join(TARGETS)}")
    if options.replay:
        return TARGETS[options.readers[0]][0](Path(options.replay).read_bytes())
    findings = Path("findings").resolve()
    findings.mkdir(exist_ok=True)
    bad = 0
    print(f"{'reader':<14}{'files':>10}{'edges':>8}  found")
    for reader in options.readers or TARGETS:
        before = set(findings.glob(f"{reader}-*"))
        good, said = fuzz(reader, options.seconds, findings)
        found = sorted(set(findings.glob(f"{reader}-*")) - before)
        bad += not good
        print(
            f"{reader:<14}{count(said, 'number_of_executed_units'):>10}{coverage(said):>8}  {'nothing' if good else ''}",
            flush=True,
        )
        for path in found:
            print(f"    python tests/fuzz.py {reader} --replay {path}")
        if not good:
            print(
                "\n".join(
                    f"    {line}"
                    for line in said.splitlines()
                    if "Error" in line or "Exception" in line or "SUMMARY" in line
                )
            )
    return 1 if bad else 0


if __name__ == "__main__":
    if "--arguments" in sys.argv:
        start(sys.argv[1], sys.argv[3:])
    sys.exit(main())
