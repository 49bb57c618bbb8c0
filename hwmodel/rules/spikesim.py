"""SpikeSim's energy, latency and area of convolutions on crossbars (ELA), and SpikingJelly's variant of it for events."""

from dataclasses import field
from math import ceil, floor, prod
from typing import Annotated

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from hwmodel.rules.base import CONFIG, Area, Energy, Hertz, Rule, charged, nominal, ran
from hwmodel.rules.evidence import Evidence
from hwmodel.rules.report import Row, RuleReport
from refsnn.errors import SpecError
from refsnn.trace import Activity, Geometry, NodeActivity

Parts = Annotated[dict[str, Energy], Field(min_length=1)]
PE_CYCLES = "PE cycles"


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Areas:
    """Of one each."""

    crossbar: Area
    adc: Area
    mux: Area
    subtractor: Area
    temporary_buffer: Area
    tile_buffer: Area
    htree: Area
    neuron_memory: Area  # of one bit
    neuron_bits: int
    layers_with_neuron_memory: int  # only the first ones are added


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class SpikeSim(Rule):
    """E = sum over convolutions of ceil(C_out / X) * ceil(C_in / X) * outputs pixels * steps * E_PE, whatever the spikes;

        E_PE = H-tree + fetch + neuron + tile buffer + X/8 * (temporary buffer + 16 subtractors)
               + X/8 * (kernel * crossbar + X/8 * (ADC + multiplexer)),  X the side of a crossbar.

    events: only windows, crossbar rows and output sites that spikes touch are charged, as SpikingJelly counts them.
    """

    htree: Energy
    memory_fetch: Energy
    neuron: Energy
    crossbar: Energy
    adc: Energy
    mux: Energy
    subtractor: Energy
    temporary_buffer: Energy
    tile_buffer: Energy
    crossbar_size: int
    columns_per_adc: int
    subtractors: int
    pes_per_tile: int
    overlap: float  # share of a layer's outputs after which the next one starts
    cycles_per_pe: int
    clock: Hertz
    events: bool = False
    areas: Areas | None = field(default=None)

    @property
    def adcs(self) -> float:
        return self.crossbar_size / self.columns_per_adc

    @property
    def control_j(self) -> float:
        """Of one window on one tile, without the crossbar and the neuron."""
        conversion = self.adcs * (nominal(self.adc) + nominal(self.mux))
        per_column = nominal(self.temporary_buffer) + self.subtractors * nominal(self.subtractor) + conversion
        return nominal(self.htree) + nominal(self.memory_fetch) + nominal(self.tile_buffer) + self.adcs * per_column

    def pe_cycle_j(self, kernel: int) -> float:
        """Of all of one tile for one output pixel; kernel: its size, 9 for 3 x 3."""
        return self.control_j + nominal(self.neuron) + self.adcs * kernel * nominal(self.crossbar)

    def row_j(self, channels: int) -> float:
        """Of one spike in a window on a tile that so many of the input channels fill."""
        padded = ceil(channels / self.crossbar_size) * self.crossbar_size
        return nominal(self.crossbar) / self.columns_per_adc * (padded / channels)

    def _price(self, activity: Activity, evidence: Evidence) -> RuleReport:
        convolutions = [node for node in activity.nodes if node.layer == "Conv2d" and _of(node).groups == 1]
        left_out = [node for node in activity.nodes if node.kind == "weight" and node not in convolutions]
        notes = [
            f"{node.node}: {node.layer}{' with groups' * (node.layer == 'Conv2d')} is left out" for node in left_out
        ]
        pes = [self._tiles(node)[0] * self._tiles(node)[1] for node in convolutions]
        if pes != sorted(pes):
            notes.append("the tool stops here: its layers have to be in the order of their number of PEs")
        rows = [row for node in convolutions for row in self._charge(activity, node, evidence)]
        tiles = ceil(sum(pes) / self.pes_per_tile)
        figures = {"PEs": float(sum(pes)), "tiles": float(tiles)}
        if self.areas and convolutions:
            figures["area, um2"] = self._area(self.areas, convolutions, tiles)
        seconds = self._outputs_in_turn(convolutions) * activity.steps_run * self.cycles_per_pe / self.clock
        return self.report(activity, rows, latency_s=seconds, figures=figures, notes=tuple(notes))

    def _tiles(self, node: NodeActivity) -> tuple[int, int]:
        geometry = _of(node)
        return ceil(geometry.in_channels / self.crossbar_size), ceil(geometry.out_channels / self.crossbar_size)

    def _charge(self, activity: Activity, node: NodeActivity, evidence: Evidence) -> list[Row]:
        (into, out), geometry = self._tiles(node), _of(node)
        if not self.events:
            cycles = into * out * prod(geometry.out_size) * int(activity.steps_run.sum())
            return [Row(node.node, PE_CYCLES, cycles, cycles * self.pe_cycle_j(prod(geometry.kernel)))]
        if node.node not in evidence.patches:
            raise SpecError(
                f"rule {self.name!r}: {node.node}: needs evidence.patches; make them with refsnn.patches.patch_counts"
            )
        touched, runs = evidence.patches[node.node], ran(activity)
        patches, sites = (out * int(np.where(runs, a, 0).sum()) for a in (touched.patches, touched.sites))
        rows = [Row(node.node, "patch control", patches, patches * self.control_j)]
        for tile, count in enumerate(np.where(runs[..., None], touched.rows, 0).sum((0, 1)).tolist()):
            channels = min(self.crossbar_size, geometry.in_channels - tile * self.crossbar_size)
            rows.append(Row(node.node, "crossbar rows", out * count, out * count * self.row_j(channels)))
        rows.append(charged(node.node, "output sites", into * sites, self.neuron))
        return rows

    def _area(self, areas: Areas, convolutions: list[NodeActivity], tiles: int) -> float:
        kernel = prod(_of(convolutions[-1]).kernel)
        pe = kernel * nominal(areas.crossbar) + self.adcs * (nominal(areas.adc) + nominal(areas.mux))
        tile = self.adcs * nominal(areas.subtractor) + nominal(areas.temporary_buffer) + nominal(areas.tile_buffer)
        tile += self.pes_per_tile * pe + nominal(areas.htree)
        potential = nominal(areas.neuron_memory) * areas.neuron_bits
        inputs = sum(_of(node).in_channels * prod(_of(node).in_size) for node in convolutions)
        kept = sum(node.n_neurons for node in convolutions[: areas.layers_with_neuron_memory])
        return tile * tiles + inputs * potential + kept * potential

    def _outputs_in_turn(self, convolutions: list[NodeActivity]) -> int:
        """Outputs, one after the other, channels included: a layer starts when the one before has `overlap` of its own."""
        before = sum(floor(self.overlap * node.n_neurons) for node in convolutions[:-1])
        return before + (convolutions[-1].n_neurons if convolutions else 0)


def _of(node: NodeActivity) -> Geometry:
    assert node.geometry
    return node.geometry
