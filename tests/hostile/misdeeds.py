"""Unsafe loaders, each in one way, so that the watch is seen to notice it."""

import os
import select
import time
from pathlib import Path


def unpickle(path):
    import pickle

    with open(path, "rb") as file:
        pickle.load(file)  # noqa: S301, the loader that must be caught


def misread(path):
    Path("/etc/hostname").read_bytes()


def allocate(path):
    bytearray(b"x") * (200 << 20)


def reserve(path):
    """Memory that is asked for and never touched."""
    import numpy

    numpy.zeros(8 << 30, numpy.uint8)


def linger(path):
    end = time.process_time() + 2.2
    while time.process_time() < end:
        pass


def hang(path):
    select.select([], [], [])


def evaluate(path):
    eval("1 + 1")  # noqa: S307, as above


def start(path):
    import subprocess

    subprocess.run(["true"], check=False)  # noqa: S607


def write(path):
    Path(path).with_name("written").write_bytes(b"")


def swallow(path):
    """A reader that hides what it was caught at."""
    try:
        os.system("true")  # noqa: S605, S607
    except BaseException:
        from refsnn.formats.refusals import refuse

        refuse("executable", path, "", "looks bad", "do not")


MISDEEDS = {
    "unpickle": unpickle, "misread": misread, "allocate": allocate, "reserve": reserve, "linger": linger, "hang": hang,
    "evaluate": evaluate, "start": start, "write": write, "swallow": swallow,
}  # fmt: skip
