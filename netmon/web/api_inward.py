"""What other programs hand in: answers that an SMS gateway received, alerts of an Alertmanager. Needs the token."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Request
from pydantic import AwareDatetime, BaseModel, Field

from netmon.alerts.outside import Posted, text_of
from netmon.errors import Refused
from netmon.history.store import StoreError
from netmon.model import Reply
from netmon.phones import international
from netmon.web.api_desk import DENIED, acting

MOST_ALERTS = 2000  # in one request
router = APIRouter(prefix="/api/v1", responses=DENIED)


class ReplyIn(BaseModel):
    """One message that somebody sent to the gateway's number."""

    channel: str = Field(description="name of the http channel whose messages are answered by it")
    phone: Annotated[str, Field(min_length=3, max_length=20)]
    text: Annotated[str, Field(max_length=2000)]
    id: Annotated[str, Field(min_length=1, max_length=100, description="the gateway's own, the same when sent again")]


class Taken(BaseModel):
    """The same for everybody: whom netmon knows is nobody's business."""

    taken: bool = True


@router.post("/replies", status_code=202)
async def reply(request: Request, given: ReplyIn) -> Taken:
    """Hand an answer over. It is on disk when this returns; sent again with the same id, it changes nothing."""
    web = acting(request)
    channel = web.config.notify.channels.get(given.channel)
    if channel is None or channel.kind != "http" or not channel.replies:
        raise HTTPException(409, "no such channel of kind http with replies: true")
    address, key = international(given.phone), f"{given.channel}|{given.id}"
    try:
        await web.actions.take_reply(Reply(key, given.channel, address, "", given.text, web.clock.now()))
    except (StoreError, Refused) as error:
        raise HTTPException(503, "not kept, send it again") from error
    return Taken()


class AlertIn(BaseModel):
    """One alert, as Alertmanager's webhook has it (version 4)."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    startsAt: AwareDatetime
    endsAt: AwareDatetime | None = None
    fingerprint: Annotated[str, Field(min_length=1, max_length=64)]


class AlertsIn(BaseModel):
    """What Alertmanager posts; other keys of it are passed over."""

    version: Literal["4"]
    alerts: Annotated[list[AlertIn], Field(max_length=MOST_ALERTS)]


class AlertsTaken(BaseModel):
    """How many were news, and how many netmon had raised itself."""

    news: int
    own: int


@router.post("/alertmanager")
async def alertmanager(request: Request, given: AlertsIn) -> AlertsTaken:
    """Alerts of others become incidents and are told to the same people; on disk when this returns."""
    web = acting(request)
    now = web.clock.now()
    posted = []
    for alert in given.alerts:
        ended = None
        if alert.status == "resolved":
            ended = min(now, alert.endsAt.timestamp()) if alert.endsAt else now
        began = min(now, max(0.0, alert.startsAt.timestamp()))  # of a clock that is ahead of ours, or never set
        labels = tuple(sorted(alert.labels.items()))
        posted.append(Posted(alert.fingerprint, labels, text_of(alert.annotations), began, ended))
    try:
        news, own = await web.actions.take_alerts(posted)
    except StoreError as error:
        raise HTTPException(503, "not kept, send it again") from error
    return AlertsTaken(news=news, own=own)
