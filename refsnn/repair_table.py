"""Repairs as a table of text."""

from collections.abc import Sequence

from hwmodel.units import readable
from refsnn.repair import Outcome, RepairRow
from refsnn.tables import Table


def repair_table(rows: Sequence[RepairRow]) -> Table:
    """One line for each variant that was run, in their order; those that were refused are remarks below."""
    outcomes = [row.outcome for row in rows if row.outcome is not None]
    labelled = any(outcome.accuracy is not None for outcome in outcomes)
    priced = any(outcome.energy_j is not None for outcome in outcomes)
    columns = [
        "variant",
        "exact",
        *["accuracy"] * labelled,
        "as source",
        "steps",
        "latency",
        "spikes",
        *["energy"] * priced,
    ]
    return Table(
        title="repairs: neurons that are exact, decisions, and what they cost per inference",
        columns=columns,
        rows=[[row.variant, *_cells(row.outcome, labelled, priced)] for row in rows if row.outcome is not None],
        notes=(
            "exact: neurons that give what the source gives (of ReLU: what the quantiser makes of that)",
            "as source: samples with its decision; steps: at work; latency: steps until the last answer",
            *(f"{row.variant}: {row.refused}" for row in rows if row.refused is not None),
        ),
    )


def _cells(outcome: Outcome, labelled: bool, priced: bool) -> list[str]:
    cells = [_percent(outcome.exact)]
    if labelled:
        cells.append("" if outcome.accuracy is None else _percent(outcome.accuracy))
    cells += [_percent(outcome.same_decision), str(outcome.total_steps), str(outcome.latency_steps)]
    cells.append(f"{outcome.spikes:,.0f}")
    if priced:
        bound = ">=" if outcome.energy_is_lower_bound else ""
        cells.append("" if outcome.energy_j is None else f"{bound}{readable(outcome.energy_j, 'J')}")
    return cells


def _percent(share: float) -> str:
    """Never rounded up to 100 %."""
    return "100 %" if share == 1 else f"{min(100 * share, 99.99):.2f} %"
