"""Chips by name or path, and chips scaled to another technology."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from hwmodel.chip import ChipSpec
from hwmodel.figures import CONFIG, Metres, Volts
from hwmodel.scaling import scaled, scaling_rule
from refsnn import specs
from refsnn.errors import SpecError, did_you_mean


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class ScaledChip:
    """A chip file that scales another chip: every energy of it, but for external memories, by Stillmaker and Baas."""

    name: str
    description: str
    scaled_from: str  # a packaged chip that is not scaled itself
    node: Metres
    voltage: Volts
    assumptions: tuple[str, ...] = ()


def chip_schema() -> dict[str, Any]:
    """JSON Schema of chip files: a chip, or one that is scaled from another."""
    return TypeAdapter(ChipSpec | ScaledChip).json_schema()


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
        path = _packaged(str(name))
    else:
        raise SpecError(
            f"chip {str(name)!r} is not packaged{did_you_mean(str(name), chip_names())}; or give a path to a .yaml"
        )
    document = specs.read(path)
    if _is_scaled(document):
        return _scaled(document)
    chip: ChipSpec = specs.build(ChipSpec, document, document.data)
    return chip


def _packaged(name: str) -> Path:
    return specs_folder() / "chips" / f"{name}.yaml"


def _is_scaled(document: specs.Document) -> bool:
    return isinstance(document.data, dict) and "scaled_from" in document.data


def _scaled(document: specs.Document) -> ChipSpec:
    wanted: ScaledChip = specs.build(ScaledChip, document, document.data)
    if wanted.scaled_from not in chip_names():
        problem = f"chip {wanted.scaled_from!r} is not packaged{did_you_mean(wanted.scaled_from, chip_names())}"
        raise document.error(("scaled_from",), problem)
    base = specs.read(_packaged(wanted.scaled_from))
    if _is_scaled(base):
        problem = (
            f"chip {wanted.scaled_from!r} is scaled itself; scale {base.data['scaled_from']!r}, from which it was made"
        )
        raise document.error(("scaled_from",), problem)
    rule = scaling_rule(specs_folder() / "scaling" / "stillmaker_baas.yaml")
    try:
        rule.energy(wanted.node, wanted.voltage)
    except SpecError as error:
        raise document.error(("voltage",), str(error)) from error
    try:
        chip = scaled(load_chip(wanted.scaled_from), rule, node=wanted.node, voltage=wanted.voltage)
    except SpecError as error:
        raise document.error(("scaled_from",), str(error)) from error
    return replace(
        chip, name=wanted.name, description=wanted.description, assumptions=(*chip.assumptions, *wanted.assumptions)
    )
