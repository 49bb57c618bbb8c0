"""Cases of the research beside the repository, ../shared/cases, where it is there; every fact used stands in the tests too."""

import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "cases" / "hw"


def case(name):
    """The file's content; a skip where it is not there."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"../shared/cases/hw/{name} is not there")
    return json.loads(path.read_text())


def model_case(name):
    """The path of a model file of the research; a skip where it is not there."""
    path = FOLDER.parent / name
    if not path.exists():
        pytest.skip(f"../shared/cases/{name} is not there")
    return path


def shared(name):
    """The path of a file of the folder beside the repository; a skip where it is not there."""
    path = FOLDER.parents[1] / name
    if not path.exists():
        pytest.skip(f"../shared/{name} is not there")
    return path
