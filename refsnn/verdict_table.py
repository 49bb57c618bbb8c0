"""A verdict as a table of at most 24 lines: where the networks part, what is proved, what to do next."""

from refsnn.tables import Table
from refsnn.verification import Certificate, Comparison, LayerVerdict, Verdict

ROWS = 7  # layers that are shown; with title, heads and notes of two lines each they fit 25 lines
NAMES = 30  # characters of layer names in a note, and of the network's in the title


def verdict_table(verdict: Verdict) -> Table:
    shown = _shown(verdict.layers)
    left_out = len(verdict.layers) - len(shown)
    return Table(
        title=f"{_short(verdict.network)}: {verdict.samples} samples, T = {verdict.steps}, {verdict.schedule}, "
        f"{verdict.arithmetic}: {'equal to its source in every layer' if verdict else 'leaves its source'}",
        columns=("layer", "neurons", "exact", "too few", "too many", "ties", "largest", "exact locally", "mostly"),
        rows=[_row(layer) for layer in shown],
        notes=(
            *([f"and {left_out} layers with fewer differences; --format json has all"] if left_out else []),
            *verdict.notes[:1],
            *([f"and {len(verdict.notes) - 1} more such notes"] if len(verdict.notes) > 1 else []),
            _network_note(verdict),
            *_proved(verdict),
            _float32(verdict),
            *(f"first difference: {finding}" for finding in verdict.findings[:1]),
        ),
    )


def _shown(layers: tuple[LayerVerdict, ...]) -> list[LayerVerdict]:
    """All layers, or those with the smallest shares of exact neurons, in the network's order."""
    worst = sorted(layers, key=lambda layer: layer.end_to_end.exact / layer.end_to_end.neurons)[:ROWS]
    return [layer for layer in layers if layer in worst]


def _row(layer: LayerVerdict) -> list[str]:
    c = layer.end_to_end
    return [
        layer.node, f"{c.neurons:,}", percentage(c), f"{c.deficit:,}", f"{c.surplus:,}", f"{c.tie:,}",
        f"-{c.largest_deficit:.3g}/+{c.largest_surplus:.3g}", percentage(layer.local), layer.split.dominant,
    ]  # fmt: skip


def percentage(c: Comparison) -> str:
    """Share of exact neurons; never rounded up to 100 %."""
    share = 100 * c.exact / c.neurons
    return "100 %" if c.exact == c.neurons else f"{min(share, 99.9999):.4f} %"


def _network_note(verdict: Verdict) -> str:
    accuracy = ""
    if verdict.accuracy is not None and verdict.source_accuracy is not None:
        accuracy = f", accuracy {100 * verdict.accuracy:.2f} % (source {100 * verdict.source_accuracy:.2f} %)"
    return (
        f"of {verdict.samples} samples readout equal for {verdict.same_readout}, decision for {verdict.same_decision}{accuracy}; "
        f"decisions stand from step {verdict.decided_from} on; answer after {verdict.latency_steps} steps"
    )


def _proved(verdict: Verdict) -> list[str]:
    """What holds for all inputs, and apart from it what was merely not refuted."""
    certificate = verdict.certificate
    meant = "all inputs" if certificate.domain is None else f"all {certificate.domain}"
    whole = [layer for layer in certificate.layers if layer.end_to_end == layer.neurons]
    local = [layer.node for layer in certificate.layers if layer.local == layer.neurons and layer not in whole]
    open_ = [layer.node for layer in certificate.layers if layer not in whole]
    notes = []
    if whole:
        notes.append(f"proved for {meant}: {_names([layer.node for layer in whole])} as the source ({whole[0].why})")
    if local:
        notes.append(f"proved for {meant}: whatever arrives, the counts of {_names(local)} are the quantiser's on it")
    if not whole and not local:
        notes.append(f"proved for {meant}: no layer")
    if verdict and open_:
        notes.append(f"not refuted on these samples, which is no proof: {_names(open_)}")
    return notes


def _float32(verdict: Verdict) -> str:
    """What a float32 simulator that received the same spikes would do."""
    may = {layer.node: layer.ties.float32_may_differ for layer in verdict.layers if layer.ties is not None}
    independent = _order_independent(verdict.certificate)
    sums = f"sums of {_names(independent)} exact in any order; " if independent else ""
    if not may:
        return f"float32: {sums}ties are measured in exact arithmetic"
    near = min((layer.ties.nearest for layer in verdict.layers if layer.ties is not None), default=0.0)
    total = sum(may.values())
    return f"float32: {sums}a peer may fire otherwise in {total:,} neurons; nearest to its threshold {near:.2g} of it"


def _order_independent(certificate: Certificate) -> list[str]:
    return [layer.node for layer in certificate.layers if layer.order_independent]


def _short(name: str) -> str:
    return name if len(name) <= NAMES else name[: NAMES - 3] + "..."


def _names(names: list[str]) -> str:
    """As many names as fit a line, and how many more."""
    shown: list[str] = []
    for name in names:
        if shown and len(", ".join([*shown, name])) > NAMES:
            return f"{', '.join(shown)} and {len(names) - len(shown)} more"
        shown.append(name)
    return ", ".join(shown)
