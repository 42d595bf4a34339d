"""What the pages show, as plain data taken from the state. Pure: the time is an argument, the words come later.

Every number on the wall is computed here once, so that the page, the API and the tests agree.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import tzinfo

from netmon.counts import REACHABLE, condition_of, incident_of_site, site_of, sites_in_service
from netmon.model import (
    Condition,
    Gateway,
    Incident,
    Node,
    Quality,
    Sensor,
    Subject,
)
from netmon.sensor_quality import Moved, is_stuck, moved, quality, word_of
from netmon.state import SensorView, State

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


def nodes(state: State) -> list[tuple[Node, Condition]]:
    """All nodes with their condition, in the order of the inventory."""
    return [(node, condition_of(state, Subject("node", node.id))[0]) for node in state.inventory.nodes.values()]
