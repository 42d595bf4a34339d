"""What the pages show, as plain data taken from the state. Pure: the time is an argument, the words come later.

Every number on the wall is computed here once, so that the page, the API and the tests agree.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo

from netmon.model import (
    CAUSES,
    Condition,
    Gateway,
    Incident,
    Node,
    Quality,
    Sensor,
    Site,
    Subject,
)
from netmon.sensor_quality import Moved, is_stuck, moved, quality, word_of
from netmon.state import SensorView, State

REACHABLE: frozenset[Condition] = frozenset({"up", "degraded"})
LOST: frozenset[Condition] = frozenset({"down", "unreachable"})
SHOWN_SENSOR_STATES = ("alarm", "warning", "invalid", "stale")  # in this order; "explained" is counted, not listed
STALLED_S = 15.0  # three missed evaluations at the default of 5 s: what the page shows is no longer judged

# Offices as people abbreviate them on a small tile; the full name is on the tile's title and on the site's page.
_SHORT = (
    ("UBND ", "UB "), ("Đảng ủy ", "ĐU "), ("Huyện ủy ", "HU "), ("Thị ủy ", "TU "), ("Thành ủy ", "TU "),
    ("Trung tâm Chính trị ", "TTCT "), ("Trung tâm ", "TT "), ("Văn phòng ", "VP "), ("Mặt trận Tổ quốc", "MTTQ"),
    ("Ban Quản lý ", "BQL "), ("Hội Liên hiệp ", "Hội LH "), ("thị trấn ", "TT. "), ("thị xã ", "TX. "),
    ("thành phố ", "TP. "), ("huyện ", "H. "), ("xã ", ""), ("phường ", ""), (" tỉnh", ""),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tile:
    """One site on the wall."""

    id: str
    label: str
    name: str
    condition: Condition
    since: float
    incident: int | None


@dataclass(frozen=True, slots=True)
class AreaView:
    """One area: reachable sites of all its sites in service."""

    id: str
    name: str
    up: int
    total: int
    tiles: tuple[Tile, ...]


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


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One incident in a list. ``site`` is the page to go to, empty when its subject is of no site."""

    incident: Incident
    name: str
    place: str
    site: str


@dataclass(frozen=True, slots=True)
class SensorRow:
    """One sensor with what it said last."""

    sensor: Sensor
    view: SensorView
    name: str
    unit: str
    place: str
    limit: float | None
    word: str  # what the value is called, where it stands for something
    quality: Quality
    moved: Moved | None


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


def areas(state: State, now: float, zone: tzinfo) -> list[AreaView]:
    """Every site in service, by area, areas and sites in the order of the inventory."""
    explained = incident_of_site(state)
    tiles: dict[str, list[Tile]] = {area: [] for area in state.inventory.areas}
    for site in sites_in_service(state, now, zone):
        condition, since = condition_of(state, Subject("site", site.id))
        incident = explained.get(site.id)
        tiles.setdefault(site.area, []).append(
            Tile(site.id, short_label(site.name), site.name, condition, since, incident.id if incident else None)
        )
    made = []
    for area, members in tiles.items():
        if members:
            known = state.inventory.areas.get(area)
            up = sum(tile.condition in REACHABLE for tile in members)
            made.append(AreaView(area, known.name if known else area, up, len(members), tuple(members)))
    return made


def short_label(name: str) -> str:
    """A name short enough for a tile; only whole words are shortened."""
    label = unicodedata.normalize("NFC", name)
    for long, short in _SHORT:
        label = label.replace(long, short)
    return label.strip() or name


def incident_row(state: State, incident: Incident) -> IncidentRow:
    """The incident with the names of its subject and of the area it lies in."""
    subject, inventory = incident.subject, state.inventory
    name = subject.id
    site = site_of(state, subject)
    if subject.kind == "site" and subject.id in inventory.sites:
        name = inventory.sites[subject.id].name
    elif subject.kind == "node" and subject.id in inventory.nodes:
        name = inventory.nodes[subject.id].name
    else:
        things: Mapping[str, Mapping[str, Sensor | Gateway]] = {
            "sensor": inventory.sensors,
            "gateway": inventory.gateways,
        }
        thing = things.get(subject.kind, {}).get(subject.id)
        name = thing.name if thing is not None and thing.name else subject.id
        if site in inventory.sites:
            name = f"{name} – {inventory.sites[site].name}"
    return IncidentRow(incident, name, area_name(state, site), site)


def area_name(state: State, site: str) -> str:
    """The name of the area a site lies in; empty for no site."""
    found = state.inventory.sites.get(site)
    if not found:
        return ""
    area = state.inventory.areas.get(found.area)
    return area.name if area else found.area


def sensor_rows(state: State, sensors: Iterable[Sensor], language: str) -> list[SensorRow]:
    """Sensors with their latest value, the limit they crossed, and the name of their place."""
    rows = []
    for sensor in sensors:
        kind = state.inventory.sensor_types.get(sensor.type)
        view = state.sensors.get(sensor.id) or SensorView(sensor.id)
        place = state.inventory.sites.get(sensor.site)
        node = state.inventory.nodes.get(sensor.node)
        name = place.name if place else node.name if node else ""
        limit = None
        if kind and view.value is not None and view.state in ("warning", "alarm"):
            above = kind.alarm_above if view.state == "alarm" else kind.warn_above
            below = kind.alarm_below if view.state == "alarm" else kind.warn_below
            limit = below if below is not None and view.value <= below else above
        quantity = (kind.words.get(language) or kind.quantity) if kind else sensor.type
        word = word_of(kind, view.value, language) if kind and view.value is not None else ""
        rows.append(
            SensorRow(
                sensor,
                view,
                sensor.name or quantity,
                kind.unit if kind else "",
                name,
                None if word else limit,
                word,
                quality(view, kind) if kind else "none",
                moved(view, kind) if kind and not kind.values else None,
            )
        )
    return rows


def troubled_sensors(state: State, language: str) -> list[SensorRow]:
    """Sensors out of their limits, silent for no known reason, or stuck; the worst and the newest first."""
    shown = [s for s in state.inventory.sensors.values() if _is_troubled(state, s)]
    rows = sensor_rows(state, shown, language)
    rank = {name: number for number, name in enumerate(SHOWN_SENSOR_STATES)}
    return sorted(rows, key=lambda row: (rank.get(row.view.state, len(rank)), -row.view.since, row.sensor.id))


def _is_troubled(state: State, sensor: Sensor) -> bool:
    view, kind = state.sensors.get(sensor.id), state.inventory.sensor_types.get(sensor.type)
    return view is not None and (view.state in SHOWN_SENSOR_STATES or (kind is not None and is_stuck(view, kind)))


def silent_sensors(state: State, incident: Incident, language: str) -> list[SensorRow]:
    """The sensors that are silent through the gateway an incident is about."""
    view = state.gateways.get(incident.subject.id) if incident.subject.kind == "gateway" else None
    known = state.inventory.sensors
    return sensor_rows(state, [known[s] for s in view.silent if s in known] if view else [], language)


def explained_sensors(state: State) -> int:
    """How many sensors are silent because what they come through is down."""
    return sum(_sensor_state(state, sensor) == "explained" for sensor in state.inventory.sensors.values())


def _sensor_state(state: State, sensor: Sensor) -> str:
    view = state.sensors.get(sensor.id)
    return view.state if view else "unknown"


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


def nodes(state: State) -> list[tuple[Node, Condition]]:
    """All nodes with their condition, in the order of the inventory."""
    return [(node, condition_of(state, Subject("node", node.id))[0]) for node in state.inventory.nodes.values()]
