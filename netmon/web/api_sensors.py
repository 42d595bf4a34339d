"""The part of the API about sensors: what they say now, their curves, and how rooms keep a regulation's limits."""

from __future__ import annotations

import base64
import re
from collections import Counter
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, Field

from netmon.history.sensormeans import Share
from netmon.history.spool import SpoolError
from netmon.history.store import StoreError
from netmon.model import Quality, SensorState
from netmon.sensor_means import KEEP_S, SLOT_S
from netmon.web import pages
from netmon.web.context import Web, require_token

router = APIRouter(prefix="/api/v1")

DAY_S = 86400.0
MOST_SENSORS = 1000  # of one answer: 10 ms of the loop
MOST_BAD = 100
MOST_MEANS_S = 7 * DAY_S
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


class SensorOut(BaseModel):
    """One sensor and what it said last."""

    id: str
    name: str
    type: str
    quantity: str
    site: str | None
    node: str | None
    via: str = Field(description="line, line:ID, gateway:ID or cellular")
    state: SensorState
    since: datetime | None
    value: float | None
    unit: str = Field(description="SenML or UCUM")
    at: datetime | None = Field(description="the sensor's own time of the value; null where it gave none")
    received_at: datetime | None = Field(description="when the value arrived; null where only a replay is known")
    quality: Quality = Field(
        description="good; clock: its own time was not believed; stuck: it does not move; old: not current; "
        "retained: a replay kept by the broker; bad: its sender says so; invalid: cannot be true; none: no value yet"
    )
    change: float | None = Field(description="over change_s, up to the latest value")
    change_s: float | None


class MeanOut(BaseModel):
    """The mean of the five minutes from ``at`` on."""

    at: datetime
    mean: float


class MeansOut(BaseModel):
    """The curve of one sensor, oldest first."""

    sensor: str
    unit: str
    step_s: int
    means: list[MeanOut]


class BadOut(BaseModel):
    """A message that could not be read, or a line that the history database refuses for good."""

    received_at: datetime
    topic: str = Field(description="of the message; influx: a line for the history database")
    reason: str
    detail: str
    payload: str = Field(description="base64; its first 4,096 bytes")


class ComplianceOut(BaseModel):
    """How the rooms of one place kept the limits of a quantity in a month, by five-minute means."""

    site: str | None
    node: str | None
    quantity: str
    low: float | None
    high: float | None
    sensors: int
    known: int = Field(description="five-minute means there are")
    within: int = Field(description="of them within the limits")
    ratio: float = Field(description="within / known")


def _time(at: float | None) -> datetime | None:
    return datetime.fromtimestamp(at, UTC) if at else None


@router.get("/sensors")
async def sensors(
    request: Request,
    response: Response,
    site: Annotated[str, Query(description="only this site (id)")] = "",
    state: Annotated[SensorState | None, Query(description="only this state")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_SENSORS, description="sensors in one answer")] = MOST_SENSORS,
    after: Annotated[str, Query(description="only those after this id: the Link header names the next page")] = "",
) -> list[SensorOut]:
    """Sensors with their latest value and state, by id. A ``Link`` header with ``rel="next"`` says that there are more
    (RFC 8288)."""
    web: Web = request.app.state.web
    known, views = web.state.inventory.sensors, web.state.sensors
    wanted = sorted(
        key
        for key, sensor in known.items()
        if key > after
        and (not site or sensor.site == site)
        and (state is None or (views[key].state if key in views else "unknown") == state)
    )
    page = wanted[:limit]
    if len(wanted) > limit:
        url = request.url.include_query_params(after=page[-1])
        response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    rows = pages.sensor_rows(web.state, [known[key] for key in page], web.language(""))
    return [_sensor(web, row) for row in rows]


def _sensor(web: Web, row: pages.SensorRow) -> SensorOut:
    sensor, view = row.sensor, row.view
    return SensorOut(
        id=sensor.id,
        name=row.name,
        type=sensor.type,
        quantity=web.state.inventory.sensor_types[sensor.type].quantity,
        site=sensor.site or None,
        node=sensor.node or None,
        via=sensor.via,
        state=view.state,
        since=_time(view.since),
        value=view.value,
        unit=row.unit,
        at=_time(view.at),
        received_at=_time(view.received_at),
        quality=row.quality,
        change=row.moved.change if row.moved else None,
        change_s=row.moved.over_s if row.moved else None,
    )


@router.get("/sensors/{sensor}/means")
async def sensor_means(
    request: Request,
    sensor: Annotated[str, Path(description="id of the sensor")],
    since: Annotated[
        AwareDatetime | None, Query(alias="from", description="from this time; default: a day ago")
    ] = None,
    until: Annotated[AwareDatetime | None, Query(alias="to", description="before this time; default: now")] = None,
) -> MeansOut:
    """Five-minute means of a sensor as kept (35 days), a week at most in one answer."""
    web: Web = request.app.state.web
    found = web.state.inventory.sensors.get(sensor)
    if found is None:
        raise HTTPException(404, "no such sensor")
    end = until.timestamp() if until else web.clock.now()
    begin = since.timestamp() if since else end - DAY_S
    if not 0 < end - begin <= MOST_MEANS_S:
        raise HTTPException(422, '"from" must be before "to", and not more than 7 days')
    begin = max(begin, web.clock.now() - KEEP_S)
    try:
        curve = (await web.actions.sensor_means([sensor], begin, end))[sensor]
    except StoreError as error:
        raise HTTPException(503, str(error)) from error
    means = [MeanOut(at=datetime.fromtimestamp(at, UTC), mean=mean) for at, mean in curve]
    unit = web.state.inventory.sensor_types[found.type].unit
    return MeansOut(sensor=sensor, unit=unit, step_s=SLOT_S, means=means)


@router.get("/quarantine")
async def quarantine(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=MOST_BAD, description="rows in the answer")] = MOST_BAD,
) -> list[BadOut]:
    """What was put aside lately, the newest first; the last 1,000 are kept. Needs the token, as a payload may hold
    anything."""
    web: Web = request.app.state.web
    require_token(web, request)
    try:
        rows = await web.actions.quarantine(limit)
    except SpoolError as error:
        raise HTTPException(503, str(error)) from error
    return [
        BadOut(
            received_at=datetime.fromtimestamp(row.received_at, UTC),
            topic=row.topic,
            reason=row.reason,
            detail=row.detail,
            payload=base64.b64encode(row.payload).decode(),
        )
        for row in rows
    ]


@router.get("/compliance")
async def compliance(
    request: Request,
    month: Annotated[str, Query(description="such as 2026-11, of the configured zone; default: this month")] = "",
) -> list[ComplianceOut]:
    """Share of the five-minute means within what a regulation asks for (``comply`` of the sensor types), by site or
    node and month. A figure for reports: it raises no alarm."""
    web: Web = request.app.state.web
    month = month or f"{datetime.fromtimestamp(web.clock.now(), web.zone):%Y-%m}"
    if not _MONTH.fullmatch(month):
        raise HTTPException(422, 'a month is written "2026-11"')
    try:
        shares = await web.actions.sensor_month(month)
    except StoreError as error:
        raise HTTPException(503, str(error)) from error
    return _by_place(web, shares)


def _by_place(web: Web, shares: list[Share]) -> list[ComplianceOut]:
    inventory = web.state.inventory
    sums: dict[tuple[str, str, str], Counter[str]] = {}
    for share in shares:
        sensor = inventory.sensors.get(share.sensor)
        if sensor is not None:
            total = sums.setdefault((sensor.site, sensor.node, sensor.type), Counter())
            total.update(sensors=1, known=share.known, within=share.within)
    found = []
    for (site, node, kind), total in sorted(sums.items()):
        of = inventory.sensor_types[kind]
        found.append(
            ComplianceOut(
                site=site or None,
                node=node or None,
                quantity=of.quantity,
                low=of.comply_min,
                high=of.comply_max,
                ratio=total["within"] / total["known"],
                **total,
            )
        )
    return found
