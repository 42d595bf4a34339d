"""What is up and what is not, counted: the numbers of the wall, the API and the morning's brief are these. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo

from netmon.model import CAUSES, Condition, Incident, Site, Subject
from netmon.state import State

REACHABLE: frozenset[Condition] = frozenset({"up", "degraded"})
LOST: frozenset[Condition] = frozenset({"down", "unreachable"})


@dataclass(frozen=True, slots=True)
class Headline:
    """The numbers people read out. ``up`` counts reachable sites, poor quality included."""

    up: int
    total: int
    conditions: Mapping[str, int]
    causes: Mapping[str, int]  # of the lost sites, in the order of model.CAUSES
    communes: int
    communes_lost: int
    communes_partly: int


def condition_of(state: State, subject: Subject) -> tuple[Condition, float]:
    """The condition and since when; unknown since 0 where nothing has been concluded yet."""
    verdict = state.verdicts.get(subject)
    return (verdict.condition, verdict.since) if verdict else ("unknown", 0.0)


def sites_in_service(state: State, now: float, zone: tzinfo) -> list[Site]:
    """The sites that count today, in the order of the inventory."""
    today = datetime.fromtimestamp(now, zone).date().isoformat()
    return [
        site
        for site in state.inventory.sites.values()
        if (not site.since or site.since <= today) and (not site.until or today < site.until)
    ]


def open_incidents(state: State) -> list[Incident]:
    """Nodes and netmon first, then by severity, the newest first."""
    rank = {"critical": 0, "warning": 1, "info": 2}
    return sorted(
        (incident for incident in state.incidents.values() if incident.open),
        key=lambda i: (i.subject.kind not in ("netmon", "node"), rank[i.severity], -i.began_at, i.id),
    )


def incident_of_site(state: State) -> dict[str, Incident]:
    """For each troubled site the open incident that explains it: its own outage before that of something above it."""
    found: dict[str, Incident] = {}
    ranked = sorted(open_incidents(state), key=lambda i: i.kind != "outage")  # an outage before an alert
    for incident in ranked:
        if site := site_of(state, incident.subject):
            found.setdefault(site, incident)
    for incident in ranked:
        for child in incident.children:
            found.setdefault(child, incident)
    return found


def headline(state: State, now: float, zone: tzinfo) -> Headline:
    """Counted over the sites in service; communes by unit code (MESSAGES.md, the morning sentence)."""
    explained = incident_of_site(state)
    conditions: Counter[str] = Counter()
    causes: Counter[str] = Counter()
    communes: dict[str, list[bool]] = {}
    sites = sites_in_service(state, now, zone)
    for site in sites:
        condition = condition_of(state, Subject("site", site.id))[0]
        conditions[condition] += 1
        if condition in LOST:
            incident = explained.get(site.id)
            causes[incident.cause.kind if incident and incident.kind == "outage" else "unknown"] += 1
        if site.level == "commune" and site.unit_code:
            communes.setdefault(site.unit_code, []).append(condition in LOST)
    return Headline(
        up=sum(conditions[c] for c in REACHABLE),
        total=len(sites),
        conditions=dict(conditions),
        causes={cause: causes[cause] for cause in CAUSES if causes[cause]},
        communes=len(communes),
        communes_lost=sum(all(lost) for lost in communes.values()),
        communes_partly=sum(any(lost) and not all(lost) for lost in communes.values()),
    )


def site_of(state: State, subject: Subject) -> str:
    """The site a subject belongs to; empty if it belongs to none."""
    inventory = state.inventory
    if subject.kind == "site":
        return subject.id if subject.id in inventory.sites else ""
    tables: dict[str, Mapping[str, object]] = {
        "line": inventory.lines,
        "device": inventory.devices,
        "sensor": inventory.sensors,
        "gateway": inventory.gateways,
    }
    return str(getattr(tables.get(subject.kind, {}).get(subject.id), "site", ""))
