"""A test message to one person by each of his channels, in their order. Real ones, marked as a test."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from netmon.alerts import zns
from netmon.alerts.channels import Outgoing
from netmon.alerts.channels.ways import Ways
from netmon.alerts.messages import Message
from netmon.alerts.messages_facts import Texts
from netmon.alerts.plan_write import form_of, unusable
from netmon.config import Channel
from netmon.errors import CollectError, NetmonError
from netmon.model import Contact
from netmon.vietnamese import SMS_LENGTH, sms_text

ATTEMPT_S = 60.0


@dataclass(frozen=True, slots=True)
class Tried:
    """One channel; ``problem`` is empty where the message was taken."""

    channel: str
    problem: str


def find_contact(contacts: Mapping[str, Contact], to: str) -> Contact:
    """By id, else by name. Raises NetmonError."""
    named = [c for c in contacts.values() if c.name.casefold() == to.casefold()]
    if to in contacts or len(named) == 1:
        return contacts.get(to) or named[0]
    what = f"{len(named)} contacts are called {to!r}: use an id" if named else f"no contact {to!r}"
    raise NetmonError(f"{what}; known: {', '.join(sorted(contacts)[:40]) or 'none'}")


async def try_channels(ways: Ways, contact: Contact, words: Mapping[str, Texts], now: float) -> list[Tried]:
    """One message for each channel, one after the other. Raises NetmonError where he has none."""
    if not contact.channels:
        raise NetmonError(f"contact {contact.id} has no channels")
    return [await _try(ways, name, contact, words, now) for name in contact.channels]


async def _try(ways: Ways, name: str, contact: Contact, words: Mapping[str, Texts], now: float) -> Tried:
    channel = ways.config.notify.channels.get(name)
    if channel is None:
        return Tried(name, "not in the configuration")
    if problem := unusable(channel, contact):
        return Tried(name, problem)
    texts = words.get(contact.language) or words[ways.config.language]
    at = datetime.fromtimestamp(now, ZoneInfo(ways.config.timezone)).strftime("%H:%M %d/%m/%Y")
    message = _message(channel, contact, texts, at)
    sent = Outgoing(
        id=f"test-{now:.0f}|{contact.id}|{name}",
        thread="",
        subject=message.subject,
        body=message.body,
        at=now,
        name=contact.name,
        email=contact.email,
        phone=contact.phone,
        zalo=contact.zalo,
        zalo_bot=contact.zalo_bot,
    )
    try:
        async with asyncio.timeout(ATTEMPT_S):
            await asyncio.to_thread(ways.send, channel, sent)
    except TimeoutError:
        return Tried(name, f"no end within {ATTEMPT_S:.0f} s")
    except CollectError as error:
        return Tried(name, str(error))
    return Tried(name, "")


def _message(channel: Channel, contact: Contact, words: Texts, at: str) -> Message:
    subject = words.text("test.subject", channel=channel.name)
    body = words.text("test.body", t=at, channel=channel.name, name=contact.name)
    if channel.kind == "zns":
        said = {"state": words.text("test.mark"), "time": at}
        return zns.parameters(channel.parameters, Message(subject, body), said, contact.name)
    return Message(subject, sms_text(body)[:SMS_LENGTH] if form_of(channel) == "sms" else body)
