"""The page of drills, and the report of one, made to be printed."""

from __future__ import annotations

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from netmon.alerts import handling
from netmon.drill.report import Report, Row, cells, facts, happened, pending, rows
from netmon.drill.scenario import label
from netmon.web.api_drills import drill_number
from netmon.web.context import Web, html
from netmon.web.desk_pages import problem_of, read_form


def add(app: FastAPI, web: Web) -> None:
    """Both pages, and the form to take a drill."""

    @app.get("/drills", include_in_schema=False)
    async def drills(request: Request, lang: str = "") -> Response:
        renderer, reports = web.renderer(lang), await web.actions.drills.reports()
        return html(request, renderer.page("drills.html", web.clock.now(), reports=reports))

    @app.get("/drills/{drill}", include_in_schema=False)
    async def drill(request: Request, drill: str, lang: str = "") -> Response:
        return page(request, await find(drill), lang)

    @app.post("/drills/{drill}/ack", include_in_schema=False)
    async def take(request: Request, drill: str, lang: str = "") -> Response:
        form = await read_form(request)
        found = await find(drill)
        if problem := problem_of(web, form, lang):
            return page(request, found, lang, problem, 403)
        try:
            await web.actions.drills.acknowledge(found.id, form["who"], form.get("note", ""))
        except handling.HandlingError as error:
            return page(request, found, lang, str(error), 409)
        query = f"?lang={web.language(lang)}" if lang else ""
        return RedirectResponse(f"/drills/{label(found.id)}{query}", 303)

    async def find(text: str) -> Report:
        found = await web.actions.drills.report(drill_number(text))
        if found is None:
            raise HTTPException(404, "no such drill")
        return found

    def page(request: Request, report: Report, lang: str, problem: str = "", status: int = 200) -> Response:
        words = web.words[web.language(lang)]
        text = web.renderer(lang).page(
            "drill.html",
            web.clock.now(),
            report=report,
            facts=facts(report, words, web.zone),
            cells=[(_glyph(row, report), cells(row, report, words)) for row in rows(report)],
            happened=list(happened(report, words, web.zone)),
            may_act=web.config.web.token is not None,
            problem=problem,
        )
        return html(request, text, status)


def _glyph(row: Row, report: Report) -> str:
    return "" if pending(row, report) else "up" if row.good else "down"
