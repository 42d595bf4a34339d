"""What programs ask for: metrics, service discovery, health, reload."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from netmon import exposition
from netmon.errors import CollectError, Refused
from netmon.web import pages
from netmon.web.context import Web, require_pair_token, require_token, wants_gzip

PIECE_BYTES = 262_144  # of a large body between two chances for others
_ADDRESS = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,255}")


def add(app: FastAPI, web: Web) -> None:
    """What programs ask for."""
    running: dict[tuple[str, bool], asyncio.Task[bytes | None]] = {}

    async def metrics(request: Request, key: str, render: Callable[[], bytes | None]) -> Response:
        gzip = wants_gzip(request)

        def work() -> bytes | None:
            text = render()
            return exposition.compress(text) if text is not None and gzip else text

        task = running.get((key, gzip))
        if task is None:  # scrapers that come while one page is being made share it
            task = running[key, gzip] = asyncio.create_task(asyncio.to_thread(work))
            task.add_done_callback(lambda _: running.pop((key, gzip)))
        body = await asyncio.shield(task)
        if body is None:
            raise HTTPException(404, "no such site")
        headers = {"Content-Type": exposition.CONTENT_TYPE, "Vary": "Accept-Encoding", "Content-Length": str(len(body))}
        if gzip:
            headers["Content-Encoding"] = "gzip"
        return StreamingResponse(_pieces(body), headers=headers)

    @app.get("/metrics", include_in_schema=False)
    async def all_metrics(request: Request) -> Response:
        return await metrics(request, "", web.actions.page)

    @app.get("/metrics/self", include_in_schema=False)
    async def rest_metrics(request: Request) -> Response:
        return await metrics(request, "/self", web.actions.rest_page)

    @app.get("/metrics/sites/{site}", include_in_schema=False)
    async def site_metrics(request: Request, site: str) -> Response:
        return await metrics(request, f"/sites/{site}", lambda: web.actions.site_page(site))

    @app.get("/sd", include_in_schema=False)
    async def discovery(request: Request) -> Response:
        asked = request.headers.get("host", "")
        address = asked if _ADDRESS.fullmatch(asked) else f"{web.config.web.host}:{web.config.web.port}"
        return JSONResponse(exposition.targets(web.state.inventory, address))

    @app.get("/snmp", include_in_schema=False)
    async def snmp(request: Request) -> Response:
        asked = request.query_params
        targets, auths = asked.getlist("target"), asked.getlist("auth")
        if len(targets) != 1 or not targets[0] or len(auths) > 1:
            return PlainTextResponse("one target is needed, and at most one auth\n", 400)
        modules = [name for names in asked.getlist("module") for name in names.split(",") if name]
        try:
            body = await web.actions.snmp(targets[0], modules, "".join(auths))
        except Refused as error:
            return PlainTextResponse(f"{error}\n", error.status)
        except CollectError as error:
            return PlainTextResponse(f"{error}\n", 500)
        headers = {"Content-Type": exposition.CONTENT_TYPE, "Vary": "Accept-Encoding"}
        if wants_gzip(request):
            body, headers["Content-Encoding"] = await asyncio.to_thread(exposition.compress, body), "gzip"
        return Response(body, headers=headers)

    @app.get("/-/healthy", include_in_schema=False)
    async def healthy() -> Response:
        judged = web.state.health.evaluated_at
        if judged and web.clock.now() - judged > pages.STALLED_S:
            return PlainTextResponse(f"not judged for {web.clock.now() - judged:.0f} s\n", 503)
        return PlainTextResponse("healthy\n")

    @app.get("/-/ready", include_in_schema=False)
    async def ready() -> Response:
        if web.state.health.first_round_done:
            return PlainTextResponse("ready\n")
        return PlainTextResponse("the first round is not done\n", 503)

    @app.post("/api/v1/pair", include_in_schema=False)
    async def pair(request: Request) -> Response:
        require_pair_token(web, request)
        try:
            beat = await request.json()
            if not isinstance(beat, dict):
                raise ValueError("not a beat")
            return JSONResponse(await web.actions.pair(beat))
        except ValueError as error:
            return JSONResponse({"detail": str(error)}, 409)
        except Refused as error:
            return JSONResponse({"detail": str(error)}, error.status)

    @app.post("/-/reload", include_in_schema=False)
    async def reload(request: Request) -> Response:
        require_token(web, request)
        problems = await web.actions.reload()
        if problems:
            return JSONResponse({"reloaded": False, "problems": [str(problem) for problem in problems]}, 422)
        return JSONResponse({"reloaded": True})


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), PIECE_BYTES):
        yield body[start : start + PIECE_BYTES]
