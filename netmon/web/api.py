"""The northbound API: what the wall knows, as JSON for other systems. Times are UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from netmon import counts
from netmon.model import CauseKind, Condition, EventKind, Incident, Severity, Subject, SubjectKind, Ticket
from netmon.web import pages
from netmon.web.context import Web

router = APIRouter(prefix="/api/v1")


class Communes(BaseModel):
    """Communes by unit code: fully lost when none of its sites can be reached."""

    total: int
    lost: int
    partly_lost: int


class Summary(BaseModel):
    """The numbers of the wall's headline."""

    at: datetime
    sites: int = Field(description="in service today")
    reachable: int = Field(description="up or degraded")
    conditions: dict[str, int]
    causes: dict[str, int] = Field(description="lost sites by cause")
    communes: Communes
    incidents_open: int
    ready: bool = Field(description="false until every target has been looked at once")
    broker_connected: bool | None
    last_reload_ok: bool


class SiteOut(BaseModel):
    """One site and its condition."""

    id: str
    name: str
    block: str
    level: str
    area: str
    unit_code: str
    condition: Condition
    since: datetime | None
    incident: int | None = Field(description="the open incident that explains it")


class EvidenceOut(BaseModel):
    """One fact that a person can check, in the words of the language asked for."""

    at: datetime
    key: str
    text: str


Who = Annotated[str, Field(min_length=1, max_length=80, description="the person who does it")]


class TicketOut(BaseModel):
    """The provider's number for the fault, and when each step happened."""

    number: str
    reported_at: datetime | None
    accepted_at: datetime | None
    closed_at: datetime | None


class IncidentOut(BaseModel):
    """One incident."""

    id: int
    subject_kind: SubjectKind
    subject: str
    name: str
    site: str | None
    kind: str
    severity: Severity
    began_at: datetime
    opened_at: datetime
    closed_at: datetime | None
    cause: CauseKind
    confirmed: bool
    evidence: list[EvidenceOut]
    children: list[str]
    acked_by: str
    acked_until: datetime | None
    assigned_to: str = Field(description="id of a contact")
    ticket: TicketOut | None
    flaps: int


class Outage(BaseModel):
    """One outage of a site or a node. Kept in memory: the open ones and those that ended lately."""

    incident: int
    subject_kind: SubjectKind
    subject: str
    children: list[str]
    began_at: datetime
    ended_at: datetime | None
    cause: CauseKind
    confirmed: bool


class EventOut(BaseModel):
    """What a device told of itself (a trap or an inform); the poll that followed decided."""

    at: datetime
    device: str
    kind: EventKind
    port: str
    text: str


def _time(at: float | None) -> datetime | None:
    return datetime.fromtimestamp(at, UTC) if at else None


def when(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _ticket(ticket: Ticket | None) -> TicketOut | None:
    if ticket is None:
        return None
    return TicketOut(
        number=ticket.number,
        reported_at=_time(ticket.reported_at),
        accepted_at=_time(ticket.accepted_at),
        closed_at=_time(ticket.closed_at),
    )


def incident_out(web: Web, incident: Incident, language: str) -> IncidentOut:
    row = pages.incident_row(web.state, incident)
    renderer = web.renderer(language)
    evidence = [EvidenceOut(at=when(e.at), key=e.key, text=renderer.evidence(e)) for e in incident.cause.evidence]
    return IncidentOut(
        id=incident.id,
        subject_kind=incident.subject.kind,
        subject=incident.subject.id,
        name=row.name,
        site=row.site or None,
        kind=incident.kind,
        severity=incident.severity,
        began_at=when(incident.began_at),
        opened_at=when(incident.opened_at),
        closed_at=_time(incident.closed_at),
        cause=incident.cause.kind,
        confirmed=incident.cause.confirmed,
        evidence=evidence,
        children=list(incident.children),
        acked_by=incident.acked_by,
        acked_until=_time(incident.acked_until),
        assigned_to=incident.assigned_to,
        ticket=_ticket(incident.ticket),
        flaps=incident.flaps,
    )


@router.get("/summary")
async def summary(request: Request) -> Summary:
    """Sites reachable, by condition and by cause; communes; netmon's own health."""
    web: Web = request.app.state.web
    now = web.clock.now()
    found = counts.headline(web.state, now, web.zone)
    return Summary(
        at=when(now),
        sites=found.total,
        reachable=found.up,
        conditions=dict(found.conditions),
        causes=dict(found.causes),
        communes=Communes(total=found.communes, lost=found.communes_lost, partly_lost=found.communes_partly),
        incidents_open=len(counts.open_incidents(web.state)),
        ready=web.state.health.first_round_done,
        broker_connected=web.state.health.broker_connected,
        last_reload_ok=web.state.health.last_reload_ok,
    )


@router.get("/sites")
async def sites(
    request: Request,
    area: Annotated[str, Query(description="only this area (id)")] = "",
    condition: Annotated[Condition | None, Query(description="only this condition")] = None,
) -> list[SiteOut]:
    """All sites in service with their condition."""
    web: Web = request.app.state.web
    explained = counts.incident_of_site(web.state)
    listed = []
    for site in counts.sites_in_service(web.state, web.clock.now(), web.zone):
        state, since = counts.condition_of(web.state, Subject("site", site.id))
        if (area and site.area != area) or (condition and state != condition):
            continue
        incident = explained.get(site.id)
        listed.append(
            SiteOut(
                id=site.id,
                name=site.name,
                block=site.block,
                level=site.level,
                area=site.area,
                unit_code=site.unit_code,
                condition=state,
                since=_time(since),
                incident=incident.id if incident else None,
            )
        )
    return listed


@router.get("/incidents")
async def incidents(
    request: Request,
    which: Annotated[Literal["open", "all"], Query(description="all: also those that ended lately")] = "open",
    lang: Annotated[str, Query(description="language of the evidence")] = "",
) -> list[IncidentOut]:
    """Open incidents: nodes first, then by severity, the newest first."""
    web: Web = request.app.state.web
    found = counts.open_incidents(web.state)
    if which == "all":
        found += sorted((i for i in web.state.incidents.values() if not i.open), key=lambda i: -i.began_at)
    return [incident_out(web, incident, lang) for incident in found]


@router.get("/outages")
async def outages(request: Request) -> list[Outage]:
    """Outages, the newest first."""
    web: Web = request.app.state.web
    found: list[Any] = [i for i in web.state.incidents.values() if i.kind == "outage"]
    return [
        Outage(
            incident=i.id,
            subject_kind=i.subject.kind,
            subject=i.subject.id,
            children=list(i.children),
            began_at=when(i.began_at),
            ended_at=_time(i.ended_at),
            cause=i.cause.kind,
            confirmed=i.cause.confirmed,
        )
        for i in sorted(found, key=lambda i: -i.began_at)
    ]


@router.get("/events")
async def events(
    request: Request, device: Annotated[str, Query(description="only this device (id)")] = ""
) -> list[EventOut]:
    """The latest traps of devices, the newest first; kept in memory."""
    web: Web = request.app.state.web
    return [
        EventOut(at=when(e.at), device=e.device, kind=e.kind, port=e.if_name, text=e.text)
        for e in reversed(web.state.events)
        if not device or e.device == device
    ]
