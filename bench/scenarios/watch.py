"""What the world emitted that tells the cause of each fault: decided from packets that left, not from netmon's mind.

A fault has evidence when one of these could arrive (a poll that was answered, a trap, a sensor, a person's word):
 power: a UPS of the house on battery, or after it started anew or with less charge than before; a mains sensor of the
   house at 0; a person who says so.
 line: the router ran through and its own port had moved (sfp) or was down while it answered over another line; mains
   known good during the fault, and the far port down (sfp), or the near one unmoved by a router that ran on (ont).
 device: the far port up with its light (sfp) while the router is silent; a trap that it was restarted warm.
 upstream, monitor: always, the probes themselves.
A restart of the router alone is none: a power cut and a reset look the same. A fault that nobody feels has none.
"""

from __future__ import annotations

from collections.abc import Iterable

from bench.scenarios.faults import Case
from netmon.model import Event, Inventory, PollResult

SLACK_S = 2.0
SPENT = 0.05  # of a battery: less is no sign


class Watch:
    """Looks at everything that is on its way to netmon."""

    def __init__(self, inventory: Inventory, cases: Iterable[Case], t0: float) -> None:
        self._inventory, self._t0 = inventory, t0
        self._at: dict[str, list[Case]] = {}
        for case in cases:
            if case.cause in ("upstream", "monitor"):
                case.evidence.add("probes")
            for site in case.sites:
                self._at.setdefault(site, []).append(case)
        self._mains_good: set[int] = set()
        self._charge: dict[str, float] = {}
        self._before: dict[tuple[int, str], float] = {}  # case, UPS -> charge before it began

    def poll(self, poll: PollResult, kind: str) -> None:
        """An answered poll."""
        t = poll.started_at - self._t0
        site = self._inventory.devices[poll.device].site
        for case in self._recent(site, t):
            if kind == "ups":
                self._ups(case, poll, t)
            elif case.cause == "line":
                self._ran_on(case, poll, t)
        if kind == "ups":
            self._charge[poll.device] = _figure(poll, "netmon_ups_charge_ratio")
        for line in self._inventory.lines.values():
            if line.remote_device == poll.device:
                for case in self._recent(line.site, t):
                    if case.begins_at + SLACK_S < t < case.ends_at and line.handoff == "sfp":
                        port = poll.ports[line.remote_if_name]
                        if case.cause == "device" and port.oper_up:
                            case.evidence.add("far port up")
                        if case.cause == "line" and not port.oper_up and case.number in self._mains_good:
                            case.evidence.add("far port down, mains good")

    def mains(self, site: str, present: bool, t: float, source: str) -> None:
        """A mains sensor, or a person on site."""
        building = self._inventory.sites[site].building
        house = [s.id for s in self._inventory.sites.values() if s.id == site or (building and s.building == building)]
        for case in {id(c): c for mate in house for c in self._recent(mate, t)}.values():
            if case.begins_at <= t <= case.ends_at:
                if case.cause == "power" and not present:
                    case.evidence.add(source)
                elif case.cause != "power" and present:
                    self._mains_good.add(case.number)

    def event(self, event: Event) -> None:
        """A trap."""
        t = event.at - self._t0
        for case in self._recent(self._inventory.devices[event.device].site, t):
            if case.cause == "power" and event.kind == "ups_on_battery" and t >= case.begins_at:
                case.evidence.add("UPS trap")
            if case.cause == "device" and event.kind == "warm_start" and t >= case.ends_at:
                case.evidence.add("warm start")

    def _recent(self, site: str, t: float) -> list[Case]:
        """Cases at the site that go on, or ended just now: recovery tells, too."""
        return [c for c in self._at.get(site, ()) if c.begins_at <= t <= c.ends_at + 100.0]

    def _ups(self, case: Case, poll: PollResult, t: float) -> None:
        if case.cause != "power":
            return
        before = self._before.setdefault((case.number, poll.device), self._charge.get(poll.device, 1.0))
        if _figure(poll, "netmon_ups_on_battery"):
            case.evidence.add("UPS on battery")
        elif t > case.ends_at:
            if t - (poll.sys_uptime_s or 0.0) >= case.begins_at:
                case.evidence.add("UPS started anew")
            if _figure(poll, "netmon_ups_charge_ratio") < before - SPENT:
                case.evidence.add("UPS spent charge")

    def _ran_on(self, case: Case, poll: PollResult, t: float) -> None:
        """The router's own view of a cut line."""
        for line in self._inventory.lines.values():
            if line.device != poll.device or not self._cut(case, line.id):
                continue
            port = poll.ports[line.if_name]
            if t < case.ends_at:
                if line.handoff == "sfp" and not port.oper_up and t > case.begins_at + SLACK_S:
                    case.evidence.add("near port down")
                continue
            uptime_s = poll.sys_uptime_s or 0.0
            changed = t - (uptime_s - (port.last_change_s or 0.0)) if port.last_change_s else None
            if t - uptime_s >= case.begins_at:
                continue
            if line.handoff == "sfp" and changed is not None and changed >= case.begins_at:
                case.evidence.add("ran on, port moved")
            if line.handoff == "ont" and case.number in self._mains_good:
                case.evidence.add("ran on, port still, mains good")

    def _cut(self, case: Case, line: str) -> bool:
        targets = {fault.target for fault in case.faults}
        site = self._inventory.sites[self._inventory.lines[line].site]
        return line in targets or (bool(site.cable) and site.cable in targets)


def _figure(poll: PollResult, name: str) -> float:
    return next((figure.value for figure in poll.figures if figure.name == name), 0.0)
