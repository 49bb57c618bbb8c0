"""keras-spiking's ModelEnergy: connections x mean input rate, and every neuron at every step."""

from fractions import Fraction

from pydantic.dataclasses import dataclass

from hwmodel.rules.base import CONFIG, Energy, Rule, Seconds, charged, ran
from hwmodel.rules.evidence import Evidence
from hwmodel.rules.report import Count, RuleReport
from hwmodel.rules.wiring import reading
from refsnn.trace import Activity, NodeActivity

SYNOPS, UPDATES = "synaptic operation", "neuron update"


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class KerasSpiking(Rule):
    """E_synapses = e_synop * connections * rate * dt * T; E_neurons = e_neuron * neurons * T.

    rate = mean |x| of the layer's input in Hz; on a device that does not spike rate = 1 / dt and T = 1. A convolution has
    outputs * kernel connections, borders not subtracted. Spikes are worth 1 / dt, so rate * dt is spikes per input and step.
    """

    energy_per_synop: Energy
    energy_per_neuron: Energy
    spiking: bool
    dt: Seconds

    def _price(self, activity: Activity, evidence: Evidence) -> RuleReport:
        steps = int(activity.steps_run.sum()) if self.spiking else activity.n_samples
        rows, notes = [], []
        for node in activity.nodes:
            if node.kind == "weight":
                connections = node.n_neurons * node.fan_in
                events: Count = activity.n_samples
                if self.spiking:
                    events, note = self._events(activity, node, evidence)
                    notes += note
                rows.append(charged(node.node, SYNOPS, _whole(connections * events), self.energy_per_synop))
            elif node.kind in ("neuron", "activation"):
                rows.append(charged(node.node, UPDATES, node.n_neurons * steps, self.energy_per_neuron))
        return self.report(activity, rows, notes=tuple(notes))

    def _events(self, activity: Activity, node: NodeActivity, evidence: Evidence) -> tuple[Count, list[str]]:
        """Rate * dt * T: events per input, of all samples together."""
        read = reading(activity, node)
        if read.spiking:
            return Fraction(int(node.events_in.sum()), node.n_inputs * read.window), []
        if node.node in evidence.inputs:
            magnitude = float((evidence.inputs[node.node].magnitude * ran(activity)).sum())
            return magnitude / node.n_inputs * self.dt, []
        note = f"{node.node}: reads real values; each that is not 0 is an event, the tool reads their mean size as a rate in Hz"
        return Fraction(int(node.events_in.sum()), node.n_inputs), [note]


def _whole(count: Count) -> Count:
    return int(count) if isinstance(count, Fraction) and count.denominator == 1 else count
