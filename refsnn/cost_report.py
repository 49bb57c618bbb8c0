"""A priced run as one HTML page."""

from hwmodel import cost_pictures, page, pictures
from refsnn.cost_tables import break_even_table, by_table, cost_table, encoding_table, overview_table
from refsnn.costing import PricedRun
from refsnn.tables import Table


def html(priced: PricedRun) -> str:
    """The page: all chips, then each of them by layer and by action, then the spikes."""
    reports = priced.reports
    samples = reports[0].n_samples
    sections = [
        _section(
            overview_table(priced.network, reports, priced.twins),
            title="Energy and latency per inference",
            text="Under each chip two frames of the source network on it: every input a number and every weight fetched for it; "
            "and activations of few bits with ideal reuse.",
        ),
        page.Section(
            title="Step by step",
            text="What has been spent when the readout of a step is there, on average over the samples. Where layers work side "
            "by side the first step contains filling the pipeline.",
            picture=cost_pictures.energy_by_step(reports),
        ),
        page.Section(title="By component", text="Per inference.", picture=pictures.energy_by_component(reports)),
    ]
    for report in reports:
        layers, actions = by_table(report, "layer"), cost_table(report)
        sections += [
            _section(layers, title=f"{report.chip}, layer by layer", picture=cost_pictures.energy_by_layer(report)),
            _section(actions, title=f"{report.chip}, action by action"),
        ]
    sections += [
        _section(encoding_table(priced.network, priced.encodings), title="Spikes on a wire"),
        _section(break_even_table(priced.break_even), title="Beside published break-even points"),
    ]
    return page.render(
        f"refsnn cost: {priced.network}",
        f"{priced.network}, {samples} samples, {priced.steps} steps, on {', '.join(report.chip for report in reports)}. "
        "Every figure of a chip and its origin: refsnn chips NAME.",
        sections,
    )


def _section(table: Table, *, title: str, text: str = "", picture: str = "") -> page.Section:
    return page.Section(
        title=title,
        text=text or table.title,
        picture=picture,
        columns=table.columns,
        rows=table.rows,
        notes=table.notes,
    )
