"""What an installation puts where, and what is imported when."""

import subprocess
import sys
from importlib import metadata

import pytest

import refsnn


def test_nothing_but_the_two_packages_is_installed():
    """Neither a module `cli` nor `specs` in site-packages; the command line and the specs inside the packages."""
    files = [str(path) for path in metadata.files("refsnn")]
    tops = {path.split("/")[0] for path in files}
    assert {top for top in tops if not top.endswith(".dist-info") and top != ".."} == {"refsnn", "hwmodel"}
    assert "refsnn/cli.py" in files
    assert "hwmodel/specs/chips/loihi.yaml" in files
    assert "hwmodel/specs/networks/digits.safetensors" in files
    assert "hwmodel/templates/page.html" in files


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import refsnn", ["numpy", "numba", "scipy", "pydantic", "yaml"]),
        ("import refsnn.cli, sys; sys.argv = ['refsnn', '--help']; refsnn.cli.cli(standalone_mode=False)",
         ["numpy", "numba", "scipy", "pydantic", "yaml", "rich"]),
        ("import hwmodel", ["numba", "refsnn.kernels", "refsnn.simulator", "matplotlib"]),
    ],
)  # fmt: skip
def test_importing_is_light(code, absent, tmp_path):
    check = f"{code}\nimport sys\nprint([m for m in {absent!r} if m in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", check], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_public_names():
    for name in refsnn.__all__:
        assert getattr(refsnn, name) is not None
    assert dir(refsnn) == sorted(refsnn.__all__)
    assert refsnn.__version__ == metadata.version("refsnn")
    with pytest.raises(AttributeError, match="module 'refsnn' has no attribute 'simulat'"):
        refsnn.simulat  # noqa: B018, it raises
