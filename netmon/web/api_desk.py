"""The half of the API that changes something: incidents, planned works, silences. All of it needs the token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, HTTPException, Request
from pydantic import AwareDatetime, BaseModel, Field

from netmon import works
from netmon.alerts import handling
from netmon.alerts.messages import provider_report
from netmon.model import Incident, Subject
from netmon.web.api import IncidentOut, Who, incident_out, when
from netmon.web.context import Web, require_token

DENIED: dict[int | str, dict[str, Any]] = {
    401: {"description": "no token"},
    403: {"description": "wrong token"},
    409: {"description": "cannot be done, and why"},
}
MOST_WORKS = 2000  # in one request: a province's announcements of a month
router = APIRouter(prefix="/api/v1", responses=DENIED)
T = TypeVar("T")

Where = Annotated[list[str], Field(min_length=1, max_length=400, description="kind:id, such as area:bu-dang")]
Text = Annotated[str, Field(min_length=1, max_length=handling.TEXT_MOST)]


class Report(BaseModel):
    """What somebody called about."""

    subject_kind: Literal["site", "node"] = "site"
    subject: str = Field(description="id of the site or node")
    who: Who
    text: Text


class Ack(BaseModel):
    """Who takes an incident, and for how long."""

    who: Who
    note: str = Field(default="", max_length=handling.TEXT_MOST)
    hours: float = Field(default=handling.ACK_S / 3600.0, gt=0, le=handling.ACK_MOST_S / 3600.0)


class Step(BaseModel):
    """Who does it, and what he says."""

    who: Who
    note: str = Field(default="", max_length=handling.TEXT_MOST)


class Comment(BaseModel):
    """Something to remember."""

    who: Who
    text: Text


class Assign(BaseModel):
    """Who is to deal with it: a contact's id; empty: nobody."""

    who: Who
    to: str


class TicketStep(BaseModel):
    """One step of the provider's ticket."""

    who: Who
    step: Literal["reported", "accepted", "closed"]
    number: str = Field(default="", max_length=40)
    at: AwareDatetime | None = Field(default=None, description="when it happened; default: now")


class WorkIn(BaseModel):
    """A planned work: what begins within its window is told only when the window is overrun by 15 minutes."""

    kind: works.WorkKind = Field(description="power company, provider, or our own")
    title: str = Field(min_length=1, max_length=120)
    where: Where
    begin: AwareDatetime
    end: AwareDatetime
    repeat: works.Repeat = "once"
    until: AwareDatetime | None = Field(default=None, description="no occurrence begins after this")
    reference: str = Field(default="", max_length=60)


class WorkOut(WorkIn):
    """A planned work that is kept."""

    id: int
    by: str
    cancelled_at: datetime | None
    cancelled_by: str


class WorksIn(BaseModel):
    """Several at once: all are entered, or none."""

    who: Who
    works: list[WorkIn] = Field(min_length=1, max_length=MOST_WORKS)


class SilenceIn(BaseModel):
    """Nothing new is told of what it covers."""

    who: Who
    where: Where
    reason: Text
    hours: float = Field(gt=0, le=24 * 31, description="it ends by itself")
    alert: str = Field(default="", description="only incidents of this alert")


class SilenceOut(BaseModel):
    """A silence that is kept."""

    id: int
    where: list[str]
    begin: datetime
    end: datetime
    reason: str
    by: str
    alert: str
    ended_by: str


async def done(what: Awaitable[T | None], missing: str) -> T:
    """The result of something that people do; 404 where the thing is missing, 409 where it cannot be done."""
    try:
        found = await what
    except handling.HandlingError as error:
        raise HTTPException(409, str(error)) from error
    if found is None:
        raise HTTPException(404, missing)
    return found


def acting(request: Request) -> Web:
    """The web, for who may act."""
    web: Web = request.app.state.web
    require_token(web, request)
    return web


async def _handle(request: Request, number: int, step: Callable[[Incident, float], Incident]) -> IncidentOut:
    web = acting(request)
    found = await done(web.actions.desk.handle(number, step), "no such incident")
    return incident_out(web, found, "")


@router.post("/incidents", status_code=201)
async def report(request: Request, given: Report) -> IncidentOut:
    """Open an incident by hand: somebody calls while netmon sees nothing wrong."""
    web = acting(request)
    subject = Subject(given.subject_kind, given.subject)
    return incident_out(web, await done(web.actions.desk.report(subject, given.who, given.text), ""), "")


@router.post("/incidents/{incident}/ack")
async def acknowledge(request: Request, incident: int, given: Ack) -> IncidentOut:
    """Take an open incident for some hours; then it is nobody's again."""

    def step(found: Incident, now: float) -> Incident:
        return handling.acknowledge(found, given.who, given.note, now, given.hours * 3600.0)

    return await _handle(request, incident, step)


@router.post("/incidents/{incident}/release")
async def release(request: Request, incident: int, given: Step) -> IncidentOut:
    """Give an incident back."""
    return await _handle(request, incident, lambda i, now: handling.release(i, given.who, given.note, now))


@router.post("/incidents/{incident}/assign")
async def assign(request: Request, incident: int, given: Assign) -> IncidentOut:
    """Say who is to deal with an incident."""
    contacts = request.app.state.web.state.inventory.contacts
    return await _handle(request, incident, lambda i, now: handling.assign(i, given.who, given.to, contacts, now))


@router.post("/incidents/{incident}/comment")
async def comment(request: Request, incident: int, given: Comment) -> IncidentOut:
    """Add a line to the timeline, also of a closed incident."""
    return await _handle(request, incident, lambda i, now: handling.comment(i, given.who, given.text, now))


@router.post("/incidents/{incident}/close")
async def close(request: Request, incident: int, given: Step) -> IncidentOut:
    """Close an incident that was opened by hand; others close when netmon sees the fault end."""
    return await _handle(request, incident, lambda i, now: handling.close(i, given.who, given.note, now))


@router.post("/incidents/{incident}/ticket")
async def ticket(request: Request, incident: int, given: TicketStep) -> IncidentOut:
    """Keep what the provider says: reported, accepted (with the ticket's number), closed."""

    def step(found: Incident, now: float) -> Incident:
        at = given.at.timestamp() if given.at else now
        return handling.ticket(found, given.who, given.step, given.number, at, now)

    return await _handle(request, incident, step)


class ProviderReport(BaseModel):
    """The words to report a circuit to its provider with: a person reads, sends, and then records the ticket."""

    sms: str
    text: str


@router.get("/incidents/{incident}/provider-report")
async def provider_text(request: Request, incident: int, lang: str = "") -> ProviderReport:
    """What to tell the provider of this incident's circuit."""
    web: Web = request.app.state.web
    found = await done(web.actions.desk.find(incident), "no such incident")
    texts = provider_report(found, web.state, web.words[web.language(lang)], web.config, web.zone, web.clock.now())
    if texts is None:
        raise HTTPException(404, "this incident is about no circuit")
    return ProviderReport(sms=texts[0], text=texts[1])


# --- planned works and silences --------------------------------------------------------------------------------------


def _work_out(work: works.Work) -> WorkOut:
    return WorkOut(
        id=work.id,
        kind=work.kind,
        title=work.title,
        where=list(work.where),
        begin=when(work.begin_at),
        end=when(work.end_at),
        repeat=work.repeat,
        until=when(work.until_at) if work.until_at else None,
        reference=work.reference,
        by=work.by,
        cancelled_at=when(work.cancelled_at) if work.cancelled_at else None,
        cancelled_by=work.cancelled_by,
    )


def work_of(given: WorkIn, who: str) -> works.Work:
    """A work without a number yet."""
    return works.Work(
        0,
        given.kind,
        " ".join(given.title.split()),
        tuple(given.where),
        given.begin.timestamp(),
        given.end.timestamp(),
        given.repeat,
        given.until.timestamp() if given.until else 0.0,
        given.reference,
        who,
    )


def _silence_out(silence: works.Silence) -> SilenceOut:
    return SilenceOut(
        id=silence.id,
        where=list(silence.where),
        begin=when(silence.begin_at),
        end=when(silence.end_at),
        reason=silence.reason,
        by=silence.by,
        alert=silence.alert,
        ended_by=silence.ended_by,
    )


@router.get("/works")
async def list_works(request: Request) -> list[WorkOut]:
    """Planned works that are not over, the next one first."""
    web: Web = request.app.state.web
    return [_work_out(work) for work in sorted(web.state.plans.works.values(), key=lambda w: w.begin_at)]


@router.post("/works", status_code=201)
async def add_works(request: Request, given: WorksIn) -> list[WorkOut]:
    """Enter planned works: all of them, or none."""
    web = acting(request)
    saved: Sequence[works.Work] = await done(
        web.actions.desk.add_works([work_of(w, given.who) for w in given.works]), ""
    )
    return [_work_out(work) for work in saved]


@router.post("/works/{work}/cancel")
async def cancel_work(request: Request, work: int, given: Step) -> WorkOut:
    """Call a planned work off; what it explained is judged anew, and told."""
    web = acting(request)
    return _work_out(await done(web.actions.desk.cancel_work(work, given.who), "no such work"))


@router.get("/silences")
async def list_silences(request: Request) -> list[SilenceOut]:
    """Silences in force and those that ended within a day, the newest first."""
    web: Web = request.app.state.web
    return [_silence_out(silence) for silence in sorted(web.state.plans.silences.values(), key=lambda s: -s.begin_at)]


@router.post("/silences", status_code=201)
async def add_silence(request: Request, given: SilenceIn) -> SilenceOut:
    """Keep news of some sites, lines, nodes, areas or sensors from being told. The wall goes on to show them."""
    web = acting(request)
    now = web.clock.now()
    wanted = works.Silence(0, tuple(given.where), now, now + given.hours * 3600.0, given.reason, given.who, given.alert)
    return _silence_out(await done(web.actions.desk.add_silence(wanted), ""))


@router.post("/silences/{silence}/end")
async def end_silence(request: Request, silence: int, given: Step) -> SilenceOut:
    """End a silence now; what is still open and untold is told."""
    web = acting(request)
    return _silence_out(await done(web.actions.desk.end_silence(silence, given.who), "no such silence"))


class StormDutyIn(BaseModel):
    """For how long there are no quiet hours; 0 ends it."""

    who: Who
    hours: float = Field(ge=0, le=24 * 14)


class StormDutyOut(BaseModel):
    """Whether storm duty is on."""

    until: datetime | None


@router.get("/storm-duty")
async def storm_duty(request: Request) -> StormDutyOut:
    """Until when there are no quiet hours."""
    web: Web = request.app.state.web
    until = web.state.plans.storm_duty_until
    return StormDutyOut(until=when(until) if until > web.clock.now() else None)


@router.post("/storm-duty")
async def set_storm_duty(request: Request, given: StormDutyIn) -> StormDutyOut:
    """Switch storm duty on for some hours, or off: messages about communes are not held back at night."""
    web = acting(request)
    until = await web.actions.desk.storm_duty(given.hours, given.who)
    return StormDutyOut(until=when(until) if given.hours else None)
