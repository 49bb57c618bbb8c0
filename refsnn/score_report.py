"""Scored policies as one HTML page."""

from hwmodel import page, score_pictures
from hwmodel.units import readable
from refsnn.score_tables import best_ones
from refsnn.scoring import ScoredRun
from refsnn.tables import Table


def html(run: ScoredRun) -> str:
    """The page: accuracy and steps, when samples stop, then chip by chip energy, latency and what they hang on."""
    tables = [table for table in run.tables() if isinstance(table, Table)]
    first, chips = tables[0], tables[1 : 1 + len(run.sources)]
    once = {one.policy: one for one in run.scores}
    sections = [
        _section(first, text="The line is what every sample gets that runs the same number of steps.",
                 picture=score_pictures.accuracy_against_steps(run.by_step, list(once.values()))),
        page.Section(title="When samples stop", text="Share of the samples that stop after each step.",
                     picture=score_pictures.exits_by_policy(run.exits)),
        page.Section(title="Energy against accuracy",
                     text="A larger mark takes longer; the line joins the policies that no other dominates. Bars are where the "
                     "energy lies when all of the chip's figures lie at their low or high end.",
                     picture=score_pictures.energy_against_accuracy(run.scores, run.bounds, best_ones(run.scores))),
    ]  # fmt: skip
    for table, chip in zip(chips, run.sources, strict=True):
        between = [
            f"{b.policy}: {readable(b.low_j, 'J')} .. {readable(b.high_j, 'J')}" for b in run.bounds if b.chip == chip
        ]
        intervals = f"energy with all figures at their low .. high end: {'; '.join(between)}"
        sections.append(_section(table, notes=[*table.notes, intervals]))
    sections += [_section(table) for table in tables[1 + len(run.sources) :]]
    warning = run.warning.strip() + ". " if run.shared else ""
    return page.render(
        f"refsnn score: {run.network}",
        f"{warning}{run.network}, {run.samples} samples, {run.steps} steps; thresholds from {run.calibration_samples} "
        "other samples. "
        "Every figure of a chip and its origin: refsnn chips NAME.",
        sections,
    )


def _section(table: Table, *, text: str = "", picture: str = "", notes: list[str] | None = None) -> page.Section:
    return page.Section(
        title=table.title, text=text, picture=picture, columns=table.columns, rows=table.rows,
        notes=table.notes if notes is None else notes,
    )  # fmt: skip
