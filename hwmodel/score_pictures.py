"""Pictures of scored policies as SVG texts."""

from collections.abc import Collection, Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter

from hwmodel.pictures import COLOURS, STYLE, svg
from hwmodel.tradeoff import Bounds, PolicyScore

SHADES = mpl.colormaps["viridis_r"]
WIDE = 8  # from this ratio of largest to smallest on 1, 2 and 5 stand on the axis; below, four round numbers
MARKS = "oDs^vPX"  # a colour's next mark when there are more policies than colours


def accuracy_against_steps(by_step: Sequence[float], scores: Sequence[PolicyScore]) -> str:
    """Accuracy after each step as a line, each policy as a point at its mean steps."""
    with mpl.rc_context(STYLE):
        figure = Figure((6.2, 3.4 + 0.2 * (len(scores) // 3)), layout="constrained")
        axes = figure.add_subplot()
        steps = range(1, len(by_step) + 1)
        axes.plot(steps, [100 * a for a in by_step], "o-", color="#b0b0b0", label="every sample as long")
        for i, one in enumerate(scores):
            colour, mark = _look(i)
            axes.plot(one.mean_steps, 100 * one.accuracy, mark, color=colour, alpha=0.8, label=one.policy)
        axes.set(xlabel="mean steps", ylabel="accuracy (%)", xlim=(0.5, len(by_step) + 0.5))
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
        return svg(figure)


def exits_by_policy(exits: Mapping[str, Sequence[int]]) -> str:
    """A bar for each policy: which share of the samples stops after which step."""
    with mpl.rc_context(STYLE):
        figure = Figure((6.2, 0.9 + 0.24 * len(exits)), layout="constrained")
        axes = figure.add_subplot()
        steps = max(len(counts) for counts in exits.values())
        shares = np.array([np.asarray(counts) / sum(counts) for counts in exits.values()])
        left = np.zeros(len(exits))
        for t in range(steps):
            axes.barh(
                range(len(exits)), 100 * shares[:, t], left=left, height=0.75, color=SHADES(t / max(1, steps - 1)),
                label=f"{t + 1}",
            )  # fmt: skip
            left += 100 * shares[:, t]
        axes.set(yticks=range(len(exits)), yticklabels=list(exits), xlim=(0, 100), xlabel="share of samples (%)")
        axes.invert_yaxis()
        figure.legend(
            *axes.get_legend_handles_labels(), loc="outside lower center", ncols=min(steps, 16), fontsize=8,
            title="stop after step", title_fontsize=8,
        )  # fmt: skip
        return svg(figure)


def energy_against_accuracy(
    scores: Sequence[PolicyScore], bounds: Sequence[Bounds], best: Collection[tuple[str, str]]
) -> str:
    """A panel for each chip, two in a row: policies by energy and accuracy; a line joins the best, (policy, chip)."""
    with mpl.rc_context(STYLE):
        chips = list(dict.fromkeys(one.chip for one in scores))
        policies = list(dict.fromkeys(one.policy for one in scores))
        rows = -(-len(chips) // 2)
        figure = Figure((6.8, 2.9 * rows + 0.2 * (len(policies) // 3 + 1)), layout="constrained")
        for i, chip in enumerate(chips):
            axes = figure.add_subplot(rows, 2, i + 1)
            pairs = [(one, bound) for one, bound in zip(scores, bounds, strict=True) if one.chip == chip]
            _panel(axes, pairs, policies)
            front = sorted((one.energy_j, 100 * one.accuracy) for one, _ in pairs if (one.policy, chip) in best)
            if front:
                axes.plot(*zip(*front, strict=True), color="#b0b0b0", lw=1, zorder=0)
            axes.set(title=chip, ylabel="accuracy (%)" if i % 2 == 0 else "", xscale="log")
            axes.margins(0.12)
            low, high = axes.get_xlim()
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)) if high > WIDE * low else MaxNLocator(4))
            axes.xaxis.set_major_formatter(EngFormatter("J"))
            axes.xaxis.set_minor_formatter(NullFormatter())
        figure.legend(
            *axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8, markerscale=0.6
        )
        return svg(figure)


def _panel(axes: Axes, pairs: Sequence[tuple[PolicyScore, Bounds]], policies: Sequence[str]) -> None:
    here = [one for one, _ in pairs]
    slowest = max(one.latency_s for one in here) or 1.0
    for one, bound in pairs:
        colour, mark = _look(policies.index(one.policy))
        axes.plot([bound.low_j, bound.high_j], [100 * one.accuracy] * 2, color=colour, lw=0.6, alpha=0.5)
        axes.scatter(
            one.energy_j, 100 * one.accuracy, s=20 + 110 * one.latency_s / slowest, marker=mark, color=colour, alpha=0.8,
            label=one.policy,
        )  # fmt: skip


def _look(policy: int) -> tuple[str, str]:
    return COLOURS[policy % len(COLOURS)], MARKS[policy // len(COLOURS) % len(MARKS)]
