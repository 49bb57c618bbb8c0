"""Chips by name or path, and chips scaled to another technology."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from hwmodel.chip import ChipSpec
from hwmodel.figures import CONFIG, Metres, Volts
from hwmodel.scaling import scaled
from refsnn import specs
from refsnn.errors import SpecError, did_you_mean


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class ScaledChip:
    """A chip file that scales another chip: every energy of it, but for external memories, by a stated rule."""

    name: str
    description: str
    scaled_from: str  # a packaged chip
    node: Metres
    voltage: Volts
    assumptions: Annotated[tuple[str, ...], Field()] = ()


def specs_folder() -> Path:
    """Where chips, networks and data are: inside the installed package, at the top of a checkout."""
    here = Path(__file__).resolve().parent
    return here / "specs" if (here / "specs").is_dir() else here.parent / "specs"


def chip_names() -> list[str]:
    """Names of the packaged chips."""
    return sorted(path.stem for path in (specs_folder() / "chips").glob("*.yaml"))


def load_chip(name: str | Path) -> ChipSpec:
    """A packaged chip by its name, or the chip spec at a path (one that ends in .yaml or .yml)."""
    if Path(name).suffix in (".yaml", ".yml"):
        path = Path(name)
    elif str(name) in chip_names():
        path = specs_folder() / "chips" / f"{name}.yaml"
    else:
        raise SpecError(
            f"chip {str(name)!r} is not packaged{did_you_mean(str(name), chip_names())}; or give a path to a .yaml"
        )
    document = specs.read(path)
    if isinstance(document.data, dict) and "scaled_from" in document.data:
        return _scaled(document)
    chip: ChipSpec = specs.build(ChipSpec, document, document.data)
    return chip


def _scaled(document: specs.Document) -> ChipSpec:
    wanted: ScaledChip = specs.build(ScaledChip, document, document.data)
    if wanted.scaled_from not in chip_names():
        raise document.error(
            ("scaled_from",),
            f"chip {wanted.scaled_from!r} is not packaged{did_you_mean(wanted.scaled_from, chip_names())}",
        )
    base = load_chip(wanted.scaled_from)
    try:
        chip = scaled(
            base, specs_folder() / "scaling" / "stillmaker_baas.yaml", node=wanted.node, voltage=wanted.voltage
        )
    except SpecError as error:
        raise document.error(("node",), str(error)) from error
    changed: dict[str, Any] = {"name": wanted.name, "description": wanted.description}
    changed["assumptions"] = (*chip.assumptions, *wanted.assumptions)
    from dataclasses import replace

    return replace(chip, **changed)
