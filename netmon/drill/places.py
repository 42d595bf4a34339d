"""Where a drill takes place: the site, node or gateway that has what the scenario needs, and what is drilled with it.

Pure. Nothing that is wrong now is drilled: what is real and what is not would be one message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from netmon.alerts.joining import place_of
from netmon.alerts.power import MAINS
from netmon.alerts.verdict import probed
from netmon.config import Config
from netmon.drill.scenario import Scenario
from netmon.errors import NetmonError
from netmon.model import Line, Site, Subject
from netmon.state import State
from netmon.topology import Topology

MOST_MATES = 10
MOST_NAMED = 8  # other places, in an error


class DrillError(NetmonError):
    """The drill cannot be run, and why, for the person who asked."""


@dataclass(frozen=True, slots=True)
class Place:
    """``subject`` is drilled, with ``mates`` that share something with it (sites only)."""

    subject: Subject
    name: str
    mates: tuple[str, ...] = ()


def choose(scenario: Scenario, state: State, topology: Topology, config: Config, wanted: str = "") -> Place:
    """The place that is ``wanted``, else the first that fits. Raises DrillError where there is none."""
    if not state.health.first_round_done:
        raise DrillError("netmon has only just started: not every line has been seen yet")
    look = _Look(scenario, state, topology, config)
    names = look.names()
    if wanted and wanted not in names:
        raise DrillError(f"the inventory has no {scenario.about} {wanted!r}")
    found = [name for name in ((wanted,) if wanted else names) if not look.lacks(name)]
    if found:
        return look.place(found[0])
    if wanted:
        others = [name for name in names if not look.lacks(name)][:MOST_NAMED]
        can = f"; it could take place at: {', '.join(others)}" if others else ""
        raise DrillError(f"{scenario.about} {wanted!r} does not fit: {look.lacks(wanted)}{can}")
    needs = f" with {', '.join(scenario.needs)}" if scenario.needs else ""
    raise DrillError(f"no {scenario.about}{needs} that is up and has no open incident")


class _Look:
    def __init__(self, scenario: Scenario, state: State, topology: Topology, config: Config) -> None:
        self.scenario, self.state, self.topology, self.config = scenario, state, topology, config
        places = (place_of(i.subject, state.inventory) for i in state.incidents.values() if i.open)
        self.troubled = {subject.id for subject in places}
        self.blind = any(s.kind == "netmon" for s in (i.subject for i in state.incidents.values() if i.open))

    def names(self) -> list[str]:
        inventory = self.state.inventory
        if self.scenario.about == "netmon":
            return [self.config.own_uplink] if self.config.own_uplink in inventory.nodes else []
        if self.scenario.about == "node":
            # Without netmon's own way out it would be another drill.
            above = {self.config.own_uplink, *self.topology.ancestors(self.config.own_uplink)}
            return [node for node in inventory.nodes if node not in above]
        known: Mapping[str, object] = inventory.sites if self.scenario.about == "site" else inventory.gateways
        return list(known)

    def place(self, name: str) -> Place:
        inventory = self.state.inventory
        if self.scenario.about == "netmon":
            return Place(Subject("netmon", "netmon"), inventory.nodes[name].name)
        if self.scenario.about == "node":
            return Place(Subject("node", name), inventory.nodes[name].name)
        if self.scenario.about == "gateway":
            return Place(Subject("gateway", name), inventory.gateways[name].name)
        return Place(Subject("site", name), inventory.sites[name].name, self.mates(inventory.sites[name]))

    def lacks(self, name: str) -> str:
        """Why it cannot take place there; "" where it can."""
        if self.blind:
            return "netmon itself sees nothing now"
        if name in self.troubled:
            return "it has an open incident"
        kind = {"netmon": "node"}.get(self.scenario.about, self.scenario.about)
        if kind != "gateway":
            verdict = self.state.verdicts.get(Subject(kind, name))  # type: ignore[arg-type]
            if verdict is None or verdict.condition not in ("up", "degraded"):
                return f"it is {verdict.condition if verdict else 'not known'} now"
        missing = [need for need in self.scenario.needs if not self._has(name, need)]
        return f"it lacks {', '.join(missing)}" if missing else ""

    def _has(self, name: str, need: str) -> bool:
        if self.scenario.about == "site":
            return self._site_has(self.state.inventory.sites[name], need)
        if need == "sensors":
            views = [self.state.sensors.get(sensor) for sensor in self.topology.sensors_behind(name)]
            return any(view is not None and view.received_at is not None for view in views)
        node = self.state.inventory.nodes[name]
        if need == "probe":
            return probed(node)
        if need == "sites":
            return bool(self.topology.sites_below(name))
        if need == "router":
            return bool(self._answering(name, "router"))
        return node.kind == need

    def _site_has(self, site: Site, need: str) -> bool:
        lines = [self.state.inventory.lines[line] for line in self.topology.lines_of(site.id)]
        if need in ("one_line", "two_lines"):
            return len(lines) == (1 if need == "one_line" else 2)
        if need in ("sfp", "ont"):
            return all(line.handoff == need for line in lines)
        if need in ("router", "ups"):
            return bool(self._answering(site.id, need))
        if need == "no_ups":
            group = (site.id, *self.topology.mates_in_power(site.id))
            return not any(self.state.inventory.devices[d].kind == "ups" for s in group for d in self._devices(s))
        if need == "far_port":
            return all(self._far(line) for line in lines)
        if need in ("mains_sensor", "no_mains_sensor"):
            found = any(self._tells_mains(sensor) for sensor in self.topology.sensors_of(site.id))
            return found == (need == "mains_sensor")
        return bool(self.mates(site))

    def mates(self, site: Site) -> tuple[str, ...]:
        """Sites that share what the scenario says, are well, and have one line that ends as the site's does."""
        inventory, topology = self.state.inventory, self.topology
        house, cable = topology.sites_in_building(site.building), topology.sites_in_cable(site.cable)
        groups = {
            "building": house,
            "power": topology.sites_in_power(site.power),
            "cable": cable,
            "drop_cable": tuple(mate for mate in house if mate in cable),
        }
        handoffs = {inventory.lines[line].handoff for line in topology.lines_of(site.id)}
        found = []
        for mate in groups.get(self.scenario.together, ()):
            lines = [inventory.lines[line] for line in topology.lines_of(mate)]
            verdict = self.state.verdicts.get(Subject("site", mate))
            well = verdict is not None and verdict.condition == "up" and mate not in self.troubled
            if mate != site.id and well and len(lines) == 1 and lines[0].handoff in handoffs:
                found.append(mate)
        return tuple(found[:MOST_MATES])

    def _devices(self, owner: str) -> tuple[str, ...]:
        return self.topology.devices_of(owner)

    def _answering(self, owner: str, kind: str) -> list[str]:
        polls, devices = self.state.polls, self.state.inventory.devices
        return [d for d in self._devices(owner) if devices[d].kind == kind and d in polls and polls[d].ok]

    def _far(self, line: Line) -> bool:
        poll = self.state.polls.get(line.remote_device)
        return poll is not None and poll.ok and line.remote_if_name in poll.ports

    def _tells_mains(self, sensor: str) -> bool:
        kind = self.state.inventory.sensor_types.get(self.state.inventory.sensors[sensor].type)
        return kind is not None and kind.quantity == MAINS
