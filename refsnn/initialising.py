"""What `refsnn init` does: a first spec for a weights file, or the whole one for a file that holds its own graph."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refsnn.errors import SpecError
from refsnn.files import write_atomic
from refsnn.formats import dump, load_with_report, open_model
from refsnn.formats.first_spec import first_spec
from refsnn.formats.loading import GRAPHS, NONE, SPECS
from refsnn.load_tables import report_data, report_table
from refsnn.tables import Table


@dataclass(frozen=True)
class Initialised:
    """The spec's text, and what became of each tensor of the file."""

    text: str  # empty: written together with its weights
    data: dict[str, Any]
    tables: tuple[Table | str, ...]


def initialise(
    weights: str, output: str | None, semantics: Any = None, choices: Mapping[str, Any] = NONE
) -> Initialised:
    """Write the spec to `output` unless that is None."""
    if output is not None and Path(output).suffix not in SPECS:
        raise SpecError(f"{output}: a spec's name ends in .yaml; name it '{Path(output).stem}.yaml'")
    if output is not None and Path(output).exists():
        raise SpecError(f"{output}: is there already and may hold confirmed guesses; name another file")
    model = open_model(weights)
    if model.graph is not None and model.format in GRAPHS:
        if output is None:
            raise SpecError(
                f"{weights}: holds its own graph, which is written as spec and weights; name the spec with -o"
            )
        loaded = load_with_report(weights, semantics=semantics, choices=choices)
        paths = [str(path) for path in dump(loaded.network, output)]
        data = {"written": paths, "spec": Path(output).read_text(), "report": report_data(loaded.report)}
        return Initialised("", data, (report_table(loaded.report), f"written: {', '.join(paths)}"))
    found = first_spec(model, output or f"{Path(weights).stem}.yaml")
    data = {"written": [], "spec": found.text, "report": report_data(found.report)}
    if output is None:
        return Initialised(found.text, data, ())
    write_atomic(output, found.text.encode())
    told = f"written: {output}, which is refused until its guesses are confirmed"
    return Initialised(found.text, {**data, "written": [output]}, (report_table(found.report), told))
