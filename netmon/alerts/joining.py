"""What belongs to which incident, and how an incident takes in something new. Pure functions over frozen incidents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from netmon.alerts.planned import KEYS as PLANNED_KEYS
from netmon.alerts.rootcause import ALERT_CAUSES
from netmon.alerts.verdict import LOST
from netmon.model import (
    AlertState,
    Cause,
    Device,
    Evidence,
    Gateway,
    Incident,
    Inventory,
    Labels,
    Sensor,
    Severity,
    Site,
    Subject,
    TimelineEntry,
)
from netmon.state import State

FEEDER_S = 1800.0  # a battery of an office lasts some minutes to half an hour
TIMELINE_MOST = 200  # a flapping line must not fill the memory: the first entry and the last ones stay
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
AlertKey = tuple[str, Labels]


def worst(*severities: Severity) -> Severity:
    return max(severities, key=SEVERITIES.index)


def note(incident: Incident, at: float, kind: str, text: str = "") -> Incident:
    """The incident with one more line of its timeline, written by netmon."""
    lines = (*incident.timeline, TimelineEntry(at, kind, "netmon", text))
    if len(lines) > TIMELINE_MOST:
        lines = (lines[0], *lines[1 - TIMELINE_MOST :])
    return replace(incident, timeline=lines)


def cause_text(cause: Cause) -> str:
    """For timelines, independent of language: "power confirmed by power_ups"."""
    sure = "" if cause.kind == "unknown" else " confirmed" if cause.confirmed else " suspected"
    return f"{cause.kind}{sure} by {cause.rule}" if cause.rule else f"{cause.kind}{sure}"


def better(old: Cause, new: Cause) -> Cause:
    """What is known after looking again: evidence is never lost, a confirmed cause yields only to a confirmed one."""
    if "planned" in (old.kind, new.kind):  # entered, moved or called off meanwhile: what the plan says now, counts
        kept = (e for e in old.evidence if e.key not in PLANNED_KEYS)
        return replace(new, evidence=merge(new.evidence, kept))
    evidence = merge(old.evidence, new.evidence)
    if old.kind == "device" and not old.confirmed and any(e.key == "parent_port_down" for e in new.evidence):
        return replace(new, evidence=evidence)  # suspected because that port was up
    suspect = new.kind == "device" and not new.confirmed
    if old.kind == "line" and suspect and any(e.key == "parent_port_down" for e in old.evidence):
        return replace(old, evidence=evidence)  # that port is up again: repaired, and the way not yet found
    if new.kind == "unknown":
        return replace(old, evidence=evidence)
    if new.kind != old.kind and old.confirmed and not new.confirmed:
        return replace(old, evidence=evidence)
    confirmed = new.confirmed or (old.confirmed and new.kind == old.kind)
    rejected = tuple(dict.fromkeys((*old.rejected, *new.rejected)))
    return Cause(new.kind, confirmed, evidence, new.missing, new.rule, rejected)


def merge(old: Iterable[Evidence], new: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Both, each fact once: a fact told again keeps its first time, unless its figures changed."""
    found = {_fact(e): e for e in old}
    for evidence in new:
        before = found.get(_fact(evidence))
        if before is None or before.args != evidence.args:
            found[_fact(evidence)] = evidence
    return tuple(found.values())


def _fact(evidence: Evidence) -> tuple[str, str, str]:
    return evidence.key, evidence.args.get("name", ""), evidence.args.get("port", "")


def place_of(subject: Subject, inventory: Inventory) -> Subject:
    """The site or node a line, device, sensor or gateway belongs to; the subject itself if there is none."""
    if subject.kind == "line" and (line := inventory.lines.get(subject.id)) is not None:
        return Subject("site", line.site)
    things: Mapping[str, Device | Sensor | Gateway] = {}
    if subject.kind == "device":
        things = inventory.devices
    elif subject.kind == "sensor":
        things = inventory.sensors
    elif subject.kind == "gateway":
        things = inventory.gateways
    thing = things.get(subject.id)
    if thing is not None and (thing.site or thing.node):
        return Subject("site", thing.site) if thing.site else Subject("node", thing.node)
    return subject


def explains(incident: Incident, alert: AlertState) -> bool:
    """True if an incident at the alert's place is the same fault as the alert."""
    if alert.tell == "verdict":
        return incident.kind != "alert"
    if incident.kind == "alert":
        if alert.subject == incident.subject and alert.subject.kind == "sensor":
            return True  # a fast rise, then the limit: one thing that happens
        kind, _ = ALERT_CAUSES.get(alert.alertname, ("unknown", ""))
        return kind != "unknown" and incident.cause.kind == kind
    if incident.kind == "outage" and alert.subject.kind in ("device", "line", "gateway"):
        other = incident.cause.confirmed and incident.cause.kind in ("line", "upstream")
        return not (other and alert.alertname in ALERT_CAUSES)
    return incident.kind in ("redundancy", "degraded") and alert.subject.kind == "line"


def leads_to(incident: Incident, kind: str) -> bool:
    """True if a site's loss grows out of this open alert incident (UPS on battery, then the site is lost)."""
    return incident.kind == "alert" and kind == "outage" and incident.subject.kind in ("device", "line")


def follows(owner: Incident, began_at: float, site: Site, inventory: Inventory, look: Callable[[], Cause]) -> bool:
    """True if a site lost later than its mate, and while that one is lost, is the same fault: its battery ran out.

    In one building unless the first is known to be something else; on one feeder only where nothing else is known of
    either, for some minutes, or mains are known to be lost.
    """
    first = inventory.sites.get(owner.subject.id)
    if first is None or owner.cause.kind not in ("power", "unknown") or look().kind not in ("power", "unknown"):
        return False
    if site.building and site.building == first.building:
        return True
    return site.power != "" and site.power == first.power and began_at - owner.began_at <= FEEDER_S


def still_visible(incident: Incident, state: State) -> bool:
    """False while nobody can tell whether an alert incident is over: its site is dark, or its sensor is not heard."""
    place = place_of(incident.subject, state.inventory)
    if incident.subject.kind == "sensor":
        view = state.sensors.get(incident.subject.id)
        return view is None or view.state in ("ok", "warning", "alarm")
    if incident.subject.kind == "gateway":
        gateway = state.gateways.get(incident.subject.id)
        return gateway is None or gateway.state in ("ok", "stale")
    verdict = state.verdicts.get(place)
    return verdict is None or not (verdict.condition in LOST or verdict.by == "monitor")
