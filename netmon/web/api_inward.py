"""What other programs hand in: answers that an SMS gateway received. All of it needs the token."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, Field

from netmon.errors import Refused
from netmon.history.store import StoreError
from netmon.model import Reply
from netmon.phones import international
from netmon.web.api_desk import DENIED, acting

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
