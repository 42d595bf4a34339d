"""The one HTTP port: pages for people, metrics for Prometheus, JSON for other systems. GET never changes anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import (
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from netmon import counts
from netmon.alerts.explain_site import explain_site
from netmon.alerts.handling import HandlingError
from netmon.alerts.messages import provider_report
from netmon.alerts.messages_facts import Texts
from netmon.alerts.sheet import Section
from netmon.clock import Clock
from netmon.config import Config
from netmon.history.sensormeans import Curve
from netmon.history.store import StoreError
from netmon.model import Incident, Subject
from netmon.state import State
from netmon.web import (
    api,
    api_desk,
    api_drills,
    api_explain,
    api_history,
    api_inward,
    api_notify,
    api_sensors,
    desk_pages,
    detail,
    drill_pages,
    machine,
    pages,
)
from netmon.web.context import LOCAL, Actions, Web, bearer_of, html, token_is_right
from netmon.web.render import STATIC, compile_templates

MOST_BODY_BYTES = 16_384
MOST_LOCAL_BYTES = 1_000_000  # over the unix socket: a month's planned works; from an Alertmanager: a storm
LARGE = "/api/v1/alertmanager"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


class _Headers:
    """Strict headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_more)


CURVE_S = 86400.0  # of the small curves on the page of a site


class _Limit:
    """No request has a large body: it is read before the token is looked at, so anybody may send one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = 0
        large = bool(scope.get(LOCAL)) or (scope.get("path") == LARGE and self._bears_token(scope))

        async def receive_some() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > (MOST_LOCAL_BYTES if large else MOST_BODY_BYTES):
                raise HTTPException(413, "body too large")
            return message

        await self._app(scope, receive_some, send)

    def _bears_token(self, scope: Scope) -> bool:
        web: Web = scope["app"].state.web
        return token_is_right(web, bearer_of(Headers(scope=scope)))


class _Static(StaticFiles):
    """Files whose address bears their version, so they may be kept."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        answer = super().file_response(*args, **kwargs)
        answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return answer


def create_app(
    state: State, actions: Actions, config: Config, words: Mapping[str, Texts], clock: Clock | None = None
) -> FastAPI:
    """The application. ``app.state.web`` holds what requests share; a reload sets ``app.state.web.config``."""
    app = FastAPI(
        title="netmon",
        version=version("netmon"),
        description="State of the province's dedicated network, for other systems.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.state.web = Web.build(state, actions, config, words, clock or Clock())
    app.add_middleware(_Limit)
    app.add_middleware(_Headers)
    app.mount("/static", _Static(directory=STATIC), name="static")
    app.include_router(api.router)
    app.include_router(api_history.router)
    app.include_router(api_sensors.router)
    app.include_router(api_desk.router)
    app.include_router(api_inward.router)
    app.include_router(api_drills.router)
    app.include_router(api_explain.router)
    app.include_router(api_notify.router)
    app.add_exception_handler(StarletteHTTPException, _error)
    app.add_exception_handler(RequestValidationError, _unfit)
    _add_pages(app, app.state.web)
    desk_pages.add(app, app.state.web)
    drill_pages.add(app, app.state.web)
    machine.add(app, app.state.web)
    app.openapi()  # made now, as the templates are: the first who asks shall hold nobody up
    compile_templates()
    return app


async def _error(request: Request, error: Exception) -> Response:
    """People get a page, programs get JSON."""
    assert isinstance(error, StarletteHTTPException)
    if request.url.path.startswith(("/sites/", "/incidents/")):
        web: Web = request.app.state.web
        renderer = web.renderer(request.query_params.get("lang", ""))
        heading = renderer.text("page.not_found") if error.status_code == 404 else str(error.detail)
        return HTMLResponse(renderer.page("message.html", web.clock.now(), heading=heading), error.status_code)
    return JSONResponse({"detail": error.detail}, error.status_code, error.headers)


async def _unfit(request: Request, error: Exception) -> Response:
    """As FastAPI's own, but what was sent is not quoted: JSON could not hold a NaN or half a character."""
    assert isinstance(error, RequestValidationError)
    found = [{"type": e["type"], "loc": e["loc"], "msg": e["msg"]} for e in error.errors()]
    return Response(json.dumps({"detail": found}), 422, media_type="application/json")


def _add_pages(app: FastAPI, web: Web) -> None:
    """What people look at."""

    @app.get("/", include_in_schema=False)
    async def wall(request: Request, lang: str = "") -> Response:
        language = web.language(lang)
        board = web.live.boards[language]
        await board.draw(web.clock.now())
        area_fragments = [(name, html) for name, html in board.fragments.items() if name.startswith("area-")]
        text = web.renderers[language].page(
            "wall.html", web.clock.now(), fragments=board.fragments, area_fragments=area_fragments, mark=board.mark
        )
        return html(request, text)

    @app.get("/live", include_in_schema=False)
    async def live(request: Request, lang: str = "", mark: str = "") -> Response:
        if web.live.full:
            raise HTTPException(503, "no more live streams", {"Retry-After": "5"})
        mark = request.headers.get("last-event-id", mark)
        stream = web.live.follow(web.language(lang), web.assets, mark)
        return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    @app.get("/sites/{site_id}", include_in_schema=False)
    async def site(request: Request, site_id: str, lang: str = "") -> Response:
        state, renderer = web.state, web.renderer(lang)
        found = state.inventory.sites.get(site_id)
        if found is None:
            raise HTTPException(404, "no such site")
        condition, since = counts.condition_of(state, Subject("site", site_id))
        sensors = [s for s in state.inventory.sensors.values() if s.site == site_id]
        now = web.clock.now()
        text = renderer.page(
            "site.html",
            now,
            site=found,
            area=pages.area_name(state, site_id),
            condition=condition,
            since=since,
            neighbours=detail.neighbours(state, found),
            may_act=web.config.web.token is not None,
            incidents=detail.incidents_of_site(state, site_id),
            lines=detail.line_rows(state, site_id),
            devices=detail.device_rows(state, site_id),
            sensors=pages.sensor_rows(state, sensors, renderer.language),
            curves=await _curves([s.id for s in sensors], now),
            why=explain_site(found, state, web.words[renderer.language], web.config, web.zone, now).sections,
            curve_since=now - CURVE_S,
            curve_until=now,
        )
        return html(request, text)

    async def _curves(sensors: list[str], now: float) -> Mapping[str, Curve]:
        """A disk that refuses costs the curves, not the page."""
        try:
            return await web.actions.sensor_means(sensors, now - CURVE_S, now) if sensors else {}
        except StoreError:
            return {}

    async def incident_page(
        request: Request,
        found: Incident,
        lang: str,
        problem: str = "",
        form: Mapping[str, str] | None = None,
        status: int = 200,
    ) -> Response:
        state, renderer = web.state, web.renderer(lang)
        row = pages.incident_row(state, found)
        site = state.inventory.sites.get(row.site)
        text = renderer.page(
            "incident.html",
            web.clock.now(),
            i=found,
            row=row,
            why=await _why(found.id, lang),
            site_name=site.name if site else "",
            silent=pages.silent_sensors(state, found, renderer.language),
            children=[state.inventory.sites[c] for c in found.children if c in state.inventory.sites],
            contacts=sorted(state.inventory.contacts.values(), key=lambda contact: contact.name),
            provider=provider_report(found, state, web.words[renderer.language], web.config, web.zone, web.clock.now()),
            may_act=web.config.web.token is not None,
            problem=problem,
            form=form or {},
        )
        return html(request, text, status)

    async def _why(number: int, lang: str) -> tuple[Section, ...]:
        """A disk that refuses costs the reasons, not the page."""
        try:
            return (await api_explain.incident_sheet(web, number, lang)).sections
        except HTTPException:
            return ()

    async def find(number: int) -> Incident:
        found = await web.actions.desk.find(number)
        if found is None:
            raise HTTPException(404, "no such incident")
        return found

    @app.get("/incidents/{number}", include_in_schema=False)
    async def incident(request: Request, number: int, lang: str = "") -> Response:
        return await incident_page(request, await find(number), lang)

    @app.post("/incidents/{number}/act", include_in_schema=False)
    async def act(request: Request, number: int, lang: str = "") -> Response:
        form = await desk_pages.read_form(request)
        found = await find(number)
        if problem := desk_pages.problem_of(web, form, lang):
            return await incident_page(request, found, lang, problem, form, 403)
        try:
            step = desk_pages.incident_step(web, form)
            await web.actions.desk.handle(number, step)
        except HandlingError as error:
            return await incident_page(request, found, lang, str(error), form, 409)
        query = f"?lang={web.language(lang)}" if lang else ""
        return RedirectResponse(f"/incidents/{number}{query}", 303)

    @app.get("/handover", include_in_schema=False)
    async def handover_page(request: Request, lang: str = "") -> Response:
        sheet = api_explain.report_sheet(web, "handover", lang)
        return html(request, web.renderer(lang).page("handover.html", web.clock.now(), sheet=sheet))

    @app.get("/api/docs", include_in_schema=False)
    async def docs(request: Request, lang: str = "") -> Response:
        return html(request, web.renderer(lang).page("docs.html", web.clock.now(), api=app.openapi(), schema=_schema))


def _schema(schema: Mapping[str, Any]) -> str:
    """A type of the OpenAPI document in few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " | ".join(_schema(part) for part in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"[{_schema(schema['items'])}]"
    return str(schema.get("format") or schema.get("type") or "any")
