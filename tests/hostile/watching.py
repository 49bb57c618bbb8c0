"""Cases opened by the watched process, and what is wrong with what came of it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from hostile import valid

MEMORY, PER_BYTE = 64 << 20, 3  # what opening one file may cost: bytes, and bytes for each of the file
SECONDS, WAIT = 2.0, 4.0  # of processor time; by the clock, which other processes slow down
RETRIES = 5  # files that may be opened once more because they took long
TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Outcome:
    """What came of opening one file."""

    name: str
    ended: str  # opened, refused, raised (an error that is not ours), lost (killed, crashed)
    code: str
    message: str
    events: tuple[str, ...]  # what the audit hook stopped
    seconds: float  # of processor time
    wall: float  # seconds by the clock
    peak: int  # bytes of resident memory above what stood before
    inner: int  # the same of the process that reads HDF5, above what it needs for a small good file
    size: int  # of the file

    def faults(self, codes=None):
        """Sentences; none for a file that was refused rightly. codes: None for a file that must open."""
        wrong = [f"tried {event}" for event in self.events]
        if codes is None and self.ended != "opened":
            wrong.append(f"{self.ended}: {self.code} {self.message}")
        if codes is not None and (self.code if self.ended == "refused" else self.ended) not in codes:
            wrong.append(f"{self.ended} {self.code} {self.message}, expected {' or '.join(sorted(codes))}")
        for what, bytes_ in (("", self.peak), (" in the process that reads HDF5", self.inner)):
            if bytes_ > MEMORY + PER_BYTE * self.size:
                wrong.append(f"{bytes_ >> 20} MiB{what} for {self.size} bytes")
        if self.seconds > SECONDS:
            wrong.append(f"{self.seconds:.1f} s")
        elif self.wall > WAIT:
            wrong.append(f"{self.wall:.1f} s by the clock")
        if not self.message.isprintable():
            wrong.append(f"unprintable message {self.message!r}")
        return wrong


def written(folder, cases):
    """The cases as files, each in a folder of its own; their paths."""
    paths = []
    for index, case in enumerate(cases):
        place = folder / str(index)
        place.mkdir(parents=True)
        path = place / case.name.rpartition("/")[2]
        path.write_bytes(case.content)
        for name, content in case.beside.items():
            if isinstance(content, str):
                (place / name).symlink_to(content)
            else:
                (place / name).write_bytes(content)
        paths.append(path)
    return paths


def how_opened(path):
    return "spec" if path.suffix == ".yaml" else "model"


def observed(folder, jobs):
    """The outcomes of (how, path) jobs, after a good file of each format and one that is cut in half have been opened."""
    good = folder / "good"
    good.mkdir(parents=True)
    warm = []
    for suffix, make in valid.FILES.items():
        content = make()
        for name, part in ((f"x.{suffix}", content), (f"half.{suffix}", content[: len(content) // 2])):
            (good / name).write_bytes(part)
            warm.append(("model", str(good / name)))
    (good / "w.npz").write_bytes(valid.npz())
    (good / "x.yaml").write_text(valid.SPEC)
    warm.append(("spec", str(good / "x.yaml")))
    base = ("model", str(good / "x.nir"))
    lines = [json.dumps(line) for line in (warm, base, *((how, str(path)) for how, path in jobs))]
    done = subprocess.run(
        [sys.executable, "-m", "hostile.child"], input="\n".join(lines), cwd=TESTS, stdout=subprocess.PIPE, text=True,
        check=True, env=os.environ,
    )  # fmt: skip
    first, *rest = (json.loads(line) for line in done.stdout.splitlines())
    assert len(rest) == len(jobs)
    small = first["inner"]
    return [
        Outcome(
            name=path.name, ended=told["ended"], code=told["code"], message=told["message"],
            events=tuple(told["events"]), seconds=told["seconds"], wall=told["wall"], peak=told["peak"], size=told["size"],
            inner=max(0, told["inner"] - small),
        )
        for (_, path), told in zip(jobs, rest, strict=True)
    ]  # fmt: skip


def opened(folder, cases):
    """The outcome of each case, and a fault where anything was left in the folders."""
    paths = written(folder / "cases", cases)
    before = everything(folder / "cases")
    outcomes = observed(folder, [(how_opened(path), path) for path in paths])
    assert everything(folder / "cases") == before
    late = [index for index, outcome in enumerate(outcomes) if outcome.seconds > SECONDS or outcome.wall > WAIT]
    if 0 < len(late) <= RETRIES:  # another process may have had the processor
        again = observed(folder / "again", [(how_opened(paths[index]), paths[index]) for index in late])
        for index, outcome in zip(late, again, strict=True):
            outcomes[index] = min(outcomes[index], outcome, key=lambda found: found.wall)
    return outcomes


def everything(folder):
    return sorted(str(path) for path in folder.rglob("*"))
