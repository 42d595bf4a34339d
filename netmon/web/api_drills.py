"""Drills over the API: order, follow, take, stop. What changes something needs the token."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Path, Query, Request
from pydantic import BaseModel, Field

from netmon.alerts import handling
from netmon.drill.places import DrillError
from netmon.drill.report import Report, happened, rows, sheet
from netmon.drill.scenario import number_of
from netmon.drill.scenario_read import text_of
from netmon.errors import ConfigError, NetmonError
from netmon.web.api import Who, when
from netmon.web.api_desk import DENIED, acting, done
from netmon.web.context import Web

router = APIRouter(prefix="/api/v1/drills", responses=DENIED)
MOST_SCENARIO = 100_000  # characters
Lang = Annotated[str, Query(description="language of the texts: vi or en")]
Drill = Annotated[str, Path(description="D7 or D07")]


class DrillIn(BaseModel):
    """Which drill, where, for whom."""

    who: Who
    scenario: str = Field(max_length=200, description="name of a scenario that netmon brings, or of the file in `text`")
    text: str = Field(default="", max_length=MOST_SCENARIO, description="YAML of a scenario of your own")
    at: str = Field(
        default="", max_length=200, description="id of the site, node or gateway; empty: the first that fits"
    )
    to: list[Annotated[str, Field(max_length=200)]] = Field(
        default_factory=list, max_length=50, description="contacts by id or name; empty: those of the scenario"
    )


class DrillStop(BaseModel):
    """Who ends it."""

    who: Who


class DrillAck(BaseModel):
    """Who takes it."""

    who: Who
    note: str = Field(default="", max_length=handling.TEXT_MOST)


class RowOut(BaseModel):
    """One thing that was measured."""

    what: Literal["detected", "sent", "acknowledged", "cause"]
    passed: bool
    limit_s: float | None
    took_s: float | None


class NoteOut(BaseModel):
    """One thing that happened, in the words of the language asked for."""

    at: datetime
    text: str


class DrillOut(BaseModel):
    """One drill and its report."""

    id: str
    scenario: str
    place: str
    by: str
    to: list[str]
    began_at: datetime
    ended_at: datetime | None
    result: Literal["running", "passed", "failed", "stopped", "interrupted"]
    expected: str
    cause: str
    first_cause: str
    acknowledged_by: str
    incidents: int
    messages: int
    rows: list[RowOut]
    notes: list[NoteOut]
    sheet: str = Field(description="the report as text")


def _out(web: Web, report: Report, lang: str) -> DrillOut:
    words = web.words[web.language(lang)]
    texts = [text for _, text in happened(report, words, web.zone)]
    return DrillOut(
        id=report.label,
        scenario=report.scenario,
        place=report.place,
        by=report.by,
        to=list(report.to),
        began_at=when(report.began_at),
        ended_at=when(report.ended_at) if report.ended_at else None,
        result=report.result,
        expected=report.expected,
        cause=report.cause,
        first_cause=report.first_cause,
        acknowledged_by=report.acknowledged_by,
        incidents=report.incidents,
        messages=report.messages,
        rows=[RowOut(what=r.key, passed=r.good, limit_s=r.limit_s, took_s=r.took_s) for r in rows(report)],  # type: ignore[arg-type]
        notes=[NoteOut(at=when(n.at), text=text) for n, text in zip(report.notes, texts, strict=True)],
        sheet=sheet(report, words, web.zone),
    )


def drill_number(text: str) -> int:
    """The number of D07. Raises 404 for what is none."""
    if (number := number_of(text)) is None:
        raise HTTPException(404, f"no drill {text!r}: drills are called D1, D2, ...")
    return number


@router.get("")
async def list_drills(request: Request, lang: Lang = "") -> list[DrillOut]:
    """Drills, the newest first."""
    web: Web = request.app.state.web
    return [_out(web, report, lang) for report in await web.actions.drills.reports()]


@router.get("/{drill}")
async def get_drill(request: Request, drill: Drill, lang: Lang = "") -> DrillOut:
    """One drill, running or over."""
    web: Web = request.app.state.web
    return _out(web, await done(web.actions.drills.report(drill_number(drill)), "no such drill"), lang)


@router.post("", status_code=201)
async def order(request: Request, given: DrillIn, lang: Lang = "") -> DrillOut:
    """Begin a drill: only who is named is told, and every message says that it is a drill."""
    web = acting(request)
    try:
        name, data = (given.scenario, given.text.encode()) if given.text else shipped_text(given.scenario)
        return _out(web, await web.actions.drills.order(name, data, given.at, given.to, given.who), lang)
    except (DrillError, ConfigError) as error:
        raise HTTPException(409, str(error)) from error


def shipped_text(name: str) -> tuple[str, bytes]:
    """A scenario that netmon brings; never a file of this host. Raises DrillError where there is none."""
    if "/" in name or "." in name:
        raise DrillError(f"no scenario {name!r}: send the text of a file of your own")
    try:
        return text_of(name)
    except NetmonError as error:
        raise DrillError(str(error)) from error


@router.post("/stop")
async def stop(request: Request, given: DrillStop, lang: Lang = "") -> DrillOut:
    """End the drill that runs; those who were named hear that it is over."""
    web = acting(request)
    return _out(web, await done(web.actions.drills.stop(given.who), "no drill is running"), lang)


@router.post("/{drill}/ack")
async def acknowledge(request: Request, drill: Drill, given: DrillAck, lang: Lang = "") -> DrillOut:
    """Take the drill that runs, as one takes an incident."""
    web = acting(request)
    number = drill_number(drill)
    return _out(web, await done(web.actions.drills.acknowledge(number, given.who, given.note), "no such drill"), lang)
