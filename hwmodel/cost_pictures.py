"""Pictures of cost reports as SVG texts."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from hwmodel.pictures import COLOURS, STYLE, svg
from hwmodel.report import CostReport

PARTS = ("compute", "memory", "communication", "lumped", "static")


def energy_by_layer(report: CostReport) -> str:
    """A bar for each layer, in the parts that its energy is made of; what belongs to no layer stands last."""
    energies: dict[str, dict[str, float]] = {}
    for row in report.rows:
        parts = energies.setdefault(row.node, {})
        if row.energy_j and row.part:
            parts[row.part] = parts.get(row.part, 0.0) + row.energy_j / report.n_samples
    with mpl.rc_context(STYLE):
        figure = Figure((6.2, 1.2 + 0.26 * len(energies)), layout="constrained")
        axes = figure.add_subplot()
        names = list(energies)
        left = np.zeros(len(names))
        for colour, part in zip(COLOURS, PARTS, strict=False):
            widths = np.array([energies[name].get(part, 0.0) for name in names])
            if widths.any():
                axes.barh(names, widths, left=left, color=colour, label=part, height=0.7)
                left += widths
        axes.set(xlabel="energy per inference")
        axes.xaxis.set_major_formatter(EngFormatter("J"))
        axes.invert_yaxis()
        if left.any():
            figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=8)
        return svg(figure)


def energy_by_step(reports: Sequence[CostReport]) -> str:
    """What has been spent when the readout of each step is there, on average over the samples, chip by chip."""
    with mpl.rc_context(STYLE):
        figure = Figure((6.2, 3.2), layout="constrained")
        for i, (title, unit) in enumerate((("energy so far", "J"), ("time so far", "s"))):
            axes = figure.add_subplot(1, 2, i + 1)
            for colour, report in zip(COLOURS, reports, strict=False):
                each = report.step_energy_j if unit == "J" else report.step_time_s
                spent = np.add.accumulate(each.mean(1))
                if spent.any():
                    axes.plot(range(1, len(spent) + 1), spent, "o-", ms=3, color=colour, label=report.chip)
            axes.set(title=title, xlabel="step", yscale="log")
            axes.yaxis.set_major_formatter(EngFormatter(unit))
            axes.yaxis.set_minor_formatter(mpl.ticker.NullFormatter())
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
        return svg(figure)
