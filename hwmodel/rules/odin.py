"""ODIN's event costs: cycles of the one core that walks all its neurons for every spike. No energy."""

from pydantic.dataclasses import dataclass

from hwmodel.rules.base import CONFIG, Hertz, Rule, charged
from hwmodel.rules.evidence import Evidence
from hwmodel.rules.report import Row, RuleReport
from hwmodel.rules.wiring import INPUT, drive_spikes
from refsnn.trace import Activity


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Odin(Rule):
    """cycles = 513 * spikes + 512 * time references + 3 * virtual events + 2 * single synapses, in one core, one after the other.

    Spikes are those of all neurons and of the input; one time reference each step.
    """

    cycles_per_spike: int
    cycles_per_time_reference: int
    cycles_per_virtual_event: int
    cycles_per_single_synapse: int
    neurons: int  # of the core
    clock: Hertz

    def cycles(self, *, spikes: int, time_references: int = 0, virtual: int = 0, single_synapses: int = 0) -> int:
        """Of so many events."""
        return (
            self.cycles_per_spike * spikes + self.cycles_per_time_reference * time_references
            + self.cycles_per_virtual_event * virtual + self.cycles_per_single_synapse * single_synapses
        )  # fmt: skip

    def _price(self, activity: Activity, evidence: Evidence) -> RuleReport:
        neurons = [node for node in activity.nodes if node.kind == "neuron"]
        spikes = sum((node.spikes_out for node in neurons), start=0 * activity.nodes[0].events_in)
        readers = [n for n in activity.nodes if n.inputs == (INPUT,) and n.kind not in ("neuron", "integrator")]
        if readers and drive_spikes(activity):
            spikes = spikes + readers[0].events_in  # every reader sees the same spikes
        cycles = self.cycles_per_spike * spikes.sum(0) + self.cycles_per_time_reference * activity.steps_run
        rows: list[Row] = [
            charged("core", "spike events", int(spikes.sum())),
            charged("core", "time references", int(activity.steps_run.sum())),
            charged("core", "cycles", int(cycles.sum())),
        ]
        held, notes = sum(node.n_neurons for node in neurons), []
        if held > self.neurons:
            notes.append(
                f"{held} neurons do not fit into the core's {self.neurons}; the cycles are those of one that held them"
            )
        if any(node.macs.any() for node in activity.nodes):
            notes.append("real-valued inputs are no events: what they cause is not counted")
        return self.report(activity, rows, latency_s=cycles / self.clock, notes=tuple(notes))
