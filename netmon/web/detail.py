"""What the page of one site shows, as plain data taken from the state. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from netmon.counts import condition_of, site_of
from netmon.model import Condition, Device, Figure, Line, PollResult, Port, Site, Subject
from netmon.state import Reach, State
from netmon.web.pages import IncidentRow, incident_row


@dataclass(frozen=True, slots=True)
class LineRow:
    """One line of a site as measured."""

    line: Line
    condition: Condition
    parent: str
    reach: Reach


def line_rows(state: State, site: str) -> list[LineRow]:
    """The lines of a site."""
    rows = []
    for line in state.inventory.lines.values():
        if line.site == site:
            above = state.inventory.nodes.get(line.parent)
            condition = condition_of(state, Subject("line", line.id))[0]
            reach = state.reach.get(line.id) or Reach(line.id)
            rows.append(LineRow(line, condition, above.name if above else line.parent, reach))
    return rows


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One device of a site: its latest poll, its figures, its ports in the order of names."""

    device: Device
    poll: PollResult | None
    figures: tuple[Figure, ...]
    ports: tuple[Port, ...]


def device_rows(state: State, site: str) -> list[DeviceRow]:
    """The devices of a site."""
    rows = []
    for device in state.inventory.devices.values():
        if device.site == site:
            poll = state.polls.get(device.id)
            ports = sorted(poll.ports.values(), key=lambda port: port.if_index) if poll and poll.ok else ()
            rows.append(DeviceRow(device, poll, poll.figures if poll and poll.ok else (), tuple(ports)))
    return rows


def incidents_of_site(state: State, site: str) -> list[IncidentRow]:
    """Incidents whose subject lies at the site, and those that list it as a child; the newest first."""
    found = [i for i in state.incidents.values() if site_of(state, i.subject) == site or site in i.children]
    return [incident_row(state, incident) for incident in sorted(found, key=lambda i: (not i.open, -i.began_at))]


def neighbours(state: State, site: Site) -> list[Site]:
    """Other sites in the same building."""
    if not site.building:
        return []
    return [s for s in state.inventory.sites.values() if s.building == site.building and s.id != site.id]
