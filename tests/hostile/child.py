"""A process that opens files under watch: `python -m hostile.child`, jobs as JSON lines on standard input, answers on standard output.

It imports the readers and opens one good file of each format, so that whatever they import is there. Then each job is done in
a fork of it: nothing that one file leaves behind meets the next. In the fork an audit hook stops and notes every event but a
few, the address space is limited, and the peak of resident memory counts from zero.
"""

import contextlib
import gc
import importlib
import json
import os
import resource
import select
import signal
import sys
import time
from pathlib import Path

from hostile.misdeeds import MISDEEDS
from hostile.reading import read_model, read_spec
from refsnn.formats.refusals import shown

QUIET = {  # events that reach nothing outside the process
    "object.__getattr__", "object.__setattr__", "builtins.id", "array.__new__", "sys._getframe",
    "_thread.start_new_thread", "_thread.start_joinable_thread",  # the clock beside the process that reads HDF5
}  # fmt: skip
ADDRESSES = (
    256 << 20
)  # of address space beyond what stands, and three times the file: more than memory, for threads' stacks
PATIENCE = 7  # seconds until a fork is killed
TICK = 0.002  # between looks at the process that reads HDF5


class Forbidden(BaseException):
    """What the hook raises; no `except Exception` of a reader holds it up."""


def status(process="self"):
    """The fields of /proc/PROCESS/status in bytes: VmHWM, VmRSS, VmSize, …"""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) << 10 for line in lines if line.endswith(" kB")}


def open_as(how, path):
    """Do what the job asks; `how` is model, spec, or one of MISDEEDS."""
    if how in MISDEEDS:
        MISDEEDS[how](path)
    elif how == "spec":
        read_spec(path)
    else:
        read_model(path)


class Watch:
    """An audit hook over one file."""

    def __init__(self, path, spec):
        self.path, self.spec, self.noted, self.armed = os.fspath(path), spec, [], False
        self.reader = None
        with contextlib.suppress(ImportError):
            self.reader = importlib.import_module("refsnn.formats.hdf5.child").__file__
        sys.addaudithook(self.hook)

    def hook(self, event, arguments):
        if self.armed and not self.allowed(event, arguments):
            self.armed = False  # what follows is our own doing
            self.noted.append(f"{event} {arguments!r}"[:300])
            self.armed = True
            raise Forbidden(event)

    def allowed(self, event, arguments):
        if event == "open":
            path, _, flags = arguments
            reads = not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
            # a number is what is open already; /dev/null is the standard error of the process that reads HDF5
            if isinstance(path, int) or path == os.devnull:
                return True
            # of a spec, the weights beside it as well
            within = self.spec and Path(os.fspath(path)).parent == Path(self.path).parent
            return reads and (within or os.fspath(path) == self.path)
        if event == "subprocess.Popen":
            _, command, folder, _ = arguments
            return self.reader is not None and folder is None and self.is_reader(command)
        if event == "os.listdir":  # find_spec("h5py") looks again where a folder has changed
            return arguments[0] in sys.path
        return event in QUIET

    def is_reader(self, command):
        """Exactly `python -I child.py JSON`, nothing of which is from the file."""
        if len(command) != 4 or command[:3] != [sys.executable, "-I", self.reader]:
            return False
        told = json.loads(command[3])
        return set(told) == {
            "file_bytes", "ratio", "floor", "header_bytes", "parts", "depth", "child_seconds", "child_bytes", "path"
        } and all(isinstance(value, int) for key, value in told.items() if key != "path")  # fmt: skip


def observed(how, path):
    """What came of it, as a dict that JSON can hold."""
    from refsnn.errors import RefSNNError

    size, watch, before = os.path.getsize(path), Watch(path, how == "spec"), status()
    with contextlib.suppress(OSError):  # the peak since now; a fork begins with it anyway
        Path("/proc/self/clear_refs").write_text("5")
    room = before["VmSize"] + ADDRESSES + 3 * size
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    ended, code, message, begin = "opened", "", "", time.perf_counter()
    cpu = sum(os.times()[:4])
    watch.armed = True
    try:
        open_as(how, path)
    except RefSNNError as error:
        ended, code, message = "refused", getattr(error, "code", type(error).__name__), str(error)
    except BaseException as error:
        ended, code, message = "raised", type(error).__name__, str(error)[:300]
    watch.armed = False
    wall = time.perf_counter() - begin
    used = sum(os.times()[:4]) - cpu  # of the process that reads HDF5 too
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    return {
        "ended": ended, "code": code, "message": message, "events": watch.noted, "seconds": used, "wall": wall,
        "peak": status()["VmHWM"] - before["VmRSS"], "size": size,
    }  # fmt: skip


def reader_peak(process):
    """The peak so far of the process that reads HDF5 for `process`; 0 if none runs."""
    peak = 0
    with contextlib.suppress(OSError, KeyError, ValueError, IndexError):
        for line in Path(f"/proc/{process}/task/{process}/children").read_text().split():
            # until it runs its own program, a child shows its parent's memory
            if b"hdf5/child.py" in Path(f"/proc/{line}/cmdline").read_bytes():
                peak = max(peak, status(line)["VmHWM"])
    return peak


def forked(how, path):
    """`observed` in a fork, and the peak of the process it may start; the answer of one that does not come back says so."""
    read_end, write_end = os.pipe()
    process = os.fork()
    if not process:
        os.close(read_end)
        os.setsid()  # so that all it starts can be ended together
        os.write(write_end, json.dumps(observed(how, path)).encode())
        os._exit(0)
    os.close(write_end)
    begin, told, inner = time.monotonic(), b"", 0
    with os.fdopen(read_end, "rb", 0) as pipe:
        while time.monotonic() - begin < PATIENCE:
            inner = max(inner, reader_peak(process))
            if select.select([pipe], [], [], TICK)[0]:
                part = pipe.read(1 << 16)
                told += part
                if not part:
                    break
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)
    _, code = os.waitpid(process, 0)
    lost = {
        "ended": "lost", "code": f"status {os.waitstatus_to_exitcode(code)}", "message": "", "events": [], "peak": 0,
        "seconds": time.monotonic() - begin, "wall": time.monotonic() - begin, "size": os.path.getsize(path),
    }  # fmt: skip
    return {**(json.loads(told) if told else lost), "inner": inner}


def main():
    warm, *jobs = (json.loads(line) for line in sys.stdin)
    for how, path in warm:
        with contextlib.suppress(Exception):  # whether good files open is a test of its own
            open_as(how, path)
    shown("\0")  # what a message needs of the standard library, too
    import pickle  # noqa: F401, of the misdeed: its call is what must be seen, not its import

    gc.freeze()
    for how, path in jobs:
        print(json.dumps(forked(how, path)), flush=True)


if __name__ == "__main__":
    main()
