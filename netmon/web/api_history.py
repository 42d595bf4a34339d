"""The part of the API that reads the past. Answers are bounded, and built outside the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import orjson
from fastapi import APIRouter, HTTPException, Path, Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, Field

from netmon.history.store import StoreError
from netmon.line_samples import SAMPLE_S, WEEK
from netmon.model import LineSample
from netmon.web.context import Web

router = APIRouter(prefix="/api/v1")

DAY_S = 86400.0
MOST_SAMPLES = WEEK  # of one answer: a week in full detail


class LineSampleOut(BaseModel):
    """Means from ``at`` on for ``step_s``; null where nothing was measured."""

    at: datetime
    in_ratio: float | None = Field(description="of the contract bandwidth; in is what the site downloads")
    out_ratio: float | None
    rtt_s: float | None
    loss_ratio: float | None = Field(description="1 while the line was lost")
    jitter_s: float | None


class LineSamplesOut(BaseModel):
    """Samples of one line, oldest first."""

    line: str
    step_s: int
    samples: list[LineSampleOut]


@router.get("/lines/{line}/samples", response_model=LineSamplesOut)
async def line_samples(
    request: Request,
    line: Annotated[str, Path(description="id of the line")],
    since: Annotated[
        AwareDatetime | None, Query(alias="from", description="from this time; default: a day ago")
    ] = None,
    until: Annotated[AwareDatetime | None, Query(alias="to", description="before this time; default: now")] = None,
) -> Response:
    """Five-minute samples of a line as kept (13 months); beyond a week so many averaged into one that 2,016 suffice."""
    web: Web = request.app.state.web
    if line not in web.state.inventory.lines:
        raise HTTPException(404, "no such line")
    end = until.timestamp() if until else web.clock.now()
    begin = since.timestamp() if since else end - DAY_S
    if not begin < end:
        raise HTTPException(422, '"from" must be before "to"')
    step = max(1, -(-int(end - begin) // (SAMPLE_S * MOST_SAMPLES)))
    try:
        found = await web.actions.line_samples(line, begin, end, step)
    except StoreError as error:
        raise HTTPException(503, str(error)) from error
    return Response(await asyncio.to_thread(_encode, line, step, found), media_type="application/json")


def _encode(line: str, step: int, found: Sequence[LineSample]) -> bytes:
    samples = [
        {
            "at": datetime.fromtimestamp(s.at, UTC),
            "in_ratio": s.in_ratio,
            "out_ratio": s.out_ratio,
            "rtt_s": s.rtt_s,
            "loss_ratio": s.loss_ratio,
            "jitter_s": s.jitter_s,
        }
        for s in found
    ]
    return orjson.dumps({"line": line, "step_s": step * SAMPLE_S, "samples": samples}, option=orjson.OPT_UTC_Z)
