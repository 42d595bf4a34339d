"""What netmon knew when a drill began: copies, so that others may write on while the drill is put together. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from netmon.alerts.evidence import Witness
from netmon.config import Config
from netmon.model import Incident, Inventory, PollResult, Subject, Verdict
from netmon.state import Reach, SensorView, State
from netmon.topology import Topology


@dataclass(frozen=True, slots=True)
class Base:
    """``incidents``: the open ones."""

    inventory: Inventory
    topology: Topology
    config: Config
    reach: Mapping[str, Reach]
    polls: Mapping[str, PollResult]
    verdicts: Mapping[Subject, Verdict]
    sensors: Mapping[str, SensorView]
    incidents: tuple[Incident, ...]
    witness: Witness


def base_of(state: State, topology: Topology, config: Config, witness: Witness) -> Base:
    """What is known now. To be called where the state is written."""
    return Base(
        state.inventory,
        topology,
        config,
        dict(state.reach),
        dict(state.polls),
        dict(state.verdicts),
        dict(state.sensors),
        tuple(incident for incident in state.incidents.values() if incident.open),
        witness.forked(),
    )
