"""What runs cost and what chips are, as tables of text."""

from collections.abc import Sequence

from hwmodel.break_even import THRESHOLDS, BreakEven
from hwmodel.chip import ChipSpec, figures
from hwmodel.difference import Difference
from hwmodel.encoding import Encoding
from hwmodel.figures import Figure
from hwmodel.report import CostReport, Distribution, Share
from hwmodel.twin import Twin
from hwmodel.units import readable
from refsnn.tables import Table

PARTS = ("compute", "memory", "communication", "lumped", "static")


def overview_table(name: str, reports: Sequence[CostReport], twins: Sequence[Sequence[Twin]]) -> Table:
    """Every chip in a line, and under it the source network on it."""
    rows, notes = [], []
    for report, sources in zip(reports, twins, strict=True):
        low, high = (energy / report.n_samples for energy in report.interval_j)
        bound, late = (">=" if missing else "" for missing in (report.is_lower_bound, report.latency_is_lower_bound))
        parts = report.by_part()
        rows.append([
            report.chip, f"{bound}{readable(report.mean_energy_j, 'J')}",
            f"{readable(low, 'J')} .. {'?' if high == float('inf') else readable(high, 'J')}",
            f"{late}{readable(report.mean_latency_s, 's')}", *(_percent(parts.get(part), report.energy_j) for part in PARTS),
        ])  # fmt: skip
        for twin in sources:
            bound = ">=" if twin.is_lower_bound else ""
            rows.append([f"  {twin.name}", f"{bound}{readable(twin.energy_j, 'J')}", "", readable(twin.latency_s, "s"),
                         *("" for _ in PARTS)])  # fmt: skip
        if report.split_evenly:
            notes.append(f"{report.chip}: work taken to be split evenly over a layer's cores; --per-core measures it")
    return Table(
        title=f"{name}: energy and latency per inference, {reports[0].n_samples} samples",
        columns=("chip", "energy", "between", "latency", "compute", "memory", "commun.", "lumped", "static"),
        rows=rows,
        notes=(
            "shares in % of what has a price; lumped: compute and memory in one figure; >= and ?: work without a known price",
            *notes,
        ),
    )


def _percent(share: Share | None, total: float) -> str:
    return "" if share is None or not total else f"{100 * share.energy_j / total:.0f}"


def cost_table(report: CostReport) -> Table:
    """A chip's components and actions, and what the totals leave out."""
    n = report.n_samples
    low, high = (energy / n for energy in report.interval_j)
    rows = [
        [
            component,
            action,
            "" if component == "chip" else f"{count / n:,.1f}",
            "unknown" if energy is None else readable(energy / n, "J"),
        ]
        for (component, action), (count, energy) in report.by_component().items()
    ]
    bound = "at least " if report.is_lower_bound else ""
    late = "at least " if report.latency_is_lower_bound else ""
    cycles = "self-timed" if report.cycles_per_step is None else f"{report.cycles_per_step:,.0f} cycles per step"
    cores = sum(report.cores.values())
    energy, latency = Distribution.of(report.energy_per_sample_j), Distribution.of(report.latency_per_sample_s)
    return Table(
        title=f"{report.chip}: {bound}{readable(report.mean_energy_j, 'J')}, {late}{readable(report.mean_latency_s, 's')} "
        f"per inference",
        columns=("component", "action", "times", "energy"),
        rows=rows,
        notes=(
            f"{cycles}, {report.steps_run.mean():.2f} steps on average; energy between {readable(low, 'J')} and "
            + ("an unknown" if high == float("inf") else readable(high, "J")),
            f"half of the samples take at most {readable(energy.p50, 'J')} and {readable(latency.p50, 's')}, "
            f"99 % at most {readable(energy.p99, 'J')} and {readable(latency.p99, 's')}",
            *([f"{cores} cores: {_listed(report.cores)}"] if cores > len(report.cores) else []),
            *([f"{report.overruns:,} steps took longer than the chip's tick"] if report.overruns else []),
            *(f"off the chip: {what} of {node}" for what, node in report.off_chip),
            *(
                f"priced by an operating point's average, which holds static power too: {text}"
                for text in report.averages
            ),
            *(f"not priced: {text}" for text in report.unpriced),
        ),
    )


def _listed(cores: dict[str, int]) -> str:
    return ", ".join(f"{group} {count}" for group, count in cores.items())


def by_table(report: CostReport, by: str) -> Table:
    """The report by layer, level, part or step."""
    n = report.n_samples
    if by == "step":
        rows = [[str(t + 1), str(samples), readable(energy, "J"), readable(time, "s")]
                for t, (samples, energy, time) in enumerate(report.by_step())]  # fmt: skip
        note = "per sample that ran the step; the first contains filling the pipeline where layers work side by side"
        return Table(
            title=f"{report.chip}: by step", columns=("step", "samples", "energy", "time"), rows=rows, notes=(note,)
        )
    shares = {"layer": report.by_node, "level": report.by_level, "part": report.by_part}[by]()
    rows = [
        [
            name or "no component",
            f"{'>=' if share.unpriced else ''}{readable(share.energy_j / n, 'J')}",
            f"{readable(share.low_j / n, 'J')} .. {'?' if share.unpriced else readable(share.high_j / n, 'J')}",
            _percent(share, report.energy_j),
        ]
        for name, share in shares.items()
    ]
    return Table(title=f"{report.chip}: by {by}, per inference", columns=(by, "energy", "between", "%"), rows=rows)


def break_even_table(found: BreakEven) -> Table:
    """Where the run stands beside published break-even points."""
    rows = [
        [
            threshold.of,
            f"{found.value(threshold):.4f}",
            f"{threshold.low:g}" if threshold.low == threshold.high else f"{threshold.low:g} .. {threshold.high:g}",
            found.says(threshold),
            threshold.source,
        ]
        for threshold in THRESHOLDS
    ]
    return Table(
        title=f"break-even: {found.synapses:,} synapses behind spikes, {found.mean_steps:.2f} steps on average",
        columns=("per inference", "measured", "published", "", "source"),
        rows=rows,
        notes=("each published value holds for its authors' hardware and baseline; above it spikes cost more there",),
    )


def encoding_table(name: str, found: Sequence[Encoding]) -> Table:
    """Bits on the wire under three codes, layer by layer."""
    rows = [
        [
            one.node, f"{one.density:.4f}", f"{one.crossover:.4f}", f"{one.address_bits:,.0f}", f"{one.bitmap_bits:,.0f}",
            f"{one.run_length_bits:,.0f}", one.cheapest, f"{100 * one.sparse_steps:.1f}",
        ]
        for one in found
    ]  # fmt: skip
    return Table(
        title=f"{name}: bits for spikes per inference",
        columns=("layer", "density", "crossover", "addresses", "bitmap", "run lengths", "fewest", "sparse (%)"),
        rows=rows,
        notes=(
            "crossover: spikes per neuron and step above which a bitmap takes fewer bits than addresses; sparse: steps below it",
            "run lengths: an upper bound, with the code width that is best at this density",
        ),
    )


def difference_table(found: Difference, *, rows: int = 20) -> Table:
    """The largest changes, and the totals."""
    shown = [
        [change.node, change.component, change.action, *map(_number, change.count), *map(_joules, change.energy_j)]
        for change in found.changes[:rows]
    ]
    (before, after), (early, late) = found.energy_j, found.latency_s
    more = len(found.changes) - len(shown)
    return Table(
        title=f"{found.chips[0]} -> {found.chips[1]}: {readable(before, 'J')} -> {readable(after, 'J')}{_ratio(before, after)}, "
        f"{readable(early, 's')} -> {readable(late, 's')}{_ratio(early, late)} per inference",
        columns=("node", "component", "action", "times", "now", "energy", "now"),
        rows=shown,
        notes=(
            *([f"and {more} smaller changes; --format json has them all"] if more > 0 else []),
            *(["lower bounds: some work has no known price"] if any(found.is_lower_bound) else []),
        ),
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f}"


def _joules(value: float | None) -> str:
    return "" if value is None else readable(value, "J")


def _ratio(before: float, after: float) -> str:
    return f" ({100 * (after / before - 1):+.1f} %)" if before else ""


def chips_table(chips: Sequence[ChipSpec]) -> Table:
    return Table(
        title="packaged chips",
        columns=("name", "family", "technology", "description"),
        rows=[[chip.name, chip.family.value, _technology(chip), chip.description] for chip in chips],
        notes=("refsnn chips NAME prints every figure with its origin",),
    )


def chip_table(chip: ChipSpec) -> Table:
    rows = [[name, *_figure_cells(figure, unit)] for name, (unit, figure) in figures(chip).items()]
    clock = "self-timed" if chip.clock is None else readable(chip.clock, "Hz")
    cores = f", {chip.cores.count} cores of {chip.cores.neurons} neurons" if chip.cores else ""
    return Table(
        title=f"{chip.name}: {chip.description}; {_technology(chip)}; {clock}{cores}",
        columns=("figure", "nominal", "interval", "grade", "source"),
        rows=rows,
        notes=(
            *(f"{name}: {publication}" for name, publication in chip.references.items()),
            *(f"assumed: {text}" for text in chip.assumptions),
        ),
    )


def _technology(chip: ChipSpec) -> str:
    voltage = readable(chip.technology.voltage, "V") if chip.technology.voltage else "voltage not stated"
    process = f" {chip.technology.process}" if chip.technology.process else ""
    node = readable(chip.technology.node, "m") if chip.technology.node else "node not stated"
    return f"{node}{process}, {voltage}"


def _figure_cells(figure: Figure, unit: str) -> list[str]:
    if figure.nominal is None:
        return ["unknown", "", figure.grade.value, figure.source]
    low, high = figure.interval
    interval = "" if low == high else f"{readable(low, unit)} .. {readable(high, unit)}"
    return [readable(figure.nominal, unit), interval, figure.grade.value, figure.source]
