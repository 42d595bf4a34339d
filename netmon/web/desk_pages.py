"""The forms of the pages: what people do with an incident, reports, planned works and silences. All need the token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from netmon.alerts import handling
from netmon.model import Incident, Subject
from netmon.web.context import Web, html, token_is_right
from netmon.works import REPEATS, WORK_KINDS, Silence, Work, occurrences

MOST_NAME, MOST_TEXT = 80, handling.TEXT_MOST
SHOWN_WORKS = 200

Form = Mapping[str, str]


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a small urlencoded form, cut to a sensible length."""
    text = (await request.body()).decode("utf-8", "replace")
    try:
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=20)
    except ValueError as error:
        raise HTTPException(400, "too many fields") from error
    return {name: values[-1].strip()[: MOST_NAME if name == "who" else MOST_TEXT] for name, values in fields.items()}


def problem_of(web: Web, form: Form, lang: str) -> str:
    """Why the form cannot be taken, in words; "" if it can."""
    if not form.get("who"):
        return web.renderer(lang).text("page.name_missing")
    return "" if token_is_right(web, form.get("token", "")) else web.renderer(lang).text("page.wrong_token")


def incident_step(web: Web, form: Form) -> Callable[[Incident, float], Incident]:
    """What the pressed button does. Raises HandlingError for one that is none."""
    contacts, hours = web.state.inventory.contacts, form.get("hours") or "8"
    if not hours.isdecimal():
        raise handling.HandlingError("hours: 1 to 168")
    at = _moment(web, form, "at") if form.get("at") else None
    who, note, step = form["who"], form.get("note", ""), form.get("step", "ack")
    steps: dict[str, Callable[[Incident, float], Incident]] = {
        "ack": lambda i, now: handling.acknowledge(i, who, note, now, int(hours) * 3600.0),
        "release": lambda i, now: handling.release(i, who, note, now),
        "comment": lambda i, now: handling.comment(i, who, note, now),
        "assign": lambda i, now: handling.assign(i, who, form.get("to", ""), contacts, now),
        "close": lambda i, now: handling.close(i, who, note, now),
    }
    for name in handling.TICKET_STEPS:
        steps[f"ticket_{name}"] = (
            lambda i, now, name=name: handling.ticket(  # type: ignore[misc]
                i, who, name, form.get("ticket", "")[:40], now if at is None else at, now
            )
        )
    if step not in steps:
        raise handling.HandlingError(f"no step {step!r}; allowed: {', '.join(steps)}")
    return steps[step]


def _moment(web: Web, form: Form, name: str) -> float:
    """A local date and time as browsers send it (HTML, datetime-local)."""
    try:
        return datetime.fromisoformat(form.get(name, "")).replace(tzinfo=web.zone).timestamp()
    except ValueError:
        raise handling.HandlingError(f"{name}: a date and time like 2026-11-30T07:00") from None


def _scopes(form: Form) -> tuple[str, ...]:
    return tuple(form.get("where", "").replace(",", " ").split())


async def _add_work(web: Web, form: Form) -> None:
    kind, repeat = form.get("kind", ""), form.get("repeat", "once")
    if kind not in WORK_KINDS or repeat not in REPEATS:
        raise handling.HandlingError(f"kind is one of {', '.join(WORK_KINDS)}, repeat one of {', '.join(REPEATS)}")
    begin, end = _moment(web, form, "begin"), _moment(web, form, "end")
    title = form.get("title") or form.get("reference") or kind
    work = Work(0, kind, title, _scopes(form), begin, end, repeat, reference=form.get("reference", ""), by=form["who"])
    await web.actions.desk.add_works([work])


async def _add_silence(web: Web, form: Form) -> None:
    now, hours = web.clock.now(), form.get("hours", "")
    if not hours.isdecimal() or not 1 <= int(hours) <= 24 * 31:
        raise handling.HandlingError("hours: 1 to 744")
    reason = form.get("reason") or form.get("note", "")
    if not reason:
        raise handling.HandlingError("a silence needs a reason")
    silence = Silence(0, _scopes(form), now, now + int(hours) * 3600.0, reason, form["who"], form.get("alert", ""))
    await web.actions.desk.add_silence(silence)


async def _act(web: Web, form: Form) -> None:
    """What the pressed button of the page of plans does."""
    step, number = form.get("step", ""), form.get("number", "")
    if step == "work":
        await _add_work(web, form)
    elif step == "silence":
        await _add_silence(web, form)
    elif step in ("cancel", "end") and number.isdecimal():
        desk, who = web.actions.desk, form["who"]
        await (desk.cancel_work(int(number), who) if step == "cancel" else desk.end_silence(int(number), who))
    else:
        raise handling.HandlingError(f"no step {step!r}")


def add(app: FastAPI, web: Web) -> None:
    """The page of planned works and silences, and its forms."""

    def page(request: Request, lang: str, problem: str = "", form: Form | None = None, status: int = 200) -> Response:
        renderer, now = web.renderer(lang), web.clock.now()
        coming = []
        for work in web.state.plans.works.values():
            window = next(occurrences(work, web.zone, now), None) if work.cancelled_at is None else None
            if window is not None:
                coming.append((window, work))
        text = renderer.page(
            "works.html",
            now,
            coming=sorted(coming, key=lambda pair: (pair[0].begin, pair[1].id))[:SHOWN_WORKS],
            silences=[s for s in web.state.plans.silences.values() if s.end_at > now],
            scope_name=lambda scope: scope_name(web, scope),
            kinds=WORK_KINDS,
            repeats=REPEATS,
            may_act=web.config.web.token is not None,
            problem=problem,
            form=form or {},
        )
        return html(request, text, status)

    @app.get("/works", include_in_schema=False)
    async def works(request: Request, lang: str = "", where: str = "") -> Response:
        return page(request, lang, form={"where": where[:MOST_TEXT]})

    @app.post("/works", include_in_schema=False)
    async def act(request: Request, lang: str = "") -> Response:
        form = await read_form(request)
        if problem := problem_of(web, form, lang):
            return page(request, lang, problem, form, 403)
        try:
            await _act(web, form)
        except handling.HandlingError as error:
            return page(request, lang, str(error), form, 409)
        return RedirectResponse(f"/works?lang={web.language(lang)}" if lang else "/works", 303)

    @app.post("/sites/{site_id}/report", include_in_schema=False)
    async def report(request: Request, site_id: str, lang: str = "") -> Response:
        form = await read_form(request)
        problem = problem_of(web, form, lang)
        query = f"?lang={web.language(lang)}" if lang else ""
        if problem:
            raise HTTPException(403, problem)
        try:
            incident = await web.actions.desk.report(Subject("site", site_id), form["who"], form.get("note", ""))
        except handling.HandlingError as error:
            raise HTTPException(409, str(error)) from error
        return RedirectResponse(f"/incidents/{incident.id}{query}", 303)


def scope_name(web: Web, scope: str) -> str:
    """A scope as people read it."""
    kind, _, name = scope.partition(":")
    inventory = web.state.inventory
    tables: dict[str, Mapping[str, Any]] = {"site": inventory.sites, "node": inventory.nodes, "area": inventory.areas}
    found = tables.get(kind, {}).get(name)
    return found.name if found is not None else scope
