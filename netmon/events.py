"""What an event of a device (a trap) is about: its port, the probe targets to look at, the site or node. Pure.

A name of a port that the device itself gives counts before one found by ifIndex: indexes move at a reboot (RFC 2863).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from netmon.model import Event, Line, PollResult, Subject
from netmon.topology import Topology

LINK = ("link_down", "link_up")
LOOK = (*LINK, "cold_start", "warm_start", "ups_on_battery", "bgp_backward")  # may mean that a line is lost or back


class Events:
    """Answers for one inventory."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._near: dict[str, list[Line]] = {}  # by the device at the site
        self._far: dict[str, list[Line]] = {}  # by the device at the other end
        for line in topology.inventory.lines.values():
            self._near.setdefault(line.device, []).append(line)
            self._far.setdefault(line.remote_device, []).append(line)
        self._names: dict[str, tuple[PollResult, dict[int, str]]] = {}

    def named(self, event: Event, polls: Mapping[str, PollResult]) -> Event:
        """The event with the name of its port, as the latest poll has it, if it brought none."""
        poll = polls.get(event.device)
        if event.if_name or not event.if_index or poll is None:
            return event
        known = self._names.get(event.device)
        if known is None or known[0] is not poll:
            known = self._names[event.device] = poll, {port.if_index: name for name, port in poll.ports.items()}
        return replace(event, if_name=known[1].get(event.if_index, ""))

    def targets(self, event: Event) -> tuple[str, ...]:
        """Probe targets (lines, nodes) that what happened may have cut or brought back."""
        device = self._topology.inventory.devices.get(event.device)
        if device is None or event.kind not in LOOK:
            return ()
        far = self._far_lines(event)
        if device.node:
            return tuple(line.id for line in far) or (device.node,)
        near = self._near.get(device.id, [])
        port = event.if_name if event.kind in LINK else ""
        lines = tuple(line.id for line in (*near, *far) if not port or port in (line.if_name, line.remote_if_name))
        return lines if near or port else self._topology.lines_of(device.site)

    def places(self, event: Event) -> tuple[Subject, ...]:
        """The site or node of the device, and the sites whose lines end at the port."""
        device = self._topology.inventory.devices.get(event.device)
        if device is None:
            return ()
        own = Subject("site", device.site) if device.site else Subject("node", device.node)
        return (own, *(Subject("site", line.site) for line in self._far_lines(event)))

    def _far_lines(self, event: Event) -> list[Line]:
        if event.kind not in LINK or not event.if_name:
            return []
        return [line for line in self._far.get(event.device, ()) if line.remote_if_name == event.if_name]
