"""Pictures of a study as SVG texts, the same bytes for the same numbers."""

import io
from collections.abc import Sequence
from math import floor, log10
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from hwmodel.report import CostReport
from hwmodel.units import readable

# text stays text, no dates and no random ids: two runs give the same bytes
STYLE: Any = {
    "svg.fonttype": "none", "svg.hashsalt": "refsnn", "font.family": "sans-serif", "font.size": 9,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10, "legend.frameon": False,
}  # fmt: skip
COLOURS = ("#3b6ea5", "#d98032", "#4f9a5f", "#b3475a", "#7d6bb0", "#7f7f7f", "#c0a030", "#35a0a0", "#9c6b4a", "#d080b0")


def energy_by_component(reports: Sequence[CostReport]) -> str:
    """Energy per inference of each chip, a bar for each component, on a logarithmic scale."""
    with mpl.rc_context(STYLE):
        figure = Figure((6.2, 0.9 + 0.24 * sum(len(_component_energies(r)) + 1 for r in reports)), layout="constrained")
        axes = figure.add_subplot()
        ticks, labels, position = [], [], 0.0
        for colour, report in zip(COLOURS, reports, strict=False):
            bound = " (lower bound)" if report.is_lower_bound else ""
            axes.text(
                0.0,
                position - 0.1,
                f"{report.chip}{bound}",
                transform=axes.get_yaxis_transform(),
                weight="bold",
                va="center",
            )
            for name, energy in _component_energies(report):
                position += 1
                axes.barh(position, energy, color=colour, height=0.75)
                axes.text(energy * 1.1, position, readable(energy, "J"), va="center", fontsize=7.5)
                ticks.append(position)
                labels.append(name)
            position += 1
        axes.set(yticks=ticks, yticklabels=labels, ylim=(position, -0.7), xscale="log")
        axes.margins(x=0.2)
        _joules(axes)
        return svg(figure)


def _component_energies(report: CostReport) -> list[tuple[str, float]]:
    totals: dict[str, float] = {}
    for row in report.rows:
        if row.energy_j:
            name = "static" if row.component == "chip" else row.component
            totals[name] = totals.get(name, 0.0) + row.energy_j / report.n_samples
    return sorted(totals.items(), key=lambda item: -item[1])


def exactness_by_layer(rows: Sequence[tuple[str, int, int, int, int]]) -> str:
    """For each (label, exact, tie, too few, too many) a bar of shares."""
    with mpl.rc_context(STYLE):
        figure = Figure((6.2, 0.9 + 0.34 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        names = ("exact", "tie", "too few spikes", "too many spikes")
        for i, (_, *parts) in enumerate(rows):
            left = 0.0
            for k, part in enumerate(parts):
                share = 100 * part / sum(parts)
                colour = ("#4f9a5f", "#c0a030", "#3b6ea5", "#d98032")[k]
                axes.barh(i, share, left=left, color=colour, height=0.7, label=names[k] if i == 0 else None)
                left += share
            never_rounded_up = floor(1e4 * parts[0] / sum(parts)) / 100
            axes.text(101, i, f"{never_rounded_up:.2f} %", va="center", fontsize=8)
        axes.set(
            yticks=range(len(rows)), yticklabels=[row[0] for row in rows], xlim=(0, 112), xlabel="share of neurons (%)"
        )
        axes.invert_yaxis()
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
        return svg(figure)


def _joules(axes: Axes) -> None:
    """A logarithmic energy axis with a few labels such as '20 nJ'."""
    axes.set(xscale="log", xlabel="energy per inference")
    decades = log10(axes.get_xlim()[1] / axes.get_xlim()[0])
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2.5 else (1.0,)))
    axes.xaxis.set_major_formatter(EngFormatter("J"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def svg(figure: Figure) -> str:
    """The figure as SVG text, the same bytes for the same figure."""
    buffer: Any = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text: str = buffer.getvalue()
    return text[text.index("<svg") :]
