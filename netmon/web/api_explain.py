"""Why: the record of an incident, and the present state of a site, in words. The page and the command show the same."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Path, Query, Request
from pydantic import BaseModel

from netmon.alerts.brief import sentence
from netmon.alerts.explain import explain
from netmon.alerts.explain_site import explain_site
from netmon.alerts.handover import handover
from netmon.alerts.sheet import Sheet
from netmon.history.store import StoreError
from netmon.web.context import Web

router = APIRouter(prefix="/api/v1")
Lang = Annotated[str, Query(description="language of the words")]
Report = Annotated[Literal["handover", "morning"], Path(description="handover or morning")]
SiteId = Annotated[str, Path(description="id of the site")]
MISSING: dict[int | str, dict[str, Any]] = {
    404: {"description": "no such thing"},
    503: {"description": "netmon.db cannot be read"},
}


class SectionOut(BaseModel):
    """One part of a sheet: ``key`` for programs, the rest for people."""

    key: str
    title: str
    lines: list[str]


class SheetOut(BaseModel):
    """A text in parts."""

    title: str
    sections: list[SectionOut]


def sheet_out(sheet: Sheet) -> SheetOut:
    sections = [SectionOut(key=s.key, title=s.title, lines=list(s.lines)) for s in sheet.sections]
    return SheetOut(title=sheet.title, sections=sections)


async def incident_sheet(web: Web, number: int, lang: str) -> Sheet:
    """Why netmon says what it says of one incident. 404 where there is none, 503 where the record cannot be read."""
    try:
        found = await web.actions.desk.find(number)
        if found is None:
            raise HTTPException(404, "no such incident")
        telling = await web.actions.desk.telling(number)
    except StoreError as error:
        raise HTTPException(503, str(error)) from error
    return explain(found, telling, web.state, web.words[web.language(lang)], web.config, web.zone, web.clock.now())


def report_sheet(web: Web, report: str, lang: str) -> Sheet:
    """The sheet for the change of shift, or the sentence of the morning alone."""
    words, now = web.words[web.language(lang)], web.clock.now()
    if report == "morning":
        return Sheet(sentence(web.state, words, web.config, web.zone, now), ())
    return handover(web.state, web.actions.record, words, web.config, web.zone, now)


@router.get("/reports/{report}")
async def report_of(request: Request, report: Report, lang: Lang = "") -> SheetOut:
    """The sheet for the change of shift, or the sentence of the morning to read out, as of now."""
    return sheet_out(report_sheet(request.app.state.web, report, lang))


@router.get("/incidents/{incident}/explain", responses=MISSING)
async def explain_incident(request: Request, incident: int, lang: Lang = "") -> SheetOut:
    """Why this cause, who was told by which way and with what result, who was not and why, and what it keeps untold."""
    return sheet_out(await incident_sheet(request.app.state.web, incident, lang))


@router.get("/sites/{site}/explain", responses=MISSING)
async def explain_one_site(request: Request, site: SiteId, lang: Lang = "") -> SheetOut:
    """Why there is, or is not, an incident or a message about a site now, and who would be told."""
    web: Web = request.app.state.web
    found = web.state.inventory.sites.get(site)
    if found is None:
        raise HTTPException(404, "no such site")
    words = web.words[web.language(lang)]
    return sheet_out(explain_site(found, web.state, words, web.config, web.zone, web.clock.now()))
