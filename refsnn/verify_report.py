"""A verdict as one HTML page, and as JUnit XML for a CI server."""

from xml.etree import ElementTree as Xml

from hwmodel import page, pictures
from refsnn import verify_pictures
from refsnn.case_table import case_table
from refsnn.counterexample import Case, history
from refsnn.tables import Table
from refsnn.verdict_table import percentage, verdict_table
from refsnn.verification import LayerCertificate, Verdict


def html(verdict: Verdict, case: Case | None, extra: tuple[Table, ...] = ()) -> str:
    """The page; with the counterexample's membrane where there is one."""
    table = verdict_table(verdict)
    rows = [(layer.node, c.exact, c.tie, c.deficit, c.surplus) for layer in verdict.layers for c in (layer.end_to_end,)]
    sections = [
        page.Section(
            title="Where the conversion is exact",
            text="Share of neurons that fire exactly as often as the source's level says, end to end.",
            picture=pictures.exactness_by_layer(rows), columns=table.columns, rows=table.rows, notes=table.notes,
        ),
        page.Section(
            title="Where differences come from",
            text="Unevenness: the current came in an order that the neuron could not follow. Quantisation: T steps cannot say "
            "the source's level. Clipping: the source goes above the threshold. Arrived: it was wrong before it came here.",
            picture=verify_pictures.error_terms(verdict.layers),
        ),
        page.Section(
            title="Residual potentials",
            text="v / threshold after the last step, of all neurons and samples; beyond the ends counted there. From 0 to 1 "
            "(green) a count is exact; below 0 it is too large unless there was no spike, from 1 on too small unless every "
            "step had one.",
            picture=verify_pictures.residual_potentials(verdict.layers),
        ),
        _certificate(verdict),
        *([_counterexample(case)] if case is not None else []),
        *(page.Section(title=one.title, columns=one.columns, rows=one.rows, notes=one.notes) for one in extra),
    ]  # fmt: skip
    equal = "equal to its source in every layer" if verdict else "leaves its source"
    return page.render(
        f"refsnn verify: {verdict.network}",
        f"{verdict.network}, {verdict.samples} samples, T = {verdict.steps}, {verdict.schedule}, {verdict.arithmetic}: {equal}.",
        sections,
    )


def _certificate(verdict: Verdict) -> page.Section:
    domain = verdict.certificate.domain
    rows = [
        [layer.node, *(f"{n:,}" for n in (layer.neurons, layer.end_to_end, layer.local, layer.no_deficit, layer.no_surplus)),
         layer.why, _float32(layer)]
        for layer in verdict.certificate.layers
    ]  # fmt: skip
    return page.Section(
        title="What is proved",
        text=f"For {'every input there is' if domain is None else f'all {domain}'}: how many neurons of each layer are proved to "
        "count as the source says, as the quantiser on what they receive, never too seldom, never too often; and why. Last: how "
        "far a float32 simulator's potentials can be off, in thresholds, when it received the same spikes.",
        columns=("layer", "neurons", "as the source", "exact", "not too few", "not too many", "because of", "float32"),
        rows=rows,
    )


def _float32(layer: LayerCertificate) -> str:
    if layer.float32_error is None:
        return "unknown"
    return "exact in any order" if layer.order_independent else f"{layer.float32_error:.2g}"


def _counterexample(case: Case) -> page.Section:
    table, found = case_table(case), case.disagreement()
    picture = "" if found is None else verify_pictures.membrane(history(case, found))
    return page.Section(
        title="The smallest counterexample", text=table.title, picture=picture, columns=table.columns, rows=table.rows,
        notes=table.notes,
    )  # fmt: skip


def junit(verdict: Verdict) -> str:
    """One test case for each layer, layer-local and end to end; a difference is a failure."""
    suite = Xml.Element("testsuite", name=f"refsnn verify {verdict.network}")
    failures = 0
    for law, local in (("layer-local count", True), ("count = source level", False)):
        for layer in verdict.layers:
            comparison = layer.local if local else layer.end_to_end
            finding = next((f for f in verdict.findings if (f.node, f.law) == (layer.node, law)), None)
            case = Xml.SubElement(
                suite, "testcase", classname=f"refsnn.verify.{verdict.network}", name=f"{layer.node}: {law}"
            )
            if finding is not None:
                failures += 1
                failure = Xml.SubElement(case, "failure", message=str(finding))
                share = f"{percentage(comparison)} of {comparison.neurons} neurons exact"
                failure.text = f"{share}, T = {verdict.steps}, {verdict.schedule}"
    suite.set("tests", str(2 * len(verdict.layers)))
    suite.set("failures", str(failures))
    Xml.indent(suite)
    return Xml.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
