"""Trying the ways to a person. Needs the token: it sends real messages."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, Field

from netmon.errors import NetmonError
from netmon.web.api_desk import DENIED, acting

router = APIRouter(prefix="/api/v1", responses=DENIED)


class TestIn(BaseModel):
    """Whom to send a test message."""

    to: str = Field(min_length=1, max_length=100, description="id or name of a contact")


class TriedOut(BaseModel):
    """What became of it on one channel."""

    channel: str
    problem: str = Field(description="empty where the message was taken")


@router.post("/notify/test")
async def notify_test(request: Request, given: TestIn) -> list[TriedOut]:
    """Send a message that is marked as a test by each channel of one person; returns when all have been tried."""
    web = acting(request)
    try:
        found = await web.actions.try_channels(given.to)
    except NetmonError as error:
        raise HTTPException(409, str(error)) from error
    return [TriedOut(channel=channel, problem=problem) for channel, problem in found]
