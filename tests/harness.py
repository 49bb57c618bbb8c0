"""The command line, run in this process or in one of its own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("refsnn")  # what `pip install` put beside this Python


@dataclass
class Result:
    code: int
    out: str
    err: str


def run_here(*arguments, capsys, program="refsnn"):
    """The installed command's entry point in this process: no start-up time, the same code."""
    from refsnn.cli import hwmodel_main
    from refsnn.cli import main as refsnn_main

    main = {"refsnn": refsnn_main, "hwmodel": hwmodel_main}[program]
    before = sys.argv
    sys.argv = [program, *map(str, arguments)]
    try:
        with pytest.raises(SystemExit) as stop:
            main()
    finally:
        sys.argv = before
    text = capsys.readouterr()
    return Result(stop.value.code or 0, text.out, text.err)


def run_command(*arguments, cwd, **environment):
    """The installed `refsnn` command in a process of its own."""
    done = subprocess.run(
        [str(COMMAND), *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip
    return Result(done.returncode, done.stdout, done.stderr)
