"""SANA-FE's Loihi: accesses, updates, packets and hops of cores on a mesh, and the simple timing model."""

from typing import Annotated, Any

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from hwmodel.rules.base import CONFIG, Energy, Rule, Time, charged, nominal, ran
from hwmodel.rules.evidence import Evidence, Messages
from hwmodel.rules.report import Row, RuleReport
from refsnn.errors import CapacityError, SpecError, did_you_mean
from refsnn.trace import Activity

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Event:
    """Price and duration of one."""

    energy: Energy
    time: Time


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Barrier:
    """How long the barrier takes from so many mapped tiles on."""

    tiles: int
    time: Time


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class SanaFe(Rule):
    """E = accesses of all neurons + updates of those with a potential or an input + spikes + synapses + packets + hops (XY);

        t = max over cores of max(sum of its neurons' and sent packets' times, sum of its received packets' times) + barrier

    in every step. The input is free but for its packets. Needs evidence.messages of a run in which spikes take one step.
    """

    access: Event
    update: Event
    spike: Event
    synapses: Annotated[dict[str, Event], Field(min_length=1)]
    synapse_of: dict[str, str]  # layer type -> kind of synapse
    packet_out: Event
    packet_in: Event
    hop_east_west: Energy
    hop_north_south: Energy
    barrier: Annotated[list[Barrier], Field(min_length=1)]
    width: int  # tiles
    height: int
    cores_per_tile: int
    neurons_per_core: int
    synapse: str | None = None  # one kind for all layers

    def _price(self, activity: Activity, evidence: Evidence) -> RuleReport:
        did = evidence.messages
        if did is None:
            raise SpecError(f"rule {self.name!r}: needs evidence.messages; make them with refsnn.messages.messages")
        self._check(did)
        runs = ran(activity)
        notes = ["real-valued inputs are currents, which cost nothing here"] if activity.total("macs") else []
        if activity.lag:
            notes.append(
                "the messages are of a run in which spikes take a step, the activity is of one in which they do not"
            )
        return self.report(
            activity, self._rows(did, runs), latency_s=np.where(runs, self._step_s(did), 0.0).sum(0), notes=tuple(notes)
        )

    def _rows(self, did: Messages, runs: Array) -> list[Row]:
        def total(counts: Array) -> int:
            return int(np.moveaxis(counts, (0, 1), (-2, -1))[..., runs].sum())

        everyone = np.broadcast_to(did.neurons, did.updated.shape)
        packets, (across, along) = did.packets, self._hops(did)
        rows = [
            charged("soma", "access", total(everyone), self.access.energy),
            charged("soma", "update", total(did.updated), self.update.energy),
            charged("soma", "spike", total(did.fired), self.spike.energy),
        ]
        for layer, met in did.synapses.items():
            rows.append(charged("synapse", f"synapse, {self._kind(layer)}", total(met), self._event(layer).energy))
        return [
            *rows,
            charged("network", "packet sent", total(packets), self.packet_out.energy),
            charged("network", "packet received", total(packets), self.packet_in.energy),
            charged("network", "hop east-west", total(packets * across), self.hop_east_west),
            charged("network", "hop north-south", total(packets * along), self.hop_north_south),
        ]

    def _step_s(self, did: Messages) -> Array:
        """[T, N]"""
        sending = did.neurons * nominal(self.access.time) + did.updated * nominal(self.update.time)
        sending = sending + did.fired * nominal(self.spike.time) + did.packets.sum(3) * nominal(self.packet_out.time)
        receiving = did.packets.sum(2) * nominal(self.packet_in.time)
        for layer, met in did.synapses.items():
            receiving = receiving + met * nominal(self._event(layer).time)
        tiles = len({tile for tile, _ in did.cores})
        barrier = [nominal(entry.time) for entry in self.barrier if entry.tiles <= tiles][-1]
        return np.maximum(sending, receiving).max(2) + barrier

    def _hops(self, did: Messages) -> tuple[Array, Array]:
        """[C, C]: tiles passed east-west and north-south from core to core; tiles are numbered column by column."""
        tiles = np.array([tile for tile, _ in did.cores])
        x, y = tiles // self.height, tiles % self.height
        return np.abs(x[:, None] - x), np.abs(y[:, None] - y)

    def _kind(self, layer: str) -> str:
        return self.synapse or self.synapse_of.get(layer, next(iter(self.synapses)))

    def _event(self, layer: str) -> Event:
        kind = self._kind(layer)
        if kind not in self.synapses:
            raise SpecError(f"rule {self.name!r}: synapse {kind!r} is none{did_you_mean(kind, list(self.synapses))}")
        return self.synapses[kind]

    def _check(self, did: Messages) -> None:
        for (tile, core), neurons in zip(did.cores, did.neurons.tolist(), strict=True):
            if not (0 <= tile < self.width * self.height and 0 <= core < self.cores_per_tile):
                raise CapacityError(
                    f"rule {self.name!r}: core ({tile}, {core}) does not exist; there are {self.width * self.height} tiles of "
                    f"{self.cores_per_tile} cores"
                )
            if neurons > self.neurons_per_core:
                raise CapacityError(
                    f"rule {self.name!r}: core ({tile}, {core}) has {neurons} neurons, it holds {self.neurons_per_core}"
                )
