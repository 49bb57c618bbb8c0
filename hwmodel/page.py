"""One self-contained HTML page: no script, nothing fetched, every text escaped."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading, a paragraph, an SVG picture, a table; each may be missing but the heading."""

    title: str
    text: str = ""
    picture: str = ""  # SVG made by pictures.py
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    notes: Sequence[str] = ()


def render(title: str, summary: str, sections: Sequence[Section]) -> str:
    """The page as text."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.tests["number_text"] = lambda cell: cell[:1] in "0123456789+->" and bool(cell)
    template = environment.get_template("page.html")
    pictures = [Markup(section.picture) for section in sections]  # noqa: S704, ours, made by pictures.py
    return template.render(title=title, summary=summary, sections=list(zip(sections, pictures, strict=True)))
