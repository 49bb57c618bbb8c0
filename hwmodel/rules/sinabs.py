"""sinabs' SNNAnalyzer: synaptic operations with a map of how many connections each input has. No energy."""

from pydantic.dataclasses import dataclass

from hwmodel.rules.base import CONFIG, Rule, charged, ran
from hwmodel.rules.evidence import Evidence
from hwmodel.rules.report import Count, Row, RuleReport
from hwmodel.rules.wiring import reading
from refsnn.trace import Activity

SYNOPS = "synops"


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Sinabs(Rule):
    """synops = sum over inputs and steps of x * its connections, mean over samples; what a mean pool divided by is undone."""

    def _price(self, activity: Activity, evidence: Evidence) -> RuleReport:
        rows: list[Row] = []
        notes: list[str] = []
        for node in activity.nodes:
            if node.kind != "weight":
                continue
            count: Count = int(node.synops.sum() + node.macs.sum())
            if not reading(activity, node).spiking:
                if node.node in evidence.inputs:
                    count = float((evidence.inputs[node.node].reached * ran(activity)).sum())
                else:
                    notes.append(
                        f"{node.node}: real values are counted as events, the tool adds up the values themselves"
                    )
            rows.append(charged(node.node, SYNOPS, count))
        return self.report(activity, rows, notes=tuple(notes))
