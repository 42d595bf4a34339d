"""Planned works and silences: what they cover, and when. Pure: the time is an argument.

A planned work explains what is lost within its window, so that it is told only when the window is overrun; a silence
keeps news from being told, whatever the cause. Neither is a condition: the wall shows what is lost all the same.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo
from typing import Literal, NamedTuple

from netmon.model import Incident, Inventory, Subject
from netmon.topology import Topology

WorkKind = Literal["power", "provider", "own"]
Repeat = Literal["once", "daily", "weekly", "monthly"]
WORK_KINDS: tuple[WorkKind, ...] = ("power", "provider", "own")
REPEATS: tuple[Repeat, ...] = ("once", "daily", "weekly", "monthly")
SCOPES = ("site", "line", "node", "area", "power", "building", "cable", "device", "sensor", "gateway")

OVERRUN_S = 900.0  # MESSAGES.md: an overrun by 15 minutes is told
FOR_EVER = 1e12  # as a moment: the year 33658
EARLY_S = 600.0  # crews begin before the hour that was announced


class Window(NamedTuple):
    """One occurrence, UTC Unix seconds."""

    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Work:
    """One planned work. ``where`` holds ``kind:id`` of SCOPES; it recurs at the same local time until ``until_at``."""

    id: int
    kind: WorkKind
    title: str
    where: tuple[str, ...]
    begin_at: float
    end_at: float
    repeat: Repeat = "once"
    until_at: float = 0.0  # no occurrence begins after this; 0 = for ever
    reference: str = ""  # number of the announcement of the power company or the telco
    by: str = ""
    created_at: float = 0.0
    cancelled_at: float | None = None
    cancelled_by: str = ""


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing new is told of what it covers, until its end. Closings go to those who know of the opening."""

    id: int
    where: tuple[str, ...]
    begin_at: float
    end_at: float
    reason: str
    by: str
    alert: str = ""  # only incidents of this alert of the catalogue; "" = all
    ended_by: str = ""


def occurrences(work: Work, zone: tzinfo, after: float) -> Iterator[Window]:
    """The windows that end after a moment, in order; without end for a work that recurs for ever.

    The local time of day is kept, so that a work at 08:00 stays at 08:00 where clocks are changed. A monthly one on a
    day that a month lacks takes that month's last day.
    """
    length_s = work.end_at - work.begin_at
    first = datetime.fromtimestamp(work.begin_at, zone)
    number = max(0, _estimate(work, after - length_s))
    while True:
        begin = _local(first, _shifted(first.date(), work.repeat, number), zone)
        number += 1
        if work.until_at and begin > work.until_at:
            return
        if begin + length_s > after:
            yield Window(begin, begin + length_s)
        if work.repeat == "once":
            return


def _estimate(work: Work, moment: float) -> int:
    """An occurrence that lies certainly not after the first one wanted."""
    days = {"once": 0.0, "daily": 1.0, "weekly": 7.0, "monthly": 31.0}[work.repeat]
    return int((moment - work.begin_at) / 86400.0 / days) - 1 if days else 0


def _shifted(day: date, repeat: Repeat, number: int) -> date:
    if repeat == "monthly":
        year, month = divmod(day.year * 12 + day.month - 1 + number, 12)
        return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
    return day + timedelta(days={"once": 0, "daily": 1, "weekly": 7}[repeat] * number)


def _local(first: datetime, day: date, zone: tzinfo) -> float:
    return datetime.combine(day, first.time(), zone).timestamp()


def window_at(work: Work, zone: tzinfo, moment: float) -> Window | None:
    """The window that holds a moment, or begins so soon after it that the crew may have begun early."""
    if work.cancelled_at is not None:
        return None
    window = next(occurrences(work, zone, moment), None)
    return window if window is not None and window.begin - EARLY_S <= moment else None


def scopes_of(subject: Subject, topology: Topology) -> set[str]:
    """All scopes that hold a subject: itself, the site or node it belongs to, its group, area, and the nodes above."""
    inventory = topology.inventory
    found = {f"{subject.kind}:{subject.id}"}
    if subject.kind == "node":
        return found | {f"node:{node}" for node in topology.ancestors(subject.id)}
    if subject.kind == "line":
        found |= {f"node:{node}" for node in topology.line_ancestors(subject.id)}
    thing = _owner(subject, inventory)
    site = inventory.sites.get(subject.id if subject.kind == "site" else getattr(thing, "site", ""))
    node = getattr(thing, "node", "")
    if node:
        found |= {f"node:{name}" for name in (node, *topology.ancestors(node))}
    via = getattr(thing, "via", "")
    if via.startswith("gateway:"):
        found.add(via)
    if site is None:
        return found
    found |= {f"site:{site.id}", f"area:{site.area}"}
    groups = (("power", site.power), ("building", site.building), ("cable", site.cable))
    found |= {f"{kind}:{name}" for kind, name in groups if name}
    if subject.kind == "site":
        # A site with several lines is covered only by what all of them hang from.
        lines = topology.lines_of(site.id)
        above = [set(topology.line_ancestors(line)) for line in lines]
        found |= {f"node:{name}" for name in (set.intersection(*above) if above else ())}
        if len(lines) == 1:
            found.add(f"line:{lines[0]}")
    return found


def _owner(subject: Subject, inventory: Inventory) -> object:
    tables: Mapping[str, Mapping[str, object]] = {
        "line": inventory.lines,
        "device": inventory.devices,
        "sensor": inventory.sensors,
        "gateway": inventory.gateways,
    }
    return tables.get(subject.kind, {}).get(subject.id)


def check_scope(scope: str, topology: Topology) -> str:
    """ "" for a scope that names something of the inventory, else what is wrong with it and what is allowed."""
    inventory = topology.inventory
    kind, colon, name = scope.partition(":")
    tables: dict[str, Mapping[str, object]] = {
        "site": inventory.sites,
        "line": inventory.lines,
        "node": inventory.nodes,
        "area": inventory.areas,
        "device": inventory.devices,
        "sensor": inventory.sensors,
        "gateway": inventory.gateways,
    }
    if not colon or kind not in SCOPES:
        return f"{scope!r} is no scope; kind:id with a kind of {', '.join(SCOPES)}"
    groups = {
        "power": topology.sites_in_power,
        "building": topology.sites_in_building,
        "cable": topology.sites_in_cable,
    }
    if groups[kind](name) if kind in groups else name in tables[kind]:
        return ""
    return f"the inventory has no {kind} {name!r}"


class Plans:
    """The works and silences in force."""

    def __init__(self, topology: Topology, works: Iterable[Work] = (), silences: Iterable[Silence] = ()) -> None:
        self.topology = topology  # replaced by a reload
        self.works: dict[int, Work] = {work.id: work for work in works}
        self.silences: dict[int, Silence] = {silence.id: silence for silence in silences}
        self.storm_duty_until = 0.0  # no quiet hours until then

    def work_at(self, subject: Subject, zone: tzinfo, moment: float) -> tuple[Work, Window] | None:
        """The work whose window holds the beginning of a fault; of several the one that ends last."""
        scopes = scopes_of(subject, self.topology) if self.works else set()
        found = [
            (work, window)
            for work in self.works.values()
            if not scopes.isdisjoint(work.where) and (window := window_at(work, zone, moment)) is not None
        ]
        return max(found, key=lambda pair: (pair[1].end, pair[0].id), default=None)

    def silence_of(self, incident: Incident, now: float) -> Silence | None:
        """The silence that keeps an incident from being told now."""
        for silence in self.silences.values():
            if not silence.begin_at <= now < silence.end_at:
                continue
            if self.silences_it(silence, incident):
                return silence
        return None

    def silences_it(self, silence: Silence, incident: Incident) -> bool:
        """Whether an incident is within a silence, whatever the time."""
        if silence.alert and silence.alert not in {name for name, _ in incident.alerts}:
            return False
        return not scopes_of(incident.subject, self.topology).isdisjoint(silence.where)

    def works_on(self, work: Work, incident: Incident, zone: tzinfo) -> bool:
        """Whether an incident began within a work; one that was called off is taken as if it had not been."""
        work = replace(work, cancelled_at=None)
        covers = not scopes_of(incident.subject, self.topology).isdisjoint(work.where)
        return covers and window_at(work, zone, incident.began_at) is not None

    def forget(self, before: float) -> None:
        """Drop what ended, and cannot come again, before a moment."""
        for work in [work for work in self.works.values() if over_at(work) < before]:
            del self.works[work.id]
        for silence in [silence for silence in self.silences.values() if silence.end_at < before]:
            del self.silences[silence.id]


def over_at(work: Work) -> float:
    """From when on a work is of no more interest."""
    if work.cancelled_at is not None:
        return work.cancelled_at
    if work.repeat == "once":
        return work.end_at
    return work.until_at + work.end_at - work.begin_at if work.until_at else FOR_EVER
