"""Pictures of a verdict as SVG texts: residual potentials, where errors come from, one neuron's membrane."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from hwmodel.pictures import COLOURS, STYLE, svg
from refsnn.counterexample import History
from refsnn.verification import LayerVerdict
from refsnn.verification.verdict import RESIDUAL_BINS, TERMS

COLUMNS = 4


def residual_potentials(layers: Sequence[LayerVerdict]) -> str:
    """For each layer how often v / theta after the last step fell where; between 0 and 1 the count is exact."""
    low, high, bins = RESIDUAL_BINS
    edges = np.linspace(low, high, bins + 1)
    rows = -(-len(layers) // COLUMNS)
    with mpl.rc_context(STYLE):
        figure = Figure((7.2, 0.6 + 1.5 * rows), layout="constrained")
        for i, layer in enumerate(layers):
            axes = figure.add_subplot(rows, COLUMNS, i + 1)
            shares = 100 * np.array(layer.residual) / sum(layer.residual)
            centres = (edges[:-1] + edges[1:]) / 2
            inside = (centres >= 0) & (centres < 1)
            axes.bar(centres, shares, width=edges[1] - edges[0], color=np.where(inside, "#4f9a5f", "#a0a0a0").tolist())
            axes.set(title=layer.node, yscale="log", ylim=(1e-4, 100))
            if i >= len(layers) - COLUMNS:
                axes.set_xlabel("v / threshold")
            if not i % COLUMNS:
                axes.set_ylabel("neurons (%)")
        return svg(figure)


def error_terms(layers: Sequence[LayerVerdict]) -> str:
    """For each layer the mean size of each term of its difference, in spikes per neuron."""
    shown = [name for name in TERMS if any(getattr(layer.split, name).size for layer in layers)]
    with mpl.rc_context(STYLE):
        figure = Figure((6.2, 1.0 + 0.34 * len(layers)), layout="constrained")
        axes = figure.add_subplot()
        left = np.zeros(len(layers))
        for name, colour in zip(shown, COLOURS, strict=False):
            sizes = np.array([getattr(layer.split, name).size / layer.local.neurons for layer in layers])
            axes.barh(range(len(layers)), sizes, left=left, color=colour, height=0.7, label=name)
            left += sizes
        axes.set(yticks=range(len(layers)), yticklabels=[layer.node for layer in layers],
                 xlabel="size of the error (spikes per neuron)")  # fmt: skip
        axes.invert_yaxis()
        if shown:
            figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=8)
        return svg(figure)


def membrane(told: History) -> str:
    """The potential step by step: what the threshold was compared with, spikes, and what the reset left."""
    steps = np.arange(1, len(told.spikes) + 1)
    with mpl.rc_context(STYLE):
        figure = Figure((6.2, 4.2), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
        fired = told.spikes > 0
        above.axhline(told.theta, color="#7f7f7f", linestyle="--", linewidth=0.8, label="threshold")
        above.axhline(0, color="#b0b0b0", linewidth=0.6)
        path = np.stack([told.compared, told.v], axis=1).ravel()
        above.plot(np.repeat(steps, 2), path, color=COLOURS[0], label="v")
        above.plot(steps[fired], told.compared[fired], "^", color=COLOURS[1], label="spike")
        above.set(ylabel="v", title=f"{told.node}{list(told.index)}")
        above.legend(fontsize=8, loc="best")
        below.bar(steps, told.current, color=np.where(told.current < 0, "#b3475a", "#4f9a5f").tolist(), width=0.6)
        below.axhline(0, color="#b0b0b0", linewidth=0.6)
        below.set(xlabel="step", ylabel="current", xticks=steps if len(steps) <= 32 else None)
        return svg(figure)
