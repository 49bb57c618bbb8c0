"""The packaged rule sets by name, or one from a spec file of yours."""

from pathlib import Path
from typing import Any

from hwmodel.library import specs_folder
from hwmodel.rules.base import Rule
from hwmodel.rules.keras_spiking import KerasSpiking
from hwmodel.rules.lemaire import Lemaire
from hwmodel.rules.neurobench import NeuroBench
from hwmodel.rules.odin import Odin
from hwmodel.rules.sanafe import SanaFe
from hwmodel.rules.sinabs import Sinabs
from hwmodel.rules.spikesim import SpikeSim
from hwmodel.rules.spikingjelly import SpikingJelly
from hwmodel.rules.spikingjelly_lemaire import SpikingJellyLemaire
from hwmodel.rules.syops import Syops
from hwmodel.rules.timeloop import Timeloop
from refsnn import specs
from refsnn.errors import SpecError, did_you_mean
from refsnn.specs import Document

RULES: dict[str, type[Rule]] = {  # by the key `rule` of a spec
    "keras_spiking": KerasSpiking,
    "lemaire": Lemaire,
    "neurobench": NeuroBench,
    "odin": Odin,
    "sanafe": SanaFe,
    "sinabs": Sinabs,
    "spikesim": SpikeSim,
    "spikingjelly": SpikingJelly,
    "spikingjelly_lemaire": SpikingJellyLemaire,
    "syops": Syops,
    "timeloop": Timeloop,
}


def names() -> list[str]:
    """Names of the packaged rule sets; those of a tool with several prices are called tool:prices."""
    return [name for path in sorted(_folder().glob("*.yaml")) for name in _names(path.stem, specs.read(path))]


def load(name: str | Path) -> Rule:
    """A packaged rule set by its name, or the one in a spec file, `my.yaml` or `my.yaml:variant`."""
    family, _, variant = str(name).partition(":")
    packaged = _folder() / f"{family}.yaml"
    if Path(family).suffix not in (".yaml", ".yml") and not packaged.exists():
        raise SpecError(
            f"rule {str(name)!r} is not packaged{did_you_mean(str(name), names())}; or give a path to a .yaml"
        )
    path = packaged if packaged.exists() else Path(family)
    document = specs.read(path)
    known = _names(path.stem, document)
    wanted = f"{path.stem}:{variant}" if variant else path.stem
    if wanted not in known:
        raise SpecError(f"rule {str(name)!r} is none of {family}{did_you_mean(wanted, known)}")
    kind = RULES.get(str(document.data.get("rule")))
    if kind is None:
        found = document.data.get("rule")
        raise document.error(("rule",), f"unknown rule {found!r}{did_you_mean(str(found), list(RULES))}")
    data, where = _variant(document, variant)
    rule: Rule = specs.build(kind, document, {"name": wanted, **data}, where)
    return rule


def _variant(document: Document, variant: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What the variant says and what all say, and where it stands."""
    data = {key: value for key, value in document.data.items() if key not in ("rule", "variants")}
    return (data, ()) if not variant else (data | document.data["variants"][variant], ("variants", variant))


def _names(stem: str, document: Document) -> list[str]:
    if not isinstance(document.data, dict):
        raise document.error((), "expected a mapping such as 'rule: ...'")
    variants = document.data.get("variants")
    return [f"{stem}:{variant}" for variant in variants] if isinstance(variants, dict) else [stem]


def _folder() -> Path:
    return specs_folder() / "rules"
